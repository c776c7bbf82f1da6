//! What do the texts of views, triggers, routines and events say?
//!
//! Tolerant as `create` is: what is not understood is left empty.

use super::lex::{Token, Words};

/// What stands before the word that names the kind of object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    /// `root@localhost`
    pub definer: String,
    pub security: String,
    pub algorithm: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ViewText {
    pub head: Head,
    pub query: String,
    pub check_option: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TriggerText {
    pub head: Head,
    pub timing: String,
    pub event: String,
    pub table: String,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RoutineText {
    pub head: Head,
    /// (mode, name, type)
    pub parameters: Vec<(String, String, String)>,
    /// Of a function: its type.
    pub returns: String,
    pub deterministic: bool,
    pub data_access: String,
    pub comment: String,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct EventText {
    pub head: Head,
    /// Number and unit.
    pub every: Option<(String, String)>,
    pub at: Option<String>,
    pub starts: Option<String>,
    pub ends: Option<String>,
    pub preserve: bool,
    pub status: String,
    pub comment: String,
    pub body: String,
}

impl Head {
    /// Reads up to one of these words, which it takes.
    fn read(words: &mut Words<'_>, kinds: &[&str]) -> Head {
        let mut head = Head { definer: String::new(), security: "DEFINER".into(), algorithm: "UNDEFINED".into() };
        while words.peek().is_some() && !kinds.iter().any(|k| words.take(&[k])) {
            if words.take(&["DEFINER", "="]) {
                head.definer = words.name().unwrap_or_default();
                if let Some(Token::UserVariable(host)) = words.peek().cloned() {
                    words.next();
                    head.definer = format!("{}@{host}", head.definer);
                }
            } else if words.take(&["SQL", "SECURITY"]) {
                head.security = words.name().unwrap_or_default().to_uppercase();
            } else if words.take(&["ALGORITHM", "="]) {
                head.algorithm = words.name().unwrap_or_default().to_uppercase();
            } else {
                words.next();
            }
        }
        head
    }
}

/// The words of a text; none, if it cannot be read.
fn words(create: &str) -> Words<'_> {
    Words::of(create).unwrap_or_else(|_| Words::of("").expect("nothing is readable"))
}

/// `[db.]name`
fn object_name(words: &mut Words<'_>) -> String {
    words.take(&["IF", "NOT", "EXISTS"]);
    let first = words.name().unwrap_or_default();
    if words.take_symbol('.') { words.name().unwrap_or_default() } else { first }
}

fn rest(words: &Words<'_>) -> String {
    words.text.get(words.place()..).unwrap_or_default().trim_end().to_string()
}

impl ViewText {
    pub fn read(create: &str) -> ViewText {
        let mut words = words(create);
        let head = Head::read(&mut words, &["VIEW"]);
        object_name(&mut words);
        words.cut(|w| w.sees(&["AS"]));
        words.take(&["AS"]);
        let with = |w: &Words<'_>| {
            [&["WITH", "CHECK"][..], &["WITH", "CASCADED", "CHECK"], &["WITH", "LOCAL", "CHECK"]]
                .iter()
                .any(|s| w.sees(s))
        };
        let query = words.cut(with).to_string();
        let check_option = match () {
            () if words.take(&["WITH", "LOCAL"]) => "LOCAL",
            () if words.take(&["WITH"]) => "CASCADED",
            () => "NONE",
        };
        ViewText { head, query, check_option: check_option.to_string() }
    }
}

impl TriggerText {
    pub fn read(create: &str) -> TriggerText {
        let mut words = words(create);
        let head = Head::read(&mut words, &["TRIGGER"]);
        object_name(&mut words);
        let mut upper = || words.name().unwrap_or_default().to_uppercase();
        let (timing, event) = (upper(), upper());
        words.take(&["ON"]);
        let table = object_name(&mut words);
        words.take(&["FOR", "EACH", "ROW"]);
        if words.take(&["FOLLOWS"]) || words.take(&["PRECEDES"]) {
            object_name(&mut words);
        }
        TriggerText { head, timing, event, table, body: rest(&words) }
    }
}

impl RoutineText {
    pub fn read(create: &str) -> RoutineText {
        let mut words = words(create);
        let mut head = Head::read(&mut words, &["PROCEDURE", "FUNCTION"]);
        object_name(&mut words);
        let mut parameters = Vec::new();
        words.take_symbol('(');
        while !words.at_end() && !words.sees(&[")"]) {
            let mode = ["INOUT", "IN", "OUT"].into_iter().find(|m| words.take(&[m])).unwrap_or("IN");
            let Ok(name) = words.name() else { break };
            parameters.push((mode.to_string(), name, words.cut(|w| w.sees(&[","])).to_string()));
            words.take_symbol(',');
        }
        words.take_symbol(')');
        let returns = if words.take(&["RETURNS"]) { kind(&mut words) } else { String::new() };
        let (mut deterministic, mut data_access, mut comment) = (false, "CONTAINS SQL".to_string(), String::new());
        loop {
            match () {
                () if words.take(&["LANGUAGE", "SQL"]) || words.take(&["NOT", "DETERMINISTIC"]) => {}
                () if words.take(&["DETERMINISTIC"]) => deterministic = true,
                () if words.take(&["CONTAINS", "SQL"]) => {}
                () if words.take(&["NO", "SQL"]) => data_access = "NO SQL".into(),
                () if words.take(&["READS", "SQL", "DATA"]) => data_access = "READS SQL DATA".into(),
                () if words.take(&["MODIFIES", "SQL", "DATA"]) => data_access = "MODIFIES SQL DATA".into(),
                () if words.take(&["SQL", "SECURITY"]) => {
                    head.security = words.name().unwrap_or_default().to_uppercase()
                }
                () if words.take(&["COMMENT"]) => comment = words.string().unwrap_or_default(),
                () => break,
            }
        }
        RoutineText { head, parameters, returns, deterministic, data_access, comment, body: rest(&words) }
    }
}

/// A type: its name, what it has in parentheses, and the words that go on with it.
fn kind(words: &mut Words<'_>) -> String {
    let from = words.place();
    let mut first = true;
    while let Some(token) = words.peek().cloned() {
        const ON: [&str; 8] =
            ["UNSIGNED", "SIGNED", "ZEROFILL", "CHARSET", "COLLATE", "BINARY", "CHARACTER", "PRECISION"];
        match token {
            Token::Symbol('(') => {
                words.next();
                words.cut(|_| false);
                words.next();
            }
            Token::Word(w) if first || ON.iter().any(|o| w.eq_ignore_ascii_case(o)) => {
                words.next();
                if w.eq_ignore_ascii_case("CHARACTER") {
                    words.take(&["SET"]);
                }
                if ["CHARSET", "COLLATE", "CHARACTER"].iter().any(|o| w.eq_ignore_ascii_case(o)) {
                    words.next();
                }
            }
            _ => break,
        }
        first = false;
    }
    words.since(from).to_string()
}

impl EventText {
    pub fn read(create: &str) -> EventText {
        let mut words = words(create);
        let head = Head::read(&mut words, &["EVENT"]);
        object_name(&mut words);
        let mut this = EventText {
            head,
            every: None,
            at: None,
            starts: None,
            ends: None,
            preserve: false,
            status: "ENABLED".into(),
            comment: String::new(),
            body: String::new(),
        };
        words.take(&["ON", "SCHEDULE"]);
        while !words.at_end() && !words.take(&["DO"]) {
            match () {
                () if words.take(&["EVERY"]) => {
                    let number = match words.next() {
                        Some(Token::Word(n) | Token::Text(n)) => n,
                        _ => String::new(),
                    };
                    this.every = Some((number, words.name().unwrap_or_default().to_uppercase()));
                }
                () if words.take(&["AT"]) => this.at = words.string().ok(),
                () if words.take(&["STARTS"]) => this.starts = words.string().ok(),
                () if words.take(&["ENDS"]) => this.ends = words.string().ok(),
                () if words.take(&["ON", "COMPLETION", "NOT", "PRESERVE"]) => this.preserve = false,
                () if words.take(&["ON", "COMPLETION", "PRESERVE"]) => this.preserve = true,
                () if words.take(&["DISABLE", "ON", "SLAVE"]) => this.status = "SLAVESIDE_DISABLED".into(),
                () if words.take(&["DISABLE"]) => this.status = "DISABLED".into(),
                () if words.take(&["COMMENT"]) => this.comment = words.string().unwrap_or_default(),
                () => drop(words.next()),
            }
        }
        this.body = rest(&words);
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view() {
        let t = ViewText::read(
            "CREATE ALGORITHM=MERGE DEFINER=`root`@`localhost` SQL SECURITY INVOKER VIEW `shop`.`v` (`a`) AS select 1 AS `a` WITH LOCAL CHECK OPTION",
        );
        assert_eq!((t.query.as_str(), t.check_option.as_str()), ("select 1 AS `a`", "LOCAL"));
        let (definer, security, algorithm) = (t.head.definer, t.head.security, t.head.algorithm);
        assert_eq!((definer.as_str(), security.as_str(), algorithm.as_str()), ("root@localhost", "INVOKER", "MERGE"));
    }

    #[test]
    fn a_trigger() {
        let t = TriggerText::read(
            "CREATE DEFINER=`a`@`%` trigger shop.tr before insert on `shop`.`orders` for each row set new.note = upper(new.note)",
        );
        assert_eq!((t.timing.as_str(), t.event.as_str(), t.table.as_str()), ("BEFORE", "INSERT", "orders"));
        assert_eq!((t.body.as_str(), t.head.definer.as_str()), ("set new.note = upper(new.note)", "a@%"));
    }

    #[test]
    fn routines() {
        let f = RoutineText::read(
            "CREATE DEFINER=`r`@`h` FUNCTION `f`(x int, y varchar(10)) RETURNS decimal(10,2) unsigned CHARSET utf8mb4 COLLATE utf8mb4_bin\n    READS SQL DATA\n    DETERMINISTIC\n    COMMENT 'c'\nreturn x+1",
        );
        assert_eq!(f.returns, "decimal(10,2) unsigned CHARSET utf8mb4 COLLATE utf8mb4_bin");
        assert_eq!((f.body.as_str(), f.deterministic, f.data_access.as_str()), ("return x+1", true, "READS SQL DATA"));
        let in_x = ("IN".to_string(), "x".to_string(), "int".to_string());
        assert_eq!(f.parameters, [in_x, ("IN".to_string(), "y".to_string(), "varchar(10)".to_string())]);
        let p = RoutineText::read("CREATE PROCEDURE `p`(inout a int)\nBEGIN SELECT 1; END");
        assert_eq!((p.returns.as_str(), p.body.as_str()), ("", "BEGIN SELECT 1; END"));
        assert_eq!(p.parameters[0].0, "INOUT");
    }

    #[test]
    fn an_event() {
        let t = EventText::read(
            "CREATE DEFINER=`root`@`localhost` EVENT `ev` ON SCHEDULE EVERY 1 DAY STARTS '2026-11-23 05:59:05' ON COMPLETION NOT PRESERVE DISABLE COMMENT 'x' DO select 1",
        );
        assert_eq!(t.every, Some(("1".into(), "DAY".into())));
        assert_eq!((t.status.as_str(), t.body.as_str()), ("DISABLED", "select 1"));
        assert_eq!(t.starts.as_deref(), Some("2026-11-23 05:59:05"));
        assert_eq!(EventText::read("CREATE EVENT '").body, "");
    }
}
