// Linear quantisation and integer contractions.
#include "compiler/import/handlers/Window.h"
#include "compiler/import/HandlerTable.h"
#include "compiler/weights/Sums.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// Smallest and largest value of an integer type that quantisation may produce.
std::pair<double, double> integerRange(DType type) {
  double half = std::ldexp(1.0, static_cast<int>(bitWidth(type)) - 1);
  return isUnsignedInt(type) ? std::pair(0.0, 2 * half - 1) : std::pair(-half, half - 1);
}

mlir::Type f32(NodeContext &n) { return n.element(DType::F32); }
mlir::Type i32(NodeContext &n) { return n.element(DType::I32); }

/// A scale or zero point made to broadcast over x: a scalar, one value along `axis`, or one a block of `axis`.
Value spread(NodeContext &n, Value v, const Dims &x, int64_t axis, int64_t block) {
  if (!v || n.failed())
    return {};
  Dims dims = NodeContext::dimsOf(v);
  if (dims.empty() || (dims.size() == 1 && n.sym().constantOf(dims[0]) == 1 && block == 0))
    return n.reshape(v, {});
  axis = n.normalizeAxis(axis, static_cast<int64_t>(x.size()));
  if (n.failed())
    return {};
  if (block == 0) {
    if (dims.size() != 1) {
      n.malformed("scale and zero point must be scalars or vectors, one has rank " + llvm::Twine(dims.size()));
      return {};
    }
    if (!n.checkEqual(dims[0], x[axis], "there is one scale along the axis"))
      return {};
    Dims shape(x.size(), n.expr(1));
    shape[axis] = dims[0];
    return n.reshape(v, shape);
  }
  if (block < 0 || dims.size() != x.size()) {
    n.malformed("blocked scales need block_size > 0 and the operand's rank");
    return {};
  }
  // [.., B, ..] -> [.., B, block, ..] -> [.., B*block, ..], cut to the operand's length.
  Dims wide = dims, joined = dims;
  wide.insert(wide.begin() + axis + 1, n.expr(block));
  joined[axis] = n.sym().mul(dims[axis], n.expr(block));
  if (!n.checkTrue(n.sym().lessOrEqual(x[axis], joined[axis]), "the blocks must cover the axis"))
    return {};
  Value whole = n.reshape(n.broadcastTo(n.unsqueeze(v, {axis + 1}), wide), joined);
  llvm::SmallVector<AffineExpr> starts(x.size(), n.expr(0));
  joined[axis] = x[axis];
  return n.slice(whole, starts, joined, llvm::SmallVector<int64_t>(x.size(), 1));
}

/// round(x / scale) + zero, clamped, in f32; zero may be null.
Value quantized(NodeContext &n, Value x, Value scale, Value zero, DType to, bool saturate) {
  Value y = n.binary<DivOp>(n.cast(x, f32(n)), n.cast(scale, f32(n)));
  if (!y)
    return {};
  mlir::Type element = n.element(to);
  if (isFloat(to)) {
    if (zero)
      y = n.binary<AddOp>(y, n.cast(zero, f32(n)));
    return y ? n.createTyped<CastOp>(graph::makeTensorType(NodeContext::dimsOf(y), element), y, saturate,
                                     CastRound::rne)
             : y;
  }
  y = n.create<RoundOp>(y);
  if (zero)
    y = n.binary<AddOp>(y, n.cast(zero, f32(n)));
  auto [low, high] = integerRange(to);
  y = n.create<MinOp>(n.create<MaxOp>(y, n.scalar(low, f32(n))), n.scalar(high, f32(n)));
  return n.cast(y, element);
}

void quantizeLinear(NodeContext &n) {
  DType to = n.has(2) ? n.dtype(2) : DType::U8;
  if (int64_t wanted = n.attrInt("output_dtype", 0); wanted && !n.has(2)) {
    auto type = dtypeFromOnnx(wanted);
    if (!type)
      return n.malformed("output_dtype is no element type");
    to = *type;
  }
  bool narrow = (isInteger(to) && bitWidth(to) <= 16) || (isFloat(to) && bitWidth(to) <= 8);
  if (!narrow || to == DType::F8E8M0 || !n.element(to))
    return n.unsupported("quantising to " + dtypeName(to) + " is not supported", "use an 8- or 16-bit type");
  if (int64_t precision = n.attrInt("precision", 0); precision && precision != 1)
    return n.unsupported("precision other than float32 is not supported", "leave the attribute out");
  int64_t axis = n.attrInt("axis", 1), block = n.attrInt("block_size", 0);
  Value x = n.value(0), scale = spread(n, n.value(1), n.dims(0), axis, block);
  Value zero = n.has(2) ? spread(n, n.value(2), n.dims(0), axis, block) : Value();
  if (n.has(2) && !zero)
    return;
  n.out(0, quantized(n, x, scale, zero, to, n.attrBool("saturate", true)));
}

void dequantizeLinear(NodeContext &n) {
  auto to = dtypeFromOnnx(n.attrInt("output_dtype", 0));
  mlir::Type element = n.element(to.value_or(n.dtype(1)));
  int64_t axis = n.attrInt("axis", 1), block = n.attrInt("block_size", 0);
  if (!element || n.dtype(1) == DType::F8E8M0)
    return n.unsupported("this type of scale or output is not supported", "use float32");
  Value x = n.value(0), scale = spread(n, n.value(1), n.dims(0), axis, block);
  Value zero = n.has(2) ? spread(n, n.value(2), n.dims(0), axis, block) : Value();
  if (n.failed() || (n.has(2) && !zero))
    return;
  // Integers subtract exactly before they become floats.
  mlir::Type exact = isInteger(n.dtype(0)) ? i32(n) : f32(n);
  Value y = n.cast(x, exact);
  if (zero)
    y = n.binary<SubOp>(y, n.cast(zero, exact));
  n.out(0, n.cast(n.binary<MulOp>(n.cast(y, f32(n)), n.cast(scale, f32(n))), element));
}

void dynamicQuantizeLinear(NodeContext &n) {
  Value x = n.value(0);
  llvm::SmallVector<int64_t> axes;
  for (int64_t i = 0; i < n.rank(0); ++i)
    axes.push_back(i);
  auto zero = [&] { return n.scalar(0, f32(n)); };
  Value high = n.create<MaxOp>(n.squeeze(n.reduce(x, axes, ReduceKind::max), axes), zero());
  Value low = n.create<MinOp>(n.squeeze(n.reduce(x, axes, ReduceKind::min), axes), zero());
  Value scale = n.create<DivOp>(n.create<SubOp>(high, low), n.scalar(255, f32(n)));
  Value point = n.create<RoundOp>(n.create<DivOp>(n.create<NegOp>(low), scale));
  point = n.create<MinOp>(n.create<MaxOp>(point, zero()), n.scalar(255, f32(n)));
  n.out(0, quantized(n, x, scale, point, DType::U8, true));
  n.out(1, scale);
  n.out(2, n.cast(point, n.element(DType::U8)));
}

//===- Integer contractions ---------------------------------------------------------------------------------------===//

/// A zero point (or scale) of a matrix's rows or columns: scalars and vectors of one element spread everywhere.
Value alongMatrix(NodeContext &n, Value v, bool rows) {
  if (!v || n.failed())
    return v;
  Dims dims = NodeContext::dimsOf(v);
  if (dims.size() > 1)
    return v;
  if (dims.empty() || n.sym().constantOf(dims[0]) == 1)
    return n.reshape(v, {});
  return rows ? n.reshape(v, {dims[0], n.expr(1)}) : v;
}

/// An operand of an integer product, by the numbers of its inputs.
struct IntegerOperand {
  unsigned matrix, zero;
};

/// The zero point, brought to the matrix's shape; null where it is absent or known to be 0.
Value zeroPoint(NodeContext &n, IntegerOperand operand, bool rows) {
  if (!n.has(operand.zero))
    return {};
  if (auto known = n.constantInts(operand.zero); known && llvm::all_of(*known, [](int64_t v) { return v == 0; }))
    return {};
  return alongMatrix(n, n.value(operand.zero), rows);
}

/// Sums along k in i32: of the rows of a, or the columns of b.
Value sumsAlongK(NodeContext &n, IntegerOperand operand, bool rows) {
  Value x = n.value(operand.matrix);
  int64_t axis = NodeContext::rankOf(x) - (rows ? 1 : 2);
  if (auto id = n.constantId(operand.matrix))
    if (auto sums = addSums(n.store(), *id, static_cast<unsigned>(axis)))
      return n.weight(*sums);
  return n.reduce(n.cast(x, i32(n)), {axis}, ReduceKind::sum);
}

/// The sum over k of (a - za)(b - zb) is that of ab, less za times the sums of b's columns and zb times those of a's
/// rows, plus K za zb. All of it is exact modulo 2^32, and the product stays one of 8-bit integers.
Value integerMatmul(NodeContext &n, IntegerOperand left, IntegerOperand right) {
  Value a = n.value(left.matrix), b = n.value(right.matrix);
  if (n.failed())
    return {};
  if (NodeContext::rankOf(a) < 2 || NodeContext::rankOf(b) < 2) {
    n.unsupported("an operand is a vector", "reshape it to a matrix");
    return {};
  }
  Dims da = NodeContext::dimsOf(a), db = NodeContext::dimsOf(b);
  if (!n.checkEqual(da.back(), db[db.size() - 2], "the inner dims of a matrix product must be equal") ||
      !n.broadcastDims(llvm::ArrayRef(da).drop_back(2), llvm::ArrayRef(db).drop_back(2)))
    return {};
  Value zeroA = zeroPoint(n, left, true), zeroB = zeroPoint(n, right, false);
  zeroA = zeroA ? n.cast(zeroA, i32(n)) : zeroA, zeroB = zeroB ? n.cast(zeroB, i32(n)) : zeroB;
  Value y = n.create<MatmulOp>(a, b, false, false);
  if (zeroA) {
    Value sums = sumsAlongK(n, right, false);
    if (zeroB)
      sums = n.binary<SubOp>(sums, n.binary<MulOp>(n.exprValue(da.back(), i32(n)), zeroB));
    y = n.binary<SubOp>(y, n.binary<MulOp>(zeroA, sums));
  }
  if (zeroB)
    y = n.binary<SubOp>(y, n.binary<MulOp>(sumsAlongK(n, left, true), zeroB));
  return y;
}

void matmulInteger(NodeContext &n) { n.out(0, integerMatmul(n, {0, 2}, {1, 3})); }

/// acc * (scale a * scale b / scale y), rounded, plus the zero point, clamped.
Value requantized(NodeContext &n, Value acc, Value scaleA, Value scaleB, Value scaleY, Value zeroY, DType to) {
  scaleA = n.cast(scaleA, f32(n)), scaleB = n.cast(scaleB, f32(n)), scaleY = n.cast(scaleY, f32(n));
  Value factor = n.binary<MulOp>(scaleA, scaleB);
  Value real = n.binary<MulOp>(n.cast(acc, f32(n)), factor);
  return quantized(n, real, scaleY, zeroY, to, true);
}

void qlinearMatmul(NodeContext &n) {
  if (isFloat(n.dtype(0)) || isFloat(n.dtype(3)))
    return n.unsupported("float8 operands are not supported", "use int8 or uint8");
  Value acc = integerMatmul(n, {0, 2}, {3, 5});
  Value scaleA = alongMatrix(n, n.value(1), true), scaleB = alongMatrix(n, n.value(4), false);
  Value scaleY = alongMatrix(n, n.value(6), true), zeroY = alongMatrix(n, n.value(7), true);
  n.out(0, requantized(n, acc, scaleA, scaleB, scaleY, zeroY, n.dtype(7)));
}

/// Operands x and w by number; zero points by number where present. Padding is with the zero point, so it is subtracted
/// first and the convolution pads with zeros.
Value integerConv(NodeContext &n, unsigned xi, unsigned wi, Value zeroX, Value zeroW, Value bias) {
  if (n.rank(xi) != n.rank(wi) || n.rank(xi) < 3) {
    n.malformed("x and w must have the same rank of 3 or more");
    return {};
  }
  llvm::SmallVector<int64_t> kernel;
  for (AffineExpr dim : llvm::ArrayRef<AffineExpr>(n.dims(wi)).drop_front(2)) {
    auto size = n.sym().constantOf(dim);
    if (!size) {
      n.unsupported("the kernel's size is not constant", "fix the shape of the weights");
      return {};
    }
    kernel.push_back(*size);
  }
  auto window = readWindow(n, n.dims(xi), kernel);
  int64_t group = n.attrInt("group", 1);
  if (!window)
    return {};
  if (group < 1) {
    n.malformed("group must be positive");
    return {};
  }
  if (!n.checkEqual(n.dims(xi)[1], n.sym().mul(n.dims(wi)[1], n.expr(group)), "channels of x must be group times w's"))
    return {};
  if (zeroW && NodeContext::rankOf(zeroW) == 1 && n.sym().constantOf(NodeContext::dimsOf(zeroW)[0]) != 1) {
    Dims shape(static_cast<size_t>(n.rank(wi)), n.expr(1));
    shape[0] = NodeContext::dimsOf(zeroW)[0];
    zeroW = n.reshape(zeroW, shape);
  } else if (zeroW) {
    zeroW = n.reshape(zeroW, {});
  }
  Value x = n.cast(n.value(xi), i32(n)), w = n.cast(n.value(wi), i32(n));
  x = zeroX ? n.binary<SubOp>(x, n.cast(n.reshape(zeroX, {}), i32(n))) : x;
  w = zeroW ? n.binary<SubOp>(w, n.cast(zeroW, i32(n))) : w;
  return n.createOptional<ConvOp>({x, w}, x, w, bias, window->strides, window->dilations, window->pads, group);
}

void convInteger(NodeContext &n) { n.out(0, integerConv(n, 0, 1, n.valueOrNull(2), n.valueOrNull(3), Value())); }

void qlinearConv(NodeContext &n) {
  Value bias = n.valueOrNull(8);
  if (n.failed())
    return;
  Value acc = integerConv(n, 0, 3, n.value(2), n.value(5), bias);
  Value scaleW = n.value(4);
  if (scaleW && NodeContext::rankOf(scaleW) == 1 && acc) {
    Dims shape(static_cast<size_t>(n.rank(0)) - 1, n.expr(1));
    shape[0] = NodeContext::dimsOf(scaleW)[0];
    scaleW = n.reshape(scaleW, shape);
  }
  Value scaleX = n.reshape(n.value(1), {}), scaleY = n.reshape(n.value(6), {}), zeroY = n.reshape(n.value(7), {});
  n.out(0, requantized(n, acc, scaleX, scaleW, scaleY, zeroY, n.dtype(7)));
}

} // namespace

void adze::registerQuantizeHandlers(HandlerTable &t) {
  t.add("", "ConvInteger", 10, convInteger, 2, 4);
  t.add("", "DequantizeLinear", 10, dequantizeLinear, 2, 3);
  t.add("", "DynamicQuantizeLinear", 11, dynamicQuantizeLinear, 1, 1, 3);
  t.add("", "MatMulInteger", 10, matmulInteger, 2, 4);
  t.add("", "QLinearConv", 10, qlinearConv, 8, 9);
  t.add("", "QLinearMatMul", 10, qlinearMatmul, 8, 8);
  t.add("", "QuantizeLinear", 10, quantizeLinear, 2, 3);
}
