#!/usr/bin/env bash
# Get the stock age program into a folder.     get-age.sh -d DIR      DIR/bin/age, DIR/bin/age-keygen. Idempotent.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=''
while getopts d:h o; do case $o in d) dir=$OPTARG ;; *) sed -n 2p "$0" >&2; exit 2 ;; esac; done
[ -n "$dir" ] || { sed -n 2p "$0" >&2; exit 2; }
"$here/debtree.sh" -b 'age age-keygen' bookworm "$dir" age
