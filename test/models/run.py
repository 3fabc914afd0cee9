#!/usr/bin/env python3
"""Whole models against ONNX Runtime: one model, every variant that must give the same answer.

usage: run.py NAME --adze=FILE --work=DIR --results=DIR [--sim=ARCH] [--fused]

NAME stands in models.json beside this file. The model itself comes from build/models (tools/fetch_models.py), from
$ADZE_MODELS_DIR or from a sibling folder shared/models of the clone; when it is nowhere the test is skipped (status 77).
Variants: fused and, without --fused, --no-fuse; on the CPU 1 and 2 threads, x86-64-v3 and, where the machine can,
x86-64-v4; with --sim one simulated GPU, the first shape with two seeds; every input shape in the table on one package.
Runs that differ in threads or seed only must agree bit for bit. Limits: the class `network` of docs/numeric-contract.md.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 7


def find_model(name):
    folders = [ROOT / "build" / "models", os.environ.get("ADZE_MODELS_DIR"), ROOT.parent / "shared" / "models"]
    for folder in filter(None, folders):
        path = pathlib.Path(folder) / f"{name}.onnx"
        if path.exists():
            return path
    print(f"skipped: {name}.onnx is not in build/models, $ADZE_MODELS_DIR or ../shared/models")
    sys.exit(77)


def limits():
    """{dtype: (rtol, atol, rms)} of the class `network`, from the page that the contract's code prints."""
    table = {}
    for line in (ROOT / "docs" / "numeric-contract.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0] == "network":
            table[cells[1]] = tuple(map(float, cells[2:]))
    return table


def seeded_weights(path, out):
    """Gives a model whose weights are constants weights that tell every position apart."""
    import onnx
    from onnx import numpy_helper
    model = onnx.load(path)
    graph, rng = model.graph, np.random.default_rng(SEED)
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    made = {n.output[0]: tuple(int(d) for d in shapes[n.input[0]]) for n in graph.node if n.op_type == "ConstantOfShape"}
    shape_of = {**{name: value.shape for name, value in shapes.items()}, **made}
    values = {}
    for node in graph.node:
        names = [i for i in node.input if i in made]
        if node.op_type == "BatchNormalization":
            low_high = ((0.4, 0.8), (-0.2, 0.2), (-0.2, 0.2), (0.6, 1.4))
            for name, (low, high) in zip(node.input[1:], low_high):
                values[name] = rng.uniform(low, high, shape_of[name])
        else:
            for name in names:
                fan_in = int(np.prod(made[name][1:])) if len(made[name]) > 1 else 0
                values[name] = rng.normal(0, np.sqrt(2 / fan_in), made[name]) if fan_in else rng.uniform(-0.2, 0.2, made[name])
    kept = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    del graph.node[:]
    graph.node.extend(kept)
    used = {i for n in kept for i in n.input}
    for stale in [i for i in graph.initializer if i.name not in used or i.name in values]:
        graph.initializer.remove(stale)
    graph.initializer.extend(numpy_helper.from_array(v.astype(np.float32), k) for k, v in values.items())
    inputs = [i for i in graph.input if i.name in used and i.name not in values]
    del graph.input[:]
    graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)
    tame_logits(model, rng)
    onnx.save(model, out)


def tame_logits(model, rng):
    """Scales the last Gemm so that the softmax after it does not saturate."""
    import onnxruntime
    from onnx import helper, numpy_helper, TensorProto
    graph = model.graph
    gemm = [n for n in graph.node if n.op_type == "Gemm"][-1]
    info = helper.make_tensor_value_info(gemm.output[0], TensorProto.FLOAT, None)
    graph.output.append(info)
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), quiet)
    first = session.get_inputs()[0]
    logits = session.run([gemm.output[0]], {first.name: rng.normal(size=first.shape).astype(np.float32)})[0]
    graph.output.remove(info)
    for tensor in graph.initializer:
        if tensor.name in gemm.input[1:]:
            scaled = numpy_helper.to_array(tensor) / max(float(logits.std()), 1e-6)
            tensor.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), tensor.name))


def fill(spec, shape, dtype, rng):
    if spec["fill"] == "normal":
        return rng.normal(size=shape).astype(dtype)
    if spec["fill"] == "int":
        return rng.integers(0, spec["below"], shape).astype(dtype)
    if spec["fill"] == "constant":
        return np.full(shape, spec["value"], dtype)
    ones = np.ones(shape, dtype)  # "prefix": a mask, each row a little shorter than the one before
    for row in range(1, shape[0]):
        ones[row, max(1, shape[1] - row):] = 0
    return ones


def compare(got, want, table):
    """None when within the contract; otherwise what differs. Also the share of the allowance that is used."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype} {list(got.shape)}, expected {want.dtype} {list(want.shape)}", 0
    if want.dtype.kind != "f":
        return (None if (got == want).all() else f"{int((got != want).sum())} elements differ"), 0
    rtol, atol, rms = table[want.dtype.name]
    got, want = got.astype(np.float64), want.astype(np.float64)
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return "NaN or infinity in other places", 0
    if want.size == 0:
        return None, 0
    scale = max(np.sqrt(np.mean(np.square(want))), 2.0 ** -10)
    share = np.max(np.abs(got - want) / (rtol * np.abs(want) + atol * scale))
    share = max(share, np.sqrt(np.mean(np.square(got - want))) / scale / rms)
    return (None if share <= 1 else f"error is {share:.3g} times the allowance"), float(share)


class Runner:
    def __init__(self, options, name):
        self.adze, self.work, self.name = options.adze, options.work / name, name
        self.work.mkdir(parents=True, exist_ok=True)

    def call(self, *args, env=None):
        started = time.time()
        done = subprocess.run([self.adze, *map(str, args)], capture_output=True, text=True,
                              env={**os.environ, **(env or {})})
        return done, time.time() - started

    def compile(self, model, *flags):
        package = self.work / ("model" + "".join(flags).replace("=", "-").replace(":", "-").replace(",", "-") + ".adze")
        done, seconds = self.call("compile", model, "-o", package, *flags)
        return package, done, seconds

    def run(self, package, inputs, variant):
        out = self.work / "out"
        args = []
        for i, (name, value) in enumerate(inputs.items()):
            path = self.work / f"in{i}.npy"
            np.save(path, value)
            args += ["--input", f"{name}={path}"]
        done, _ = self.call("run", package, *args, "--output-dir", out, *variant.flags, "--format=json", env=variant.env)
        if done.returncode != 0:
            sys.exit(f"{self.name}: run failed on {variant.name} with exit {done.returncode}\n{done.stderr}")
        return {o["name"]: np.load(o["file"]) for o in json.loads(done.stdout)["outputs"]}


class Variant:
    """One way to run a package. Variants of one `bits` must give the same bits."""

    def __init__(self, bits, name, flags, env=None):
        self.bits, self.name, self.flags, self.env = bits, name, flags, env


def variants_on_cpu():
    archs = ["x86-64-v3"]
    if " avx512vl " in pathlib.Path("/proc/cpuinfo").read_text():
        archs.append("x86-64-v4")
    else:
        print("this machine has no x86-64-v4: that variant is left out")
    return [Variant(arch, f"{arch}, {threads} threads", [f"--threads={threads}"], {"ADZE_CPU_ARCH": arch})
            for arch in archs for threads in (1, 2)]


def variants_simulated(arch, seeds):
    return [Variant(arch, f"simulated {arch}, seed {seed}",
                    ["--device=cuda", "--sim", f"--sim-arch={arch}", f"--sim-seed={seed}"]) for seed in range(seeds)]


def reference_session(model):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


NUMPY = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    for flag in ("--adze", "--work", "--results"):
        parser.add_argument(flag, required=True, type=pathlib.Path)
    parser.add_argument("--sim", default="", metavar="ARCH", help="on this simulated GPU instead of the CPU")
    parser.add_argument("--fused", action="store_true", help="not without fusion")
    options = parser.parse_args()
    test = json.loads((pathlib.Path(__file__).parent / "models.json").read_text())["tests"][options.name]
    model = find_model(options.name)
    runner = Runner(options, options.name)
    if test.get("rewrite") == "seeded weights":
        seeded = runner.work / "seeded.onnx"
        seeded_weights(model, seeded)
        model = seeded

    target = f"--target=cuda:{options.sim}" if options.sim else "--target=cpu:x86-64-v3,cpu:x86-64-v4"
    packages = {}
    for fusion, flags in (("fused", []), ("unfused", ["--no-fuse"]))[:1 if options.fused else 2]:
        package, done, seconds = runner.compile(model, target, *flags)
        if done.returncode == 4 and test["must"] == "right or refused":
            print(f"{options.name}: refused (exit 4), as it may be:\n{done.stderr[:2000]}")
            return
        if done.returncode != 0:
            sys.exit(f"{options.name}: compile {fusion} failed with exit {done.returncode}\n{done.stderr[-6000:]}")
        packages[fusion] = package
        print(f"{options.name}: compiled {fusion} in {seconds:.1f} s, {package.stat().st_size} bytes")

    session, table, problems, worst = reference_session(model), limits(), [], 0
    types = {i.name: NUMPY[i.type] for i in session.get_inputs()}
    count = max(len(s["shapes"]) for s in test["inputs"].values())
    checked = 0
    for k in range(count):
        rng = np.random.default_rng(SEED + k)
        inputs = {n: fill(s, s["shapes"][k], types[n], rng) for n, s in test["inputs"].items()}
        names = [o.name for o in session.get_outputs()]
        want = dict(zip(names, session.run(names, inputs)))
        variants = variants_simulated(options.sim, seeds=1 if k else 2) if options.sim else variants_on_cpu()
        for fusion, package in packages.items():
            bits = {}
            for variant in variants:
                got = runner.run(package, inputs, variant)
                for name in names:
                    problem, share = compare(got[name], want[name], table)
                    worst, checked = max(worst, share), checked + 1
                    if problem:
                        problems.append(f"shape {k}, {fusion}, {variant.name}, output {name}: {problem}")
                    if bits.setdefault((variant.bits, name), got[name].tobytes()) != got[name].tobytes():
                        problems.append(f"shape {k}, {fusion}, {variant.name}, output {name}: other bits than before")
    for problem in problems:
        print(problem)
    line = f"{checked} comparisons over {count} input shapes, worst uses {100 * worst:.1f} % of its allowance"
    print(f"{options.name}: {'FAILED: ' if problems else ''}{line}")
    folder = options.results / "models"
    folder.mkdir(parents=True, exist_ok=True)
    where = ", ".join(dict.fromkeys(v.bits for v in variants))
    (folder / f"{options.name}{'-' if options.sim else ''}{options.sim}.txt").write_text(
        f"| {options.name} | {'wrong' if problems else 'right'} | {count} | {100 * worst:.1f} % | {where} |\n")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
