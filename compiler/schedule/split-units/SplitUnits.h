// split-units: see SplitUnits.td and docs/staging.md.
#ifndef ADZE_COMPILER_SCHEDULE_SPLITUNITS_H
#define ADZE_COMPILER_SCHEDULE_SPLITUNITS_H

#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/Pass.h"

namespace adze::schedule {
#define GEN_PASS_DECL
#include "compiler/schedule/split-units/SplitUnits.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/schedule/split-units/SplitUnits.h.inc"
} // namespace adze::schedule

#endif
