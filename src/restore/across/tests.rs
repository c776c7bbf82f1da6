//! Definitions of one family, and what they become in the other.

use super::*;
use crate::model::{ColumnId, TableId, TableName};

fn abilities(server: &str, collations: &[&str]) -> Abilities {
    let server = Server::parse(server).expect("a version");
    let mut engines = vec!["innodb", "myisam"];
    if server.family == Family::MariaDb {
        engines.push("aria");
    }
    let set = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<BTreeSet<_>>();
    Abilities {
        server,
        local_infile: false,
        max_allowed_packet: 1 << 26,
        ignores_case: false,
        collations: set(collations),
        engines: set(&engines),
        requires_keys: false,
        makes_keys: false,
        closed: false,
    }
}

pub fn mysql() -> Abilities {
    let collations = [
        "utf8mb4_general_ci",
        "utf8mb4_bin",
        "utf8mb4_0900_ai_ci",
        "utf8mb4_0900_as_ci",
        "utf8mb4_0900_as_cs",
        "utf8mb4_0900_bin",
        "utf8mb4_de_pb_0900_ai_ci",
        "utf8mb3_general_ci",
        "utf8mb3_unicode_ci",
        "utf8mb3_bin",
        "binary",
    ];
    abilities("9.7.4", &collations)
}

pub fn mariadb() -> Abilities {
    let collations = [
        "utf8mb4_general_ci",
        "utf8mb4_bin",
        "utf8mb4_nopad_bin",
        "utf8mb4_uca1400_nopad_ai_ci",
        "utf8mb4_uca1400_german2_nopad_ai_ci",
        "utf8mb4_uca1400_ai_ci",
        "latin1_swedish_ci",
    ];
    abilities("10.11.14-MariaDB", &collations)
}

fn schema(create: &str, columns: &[(&str, ColumnType, Option<&str>)]) -> TableSchema {
    let column = |(n, (name, kind, collation)): (usize, &(&str, ColumnType, Option<&str>))| Column {
        collation: collation.map(str::to_string),
        ..Column::new(ColumnId(n as u32), *name, kind.clone())
    };
    TableSchema {
        id: TableId(1),
        name: TableName::new("d", "t"),
        columns: columns.iter().enumerate().map(column).collect(),
        primary_key: vec![],
        create: create.into(),
        next_column: 99,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    }
}

fn carried(from: Family, target: &Abilities, table: &TableSchema) -> (String, Result<Vec<String>>) {
    let choice = Collations::Same;
    let mut across = Across::new(Some(from), target, &choice);
    let text = across.table(table).expect("understood");
    (text, across.finish())
}

const TEXT: ColumnType = ColumnType::Varchar { length: 10 };
const GENERAL: Option<&str> = Some("utf8mb4_general_ci");

#[test]
fn mariadbs_words_become_mysqls() {
    let kept = "CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `a` varchar(10) DEFAULT 'it''s, ok' COMMENT 'DEFAULT uuid()',
  `u` varchar(36) DEFAULT uuid(),
  `n` int(11) DEFAULT (1 + 1),
  `m` decimal(5,2) DEFAULT -1.50,
  `k` text DEFAULT 'abc',
  `at` datetime DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `c` varchar(10) /*M!100301 COMPRESSED*/ COLLATE utf8mb4_bin DEFAULT NULL,
  `h` int(11) DEFAULT 0 INVISIBLE,
  PRIMARY KEY (`id`),
  KEY `a` (`a`) IGNORED,
  CONSTRAINT `CONSTRAINT_1` CHECK (`n` > 0),
  CONSTRAINT `positive` CHECK (`m` < 10)
) ENGINE=Aria AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci PAGE_CHECKSUM=1 `ENCRYPTED`=YES COMMENT='ENGINE=Aria'";
    let table = schema(kept, &[("a", TEXT, GENERAL), ("u", TEXT, GENERAL), ("c", TEXT, Some("utf8mb4_bin"))]);
    let (text, notes) = carried(Family::MariaDb, &mysql(), &table);
    assert_eq!(
        text,
        "CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `a` varchar(10) COLLATE utf8mb4_general_ci DEFAULT 'it''s, ok' COMMENT 'DEFAULT uuid()',
  `u` varchar(36) COLLATE utf8mb4_general_ci DEFAULT (uuid()),
  `n` int(11) DEFAULT (1 + 1),
  `m` decimal(5,2) DEFAULT -1.50,
  `k` text DEFAULT ('abc'),
  `at` datetime DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `c` varchar(10)   COLLATE utf8mb4_bin DEFAULT NULL,
  `h` int(11) DEFAULT 0 INVISIBLE,
  PRIMARY KEY (`id`),
  KEY `a` (`a`) INVISIBLE,
   CHECK (`n` > 0),
  CONSTRAINT `positive` CHECK (`m` < 10)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci   COMMENT='ENGINE=Aria'"
    );
    assert_eq!(
        notes.expect("it goes"),
        [
            "Column d.t.c: COMPRESSED is left out; it takes more room.",
            "Table d.t: in place of engine Aria it gets InnoDB.",
            "Table d.t: its option ENCRYPTED is left out."
        ]
    );
}

#[test]
fn mysqls_words_become_mariadbs() {
    let kept = "CREATE TABLE `t` (
  `a` varchar(10) COLLATE utf8mb4_bin DEFAULT (_utf8mb4'x'),
  `p` point NOT NULL /*!80003 SRID 4326 */,
  `g` geomcollection DEFAULT NULL,
  `j` json DEFAULT NULL,
  `h` int DEFAULT '0' /*!80023 INVISIBLE */,
  `s` int DEFAULT NULL /*!50606 STORAGE DISK */ /*!50606 COLUMN_FORMAT DYNAMIC */,
  KEY `a` (`a`) /*!80000 INVISIBLE */,
  CONSTRAINT `t_chk_1` CHECK ((`s` > 0)),
  CONSTRAINT `t_chk_2` CHECK ((`s` < 9)) /*!80016 NOT ENFORCED */
) /*!50100 TABLESPACE `innodb_system` */ ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci /*!80016 ENCRYPTION='N' */
/*!50100 PARTITION BY HASH (`s`)
PARTITIONS 4 */";
    let table = schema(kept, &[("a", TEXT, Some("utf8mb4_bin")), ("j", ColumnType::Json, Some("utf8mb4_bin"))]);
    let (text, notes) = carried(Family::MySql, &mariadb(), &table);
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeezed,
        "CREATE TABLE `t` ( `a` varchar(10) COLLATE utf8mb4_bin DEFAULT (_utf8mb4'x'), `p` point NOT NULL , `g` geometrycollection DEFAULT NULL, `j` json DEFAULT NULL, `h` int DEFAULT '0' INVISIBLE , `s` int DEFAULT \
         NULL , KEY `a` (`a`) IGNORED , CONSTRAINT `t_chk_1` CHECK ((`s` > 0)) ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 \
         COLLATE=utf8mb4_general_ci PARTITION BY HASH (`s`) PARTITIONS 4"
    );
    let notes = notes.expect("it goes");
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("SRID 4326") && notes[1].contains("t_chk_2"), "{notes:?}");
}

#[test]
fn what_has_no_equal_is_refused_by_name() {
    let refused = |from, target: &Abilities, kept: &str, columns: &[(&str, ColumnType, Option<&str>)]| {
        let (_, result) = carried(from, target, &schema(kept, columns));
        result.expect_err(kept).to_string()
    };
    let wide = ColumnType::Decimal { precision: 65, scale: 38, unsigned: false, zerofill: false };
    let long = ColumnType::Text { size: crate::model::TextSize::Normal };
    for (create, named) in [
        ("CREATE TABLE `t` (`u` uuid DEFAULT NULL)", "column d.t.u: the type UUID"),
        ("CREATE TABLE `t` (`i` inet6 DEFAULT NULL)", "column d.t.i: the type INET6"),
        ("CREATE TABLE `t` (`d` decimal(65,38) DEFAULT NULL)", "column d.t.d: MySQL's DECIMAL"),
        ("CREATE TABLE `t` (`d` double NOT NULL AUTO_INCREMENT, PRIMARY KEY (`d`))", "column d.t.d: AUTO_INCREMENT"),
        ("CREATE TABLE `t` (`n` int(11) DEFAULT nextval(`d`.`s`))", "column d.t.n: its default comes from a sequence"),
        ("CREATE TABLE `t` (`l` text COLLATE utf8mb4_bin, UNIQUE KEY `u` (`l`) USING HASH)", "key u of d.t"),
        ("CREATE TABLE `t` (`n` int) ENGINE=InnoDB WITH SYSTEM VERSIONING", "table d.t: system versioning"),
        ("CREATE TABLE `t` (`n` int) ENGINE=CONNECT", "table d.t: its engine CONNECT"),
        ("CREATE TABLE `t` (`n` int) ENGINE=MyISAM PARTITION BY HASH (`n`) PARTITIONS 2", "engine myisam"),
        (
            "CREATE TABLE `t` (`c` varchar(10) COLLATE utf8mb4_uca1400_ai_ci)",
            "column d.t.c: its collation utf8mb4_uca1400_ai_ci is not there (the nearest is utf8mb4_0900_ai_ci)",
        ),
        (
            "CREATE TABLE `t` (`n` int) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci",
            "table d.t: its collation",
        ),
    ] {
        let columns = [
            ("d", wide.clone(), None),
            ("l", long.clone(), Some("utf8mb4_bin")),
            ("c", TEXT, Some("utf8mb4_uca1400_ai_ci")),
        ];
        let columns = if create.contains("decimal") || create.contains("`l`") || create.contains("`c`") {
            &columns[..]
        } else {
            &[]
        };
        let error = refused(Family::MariaDb, &mysql(), create, columns);
        assert!(error.contains(named), "{error}");
        assert!(error.contains("this cannot go to MySQL 9.7") && error.contains("Nothing was changed"), "{error}");
    }
    for (create, named) in [
        ("CREATE TABLE `t` (`a` int, KEY `f` ((lower(`a`))))", "key f of d.t"),
        ("CREATE TABLE `t` (`v` vector(3) DEFAULT NULL)", "column d.t.v: the type VECTOR"),
        ("CREATE TABLE `t` (`h` int NOT NULL /*!80023 INVISIBLE */)", "column d.t.h: an invisible"),
        ("CREATE TABLE `t` (`a` int, FULLTEXT KEY `f` (`a`) /*!50100 WITH PARSER `ngram` */ )", "parser `ngram`"),
    ] {
        let error = refused(Family::MySql, &mariadb(), create, &[]);
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn the_same_familys_text_is_kept() {
    let kept = "CREATE TABLE `t` (\n  `a` varchar(10) /*M!100301 COMPRESSED*/ DEFAULT uuid()\n) ENGINE=Aria /* x */ PAGE_CHECKSUM=1";
    let (text, notes) = carried(Family::MariaDb, &mariadb(), &schema(kept, &[("a", TEXT, GENERAL)]));
    assert_eq!((text.as_str(), notes.expect("it goes").len()), (kept, 0));
}

#[test]
fn json_is_json_again_from_mysql_to_mysql() {
    let kept = "CREATE TABLE `t` (
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `l` longtext COLLATE utf8mb4_bin CHECK (json_valid(`l`))
) ENGINE=InnoDB";
    let long = ColumnType::Text { size: crate::model::TextSize::Long };
    let table = schema(kept, &[("j", ColumnType::Json, Some("utf8mb4_bin")), ("l", long, Some("utf8mb4_bin"))]);
    let (text, _) = carried(Family::MySql, &mysql(), &table);
    let own = "`j` json DEFAULT NULL ,\n  `l` longtext COLLATE utf8mb4_bin CHECK (json_valid(`l`))";
    assert!(text.contains(own), "{text}");
    assert_eq!(carried(Family::MariaDb, &mysql(), &table).0, kept);
}

#[test]
fn programs_run_under_the_mode_that_means_the_same() {
    let (mysql, mariadb, choice) = (mysql(), mariadb(), Collations::Same);
    let mut to_mysql = Across::new(Some(Family::MariaDb), &mysql, &choice);
    let mode = "STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION";
    assert_eq!(to_mysql.mode("x", mode), "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,TIME_TRUNCATE_FRACTIONAL");
    assert_eq!(to_mysql.mode("x", "TIME_ROUND_FRACTIONAL"), "");
    to_mysql.mode("procedure d.p", "ORACLE");
    assert!(to_mysql.finish().expect_err("ORACLE").to_string().contains("procedure d.p"));
    let mut to_mariadb = Across::new(Some(Family::MySql), &mariadb, &choice);
    assert_eq!(to_mariadb.mode("x", "ANSI_QUOTES"), "ANSI_QUOTES,TIME_ROUND_FRACTIONAL");
    assert_eq!(to_mariadb.mode("x", "TIME_TRUNCATE_FRACTIONAL"), "");
}
