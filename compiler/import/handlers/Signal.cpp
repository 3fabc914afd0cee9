// DFT, STFT, MelWeightMatrix.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;

void adze::registerSignalHandlers(HandlerTable &) {}
