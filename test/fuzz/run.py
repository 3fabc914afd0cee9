#!/usr/bin/env python3
"""Runs adze_fuzz on mnist_8 where it is at hand, otherwise on a generated model of the same operators.

usage: run.py model|package --fuzz=FILE --adze=FILE --work=DIR [adze_fuzz flags]
"""
import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def model(work):
    for folder in filter(None, [os.environ.get("ADZE_MODELS_DIR"), ROOT.parent / "shared" / "models"]):
        path = pathlib.Path(folder) / "mnist_8.onnx"
        if path.exists():
            return path
    made = work / "small.onnx"
    subprocess.run([sys.executable, pathlib.Path(__file__).parent / "small_model.py", made], check=True)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["model", "package"])
    for name in ("--fuzz", "--adze", "--work"):
        parser.add_argument(name, required=True, type=pathlib.Path)
    options, rest = parser.parse_known_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = model(options.work)
    print(f"source: {source.name}")
    sys.stdout.flush()
    if options.mode == "package":
        package = options.work / "fuzzed.adze"
        subprocess.run([options.adze, "compile", source, "-o", package, "--target=cpu:x86-64-v3", "--strip-debug"], check=True)
        source = package
    else:
        rest += [f"--jobs={os.cpu_count()}"]
    sys.exit(subprocess.run([options.fuzz, options.mode, source, *rest]).returncode)


if __name__ == "__main__":
    main()
