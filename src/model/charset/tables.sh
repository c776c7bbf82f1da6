#!/usr/bin/env bash
# Asks a MariaDB server how the characters of its charsets are written, and writes tables/*.txt anew.
#
#   tables.sh CLIENT [ARGUMENT...]      e.g. tables.sh mariadb --defaults-file=my.cnf
#
# A line is a run: the code of its first character in hexadecimal, a space, and the characters of this and the
# following codes. Left out: ASCII characters that stand for themselves, and what does not come back as the same bytes
# from Unicode. An ASCII character that can be written in two ways (sjis has the backslash as 5C and as 815F) is the
# one of one byte.
set -euo pipefail
cd "$(dirname "$0")/tables"
run() { "$@" mysql -N -B --raw --default-character-set=utf8mb4 -e "$sql"; }
for charset in $("$@" mysql -N -B -e "SELECT character_set_name FROM information_schema.character_sets WHERE character_set_name
    NOT IN ('binary', 'ascii', 'utf8mb3', 'utf8mb4', 'ucs2', 'utf16', 'utf16le', 'utf32') ORDER BY 1"); do
  sql="SET SESSION group_concat_max_len = 1000000;
    WITH codes AS (
      SELECT seq AS code, UNHEX(LPAD(HEX(seq), 2, '0')) AS bytes FROM seq_0_to_255
      UNION ALL SELECT seq, UNHEX(HEX(seq)) FROM seq_32768_to_65535
      UNION ALL SELECT 9371648 + seq, UNHEX(HEX(9371648 + seq)) FROM seq_0_to_65535),
    texts AS (SELECT code, bytes, CONVERT(CONVERT(bytes USING $charset) USING utf8mb4) AS t FROM codes),
    ascii AS (SELECT code, t FROM texts WHERE code < 128 AND HEX(t) = HEX(bytes)),
    good AS (SELECT code, t, code - ROW_NUMBER() OVER (ORDER BY code) AS run FROM texts
      WHERE CHAR_LENGTH(t) = 1 AND HEX(CONVERT(t USING $charset)) = HEX(bytes)
        AND HEX(t) NOT IN (SELECT HEX(t) FROM ascii))
    SELECT HEX(MIN(code)), GROUP_CONCAT(t ORDER BY code SEPARATOR '') FROM good GROUP BY run ORDER BY MIN(code)"
  run "$@" | tr '\t' ' ' >"$charset.txt"
  # an ASCII code without a character: a line with nothing after the code
  sql="SELECT LPAD(HEX(seq), 2, '0') FROM seq_0_to_127 WHERE seq <> 63
    AND HEX(CONVERT(CONVERT(UNHEX(LPAD(HEX(seq), 2, '0')) USING $charset) USING utf8mb4)) = '3F'"
  run "$@" >>"$charset.txt"
done
