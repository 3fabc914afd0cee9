// Tensor types with symbolic dims, and the module's symbols.
#ifndef ADZE_DIALECTS_GRAPH_GRAPHTYPES_H
#define ADZE_DIALECTS_GRAPH_GRAPHTYPES_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeRange.h"
#include <optional>
#include <string>

namespace adze::graph {

/// The dims of a tensor as affine expressions over the module's symbols; constants where static.
using Dims = llvm::SmallVector<mlir::AffineExpr, 6>;

/// A map over symbols only, with the least number of symbols, so that equal expressions give equal attributes.
mlir::AffineMap makeExprMap(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> exprs);

/// The tensor type with these dims: static where every dim is a constant, otherwise with the encoding.
mlir::RankedTensorType makeTensorType(llvm::ArrayRef<mlir::AffineExpr> dims, mlir::Type element);
mlir::RankedTensorType makeTensorType(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> dims, mlir::Type element);

Dims getDims(mlir::RankedTensorType type);
inline Dims getDims(mlir::Value value) { return getDims(llvm::cast<mlir::RankedTensorType>(value.getType())); }

/// The constant that an expression is, if it is one.
std::optional<int64_t> constantOf(mlir::AffineExpr expr);
mlir::AffineExpr constantExpr(mlir::MLIRContext *context, int64_t value);

/// Product of expressions (1 for none), and product / divisors by cancelling equal factors: exact division, so the
/// result is only meaningful when the quotient is an integer.
mlir::AffineExpr product(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> factors);
mlir::AffineExpr exactQuotient(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> numerator,
                               llvm::ArrayRef<mlir::AffineExpr> denominator);

/// True when the two are provably equal (equal after simplification).
bool provablyEqual(mlir::AffineExpr a, mlir::AffineExpr b);

/// True unless the two provably differ (their difference is a constant other than 0).
bool possiblyEqual(mlir::AffineExpr a, mlir::AffineExpr b);

/// Same number of types, ranked tensors of equal element type and rank, no dim provably different.
bool compatibleTypes(mlir::TypeRange a, mlir::TypeRange b);

/// NumPy broadcast of two shapes. Pairs that are not provably equal (and of which neither is 1) are appended to
/// `checks` if given. Fails when two constants clash; `why` then says so.
mlir::FailureOr<Dims> broadcastDims(mlir::MLIRContext *context, llvm::ArrayRef<mlir::AffineExpr> a,
                                    llvm::ArrayRef<mlir::AffineExpr> b,
                                    llvm::SmallVectorImpl<std::pair<mlir::AffineExpr, mlir::AffineExpr>> *checks,
                                    std::string *why);

/// "f32[s0, 4]" with the symbols' names, for messages.
std::string typeText(mlir::RankedTensorType type, mlir::ModuleOp module);

//===-- symbols
//----------------------------------------------------------------------------------------------------===//

/// Where a symbol's value comes from; the order is that of the package schema.
enum class SymbolKind { InputDim, InputValue, Derived, Data };

/// What a derived symbol computes from `operands` (affine expressions over earlier symbols).
enum class DerivedOp { Expr, Min, Max, Select, TruncDiv, Eq, Lt };

struct Symbol {
  std::string name;
  SymbolKind kind = SymbolKind::InputDim;
  unsigned input = 0, axis = 0;                    // InputDim, InputValue
  DerivedOp op = DerivedOp::Expr;                  // Derived
  llvm::SmallVector<mlir::AffineExpr, 3> operands; // Derived
  int64_t min = 0, max = INT64_MAX;                // inclusive range
  int64_t optimum = 0;                             // the size that plans favour; 0 = none given
};

/// The symbols of a module, kept in its attribute `graph.symbols`. Position = affine symbol number.
class SymbolTable {
public:
  SymbolTable() = default;
  explicit SymbolTable(mlir::ModuleOp module);
  void writeTo(mlir::ModuleOp module) const;
  mlir::AffineExpr add(mlir::MLIRContext *context, Symbol symbol);
  size_t size() const { return symbols.size(); }
  const Symbol &operator[](size_t i) const { return symbols[i]; }
  Symbol &operator[](size_t i) { return symbols[i]; }
  llvm::ArrayRef<Symbol> all() const { return symbols; }

  /// Inclusive range of an expression by interval arithmetic; saturates.
  std::pair<int64_t, int64_t> range(mlir::AffineExpr expr) const;
  /// Largest known divisor of an expression (>= 1).
  int64_t divisor(mlir::AffineExpr expr) const;
  /// The expression in the symbols' names.
  std::string text(mlir::AffineExpr expr) const;

private:
  llvm::SmallVector<Symbol> symbols;
};

} // namespace adze::graph

#endif
