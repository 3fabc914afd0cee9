// The operations of the runtime's host table that the oracle knows. Private to compiler/oracle.
#ifndef ADZE_COMPILER_ORACLE_HOSTOPS_H
#define ADZE_COMPILER_ORACLE_HOSTOPS_H

#include "compiler/oracle/GraphOracle.h"
#include "dialects/graph/GraphDialect.h"

namespace adze::oracle {

struct HostResult {
  struct Content {
    mlir::Type stored;
    std::vector<char> bytes;
  };
  std::vector<Content> outputs;
  std::vector<int64_t> defined; ///< values of the op's symbols
};

/// Failure, with a diagnostic, for operations that the oracle does not have.
mlir::FailureOr<HostResult> runHostOp(graph::HostOp op, llvm::ArrayRef<const GraphTensor *> inputs);

} // namespace adze::oracle

#endif
