//! `VERIFY CLUSTER c [AGAINST 'mysql://…'] [WITH (option = value, …)]`, read.

use super::answer::VerifyStatement;
use super::lexer::{Lexeme, Token, syntax_error};
use crate::error::Result;

/// Errors: `Syntax`.
pub(super) fn read(sql: &str, tokens: &[Token]) -> Result<VerifyStatement> {
    let fault = |at: usize| {
        syntax_error(sql, tokens.get(at).map_or(sql.len(), |t| t.start))
            .hint("VERIFY CLUSTER c [AGAINST 'mysql://user:password@host:port/'] [WITH (option = value, …)]")
    };
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|t| t.is(word));
    let symbol = |at: usize, s: &str| tokens.get(at).is_some_and(|t| t.is_symbol(s));
    let text = |at: usize| match tokens.get(at).map(|t| &t.lexeme) {
        Some(Lexeme::Text(text) | Lexeme::Number(text) | Lexeme::Word { text, .. }) => Ok(text.clone()),
        _ => Err(fault(at)),
    };
    if !is(1, "CLUSTER") {
        return Err(fault(1));
    }
    let cluster = text(2)?;
    let (server, mut options, mut at) = match is(3, "AGAINST") {
        true => (Some(text(4)?), Vec::new(), 5),
        false => (None, Vec::new(), 3),
    };
    if is(at, "WITH") {
        if !symbol(at + 1, "(") {
            return Err(fault(at + 1));
        }
        at += 2;
        loop {
            let name = text(at)?.to_lowercase();
            if !symbol(at + 1, "=") {
                return Err(fault(at + 1));
            }
            options.push((name, text(at + 2)?));
            at += 4;
            match (symbol(at - 1, ","), symbol(at - 1, ")")) {
                (true, _) => {}
                (_, true) => break,
                _ => return Err(fault(at - 1)),
            }
        }
    }
    if at < tokens.len() { Err(fault(at)) } else { Ok(VerifyStatement { cluster, server, options }) }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{LexMode, tokenize};
    use super::*;
    use crate::error::Kind;

    fn verify(sql: &str) -> Result<VerifyStatement> {
        read(sql, &tokenize(sql, LexMode::default()).expect("tokens").list)
    }

    #[test]
    fn the_statement_is_read_and_its_server_never_shown() {
        let v = verify("VERIFY CLUSTER `my shop` AGAINST 'mysql://a:secret@h/' WITH (Rows = 3, exclude = 'shop.log')")
            .expect("read");
        assert_eq!((v.cluster.as_str(), v.server.as_deref()), ("my shop", Some("mysql://a:secret@h/")));
        assert_eq!(v.options, [("rows".to_string(), "3".to_string()), ("exclude".into(), "shop.log".into())]);
        assert!(!format!("{v:?}").contains("secret"));
        let v = verify("VERIFY CLUSTER c WITH (depth = intact)").expect("read");
        assert_eq!((v.server, v.options), (None, vec![("depth".to_string(), "intact".to_string())]));
        assert_eq!(verify("VERIFY CLUSTER c").expect("read").options, []);
        for bad in [
            "VERIFY c",
            "VERIFY CLUSTER c AGAINST",
            "VERIFY CLUSTER c TO 'x'",
            "VERIFY CLUSTER c AGAINST 'x' WITH",
            "VERIFY CLUSTER c AGAINST 'x' WITH (rows)",
            "VERIFY CLUSTER c AGAINST 'x' WITH (rows = 1",
            "VERIFY CLUSTER c AGAINST 'x' y",
        ] {
            assert_eq!(verify(bad).expect_err(bad).kind, Kind::Syntax, "{bad}");
        }
    }
}
