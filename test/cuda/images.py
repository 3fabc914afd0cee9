#!/usr/bin/env python3
"""Networks of 16-bit convolutions end to end: their values lie with channels last between kernels, pixels are copied in
pieces of 16 bytes, or by im2col maps on sm_90a, and the simulator computes what the interpreter does.

usage: images.py --adze=FILE [--work=DIR] [--only=NAME]

Each network compiles for sm_80 and sm_90a, fused and not, and is verified against the interpreter with the simulator's
checks on. Where there is a ptxas, nothing may spill.
"""
import json
import re

import numpy as np
from onnx import TensorProto as T, helper, numpy_helper

import end_to_end

PIECE = r"cp\.async\.\w+\.shared\.global\S* \[[^\]]*\], \[[^\]]*\], 16"
IM2COL = r"cp\.async\.bulk\.tensor\.\dd\S+im2col"
NARROW = r"ld\.global\S*\.[bu]16"


class Network:
    """A graph under construction: each method adds a node and returns the name of its result."""

    def __init__(self, dtype=np.float16):
        self.dtype, self.nodes, self.constants, self.channels = dtype, [], [], {}
        self.random = np.random.default_rng(5)

    def node(self, op, inputs, channels=None, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        self.channels[name] = self.channels.get(inputs[0]) if channels is None else channels
        return name

    def constant(self, values, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype or self.dtype), name))
        return name

    def conv(self, x, filters, kernel, stride=1, group=1, relu=True, dilation=1):
        channels = self.channels[x] // group
        taps = kernel ** 2
        w = self.random.normal(0, np.sqrt(2 / (channels * taps)), (filters, channels, kernel, kernel))
        pad = dilation * (kernel - 1) // 2
        y = self.node("Conv", [x, self.constant(w), self.constant(self.random.normal(0, 0.1, filters))], filters,
                      pads=[pad] * 4, strides=[stride] * 2, dilations=[dilation] * 2, group=group)
        return self.node("Relu", [y]) if relu else y

    def residual(self, x, filters, stride=1):
        inner = self.conv(self.conv(x, filters, 3, stride), filters, 3, relu=False)
        same = stride == 1 and self.channels[x] == filters
        short = x if same else self.conv(x, filters, 1, stride, relu=False)
        return self.node("Relu", [self.node("Add", [inner, short])])

    def gate(self, x):
        """Squeeze and excitation."""
        channels = self.channels[x]
        s = self.conv(self.node("GlobalAveragePool", [x]), 16, 1)
        return self.node("Mul", [x, self.node("Sigmoid", [self.conv(s, channels, 1, relu=False)])])

    def finish(self, inputs, outputs, kind=T.FLOAT16):
        info = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, "images", [info(n, kind, s) for n, s in inputs],
                                  [info(n, kind, s) for n, s in outputs], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def classifier():
    n = Network()
    n.channels["x"] = 3
    v = n.conv("x", 32, 3, 2)
    v = n.node("MaxPool", [v], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    v = n.residual(n.residual(v, 32), 64, 2)
    v = n.node("Clip", [n.conv(v, 64, 3, group=64, relu=False), n.constant(0), n.constant(6)])  # depthwise
    v = n.gate(n.conv(v, 96, 1))
    v = n.node("Concat", [v, n.node("AveragePool", [v], kernel_shape=[3, 3], pads=[1] * 4)], 192, axis=1)
    v = n.conv(v, 64, 3, group=2, relu=False)
    v = n.node("Flatten", [n.node("GlobalAveragePool", [v])])
    v = n.node("Gemm", [v, n.constant(n.random.normal(0, 0.1, (64, 10)))])
    return n.finish([("x", [2, 3, 38, 38])], [(v, [2, 10])])


def pixels(batch):
    """Down, up again, and pixels out."""
    n = Network()
    n.channels["x"] = 40
    first = n.conv("x", 64, 3)
    low = n.conv(n.conv(first, 72, 3, 2), 64, 3, dilation=2)
    up = n.node("Resize", [low, "", n.constant([1, 1, 2, 2], np.float32)], mode="nearest")
    v = n.node("Concat", [up, first], 128, axis=1)
    v = n.node("Pad", [n.conv(v, 48, 1), n.constant([0, 0, 1, 2, 0, 0, 1, 2], np.int64), n.constant(0)])
    w = n.random.normal(0, 0.05, (48, 32, 2, 2))
    v = n.node("ConvTranspose", [v, n.constant(w)], 32, strides=[2, 2])
    v = n.node("Tanh", [n.conv(v, 40, 3, relu=False)])
    return n.finish([("x", [batch, 40, 12, 14])], [(v, [batch, 40, 28, 36])])


# name: (model, least number of im2col kernels on sm_90a, most kernels of convolutions that read pixels one by one)
CASES = {"classifier": (classifier(), 3, 1), "pixels": (pixels("N"), 2, 1)}


class Images(end_to_end.Cases):
    timeout = 900
    variants = {", fused": (True,), ", not fused": (False,)}

    def check(self, name, arch, fused):
        graph, im2col, narrow = CASES[name]
        where, report = f"{name} on {arch}{'' if fused else ', not fused'}", self.work / "report.json"
        flags = [] if fused else ["--no-fuse"]
        texts = self.compile(where, graph, arch, "--ptxas=none", f"--report={report}", *flags)
        if texts is None:
            return
        self.placed(where, json.loads(report.read_text())[f"layout_cuda-{arch}"])
        self.code(where, texts, arch, im2col, narrow)
        if fused:
            self.assemble(where, texts, arch)
        self.verify(where, arch)

    def placed(self, where, layout):
        if not layout["channels_last"]:
            self.failures.append(f"{where}: no value has its channels last")
        for kept in layout["kept"]:
            if kept["reason"] != "it is an output of the model":
                self.failures.append(f"{where}: {kept['value']} is not moved: {kept['reason']}")

    def code(self, where, texts, arch, im2col, narrow):
        kernels = [k for text in texts for k in text.split(".visible .entry ")[1:] if k.startswith("conv_")]
        generic = [k for k in kernels if "_staged(" not in k.split("\n")[0]]
        # Two-byte loads of one kernel: a bias, or the pixels.
        gathers = [k.split("(")[0] for k in generic if len(re.findall(NARROW, k)) > 8]
        if len(gathers) > narrow:
            self.failures.append(f"{where}: {', '.join(gathers)} read pixels one by one")
        if not any(re.search(PIECE, k) for k in generic):
            self.failures.append(f"{where}: no convolution copies pieces of 16 bytes")
        found = sum(bool(re.search(IM2COL, k)) for k in kernels)
        if arch == "sm_90a" and found < im2col:
            self.failures.append(f"{where}: {found} kernels read through im2col maps, {im2col} expected")


Images.main(__doc__, CASES)
