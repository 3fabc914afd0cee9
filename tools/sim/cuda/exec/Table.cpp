// The instructions of this folder.
#include "Alu.h"

namespace adze::sim {

void registerExec(DecodeTable &table) {
  registerControl(table);
  registerInteger(table);
  registerLogic(table);
  registerFloat(table);
  registerCompare(table);
  registerMove(table);
  registerConvert(table);
  registerWarpOps(table);
  registerLoadStore(table);
}

} // namespace adze::sim
