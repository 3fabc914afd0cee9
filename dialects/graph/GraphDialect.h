// The model tier's dialect: see GraphOps.td and README.md.
#ifndef ADZE_DIALECTS_GRAPH_GRAPHDIALECT_H
#define ADZE_DIALECTS_GRAPH_GRAPHDIALECT_H

#include "dialects/graph/GraphTypes.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"

#include "dialects/graph/GraphEnums.h.inc"

#include "dialects/graph/GraphDialect.h.inc"
#include "dialects/graph/GraphInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/graph/GraphAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/GraphOps.h.inc"

namespace adze::graph {
/// Name of the function that holds the model, and of the attributes of its arguments and results.
inline constexpr llvm::StringLiteral kMainFunction = "main";
inline constexpr llvm::StringLiteral kNameAttr = "graph.name";          // argument, result: the model's own name
inline constexpr llvm::StringLiteral kSymbolsAttr = "graph.symbols";    // module
inline constexpr llvm::StringLiteral kDimNamesAttr = "graph.dim_names"; // argument, result: array of strings

/// True for the unsigned integer element types (uiN); signless iN is signed in this tier.
bool isUnsigned(mlir::Type element);
} // namespace adze::graph

#endif
