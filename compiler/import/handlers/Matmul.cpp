// Matrix products.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using mlir::Value;

namespace {

/// NumPy's matmul: vectors gain a dim that the result loses again.
Value matmulOf(NodeContext &n, Value a, Value b) {
  int64_t ra = NodeContext::rankOf(a), rb = NodeContext::rankOf(b);
  if (n.failed() || !a || !b)
    return {};
  if (ra == 0 || rb == 0) {
    n.malformed("an operand is a scalar", "use Mul");
    return {};
  }
  if (ra == 1)
    a = n.unsqueeze(a, {0});
  if (rb == 1)
    b = n.unsqueeze(b, {1});
  if (!a || !b)
    return {};
  Dims da = NodeContext::dimsOf(a), db = NodeContext::dimsOf(b);
  if (!n.checkEqual(da.back(), db[db.size() - 2], "the inner dims of a matrix product must be equal") ||
      !n.broadcastDims(llvm::ArrayRef(da).drop_back(2), llvm::ArrayRef(db).drop_back(2)))
    return {};
  Value y = n.create<MatmulOp>(a, b, false, false);
  if (!y)
    return {};
  int64_t rank = NodeContext::rankOf(y);
  llvm::SmallVector<int64_t> extra;
  if (ra == 1)
    extra.push_back(rank - 2);
  if (rb == 1)
    extra.push_back(rank - 1);
  return extra.empty() ? y : n.squeeze(y, extra);
}

void matmul(NodeContext &n) { n.out(0, matmulOf(n, n.value(0), n.value(1))); }

void gemm(NodeContext &n) {
  if (n.rank(0) != 2 || n.rank(1) != 2)
    return n.malformed("A and B must be matrices, they have ranks " + llvm::Twine(n.rank(0)) + " and " +
                       llvm::Twine(n.rank(1)));
  bool ta = n.attrBool("transA", false), tb = n.attrBool("transB", false);
  double alpha = n.attrFloat("alpha", 1), beta = n.attrFloat("beta", 1);
  if (!n.checkEqual(n.dims(0)[ta ? 0 : 1], n.dims(1)[tb ? 1 : 0], "the inner dims of a matrix product must be equal"))
    return;
  Value a = n.value(0), b = n.value(1);
  Value y = n.create<MatmulOp>(a, b, ta, tb);
  if (alpha != 1)
    y = n.create<MulOp>(y, n.scalarLike(alpha, y));
  if (n.has(2) && beta != 0 && y) {
    Value c = n.value(2);
    if (beta != 1)
      c = n.create<MulOp>(c, n.scalarLike(beta, c));
    if (n.rank(2) > 2)
      return n.malformed("C has rank " + llvm::Twine(n.rank(2)) + ", at most 2 is allowed");
    y = n.binary<AddOp>(y, c);
  }
  n.out(0, y);
}

} // namespace

void adze::registerMatmulHandlers(HandlerTable &t) {
  t.add("", "Gemm", 7, gemm, 2, 3);
  t.add("", "MatMul", 1, matmul, 2, 2);
}
