#!/usr/bin/env python3
"""Checks the simulator's checks: kernels with one synchronising instruction left out must be reported.

Small models are compiled to packages. For each, the mutating driver (Mutant.cpp) lists the barriers, waits, fences,
commits and arrivals in its PTX; then every one of them is left out in a run of its own. A run that ends well with all
seeds leaves a survivor. Instructions that are not executed at all do not count, nor do survivors that equivalent.txt
lists with the reason why leaving them out changes nothing (an instruction too many). Of the others, at least 95 % must
be reported, and none may be without a reason.

Exit status: 0 if so, 1 if not, 2 for a case that does not even run unchanged.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

SEEDS = (0, 1, 2, 3)
MINIMUM = 0.95


def model(name, nodes, inputs, outputs, constants=()):
    def values(items):
        return [helper.make_tensor_value_info(n, t, s) for n, t, s in items]

    initializers = [numpy_helper.from_array(v, n) for n, v in constants]
    graph = helper.make_graph(nodes, name, values(inputs), values(outputs), initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def normal(shape, dtype, scale=1.0):
    return (np.random.default_rng(0).standard_normal(shape) * scale).astype(dtype)


def matmul(m, k, n, dtype):
    t = T.FLOAT16 if dtype == np.float16 else T.FLOAT
    return model("matmul", [node("MatMul", ["a", "w"], ["c"])], [("a", t, [m, k])], [("c", t, [m, n])],
                 [("w", normal((k, n), dtype, k**-0.5))])


def attention(heads=2, rows=128, keys=256):
    shape = {"q": [1, heads, rows, 64], "k": [1, heads, keys, 64], "v": [1, heads, keys, 64]}
    nodes = [node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), node("MatMul", ["q", "kt"], ["s"]),
             node("Mul", ["s", "scale"], ["t"]), node("Softmax", ["t"], ["p"], axis=-1),
             node("MatMul", ["p", "v"], ["c"])]
    return model("attention", nodes, [(n, T.FLOAT16, s) for n, s in shape.items()],
                 [("c", T.FLOAT16, shape["q"])], [("scale", np.array(0.125, np.float16))])


def one(op, shape, result=None, dtype=T.FLOAT, constants=(), **attributes):
    inputs = ["a"] + [n for n, _ in constants]
    return model(op.lower(), [node(op, inputs, ["c"], **attributes)], [("a", dtype, shape)],
                 [("c", dtype, result or shape)], constants)


def layer_norm():
    return one("LayerNormalization", [33, 768], axis=-1,
               constants=[("s", normal(768, np.float32)), ("b", normal(768, np.float32))])


def convolution(channels=32, size=20):
    return one("Conv", [1, channels, size, size], [1, 64, size, size], T.FLOAT16, pads=[1, 1, 1, 1],
               constants=[("w", normal((64, channels, 3, 3), np.float16, 0.06))])


def top_k():
    return model("topk", [node("TopK", ["a", "k"], ["c", "i"], axis=-1)], [("a", T.FLOAT, [7, 500])],
                 [("c", T.FLOAT, [7, 10]), ("i", T.INT64, [7, 10])], [("k", np.array([10], np.int64))])


def integer_matmul():
    weights = np.random.default_rng(0).integers(-127, 127, (256, 64)).astype(np.int8)
    return model("matmul", [node("MatMulInteger", ["a", "w"], ["c"])], [("a", T.INT8, [64, 256])],
                 [("c", T.INT32, [64, 64])], [("w", weights)])


def decode(keys=512):
    """Attention of one new token over a cache."""
    nodes = [node("MatMul", ["q", "k"], ["s"]), node("Softmax", ["s"], ["p"], axis=-1),
             node("MatMul", ["p", "v"], ["c"])]
    return model("decode", nodes, [("q", T.FLOAT16, [1, 4, 1, 64]), ("k", T.FLOAT16, [1, 4, 64, keys]),
                                   ("v", T.FLOAT16, [1, 4, keys, 64])], [("c", T.FLOAT16, [1, 4, 1, 64])])


# name -> (architecture, model). Three multiprocessors make persistent kernels go round their loops and rings.
CASES = {
    "matmul-f32": ("sm_80", lambda: matmul(70, 96, 80, np.float32)),
    "matmul-f16": ("sm_80", lambda: matmul(256, 256, 256, np.float16)),
    "matmul-f16-few-rows": ("sm_80", lambda: matmul(16, 2048, 64, np.float16)),
    "matmul-f16-staged": ("sm_90a", lambda: matmul(384, 768, 384, np.float16)),
    "attention": ("sm_80", attention),
    "attention-staged": ("sm_90a", lambda: attention(3, 384, 768)),
    "softmax": ("sm_80", lambda: one("Softmax", [37, 300], axis=-1)),
    "layer-norm": ("sm_80", layer_norm),
    "convolution": ("sm_80", convolution),
    "convolution-staged": ("sm_90a", convolution),
    "cumsum": ("sm_80", lambda: one("CumSum", [9, 700], constants=[("x", np.array(1, np.int64))])),
    "matmul-i8": ("sm_80", integer_matmul),
    "matmul-f32-on-sm_90a": ("sm_90a", lambda: matmul(70, 96, 80, np.float32)),
    "top-k": ("sm_80", top_k),
    "decode": ("sm_80", decode),
    "decode-split": ("sm_80", lambda: decode(2048)),
    "convolution-split": ("sm_80", lambda: convolution(256, 7)),
    "transpose": ("sm_80", lambda: one("Transpose", [70, 90], [90, 70], T.FLOAT16, perm=[1, 0])),
    "reduce": ("sm_90a", lambda: one("ReduceMean", [5, 20000], [5, 1], axes=[1], keepdims=1)),
}


class Case:
    def __init__(self, name, arguments):
        self.name = name
        self.arch, build = CASES[name]
        self.arguments = arguments
        self.bin = os.path.join(arguments.work, "bin", "adze")
        self.package = os.path.join(arguments.work, name + ".adze")
        source = os.path.join(arguments.work, name + ".onnx")
        onnx.save(build(), source)
        command = [self.bin, "compile", source, "-o", self.package, "--target=cuda:" + self.arch, "--ptxas=none"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: cannot be compiled\n{done.stderr}")

    def run(self, mutant=None, seed=0):
        environment = dict(os.environ, ADZE_SIM_MULTIPROCESSORS="3")
        environment.pop("ADZE_SIM_MUTANT", None)
        if mutant is not None:
            environment["ADZE_SIM_MUTANT"] = mutant
        command = [self.bin, "run", self.package, "--device=cuda", "--sim", "--sim-arch=" + self.arch,
                   f"--sim-seed={seed}", "--random-seed=1"]
        try:
            return subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment,
                                  timeout=120)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", "timed out")

    def mutants(self):
        done = self.run("list")
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if not line.startswith("mutant ")]
            print(f"{self.name}: fails unchanged\n" + "\n".join(told))
            sys.exit(2)
        found = re.findall(r"^mutant (\d+)\t(.*?)\t(.*)$", done.stderr, re.M)
        counts = collections.Counter()
        for number, kernel, text in found:
            text = " ".join(text.split())
            opcode = text.split()[0].rstrip(";")
            counts[kernel, opcode] += 1
            yield {"case": self.name, "number": number, "kernel": kernel, "text": text,
                   "key": f"{self.name} {kernel} {opcode} {counts[kernel, opcode]}"}

    def judge(self, mutant):
        for seed in SEEDS:
            done = self.run(mutant["number"], seed)
            if done.returncode:
                why = re.search(r"why: (.*)", done.stderr)
                if why is None or "cuModuleLoad" in why.group(1):  # no report of the checks
                    sys.exit(f"{mutant['key']}: cannot be left out\n{done.stderr}")
                return "reported", (why.group(1) if why else done.stderr.strip())[:300]
        if self.run("trap:" + mutant["number"]).returncode == 0:
            return "not executed", ""
        return "survived", ""


def read_equivalent(path):
    """Lines "case kernel opcode n: reason"; n counts the opcode in the kernel, from 1."""
    reasons = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                key, reason = line.split(": ", 1)
                reasons[" ".join(key.split())] = reason.strip()
    return reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("adze", "driver", "simulator", "work", "equivalent"):
        parser.add_argument("--" + flag, required=True)
    parser.add_argument("--sample", type=int, help="judge that many mutants only, picked at random")
    parser.add_argument("--sample-seed", type=int, default=1)
    parser.add_argument("--case", action="append", help="judge this case only (repeatable)")
    parser.add_argument("--results", help="write mutants.json and mutants.md there")
    arguments = parser.parse_args()
    folder = os.path.join(arguments.work, "bin")
    os.makedirs(folder, exist_ok=True)
    for file in (arguments.adze, arguments.driver, arguments.simulator):
        shutil.copy2(file, folder)
    reasons = read_equivalent(arguments.equivalent)
    cases = {name: Case(name, arguments) for name in arguments.case or CASES}
    mutants = [mutant for case in cases.values() for mutant in case.mutants()]
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(arguments.sample_seed).sample(mutants, arguments.sample)
    totals, unexplained = collections.Counter(), []
    for mutant in mutants:
        mutant["verdict"], mutant["report"] = cases[mutant["case"]].judge(mutant)
        totals[mutant["verdict"]] += 1
        if mutant["verdict"] == "survived":
            mutant["reason"] = reasons.get(mutant["key"], "")
            print(f"survived: {mutant['key']}: {mutant['text']}" +
                  (f" ({mutant['reason']})" if mutant["reason"] else " NOT EXPLAINED"), flush=True)
            if not mutant["reason"]:
                unexplained.append(mutant["key"])
    if unexplained:
        print("remedy: find out what orders the accesses and say so in equivalent.txt, or teach the simulator")
    executed = totals["reported"] + totals["survived"]
    harmful = totals["reported"] + len(unexplained)
    score = totals["reported"] / harmful if harmful else 0.0
    summary = (f"{totals['reported']} of {harmful} mutants reported ({score:.1%}); of {executed} with those that "
               f"change nothing; {len(unexplained)} survived without a reason; {totals['not executed']} are never "
               f"executed")
    print(summary)
    if arguments.results:
        os.makedirs(arguments.results, exist_ok=True)
        with open(os.path.join(arguments.results, "mutants.json"), "w", encoding="utf-8") as out:
            json.dump({"score": score, "totals": totals, "mutants": mutants}, out, indent=1)
        with open(os.path.join(arguments.results, "mutants.md"), "w", encoding="utf-8") as out:
            out.write("# Mutants of kernels in the simulator\n\n" + summary + "\n\n")
            out.write("| case | mutants | reported | survived |\n|---|---|---|---|\n")
            for name in cases:
                verdicts = collections.Counter(m["verdict"] for m in mutants if m["case"] == name)
                reported, survived = verdicts["reported"], verdicts["survived"]
                out.write(f"| {name} | {reported + survived} | {reported} | {survived} |\n")
            out.write("\n| survivor | why it changes nothing |\n|---|---|\n")
            for mutant in mutants:
                if mutant["verdict"] == "survived":
                    out.write(f"| `{mutant['key']}` | {mutant['reason'] or 'unexplained'} |\n")
    return 0 if score >= MINIMUM and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
