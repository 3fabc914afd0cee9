#!/usr/bin/env python3
"""The quick start's last step: what type of file is this? Compiles magika, runs it, prints type, score, latency, size.

usage: demo_magika.py FILE [--adze=build/release/bin/adze]
"""
import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "build" / "models" / "magika_standard_v3_3.onnx"
WORK = ROOT / "build" / "quickstart"


def features(data, config):
    """The model's input: the first and the last bytes without surrounding blanks, padded with a token of their own."""
    block, pad = config["block_size"], config["padding_token"]
    head = data[:block].lstrip()[: config["beg_size"]]
    tail = data[-block:].rstrip()[-config["end_size"]:]
    head = list(head) + [pad] * (config["beg_size"] - len(head))
    tail = [pad] * (config["end_size"] - len(tail)) + list(tail)
    return np.array([head + tail], np.int32)


def adze(binary, *args):
    done = subprocess.run([binary, *map(str, args)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return done.stdout


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--adze=")]
    binary = next((a[7:] for a in sys.argv[1:] if a.startswith("--adze=")), ROOT / "build" / "release" / "bin" / "adze")
    if len(args) != 1:
        sys.exit(__doc__)
    config = json.loads(MODEL.with_suffix(".config.json").read_text())
    WORK.mkdir(parents=True, exist_ok=True)
    package, data = WORK / "magika.adze", WORK / "bytes.npy"
    np.save(data, features(pathlib.Path(args[0]).read_bytes(), config))

    adze(binary, "compile", MODEL, "-o", package)
    listing = json.loads(adze(binary, "run", package, "--input", f"bytes={data}", "--output-dir", WORK, "--format=json"))
    scores = np.load(listing["outputs"][0]["file"])[0]
    bench = json.loads(adze(binary, "bench", package, "--input", f"bytes={data}", "--threads=1", "--min-time=1",
                            "--format=json"))
    best = int(scores.argmax())
    print(f"file      {args[0]}")
    print(f"type      {config['target_labels_space'][best]}, score {scores[best]:.3f}")
    print(f"latency   {bench['median_us'] / 1000:.2f} ms on one thread")
    print(f"package   {package.relative_to(ROOT)}, {package.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
