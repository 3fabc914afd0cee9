#!/usr/bin/env python3
"""Writes a convnet of mnist_8's size and operators with seeded weights: what the fuzz tests damage.

usage: small_model.py OUT.onnx
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(3)


def weight(name, *shape):
    return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)


def main():
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "conv1", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        helper.make_node("Add", ["c1", "b1"], ["a1"], "add1"),
        helper.make_node("Relu", ["a1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], "conv2", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], "pool2", kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Reshape", ["p2", "shape"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w3"], ["m"], "matmul"),
        helper.make_node("Add", ["m", "b3"], ["y"], "add3"),
    ]
    initializers = [weight("w1", 8, 1, 5, 5), weight("b1", 8, 1, 1), weight("w2", 16, 8, 5, 5), weight("w3", 256, 10),
                    weight("b3", 1, 10), numpy_helper.from_array(np.array([1, 256], np.int64), "shape")]
    graph = helper.make_graph(nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 28, 28])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4)
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


if __name__ == "__main__":
    main()
