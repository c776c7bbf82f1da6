#!/usr/bin/env bash
# Time: what does scanning an encrypted archive cost over scanning the same in plaintext?
#
#   scan.sh -k DIR [-b PCLOUD] [-n RUNS] [-p PORT] [-m LIMIT]
#
#   -k   what tpch.sh -k DIR made: DIR/plain, DIR/sealed, DIR/identity.txt
#   -b   the pcloud binary, a release build (default: pcloud from PATH)
#   -n   warm runs of each statement (default: 9); a third as many cold ones
#   -p   two serves listen on PORT and PORT + 1 (default: 33071)
#   -m   encrypted may take so many times as long (default: 1.15)
#
# One serve of each archive runs; statements go to one and the other in turn, so that whatever else the machine does hits
# both. Cold: the first statement after serve's start, which compares checksums of whole files first. Warm: after one run that
# does not count. Either way the files are in the system's cache, so that the disk's speed does not hide the difference.
# Prints medians and minima in seconds; exits with 1 when a ratio of medians misses the limit.
set -euo pipefail
usage() { sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
pcloud=pcloud dir='' runs=9 port=33071 limit=1.15
while getopts b:k:n:p:m:h o; do case $o in
  b) pcloud=$OPTARG ;; k) dir=$OPTARG ;; n) runs=$OPTARG ;; p) port=$OPTARG ;; m) limit=$OPTARG ;; *) usage ;;
esac; done
[ -n "$dir" ] || usage
client=${PCLOUD_TEST_CACHE:-$HOME/.cache/pcloud}/mariadb-bookworm/bin/mariadb
work=$(mktemp -d)
declare -A at=([plain]=$port [sealed]=$((port + 1))) pid=()
stop() { for a in "${!pid[@]}"; do kill "${pid[$a]}" 2>/dev/null && wait "${pid[$a]}" || :; done; pid=(); }
trap 'stop; rm -rf "$work"' EXIT

start() {
  for a in plain sealed; do
    { printf 'archive = "%s"\nstate = "%s"\nlisten = "127.0.0.1:%s"\n' "$dir/$a" "$work/state-$a" "${at[$a]}"
      if [ $a = sealed ]; then printf 'identity = ["%s"]\n' "$dir/identity.txt"; fi
      printf '[upkeep]\nenabled = false\n'; } >"$work/$a.toml"
    "$pcloud" serve --config "$work/$a.toml" >"$work/$a.log" 2>&1 & pid[$a]=$!
  done
  for a in plain sealed; do
    for _ in $(seq 100); do "$client" --no-defaults -h 127.0.0.1 -P "${at[$a]}" -e 'SELECT 1' >/dev/null 2>&1 && continue 2; sleep 0.1; done
    cat "$work/$a.log" >&2; exit 1
  done
}
ask() {   # ARCHIVE STATEMENT: seconds, as the client measures them
  "$client" --no-defaults -h 127.0.0.1 -P "${at[$1]}" -t -vvv -e "$2" tpch >"$work/answer-$1" || exit 1
  sed -n 's/^[0-9]* rows\{0,1\} in set (\(.*\) sec)$/\1/p' "$work/answer-$1" |
    awk '{ n = split($0, w, " "); print n == 1 ? w[1] : w[1] * 60 + w[3]; found = 1 } END { exit !found }'      # "1 min 2.345"
}
order=(plain sealed)
both() { for a in "${order[@]}"; do ask "$a" "$1" >>"$work/$2.$a"; done
  order=("${order[1]}" "${order[0]}")   # neither is always the first
  diff <(grep '^|' "$work/answer-plain") <(grep '^|' "$work/answer-sealed") >&2 || { echo 'scan: the answers differ' >&2; exit 1; }; }
missed=0
told() {   # NAME FILE
  awk -v what="$1" -v limit="$limit" '
    function stats(i,   j, k, t) { for (j = 2; j <= n[i]; j++) for (k = j; k > 1 && v[i, k] < v[i, k - 1]; k--) {
        t = v[i, k]; v[i, k] = v[i, k - 1]; v[i, k - 1] = t }
      least[i] = v[i, 1]; median[i] = n[i] % 2 ? v[i, (n[i] + 1) / 2] : (v[i, n[i] / 2] + v[i, n[i] / 2 + 1]) / 2 }
    FNR == 1 { f++ } { v[f, ++n[f]] = $1 + 0 }
    END { stats(1); stats(2)
      printf "%-28s %3d runs  plain median %.3f min %.3f   encrypted median %.3f min %.3f   ratio median %.3f min %.3f (limit %s)\n",
        what, n[1], median[1], least[1], median[2], least[2], median[2] / median[1], least[2] / least[1], limit
      exit median[2] > limit * median[1] }' "$work/$2.plain" "$work/$2.sealed" || missed=1
}

statements=(
  'lineitem'         'SELECT COUNT(*), SUM(l_quantity), SUM(l_extendedprice), SUM(l_discount), SUM(LENGTH(l_comment)) FROM lineitem'
  'every column'     'SELECT COUNT(*), MIN(l_orderkey), MAX(l_partkey), MAX(l_suppkey), MAX(l_linenumber), SUM(l_quantity), SUM(l_extendedprice), SUM(l_discount), SUM(l_tax), MAX(l_returnflag), MAX(l_linestatus), MAX(l_shipdate), MAX(l_commitdate), MAX(l_receiptdate), MAX(LENGTH(l_shipinstruct)), MAX(LENGTH(l_shipmode)), SUM(LENGTH(l_comment)) FROM lineitem'
  'orders, customer' 'SELECT c_mktsegment, COUNT(*), SUM(o_totalprice), SUM(LENGTH(o_comment)), SUM(LENGTH(c_comment)) FROM orders JOIN customer ON c_custkey = o_custkey GROUP BY c_mktsegment ORDER BY 1'
)
find "$dir/plain" "$dir/sealed" -type f -exec cat {} + >/dev/null
for ((s = 0; s < ${#statements[@]}; s += 2)); do
  for ((r = 0; r < (runs + 2) / 3; r++)); do start; both "${statements[s + 1]}" "cold$s"; stop; done
  start
  both "${statements[s + 1]}" unused
  for ((r = 0; r < runs; r++)); do both "${statements[s + 1]}" "warm$s"; done
  stop
  told "${statements[s]}, cold" "cold$s"
  told "${statements[s]}, warm" "warm$s"
done
exit $missed
