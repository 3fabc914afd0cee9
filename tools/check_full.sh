#!/usr/bin/env bash
# The long half of check.sh --full, which has built and tested the release preset before: the tests labelled `full`, the
# sanitizer builds, the runtime alone with the system compiler, clang-tidy. Writes docs/results/full.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

install_packages clang-tidy-22 g++
steps=build/full-steps.md
: >"$steps"
failed=0

# step NAME COMMAND...: runs it and notes result and time.
step() {
  local name=$1 started=$SECONDS result=ok
  shift
  say "full: $name"
  ( set -euo pipefail; "$@" ) || { result=FAILED; failed=1; }
  echo "| $name | $result | $((SECONDS - started)) s |" >>"$steps"
}

# The libraries of LLVM are not instrumented: annotations of containers and allocators across them would report falsely. adze has
# its own alternative signal stack.
export ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0:use_sigaltstack=0:detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1

ctest_in() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure -j"$(nproc)" "$@" 2>&1 | tee "build/ctest-$preset.log"
}
long_tests() { ctest --test-dir build/release --output-on-failure -L full 2>&1 | tee build/ctest-full.log; }
asan() { configure asan; build asan; ctest_in asan -LE 'full|release-only' --timeout 3000; }
tsan() { configure tsan; build tsan; ctest_in tsan --timeout 3000; }
runtime_only() { configure runtime-only; build runtime-only; ctest_in runtime-only; }
tidy() {
  git ls-files 'compiler/*.cpp' 'dialects/*.cpp' 'targets/*.cpp' 'runtime/*.cpp' 'tools/*.cpp' |
    xargs -r run-clang-tidy-22 -quiet -p build/release -j "$(nproc)" >build/clang-tidy.log 2>&1 || {
    grep -E '(warning|error): ' build/clang-tidy.log | sort -u | head -n 40 >&2
    return 1
  }
}

step "tests labelled full" long_tests
step "asan and ubsan" asan
step "tsan, the runtime" tsan
step "runtime alone, g++" runtime_only
step "clang-tidy" tidy

{
  echo "# Results of \`tools/check.sh --full\`"
  echo
  echo "Commit $(git rev-parse --short=12 HEAD)$(git diff --quiet HEAD -- . ':!docs/results' || echo ' with changes'), $(date -u +%Y-%m-%d)," \
    "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)."
  echo
  echo "| step | result | time |"
  echo "|---|---|---|"
  for log in build/ctest-release.log; do
    echo "| tests, release: $(grep -E '^[0-9]+% tests passed' "$log" | tail -n 1) | $(grep -q '^100% tests passed' "$log" && echo ok || echo FAILED) | $(sed -n 's/^Total Test time (real) = *//p' "$log") |"
  done
  cat "$steps"
  for table in build/release/results/*.md; do
    [ -f "$table" ] || continue
    echo
    cat "$table"
  done
} >docs/results/full.md
say "docs/results/full.md is written"
exit "$failed"
