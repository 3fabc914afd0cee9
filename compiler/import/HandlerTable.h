// The table from (domain, operator, since-version) to import handlers.
#pragma once
#include "mlir/Support/LLVM.h"
#include <map>
#include <string>
#include <vector>

namespace adze {

class NodeContext;
/// Imports one node: reads operands and attributes from the context, builds operations, sets outputs. On a problem it
/// calls NodeContext::malformed or unsupported and returns; whatever it set is then discarded.
using Handler = void (*)(NodeContext &);

constexpr int kVariadic = 1 << 20;

struct HandlerEntry {
  int since; ///< first opset version that this handler reads
  Handler handler;
  int minInputs, maxInputs, maxOutputs;
};

class HandlerTable {
public:
  /// Registers a handler for an operator from version `since` on, until an entry with a later version.
  /// Inputs beyond minInputs may be absent; kVariadic for no upper bound.
  void add(llvm::StringRef domain, llvm::StringRef op, int since, Handler handler, int minInputs, int maxInputs,
           int maxOutputs = 1);
  /// The entry with the largest since-version <= `opset`; null when the operator is unknown or newer than `opset`
  /// (`firstVersion` then tells which version brings it).
  const HandlerEntry *find(llvm::StringRef domain, llvm::StringRef op, int64_t opset,
                           int *firstVersion = nullptr) const;
  std::vector<std::string> lines() const;

private:
  std::map<std::pair<std::string, std::string>, std::vector<HandlerEntry>> entries;
};

// One function a file under handlers/.
void registerAttentionHandlers(HandlerTable &table);
void registerGeneratedHandlers(HandlerTable &table);
void registerLossHandlers(HandlerTable &table);
void registerMathHandlers(HandlerTable &table);
void registerLogicHandlers(HandlerTable &table);
void registerConstantHandlers(HandlerTable &table);
void registerQuantizeHandlers(HandlerTable &table);
void registerRecurrentHandlers(HandlerTable &table);
void registerShapeHandlers(HandlerTable &table);
void registerMovementHandlers(HandlerTable &table);
void registerReductionHandlers(HandlerTable &table);
void registerMatmulHandlers(HandlerTable &table);
void registerConvHandlers(HandlerTable &table);
void registerPoolHandlers(HandlerTable &table);
void registerNormalizationHandlers(HandlerTable &table);
void registerDataDependentHandlers(HandlerTable &table);
void registerSignalHandlers(HandlerTable &table);
void registerSamplingHandlers(HandlerTable &table);
void registerEinsumHandlers(HandlerTable &table);
void registerScanHandlers(HandlerTable &table);
void registerSequenceHandlers(HandlerTable &table);
void registerUnfoldHandlers(HandlerTable &table);
/// All of the above.
void registerAllHandlers(HandlerTable &table);

} // namespace adze
