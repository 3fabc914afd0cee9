// Resize, Upsample, GridSample, AffineGrid, RoiAlign.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;

void adze::registerSamplingHandlers(HandlerTable &) {}
