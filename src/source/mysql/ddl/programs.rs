//! ALTER PROCEDURE, FUNCTION and EVENT: the CREATE statement that makes what is there afterwards.
//!
//! The texts are laid out as SHOW CREATE prints them. Source: show_create_sp in MariaDB's sp.cc and
//! Events::show_create_event in its events.cc.

use super::lex::{Parser, Read};
use super::objects;

/// What stands between a routine's head and its body.
#[derive(Debug, Default)]
struct Characteristics {
    /// `NO SQL`, `READS SQL DATA`, `MODIFIES SQL DATA`; `None`: CONTAINS SQL, which is not printed.
    access: Option<&'static str>,
    deterministic: bool,
    invoker: bool,
    comment: Option<String>,
}

/// The accesses, as they are written; the first is not printed.
const ACCESS: [&[&str]; 4] =
    [&["CONTAINS", "SQL"], &["NO", "SQL"], &["READS", "SQL", "DATA"], &["MODIFIES", "SQL", "DATA"]];
const PRINTED: [Option<&str>; 4] = [None, Some("NO SQL"), Some("READS SQL DATA"), Some("MODIFIES SQL DATA")];

impl Characteristics {
    /// Takes those that come next.
    fn read(&mut self, p: &mut Parser<'_>) -> Read<()> {
        loop {
            if let Some(i) = ACCESS.iter().position(|words| p.takes(words)) {
                self.access = PRINTED.get(i).copied().flatten();
            } else if p.takes(&["DETERMINISTIC"]) {
                self.deterministic = true;
            } else if p.takes(&["NOT", "DETERMINISTIC"]) {
                self.deterministic = false;
            } else if p.takes(&["SQL", "SECURITY"]) {
                self.invoker = p.name()?.eq_ignore_ascii_case("INVOKER");
            } else if p.takes(&["COMMENT"]) {
                let start = p.mark();
                let empty = p.string()?.is_empty();
                self.comment = (!empty).then(|| p.text(start, p.mark()));
            } else if !p.takes(&["LANGUAGE", "SQL"]) {
                return Ok(());
            }
        }
    }

    fn text(&self) -> String {
        let comment = self.comment.as_ref().map(|c| format!("COMMENT {c}"));
        let lines = [
            self.access,
            self.deterministic.then_some("DETERMINISTIC"),
            self.invoker.then_some("SQL SECURITY INVOKER"),
            comment.as_deref(),
        ];
        lines.into_iter().flatten().map(|line| format!("    {line}\n")).collect()
    }
}

/// The routine after an ALTER, of which `change` holds what comes after its name.
pub fn altered_routine(create: &str, p: &mut Parser<'_>, change: &mut Parser<'_>) -> Read<String> {
    p.words(&["CREATE"])?;
    objects::head(p)?;
    let function = p.takes(&["FUNCTION"]);
    if !function {
        p.words(&["PROCEDURE"])?;
    }
    p.takes(&["IF", "NOT", "EXISTS"]);
    p.qualified()?;
    p.parenthesised()?;
    if function {
        p.words(&["RETURNS"])?;
        returned_type(p)?;
    }
    let head = before(create, p);
    let mut characteristics = Characteristics::default();
    characteristics.read(p)?;
    characteristics.read(change)?;
    Ok(format!("{}\n{}{}", head.trim_end(), characteristics.text(), p.rest_of(create)))
}

fn returned_type(p: &mut Parser<'_>) -> Read<()> {
    p.name()?;
    const MORE: [&str; 12] = [
        "UNSIGNED",
        "SIGNED",
        "ZEROFILL",
        "PRECISION",
        "VARYING",
        "BINARY",
        "ASCII",
        "UNICODE",
        "BYTE",
        "VARCHAR",
        "VARBINARY",
        "VARCHARACTER",
    ];
    loop {
        if p.sees_sign('(') {
            p.parenthesised()?;
        } else if p.takes(&["CHARACTER", "SET"]) || p.takes_any(&["CHARSET", "COLLATE"]) {
            p.skip();
        } else if !p.takes_any(&MORE) {
            return Ok(());
        }
    }
}

/// The part of a text that was read.
fn before<'t>(text: &'t str, p: &Parser<'_>) -> &'t str {
    &text[..text.len() - p.rest_of(text).len()]
}

/// An event's clauses, as texts; those that are not there are `None`.
#[derive(Debug, Default)]
struct Event {
    schedule: Option<String>,
    completion: Option<String>,
    rename: Option<(Option<String>, String)>,
    state: Option<String>,
    comment: Option<String>,
    body: Option<String>,
}

impl Event {
    /// Reads the clauses after the name.
    fn read(text: &str, p: &mut Parser<'_>) -> Read<Self> {
        let mut event = Self::default();
        while !p.done() {
            let start = p.mark();
            if p.takes(&["ON", "SCHEDULE"]) {
                let ends = ["ON", "ENABLE", "DISABLE", "COMMENT", "RENAME", "DO"];
                while !p.done() && !ends.iter().any(|w| p.sees(&[w])) {
                    p.skip();
                }
                event.schedule = Some(p.text(start, p.mark()));
            } else if p.takes(&["ON", "COMPLETION"]) {
                p.takes(&["NOT"]);
                p.words(&["PRESERVE"])?;
                event.completion = Some(p.text(start, p.mark()));
            } else if p.takes(&["RENAME", "TO"]) {
                event.rename = Some(p.qualified()?);
            } else if p.takes_any(&["ENABLE", "DISABLE"]) {
                if p.takes(&["ON"]) {
                    p.skip();
                }
                event.state = Some(p.text(start, p.mark()));
            } else if p.takes(&["COMMENT"]) {
                p.string()?;
                event.comment = Some(p.text(start, p.mark()));
            } else {
                p.words(&["DO"])?;
                event.body = Some(p.rest_of(text).to_string());
                p.rest();
            }
        }
        Ok(event)
    }
}

/// An event after an ALTER.
pub struct AlteredEvent {
    pub create: String,
    /// RENAME TO.
    pub rename: Option<(Option<String>, String)>,
}

/// `p` reads `create`; `change` reads `alter`, after the event's name. `definer`: who altered it, as
/// `` `user`@`host` ``; `name`: the event's own after that, quoted.
pub fn altered_event(
    (create, p): (&str, &mut Parser<'_>),
    (alter, change): (&str, &mut Parser<'_>),
    definer: Option<&str>,
    name: &str,
) -> Read<AlteredEvent> {
    p.words(&["CREATE"])?;
    let start = p.mark();
    objects::head(p)?;
    let head = p.text(start, p.mark());
    p.words(&["EVENT"])?;
    p.takes(&["IF", "NOT", "EXISTS"]);
    p.qualified()?;
    let (old, new) = (Event::read(create, p)?, Event::read(alter, change)?);
    let head = definer.map_or(head, |d| format!("DEFINER={d}"));
    let renamed = new.rename.as_ref().map(|(_, n)| super::quote(n));
    let clauses = [
        Some("CREATE".to_string()),
        Some(head).filter(|h| !h.is_empty()),
        Some(format!("EVENT {}", renamed.unwrap_or_else(|| name.to_string()))),
        new.schedule.or(old.schedule),
        Some(new.completion.or(old.completion).unwrap_or_else(|| "ON COMPLETION NOT PRESERVE".into())),
        Some(new.state.or(old.state).unwrap_or_else(|| "ENABLE".into())),
        new.comment.or(old.comment).filter(|c| !c.ends_with("COMMENT ''")),
        new.body.or(old.body).map(|body| format!("DO {body}")),
    ];
    let create = clauses.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Ok(AlteredEvent { create, rename: new.rename })
}

#[cfg(test)]
mod tests {
    use super::super::lex::Cutting;
    use super::*;

    fn parser(text: &str) -> Parser<'_> {
        Parser::new(text, Cutting::default()).expect("it can be cut")
    }

    #[test]
    fn characteristics_are_replaced_and_the_body_is_not_touched() {
        let create = "CREATE DEFINER=`root`@`localhost` FUNCTION `f`(a INT, b DECIMAL(3,1)) RETURNS varchar(9) CHARSET utf8mb4 COLLATE utf8mb4_bin\n    READS SQL DATA\n    DETERMINISTIC\n    COMMENT 'old'\nBEGIN  /* a comment */ RETURN 'x';\nEND";
        let altered =
            altered_routine(create, &mut parser(create), &mut parser("NO SQL SQL SECURITY INVOKER COMMENT 'it''s'"));
        assert_eq!(
            altered.expect("it is read"),
            "CREATE DEFINER=`root`@`localhost` FUNCTION `f`(a INT, b DECIMAL(3,1)) RETURNS varchar(9) CHARSET utf8mb4 COLLATE utf8mb4_bin\n    NO SQL\n    DETERMINISTIC\n    SQL SECURITY INVOKER\n    COMMENT 'it''s'\nBEGIN  /* a comment */ RETURN 'x';\nEND"
        );
        let create = "CREATE PROCEDURE p() SELECT 1";
        let altered = altered_routine(create, &mut parser(create), &mut parser("COMMENT ''"));
        assert_eq!(altered.expect("it is read"), "CREATE PROCEDURE p()\nSELECT 1");
    }

    #[test]
    fn clauses_of_an_event_are_replaced() {
        let create = "CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'c' DO SET @x = 'DO it'";
        let alter = "ON COMPLETION PRESERVE RENAME TO f DISABLE";
        let altered = altered_event((create, &mut parser(create)), (alter, &mut parser(alter)), Some("`x`@`%`"), "`e`");
        let altered = altered.expect("it is read");
        assert_eq!(
            altered.create,
            "CREATE DEFINER=`x`@`%` EVENT `f` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'c' DO SET @x = 'DO it'"
        );
        assert_eq!(altered.rename, Some((None, "f".into())));
        let alter = "ON SCHEDULE AT '2027-01-01' + INTERVAL 1 DAY DO BEGIN DELETE FROM t; END";
        let altered = altered_event((create, &mut parser(create)), (alter, &mut parser(alter)), None, "`e`");
        assert_eq!(
            altered.expect("it is read").create,
            "CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE AT '2027-01-01' + INTERVAL 1 DAY ON COMPLETION NOT PRESERVE ENABLE COMMENT 'c' DO BEGIN DELETE FROM t; END"
        );
    }
}
