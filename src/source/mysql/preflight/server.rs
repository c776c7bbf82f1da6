//! The server's version and settings, and the account's grants.

use super::{Line, Report};
use crate::error::Result;
use crate::model::ServerUrl;
use crate::source::mysql::connect::{ask, at, literal};
use crate::source::mysql::family::{Family, Version};
use mysql_async::Conn;
use std::collections::BTreeMap;

/// Is it a server that can be read?
pub fn family(version: &Version) -> Line {
    let (oldest, needed) = match version.family {
        Family::MariaDb => ((10, 5), "MariaDB 10.5 or later"),
        Family::MySql => ((8, 4), "MySQL 8.4 or later"),
    };
    let ok = version.number >= oldest;
    let found = match version.family {
        Family::MariaDb => version.text.clone(),
        Family::MySql => format!("MySQL {}", version.text),
    };
    let fix = (!ok).then(|| "upgrade the server".to_string());
    Line { name: "server".into(), found, needed: needed.into(), ok, fix }
}

/// The server's variables.
struct Variables(BTreeMap<String, String>);

impl Variables {
    async fn ask(conn: &mut Conn, url: &ServerUrl) -> Result<Self> {
        let rows = ask(conn, url, "SHOW GLOBAL VARIABLES").await?;
        Ok(Self(rows.iter().map(|r| (at(r, 0).to_string(), at(r, 1).to_string())).collect()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).eq_ignore_ascii_case(value)
    }
}

/// The binary log's settings.
pub async fn settings(conn: &mut Conn, url: &ServerUrl, family: Family, report: &mut Report) -> Result<()> {
    let all = Variables::ask(conn, url).await?;
    let option = |line: &str| {
        format!("{line} (in the [{}] section of the option file; then restart the server)", family.section())
    };
    report.need("log_bin", all.get("log_bin"), "ON", all.is("log_bin", "ON"), &option("log_bin = binlog"));
    for (name, value) in [("binlog_format", "ROW"), ("binlog_row_image", "FULL"), ("binlog_row_metadata", "FULL")] {
        report.need(name, all.get(name), value, all.is(name, value), &format!("SET GLOBAL {name} = '{value}'"));
    }
    let server_id = all.get("server_id");
    report.need("server_id", server_id, "not 0", server_id != "0", "SET GLOBAL server_id = 1");
    expiry(all.get("binlog_expire_logs_seconds"), all.get("expire_logs_days"), report);
    let lower = all.get("lower_case_table_names");
    report.need("lower_case_table_names", lower, "0", lower == "0", "none: protect a server with case-sensitive names");
    match family {
        Family::MariaDb => mariadb(&all, &option("log_slave_updates = ON"), report),
        Family::MySql => {
            let channels = "SELECT COUNT(*) FROM performance_schema.replication_connection_configuration";
            // an account that may not read this misses SELECT, which its own line says
            let channels = ask(conn, url, channels).await.unwrap_or_default();
            let replica = channels.first().is_some_and(|r| at(r, 0) != "0");
            mysql(&all, replica, &option("log_replica_updates = ON"), report);
        }
    }
    Ok(())
}

fn mariadb(all: &Variables, log_updates: &str, report: &mut Report) {
    let replica = !all.get("gtid_slave_pos").is_empty() && !all.is("log_slave_updates", "ON");
    let found = all.get("log_slave_updates");
    report.need("log_slave_updates", found, "ON where the server is a replica", !replica, log_updates);
    let strict = all.is("gtid_strict_mode", "ON");
    let advice = (!strict).then(|| "SET GLOBAL gtid_strict_mode = ON".to_string());
    report.push("gtid_strict_mode", all.get("gtid_strict_mode"), "nothing (ON keeps GTIDs in order)", true, advice);
}

fn mysql(all: &Variables, replica: bool, log_updates: &str, report: &mut Report) {
    let ok = !replica || all.is("log_replica_updates", "ON");
    let found = all.get("log_replica_updates");
    report.need("log_replica_updates", found, "ON where the server is a replica", ok, log_updates);
    let parts = all.get("binlog_row_value_options");
    let shown = if parts.is_empty() { "nothing" } else { parts };
    report.need(
        "binlog_row_value_options",
        shown,
        "nothing: whole JSON values are logged",
        parts.is_empty(),
        "SET GLOBAL binlog_row_value_options = ''",
    );
    // each step may be taken while the server is used; the next one only from the one before
    let steps = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];
    let mode = all.get("gtid_mode");
    let now = steps.iter().position(|s| s.eq_ignore_ascii_case(mode)).unwrap_or(0);
    let mut fix: Vec<String> = steps[now + 1..].iter().map(|s| format!("SET GLOBAL gtid_mode = {s}")).collect();
    if !all.is("enforce_gtid_consistency", "ON") {
        fix.insert(0, "SET GLOBAL enforce_gtid_consistency = ON".to_string());
    }
    report.need("gtid_mode", mode, "ON", all.is("gtid_mode", "ON"), &fix.join("; "));
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
pub async fn grants(conn: &mut Conn, url: &ServerUrl, family: Family, report: &mut Report) -> Result<bool> {
    let account = ask(conn, url, "SELECT CURRENT_USER()").await?;
    let account = account.first().map(|r| at(r, 0)).unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    let account = format!("{}@{}", literal(user), literal(host));
    let shown = ask(conn, url, "SHOW GRANTS").await?;
    let held: Vec<&str> = shown.iter().flat_map(|r| global_privileges(at(r, 0))).collect();
    let holds = |privilege: &str| held.iter().any(|h| matches!(*h, "ALL PRIVILEGES" | "ALL") || *h == privilege);
    let mut complete = true;
    for privilege in family.grants() {
        let stands_in: &[&str] = match *privilege {
            "BINLOG MONITOR" => &["SUPER", "REPLICATION CLIENT"],
            "RELOAD" => &["FLUSH_TABLES"],
            _ => &[],
        };
        let ok = holds(privilege) || stands_in.iter().any(|p| holds(p));
        complete &= ok;
        let found = if ok { "granted" } else { "not granted" };
        let fix = format!("GRANT {privilege} ON *.* TO {account}");
        report.need(format!("grant {privilege}"), found, "granted on *.*", ok, &fix);
    }
    if complete {
        filters(conn, url, family, report).await?;
    }
    if family == Family::MariaDb {
        let reload = holds("RELOAD");
        let advice = (!reload).then(|| format!("GRANT RELOAD ON *.* TO {account}"));
        let needed = "nothing (with it, the base of a very busy server is read over several connections)";
        report.push("grant RELOAD", if reload { "granted" } else { "not granted" }, needed, true, advice);
    }
    let process = holds("PROCESS");
    let advice = (!process).then(|| format!("GRANT PROCESS ON *.* TO {account}"));
    let needed = "nothing (with it, tables and partitions that change places while a base is read are told apart)";
    report.push("grant PROCESS", if process { "granted" } else { "not granted" }, needed, true, advice);
    Ok(complete)
}

/// Databases that the server leaves out of its log change unseen.
async fn filters(conn: &mut Conn, url: &ServerUrl, family: Family, report: &mut Report) -> Result<()> {
    let rows = ask(conn, url, family.show_log_end()).await?;
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
        // MySQL separates its dynamic privileges without spaces
        Some((list, _)) => list.split(',').map(str::trim).collect(),
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
            ("9.7.4-2", true),
            ("8.0.40-log", false),
            ("", false),
        ] {
            assert_eq!(family(&Version::parse(version)).ok, ok, "{version}");
        }
        assert_eq!(family(&Version::parse("8.0.40-log")).found, "MySQL 8.0.40-log");
    }

    #[test]
    fn gtids_are_switched_on_from_the_step_where_they_stand() {
        let fix = |mode: &str| {
            let all = [("gtid_mode", mode), ("enforce_gtid_consistency", "OFF")];
            let all = Variables(all.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect());
            let mut report = Report::default();
            mysql(&all, false, "", &mut report);
            report.lines.pop().and_then(|l| l.fix).unwrap_or_default()
        };
        assert_eq!(fix("ON_PERMISSIVE"), "SET GLOBAL enforce_gtid_consistency = ON; SET GLOBAL gtid_mode = ON");
        assert_eq!(fix("OFF").matches("gtid_mode").count(), 3);
        assert_eq!(fix("ON"), "");
    }

    #[test]
    fn grants_on_everything_are_read_and_others_are_not() {
        assert_eq!(global_privileges("GRANT SELECT, BINLOG MONITOR ON *.* TO `a`@`%`"), ["SELECT", "BINLOG MONITOR"]);
        assert_eq!(global_privileges("GRANT A_ADMIN,B_ADMIN ON *.* TO `a`@`%`"), ["A_ADMIN", "B_ADMIN"]);
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
