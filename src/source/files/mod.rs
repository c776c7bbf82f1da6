//! What do dump files and binlog files on disk tell? The same as a live server, as far as they reach.

mod dump;
mod insert;
mod statements;

pub use dump::{Dump, DumpBase, is_dump};
