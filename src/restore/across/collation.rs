//! Which collation of the target is the archive's?
//!
//! A collation that the target has under the same name is taken. Every other is refused, unless the restore says what
//! to take: `WITH (collation = nearest)`, by the rules of [`nearest`], or one by its name.

use super::words::Edits;
use super::{Across, COLLATION};
use crate::restore::abilities::Abilities;
use crate::restore::lex::{Kind, Statement};
use crate::restore::server::Family;
use std::borrow::Cow;

/// `WITH (collation = …)`: what stands in for collations that the target does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Collations {
    /// Nothing: they are refused.
    #[default]
    Same,
    Nearest,
    /// This one, where the character set is its own.
    Named(String),
}

/// Languages: in MySQL's names of the 0900 collations, in MariaDB's of the uca1400 ones.
const LANGUAGES: [(&str, &str); 20] = [
    ("cs", "czech"),
    ("da", "danish"),
    ("de_pb", "german2"),
    ("eo", "esperanto"),
    ("es", "spanish"),
    ("es_trad", "spanish2"),
    ("et", "estonian"),
    ("hr", "croatian"),
    ("hu", "hungarian"),
    ("is", "icelandic"),
    ("la", "roman"),
    ("lt", "lithuanian"),
    ("lv", "latvian"),
    ("pl", "polish"),
    ("ro", "romanian"),
    ("sk", "slovak"),
    ("sl", "slovenian"),
    ("sv", "swedish"),
    ("tr", "turkish"),
    ("vi", "vietnamese"),
];

fn charset(collation: &str) -> &str {
    collation.split('_').next().unwrap_or_default()
}

/// `utf8_general_ci` is an old name of `utf8mb3_general_ci`.
fn modern(collation: &str) -> Cow<'_, str> {
    match collation.strip_prefix("utf8_") {
        Some(rest) => Cow::Owned(format!("utf8mb3_{rest}")),
        None => Cow::Borrowed(collation),
    }
}

/// The target's collation for the archive's. Errors: why there is none.
pub fn renamed(collation: &str, target: &Abilities, choice: &Collations) -> Result<String, String> {
    let collation = collation.to_ascii_lowercase();
    let has = |name: &str| target.collations.contains(name);
    let found = [collation.clone(), modern(&collation).into_owned(), collation.replacen("utf8mb3_", "utf8_", 1)];
    if let Some(same) = found.into_iter().find(|c| has(c)) {
        return Ok(same);
    }
    match choice {
        Collations::Same => Err(match nearest(&collation, target) {
            Some(near) => format!("its collation {collation} is not there (the nearest is {near})"),
            None => format!("its collation {collation} is not there"),
        }),
        Collations::Nearest => nearest(&collation, target)
            .ok_or_else(|| format!("its collation {collation} is not there, nor one that is near to it")),
        Collations::Named(name) if !has(name) => Err(format!("the collation {name} that was asked for is not there")),
        Collations::Named(name) if charset(name) != charset(&collation) => {
            Err(format!("{name} is not a collation of its character set {}", charset(&collation)))
        }
        Collations::Named(name) => Ok(name.clone()),
    }
}

/// The collation of the same character set that orders most alike: the same language and the same view of accents, case and
/// trailing spaces if there is one, else the Unicode order without a language, else `_general_ci` and `_bin`.
fn nearest(collation: &str, target: &Abilities) -> Option<String> {
    let charset = charset(collation);
    let rest = collation.strip_prefix(charset)?.strip_prefix('_')?;
    let has = |name: &String| target.collations.contains(name);
    let own = |rest: &str| format!("{charset}_{rest}");
    if rest == "bin" || rest.ends_with("_bin") {
        let no_pad = rest.contains("nopad") || rest.contains("0900");
        let both = ["0900_bin", "nopad_bin"].map(own).into_iter().filter(|_| no_pad);
        return both.chain([own("bin")]).find(has);
    }
    let (ai, ci) = (!rest.contains("_as"), !rest.contains("_cs"));
    let language = language(rest);
    let mut wanted = Vec::new();
    if target.server.family == Family::MySql {
        // accents count wherever case does: there is no ai_cs
        let kind = if !ci { "as_cs" } else { if ai { "ai_ci" } else { "as_ci" } };
        wanted.extend(language.map(|(mysql, _)| own(&format!("{mysql}_0900_{kind}"))));
        wanted.push(own(&format!("0900_{kind}")));
    } else {
        let kind = format!("{}_{}", if ai { "ai" } else { "as" }, if ci { "ci" } else { "cs" });
        wanted.extend(language.map(|(_, mariadb)| own(&format!("uca1400_{mariadb}_nopad_{kind}"))));
        wanted.push(own(&format!("uca1400_nopad_{kind}")));
        wanted.push(own("unicode_520_nopad_ci"));
    }
    wanted.extend(["unicode_520_ci", "unicode_ci", "general_ci"].map(own));
    // of one that sees case, one that does not is not near: keys would meet
    wanted.retain(|w| ci || w.ends_with("_cs"));
    wanted.into_iter().find(has).or_else(|| (!ci).then(|| own("bin")).filter(has))
}

/// Of `de_pb_0900_ai_ci`, `uca1400_german2_nopad_ai_ci`, `german2_ci`.
fn language(rest: &str) -> Option<&'static (&'static str, &'static str)> {
    LANGUAGES.iter().find(|(mysql, mariadb)| {
        rest.strip_suffix("_ci").or(rest.strip_suffix("_cs")).is_some_and(|head| {
            head.split_once("_0900").is_some_and(|(own, _)| own == *mysql)
                || head.split('_').any(|word| word == *mariadb)
        })
    })
}

impl Across<'_> {
    /// The target's collation; `None`: refused.
    pub(super) fn collation(&mut self, name: &str, owner: impl Fn() -> String) -> Option<String> {
        match renamed(name, self.target, self.collations) {
            Ok(to) => {
                if modern(&to) != modern(name) {
                    self.note(format!("In place of collation {name}, {} gets {to}.", owner()));
                }
                Some(to)
            }
            Err(why) => {
                self.refuse(owner(), &why, COLLATION);
                None
            }
        }
    }

    /// Renames every collation that is named in a statement. `owner`: what a token belongs to.
    pub(super) fn collations_in(&mut self, s: &Statement<'_>, edits: &mut Edits, owner: impl Fn(usize) -> String) {
        for n in (0..s.tokens.len()).filter(|n| s.is(*n, "COLLATE")) {
            let at = if s.text(n + 1) == "=" { n + 2 } else { n + 1 };
            let Some(token) = s.tokens.get(at).filter(|t| t.kind != Kind::Sign) else { continue };
            let name = s.text(at).trim_matches(['\'', '"', '`']);
            // DEFAULT, or the BINARY of `COLLATE binary`
            if name.eq_ignore_ascii_case("default") || name.eq_ignore_ascii_case("binary") {
                continue;
            }
            if let Some(to) = self.collation(name, || owner(n))
                && to != name
            {
                edits.replace(token.at.clone(), to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{mariadb, mysql};
    use super::*;

    #[test]
    fn the_nearest_collation_keeps_language_accents_case_and_spaces() {
        let (mysql, mariadb) = (mysql(), mariadb());
        let near = |c, t| nearest(c, t);
        for (from, to) in [
            ("utf8mb4_uca1400_ai_ci", Some("utf8mb4_0900_ai_ci")),
            ("utf8mb4_uca1400_as_cs", Some("utf8mb4_0900_as_cs")),
            ("utf8mb4_uca1400_ai_cs", Some("utf8mb4_0900_as_cs")),
            ("utf8mb4_uca1400_german2_nopad_ai_ci", Some("utf8mb4_de_pb_0900_ai_ci")),
            ("utf8mb4_uca1400_thai_ai_ci", Some("utf8mb4_0900_ai_ci")),
            ("utf8mb3_uca1400_ai_ci", Some("utf8mb3_unicode_ci")),
            ("utf8mb3_uca1400_as_cs", Some("utf8mb3_bin")),
            ("utf8mb4_nopad_bin", Some("utf8mb4_0900_bin")),
            ("latin1_nopad_bin", None),
        ] {
            assert_eq!(near(from, &mysql).as_deref(), to, "{from}");
        }
        assert_eq!(near("utf8mb4_0900_ai_ci", &mariadb).as_deref(), Some("utf8mb4_uca1400_nopad_ai_ci"));
        assert_eq!(near("utf8mb4_de_pb_0900_ai_ci", &mariadb).as_deref(), Some("utf8mb4_uca1400_german2_nopad_ai_ci"));
        assert_eq!(near("gb18030_chinese_ci", &mariadb), None);
    }

    #[test]
    fn what_the_target_has_is_taken_and_else_what_was_asked_for() {
        let target = mysql();
        let get = |c, choice| renamed(c, &target, &choice);
        assert_eq!(get("utf8_general_ci", Collations::Same).as_deref(), Ok("utf8mb3_general_ci"));
        let named = |n: &str| Collations::Named(n.into());
        assert_eq!(get("utf8mb4_uca1400_ai_ci", named("utf8mb4_bin")).as_deref(), Ok("utf8mb4_bin"));
        for (collation, choice, why) in [
            ("utf8mb4_uca1400_ai_ci", Collations::Same, "the nearest is utf8mb4_0900_ai_ci"),
            ("utf8mb3_uca1400_ai_ci", named("utf8mb4_bin"), "character set utf8mb3"),
            ("utf8mb4_uca1400_ai_ci", named("nix"), "nix"),
        ] {
            let error = get(collation, choice).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
