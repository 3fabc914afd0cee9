#!/usr/bin/env python3
"""libadze_rt.so: what it needs, what it exports, how large it is.

usage: check_runtime.py LIBRARY [--readelf=PROGRAM] [--strip=PROGRAM]
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

MAY_NEED = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}
LIMIT = 1_000_000  # bytes, stripped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--readelf", default="llvm-readelf-22")
    parser.add_argument("--strip", default="llvm-strip-22")
    options = parser.parse_args()

    def read(*flags):
        return subprocess.run([options.readelf, *flags, options.library], check=True, capture_output=True, text=True).stdout

    problems = []
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", read("-d")))
    if not needed:
        problems.append("no NEEDED entry was found: the test cannot read the library")
    problems += [f"NEEDED {name}: only {', '.join(sorted(MAY_NEED))} are allowed" for name in sorted(needed - MAY_NEED)]
    exported = {line.split()[-1].split("@")[0] for line in read("-W", "--dyn-syms").splitlines()
                if len(line.split()) >= 8 and line.split()[4] in ("GLOBAL", "WEAK") and line.split()[6] != "UND"}
    problems += [f"exports {name}: only adze_* is the interface" for name in sorted(exported)
                 if not name.startswith("adze_") and not name.startswith("ADZE")]
    if "adze_session_run" not in exported:
        problems.append("adze_session_run is not exported")
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "stripped.so"
        subprocess.run([options.strip, "-o", stripped, options.library], check=True)
        size = stripped.stat().st_size
    if size >= LIMIT:
        problems.append(f"{size} bytes stripped, the limit is {LIMIT}")
    for problem in problems:
        print(problem)
    print(f"libadze_rt.so: {size} bytes stripped, needs {', '.join(sorted(needed))}, exports {len(exported)} symbols")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
