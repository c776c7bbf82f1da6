//! What does the target take?

use super::server::{Family, Server};
use super::sink::{Connection, SinkError};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;

/// What a server is and has, as its session of a restore sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    pub server: Server,
    pub local_infile: bool,
    pub max_allowed_packet: usize,
    /// It takes `Orders` and `orders` for one name.
    pub ignores_case: bool,
    /// `utf8mb4_general_ci`, …
    pub collations: BTreeSet<String>,
    /// Storage engines that work, in lower case.
    pub engines: BTreeSet<String>,
    /// Tables without a primary key are refused.
    pub requires_keys: bool,
    /// Tables without a primary key get a column more.
    pub makes_keys: bool,
    /// Nobody can write, whatever his rights.
    pub closed: bool,
}

/// The first MySQL whose RENAME, key and column rules are those that a restore counts on.
const OLDEST_MYSQL: (u16, u16) = (8, 4);

impl Abilities {
    /// Errors: `Unsupported` for a server that is neither MariaDB nor MySQL, or too old; `Unreachable`, `Server`.
    pub async fn read(connection: &mut Connection) -> Result<Self> {
        let about = |e: SinkError| e.about("asking the target for its settings");
        let sql = "SELECT VERSION(), @@local_infile, @@max_allowed_packet, @@lower_case_table_names";
        let mut cells = connection.rows(sql).await.map_err(about)?.into_iter().flatten().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let version = next();
        let server = known(&version)?;
        let (local_infile, max_allowed_packet, ignores_case) =
            (next() == "1", next().parse().unwrap_or(1 << 20), next() != "0");
        let (mut requires_keys, mut makes_keys, mut closed) = (false, false, false);
        let engines = "SELECT LOWER(ENGINE) FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')";
        // MariaDB lists uca1400 collations without their character set in COLLATIONS
        let mut collations = "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
        if server.family == Family::MySql {
            collations = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS";
            let sql = "SELECT @@sql_require_primary_key, @@sql_generate_invisible_primary_key, @@super_read_only";
            let row = connection.rows(sql).await.map_err(about)?.into_iter().flatten().flatten();
            let row: Vec<bool> = row.map(|cell| cell == "1").collect();
            if let [requires, makes, read_only] = row[..] {
                (requires_keys, makes_keys, closed) = (requires, makes, read_only);
            }
        } else if server.version < (10, 10) {
            collations = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS";
        }
        let mut list = async |sql: &str| {
            let rows = connection.rows(sql).await.map_err(about)?;
            Ok::<BTreeSet<String>, Error>(rows.into_iter().flatten().flatten().collect())
        };
        let (collations, engines) = (list(collations).await?, list(engines).await?);
        Ok(Self {
            server,
            local_infile,
            max_allowed_packet,
            ignores_case,
            collations,
            engines,
            requires_keys,
            makes_keys,
            closed,
        })
    }
}

fn known(version: &str) -> Result<Server> {
    let hint = "RESTORE writes to MariaDB servers, and to MySQL 8.4 or later.";
    let unsupported = |why: String| Error::new(Kind::Unsupported, why).hint(hint);
    let server = Server::parse(version)
        .ok_or_else(|| unsupported(format!("the target runs {version}, which is neither MariaDB nor MySQL")))?;
    if server.family == Family::MySql && server.version < OLDEST_MYSQL {
        return Err(unsupported(format!("the target runs {server}, which is too old")));
    }
    Ok(server)
}
