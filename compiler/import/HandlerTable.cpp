#include "compiler/import/HandlerTable.h"
#include <algorithm>

using namespace adze;

void HandlerTable::add(llvm::StringRef domain, llvm::StringRef op, int since, Handler handler, int minInputs,
                       int maxInputs, int maxOutputs) {
  auto &list = entries[{domain.str(), op.str()}];
  list.push_back({since, handler, minInputs, maxInputs, maxOutputs});
  std::sort(list.begin(), list.end(), [](const auto &a, const auto &b) { return a.since < b.since; });
}

const HandlerEntry *HandlerTable::find(llvm::StringRef domain, llvm::StringRef op, int64_t opset,
                                       int *firstVersion) const {
  if (firstVersion)
    *firstVersion = 0;
  auto found = entries.find({domain.str(), op.str()});
  if (found == entries.end())
    return nullptr;
  const HandlerEntry *best = nullptr;
  for (const HandlerEntry &entry : found->second)
    if (entry.since <= opset)
      best = &entry;
  if (!best && firstVersion)
    *firstVersion = found->second.front().since;
  return best;
}

std::vector<std::string> HandlerTable::lines() const {
  std::vector<std::string> out;
  for (const auto &[key, list] : entries)
    for (const HandlerEntry &entry : list)
      out.push_back((key.first.empty() ? "ai.onnx" : key.first) + " " + key.second + " " + std::to_string(entry.since));
  return out;
}

void adze::registerAllHandlers(HandlerTable &table) {
  registerAttentionHandlers(table);
  registerGeneratedHandlers(table);
  registerLossHandlers(table);
  registerMathHandlers(table);
  registerLogicHandlers(table);
  registerConstantHandlers(table);
  registerQuantizeHandlers(table);
  registerRecurrentHandlers(table);
  registerShapeHandlers(table);
  registerMovementHandlers(table);
  registerReductionHandlers(table);
  registerMatmulHandlers(table);
  registerConvHandlers(table);
  registerPoolHandlers(table);
  registerNormalizationHandlers(table);
  registerDataDependentHandlers(table);
  registerSignalHandlers(table);
  registerSamplingHandlers(table);
  registerEinsumHandlers(table);
  registerScanHandlers(table);
  registerSequenceHandlers(table);
  registerUnfoldHandlers(table);
}
