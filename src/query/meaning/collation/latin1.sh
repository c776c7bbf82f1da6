#!/usr/bin/env bash
# latin1.sh: prints latin1.txt, asked of a MariaDB server. Arguments: the client's command line.
# One line per byte: code point, upper case, lower case (as bytes), weight under latin1_swedish_ci, latin1_german1_ci,
# latin1_danish_ci, latin1_spanish_ci, latin1_general_ci, latin1_general_cs; in hexadecimal.
set -euo pipefail
"${@:?the mariadb client, with its options}" -N -B --default-character-set=utf8mb4 test -e "
  WITH c AS (SELECT seq, CONVERT(UNHEX(LPAD(HEX(seq), 2, '0')) USING latin1) AS ch FROM seq_0_to_255)
  SELECT HEX(CONVERT(CONVERT(ch USING utf8mb4) USING utf32)), HEX(UPPER(ch)), HEX(LOWER(ch)),
         HEX(WEIGHT_STRING(ch COLLATE latin1_swedish_ci)), HEX(WEIGHT_STRING(ch COLLATE latin1_german1_ci)),
         HEX(WEIGHT_STRING(ch COLLATE latin1_danish_ci)), HEX(WEIGHT_STRING(ch COLLATE latin1_spanish_ci)),
         HEX(WEIGHT_STRING(ch COLLATE latin1_general_ci)), HEX(WEIGHT_STRING(ch COLLATE latin1_general_cs)) FROM c ORDER BY seq" | tr '\t' ' ' | sed 's/^0000//'
