#!/usr/bin/env python3
"""Makes what tools/device/check_cuda.sh runs on a machine with a GPU: packages with their inputs and expected outputs.

usage: make_cases.py --adze=FILE --out=DIR [--target=LIST] [--jobs=N] [--stages=node,network,bench] [--only=REGEX]
                     [--limit-mb=N]

node     ONNX's node tests that the target supports, with ONNX's own expected values
network  the models of test/models with ONNX Runtime's values
bench    matrix products, attention, norms and the like, without weights: the device makes its inputs on the spot
Writes DIR/cases.tsv and one folder a case. The folder must stay under --limit-mb (60), or this fails.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "conformance"), str(ROOT / "test" / "models")]
import run as node_tests  # noqa: E402  (test/conformance/run.py)


def compile_package(options, model, package, *flags):
    """True, or what the compiler says."""
    done = subprocess.run([options.adze, "compile", model, "-o", package, f"--target={options.target}", "--strip-debug",
                           *flags], capture_output=True, text=True)
    return True if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-300:]}"


def raw(array):
    """Types that NumPy has no name for travel as their bits."""
    if array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat", "float8_", "float6_")):
        return array.view({1: np.uint8, 2: np.uint16}[array.dtype.itemsize])
    if array.dtype.name in node_tests.LOW_BITS:
        return array.view(np.uint8) & ((1 << node_tests.LOW_BITS[array.dtype.name]) - 1)
    return array if array.flags.c_contiguous else array.copy()


def node_case(options, folder, name, test):
    """One line of cases.tsv, or None when the target refuses the test or it holds what is not a tensor."""
    place = options.out / "node" / name
    place.mkdir(parents=True, exist_ok=True)
    keep = False
    try:
        if compile_package(options, folder / name / "model.onnx", place / "model.adze") is not True:
            return None
        rtol, atol = test["rtol"], test["atol"]
        for k in range(test["sets"]):
            out = place / f"set_{k}"
            out.mkdir(exist_ok=True)
            for path in sorted((folder / name / f"test_data_set_{k}").glob("*put_*.pb")):
                try:
                    value = node_tests.expected_value(path)
                except Exception:
                    return None
                if value.dtype.kind in "OSUc":
                    return None
                if path.stem.startswith("output"):
                    rtol = max(rtol, {"bfloat16": 2**-6, "float16": 2**-9}.get(value.dtype.name, 0))
                np.save(out / f"{path.stem}.npy", raw(value))
        keep = True
        return f"node {name} rtol={rtol} atol={atol} sets={test['sets']}"
    finally:
        if not keep:
            shutil.rmtree(place)


def node_cases(options):
    folder = options.out.parent / (options.out.name + ".node")
    folder.mkdir(parents=True, exist_ok=True)
    tests = node_tests.generate(folder.resolve())
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        names = [n for n in sorted(tests) if re.search(options.only, n)]
        lines = list(pool.map(lambda n: node_case(options, folder, n, tests[n]), names))
    kept = [line for line in lines if line]
    print(f"node: {len(kept)} of {len(names)} tests; the target refuses the rest")
    return kept


def load_models_module():
    import importlib.util
    spec = importlib.util.spec_from_file_location("model_tests", ROOT / "test" / "models" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network_cases(options):
    models = load_models_module()
    table = json.loads((ROOT / "test" / "models" / "models.json").read_text())["tests"]
    lines = []
    for name, test in table.items():
        if not re.search(options.only, name):
            continue
        place = options.out / "network" / name
        place.mkdir(parents=True, exist_ok=True)
        try:
            model = models.find_model(name)
        except SystemExit:
            shutil.rmtree(place)
            continue
        if test.get("rewrite") == "seeded weights":
            models.seeded_weights(model, place / "seeded.onnx")
            model = place / "seeded.onnx"
        problem = compile_package(options, model, place / "model.adze")
        if problem is not True:
            print(f"network: {name}: {problem}")
            shutil.rmtree(place)
            continue
        lines.append(network_case(models, test, name, model, place))
        (place / "seeded.onnx").unlink(missing_ok=True)
    print(f"network: {len(lines)} of {len(table)} models")
    return lines


def network_case(models, test, name, model, place):
    session = models.reference_session(model)
    types = {i.name: models.NUMPY[i.type] for i in session.get_inputs()}
    sets = max(len(s["shapes"]) for s in test["inputs"].values())
    for k in range(sets):
        rng = np.random.default_rng(models.SEED + k)
        inputs = {n: models.fill(s, s["shapes"][k], types[n], rng) for n, s in test["inputs"].items()}
        outputs = session.run(None, inputs)
        out = place / f"set_{k}"
        out.mkdir(exist_ok=True)
        for j, i in enumerate(session.get_inputs()):
            np.save(out / f"input_{j}.npy", inputs[i.name])
        for j, value in enumerate(outputs):
            np.save(out / f"output_{j}.npy", value)
    # Outputs of several types share one line: the widest limits of them.
    limits = [models.limits()[v.dtype.name] for v in outputs if v.dtype.kind == "f"] or [(0, 0, 0)]
    rtol, atol, rms = map(max, zip(*limits))
    return f"network {name} rtol={rtol} atol={atol} rms={rms} sets={sets}"


TYPES = {"bf16": TensorProto.BFLOAT16, "f16": TensorProto.FLOAT16, "f32": TensorProto.FLOAT}
BYTES = {"bf16": 2, "f16": 2, "f32": 4}


def model_of(nodes, inputs, outputs):
    value = lambda item: helper.make_tensor_value_info(item[0], item[1], item[2])
    graph = helper.make_graph(nodes, "bench", [value(i) for i in inputs], [value(o) for o in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def bench_models():
    """(name, fields, model)"""
    def matmul(dtype, m, n, k, tf32=False):
        t = TYPES[dtype]
        model = model_of([helper.make_node("MatMul", ["a", "b"], ["c"])], [("a", t, [m, k]), ("b", t, [k, n])],
                         [("c", t, [m, n])])
        moved = BYTES[dtype] * (m * k + k * n + m * n)
        return (f"matmul_{'tf32' if tf32 else dtype}_{m}x{n}x{k}",
                dict(stage="matmul", peer="cublas", m=m, n=n, k=k, flops=2 * m * n * k, bytes=moved, tf32=int(tf32)), model)

    def attention(dtype, b, h, kv, s, t, d, causal):
        e = TYPES[dtype]
        node = helper.make_node("Attention", ["q", "k", "v"], ["o"], is_causal=int(causal))
        model = model_of([node], [("q", e, [b, h, s, d]), ("k", e, [b, kv, t, d]), ("v", e, [b, kv, t, d])],
                         [("o", e, [b, h, s, d])])
        flops = 4 * b * h * s * t * d / (2 if causal else 1)
        moved = BYTES[dtype] * d * b * (2 * h * s + 2 * kv * t)
        return (f"attention_{dtype}_b{b}h{h}kv{kv}_s{s}t{t}d{d}{'_causal' if causal else ''}",
                dict(stage="attention", flops=flops, bytes=moved), model)

    def rows(op, dtype, r, c, nodes=None, extra=(), reads=2):
        e = TYPES[dtype]
        nodes = nodes or [helper.make_node(op, ["x"] + [n for n, _, _ in extra], ["y"])]
        model = model_of(nodes, [("x", e, [r, c]), *extra], [("y", e, [r, c])])
        return (f"{op.lower()}_{dtype}_{r}x{c}", dict(stage="memory", flops=0, bytes=reads * BYTES[dtype] * r * c), model)

    for dtype in ("bf16", "f16", "f32"):
        for size in (1024, 2048, 4096, 8192) + ((16384,) if dtype == "bf16" else ()):
            yield matmul(dtype, size, size, size)
    for size in (1024, 4096, 8192):
        yield matmul("f32", size, size, size, tf32=True)
    for m in (1, 16, 128, 4096):
        for n, k in ((4096, 4096), (14336, 4096), (4096, 14336)):
            if not m == n == k:  # among the squares
                yield matmul("bf16", m, n, k)
    for d in (64, 128):
        for causal in (False, True):
            for s in (1024, 2048, 4096, 8192, 16384):
                yield attention("bf16", max(1, 16384 // s), 2048 // d, 2048 // d, s, s, d, causal)
    for t in (1024, 4096, 16384):
        yield attention("bf16", 16, 32, 8, 1, t, 128, False)
    for r, c in ((16384, 1024), (16384, 4096), (4096, 8192), (1024, 32768)):
        for dtype in ("bf16", "f32"):
            e = TYPES[dtype]
            yield rows("Softmax", dtype, r, c)
            yield rows("LayerNormalization", dtype, r, c, extra=[("scale", e, [c]), ("bias", e, [c])])
            yield rows("RMSNormalization", dtype, r, c, extra=[("scale", e, [c])])
            yield rows("Add", dtype, r, c, extra=[("z", e, [r, c])], reads=3)
            yield rows("Gelu", dtype, r, c)


def bench_case(options, name, fields, model):
    source = options.out / "bench" / f"{name}.onnx"
    onnx.save(model, source)
    flags = ["--tf32"] if fields.get("tf32") else []
    problem = compile_package(options, source, options.out / "bench" / f"{name}.adze", *flags)
    source.unlink()
    if problem is not True:
        print(f"bench: {name}: {problem}")
        return None
    return f"bench {name} " + " ".join(f"{k}={v}" for k, v in fields.items())


def bench_cases(options):
    (options.out / "bench").mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        models = [b for b in bench_models() if re.search(options.only, b[0])]
        lines = list(pool.map(lambda b: bench_case(options, *b), models))
    print(f"bench: {sum(1 for line in lines if line)} of {len(lines)} packages")
    return [line for line in lines if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adze", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--target", default="cuda:sm_80,cuda:sm_90a")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--stages", default="node,network,bench")
    parser.add_argument("--only", default="", help="cases whose name this expression finds")
    parser.add_argument("--limit-mb", type=float, default=60)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    makers = {"node": node_cases, "network": network_cases, "bench": bench_cases}
    lines = [line for stage in options.stages.split(",") for line in makers[stage](options)]
    (options.out / "cases.tsv").write_text("\n".join(lines) + "\n")
    archive = shutil.make_archive(str(options.out), "gztar", options.out)
    size = pathlib.Path(archive).stat().st_size / 2**20
    print(f"{archive}: {size:.1f} MB")
    if size > options.limit_mb:
        sys.exit(f"error: the cases take {size:.1f} MB, more than {options.limit_mb}\n  why: they travel to the machine "
                 "with the device\n  remedy: leave stages out with --stages, or raise --limit-mb")


if __name__ == "__main__":
    main()
