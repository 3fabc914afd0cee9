// assign-units: see AssignUnits.td and docs/staging.md.
#ifndef ADZE_COMPILER_SCHEDULE_ASSIGNUNITS_H
#define ADZE_COMPILER_SCHEDULE_ASSIGNUNITS_H

#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/Pass.h"

namespace adze::schedule {
#define GEN_PASS_DECL
#include "compiler/schedule/assign-units/AssignUnits.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/schedule/assign-units/AssignUnits.h.inc"
} // namespace adze::schedule

#endif
