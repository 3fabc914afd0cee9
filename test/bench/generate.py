"""Seeded models for the benchmarks: nothing here is a trained network, the shapes and the operators are what counts."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Collects nodes and weights; every method returns the name of its result."""

    def __init__(self, seed):
        self.rng, self.nodes, self.weights, self.count = np.random.default_rng(seed), [], [], 0

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], f"{kind}_{self.count}", **attributes))
        return out

    def constant(self, value):
        self.count += 1
        name = f"c{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape):
        fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        return self.constant(self.rng.normal(0, 1 / np.sqrt(fan_in), shape).astype(np.float32))

    def save(self, path, inputs, output, opset=17):
        infos = [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs]
        graph = helper.make_graph(self.nodes, "generated", infos,
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.save(onnx.shape_inference.infer_shapes(model), path)


def matmul(path, n=1024):
    b = Builder(1)
    y = b.op("MatMul", "x", b.weight(n, n))
    b.save(path, [("x", TensorProto.FLOAT, [n, n])], y)


def resnet50(path):
    """ResNet-50's shapes, batch normalisation as in an exported model."""
    b = Builder(2)

    def conv(x, cin, cout, k, stride=1, relu=True):
        y = b.op("Conv", x, b.weight(cout, cin, k, k), kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4)
        ones = np.ones(cout, np.float32)
        statistics = [b.rng.uniform(0.5, 1, cout), b.rng.uniform(-.1, .1, cout), b.rng.uniform(-.1, .1, cout), ones]
        y = b.op("BatchNormalization", y, *(b.constant(s.astype(np.float32)) for s in statistics))
        return b.op("Relu", y) if relu else y

    x = b.op("MaxPool", conv("x", 3, 64, 7, 2), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    cin = 64
    for blocks, mid, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)):
        for i in range(blocks):
            s = stride if i == 0 else 1
            y = conv(conv(conv(x, cin, mid, 1), mid, mid, 3, s), mid, 4 * mid, 1, relu=False)
            shortcut = conv(x, cin, 4 * mid, 1, s, relu=False) if i == 0 else x
            x, cin = b.op("Relu", b.op("Add", y, shortcut)), 4 * mid
    x = b.op("Flatten", b.op("GlobalAveragePool", x))
    x = b.op("Gemm", x, b.weight(2048, 1000), b.constant(np.zeros(1000, np.float32)))
    b.save(path, [("x", TensorProto.FLOAT, [1, 3, 224, 224])], b.op("Softmax", x))


def encoder(path, layers=12, width=768, heads=12, sequence=128):
    """A BERT-base encoder from primitive operators: LayerNorm and GELU spelled out, as exporters write them."""
    b = Builder(3)
    f32 = lambda v: b.constant(np.float32(v))

    def norm(x):
        mean = b.op("ReduceMean", x, axes=[-1])
        d = b.op("Sub", x, mean)
        var = b.op("ReduceMean", b.op("Pow", d, f32(2)), axes=[-1])
        y = b.op("Div", d, b.op("Sqrt", b.op("Add", var, f32(1e-5))))
        return b.op("Add", b.op("Mul", y, b.constant(np.ones(width, np.float32))), b.constant(np.zeros(width, np.float32)))

    def linear(x, m, n):
        return b.op("Add", b.op("MatMul", x, b.weight(m, n)), b.constant(b.rng.normal(0, .02, n).astype(np.float32)))

    def split(x, perm):
        shape = b.constant(np.array([0, 0, heads, width // heads], np.int64))
        return b.op("Transpose", b.op("Reshape", x, shape), perm=perm)

    x = norm("x")
    for _ in range(layers):
        q, k, v = (split(linear(x, width, width), p) for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = b.op("Div", b.op("MatMul", q, k), f32(np.sqrt(width // heads)))
        y = b.op("Transpose", b.op("MatMul", b.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        y = b.op("Reshape", y, b.constant(np.array([0, 0, width], np.int64)))
        x = norm(b.op("Add", x, linear(y, width, width)))
        h = linear(x, width, 4 * width)
        h = b.op("Mul", b.op("Mul", h, b.op("Add", b.op("Erf", b.op("Div", h, f32(np.sqrt(2)))), f32(1))), f32(0.5))
        x = norm(b.op("Add", x, linear(h, 4 * width, width)))
    b.save(path, [("x", TensorProto.FLOAT, [1, sequence, width])], x)


def chain(path, nodes):
    """A deep graph of small kernels: compile time must grow with its length, not faster."""
    b, x = Builder(4), "x"
    while len(b.nodes) < nodes:
        x = b.op("MatMul", x, b.weight(32, 32)) if len(b.nodes) % 10 == 0 else b.op(("Relu", "Tanh", "Sigmoid")[len(b.nodes) % 3], x)
    b.save(path, [("x", TensorProto.FLOAT, [4, 32])], x)
