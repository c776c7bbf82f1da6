#!/usr/bin/env bash
# case.sh: prints case.txt, asked of a MariaDB 11.8 and a MySQL 9 server. Arguments: two client's command lines, each one word.
# How UPPER and LOWER differ from general_ci.txt's by version of Unicode: VERSION CODE-POINT UPPER LOWER, each version told as
# changes of the one before. `-`: MySQL loses the rest of the text, for the other case needs more bytes.
set -euo pipefail
ma=${1:?the mariadb client} my=${2:?the mysql client}
char="CONVERT(CONVERT(UNHEX(LPAD(HEX(seq), 8, '0')) USING utf32) USING utf8mb4)"
digits="(SELECT 0 d$(printf ' UNION SELECT %d' {1..15}))"
cases() { # client, collation
  for low in $(seq 0 16384 1114111); do
    echo "SELECT HEX(seq), HEX(CONVERT(UPPER($char COLLATE $2) USING utf32)), HEX(CONVERT(LOWER($char COLLATE $2) USING utf32))
      FROM (SELECT $low + a.d + 16 * b.d + 256 * c.d + 4096 * e.d seq FROM $digits a, $digits b, $digits c, $digits e WHERE e.d < 4) s
      WHERE seq NOT BETWEEN 0xD800 AND 0xDFFF ORDER BY seq;"
  done | $1 -N -B --default-character-set=utf8mb4 |
    awk -F'\t' '{ for (i = 2; i <= 3; i++) { sub(/^0+/, "", $i); if ($i == "") $i = $1 == "0" ? "0" : "-" }
      if ($1 != $2 || $1 != $3) print $1, $2, $3 }'
}
here=$(cd "$(dirname "$0")" && pwd) t=$(mktemp -d)
awk '$1!=$2 || $1!=$3 {print $1, $2, $3}' "$here/general_ci.txt" | sed -E 's/\b0+([0-9A-F])/\1/g' >"$t/0"
cases "$ma" utf8mb4_unicode_520_ci >"$t/5"
cases "$my" utf8mb4_0900_ai_ci >"$t/9"
cases "$ma" utf8mb4_uca1400_ai_ci >"$t/14"
before=0
for v in 5 9 14; do
  awk -v v=$v 'NR==FNR {old[$1]=$2" "$3; next} {new[$1]=1; if (old[$1] != $2" "$3) print v, $1, $2, $3}
    END {for (c in old) if (!(c in new)) print v, c, c, c}' "$t/$before" "$t/$v" | sort -k1,1n -k2,2
  before=$v
done
rm -r "$t"
