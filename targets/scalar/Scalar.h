// Element arithmetic on registers, for every target that ends in LLVM: scalars and short vectors alike, no library
// calls. A value's *element type* is what the tile says; its *register type* is what arithmetic here is done on:
//
//   element                 register      storage (one element in memory)
//   f32, f64, f16           itself        itself
//   bf16                    i16 (bits)    i16
//   floats of <= 8 bits     i8 (bits)     i8
//   i4, i2 (any signedness) i8, low bits  i8
//   i1                      i1            i8 (0 or 1)
//   index                   index         i64
//   other integers          itself        itself
//
// Results follow the tile dialect's numeric rules: a value is rounded to its element type after every operation.
#ifndef ADZE_TARGETS_SCALAR_SCALAR_H
#define ADZE_TARGETS_SCALAR_SCALAR_H

#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"
#include <functional>

namespace adze::scalar {
using namespace mlir;

inline unsigned bitWidth(Type t) { return t.isIndex() ? 64 : t.getIntOrFloatBitWidth(); }
/// A float or integer type of fewer than 8 bits, other than i1.
inline bool isSubByte(Type t) { return bitWidth(t) < 8 && !t.isInteger(1); }
/// A float type that arithmetic widens to f32.
inline bool isNarrowFloat(Type t) { return isa<FloatType>(t) && bitWidth(t) < 32; }
/// `element` in the shape of `like` (a scalar or a vector).
inline Type shapedLike(Type element, Type like) {
  auto v = dyn_cast<VectorType>(like);
  return v ? Type(VectorType::get(v.getShape(), element)) : element;
}

/// Options of a numeric conversion, as in tile.cast.
struct CastHow {
  tile::RoundMode round = tile::RoundMode::rne;
  bool sat = false, unsignedSrc = false, unsignedDst = false;
};

/// What a target does better than the portable expansions. Every function may return null: "no, use the expansion".
/// Values have register types; `b` is placed where the result is wanted.
struct Hooks {
  virtual ~Hooks() = default;
  /// An elementary function or another math op on registers of float type `compute` (f32 or f64; narrower types were
  /// widened before). The result has the same type and must keep the ULP bounds of docs/numeric-contract.md.
  virtual Value function(ImplicitLocOpBuilder &b, Operation *op, Type compute, ValueRange operands) const { return {}; }
  /// Register of narrow float type `from` (f16, bf16, 8 bits or fewer) -> f32, exactly.
  virtual Value widen(ImplicitLocOpBuilder &b, Value reg, Type from) const { return {}; }
  /// f32 -> register of narrow float type `to`, to nearest even. Overflow: the largest finite value if `sat` or where
  /// the type has neither infinity nor NaN, else infinity or NaN. NaN stays NaN.
  virtual Value narrow(ImplicitLocOpBuilder &b, Value f32, Type to, bool sat) const { return {}; }
  /// One step of a reduction on registers of f32, f64 or integers: Arithmetic::combine.
  virtual Value combine(ImplicitLocOpBuilder &b, tile::TileReduceKind kind, bool isUnsigned, Type element, Value x,
                        Value y) const {
    return {};
  }
  /// An op of arith (add, mul, fma, max ...) done in narrow float type `element` itself, where that gives the same bits
  /// as widening, computing in f32 and rounding (add, sub, mul, div and sqrt of f16 and bf16 do).
  virtual Value native(ImplicitLocOpBuilder &b, Operation *op, Type element, ValueRange regs) const { return {}; }
};

class Arithmetic {
public:
  /// `b` and `hooks` must outlive this object. `refuse` is told of an op without an implementation; it reports the
  /// error and a placeholder value is returned.
  using Refuse = std::function<void(Operation *op, const Twine &why)>;
  Arithmetic(ImplicitLocOpBuilder &b, Refuse refuse, const Hooks *hooks = nullptr);
  virtual ~Arithmetic() = default;

  // Types and storage
  Type regType(Type element) const;
  Type storageType(Type element) const;
  Value fromStorage(Value stored, Type element);
  Value toStorage(Value reg, Type element);

  // Constants. `type`: a register type, scalar or vector.
  Value constLike(Type type, double v);
  Value constLike(Type type, int64_t v);
  /// A constant of a tile's element type as a scalar register.
  Value constantOf(TypedAttr attr, Type element);

  // Conversions
  Value widen(Value reg, Type from); // any float register to f32 (f64 stays)
  Value narrow(Value f32OrF64, Type to, tile::RoundMode round = tile::RoundMode::rne, bool sat = false);
  Value castValue(Value reg, Type from, Type to, CastHow how);
  Value floatToInt(Value f, Type to, bool isUnsigned, bool sat, tile::RoundMode round);

  // Arithmetic
  /// Any elementwise op of arith or math (not tile.cast): operands are registers of the element types `from`; the
  /// result is a register of `element`.
  Value elementwise(Operation *op, SmallVector<Value> operands, Type element, ArrayRef<Type> from);
  /// One step of a reduction or scan, rounded to `element`.
  Value combine(tile::TileReduceKind kind, bool isUnsigned, Type element, Value a, Value b);
  /// What combining leaves unchanged, as a scalar register. maxnum and minnum: NaN.
  Value identityOf(tile::TileReduceKind kind, bool isUnsigned, Type element);
  /// arith.div{s,u}i or rem{s,u}i: x / 0 = 0, x % 0 = 0, MIN / -1 = MIN.
  Value divide(Operation *op, Value a, Value b);
  Value remainderF(Value x, Value y); // C's fmod, f32 or f64
  Value integerPower(Value x, Value y);
  Value lessThan(Value a, Value b, Type element, bool isUnsigned); // a sorts before b; NaN is largest
  /// A math op on registers of type `element` (f32, f64 or an integer). Null: the op has an instruction everywhere
  /// (abs, floor, ceil, trunc, roundeven, sqrt, fma, copysign) and is kept as it is.
  Value expandMath(Operation *op, Type element, ValueRange operands);

protected:
  ImplicitLocOpBuilder &b;
  Type i1, i8, i16, i32, i64, f32, f64, index;

private:
  Value decodeSmall(Value reg, Type from);
  Value encodeSmall(Value f32Value, Type to, bool sat);
  Value towards(Value exact, Value bits, Type to, tile::RoundMode round);
  Value toOdd(Value f64Value);
  Value limit(FloatType to, bool negative, Type like);
  Value erfDouble(Value x);
  /// A loop of `trips` turns without its body; the caller ends it with scf.yield.
  scf::ForOp turns(int64_t trips, ValueRange init);

  Refuse refuse;
  const Hooks *hooks;
};

} // namespace adze::scalar

#endif
