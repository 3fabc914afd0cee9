#include "dialects/exec/ExecDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/exec/ExecDialect.cpp.inc"
#include "dialects/exec/ExecEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/exec/ExecAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/exec/ExecTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/exec/ExecOps.cpp.inc"

using namespace mlir;

namespace adze::exec {

void ExecDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/exec/ExecAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/exec/ExecTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/exec/ExecOps.cpp.inc"
      >();
}

/// An expression attribute: over symbols only, with the number of results that its place asks for (-1: any).
static LogicalResult verifyExprs(Operation *op, StringRef what, AffineMap map, int results) {
  if (map.getNumDims() != 0)
    return op->emitOpError() << what << " may use symbols only, it has " << map.getNumDims() << " dims";
  if (results >= 0 && map.getNumResults() != unsigned(results))
    return op->emitOpError() << what << " has " << map.getNumResults() << " expressions, expected " << results;
  return success();
}

LogicalResult LaunchOp::verify() {
  if (auto aliases = getAliases())
    if (aliases->size() != getNumResults())
      return emitOpError() << "has " << getNumResults() << " results and " << aliases->size() << " entries in aliases";
  return verifyExprs(*this, "dims", getDims(), -1);
}
LogicalResult ProgramOp::verify() { return verifyExprs(*this, "arena", getArena(), 1); }
LogicalResult BufferOp::verify() {
  if ((getKind() == BufferKind::arena) != getOffset().has_value())
    return emitOpError() << "an arena buffer has an offset, no other has one";
  if (getOffset() && failed(verifyExprs(*this, "offset", *getOffset(), 1)))
    return failure();
  return verifyExprs(*this, "bytes", getBytes(), 1);
}
LogicalResult DispatchOp::verify() {
  if (getGrid().getNumResults() < 1 || getGrid().getNumResults() > 3)
    return emitOpError() << "grid has " << getGrid().getNumResults() << " expressions, expected 1 to 3";
  return failure(failed(verifyExprs(*this, "scalars", getScalars(), -1)) ||
                 failed(verifyExprs(*this, "grid", getGrid(), -1)));
}
LogicalResult CopyOp::verify() { return verifyExprs(*this, "bytes", getBytes(), 1); }
LogicalResult FillOp::verify() {
  int64_t n = getPatternBytes();
  if (n != 1 && n != 2 && n != 4 && n != 8)
    return emitOpError() << "a fill pattern has 1, 2, 4 or 8 bytes, got " << n;
  return verifyExprs(*this, "bytes", getBytes(), 1);
}
LogicalResult StoreExprsOp::verify() {
  if (!isa<IntegerType>(getType()))
    return emitOpError() << "stores integers, not " << getType();
  return verifyExprs(*this, "exprs", getExprs(), -1);
}
LogicalResult HostOp::verify() {
  if (getTypes().size() != getInputs().size() + getOutputs().size())
    return emitOpError() << "has " << getInputs().size() + getOutputs().size() << " buffers and " << getTypes().size()
                         << " types";
  return success();
}
LogicalResult IfOp::verify() { return success(); }
LogicalResult LoopOp::verify() { return verifyExprs(*this, "trip", getTrip(), 1); }

} // namespace adze::exec
