// The kernel tier's dialect: see TileOps.td and README.md.
#ifndef ADZE_DIALECTS_TILE_TILEDIALECT_H
#define ADZE_DIALECTS_TILE_TILEDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/tile/TileEnums.h.inc"

#include "dialects/tile/TileDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/tile/TileAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/tile/TileTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/tile/TileOps.h.inc"

namespace adze::tile {
/// Attribute of an scf.for that carries its #tile.loop.
inline constexpr llvm::StringLiteral kLoopAttr = "tile.loop";
/// Most dims a tile may have.
inline constexpr int64_t kMaxTileRank = 5;
/// Physical extents of a packed view whose logical extents are `extents` (static; kDynamic stays dynamic).
llvm::SmallVector<int64_t> packedExtents(PackAttr pack, llvm::ArrayRef<int64_t> extents);
} // namespace adze::tile

#endif
