// Einsum, Det.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;

void adze::registerEinsumHandlers(HandlerTable &) {}
