#!/usr/bin/env bash
# Sizes: how large is the archive of a TPC-H base, next to mydumper's compressed output of the same server?
#
#   tpch.sh [-b PCLOUD] [-k DIR] [-s SCALE] [-p PORT] [-m LIMIT]
#
#   -b   the pcloud binary, a release build (default: pcloud from PATH)
#   -k   keep server, dump and archives in DIR, and go on from what is there (default: a temporary directory, removed at the
#        end); scan.sh -k DIR asks those archives
#   -s   TPC-H's scale factor (default: 1: 8.7 million rows, 1.1 GB of text)
#   -p   TCP port of the MariaDB that is started (default: 33061)
#   -m   the archive may take so many times the dump's bytes (default: 0.6)
#
# The rows are dbgen's, made by tpchgen-cli (PyPI), which writes the same bytes. Servers, tools and rows are kept in
# ${PCLOUD_TEST_CACHE:-$HOME/.cache/pcloud}. Takes about 10 minutes and 6 GB at scale 1.
# Prints the bytes of each; exits with 1 when the limit is missed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); servers=$here/../servers
usage() { sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
pcloud=pcloud keep='' scale=1 port=33061 limit=0.6
while getopts b:k:s:p:m:h o; do case $o in
  b) pcloud=$OPTARG ;; k) keep=$OPTARG ;; s) scale=$OPTARG ;; p) port=$OPTARG ;; m) limit=$OPTARG ;; *) usage ;;
esac; done
command -v "$pcloud" >/dev/null || { echo "tpch: no $pcloud: build one with cargo build --release, and name it with -b" >&2; exit 2; }
cache=${PCLOUD_TEST_CACHE:-$HOME/.cache/pcloud}
say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
bytes() { find "$@" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }'; }

dir=${keep:-$(mktemp -d)}; mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
finish() { "$servers/stop-db.sh" -d "$dir/db" || :; if [ -z "$keep" ]; then rm -rf "$dir"; fi; }
trap finish EXIT

# ---- rows
rows=$cache/tpch/sf$scale
if [ ! -e "$rows/.ok" ]; then
  say "rows of scale $scale"
  mkdir -p "$rows"
  [ -x "$cache/tpch/venv/bin/tpchgen-cli" ] || { python3 -m venv "$cache/tpch/venv"; "$cache/tpch/venv/bin/pip" install -q tpchgen-cli; }
  "$cache/tpch/venv/bin/tpchgen-cli" -s "$scale" -o "$rows" --overwrite
  touch "$rows/.ok"
fi

# ---- server
[ -x "$cache/mariadb-bookworm/bin/mariadbd" ] || "$servers/get-mariadb.sh" -s bookworm -d "$cache/mariadb-bookworm" >&2
[ -x "$cache/mydumper-bookworm/bin/mydumper" ] || "$servers/get-mydumper.sh" -s bookworm -d "$cache/mydumper-bookworm" >&2
chmod a+rx "$dir"
"$servers/start-db.sh" -t "$cache/mariadb-bookworm" -d "$dir/db" -p "$port" -- --innodb-buffer-pool-size=1G \
  --innodb-flush-log-at-trx-commit=0 --local-infile=1 --max-binlog-size=1G >/dev/null
sql() { "$cache/mariadb-bookworm/bin/mariadb" --defaults-file="$dir/db/my.cnf" --local-infile=1 -N "$@"; }
if [ ! -e "$dir/loaded" ]; then
  say "loading"
  sql -e 'SET sql_log_bin=0; DROP DATABASE IF EXISTS tpch; CREATE DATABASE tpch CHARACTER SET utf8mb4'
  { echo 'SET sql_log_bin=0;'; cat "$here/tpch.sql"; } | sql tpch
  for t in region nation supplier part partsupp customer orders lineitem; do
    sql tpch -e "SET sql_log_bin=0, unique_checks=0; LOAD DATA LOCAL INFILE '$rows/$t.tbl' INTO TABLE $t FIELDS TERMINATED BY '|' LINES TERMINATED BY '|\n'"
    want=$(wc -l <"$rows/$t.tbl") got=$(sql tpch -e "SELECT COUNT(*) FROM $t")
    [ "$want" = "$got" ] || { echo "tpch: $t has $got rows, not $want" >&2; exit 1; }
  done
  touch "$dir/loaded"
fi

# ---- mydumper's default settings, compressed
say "mydumper -c"
rm -rf "$dir/dump"
"$cache/mydumper-bookworm/bin/mydumper" --defaults-file="$dir/db/my.cnf" -S "$dir/db/server.sock" -u root -B tpch -c -o "$dir/dump" >&2

# ---- pcloud
source=mysql://root@127.0.0.1:$port/
rm -rf "$dir/plain" "$dir/sealed" "$dir/state" "$dir/identity.txt"
"$pcloud" keygen >"$dir/identity.txt" 2>/dev/null
recipient=$(sed -n 's/^# public key: //p' "$dir/identity.txt")
say "protect, plain"
"$pcloud" protect "$source" --name tpch --database tpch --archive "$dir/plain" --once >&2
say "protect, encrypted"
"$pcloud" protect "$source" --name tpch --database tpch --archive "$dir/sealed" --once \
  --recipient "$recipient" --identity "$dir/identity.txt" >&2

# ---- sizes
dump=$(bytes "$dir/dump") missed=0
printf '%-44s %14d bytes\n' "rows as dbgen's text" "$(bytes "$rows")" "mydumper -c (gzip)" "$dump"
if command -v zstd >/dev/null; then   # Debian's mydumper has no zstd: what the newer ones' default level would make of it
  zst=$(for f in "$dir"/dump/*.gz; do gzip -dc "$f" | zstd -3 -q | wc -c; done | awk '{ n += $1 } END { printf "%d", n }')
  printf '%-44s %14d bytes\n' "the same files by zstd -3" "$zst"
fi
for a in plain sealed; do
  n=$(bytes "$dir/$a")
  printf '%-44s %14d bytes\n' "archive, $a" "$n"
  awk -v n="$n" -v d="$dump" -v z="${zst:-0}" -v l="$limit" -v a="$a" 'BEGIN {
    printf "archive, %s / mydumper -c: %.3f (limit %s)\n", a, n / d, l
    if (z) printf "archive, %s / zstd -3:     %.3f\n", a, n / z
    exit n > l * d }' || missed=1
done
exit $missed
