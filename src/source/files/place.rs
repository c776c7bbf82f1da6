//! Where in the binary log does a dump stand? What mysqldump, mariadb-dump and mydumper write of it.

use crate::error::{Error, Kind, Result};
use crate::source::mysql::Position;

/// `MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=3912`, as a comment or not; MySQL says SOURCE.
pub fn log_position(text: &str) -> Option<Position> {
    let after = |word: &str| {
        let at = text.find(&format!("MASTER_LOG_{word}=")).or_else(|| text.find(&format!("SOURCE_LOG_{word}=")))?;
        text[at..].split_once('=').map(|(_, rest)| rest)
    };
    let file = after("FILE")?.strip_prefix('\'')?.split_once('\'')?.0.to_string();
    let digits: String = after("POS")?.chars().take_while(char::is_ascii_digit).collect();
    Some(Position { file, offset: digits.parse().ok()?, gtids: String::new() })
}

/// `SET GLOBAL gtid_slave_pos='0-1-5'` (MariaDB), `SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'uuid:1-25'` (MySQL).
pub fn gtids(text: &str) -> Option<String> {
    let plain = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    if let Some((_, rest)) = text.split_once("gtid_slave_pos='") {
        return rest.split_once('\'').map(|(gtids, _)| plain(gtids));
    }
    let (_, rest) = text.split_once("GTID_PURGED=")?;
    // the quoted texts are the odd parts; before the set may stand '+'
    let quoted: Vec<&str> = rest.split('\'').skip(1).step_by(2).collect();
    quoted.into_iter().rfind(|t| *t != "+").map(plain)
}

/// What the file `metadata` of a mydumper directory says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub position: Option<Position>,
    /// `2026-11-23 09:17:35`, by the dumping machine's clock and zone. `None`: the dump was not finished.
    pub finished: Option<String>,
    /// How many rows each table has, by the names in the sections: `` [`shop`.`orders`] ``.
    pub rows: Vec<(String, String, u64)>,
}

/// Reads `metadata`: up to 0.13 headings and indented lines (`SHOW MASTER STATUS:`, `Log:`, `Pos:`, `GTID:`), later
/// sections as in an INI file (`[source]`, `File = `, `Position = `, `Executed_Gtid_Set = `). Positions of the
/// dumped server's own source (`SHOW SLAVE STATUS:`, `[replication]`) are not this dump's.
/// Errors: `BadValue` when a position is named in part only.
pub fn metadata(text: &str, name: &str) -> Result<Metadata> {
    let mut found = Metadata::default();
    let (mut file, mut offset, mut gtids) = (None, None, String::new());
    let (mut own, mut table) = (false, None);
    for line in text.lines().map(str::trim) {
        let bare = line.trim_start_matches('#').trim();
        if let Some(at) = bare.strip_prefix("Finished dump at:") {
            found.finished = Some(at.trim().to_string());
        } else if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            own = matches!(section, "master" | "source");
            table = names(section);
        } else if line.ends_with("STATUS:") {
            own = line == "SHOW MASTER STATUS:" || line == "SHOW BINARY LOG STATUS:";
        } else if let Some((key, value)) = bare.split_once(['=', ':']).map(|(k, v)| (k.trim().to_lowercase(), v.trim()))
        {
            let value = value.trim_matches(['"', '\'']);
            match (key.as_str(), &table) {
                ("log" | "file" | "source_log_file", _) if own => file = Some(value.to_string()),
                ("pos" | "position" | "source_log_pos", _) if own => offset = value.parse().ok(),
                ("gtid" | "executed_gtid_set", _) if own => gtids = value.replace(char::is_whitespace, ""),
                ("rows", Some((database, table))) => {
                    found.rows.extend(value.parse().ok().map(|n| (database.clone(), table.clone(), n)));
                }
                ("real_table_name", Some((database, _))) => table = Some((database.clone(), value.to_string())),
                _ => {}
            }
        }
    }
    found.position = match (file, offset) {
        (Some(file), Some(offset)) if !file.is_empty() => Some(Position { file, offset, gtids }),
        (None, None) => None,
        _ => return Err(Error::new(Kind::BadValue, format!("{name} names a log position in part only"))),
    };
    Ok(found)
}

/// `` `shop`.`orders` ``
fn names(section: &str) -> Option<(String, String)> {
    let (database, table) = section.strip_prefix('`')?.strip_suffix('`')?.split_once("`.`")?;
    Some((database.replace("``", "`"), table.replace("``", "`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found() {
        let found = log_position("-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=3912;")
            .expect("a position");
        assert_eq!((found.file.as_str(), found.offset), ("binlog.000001", 3912));
        assert!(log_position("CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='b.1', SOURCE_LOG_POS=4").is_some());
        assert!(log_position("-- MASTER_LOG_FILE").is_none());
        assert_eq!(gtids("-- SET GLOBAL gtid_slave_pos='0-1-5,1-1-2';").as_deref(), Some("0-1-5,1-1-2"));
        let purged = "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '87533a18-e71e:1-25,\n97533a18-e71e:1-5'";
        assert_eq!(gtids(purged).as_deref(), Some("87533a18-e71e:1-25,97533a18-e71e:1-5"));
        assert_eq!(gtids("SET @@GLOBAL.GTID_PURGED=''").as_deref(), Some(""));
        assert_eq!(gtids("SET @x = 'y'"), None);
    }

    #[test]
    fn both_forms_of_metadata_are_read() {
        let old = "Started dump at: 2026-11-23 09:17:34\nSHOW MASTER STATUS:\n\tLog: binlog.000001\n\tPos: 8395\n\tGTID:0-33101-34\n\n\
                   SHOW SLAVE STATUS:\n\tHost: db\n\tLog: other.000007\n\tPos: 4\n\tGTID:\n\nFinished dump at: 2026-11-23 09:17:35\n";
        let found = metadata(old, "metadata").expect("read");
        let at = found.position.expect("a position");
        assert_eq!(
            (at.to_string().as_str(), found.finished.as_deref()),
            ("binlog.000001:8395 0-33101-34", Some("2026-11-23 09:17:35"))
        );
        let new = "# Started dump at: 2023-06-09 11:47:18\n[config]\nquote-character = BACKTICK\n[source]\n# Channel_Name = '' # It can\n\
                   File = bin.000017\nPosition = 241\nExecuted_Gtid_Set = 7b-1:1-5,7b-2:1-8\n\n[`shop`.`a``b`]\nRows = 2\ndata_checksum = 31\n\
                   [`shop`]\nschema_checksum = F\n[replication]\nFile = x.1\nPosition = 1\n[`shop`.`mydumper_0`]\nreal_table_name=we ird.t\nrows = 7\n\
                   # Finished dump at: 2023-06-09 11:47:18\n";
        let found = metadata(new, "metadata").expect("read");
        assert_eq!(found.position.expect("a position").to_string(), "bin.000017:241 7b-1:1-5,7b-2:1-8");
        let rows = [("shop".to_string(), "a`b".to_string(), 2), ("shop".into(), "we ird.t".into(), 7)];
        assert_eq!((found.rows.as_slice(), found.finished.is_some()), (&rows[..], true));
        let said = "[source]\n#SOURCE_HOST = \"h\"\nexecuted_gtid_set = \"u:1\"\nSOURCE_AUTO_POSITION = 1\n#SOURCE_LOG_FILE = \"b.000002\"\n#SOURCE_LOG_POS = 5\n";
        let found = metadata(said, "metadata").expect("read");
        assert_eq!(found.position.expect("a position").to_string(), "b.000002:5 u:1");
        assert_eq!(metadata("Started dump at: x\nFinished dump at: y\n", "metadata").expect("read").position, None);
        metadata("[source]\nFile = b.000001\n", "metadata").expect_err("no offset");
    }
}
