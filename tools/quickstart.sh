#!/usr/bin/env bash
# From a clone to a running model: installs what is missing, builds adze and its runtime, fetches the magika model (file
# type detection) from PyPI, compiles it and runs it on this repository's README.md. About 10 minutes on 2 cores.
#
#   tools/quickstart.sh [FILE]     FILE: what to look at instead of README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

file=${1:-README.md}
case $file in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
[ $# -le 1 ] || die "too many arguments" "quickstart.sh takes one file at most" "tools/quickstart.sh [FILE]"
[ -f "$file" ] || die "no file $file" "it is what the model looks at" "give a file's path"

check_machine
install_packages "${ADZE_PACKAGES[@]}"
make_venv
fetch_models magika_standard_v3_3
configure release
build release adze adze_rt
say "run: magika on $file"
"$ADZE_PYTHON" tools/demo_magika.py "$file"
say "done: build/release/bin/adze and build/release/lib/libadze_rt.so; docs/start-here.md says what is next"
