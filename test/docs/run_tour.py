#!/usr/bin/env python3
"""Runs the commands of a page and checks that the output it quotes still appears.

usage: run_tour.py PAGE --bin=DIR --work=DIR      status 77 (skipped) when the page needs a model that is not at hand

A fenced block ```sh is run by bash, in order, in a folder that looks like a clone: build/release/bin is DIR, build/models
holds the model, tools/ and test/ are the repository's. A block ```text or ```mlir after it quotes its output: each line
must appear in the output of that command, in the order of the page. `...` in a quoted line stands for anything, a line of
only `...` for any lines. Numbers, names of values and white space may differ: sizes are decided by a plan that may change,
the structure is what the page is about.
"""
import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "magika_standard_v3_3"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
TIMEOUT = 120


def find_model():
    folders = [ROOT / "build" / "models", os.environ.get("ADZE_MODELS_DIR"), ROOT.parent / "shared" / "models"]
    return next((p for p in (pathlib.Path(f) / (MODEL + ".onnx") for f in folders if f) if p.exists()), None)


def make_folder(work, binaries, needs_model):
    """A folder in which the page's commands find what they name."""
    model = find_model() if needs_model else None
    if needs_model and not model:
        print(f"skipped: {MODEL}.onnx is not in build/models, $ADZE_MODELS_DIR or ../shared/models")
        sys.exit(77)
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("build/release", "build/models", "build/venv/bin"):
        (work / folder).mkdir(parents=True)
    (work / "build/release/bin").symlink_to(binaries.resolve())
    if model:
        (work / "build/models" / model.name).symlink_to(model.resolve())
    for name in ("tools", "test", "docs", "README.md"):
        (work / name).symlink_to(ROOT / name)
    python = work / "build/venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)


def normal(line):
    """A line without what a plan may change: numbers, value names, map numbers, digests, white space."""
    line = re.sub(r"#[0-9a-f]{16}\b", "#H", line.strip())
    line = re.sub(r"%[\w#:-]+", "%v", line)
    line = re.sub(r"#map\d*", "#map", line)
    line = re.sub(r"\b0x[0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", "N", line)
    return re.sub(r"\s+", " ", line)


def pattern(line):
    return re.compile(".*".join(re.escape(normal(part)) for part in line.split("...")))


def check_quote(quote, output, where, offences):
    """Each quoted line, in order, is in a line of the output."""
    lines, at = [normal(l) for l in output.splitlines()], 0
    for quoted in filter(None, (l.strip() for l in quote.splitlines())):
        if quoted == "...":
            continue
        wanted = pattern(quoted)
        found = next((i for i in range(at, len(lines)) if wanted.search(lines[i])), None)
        if found is None:
            close = difflib.get_close_matches(normal(quoted), lines, 1, 0.3)
            near = next((l.strip() for l in output.splitlines() if close and normal(l) == close[0]), "nothing like it")
            offences.append(f"{where}: the output no longer has\n    {quoted}\n  nearest\n    {near[:300]}")
        else:
            at = found + 1


def run_block(code, work):
    env = dict(os.environ, NO_COLOR="1", LC_ALL="C")
    return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", code], cwd=work, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT)


def check_page(text, name, work):
    """Runs a page's blocks in `work`; returns the offences and how many commands and quotes there were."""
    offences, output, commands, quotes = [], None, 0, 0
    for match in FENCE.finditer(text):
        language, body = match.groups()
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        if language == "sh":
            done = run_block(body, work)
            output, commands = done.stdout, commands + 1
            if done.returncode != 0:
                offences.append(f"{where}: exit status {done.returncode}\n{body}\n{output[-2000:]}")
        elif language in ("text", "mlir") and output is not None:
            quotes += 1
            check_quote(body, output, where, offences)
    if commands == 0 or quotes == 0:
        offences.append(f"{name}: {commands} commands and {quotes} quotes; the page must have both")
    return offences, commands, quotes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    text = args.page.read_text()
    make_folder(args.work, args.bin, "build/models" in text)
    offences, commands, quotes = check_page(text, args.page.name, args.work)
    print("\n".join(offences) or f"{commands} commands ran, {quotes} quotes appear")
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
