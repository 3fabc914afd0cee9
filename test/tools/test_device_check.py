#!/usr/bin/env python3
"""tools/device end to end: cases are made, judged on a device that is here, and a wrong expected value is found.

usage: test_device_check.py --adze=FILE --check=FILE --work=DIR [--target=LIST] [--device=NAME] [--only=REGEX]
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--adze", "--check", "--work"):
        parser.add_argument(flag, required=True, type=pathlib.Path)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="^test_(add|softmax_axis_0|conv_with|cast_FLOAT_to|argmax_default|matmul|quantizelinear)")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    cases = options.work / "cases"
    subprocess.run([sys.executable, ROOT / "tools" / "device" / "make_cases.py", f"--adze={options.adze}",
                    f"--out={cases}", f"--target={options.target}", "--stages=node", f"--only={options.only}"], check=True)

    def judge():
        done = subprocess.run([options.check, "node", cases, options.work, f"--device={options.device}"],
                              capture_output=True, text=True)
        print(done.stdout + done.stderr)
        return done.returncode, json.loads((options.work / "node.json").read_text())

    status, report = judge()
    assert status == 0 and report["failed"] == 0 and report["passed"] >= 20, "the device's numbers are not the expected ones"

    place = cases / "node" / "test_matmul_2d" / "set_0" / "output_0.npy"
    value = np.load(place)
    value.flat[1] += 0.5
    np.save(place, value)
    status, report = judge()
    wrong = [c for c in report["cases"] if c["result"] != "pass"]
    assert status == 1 and [c["name"] for c in wrong] == ["test_matmul_2d"], "a wrong element was not found"
    assert "1 of" in wrong[0]["reason"], wrong


if __name__ == "__main__":
    main()
