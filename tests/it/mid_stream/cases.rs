//! The cases. Statements are separated by ` | `; `{db}` is the case's database, `{x}` a second one.
//! A step `! …` is where tables may become uncertain; `fails …` must fail; nothing is recorded after `quiet …`;
//! RECONNECT begins a new session.

use crate::support::db::Product::{self, MariaDb118, MariaDb1011, MySql9};

pub struct Case {
    pub name: &'static str,
    pub on: &'static [Product],
    /// Before the first base.
    pub setup: &'static str,
    /// While capture runs.
    pub steps: &'static str,
    /// After every table has a new base.
    pub later: &'static str,
    /// Tables that become uncertain, and are based anew; one with a `?` may be gone before its base is read.
    pub uncertain: &'static [&'static str],
}

const EVERYWHERE: &[Product] = &[MariaDb1011, MariaDb118, MySql9];
const MYSQL: &[Product] = &[MySql9];
const MARIADB: &[Product] = &[MariaDb1011, MariaDb118];

const fn case(name: &'static str, setup: &'static str, steps: &'static str, later: &'static str) -> Case {
    Case { name, on: EVERYWHERE, setup, steps, later, uncertain: &[] }
}

impl Case {
    const fn mariadb(self) -> Self {
        Self { on: MARIADB, ..self }
    }

    const fn mysql(self) -> Self {
        Self { on: MYSQL, ..self }
    }

    const fn based(self, uncertain: &'static [&'static str]) -> Self {
        Self { uncertain, ..self }
    }
}

/// A table `t` with two rows.
const T: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, n INT, v VARCHAR(20)) | INSERT INTO t VALUES (1, 10, 'a'), (2, NULL, 'b')";
const MORE: &str =
    "INSERT INTO t (id, n) VALUES (90, 9) | UPDATE t SET n = 91 WHERE id = 2 | DELETE FROM t WHERE id = 1";

pub const CASES: &[Case] = &[
    // columns
    case(
        "integers are widened",
        "CREATE TABLE t (id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT UNSIGNED, e INT(5) ZEROFILL) | \
         INSERT INTO t VALUES (1, -128, 65535, -8388608, 4294967295, 7), (2, NULL, NULL, NULL, NULL, NULL) | \
         CREATE TABLE bag (a INT, b SMALLINT UNSIGNED) | INSERT INTO bag VALUES (1, 1), (1, 1), (2, 2), (3, 3)",
        "UPDATE t SET a = 5 WHERE id = 2 | ALTER TABLE t MODIFY id BIGINT NOT NULL, MODIFY a INT, MODIFY b INT, MODIFY c BIGINT, MODIFY d BIGINT, MODIFY e BIGINT(9) ZEROFILL | \
         INSERT INTO t VALUES (5000000000, 5, -6, 7, -8, 9) | UPDATE t SET a = 1000000 WHERE id = 1 | DELETE FROM t WHERE id = 2 | \
         ALTER TABLE bag MODIFY a BIGINT, MODIFY b BIGINT | DELETE FROM bag WHERE a = 1 LIMIT 1 | INSERT INTO bag VALUES (1, 1)",
        "UPDATE t SET b = b - 1 | DELETE FROM bag WHERE a = 2",
    ),
    case(
        "an integer that is narrowed or loses its sign",
        T,
        "! ALTER TABLE t MODIFY n SMALLINT UNSIGNED | INSERT INTO t VALUES (3, 65535, 'c')",
        MORE,
    )
    .based(&["t"]),
    case(
        "a key column from INT to BIGINT UNSIGNED",
        T,
        "! ALTER TABLE t MODIFY id BIGINT UNSIGNED NOT NULL | INSERT INTO t VALUES (18446744073709551615, 1, 'max')",
        MORE,
    )
    .based(&["t"]),
    case(
        "decimals, bits and fractions are widened",
        "CREATE TABLE t (id INT PRIMARY KEY, a DECIMAL(6,2), b DECIMAL(20,3), c BIT(3), d DATETIME, e TIME(2), f TIMESTAMP NULL) | \
         INSERT INTO t VALUES (1, -1234.56, 12345678901234567.891, 5, '2026-01-02 03:04:05', '-12:00:00.25', '2026-01-02 03:04:05'), (2, NULL, NULL, NULL, NULL, NULL, NULL)",
        "ALTER TABLE t ADD g BIT(3) DEFAULT b'110', ADD h DATETIME(1) DEFAULT '2026-05-05 05:05:05.5', ADD i DECIMAL(4,1) DEFAULT 12.5 | \
         ALTER TABLE t MODIFY a DECIMAL(10,2), MODIFY b DECIMAL(45,3), MODIFY c BIT(20), MODIFY d DATETIME(3), MODIFY e TIME(6), MODIFY f TIMESTAMP(6) NULL, \
         MODIFY g BIT(11), MODIFY h DATETIME(6), MODIFY i DECIMAL(40,1) | \
         INSERT INTO t VALUES (3, 12345678.9, 1e40, 1000000, '2026-01-02 03:04:05.678', '01:02:03.456789', '2026-01-02 03:04:05.000001', b'11111111111', '2026-01-01', 7) | \
         UPDATE t SET id = 4 WHERE id = 1",
        "UPDATE t SET a = 0 WHERE id = 2",
    ),
    case("a decimal with other digits after the point", "CREATE TABLE t (id INT PRIMARY KEY, n DECIMAL(10,3)) | INSERT INTO t VALUES (1, 1.255), (2, 2)", "! ALTER TABLE t MODIFY n DECIMAL(10,2)", MORE)
        .based(&["t"]),
    case(
        "strings are lengthened",
        "CREATE TABLE t (id VARCHAR(10) PRIMARY KEY, n INT, a CHAR(5), b VARCHAR(10), c TEXT, d VARBINARY(10), e BLOB, f CHAR(4)) | \
         INSERT INTO t VALUES ('a', 1, 'x  ', 'y  ', 'text', x'00ff00', x'ff', 'c'), ('B', 2, NULL, NULL, NULL, NULL, NULL, NULL)",
        "ALTER TABLE t MODIFY id VARCHAR(100) NOT NULL, MODIFY a CHAR(50), MODIFY b VARCHAR(1000), MODIFY c LONGTEXT, MODIFY d VARBINARY(300), MODIFY e MEDIUMBLOB, MODIFY f VARCHAR(8) | \
         INSERT INTO t VALUES (REPEAT('k', 99), 3, REPEAT('ü', 50), REPEAT('z', 1000), REPEAT('t', 70000), REPEAT('b', 299), REPEAT('B', 66000), 'end ') | \
         UPDATE t SET b = 'changed ' WHERE id = 'a' | DELETE FROM t WHERE id = 'B'",
        "UPDATE t SET n = 5",
    ),
    case("a string that is shortened", "CREATE TABLE t (id INT PRIMARY KEY, n INT, v VARCHAR(20)) | INSERT INTO t VALUES (1, 1, 'abcdef'), (2, 2, 'ab')", "SET sql_mode = '' | ! ALTER TABLE t MODIFY v VARCHAR(3)", MORE)
        .based(&["t"]),
    case("VARCHAR becomes CHAR", "CREATE TABLE t (id INT PRIMARY KEY, n INT, v VARCHAR(20)) | INSERT INTO t VALUES (1, 1, 'a  '), (2, 2, 'b')", "! ALTER TABLE t MODIFY v CHAR(20)", MORE)
        .based(&["t"]),
    case("FLOAT becomes DOUBLE", "CREATE TABLE t (id INT PRIMARY KEY, n FLOAT) | INSERT INTO t VALUES (1, 0.1), (2, 2)", "! ALTER TABLE t MODIFY n DOUBLE", MORE).based(&["t"]),
    case("INT becomes VARCHAR", T, "! ALTER TABLE t MODIFY n VARCHAR(12)", MORE).based(&["t"]),
    case(
        "members are added at the end",
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, e ENUM('a','b') NOT NULL, s SET('x','y')) | INSERT INTO t VALUES (1, 1, 'a', 'x,y'), (2, 2, 'b', NULL)",
        "ALTER TABLE t MODIFY e ENUM('a','b','c') NOT NULL, MODIFY s SET('x','y','z','u','v','w','p','q','r') | INSERT INTO t VALUES (3, 3, 'c', 'x,z,r')",
        "UPDATE t SET e = 'c' | UPDATE t SET n = 5",
    ),
    case(
        "members are reordered",
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, e ENUM('a','b') NOT NULL) | INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')",
        "! ALTER TABLE t MODIFY e ENUM('b','a','c') NOT NULL | INSERT INTO t VALUES (3, 3, 'b')",
        MORE,
    )
    .based(&["t"]),
    case("a column may be NULL now", "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL) | INSERT INTO t VALUES (1, 1), (2, 2)", "ALTER TABLE t MODIFY n INT NULL | INSERT INTO t VALUES (3, NULL)", MORE),
    case("a column may not be NULL any more", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, NULL)", "SET sql_mode = '' | ! ALTER TABLE t MODIFY n INT NOT NULL", MORE)
        .based(&["t"]),
    case(
        "columns with constant defaults",
        T,
        "ALTER TABLE t ADD a INT DEFAULT 5, ADD b VARCHAR(9) NOT NULL DEFAULT 'it''s', ADD c DECIMAL(5,2) DEFAULT 1.5 FIRST, ADD d DATE DEFAULT '2026-02-03' AFTER id, ADD e ENUM('p','q') NOT NULL, ADD f DOUBLE DEFAULT 1e3 | \
         UPDATE t SET a = 6 WHERE id = 1 | ALTER TABLE t ALTER a SET DEFAULT 7, DROP COLUMN c | INSERT INTO t (id) VALUES (3) | ALTER TABLE t MODIFY a BIGINT, RENAME COLUMN b TO bb",
        MORE,
    ),
    case("columns that may not be NULL and have no default", T, "SET sql_mode = '' | ALTER TABLE t ADD a INT NOT NULL, ADD b VARCHAR(5) NOT NULL, ADD c DATE NOT NULL, ADD d BLOB NOT NULL, ADD e DECIMAL(4,2) NOT NULL, ADD f TIME NOT NULL | SELECT 1", MORE),
    case("a column with a computed default", T, "! ALTER TABLE t ADD a INT DEFAULT (1 + 1)", MORE).based(&["t"]),
    case("a column with uuid()", T, "! ALTER TABLE t ADD a VARCHAR(36) DEFAULT (uuid())", MORE).based(&["t"]).mariadb(),
    case("a column with now()", T, "! ALTER TABLE t ADD a DATETIME DEFAULT now()", MORE).based(&["t"]),
    case("columns are reordered and dropped at once", T, "ALTER TABLE t ADD a INT DEFAULT 1 FIRST, MODIFY v VARCHAR(30) AFTER id, ALGORITHM=INSTANT | UPDATE t SET a = 2 WHERE id = 2 | ALTER TABLE t DROP COLUMN v, ADD v INT DEFAULT 4", MORE).mariadb(),
    case("columns swap their names", "CREATE TABLE t (id INT PRIMARY KEY, n INT, m INT) | INSERT INTO t VALUES (1, 10, 100), (2, 20, 200)", "ALTER TABLE t CHANGE n m INT, CHANGE m n INT | INSERT INTO t (id, m, n) VALUES (3, 30, 300)", MORE),
    case("a table is converted to another charset", T, "! ALTER TABLE t CONVERT TO CHARACTER SET ascii | INSERT INTO t VALUES (3, 3, 'c')", MORE).based(&["t"]),
    case("a column gets another charset", T, "! ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET ascii", MORE).based(&["t"]),
    case("a table's default charset changes nothing that is there", T, "ALTER TABLE t DEFAULT CHARACTER SET ascii | ALTER TABLE t ADD w VARCHAR(5) DEFAULT 'w' | INSERT INTO t (id) VALUES (3)", MORE),
    case(
        "charsets without a collation",
        T,
        "CREATE TABLE a (v VARCHAR(5), w VARCHAR(5) CHARACTER SET utf8mb3) CHARACTER SET utf8mb4 | INSERT INTO a VALUES ('a', 'A') | \
         CREATE TABLE b (v VARCHAR(5) CHARACTER SET utf8mb4, w CHAR(3) CHARSET utf8mb4 BINARY, x NCHAR(3)) DEFAULT CHARSET ascii | INSERT INTO b VALUES ('a', 'A', 'c') | \
         DROP DATABASE {x} | CREATE DATABASE {x} CHARACTER SET utf8mb4 | CREATE TABLE {x}.c (v VARCHAR(5)) | ALTER TABLE b ADD y VARCHAR(3) CHARACTER SET utf8mb4 DEFAULT 'y' | \
         DROP DATABASE {x} | CREATE DATABASE {x} | CREATE TABLE {x}.d (v VARCHAR(5)) | ALTER TABLE b DEFAULT CHARSET utf8mb4",
        MORE,
    ),
    // keys
    case("AUTO_INCREMENT is set", "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT) | INSERT INTO t VALUES (1, 1), (2, 2)", "ALTER TABLE t AUTO_INCREMENT = 50 | INSERT INTO t (n) VALUES (3) | ALTER TABLE t MODIFY id BIGINT NOT NULL AUTO_INCREMENT | INSERT INTO t (n) VALUES (4)", MORE),
    case("AUTO_INCREMENT is given to a column", T, "! ALTER TABLE t MODIFY id INT NOT NULL AUTO_INCREMENT | INSERT INTO t (n) VALUES (3)", MORE).based(&["t"]),
    case("a primary key is added", "CREATE TABLE t (id INT NOT NULL, n INT) | INSERT INTO t VALUES (1, 1), (2, 2)", "UPDATE t SET n = 5 WHERE id = 1 | ! ALTER TABLE t ADD PRIMARY KEY (id)", MORE).based(&["t"]),
    case("a primary key is added with its column", "CREATE TABLE t (n INT) | INSERT INTO t VALUES (1), (2)", "! ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST", MORE).based(&["t"]),
    case("a primary key is dropped", T, "! ALTER TABLE t DROP PRIMARY KEY | INSERT INTO t VALUES (1, 10, 'a')", MORE).based(&["t"]),
    case("a primary key is changed", T, "! ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (v, id) | INSERT INTO t VALUES (1, 11, 'c')", "UPDATE t SET n = 91 WHERE id = 2 | DELETE FROM t WHERE id = 1").based(&["t"]),
    case("a primary key's prefix and direction change", "CREATE TABLE t (id INT, v VARCHAR(50), n INT, PRIMARY KEY (v(10), id)) | INSERT INTO t VALUES (1, 'abcdefghijkl', 1), (2, 'abcdefghijxx', 2)", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (v(5), id) | UPDATE t SET v = 'abcdefghij00' WHERE id = 1 | ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (v(5) DESC, id) | INSERT INTO t VALUES (3, 'abcde', 4)", "UPDATE t SET n = 91 WHERE id = 2 | DELETE FROM t WHERE id = 1"),
    case("names that MySQL gives to checks", T, "ALTER TABLE t ADD CHECK ((n < 1000)), ADD CONSTRAINT z CHECK ((id > 0)) | ALTER TABLE t DROP CHECK t_chk_1 | CREATE TABLE u (a INT, CHECK ((a < 9)), CHECK ((a > 0))) | ALTER TABLE u ADD CHECK ((a <> 5)) | ALTER TABLE u DROP CONSTRAINT u_chk_2, ADD z INT DEFAULT 1 | INSERT INTO u VALUES (1, 1)", MORE).mysql(),
    case("checks", T, "ALTER TABLE t ADD CHECK (n < 1000), ADD CONSTRAINT c CHECK (id > 0) | CREATE TABLE u (a INT CHECK (a > 1), CHECK (a < 9)) | ALTER TABLE t DROP CONSTRAINT c", MORE).mariadb(),
    case("unique keys and names", T, "ALTER TABLE t ADD UNIQUE KEY u (v), ADD INDEX (n, v) | CREATE INDEX i ON t (v DESC) | ALTER TABLE t RENAME INDEX i TO j | DROP INDEX j ON t | INSERT INTO t VALUES (3, 3, 'c')", MORE),
    // partitions
    case("partitions by hash", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY HASH (id) PARTITIONS 2 | INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", "ALTER TABLE t ADD PARTITION PARTITIONS 3 | UPDATE t SET n = 5 | ALTER TABLE t COALESCE PARTITION 2 | INSERT INTO t VALUES (4, 4) | ALTER TABLE t REBUILD PARTITION ALL | ALTER TABLE t REMOVE PARTITIONING | DELETE FROM t WHERE id = 3", MORE),
    case("partitions by range", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (2, 2), (30, 3)", "ALTER TABLE t ADD PARTITION (PARTITION c VALUES LESS THAN (1000)) | INSERT INTO t VALUES (500, 5) | ALTER TABLE t REORGANIZE PARTITION b, c INTO (PARTITION b1 VALUES LESS THAN (50), PARTITION m VALUES LESS THAN MAXVALUE) | INSERT INTO t VALUES (5000, 5) | ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 3", MORE),
    case("what a table is parted by has another name", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id * 2) (PARTITION id VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (30, 3)", "ALTER TABLE t RENAME COLUMN id TO x | INSERT INTO t VALUES (2, 2) | ALTER TABLE t CHANGE x `y z` INT NOT NULL", "INSERT INTO t VALUES (3, 3)").mariadb(),
    case("a partition is dropped", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (2, 2), (30, 3)", "! ALTER TABLE t DROP PARTITION a | INSERT INTO t VALUES (2, 2), (1, 1)", MORE).based(&["t"]),
    case("a partition is emptied", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (2, 2), (30, 3)", "! ALTER TABLE t TRUNCATE PARTITION a | INSERT INTO t VALUES (2, 2), (1, 1)", MORE).based(&["t"]),
    case("a partition and a table change places", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (2, 2), (30, 3) | CREATE TABLE other (id INT PRIMARY KEY, n INT) | INSERT INTO other VALUES (5, 5)", "! ALTER TABLE t EXCHANGE PARTITION a WITH TABLE other | INSERT INTO t VALUES (1, 1), (2, 2) | INSERT INTO other VALUES (7, 7)", MORE).based(&["t", "other"]),
    case("a partition becomes a table, and back", "CREATE TABLE t (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (100)) | INSERT INTO t VALUES (1, 1), (2, 2), (30, 3)", "! ALTER TABLE t CONVERT PARTITION a TO TABLE split | INSERT INTO split VALUES (3, 3) | UPDATE split SET id = id + 150 | ! ALTER TABLE t CONVERT TABLE split TO PARTITION c VALUES LESS THAN (200)", MORE).based(&["t", "split?"]).mariadb(),
    case("keys over values that are longer than a key part", "CREATE TABLE t (id INT PRIMARY KEY, n INT, b BLOB, x TEXT, y TINYTEXT, g TEXT CHARACTER SET gbk, v VARCHAR(2000), j JSON) | INSERT INTO t (id, n, b) VALUES (1, 1, 'a'), (2, 2, 'b')", "SET sql_mode = '' | ALTER TABLE t ADD INDEX b (b) | ALTER TABLE t ADD INDEX x (x), ADD INDEX y (n, y) | CREATE INDEX g ON t (g) | ALTER TABLE t ADD INDEX v (v) | ALTER TABLE t ADD KEY j (j) | CREATE TABLE u (b BLOB, v VARCHAR(900), w VARCHAR(700), KEY (b), KEY (v), KEY (w), UNIQUE (b)) | CREATE TABLE w LIKE t", MORE).mariadb(),
    case("an index beside the one that the server made for a foreign key", "CREATE TABLE p (id INT PRIMARY KEY) | CREATE TABLE t (id INT PRIMARY KEY, n INT, CONSTRAINT f FOREIGN KEY (n) REFERENCES p (id)) | CREATE TABLE u (id INT PRIMARY KEY, n INT, KEY f (n), FOREIGN KEY (n) REFERENCES p (id)) | CREATE TABLE v (id INT PRIMARY KEY, n INT, m INT, FOREIGN KEY (n) REFERENCES p (id)) | INSERT INTO p VALUES (1), (2) | INSERT INTO t VALUES (1, 1), (2, NULL)", "! ALTER TABLE t ADD INDEX i (n) | ! CREATE INDEX j ON u (n) | ALTER TABLE v ADD INDEX m (m) | ! ALTER TABLE v ADD UNIQUE nm (n, m) | UPDATE t SET n = 2 WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 2").based(&["t", "u", "v"]),
    case("JSON in another charset stays in it", "CREATE TABLE t (id INT PRIMARY KEY, n INT, j JSON) | INSERT INTO t VALUES (1, 1, '[1]'), (2, 2, NULL) | ALTER TABLE t CONVERT TO CHARACTER SET latin1", "ALTER TABLE t COMMENT = 'x' | ALTER TABLE t ADD w INT DEFAULT 3 | INSERT INTO t VALUES (3, 3, '{}', 4)", MORE).mariadb(),
    // names
    case("a swap as gh-ost does it", T, "CREATE TABLE _t_gho LIKE t | ALTER TABLE _t_gho ADD w INT DEFAULT 3, ENGINE=InnoDB | INSERT INTO _t_gho (id, n, v) SELECT id, n, v FROM t | INSERT INTO t VALUES (3, 3, 'c') | REPLACE INTO _t_gho (id, n, v) VALUES (3, 3, 'c') | RENAME TABLE t TO _t_del, _t_gho TO t | INSERT INTO t VALUES (4, 4, 'd', 4) | DROP TABLE IF EXISTS _t_del", MORE),
    case("a swap as pt-online-schema-change does it", T, "CREATE TABLE _t_new LIKE t | ALTER TABLE _t_new MODIFY v VARCHAR(50) | CREATE TRIGGER d AFTER DELETE ON t FOR EACH ROW DELETE IGNORE FROM _t_new WHERE id = OLD.id | CREATE TRIGGER u AFTER UPDATE ON t FOR EACH ROW REPLACE INTO _t_new VALUES (NEW.id, NEW.n, NEW.v) | CREATE TRIGGER i AFTER INSERT ON t FOR EACH ROW REPLACE INTO _t_new VALUES (NEW.id, NEW.n, NEW.v) | INSERT LOW_PRIORITY IGNORE INTO _t_new SELECT * FROM t | UPDATE t SET n = 7 WHERE id = 2 | INSERT INTO t VALUES (3, 3, 'c') | RENAME TABLE t TO _t_old, _t_new TO t | DROP TRIGGER d | DROP TRIGGER u | DROP TRIGGER i | INSERT INTO t VALUES (4, 4, REPEAT('d', 50)) | DROP TABLE _t_old", MORE),
    case("tables move between databases", T, "RENAME TABLE t TO {x}.u | INSERT INTO {x}.u VALUES (3, 3, 'c') | ALTER TABLE {x}.u RENAME {db}.w, ADD z INT DEFAULT 1 | INSERT INTO w VALUES (4, 4, 'd', 4) | ALTER TABLE w RENAME TO t | USE {x} | RENAME TABLE {db}.t TO t2, t2 TO {db}.t | USE {db}", MORE),
    case("names that differ in case", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE `T` (id INT PRIMARY KEY) | INSERT INTO `T` VALUES (1)", "DROP TABLE `T` | DROP TABLE IF EXISTS `T` | CREATE TABLE `T` (x INT) | INSERT INTO `T` VALUES (5) | TRUNCATE TABLE `T` | DROP TABLE `T`", MORE),
    // tables
    case("CREATE TABLE … SELECT", T, "CREATE TABLE s SELECT id, v AS w FROM t | INSERT INTO s VALUES (7, 'x') | CREATE TABLE s2 (id INT PRIMARY KEY, extra INT DEFAULT 4) AS SELECT id, n FROM t | CREATE TABLE IF NOT EXISTS s SELECT 1 | fails CREATE TABLE s3 (id INT PRIMARY KEY) SELECT 1 AS id UNION ALL SELECT 1", MORE),
    case("CREATE OR REPLACE", "CREATE TABLE t2 (id INT PRIMARY KEY, n INT) | CREATE TABLE t (id INT PRIMARY KEY, n INT, v INT) | INSERT INTO t VALUES (1, 1, 1)", "CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, n INT, w INT) | INSERT INTO t VALUES (1, 1, 1), (2, 2, 2) | CREATE OR REPLACE TABLE t SELECT 1 AS id, 2 AS n | CREATE OR REPLACE TABLE t LIKE t2 | INSERT INTO t VALUES (1, 1), (2, 2)", MORE).mariadb(),
    case("a CREATE OR REPLACE … SELECT that fails", "CREATE TABLE u (id INT) | INSERT INTO u VALUES (1) | CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2)", "fails CREATE OR REPLACE TABLE u (id INT PRIMARY KEY) SELECT 1 AS id UNION ALL SELECT 1 | CREATE TABLE IF NOT EXISTS u (id INT, z INT) | INSERT INTO u VALUES (1, 1)", MORE).mariadb(),
    case("DROP and TRUNCATE of several, with some that are missing", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE a (id INT) | CREATE TABLE b (id INT) | CREATE TABLE c (id INT) | INSERT INTO c VALUES (1)", "fails DROP TABLE a, missing | DROP TABLE IF EXISTS b, missing2 | TRUNCATE c | INSERT INTO c VALUES (2) | TRUNCATE TABLE c | CREATE TABLE IF NOT EXISTS c (other INT) | fails RENAME TABLE c TO d, missing TO e | fails ALTER TABLE c ADD UNIQUE (nothing) | ALTER TABLE c ADD d INT DEFAULT 4", MORE),
    case("databases", T, "CREATE TABLE {x}.one (id INT) | INSERT INTO {x}.one VALUES (1) | CREATE TABLE {x}.two (id INT) | DROP DATABASE {x} | CREATE DATABASE {x} CHARACTER SET ascii | CREATE TABLE {x}.one (v VARCHAR(5)) | INSERT INTO {x}.one VALUES ('a') | CREATE DATABASE IF NOT EXISTS {x} | ALTER DATABASE {x} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin | CREATE TABLE {x}.two (v VARCHAR(5))", MORE),
    case("IF EXISTS of what is not there", T, "ALTER TABLE IF EXISTS missing ADD x INT | RENAME TABLE IF EXISTS missing TO t9 | DROP TABLE IF EXISTS missing | ALTER TABLE t DROP COLUMN IF EXISTS missing, ADD COLUMN IF NOT EXISTS n INT, ADD COLUMN IF NOT EXISTS o INT DEFAULT 8 | CREATE INDEX IF NOT EXISTS i ON t (n) | DROP INDEX IF EXISTS missing ON t | CREATE TABLE t9 (id INT)", MORE).mariadb(),
    case("SET STATEMENT before the statement", T, "SET STATEMENT max_statement_time = 10, lock_wait_timeout = 5 FOR ALTER TABLE t ADD w INT DEFAULT 3 | SET STATEMENT lock_wait_timeout = 5 FOR CREATE TABLE u (id INT) | INSERT INTO u VALUES (1) | SET STATEMENT lock_wait_timeout = 5 FOR TRUNCATE TABLE u", MORE).mariadb(),
    case("what changes no row", T, "ALTER TABLE t ORDER BY v | ALTER TABLE t FORCE | OPTIMIZE TABLE t | ANALYZE TABLE t | ALTER TABLE t ENGINE=MyISAM | UPDATE t SET n = 6 WHERE id = 1 | ALTER TABLE t ENGINE=InnoDB, COMMENT 'it''s', ROW_FORMAT=DYNAMIC | CHECK TABLE t", MORE),
    case("ALTER IGNORE may leave rows out", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 1), (3, 2)", "! ALTER IGNORE TABLE t ADD UNIQUE (n)", "INSERT INTO t VALUES (9, 9)").based(&["t"]).mariadb(),
    case("ALTER TABLE in two phases", T, "SET binlog_alter_two_phase = ON | ALTER TABLE t ADD w INT DEFAULT 3, FORCE | INSERT INTO t VALUES (3, 3, 'b', 4) | fails ALTER TABLE t ADD UNIQUE KEY u (v) | ALTER TABLE t ADD x INT DEFAULT 5, ALGORITHM=COPY | UPDATE t SET x = 6 WHERE id = 1", MORE).mariadb(),
    // spellings
    case("comments that are statements, and such that are not", T, "/* c */ ALTER /*!40000 TABLE */ t /*M!100100 ADD a INT DEFAULT 1 */ -- the end | ALTER TABLE t ADD b INT DEFAULT 2 /*!50701 , ADD c INT DEFAULT 3 */ /*!999998 , ADD d INT */ /*M!990000 , ADD e INT */ | /*!40000 INSERT INTO t (id) VALUES (3) */ | ALTER TABLE t ADD f INT DEFAULT 4 # , ADD g INT", MORE).mariadb(),
    case("quotes of other modes", T, "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' | ALTER TABLE \"t\" ADD \"a b\" VARCHAR(9) DEFAULT 'x\\' | CREATE TABLE \"q \"\"r\" (\"x\" VARCHAR(5) DEFAULT 'y\"z') | INSERT INTO \"q \"\"r\" VALUES (DEFAULT) | SET sql_mode = '' | ALTER TABLE t ADD c VARCHAR(9) DEFAULT \"a\\\"b\" | SET sql_mode = 'REAL_AS_FLOAT' | CREATE TABLE fl (a REAL) | INSERT INTO fl VALUES (0.5)", MORE).mariadb(),
    case("Oracle's grammar", T, "SET sql_mode = 'ORACLE' | ! CREATE TABLE u (a DATE, b VARCHAR2(5)) | INSERT INTO u VALUES ('2026-01-01 02:03:04', 'x') | ! ALTER TABLE t ADD d DATE DEFAULT '2026-01-01 02:03:04'", MORE).based(&["t", "u"]).mariadb(),
    case("a statement in another charset", T, "SET NAMES latin1 | ALTER TABLE t ADD `größe` VARCHAR(9) DEFAULT 'ü€' | INSERT INTO t (id) VALUES (3) | SET NAMES utf8mb4 | ALTER TABLE t ADD `名前` VARCHAR(9) DEFAULT '日本'", MORE),
    // what was not logged
    case("a column that was added without a word in the log", T, "quiet SET sql_log_bin = 0 | quiet ALTER TABLE t ADD w INT DEFAULT 4 | quiet SET sql_log_bin = 1 | ! INSERT INTO t VALUES (3, 3, 'c', 3)", MORE).based(&["t"]),
    case("a type that was changed without a word in the log", T, "quiet SET sql_log_bin = 0 | quiet ALTER TABLE t MODIFY n BIGINT UNSIGNED | quiet SET sql_log_bin = 1 | ! UPDATE t SET n = 5 WHERE id = 1", MORE).based(&["t"]),
    case("a key that was changed without a word in the log", T, "quiet SET sql_log_bin = 0 | quiet ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, v) | quiet SET sql_log_bin = 1 | ! INSERT INTO t VALUES (1, 5, 'z')", "UPDATE t SET n = 91 WHERE id = 2 | DELETE FROM t WHERE id = 1").based(&["t"]),
    case("a table that was made without a word in the log", T, "quiet SET sql_log_bin = 0 | quiet CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(5)) | quiet INSERT INTO u VALUES (1, 'a') | quiet SET sql_log_bin = 1 | ! INSERT INTO u VALUES (2, 'b')", "UPDATE u SET v = 'c' WHERE id = 1").based(&["u"]),
    case("a table that was altered before pcloud knew it", T, "quiet SET sql_log_bin = 0 | quiet CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(5)) | quiet INSERT INTO u VALUES (1, 'a') | quiet SET sql_log_bin = 1 | ! ALTER TABLE u ADD w INT | INSERT INTO u VALUES (2, 'b', 3)", "UPDATE u SET v = 'c' WHERE id = 1").based(&["u"]),
    case("a table that was dropped without a word in the log, and made again", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2)", "quiet SET sql_log_bin = 0 | quiet DROP TABLE t | quiet DROP DATABASE {x} | quiet SET sql_log_bin = 1 | CREATE TABLE t (id INT PRIMARY KEY, n INT, z INT) | INSERT INTO t VALUES (1, 1, 1), (2, 2, 2) | CREATE DATABASE {x} | CREATE TABLE {x}.t (id INT)", MORE),
    // statements instead of rows
    case("statements instead of rows", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE o (id INT PRIMARY KEY, n INT) | INSERT INTO o VALUES (1, 1), (7, 7)", "SET binlog_format = 'STATEMENT' | ! INSERT INTO t SELECT id, n FROM o WHERE id > 5 | ! UPDATE t SET n = 5 WHERE id = 2 | SET binlog_format = 'ROW' | INSERT INTO t VALUES (3, 3) | INSERT INTO o VALUES (3, 3)", MORE).based(&["t"]),
    case("one that reads and changes several tables", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE o (id INT PRIMARY KEY, n INT) | INSERT INTO o VALUES (1, 1), (7, 7) | CREATE TABLE c (id INT) | INSERT INTO c VALUES (1)", "SET binlog_format = 'STATEMENT' | ! UPDATE t JOIN o ON t.id = o.id SET t.n = 50, o.n = 60 | SET binlog_format = 'ROW' | INSERT INTO c VALUES (3)", MORE).based(&["t", "o"]),
    case("cascades of statements", "CREATE TABLE p (id INT PRIMARY KEY) | CREATE TABLE t (id INT PRIMARY KEY, n INT, FOREIGN KEY (n) REFERENCES p (id) ON DELETE CASCADE) | CREATE TABLE o (id INT PRIMARY KEY, n INT, FOREIGN KEY (n) REFERENCES p (id)) | INSERT INTO p VALUES (1), (2), (9), (91) | INSERT INTO t VALUES (1, 1), (2, 2) | INSERT INTO o VALUES (1, 1)", "SET binlog_format = 'STATEMENT' | ! DELETE FROM p WHERE id = 2 | SET binlog_format = 'ROW' | INSERT INTO o VALUES (2, 1) | INSERT INTO t VALUES (2, 1)", MORE).based(&["p", "t"]),
    case("triggers of statements", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE l (id INT) | CREATE TABLE o (id INT) | INSERT INTO o VALUES (1) | CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT INTO l VALUES (NEW.id) | CREATE TRIGGER h AFTER INSERT ON o FOR EACH ROW SET @x = 1", "SET binlog_format = 'STATEMENT' | ! INSERT INTO t VALUES (3, 3) | SET binlog_format = 'ROW' | INSERT INTO o VALUES (2)", MORE).based(&["t", "l"]),
    case("functions, views and variables in statements", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE l (id INT) | CREATE TABLE o (id INT) | CREATE VIEW w AS SELECT * FROM t | CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO l VALUES (a); RETURN a; END", "SET binlog_format = 'STATEMENT', @v = 8 | ! INSERT INTO w SELECT f(3), @v * RAND() | SET binlog_format = 'ROW' | INSERT INTO o VALUES (2)", MORE).based(&["t", "l"]),
    case("a file that is loaded by a statement", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE o (id INT PRIMARY KEY, n INT) | INSERT INTO o VALUES (5, 5), (6, 6) | SELECT * FROM o INTO OUTFILE '{db}.txt'", "LOAD DATA INFILE '{db}.txt' INTO TABLE t | DELETE FROM t WHERE id = 5 | DELETE FROM t WHERE id = 6 | SET binlog_format = 'STATEMENT' | ! LOAD DATA INFILE '{db}.txt' INTO TABLE t | SET binlog_format = 'ROW'", MORE).based(&["t"]).mariadb(),
    case("statements of MIXED format", "CREATE TABLE t (id INT PRIMARY KEY, n INT) | INSERT INTO t VALUES (1, 1), (2, 2) | CREATE TABLE o (id INT PRIMARY KEY, n DOUBLE)", "SET binlog_format = 'MIXED' | INSERT INTO o VALUES (1, UUID_SHORT() / 3) | ! UPDATE t SET n = n + 1 | INSERT INTO o SELECT 5, UUID_SHORT() / 3 | SET binlog_format = 'ROW'", MORE).based(&["t"]),
    case("temporary tables", T, "CREATE TEMPORARY TABLE t (x INT) | INSERT INTO t VALUES (1) | ALTER TABLE t ADD y INT | TRUNCATE TABLE t | DROP TABLE t | INSERT INTO t VALUES (3, 3, 'c')", MORE),
    case("temporary tables whose statements are logged", T, "SET binlog_format = 'STATEMENT' | CREATE TEMPORARY TABLE t (x INT) | INSERT INTO t VALUES (1) | ALTER TABLE t ADD y INT | CREATE INDEX i ON t (x) | TRUNCATE TABLE t | CREATE TEMPORARY TABLE other LIKE t | ALTER TABLE other RENAME TO other2 | DROP TABLE t, other2 | SET binlog_format = 'ROW' | INSERT INTO t VALUES (3, 3, 'c') | SET binlog_format = 'STATEMENT' | CREATE TEMPORARY TABLE t (x INT) | ALTER TABLE t ADD z INT | RECONNECT | INSERT INTO t VALUES (4, 4, 'd') | ALTER TABLE t ADD z INT DEFAULT 9", MORE).mariadb(),
    case("a temporary table of MIXED format", T, "SET binlog_format = 'MIXED' | CREATE TEMPORARY TABLE tmp AS SELECT * FROM t | INSERT INTO tmp VALUES (8, 8, 'h') | UPDATE tmp SET n = 5 | ! INSERT INTO t SELECT * FROM tmp WHERE id = 8 | DROP TEMPORARY TABLE tmp | SET binlog_format = 'ROW'", MORE).based(&["t"]).mariadb(),
];
