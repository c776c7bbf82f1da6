#!/usr/bin/env bash
# Get mydumper into a folder from Debian (0.10 in bookworm and sid). Nothing is installed on the host. 5 to 10 s, 25 MB.
#
#   get-mydumper.sh [-d DIR] [-s SUITE]     defaults: .cache/mydumper-SUITE beside this script, bookworm
#
# Then: DIR/bin/mydumper. Idempotent.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir='' suite=bookworm
while getopts d:s:h o; do case $o in d) dir=$OPTARG ;; s) suite=$OPTARG ;; *) sed -n '2,/^set -/s/^# \{0,1\}//p' "$0"; exit 2 ;; esac; done
dir=${dir:-$here/.cache/mydumper-$suite}
"$here/debtree.sh" -x 'perl.*|libperl.*|debianutils' -b mydumper "$suite" "$dir" mydumper
"$dir/bin/mydumper" --version
