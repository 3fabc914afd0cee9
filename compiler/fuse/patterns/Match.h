// Helpers that see through the many spellings of the same arithmetic.
#ifndef ADZE_COMPILER_FUSE_PATTERNS_MATCH_H
#define ADZE_COMPILER_FUSE_PATTERNS_MATCH_H

#include "compiler/canonicalize/Constants.h"

namespace adze {

/// A product of values times a number.
struct Product {
  double coefficient = 1;
  llvm::SmallVector<mlir::Value, 4> factors;
};

/// Takes mul, neg, division by a constant and the powers 2 and 3 apart, but none of the values in `stop`. The result is
/// equal up to rounding.
Product flattenProduct(mlir::Value v, const Constants &constants, llvm::ArrayRef<mlir::Value> stop = {});

/// Takes constant factors off: v = coefficient * result.
mlir::Value peelScale(mlir::Value v, double &coefficient, const Constants &constants);

/// The values that an expression is built from, itself included: through at most `depth` ops, constants left out.
llvm::SmallVector<mlir::Value> subexpressions(mlir::Value v, unsigned depth, const Constants &constants);

/// v = scale*x + offset with constant scale and offset.
struct Affine {
  double scale = 1, offset = 0;
};
std::optional<Affine> matchAffine(mlir::Value v, mlir::Value x, const Constants &constants);

/// If v = a + b (either order) with the constant `b`: a.
mlir::Value matchAddConstant(mlir::Value v, double b, const Constants &constants);

/// |got - want| within one part in ten thousand: constants in models are rounded to f32 or f16, or typed by hand.
bool nearly(double got, double want);

inline mlir::RankedTensorType tensorType(mlir::Value v) { return llvm::cast<mlir::RankedTensorType>(v.getType()); }
inline mlir::Type elementType(mlir::Value v) { return tensorType(v).getElementType(); }

/// Same rank and provably the same dims.
bool haveSameDims(mlir::Value a, mlir::Value b);

} // namespace adze

#endif
