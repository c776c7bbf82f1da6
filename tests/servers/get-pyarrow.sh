#!/usr/bin/env bash
# Get a Python with pyarrow into a folder, for examples/read_archive.py. About 10 s, 200 MB on disk. Needs python3 with venv and pip.
#
#   get-pyarrow.sh [-d DIR]     default: python-reader in $PCLOUD_TEST_CACHE, which is ~/.cache/pcloud unless set
#
# Prints the interpreter's path: DIR/bin/python. Idempotent.
set -euo pipefail
dir=${PCLOUD_TEST_CACHE:-$HOME/.cache/pcloud}/python-reader
while getopts d:h o; do case $o in d) dir=$OPTARG ;; *) sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac; done
packages='pyarrow==26.0.1'

mkdir -p "$dir"; dir=$(cd "$dir" && pwd)
exec 9>"$dir.lock"; flock 9                       # two callers at once: the second finds it done
request="v1 $packages"
if [ "$(cat "$dir/.done" 2>/dev/null)" != "$request" ]; then
  rm -f "$dir/.done"
  python3 -m venv --clear "$dir" >&2
  # shellcheck disable=SC2086
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check $packages >&2
  "$dir/bin/python" -c 'import pyarrow.parquet'
  printf '%s' "$request" >"$dir/.done"
fi
printf '%s\n' "$dir/bin/python"
