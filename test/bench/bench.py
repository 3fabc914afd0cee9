#!/usr/bin/env python3
"""Speed, compile time and memory against the limits that the project sets itself.

usage: bench.py --adze=FILE --work=DIR --results=DIR [--only=gemm|models|compile]

gemm     f32 1024^3 on one thread, x86-64-v3: at least 0.6x numpy's BLAS under OPENBLAS_CORETYPE=Haswell
models   every model of test/models on one thread: at most 3x ONNX Runtime's time
compile  a ResNet-50 and a 12-layer encoder under 20 s; 10,000 nodes at most 1.5x ten times 1,000; peak memory at most
         file + 2x the largest tensor + 300 MB
Medians of alternating runs, so that a busy machine slows both sides.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

import generate

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models"))


def adze_time(options, package, *flags, arch=""):
    out = subprocess.run([options.adze, "bench", package, "--threads=1", "--min-time=0.5", "--format=json", *flags],
                         check=True, capture_output=True, text=True, env={**os.environ, "ADZE_CPU_ARCH": arch})
    return json.loads(out.stdout)["median_us"] / 1e6


def high_water_mark(pid):
    """Peak resident bytes of the program that the process runs now; 0 once it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def compile_model(options, model, package, *flags):
    """-> seconds, peak bytes"""
    started = time.time()
    process = subprocess.Popen([options.adze, "compile", model, "-o", package, *flags])
    peak = 0
    # Polled, because ru_maxrss also counts what the forked copy of this interpreter held before it became adze.
    while process.poll() is None:
        peak = max(peak, high_water_mark(process.pid))
        time.sleep(0.002)
    if process.returncode != 0:
        sys.exit(f"compiling {model} failed with status {process.returncode}")
    return time.time() - started, peak


NUMPY_GEMM = """
import numpy as np, time
a = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
times = []
for _ in range(15):
    t = time.perf_counter(); a @ a; times.append(time.perf_counter() - t)
print(sorted(times)[7])
"""


def numpy_gemm():
    env = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return float(subprocess.run([sys.executable, "-c", NUMPY_GEMM], check=True, capture_output=True, text=True, env=env).stdout)


def gemm(options):
    model, package = options.work / "gemm.onnx", options.work / "gemm.adze"
    generate.matmul(model)
    compile_model(options, model, package, "--target=cpu:x86-64-v3,cpu:x86-64-v4")
    ours, theirs = [], []
    for _ in range(5):
        ours.append(adze_time(options, package, arch="x86-64-v3"))
        theirs.append(numpy_gemm())
    flops = 2 * 1024 ** 3
    a, b = statistics.median(ours), statistics.median(theirs)
    rows = [f"| f32 GEMM 1024^3, x86-64-v3 | {flops / a / 1e9:.1f} GF/s | numpy {flops / b / 1e9:.1f} GF/s | {b / a:.2f}x | >= 0.6x |"]
    if " avx512vl " in pathlib.Path("/proc/cpuinfo").read_text():
        c = adze_time(options, package, arch="x86-64-v4")
        rows.append(f"| f32 GEMM 1024^3, x86-64-v4 | {flops / c / 1e9:.1f} GF/s | | | |")
    return rows, ([] if b / a >= 0.6 else [f"GEMM reaches {b / a:.2f}x of numpy's BLAS, the limit is 0.6x"])


def ort_time(session, inputs, seconds=0.5):
    session.run(None, inputs)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        t = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - t)
    return statistics.median(times)


def models(options):
    import run as model_tests
    rows, problems = [], []
    table = json.loads((HERE.parent / "models" / "models.json").read_text())["tests"]
    for name, test in table.items():
        if test["must"] != "right":
            continue
        try:
            model = model_tests.find_model(name)
        except SystemExit:
            continue
        if test.get("rewrite"):
            seeded = options.work / f"{name}.onnx"
            model_tests.seeded_weights(model, seeded)
            model = seeded
        package = options.work / f"{name}.adze"
        compile_model(options, model, package, "--target=cpu:x86-64-v3,cpu:x86-64-v4")
        session = model_tests.reference_session(model)
        types = {i.name: model_tests.NUMPY[i.type] for i in session.get_inputs()}
        rng, inputs, flags = np.random.default_rng(0), {}, []
        for i, (key, spec) in enumerate(test["inputs"].items()):
            inputs[key] = model_tests.fill(spec, spec["shapes"][0], types[key], rng)
            np.save(options.work / f"{name}.{i}.npy", inputs[key])
            flags += ["--input", f"{key}={options.work}/{name}.{i}.npy"]
        ours, theirs = [], []
        for _ in range(3):
            ours.append(adze_time(options, package, *flags))
            theirs.append(ort_time(session, inputs))
        a, b = statistics.median(ours), statistics.median(theirs)
        rows.append(f"| {name} | {a * 1e3:.2f} ms | ONNX Runtime {b * 1e3:.2f} ms | {a / b:.2f}x its time | <= 3x |")
        if a > 3 * b:
            problems.append(f"{name} takes {a / b:.2f}x ONNX Runtime's time, the limit is 3x")
    return rows, problems


def largest_tensor(model):
    import onnx
    return max((len(i.raw_data) for i in onnx.load(model).graph.initializer), default=0)


def compiling(options):
    rows, problems, seconds = [], [], {}
    for name, make in (("resnet50", generate.resnet50), ("encoder12", generate.encoder),
                       ("chain1000", lambda p: generate.chain(p, 1000)), ("chain10000", lambda p: generate.chain(p, 10000))):
        model = options.work / f"{name}.onnx"
        make(model)
        limit = model.stat().st_size + 2 * largest_tensor(model) + 300_000_000
        seconds[name], peak = compile_model(options, model, options.work / f"{name}.adze")
        rows.append(f"| compile {name} | {seconds[name]:.1f} s | peak {peak / 1e6:.0f} MB | | "
                    f"{'<= 20 s, ' if name in ('resnet50', 'encoder12') else ''}<= {limit / 1e6:.0f} MB |")
        if peak > limit:
            problems.append(f"compiling {name} takes {peak / 1e6:.0f} MB, the limit is {limit / 1e6:.0f} MB")
        if name in ("resnet50", "encoder12") and seconds[name] > 20:
            problems.append(f"compiling {name} takes {seconds[name]:.1f} s, the limit is 20 s")
    growth = seconds["chain10000"] / seconds["chain1000"]
    rows.append(f"| 10,000 nodes against 1,000 | {growth:.1f}x | | | <= 15x |")
    if growth > 15:
        problems.append(f"10,000 nodes take {growth:.1f}x the time of 1,000, the limit is 15x")
    return rows, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--adze", "--work", "--results"):
        parser.add_argument(flag, required=True, type=pathlib.Path)
    parts = {"gemm": gemm, "models": models, "compile": compiling}
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    rows, problems = [], []
    for name, part in parts.items():
        if options.only in (None, name):
            r, p = part(options)
            rows, problems = rows + r, problems + p
            print("\n".join(r), flush=True)
    text = ["## Speed, compile time and memory", "", "| what | adze | against | ratio | limit |", "|---|---|---|---|---|", *rows]
    if options.only is None:
        (options.results / "bench.md").write_text("\n".join(text) + "\n")
    for problem in problems:
        print("over the limit:", problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
