// Element arithmetic that the machine has instructions for. Accuracy of the approximations: PTX ISA 9.0, "Floating
// Point Instructions"; test/unit/cuda holds them to the ULP table.
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "targets/cuda/lower/CudaHardware.h"

namespace adze::cuda {

static Value inlinePtx(ImplicitLocOpBuilder &b, Type result, StringRef text, StringRef constraints,
                       ValueRange operands) {
  return LLVM::InlineAsmOp::create(b, result, operands, text, constraints, /*has_side_effects=*/false,
                                   /*is_align_stack=*/false, LLVM::TailCallKind::None, LLVM::AsmDialectAttr(),
                                   ArrayAttr())
      .getResult(0);
}

/// rsqrt.approx has 2^-22.9 relative, a little more than 2 ulp: one step of Newton's method, y + y/2 (1 - x y^2), makes
/// it 1. At 0, infinity and NaN the step is NaN and the approximation stays, which is exact there.
static Value reciprocalRoot(ImplicitLocOpBuilder &b, Value x) {
  Value y = inlinePtx(b, x.getType(), "rsqrt.approx.f32 $0, $1;", "=f,f", x);
  Value one = arith::ConstantOp::create(b, b.getF32FloatAttr(1)),
        half = arith::ConstantOp::create(b, b.getF32FloatAttr(0.5));
  Value minus = arith::NegFOp::create(b, arith::MulFOp::create(b, x, y));
  Value rest = math::FmaOp::create(b, minus, y, one);
  Value better = math::FmaOp::create(b, arith::MulFOp::create(b, y, half), rest, y);
  Value usable = arith::CmpFOp::create(b, arith::CmpFPredicate::ORD, rest, rest);
  return arith::SelectOp::create(b, usable, better, y);
}

Value CudaArithmetic::function(ImplicitLocOpBuilder &b, Operation *op, Type compute, ValueRange operands) const {
  if (!compute.isF32() || isa<VectorType>(operands[0].getType()))
    return {};
  if (isa<math::Exp2Op>(op)) { // 2 ulp; keeping subnormal arguments and results takes three more instructions
    auto kernel = op->getParentOfType<tile::KernelOp>();
    bool flush = kernel && kernel.getNumerics() && kernel.getNumerics()->getFlush();
    return inlinePtx(b, compute, flush ? "ex2.approx.ftz.f32 $0, $1;" : "ex2.approx.f32 $0, $1;", "=f,f", operands[0]);
  }
  if (isa<math::RsqrtOp>(op))
    return reciprocalRoot(b, operands[0]);
  return {};
}

/// max and min drop one NaN, .NaN propagates it; -0 is less than +0. PTX ISA "max".
Value CudaArithmetic::combine(ImplicitLocOpBuilder &b, tile::TileReduceKind kind, bool, Type element, Value x,
                              Value y) const {
  if (!element.isF32() || isa<VectorType>(x.getType()))
    return {};
  switch (kind) {
  case tile::TileReduceKind::maxnum:
    return inlinePtx(b, element, "max.f32 $0, $1, $2;", "=f,f,f", {x, y});
  case tile::TileReduceKind::minnum:
    return inlinePtx(b, element, "min.f32 $0, $1, $2;", "=f,f,f", {x, y});
  default:
    return {};
  }
}

/// "cvt.e4m3x2" and "cvt.e5m2x2": compute capability 8.9 on.
static StringRef pairOf(Type t) { return isa<Float8E4M3FNType>(t) ? "e4m3x2" : isa<Float8E5M2Type>(t) ? "e5m2x2" : ""; }

Value CudaArithmetic::widen(ImplicitLocOpBuilder &b, Value reg, Type from) const {
  StringRef pair = pairOf(from);
  if (pair.empty() || sm < 89 || isa<VectorType>(reg.getType()))
    return {};
  Value two = arith::ExtUIOp::create(b, b.getI16Type(), reg);
  Value halves = inlinePtx(b, b.getI32Type(), ("cvt.rn.f16x2." + pair + " $0, $1;").str(), "=r,h", two);
  Value low = arith::TruncIOp::create(b, b.getI16Type(), halves);
  Value half = arith::BitcastOp::create(b, b.getF16Type(), low);
  return arith::ExtFOp::create(b, b.getF32Type(), half);
}

Value CudaArithmetic::narrow(ImplicitLocOpBuilder &b, Value f32, Type to, bool sat) const {
  if (isa<VectorType>(f32.getType()))
    return {};
  if (to.isBF16()) {
    Value bits = arith::TruncFOp::create(b, b.getBF16Type(), f32);
    return arith::BitcastOp::create(b, b.getI16Type(), bits);
  }
  StringRef pair = pairOf(to);
  if (pair.empty() || sm < 89 || !sat) // the instruction saturates always
    return {};
  Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
  Value two = inlinePtx(b, b.getI16Type(), ("cvt.rn.satfinite." + pair + ".f32 $0, $1, $2;").str(), "=h,f,f",
                        ValueRange{zero, f32}); // the second operand goes into the low half
  return arith::TruncIOp::create(b, b.getI8Type(), two);
}

} // namespace adze::cuda
