// Which ops and element types the builders take. Whatever passes here must not fail later.
#include "compiler/fuse/Legal.h"
#include "compiler/kernels/Families.h"
#include "compiler/kernels/Kernels.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace adze {
using namespace graph;

static std::string text(Type t) {
  std::string s;
  llvm::raw_string_ostream os(s);
  os << t;
  return s;
}

/// Element types that a kernel can load: whole bytes, or stored one to a byte.
static std::string badElement(Type t) {
  if (auto i = dyn_cast<IntegerType>(t)) {
    if (llvm::is_contained({1u, 2u, 4u, 8u, 16u, 32u, 64u}, i.getWidth()))
      return "";
  } else if (isa<FloatType>(t) && t.getIntOrFloatBitWidth() <= 64) {
    return "";
  }
  return "elements of type " + text(t) + " cannot be computed with; convert them to a float or an integer type first";
}

static std::string needStatic(Value v, StringRef what) {
  if (cast<RankedTensorType>(v.getType()).hasStaticShape())
    return "";
  return (what + " must have a static shape; give the model static sizes there").str();
}

static std::string needStaticDim(Value v, int64_t dim, StringRef what) {
  if (constantOf(getDims(v)[dim]))
    return "";
  return (what + " must be static; give the model a static size there").str();
}

/// Top-k keeps its candidates in one tile.
static constexpr int64_t kLargestK = 16384;

static bool isNarrowFloat(Type t) { return isa<FloatType>(t) && t.getIntOrFloatBitWidth() < 16; }

/// Ops that compute on 8-bit and smaller floats: only conversions and moves do.
static std::string narrowFloatUse(Operation *op) {
  if (isa<graph::CastOp, graph::BitcastOp, SelectOp, ConcatOp, TransposeOp, SliceOp, BroadcastOp, PadOp, GatherOp,
          GatherElementsOp, GatherNdOp, MatmulOp, ReshapeOp>(op))
    return "";
  for (Value v : op->getOperands())
    if (isNarrowFloat(kernels::elementOf(v)))
      return "elements of type " + text(kernels::elementOf(v)) + " support conversion only; cast to float16 or wider";
  return "";
}

static std::string familyReason(Operation *op) {
  using S = std::string;
  return llvm::TypeSwitch<Operation *, S>(op)
      .Case<ConvOp, ConvTransposeOp>([](auto conv) -> S { return needStatic(conv.getW(), "a convolution's weights"); })
      .Case<AttentionOp>([](AttentionOp op) -> S {
        if (std::string why = needStaticDim(op.getQ(), 3, "attention's head size"); !why.empty())
          return why;
        return needStaticDim(op.getV(), 3, "attention's value size");
      })
      .Case<ResizeOp>([](ResizeOp op) -> S { return needStaticDim(op.getIndices(), 1, "resize's number of taps"); })
      .Case<graph::TopKOp>([](graph::TopKOp op) -> S {
        auto fixed = constantOf(getDims(op.getValues())[op.getAxis()]),
             length = constantOf(getDims(op.getX())[op.getAxis()]);
        if (!fixed && !length)
          return "top-k needs a static k or a static length of the row; give the model one of them";
        int64_t k = fixed.value_or(length.value_or(0));
        return k <= kLargestK ? ""
                              : "top-k with k = " + std::to_string(k) + " exceeds the limit of " +
                                    std::to_string(kLargestK) + "; use a smaller k";
      })
      .Case<RnnOp>([](RnnOp op) -> S {
        if (std::string why = needStaticDim(op.getX(), 2, "a recurrent layer's input size"); !why.empty())
          return why;
        return needStaticDim(op.getR(), 1, "a recurrent layer's hidden size");
      })
      .Default([](Operation *) -> S { return ""; });
}

std::string unsupportedReason(Operation *op) {
  if (!isRegionOp(op) && !isa<ConstantOp, ReshapeOp>(op))
    return "";
  for (Value v : op->getOperands())
    if (std::string why = badElement(kernels::elementOf(v)); !why.empty())
      return why;
  for (Value v : op->getResults())
    if (std::string why = badElement(kernels::elementOf(v)); !why.empty())
      return why;
  if (std::string why = narrowFloatUse(op); !why.empty())
    return why;
  return familyReason(op);
}

} // namespace adze
