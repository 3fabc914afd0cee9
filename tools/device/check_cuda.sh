#!/usr/bin/env bash
# On a machine with an NVIDIA GPU and its driver: are the numbers right, and how fast are the kernels?
# Needs no compiler and no toolkit: what tools/device/make_cases.py made elsewhere, adze-device-check, libadze_rt.so and
# libadze_cuda.so. cuBLAS is measured beside ours where the machine has it.
#
# usage: tools/device/check_cuda.sh OUTDIR [STAGE...]     default: node network matmul attention memory
# environment: ADZE_CASES   the cases' folder or its .tar.gz (default build/device-cases)
#              ADZE_BUILD   where bin/ and lib/ are (default build/release)
#              ADZE_DEVICE  default cuda:0
#              STAGE_SECONDS  limit of one stage (default 440; no stage takes 8 minutes)
# Writes OUTDIR/STAGE.json, OUTDIR/STAGE.md, OUTDIR/report.json and OUTDIR/report.md.
# Exit: 0 all right, 1 something is wrong or was not measured, 2 usage, 6 no device.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -lt 1 ] || [[ $1 == -* ]]; then
  sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
out=$1
shift
[ $# -gt 0 ] || set -- node network matmul attention memory
cases=${ADZE_CASES:-build/device-cases}
build=${ADZE_BUILD:-build/release}
device=${ADZE_DEVICE:-cuda:0}
seconds=${STAGE_SECONDS:-440}
check=$build/bin/adze-device-check
mkdir -p "$out"

if [ ! -x "$check" ]; then
  printf 'error: %s is not there\n  why: the check needs the built runtime\n  fix: build adze, or set ADZE_BUILD\n' "$check" >&2
  exit 2
fi
if [ ! -d "$cases" ]; then
  archive=$cases
  [ -f "$archive" ] || archive=$cases.tar.gz
  if [ ! -f "$archive" ]; then
    printf 'error: no cases at %s\n  why: they are made where the compiler is\n  fix: build/venv/bin/python tools/device/make_cases.py --adze=build/release/bin/adze --out=%s\n' "$cases" "$cases" >&2
    exit 2
  fi
  cases=$(mktemp -d)
  trap 'rm -rf "$cases"' EXIT
  tar -xzf "$archive" -C "$cases"
fi

status=0
for stage in "$@"; do
  echo "== $stage"
  rc=0
  timeout $((seconds + 35)) "$check" "$stage" "$cases" "$out" "--device=$device" "--seconds=$seconds" || rc=$?
  [ $rc -eq 6 ] && exit 6
  [ $rc -eq 0 ] || status=1
  [ $rc -eq 124 ] && printf '## %s\n\nStopped after %s s.\n' "$stage" $((seconds + 35)) >"$out/$stage.md"
done

gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1 || true)
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || cat COMMIT 2>/dev/null || echo unknown)
{
  printf '# CUDA device check\n\nDevice: %s. Commit %s, %s. Command: `tools/device/check_cuda.sh %s %s`\n' \
    "${gpu:-$device, without nvidia-smi}" "$commit" "$(date -u +%F)" "$out" "$*"
  for stage in "$@"; do
    if [ -f "$out/$stage.md" ]; then
      printf '\n'
      cat "$out/$stage.md"
    fi
  done
} >"$out/report.md"
{
  printf '{"device": "%s", "commit": "%s", "date": "%s", "stages": [' "$gpu" "$commit" "$(date -u +%F)"
  comma=
  for stage in "$@"; do
    if [ -s "$out/$stage.json" ]; then
      printf '%s\n' "$comma"
      cat "$out/$stage.json"
      comma=,
    fi
  done
  printf ']}\n'
} >"$out/report.json"
echo "$out/report.md"
exit $status
