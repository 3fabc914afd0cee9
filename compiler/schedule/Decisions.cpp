// Attributes and small questions that the staging passes share.
#include "compiler/schedule/Staging.h"

using namespace mlir;

namespace adze::schedule {

StringRef unitOf(Operation *op) {
  auto unit = op->getAttrOfType<StringAttr>(kUnit);
  return unit ? unit.getValue() : StringRef();
}
int64_t stageOf(Operation *op) {
  auto stage = op->getAttrOfType<IntegerAttr>(kStage);
  return stage ? stage.getInt() : 0;
}
void setUnit(Operation *op, StringRef unit) { op->setAttr(kUnit, StringAttr::get(op->getContext(), unit)); }
void setStage(Operation *op, int64_t stage) { op->setAttr(kStage, Builder(op).getI64IntegerAttr(stage)); }

Operation *ownerOf(Value v) {
  while (auto result = dyn_cast<OpResult>(v)) {
    Operation *op = result.getOwner();
    if (!unitOf(op).empty())
      return op;
    if (auto loop = dyn_cast<scf::ForOp>(op))
      v = loop.getYieldedValues()[result.getResultNumber()];
    else if (auto cond = dyn_cast<scf::IfOp>(op))
      v = cond.thenYield().getOperand(result.getResultNumber());
    else
      return nullptr;
  }
  return nullptr;
}

bool isTile(Value v) { return isa<RankedTensorType>(v.getType()); }

bool isFree(Operation *op) {
  if (op->getNumRegions() || op->getNumResults() == 0 || !isMemoryEffectFree(op) || isa<tile::LoadOp>(op) ||
      isa<tile::GatherOp>(op))
    return false;
  return llvm::all_of(op->getResults(), isTile) && llvm::none_of(op->getOperands(), isTile);
}

uint64_t tileBytes(Type type) {
  auto t = dyn_cast<RankedTensorType>(type);
  return t ? (static_cast<uint64_t>(t.getNumElements()) * t.getElementTypeBitWidth() + 7) / 8 : 0;
}

RankedTensorType withRows(RankedTensorType type, int64_t rows) {
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = rows;
  return RankedTensorType::get(shape, type.getElementType());
}

int64_t loopBatch(tile::KernelOp kernel, scf::ForOp loop) {
  auto name = loop->getAttrOfType<tile::LoopAttr>(tile::kLoopAttr);
  auto schedule = kernel.getSchedule();
  if (!name || !schedule || !schedule->getLoops())
    return 1;
  auto entry = schedule->getLoops().getAs<DictionaryAttr>(name.getName());
  auto batch = entry ? entry.getAs<IntegerAttr>("batch") : IntegerAttr();
  return batch ? std::max<int64_t>(1, batch.getInt()) : 1;
}

Attribute opField(tile::KernelOp kernel, StringRef tag, StringRef field) {
  auto schedule = kernel.getSchedule();
  if (tag.empty() || !schedule || !schedule->getOps())
    return {};
  auto entry = schedule->getOps().getAs<DictionaryAttr>(tag);
  return entry ? entry.get(field) : Attribute();
}

FailureOr<Machine> machineForPass(Operation *op, StringRef path) {
  if (path.empty())
    return op->emitError("needs a machine table: give the pass option machine=FILE.json");
  llvm::Expected<Machine> machine = readMachineFile(path);
  if (!machine)
    return op->emitError(llvm::toString(machine.takeError()));
  return *machine;
}

} // namespace adze::schedule
