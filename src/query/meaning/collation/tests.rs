//! Collations without a server: what tests/it/collation.rs cannot see, and the plainest of what it does.

use super::*;

fn by(name: &str) -> Rule {
    rule(&Collation { name: name.into(), derivation: Derivation::Column }).expect("a collation that is carried")
}

fn key(name: &str, text: &str) -> Vec<u8> {
    by(name).key(text).expect("a key")
}

#[test]
fn keys_sort_as_padded_texts() {
    let sorted = ["a  \t", "a\t", "a", "a b", "a!", "b"];
    // "a" then endless spaces: below "a!" and "a b", above what goes on with a tab
    for name in
        ["utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_uca1400_ai_ci", "latin1_swedish_ci"]
    {
        let key = |s: &str| key(name, s);
        assert!(key("a\t") < key("a"), "{name}");
        assert!(key("a\t") < key("a  \t") && key("a  \t") < key("a"));
        assert!(key("a") < key("a  b") && key("a  b") < key("a b") && key("a b") < key("a!"));
        assert_eq!(key("a"), key("a   "));
        let mut again = sorted;
        again.sort_by_key(|s| key(s));
        assert_eq!(again.last(), Some(&"b"));
    }
    for name in ["utf8mb4_0900_ai_ci", "utf8mb4_0900_bin", "utf8mb4_uca1400_nopad_ai_ci"] {
        assert!(key(name, "a") < key(name, "a ") && key(name, "a ") < key(name, "a  "));
    }
}

#[test]
fn levels_tell_accents_and_case_apart() {
    let same = |name: &str, a: &str, b: &str| key(name, a) == key(name, b);
    assert!(same("utf8mb4_general_ci", "éA", "Ea") && same("utf8mb4_general_ci", "ß", "s"));
    assert!(same("utf8mb4_general_ci", "😀", "🙂") && !same("utf8mb4_0900_ai_ci", "😀", "🙂"));
    assert!(!same("utf8mb4_bin", "é", "e"));
    for name in ["utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci"] {
        assert!(same(name, "Straße", "STRASSE") && same(name, "é", "E"), "{name}");
    }
    assert!(same("utf8mb4_0900_as_ci", "é", "É") && !same("utf8mb4_0900_as_ci", "é", "e"));
    assert!(!same("utf8mb4_0900_as_cs", "é", "É") && !same("utf8mb4_uca1400_ai_cs", "a", "A"));
    assert!(same("utf8mb4_uca1400_ai_cs", "é", "e"));
    assert!(same("latin1_swedish_ci", "Ü", "y") && !same("latin1_general_ci", "Ü", "y"));
}

#[test]
fn a_name_stands_for_its_rule() {
    for (name, rule) in CARRIED {
        assert_eq!(by(rule.name()), *rule, "{name}");
    }
}

#[test]
fn what_a_character_set_lacks_is_said() {
    let error = by("latin1_swedish_ci").key("Łódź").expect_err("latin1 has no Ł");
    assert!(error.to_string().contains("latin1 has no 'Ł'"), "{error}");
    assert!(like(by("ascii_general_ci"), "a", "é", None).is_err());
}

#[test]
fn like_goes_back_to_the_last_percent() {
    for (text, pattern, is) in
        [("abcabd", "%abd", true), ("abc", "a_c", true), ("abc", "a_", false), ("a%", "a\\%", true), ("", "%", true)]
    {
        for name in ["utf8mb4_general_ci", "utf8mb4_0900_ai_ci"] {
            assert_eq!(like(by(name), text, pattern, Some('\\')).expect("an answer"), is, "{text} LIKE {pattern}");
        }
    }
}

#[test]
fn locate_refuses_what_servers_do_not_agree_on() {
    let ci = by("utf8mb4_uca1400_ai_ci");
    assert_eq!(locate(ci, "xÉy", "é", 0).expect("an answer"), Some(1));
    assert_eq!(locate(ci, "xey", "y", 0).expect("an answer"), Some(2));
    assert_eq!(locate(ci, "xey", "é", 0).map_err(|e| e.kind).err(), Some(Kind::Unsupported));
    assert_eq!(locate(by("utf8mb4_bin"), "xey", "é", 0).expect("an answer"), None);
}

#[test]
fn contractions_begin_as_the_scan_expects() {
    // the scan looks for one only before a character beyond ASCII
    let table = Version::V14.table();
    assert!(table.contractions() > 900 && Version::V9.table().contractions() == 0);
}
