#!/usr/bin/env bash
# general_ci.sh: prints general_ci.txt, asked of a MariaDB server. Arguments: the client's command line.
# One line per code point below U+10000 whose upper case, lower case or weight is not itself:
# code point, upper case, lower case, weight; in hexadecimal.
set -euo pipefail
"${@:?the mariadb client, with its options}" -N -B --default-character-set=utf8mb4 test -e "
  WITH c AS (SELECT seq, CONVERT(CONVERT(UNHEX(LPAD(HEX(seq), 4, '0')) USING utf16) USING utf8mb4)
                         COLLATE utf8mb4_general_ci AS ch
             FROM seq_0_to_65535 WHERE seq NOT BETWEEN 0xD800 AND 0xDFFF)
  SELECT LPAD(HEX(seq), 4, '0'), HEX(CONVERT(UPPER(ch) USING utf16)), HEX(CONVERT(LOWER(ch) USING utf16)),
         HEX(WEIGHT_STRING(ch)) FROM c" | awk '$1 != $2 || $1 != $3 || $1 != $4 { print $1, $2, $3, $4 }'
