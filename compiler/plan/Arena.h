// Places buffers with symbolic sizes in one arena.
//
// Sizes are polynomials over symbols. Buffers whose sizes are multiples of one monomial (1, batch, batch*seq, ...) form
// a class; inside a class offsets are packed as plain integers (units of the monomial) and the class's base is the sum
// of the classes before it. So one plan serves every value of the symbols, and a static model is packed as tightly as
// an ordinary static planner would.
#ifndef ADZE_COMPILER_PLAN_ARENA_H
#define ADZE_COMPILER_PLAN_ARENA_H

#include "dialects/graph/GraphTypes.h"
#include <vector>

namespace adze {

/// A buffer to place: its size in bytes and the steps [first, last] during which it holds data.
struct ArenaRequest {
  mlir::AffineExpr bytes;
  int64_t first = 0, last = 0;
};

struct ArenaPlan {
  std::vector<mlir::AffineExpr> offsets; // one a request, multiples of 64 (16 for small dynamic buffers)
  mlir::AffineExpr bytes;                // size of the arena
  mlir::AffineExpr lowerBound;           // sum of the sizes that are live at the worst step (for typical sizes)
};

/// First-fit by decreasing size (and by start, whichever packs tighter), per class; sizes are never negative.
ArenaPlan planArena(mlir::MLIRContext *context, llvm::ArrayRef<ArenaRequest> requests,
                    const graph::SymbolTable &symbols);

} // namespace adze

#endif
