// form-channels: see FormChannels.td and docs/staging.md.
#ifndef ADZE_COMPILER_SCHEDULE_FORMCHANNELS_H
#define ADZE_COMPILER_SCHEDULE_FORMCHANNELS_H

#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/Pass.h"

namespace adze::schedule {
#define GEN_PASS_DECL
#include "compiler/schedule/form-channels/FormChannels.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/schedule/form-channels/FormChannels.h.inc"
} // namespace adze::schedule

#endif
