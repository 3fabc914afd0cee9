// Element types of the graph dialect and of ONNX.
#pragma once
#include "compiler/support/DType.h"
#include "mlir/IR/BuiltinTypes.h"

namespace adze {
/// The graph dialect's element type; null for strings, complex and 6-bit floats, which it does not have.
mlir::Type elementType(mlir::MLIRContext *context, DType type);
/// The inverse; Undefined for types that are not element types.
DType dtypeOf(mlir::Type element);
} // namespace adze
