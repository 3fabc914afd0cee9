// Col2Im, MaxUnpool, DeformConv.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;

void adze::registerUnfoldHandlers(HandlerTable &) {}
