#!/usr/bin/env python3
"""Every kernel of the test models through ptxas: what can be known of CUDA code without a GPU.

usage: cuda_gate.py --adze=FILE [--models=A,B] [--archs=sm_80,sm_90a] [--table=FILE [--update]] [--ptxas=FILE]

Compiles each model for each architecture, assembles the PTX and fails on: a model that does not compile, PTX that ptxas
refuses, spills to local memory, and what ptxas repairs silently by adding waits or serialising (C7508, C7517, C7519).
With --table the figures (kernels, registers, shared memory, matrix instructions) are compared with the committed table:
more registers in the largest kernel or fewer matrix instructions are errors. --update writes the table instead.
Exit status 77 where there is no ptxas or no model: skipped.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SKIPPED = 77
UNSUPPORTED = 4  # exit status of adze
ALL_ARCHS = ["sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"]
REPAIRS = ("C7508", "C7517", "C7519")
HEADER = "| model | arch | kernels | registers: most | sum | shared bytes: most | mma | wgmma |"


def skip(why):
    print("skipped: " + why)
    sys.exit(SKIPPED)


def find_ptxas(given):
    places = [given, os.environ.get("ADZE_PTXAS"), shutil.which("ptxas")]
    places += [str(pathlib.Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin" / "ptxas")]
    for place in places:
        if place == "none":
            break
        if place and pathlib.Path(place).exists():
            return place
    skip("there is no ptxas ($ADZE_PTXAS, PATH, $CUDA_HOME/bin)")


def find_model(name):
    folders = [ROOT / "build" / "models", os.environ.get("ADZE_MODELS_DIR"), ROOT.parent / "shared" / "models"]
    for folder in filter(None, folders):
        path = pathlib.Path(folder) / f"{name}.onnx"
        if path.exists():
            return path
    return None


def ptx_of(section):
    """The PTX texts of a code section (targets/cuda/driver/ImageFormat.h)."""
    if section[:8] != b"ADZECUDA":
        raise ValueError("not a CUDA code section")
    (count,) = struct.unpack_from("<I", section, 12)
    for i in range(count):
        kind, _arch, _flags, _version, offset, size = struct.unpack_from("<IIIIQQ", section, 16 + 32 * i)
        if kind == 1:
            yield section[offset:offset + size - 1].decode()


def entries(ptx):
    """{kernel: text} of a PTX text."""
    starts = [(m.group(1), m.start()) for m in re.finditer(r"\.entry\s+([\w$]+)", ptx)]
    ends = [s for _, s in starts[1:]] + [len(ptx)]
    return {name: ptx[start:end] for (name, start), end in zip(starts, ends)}


def parse_log(log):
    """{kernel: (registers, static shared bytes, spilled bytes)} from the text of ptxas -v."""
    kernels, name, spills = {}, None, 0
    for line in log.splitlines():
        if m := re.search(r"Compiling entry function '([^']+)'", line):
            name, spills = m.group(1), 0
        elif m := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spills = int(m.group(1)) + int(m.group(2))
        elif name and (m := re.search(r"Used (\d+) registers", line)):
            shared = re.search(r"(\d+) bytes smem", line)
            kernels[name] = (int(m.group(1)), int(shared.group(1)) if shared else 0, spills)
    return kernels


def run(command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


class Gate:
    def __init__(self, adze, ptxas, work):
        self.adze, self.ptxas, self.work, self.errors = adze, ptxas, work, []

    def assemble(self, where, ptx, arch):
        text = self.work / "kernels.ptx"
        text.write_text(ptx)
        result = run([self.ptxas, "-v", f"-arch={arch}", str(text), "-o", str(self.work / "kernels.cubin")])
        log = result.stdout + result.stderr
        if result.returncode:
            self.errors.append(f"{where}: ptxas refuses the code: {log.strip()[:500]}")
            return {}
        self.errors += [f"{where}: {line.strip()}" for line in log.splitlines() if any(c in line for c in REPAIRS)]
        kernels = parse_log(log)
        self.errors += [f"{where}: kernel {name} spills {spills} bytes" for name, (_, _, spills) in kernels.items() if spills]
        return kernels

    def shared_bytes(self, package):
        """Dynamic shared memory of each kernel and variant, from the package."""
        found = {}

        def visit(value):
            if isinstance(value, dict):
                if "symbol" in value and "scratch" in value:
                    found[value["symbol"]] = int(value["scratch"])
                for v in value.values():
                    visit(v)
            elif isinstance(value, list):
                for v in value:
                    visit(v)
        visit(json.loads(run([self.adze, "inspect", str(package), "--format=json"]).stdout or "{}"))
        return found

    def row(self, name, model, arch):
        """One row of the table, or None."""
        where, package = f"{name} for {arch}", self.work / "model.adze"
        package.unlink(missing_ok=True)
        result = run([self.adze, "compile", str(model), "-o", str(package), f"--target=cuda:{arch}", f"--ptxas={self.ptxas}",
                      "--strip-debug"])
        if result.returncode == UNSUPPORTED:  # on every target: the test of the models knows
            print(f"{where}: not supported by the compiler")
            return None
        if result.returncode:
            self.errors.append(f"{where}: does not compile: {(result.stderr or result.stdout).strip()[:1000]}")
            return None
        section = subprocess.run([self.adze, "inspect", str(package), "--section=code.0"], capture_output=True).stdout
        kernels, texts = {}, {}
        for ptx in ptx_of(section):
            texts.update(entries(ptx))
            kernels.update(self.assemble(where, ptx, arch))
        if not kernels:
            return None
        dynamic = self.shared_bytes(package)
        registers = [r for r, _, _ in kernels.values()]
        shared = max(static + dynamic.get(k, 0) for k, (_, static, _) in kernels.items())
        count = lambda pattern: sum(len(re.findall(pattern, t)) for t in texts.values())
        return [name, arch, len(kernels), max(registers), sum(registers), shared, count(r"\bmma\.sync"),
                count(r"\bwgmma\.mma_async")]


def read_table(path):
    rows = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 8 and cells[2].isdigit():
            rows[cells[0], cells[1]] = cells[:2] + [int(c) for c in cells[2:]]
    return rows


def compare(old, row):
    """What got worse since the table was written."""
    where = f"{row[0]} for {row[1]}"
    if row[3] > max(old[3] + 8, 1.1 * old[3]):
        yield f"{where}: the largest kernel needs {row[3]} registers, {old[3]} in the table"
    for i, what in ((6, "mma.sync"), (7, "wgmma")):
        if row[i] < old[i] and row[2] >= old[2]:
            yield f"{where}: {row[i]} {what} instructions, {old[i]} in the table"


def write_table(path, rows, ptxas, errors):
    version = re.search(r"V[\d.]+", run([ptxas, "--version"]).stdout)
    lines = ["# Kernels of the test models as ptxas sees them", "",
             f"Written by `tools/cuda_gate.py --update` with ptxas {version.group(0) if version else ''}. The gate fails on",
             "spills and on what ptxas repairs silently (C7508, C7517, C7519). Nothing here ran on a GPU.",
             "Registers are per thread; shared memory is static plus dynamic, of the kernel with the most; mma and wgmma",
             "are instructions in the text. Variants (the warp-specialised kernels of sm_90a) count as kernels.", "",
             HEADER, "|---|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(map(str, rows[key])) + " |" for key in sorted(rows)]
    lines += ["", "What the gate found when this was written:", ""] + [f"- {e.splitlines()[0]}" for e in errors or ["nothing"]]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adze", required=True)
    parser.add_argument("--ptxas")
    parser.add_argument("--models", help="names, comma-separated (default: all of test/models/models.json)")
    parser.add_argument("--archs", default="sm_80,sm_90a")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    ptxas = find_ptxas(args.ptxas)
    table = json.loads((ROOT / "test" / "models" / "models.json").read_text())["tests"]
    names = args.models.split(",") if args.models else list(table)
    models = {name: path for name in names if (path := find_model(name))}
    if not models:
        skip("none of the models is there (tools/fetch_models.py)")
    old = read_table(args.table) if args.table else {}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        gate = Gate(args.adze, ptxas, pathlib.Path(folder))
        for name, model in models.items():
            for arch in args.archs.split(","):
                row = gate.row(name, model, arch)
                if not row:
                    continue
                rows[name, arch] = row
                print(" ".join(map(str, row)), flush=True)
                if (name, arch) in old and not args.update:
                    gate.errors += compare(old[name, arch], row)
    if args.table and args.update:
        write_table(args.table, {**old, **rows}, ptxas, gate.errors)
    for missing in sorted(set(names) - set(models)):
        print(f"not there: {missing}")
    for error in gate.errors:
        print("error: " + error)
    print(f"{len(rows)} of {len(models) * len(args.archs.split(','))} images, {len(gate.errors)} errors")
    sys.exit(1 if gate.errors else 0)


if __name__ == "__main__":
    main()
