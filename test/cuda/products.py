#!/usr/bin/env python3
"""Products of small ONNX models end to end: which instructions their kernels have, and that the simulator computes what
the interpreter does.

usage: products.py --adze=FILE [--work=DIR] [--only=NAME]

A case compiles for sm_80 and sm_90a, looks for instructions in the PTX that must or must not be there, and verifies the
package against the interpreter in the simulator, with its checks on. Where there is a ptxas, nothing may spill.
"""
import re

import numpy as np
from onnx import TensorProto as T, helper, numpy_helper

import end_to_end

TF32, WGMMA, MMA = r"tf32", r"wgmma\.mma_async\.\S+", r"mma\.sync\.\S+"


def model(nodes, inputs, outputs, constants=()):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "products", [info(*i) for i in inputs], [info(*o) for o in outputs],
                              [numpy_helper.from_array(v, n) for n, v in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def random(shape, dtype, seed=0):
    g = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        return g.integers(low, high, shape, endpoint=True).astype(dtype)
    return (g.standard_normal(shape) / 8).astype(dtype)


def matmul(m, k, n, dtype=np.float32, bias=True):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [helper.make_node("MatMul", ["a", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["c"])]
    return model(nodes, [("a", kind, [m, k])], [("c", kind, [m, n])],
                 [("w", random((k, n), dtype)), ("b", random((n,), dtype, 1))])


def matmul_integer(m, k, n):
    """Unsigned activations around 128, signed weights around 3."""
    node = helper.make_node("MatMulInteger", ["a", "w", "za", "zw"], ["c"])
    return model([node], [("a", T.UINT8, [m, k])], [("c", T.INT32, [m, n])],
                 [("w", random((k, n), np.int8)), ("za", np.array(128, np.uint8)), ("zw", np.array(3, np.int8))])


def qlinear_matmul(m, k, n):
    names = ["a", "sa", "za", "w", "sw", "zw", "sy", "zy"]
    return model([helper.make_node("QLinearMatMul", names, ["c"])], [("a", T.UINT8, [m, k])], [("c", T.UINT8, [m, n])],
                 [("sa", np.array(0.02, np.float32)), ("za", np.array(117, np.uint8)), ("w", random((k, n), np.int8)),
                  ("sw", random((n,), np.float32, 2) ** 2 + np.float32(0.01)), ("zw", np.zeros((n,), np.int8)),
                  ("sy", np.array(4, np.float32)), ("zy", np.array(120, np.uint8))])


def qdq_matmul(m, k, n, gemm=False):
    """Quantised operands and result, the product spelled in floats; the weights are stored [n, k] for Gemm."""
    make = helper.make_node
    nodes = [make("QuantizeLinear", ["x", "sx", "zx"], ["q"]), make("DequantizeLinear", ["q", "sx", "zx"], ["a"]),
             make("DequantizeLinear", ["w", "sw", "zw"], ["b"], axis=0 if gemm else 1),
             make("Gemm", ["a", "b", "bias"], ["p"], transB=1) if gemm else make("MatMul", ["a", "b"], ["p"]),
             make("QuantizeLinear", ["p", "sy", "zy"], ["r"]), make("DequantizeLinear", ["r", "sy", "zy"], ["y"])]
    return model(nodes, [("x", T.FLOAT, [m, k])], [("y", T.FLOAT, [m, n])],
                 [("sx", np.array(0.03, np.float32)), ("zx", np.array(120, np.uint8)),
                  ("w", random((n, k) if gemm else (k, n), np.int8)), ("zw", np.zeros((n,), np.int8)),
                  ("sw", random((n,), np.float32, 2) ** 2 + np.float32(0.001)), ("bias", random((n,), np.float32, 3)),
                  ("sy", np.array(0.5, np.float32)), ("zy", np.array(128, np.uint8))])


def convolution():
    return model([helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])], [("x", T.FLOAT, [1, 32, 12, 12])],
                 [("y", T.FLOAT, [1, 48, 12, 12])], [("w", random((48, 32, 3, 3), np.float32))])


def attention(heads, key_heads, queries, keys, kind=T.FLOAT16, size=64, causal=0):
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=causal)
    graph = model([node], [("q", kind, [2, heads, queries, size]), ("k", kind, [2, key_heads, keys, size]),
                           ("v", kind, [2, key_heads, keys, size])], [("y", kind, [2, heads, queries, size])])
    graph.opset_import[0].version = 23
    return graph


# name: (model, flags, {arch: patterns that must be in the PTX}, pattern that must not be there)
CASES = {
    "tf32": (matmul(150, 132, 192), ["--tf32"], {"sm_80": [MMA + TF32], "sm_90a": [WGMMA + TF32]}, None),
    "tf32_ragged": (matmul(70, 67, 45), ["--tf32"], {"sm_80": [MMA + TF32], "sm_90a": [MMA + TF32]}, None),
    "no_tf32": (matmul(70, 68, 48), [], {"sm_80": [r"fma\.rn\.f32"]}, TF32 + "|" + MMA + "|" + WGMMA),
    "tf32_conv": (convolution(), ["--tf32"], {"sm_80": [MMA + TF32]}, None),
    "tf32_attention": (attention(4, 4, 70, 90, T.FLOAT), ["--tf32"], {"sm_80": [MMA + TF32]}, None),
    "no_tf32_attention": (attention(2, 2, 20, 200, T.FLOAT), [], {}, TF32 + "|" + MMA + "|" + WGMMA),
    "int8": (matmul_integer(150, 208, 192), [], {"sm_80": [MMA + r"s32\.u8\.s8"], "sm_90a": [WGMMA + r"s32\.u8\.s8"]}, None),
    "int8_ragged": (matmul_integer(37, 67, 45), [], {"sm_80": [MMA + r"s32\.u8\.s8"]}, None),
    "int8_qlinear": (qlinear_matmul(150, 208, 192), [],
                     {"sm_80": [MMA + r"s32\.u8\.s8"], "sm_90a": [WGMMA + r"s32\.u8\.s8"]}, None),
    "int8_qdq": (qdq_matmul(150, 352, 192), [], {"sm_80": [MMA + r"s32\.u8\.s8"], "sm_90a": [WGMMA + r"s32\.u8\.s8"]},
                 None),
    "int8_qdq_gemm": (qdq_matmul(33, 352, 192, gemm=True), [],
                      {"sm_80": [MMA + r"s32\.u8\.s8"], "sm_90a": [WGMMA + r"s32\.u8\.s8"]}, None),
    "decode": (matmul(1, 256, 320, np.float16), [], {"sm_80": [MMA + r"f16\.f16"], "sm_90a": [WGMMA + r"m64n8k16"]}, None),
    "decode_rows": (matmul(20, 256, 320, np.float16), [],
                    {"sm_80": [MMA + r"f16\.f16"], "sm_90a": [WGMMA + r"m64n32k16"]}, None),
    "decode_ragged": (matmul(3, 200, 75, np.float16), [], {"sm_80": [MMA], "sm_90a": [WGMMA + r"m64n8k16"]}, None),
    "decode_int8": (matmul_integer(4, 208, 192), [],
                    {"sm_80": [MMA + r"s32\.s8\.u8"], "sm_90a": [WGMMA + r"m64n8k32\.s32\.s8\.u8"]}, None),
    "decode_tf32": (matmul(2, 132, 192), ["--tf32"], {"sm_80": [MMA + TF32], "sm_90a": [WGMMA + r"m64n8k8\S+tf32"]}, None),
    "decode_f32": (matmul(1, 250, 192), [], {"sm_80": [r"ld\.global\S*\.v4"]}, MMA),
    "decode_f32_rows": (matmul(3, 250, 190), [], {}, MMA),
    "gqa_decode": (attention(8, 2, 1, 200), [], {"sm_80": [MMA]}, None),
    "gqa_few": (attention(8, 2, 5, 70, causal=1), [], {"sm_80": [MMA]}, None),
    "gqa_f32": (attention(6, 2, 1, 100, T.FLOAT, 32), [], {}, MMA),
}


class Products(end_to_end.Cases):
    def check(self, name, arch):
        graph, flags, wanted, unwanted = CASES[name]
        where = f"{name} on {arch}"
        texts = self.compile(where, graph, arch, f"--ptxas={self.ptxas or 'none'}", *flags)
        if texts is None:
            return
        for pattern in wanted.get(arch, []):
            if not any(re.search(pattern, text) for text in texts):
                self.failures.append(f"{where}: there is no {pattern} in the code")
        if unwanted and any(m := re.search(unwanted, text) for text in texts):
            self.failures.append(f"{where}: the code has {m.group(0)}")
        self.assemble(where, texts, arch)
        self.verify(where, arch)


Products.main(__doc__, CASES)
