#!/usr/bin/env python3
"""Holds adze to ONNX's node tests: generates them, compiles and runs all, judges the numbers, compares with the list of
expected refusals.

usage: run.py --runner=FILE --work=DIR --expected=FILE [--results=DIR] [--jobs=N] [--only=REGEX] [--sample] [--update]
              [--title=TEXT] [runner flags]

Fails on a wrong answer, a crash, a timeout or any exit status but 0 and 4, when a test that is not listed is refused, and
when a listed one starts to pass. --update rewrites the list (never hiding one of the former).
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import warnings

warnings.filterwarnings("ignore")
SEED = 0
LOW_BITS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4}


def fail(what, why, remedy):
    sys.exit(f"error: {what}\n  why: {why}\n  remedy: {remedy}")


def generate(folder):
    """Writes every test as folder/NAME/{model.onnx,test_data_set_K/*.pb}; returns {name: (rtol, atol)}."""
    try:
        import numpy as np
        import onnx
    except ImportError as e:
        fail("the node tests cannot be generated", str(e), "use build/venv/bin/python, which tools/check.sh makes")
    index = folder / "index.json"
    stamp = hashlib.sha256((onnx.__version__ + np.__version__ + pathlib.Path(__file__).read_text()).encode()).hexdigest()
    if index.exists():
        saved = json.loads(index.read_text())
        if saved["stamp"] == stamp:
            return saved["tests"]
    np.random.seed(SEED)
    from onnx.backend.test.case.node import collect_testcases
    tests = {}
    for case in collect_testcases(None):
        place = folder / case.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.onnx").write_bytes(case.model.SerializeToString(deterministic=True))
        for k, (inputs, outputs) in enumerate(case.data_sets):
            data = place / f"test_data_set_{k}"
            data.mkdir(exist_ok=True)
            for kind, values, infos in (("input", inputs, case.model.graph.input),
                                        ("output", outputs, case.model.graph.output)):
                for j, (value, info) in enumerate(zip(values, infos)):
                    (data / f"{kind}_{j}.pb").write_bytes(serialised(value, info))
        tests[case.name] = {"rtol": case.rtol, "atol": case.atol, "sets": len(case.data_sets)}
    index.write_text(json.dumps({"stamp": stamp, "tests": tests}))
    return tests


FLOATS = {1: "float", 10: "half", 11: "float", 16: "half"}


def sample(folder, names, listed):
    """One test of each operator and class of element type (float, half, other), the first by name that is not refused."""
    import onnx
    chosen = {}
    for name in names:
        graph = onnx.load(folder / name / "model.onnx").graph
        if name not in listed and len(graph.node) == 1 and "_expanded" not in name:
            kind = FLOATS.get(graph.input[0].type.tensor_type.elem_type, "other") if graph.input else "none"
            chosen.setdefault((graph.node[0].op_type, kind), name)
    return sorted(chosen.values())


def serialised(value, info):
    import onnx
    from onnx import numpy_helper
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name).SerializeToString(deterministic=True)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name).SerializeToString(deterministic=True)
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString(deterministic=True)
    return numpy_helper.from_array(value, info.name).SerializeToString(deterministic=True)


def expected_value(path):
    import onnx
    from onnx import numpy_helper
    return numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


def difference(got, want, rtol, atol):
    """None when the arrays agree, otherwise what differs. `got` holds the raw bits of types that numpy lacks."""
    import numpy as np
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, expected {list(want.shape)}"
    name = want.dtype.name
    if want.dtype.kind in "OSU":
        return None if (got.astype(object) == want.astype(object)).all() else "strings differ"
    if name in LOW_BITS:
        if got.dtype != np.uint8:
            return f"dtype {got.dtype}, expected the bits of {name}"
        mask = (1 << LOW_BITS[name]) - 1
        bits = want.view(np.uint8) & mask
        return None if ((got & mask) == bits).all() else f"{int(((got & mask) != bits).sum())} elements differ"
    if want.dtype.kind == "V" or name.startswith(("bfloat", "float8_", "float6_")):
        if got.dtype.kind != "u" or got.dtype.itemsize != want.dtype.itemsize:
            return f"dtype {got.dtype}, expected the bits of {name}"
        # As ONNX's own runner: a bfloat16 may be two units in the last place away.
        rtol = max(rtol, 2**-6) if name == "bfloat16" else rtol
        got, want = got.view(want.dtype).astype(np.float32), want.astype(np.float32)
    elif got.dtype != want.dtype:
        return f"dtype {got.dtype}, expected {want.dtype}"
    if want.dtype.kind in "fc":
        # float16: two units in the last place, by the same reasoning. The vectors round after every operator, a fused
        # kernel does not.
        rtol = max(rtol, 2**-9) if name == "float16" else rtol
        close = np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    else:
        close = got == want
    if close.all():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(~close)) if close.ndim else ()
    return f"{int((~close).sum())} of {close.size} elements differ; at {list(at)} {got[at]}, expected {want[at]}"


def judge(folder, name, test, result):
    """-> (verdict, reason); verdict: pass, refused, wrong, crash, timeout, error."""
    import numpy as np
    if result["status"] == "refused":
        errors = result.get("errors") or [{}]
        whys = sorted({f"{e.get('where', {}).get('op', '?')}: {e.get('why', '')}" for e in errors})
        return "refused", "; ".join(whys)[:200] or result.get("text", "")[:200]
    if result["status"] != "ok":
        return result["status"], f"exit {result['exit']}: " + " ".join(result.get("text", "").split())[-400:]
    for k in range(test["sets"]):
        data = folder / name / f"test_data_set_{k}"
        for path in sorted(data.glob("output_*.pb")):
            got = np.load(data / path.name.replace("output_", "got_").replace(".pb", ".npy"))
            want, atol = expected_value(path), test["atol"]
            if name.startswith("test_dft") and want.dtype == np.float32:
                # A transform's error belongs to its largest term; the vectors come from a float32 FFT, with its noise.
                atol = max(atol, 2**-23 * float(np.abs(want).max()))
            problem = difference(got, want, test["rtol"], atol)
            if problem:
                return "wrong", f"data set {k}, {path.stem}: {problem}"
    return "pass", ""


def read_list(path):
    listed = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition("|")
            listed[name.strip()] = reason.strip()
    return listed


def write_list(path, verdicts):
    lines = ["# Node tests of onnx 1.23.2 that adze refuses (exit 4): name | op: reason. A listed test that starts to pass",
             "# fails the suite: take its line out (run.py --update does)."]
    lines += [f"{name} | {reason}" for name, (verdict, reason) in sorted(verdicts.items()) if verdict == "refused"]
    path.write_text("\n".join(lines) + "\n")


def table(verdicts, elapsed, arguments, title):
    counts = collections.Counter(v for v, _ in verdicts.values())
    why = collections.Counter(reason.split(";")[0] for v, reason in verdicts.values() if v == "refused")
    lines = [f"## ONNX node tests on {title}", "",
             f"onnx 1.23.2, seed {SEED}, {len(verdicts)} tests in {elapsed:.0f} s, flags `{' '.join(arguments) or '-'}`.", "",
             "| verdict | tests |", "|---|---|"]
    lines += [f"| {v} | {counts[v]} |" for v in ("pass", "refused", "wrong", "crash", "timeout", "error")]
    lines += ["", "Refused, by reason:", "", "| tests | op: reason |", "|---|---|"]
    lines += [f"| {n} | {reason.replace('|', '/')} |" for reason, n in why.most_common(60)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--runner", "--work", "--expected"):
        parser.add_argument(name, required=True, type=pathlib.Path)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    parser.add_argument("--name", default="node-tests", help="base name of the result files")
    parser.add_argument("--sample", action="store_true", help="only one test of each operator and class of types")
    parser.add_argument("--title", default="the CPU", help="what ran them, for the table's heading")
    parser.add_argument("--update", action="store_true")
    options, rest = parser.parse_known_args()
    if options.update and (options.only or options.sample):
        parser.error("--update needs all tests: it rewrites the whole list")

    started = time.time()
    folder = (options.work / "node").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    tests = generate(folder)
    names = [n for n in sorted(tests) if re.search(options.only, n)]
    listed = read_list(options.expected)
    if options.sample:
        names = sample(folder, names, listed)
    listing, raw = options.work / f"{options.name}.list", options.work / f"{options.name}.raw.json"
    listing.write_text("".join(f"{folder / n}\n" for n in names))
    for n in names:
        for stale in (folder / n).glob("test_data_set_*/got_*.npy"):
            stale.unlink()
    done = subprocess.run([options.runner, listing, raw, f"--jobs={options.jobs}", *rest])
    if done.returncode != 0:
        fail("the conformance runner failed", f"exit status {done.returncode}", "see its message above")
    results = json.loads(raw.read_text())
    verdicts = {n: judge(folder, n, tests[n], results[str(folder / n)]) for n in names}

    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        text = table(verdicts, time.time() - started, rest, options.title)
        (options.results / f"{options.name}.md").write_text(text)
        (options.results / f"{options.name}.json").write_text(json.dumps(
            {n: {"verdict": v, "reason": r, "seconds": results[str(folder / n)]["seconds"]}
             for n, (v, r) in verdicts.items()}, indent=0))
    if options.update:
        write_list(options.expected, verdicts)

    problems = [f"{v}: {n}: {r}" for n, (v, r) in verdicts.items() if v not in ("pass", "refused")]
    problems += [f"refused but not listed: {n}: {r}" for n, (v, r) in verdicts.items() if v == "refused" and n not in listed]
    problems += [f"listed as refused but passes: {n}" for n, (v, _) in verdicts.items() if v == "pass" and n in listed]
    if not options.only:
        problems += [f"listed but there is no such test: {n}" for n in listed if n not in tests]
    for problem in problems:
        print(problem)
    counts = collections.Counter(v for v, _ in verdicts.values())
    print(f"node tests: {len(verdicts)} in {time.time() - started:.0f} s: " + ", ".join(
        f"{counts[v]} {v}" for v in ("pass", "refused", "wrong", "crash", "timeout", "error")))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
