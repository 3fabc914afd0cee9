// DFT as one matrix product with a table of cosines and sines.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <cmath>

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// How the signal's parts (real, imaginary) and places mix into the result's.
struct Transform {
  int64_t length; ///< N of the definition
  int64_t inputs, outputs;
  int64_t inputParts, outputParts;
  bool inverse, half; ///< half: only the first N/2 + 1 frequencies are given or wanted

  double entry(int64_t place, int64_t part, int64_t result, int64_t resultPart) const {
    // The remainder keeps the angle exact for long signals.
    double angle = 2 * M_PI * static_cast<double>(place * result % length) / static_cast<double>(length);
    double c = std::cos(angle), s = inverse ? std::sin(angle) : -std::sin(angle);
    // (x + iy)(c + is) = (xc - ys) + i(xs + yc)
    double value = part == resultPart ? c : part == 0 ? s : -s;
    if (inverse)
      value /= static_cast<double>(length);
    bool mirrored = half && inverse && place != 0 && 2 * place != length;
    return mirrored ? 2 * value : value;
  }
};

Value table(NodeContext &n, const Transform &t, DType type) {
  int64_t rows = t.inputs * t.inputParts, columns = t.outputs * t.outputParts;
  std::vector<char> bytes(rows * columns * unpackedBytes(type));
  char *next = bytes.data();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column, next += unpackedBytes(type))
      elementFromDouble(
          type, t.entry(row / t.inputParts, row % t.inputParts, column / t.outputParts, column % t.outputParts), next);
  auto id = n.store().addInline(type, {rows, columns}, std::move(bytes), "dft");
  return id ? n.weight(*id) : Value();
}

/// The axis: an attribute before version 20, an operand since.
std::optional<int64_t> axisOf(NodeContext &n) {
  int64_t axis = -2;
  if (n.opset() < 20) {
    axis = n.attrInt("axis", 1);
  } else if (n.has(2)) {
    auto given = n.requireConstantInts(2, "the axis");
    if (!given)
      return std::nullopt;
    if (given->size() != 1) {
      n.malformed("the axis must be one number");
      return std::nullopt;
    }
    axis = (*given)[0];
  }
  axis = n.normalizeAxis(axis, n.rank(0));
  if (!n.failed() && axis == n.rank(0) - 1)
    n.malformed("the axis must not be the last dim");
  return n.failed() ? std::nullopt : std::optional(axis);
}

void dft(NodeContext &n) {
  int64_t rank = n.rank(0);
  if (rank < 2)
    return n.malformed("the operand must have rank 2 or more");
  auto axis = axisOf(n);
  if (!axis)
    return;
  Transform t{};
  t.inverse = n.attrBool("inverse", false), t.half = n.attrBool("onesided", false);
  auto size = n.sym().constantOf(n.dims(0)[*axis]), parts = n.sym().constantOf(n.dims(0)[rank - 1]);
  if (!size || !parts || *size < 1)
    return n.unsupported("the signal's length and last dim must be fixed", "give them with --dim or --input-shape");
  if (*parts != 1 && *parts != 2)
    return n.malformed("the last dim holds one number or two");
  if (t.half && t.inverse != (*parts == 2))
    return n.malformed("onesided goes from real to complex, and with inverse from complex to real");
  t.length = t.half && t.inverse ? 2 * (*size - 1) : *size;
  if (n.has(1)) {
    auto given = n.requireConstantInts(1, "dft_length");
    if (!given)
      return;
    if (given->size() != 1)
      return n.malformed("dft_length must be one number");
    t.length = (*given)[0];
  }
  constexpr int64_t kLongest = 4096; // the table has the square of this
  if (t.length < 1 || t.length > kLongest)
    return n.unsupported("lengths from 1 to " + llvm::Twine(kLongest) + " are supported", "transform in parts");
  int64_t some = t.length / 2 + 1, wanted = t.half && t.inverse ? some : t.length;
  t.inputs = std::min(*size, wanted);
  t.outputs = t.half && !t.inverse ? some : t.length;
  t.inputParts = *parts, t.outputParts = t.half && t.inverse ? 1 : 2;
  if (!isFloat(n.dtype(0)) || bitWidth(n.dtype(0)) < 16)
    return n.malformed("the operand must hold floats");
  DType type = n.dtype(0) == DType::F64 ? DType::F64 : DType::F32;
  // A shorter transform takes the front of the signal; a longer one reads zeros, which add nothing.
  Dims sizes = n.dims(0);
  sizes[*axis] = n.expr(t.inputs);
  Value x = n.cast(n.slice(n.value(0), SmallVector<AffineExpr>(rank, n.expr(0)), sizes, SmallVector<int64_t>(rank, 1)),
                   n.element(type));
  SmallVector<int64_t> perm, back(rank);
  for (int64_t d = 0; d < rank - 1; ++d)
    if (d != *axis)
      perm.push_back(d);
  perm.push_back(*axis);
  perm.push_back(rank - 1);
  for (int64_t d = 0; d < rank; ++d)
    back[perm[d]] = d;
  Dims others;
  for (int64_t d = 0; d + 2 < rank; ++d)
    others.push_back(sizes[perm[d]]);
  AffineExpr rows = graph::product(n.context(), others);
  Value y = n.create<MatmulOp>(n.reshape(n.transpose(x, perm), {rows, n.expr(t.inputs * t.inputParts)}),
                               table(n, t, type), false, false);
  others.push_back(n.expr(t.outputs));
  others.push_back(n.expr(t.outputParts));
  n.out(0, n.cast(n.transpose(n.reshape(y, others), back), n.element(n.dtype(0))));
}

} // namespace

void adze::registerSignalHandlers(HandlerTable &t) {
  t.add("", "DFT", 17, dft, 1, 2);
  t.add("", "DFT", 20, dft, 1, 3);
}
