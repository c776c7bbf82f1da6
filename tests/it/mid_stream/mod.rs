//! Schema statements in the middle of a stream: what the archive says of each moment is what the server said then, or
//! it says that it does not know, exactly from the statement to the table's new base.
//!
//! Every case has databases of its own on one server. The cases' statements run while capture runs; after each of
//! them the server is asked for all it has. In the end every such moment is asked from the archive.

mod cases;
mod run;
mod swap;
mod unseen;
mod views;

use crate::support::db::Product;

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_followed_or_answered_by_a_new_base() {
    run::all(Product::MariaDb1011, &["--secure-file-priv="]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_on_mariadb_11_8() {
    run::all(Product::MariaDb118, &["--secure-file-priv="]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_on_mysql_9() {
    run::all(Product::MySql9, &["--secure-file-priv=", "--log-bin-trust-function-creators=1"]).await;
}
