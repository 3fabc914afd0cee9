// plan-memory: see PlanMemory.td and docs/staging.md.
#ifndef ADZE_COMPILER_SCHEDULE_PLANMEMORY_H
#define ADZE_COMPILER_SCHEDULE_PLANMEMORY_H

#include "compiler/schedule/Staging.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Pass/Pass.h"

namespace adze::schedule {
#define GEN_PASS_DECL
#include "compiler/schedule/plan-memory/PlanMemory.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/schedule/plan-memory/PlanMemory.h.inc"
} // namespace adze::schedule

#endif
