// Convolutions, and the window attributes.
#include "compiler/import/handlers/Window.h"
#include "compiler/import/HandlerTable.h"

using namespace adze;
using namespace adze::graph;
using mlir::AffineExpr;
using mlir::Value;

/// Pads of one dim for SAME: the output has ceil(size / stride) elements.
static bool samePads(NodeContext &n, AffineExpr size, int64_t kernel, int64_t stride, int64_t dilation, bool upper,
                     int64_t &low, int64_t &high) {
  int64_t reach = (kernel - 1) * dilation + 1, total;
  if (auto fixed = n.sym().constantOf(size)) {
    int64_t outputs = (*fixed + stride - 1) / stride;
    total = std::max<int64_t>(0, (outputs - 1) * stride + reach - *fixed);
  } else if (stride == 1) {
    total = reach - 1;
  } else {
    n.unsupported("auto_pad with a stride over 1 needs fixed spatial dims", "give them with --dim or --input-shape");
    return false;
  }
  low = upper ? total / 2 : total - total / 2;
  high = total - low;
  return true;
}

std::optional<Window> adze::readWindow(NodeContext &n, const Dims &x, llvm::ArrayRef<int64_t> kernel) {
  size_t spatial = x.size() < 2 ? 0 : x.size() - 2;
  if (spatial < 1 || spatial > 3) {
    n.unsupported("the operand has rank " + llvm::Twine(x.size()) + ", supported are 3 to 5", "reshape the operand");
    return std::nullopt;
  }
  Window w;
  w.kernel.assign(kernel.begin(), kernel.end());
  w.strides = n.attrInts("strides", llvm::SmallVector<int64_t>(spatial, 1));
  w.dilations = n.attrInts("dilations", llvm::SmallVector<int64_t>(spatial, 1));
  w.pads = n.attrInts("pads", llvm::SmallVector<int64_t>(2 * spatial, 0));
  std::string mode = n.attrString("auto_pad", "NOTSET");
  if (w.kernel.size() != spatial || w.strides.size() != spatial || w.dilations.size() != spatial ||
      w.pads.size() != 2 * spatial) {
    n.malformed("kernel, strides, dilations and pads must have one entry a spatial dim (pads two), the operand has " +
                llvm::Twine(spatial));
    return std::nullopt;
  }
  constexpr int64_t kLimit = int64_t(1) << 31;
  for (const auto &list : {w.kernel, w.strides, w.dilations})
    for (int64_t v : list)
      if (v < 1 || v > kLimit) {
        n.malformed("kernel, strides and dilations must be positive and below 2^31, one is " + llvm::Twine(v));
        return std::nullopt;
      }
  for (int64_t v : w.pads)
    if (v < 0 || v > kLimit) {
      n.malformed("pads must be from 0 to 2^31, one is " + llvm::Twine(v));
      return std::nullopt;
    }
  if (mode == "VALID") {
    w.pads.assign(2 * spatial, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t i = 0; i < spatial; ++i)
      if (!samePads(n, x[i + 2], w.kernel[i], w.strides[i], w.dilations[i], mode == "SAME_UPPER", w.pads[i],
                    w.pads[i + spatial]))
        return std::nullopt;
  } else if (mode != "NOTSET" && !mode.empty()) {
    n.malformed("auto_pad is '" + mode + "'", "use NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  return n.failed() ? std::nullopt : std::optional(w);
}

namespace {

/// The kernel's spatial dims, which must be constant and agree with kernel_shape.
std::optional<llvm::SmallVector<int64_t>> kernelOf(NodeContext &n, const Dims &w) {
  llvm::SmallVector<int64_t> kernel;
  for (AffineExpr dim : llvm::ArrayRef<AffineExpr>(w).drop_front(std::min<size_t>(2, w.size()))) {
    auto size = n.sym().constantOf(dim);
    if (!size) {
      n.unsupported("the kernel's size is not constant", "fix the shape of the weights");
      return std::nullopt;
    }
    kernel.push_back(*size);
  }
  auto declared = n.attrInts("kernel_shape", kernel);
  if (declared != kernel) {
    n.malformed("kernel_shape is not the shape of the weights", "correct the attribute");
    return std::nullopt;
  }
  return kernel;
}

bool checkRanks(NodeContext &n) {
  if (n.rank(0) == n.rank(1) && n.rank(0) >= 3)
    return true;
  n.malformed("X and W must have the same rank of 3 or more, they have " + llvm::Twine(n.rank(0)) + " and " +
              llvm::Twine(n.rank(1)));
  return false;
}

void conv(NodeContext &n) {
  if (!checkRanks(n))
    return;
  auto kernel = kernelOf(n, n.dims(1));
  auto window = kernel ? readWindow(n, n.dims(0), *kernel) : std::nullopt;
  int64_t group = n.attrInt("group", 1);
  if (!window)
    return;
  if (group < 1)
    return n.malformed("group is " + llvm::Twine(group) + ", it must be positive");
  AffineExpr channels = n.sym().mul(n.dims(1)[1], n.expr(group));
  if (!n.checkEqual(n.dims(0)[1], channels, "channels of X must be group times those of W"))
    return;
  Value x = n.value(0), w = n.value(1), bias = n.valueOrNull(2);
  if (n.has(2) && !bias)
    return;
  n.out(0, n.createOptional<ConvOp>({x, w}, x, w, bias, window->strides, window->dilations, window->pads, group));
}

/// output_shape gives the pads: total = stride*(in-1) + output_padding + reach - output, the odd one at the start
/// unless SAME_UPPER.
bool padsFromOutput(NodeContext &n, Window &w, llvm::ArrayRef<int64_t> wanted, llvm::SmallVectorImpl<int64_t> &extra) {
  size_t spatial = w.kernel.size();
  bool upper = n.attrString("auto_pad", "NOTSET") == "SAME_UPPER";
  for (size_t i = 0; i < spatial; ++i) {
    auto size = n.sym().constantOf(n.dims(0)[i + 2]);
    if (!size) {
      n.unsupported("output_shape needs fixed spatial dims", "give them with --dim or --input-shape");
      return false;
    }
    int64_t total = w.strides[i] * (*size - 1) + extra[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - wanted[i];
    // Larger than the convolution reaches: the rest of the output is zeros, as extra output padding gives.
    extra[i] += std::max<int64_t>(-total, 0);
    total = std::max<int64_t>(total, 0);
    w.pads[i] = upper ? total / 2 : total - total / 2;
    w.pads[i + spatial] = total - w.pads[i];
  }
  return true;
}

void convTranspose(NodeContext &n) {
  if (!checkRanks(n))
    return;
  auto kernel = kernelOf(n, n.dims(1));
  size_t spatial = static_cast<size_t>(n.rank(0)) - 2;
  std::string mode = n.attrString("auto_pad", "NOTSET");
  // SAME of a transposed convolution means output = input * stride.
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  Dims unit(n.dims(0));
  if (same)
    for (size_t i = 2; i < unit.size(); ++i)
      unit[i] = n.expr(1); // any: the pads are recomputed below
  auto window = kernel ? readWindow(n, unit, *kernel) : std::nullopt;
  int64_t group = n.attrInt("group", 1);
  auto extra = n.attrInts("output_padding", llvm::SmallVector<int64_t>(spatial, 0));
  auto wanted = n.attrInts("output_shape");
  if (!window)
    return;
  if (group < 1 || extra.size() != spatial || (!wanted.empty() && wanted.size() != spatial) ||
      llvm::any_of(extra, [](int64_t v) { return v < 0; }))
    return n.malformed("group, output_padding or output_shape do not fit the operand");
  if (same && wanted.empty())
    for (size_t i = 0; i < spatial; ++i) {
      auto size = n.sym().constantOf(n.dims(0)[i + 2]);
      if (!size)
        return n.unsupported("auto_pad needs fixed spatial dims", "give them with --dim or --input-shape");
      wanted.push_back(*size * window->strides[i]);
    }
  if (!wanted.empty() && !padsFromOutput(n, *window, wanted, extra))
    return;
  if (!n.checkEqual(n.dims(0)[1], n.dims(1)[0], "channels of X must be those of W"))
    return;
  Value x = n.value(0), w = n.value(1), bias = n.valueOrNull(2);
  if (n.has(2) && !bias)
    return;
  n.out(0, n.createOptional<ConvTransposeOp>({x, w}, x, w, bias, window->strides, window->dilations, window->pads,
                                             extra, group));
}

} // namespace

void adze::registerConvHandlers(HandlerTable &t) {
  t.add("", "Conv", 1, conv, 2, 3);
  t.add("", "ConvTranspose", 1, convTranspose, 2, 3);
}
