#!/usr/bin/env python3
"""Same input, same bytes: from two folders, with one and two threads, on two runs; and no path in the package.

usage: test_reproducible.py --adze=FILE MODEL.onnx...
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main():
    adze = next(a[7:] for a in sys.argv if a.startswith("--adze="))
    models = [pathlib.Path(a) for a in sys.argv[1:] if not a.startswith("--")]
    failed = False
    for model in models:
        digests = {}
        for threads in (1, 2):
            for turn in range(2):
                with tempfile.TemporaryDirectory(prefix=f"adze-repro-{'long-name-' * threads}") as folder:
                    copy = pathlib.Path(folder) / ("m" * (turn + 1) + ".onnx")
                    shutil.copy(model, copy)
                    out = pathlib.Path(folder) / "out.adze"
                    target = "--target=cpu:x86-64-v3,cpu:x86-64-v4"
                    subprocess.run([adze, "compile", copy.name, "-o", out, f"--threads={threads}", target], check=True,
                                   cwd=folder, stdout=subprocess.DEVNULL)
                    data = out.read_bytes()
                    digests[f"threads={threads}, run {turn}"] = data
                    for text in (folder, "adze-repro"):
                        if text.encode() in data:
                            print(f"{model.name}: the package holds the path {text}")
                            failed = True
        if len(set(digests.values())) != 1:
            first = next(iter(digests.values()))
            for name, data in digests.items():
                at = next((i for i, (a, b) in enumerate(zip(first, data)) if a != b), min(len(first), len(data)))
                print(f"{model.name}: {name}: {len(data)} bytes, first difference at {at if data != first else '-'}")
            failed = True
        else:
            print(f"{model.name}: {len(digests)} compilations, the same {len(data)} bytes")
    sys.exit(1 if failed or not models else 0)


if __name__ == "__main__":
    main()
