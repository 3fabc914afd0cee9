// Every code generator of this build.
#ifndef ADZE_TARGETS_ALLTARGETS_H
#define ADZE_TARGETS_ALLTARGETS_H

#include "compiler/target/Target.h"

namespace adze {

TargetRegistry allTargets();

} // namespace adze

#endif
