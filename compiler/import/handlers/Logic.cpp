// Comparisons, boolean and bitwise logic, selection.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using mlir::Value;

namespace {

template <CmpKind kind>
void compare(NodeContext &n) {
  if (n.dtype(0) != n.dtype(1))
    return n.malformed("operands have element types " + dtypeName(n.dtype(0)) + " and " + dtypeName(n.dtype(1)),
                       "cast one of them");
  n.out(0, n.compare(kind, n.value(0), n.value(1)));
}

template <typename Op>
void boolean(NodeContext &n) {
  for (unsigned i = 0; i < n.numInputs(); ++i)
    if (n.dtype(i) != DType::Bool)
      return n.malformed("operand " + llvm::Twine(i) + " is " + dtypeName(n.dtype(i)) + ", it must be bool",
                         "cast it to bool");
  n.out(0, n.binary<Op>(n.value(0), n.value(1)));
}

template <typename Op>
void bitwise(NodeContext &n) {
  for (unsigned i = 0; i < n.numInputs(); ++i)
    if (!isInteger(n.dtype(i)))
      return n.malformed("operand " + llvm::Twine(i) + " is " + dtypeName(n.dtype(i)) + ", it must be an integer",
                         "cast it");
  n.out(0, n.binary<Op>(n.value(0), n.value(1)));
}

void logicalNot(NodeContext &n) {
  bool bits = n.op() == "BitwiseNot";
  if (bits ? !isInteger(n.dtype(0)) : n.dtype(0) != DType::Bool)
    return n.malformed("the operand is " + dtypeName(n.dtype(0)), bits ? "cast it to an integer" : "cast it to bool");
  n.out(0, n.create<NotOp>(n.value(0)));
}

void where(NodeContext &n) { n.out(0, n.select(n.value(0), n.value(1), n.value(2))); }

void isNan(NodeContext &n) { n.out(0, n.create<IsNanOp>(n.value(0))); }
void isInf(NodeContext &n) {
  n.out(0, n.create<IsInfOp>(n.value(0), n.attrBool("detect_positive", true), n.attrBool("detect_negative", true)));
}

} // namespace

void adze::registerLogicHandlers(HandlerTable &t) {
  t.add("", "And", 7, boolean<AndOp>, 2, 2);
  t.add("", "BitwiseAnd", 18, bitwise<AndOp>, 2, 2);
  t.add("", "BitwiseNot", 18, logicalNot, 1, 1);
  t.add("", "BitwiseOr", 18, bitwise<OrOp>, 2, 2);
  t.add("", "BitwiseXor", 18, bitwise<XorOp>, 2, 2);
  t.add("", "Equal", 7, compare<CmpKind::eq>, 2, 2);
  t.add("", "Greater", 7, compare<CmpKind::gt>, 2, 2);
  t.add("", "GreaterOrEqual", 12, compare<CmpKind::ge>, 2, 2);
  t.add("", "IsInf", 10, isInf, 1, 1);
  t.add("", "IsNaN", 9, isNan, 1, 1);
  t.add("", "Less", 7, compare<CmpKind::lt>, 2, 2);
  t.add("", "LessOrEqual", 12, compare<CmpKind::le>, 2, 2);
  t.add("", "Not", 1, logicalNot, 1, 1);
  t.add("", "Or", 7, boolean<OrOp>, 2, 2);
  t.add("", "Where", 9, where, 3, 3);
  t.add("", "Xor", 7, boolean<XorOp>, 2, 2);
}
