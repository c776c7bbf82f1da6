#!/usr/bin/env bash
# Get the stock age program into a folder.   get-age.sh [-s SUITE] -d DIR    DIR/bin/age, DIR/bin/age-keygen. Idempotent.
# Of bookworm (the default), or of a later Debian, with the plugins that come with it: trixie, sid (age-plugin-pq).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() { sed -n 2,3p "$0" >&2; exit 2; }
dir='' suite=bookworm
while getopts s:d:h o; do case $o in s) suite=$OPTARG ;; d) dir=$OPTARG ;; *) usage ;; esac; done
[ -n "$dir" ] || usage
programs='age age-keygen'
if [ "$suite" != bookworm ]; then programs=''; fi
"$here/debtree.sh" ${programs:+-b "$programs"} "$suite" "$dir" age
