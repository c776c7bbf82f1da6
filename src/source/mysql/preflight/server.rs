//! The server's version and settings, and the account's grants.

use super::{Line, Report};
use crate::error::Result;
use crate::model::ServerUrl;
use crate::source::mysql::connect::{GRANTS, ask, at, literal};
use mysql_async::Conn;
use std::collections::BTreeMap;

const OLDEST: (u32, u32) = (10, 5);
const NEEDED_VERSION: &str = "MariaDB 10.5 or later";

/// `10.11.18-MariaDB-log`: which server is this?
pub fn family(version: &str) -> Line {
    let mut numbers = version.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mariadb = version.contains("MariaDB");
    let ok = mariadb && number >= OLDEST;
    let fix = match (ok, mariadb) {
        (true, _) => None,
        (false, true) => Some("upgrade the server".to_string()),
        (false, false) => Some("protect a MariaDB server; MySQL as a source comes with a later release".to_string()),
    };
    let found = if mariadb { version.to_string() } else { format!("MySQL {version}") };
    Line { name: "server".into(), found, needed: NEEDED_VERSION.into(), ok, fix }
}

/// The binary log's settings.
pub async fn settings(conn: &mut Conn, url: &ServerUrl, report: &mut Report) -> Result<()> {
    let rows = ask(conn, url, "SHOW GLOBAL VARIABLES").await?;
    let all: BTreeMap<&str, &str> = rows.iter().map(|r| (at(r, 0), at(r, 1))).collect();
    let get = |name: &str| all.get(name).copied().unwrap_or_default();
    let is = |name: &str, value: &str| get(name).eq_ignore_ascii_case(value);
    let on = is("log_bin", "ON");
    report.need(
        "log_bin",
        get("log_bin"),
        "ON",
        on,
        "log_bin = binlog (in the [mariadbd] section of the option file; then restart the server)",
    );
    for (name, value) in [("binlog_format", "ROW"), ("binlog_row_image", "FULL"), ("binlog_row_metadata", "FULL")] {
        report.need(name, get(name), value, is(name, value), &format!("SET GLOBAL {name} = '{value}'"));
    }
    report.need("server_id", get("server_id"), "not 0", get("server_id") != "0", "SET GLOBAL server_id = 1");
    expiry(get("binlog_expire_logs_seconds"), get("expire_logs_days"), report);
    let lower = get("lower_case_table_names");
    report.need("lower_case_table_names", lower, "0", lower == "0", "none: protect a server with case-sensitive names");
    let replica = !get("gtid_slave_pos").is_empty() && !is("log_slave_updates", "ON");
    report.need(
        "log_slave_updates",
        get("log_slave_updates"),
        "ON where the server is a replica",
        !replica,
        "log_slave_updates = ON (in the [mariadbd] section of the option file; then restart the server)",
    );
    let strict = is("gtid_strict_mode", "ON");
    let advice = (!strict).then(|| "SET GLOBAL gtid_strict_mode = ON".to_string());
    report.push("gtid_strict_mode", get("gtid_strict_mode"), "nothing (ON keeps GTIDs in order)", true, advice);
    Ok(())
}

/// How long the server keeps its log: capture may be away no longer. 0 is for ever.
fn expiry(seconds: &str, days: &str, report: &mut Report) {
    let (name, found, kept, fix) = match (seconds.parse::<f64>(), days.parse::<f64>()) {
        (Ok(s), _) => ("binlog_expire_logs_seconds", seconds, s, "SET GLOBAL binlog_expire_logs_seconds = 604800"),
        (_, Ok(d)) => ("expire_logs_days", days, d * 86_400.0, "SET GLOBAL expire_logs_days = 7"),
        _ => return,
    };
    report.need(name, found, "0 or at least one day", kept == 0.0 || kept >= 86_400.0, fix);
}

/// Whether the account may do what capture does. `false`: something is missing.
pub async fn grants(conn: &mut Conn, url: &ServerUrl, report: &mut Report) -> Result<bool> {
    let account = ask(conn, url, "SELECT CURRENT_USER()").await?;
    let account = account.first().map(|r| at(r, 0)).unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    let account = format!("{}@{}", literal(user), literal(host));
    let shown = ask(conn, url, "SHOW GRANTS").await?;
    let held: Vec<&str> = shown.iter().flat_map(|r| global_privileges(at(r, 0))).collect();
    let holds = |privilege: &str| held.iter().any(|h| matches!(*h, "ALL PRIVILEGES" | "ALL") || *h == privilege);
    let mut complete = true;
    for privilege in GRANTS.split(", ") {
        let ok = holds(privilege) || (privilege == "BINLOG MONITOR" && (holds("SUPER") || holds("REPLICATION CLIENT")));
        complete &= ok;
        let found = if ok { "granted" } else { "not granted" };
        let fix = format!("GRANT {privilege} ON *.* TO {account}");
        report.need(format!("grant {privilege}"), found, "granted on *.*", ok, &fix);
    }
    if complete {
        filters(conn, url, report).await?;
    }
    let reload = holds("RELOAD");
    let advice = (!reload).then(|| format!("GRANT RELOAD ON *.* TO {account}"));
    let needed = "nothing (with it, the base of a very busy server is read over several connections)";
    report.push("grant RELOAD", if reload { "granted" } else { "not granted" }, needed, true, advice);
    Ok(complete)
}

/// Databases that the server leaves out of its log change unseen.
async fn filters(conn: &mut Conn, url: &ServerUrl, report: &mut Report) -> Result<()> {
    let rows = ask(conn, url, "SHOW MASTER STATUS").await?;
    let (only, ignored) = rows.first().map(|r| (at(r, 2), at(r, 3))).unwrap_or_default();
    for (name, found) in [("binlog_do_db", only), ("binlog_ignore_db", ignored)] {
        let shown = if found.is_empty() { "nothing" } else { found };
        let fix = format!("remove {name} from the option file; then restart the server");
        report.need(name, shown, "nothing: every database is logged", found.is_empty(), &fix);
    }
    Ok(())
}

/// The privileges of a `GRANT … ON *.* TO …` line.
fn global_privileges(line: &str) -> Vec<&str> {
    match line.strip_prefix("GRANT ").and_then(|l| l.split_once(" ON *.* TO ")) {
        Some((list, _)) => list.split(", ").collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (version, ok) in [
            ("10.11.18-MariaDB-0+deb12u1-log", true),
            ("11.8.2-MariaDB", true),
            ("10.4.34-MariaDB", false),
            ("9.1.0", false),
            ("", false),
        ] {
            assert_eq!(family(version).ok, ok, "{version}");
        }
        assert_eq!(family("8.0.40-log").found, "MySQL 8.0.40-log");
    }

    #[test]
    fn grants_on_everything_are_read_and_others_are_not() {
        assert_eq!(global_privileges("GRANT SELECT, BINLOG MONITOR ON *.* TO `a`@`%`"), ["SELECT", "BINLOG MONITOR"]);
        assert!(global_privileges("GRANT SELECT ON `shop`.* TO `a`@`%`").is_empty());
        assert!(global_privileges("GRANT PROXY ON ''@'%' TO 'root'@'localhost'").is_empty());
    }

    #[test]
    fn a_log_that_is_kept_for_less_than_a_day_is_a_miss() {
        let ok = |seconds, days| {
            let mut report = Report::default();
            expiry(seconds, days, &mut report);
            report.ok()
        };
        assert!(ok("0", "0.000000") && ok("86400", "1.000000") && ok("", "0") && ok("", "1"));
        assert!(!ok("3600", "0.041667") && !ok("", "0.5"));
    }
}
