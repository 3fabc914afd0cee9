#include "runtime/src/host/HostOps.h"

#include "runtime/src/status/Status.h"

namespace adze::rt {

namespace {
constexpr HostOp kHostOps[] = {
    // name, inputs, outputs, attrs, fattrs, defines
    {"nonzero", 1, 1, 1, 1, 0, 0, 1, false, checkNonZero, runNonZero},
    {"compress", 2, 2, 1, 1, 2, 0, 1, false, checkCompress, runCompress},
    {"unique", 1, 1, 1, 4, 4, 0, 1, false, checkUnique, runUnique},
    {"nms", 2, 5, 1, 1, 3, 2, 1, false, checkNonMaxSuppression, runNonMaxSuppression},
    {"topk", 1, 1, 2, 2, 2, 0, 0, false, checkTopK, runTopK},
    {"read_ints", 1, 1, 0, 0, 0, 0, 1, true, checkReadInts, runReadInts},
};
} // namespace

const HostOp *findHostOp(const std::string &name) {
  for (const HostOp &op : kHostOps)
    if (name == op.name)
      return &op;
  return nullptr;
}

std::string checkHostCommand(const HostCommand &command) {
  const HostOp &op = *command.op;
  if (command.inputs.size() < op.minInputs || command.inputs.size() > op.maxInputs)
    return cat("it has ", command.inputs.size(), " inputs");
  if (command.outputs.size() < op.minOutputs || command.outputs.size() > op.maxOutputs)
    return cat("it has ", command.outputs.size(), " outputs");
  if (command.attrs.size() < op.minAttrs || command.fattrs.size() < op.minFattrs)
    return "attributes are missing";
  if (command.defines.size() < op.minDefines || (command.defines.size() > op.minDefines && !op.anyDefines))
    return cat("it defines ", command.defines.size(), " symbols");
  return op.check ? op.check(command) : std::string();
}

void badOperands(const HostCall &call, const std::string &why) {
  fail(ADZE_BAD_PACKAGE, cat("host operation '", call.command->op->name, "' cannot run"), call.command->nodes, why,
       "compile the package again");
}

} // namespace adze::rt
