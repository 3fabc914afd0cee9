#!/usr/bin/env bash
# Everything that must hold before a change lands: installs what is missing, builds, checks the format, runs the tests.
#
#   tools/check.sh                 what CI runs; ends with ctest's summary; under 60 minutes on 2 cores from nothing
#   tools/check.sh --full          also the sanitizer builds, clang-tidy and every table; writes docs/results/full.md
#   tools/check.sh --format-only   the format check alone
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

full=0 format_only=0
for a in "$@"; do
  case $a in
  --full) full=1 ;;
  --format-only) format_only=1 ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die "unknown argument $a" "check.sh knows --full and --format-only" "tools/check.sh --help" ;;
  esac
done

check_format() {
  local bad
  bad=$(git ls-files '*.cpp' '*.h' '*.c' | while read -r f; do
    [ ! -f "$f" ] || clang-format-22 --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f"
  done)
  if [ -n "$bad" ]; then
    echo "$bad" >&2
    die "$(echo "$bad" | wc -l) files are not formatted" ".clang-format is the rule" "clang-format-22 -i on the files above"
  fi
  say "format: clean"
}

# run_ctest PRESET [ctest arguments...]: the summary goes to build/ctest-PRESET.log too.
run_ctest() {
  local preset=$1 status=0
  shift
  say "tests: preset $preset"
  ctest --test-dir "build/$preset" --output-on-failure --timeout 1500 -j"$(nproc)" "$@" 2>&1 |
    tee "build/ctest-$preset.log" || status=$?
  return "$status"
}

check_machine
install_packages "${ADZE_PACKAGES[@]}"
if [ "$format_only" = 1 ]; then
  check_format
  exit 0
fi
make_venv
fetch_models
configure release
build release
check_format

failed=0
run_ctest release -LE full || failed=1
if [ "$full" = 1 ]; then
  [ "$failed" = 1 ] || bash tools/check_full.sh || failed=1
fi

echo
say "summary"
for log in build/ctest-*.log; do
  [ "$log" -nt build/configure-release.log ] || continue
  preset=${log#build/ctest-}
  printf '%-12s %s\n' "${preset%.log}" "$(grep -E '^[0-9]+% tests passed' "$log" | tail -n 1)"
done
[ "$failed" = 0 ] || { say "FAILED"; exit 1; }
grep -E '^[0-9]+% tests passed' build/ctest-release.log | tail -n 1
