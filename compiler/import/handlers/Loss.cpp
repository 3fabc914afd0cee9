// Losses over class scores x[N, C, d...] and labels[N, d...].
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"

using namespace adze;
using namespace adze::graph;
using mlir::Value;

namespace {

/// -w[label] * logp[label] an entry, with w = 0 at ignored labels; then none, sum, or mean weighted by w.
Value negativeLikelihood(NodeContext &n, Value logp, Value labels, Value weights) {
  std::string reduction = n.attrString("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    n.malformed("reduction is '" + reduction + "', allowed are none, sum and mean");
    return {};
  }
  int64_t rank = NodeContext::rankOf(logp);
  if (n.failed() || !logp || !labels)
    return {};
  if (rank < 2 || NodeContext::rankOf(labels) != rank - 1 || (weights && NodeContext::rankOf(weights) != 1)) {
    n.malformed("scores must have rank 2 or more, labels one less, and weights rank 1");
    return {};
  }
  mlir::Type element = NodeContext::elementOf(logp);
  Value weight; // an entry's; null means 1 everywhere
  if (n.hasAttr("ignore_index")) {
    Value ignored =
        n.compare(CmpKind::eq, labels, n.scalarLike(static_cast<double>(n.attrInt("ignore_index", 0)), labels));
    // An ignored label may lie outside the classes.
    labels = n.select(ignored, n.scalarLike(0, labels), labels);
    weight = n.select(ignored, n.scalar(0, element), n.scalar(1, element));
  }
  if (weights) {
    Value own = n.create<GatherOp>(n.cast(weights, element), labels, int64_t(0));
    weight = weight ? n.create<MulOp>(weight, own) : own;
  }
  Value chosen = n.squeeze(n.create<GatherElementsOp>(logp, n.unsqueeze(labels, {1}), int64_t(1)), {1});
  Value loss = n.create<NegOp>(chosen);
  if (weight)
    loss = n.binary<MulOp>(loss, weight);
  if (reduction == "none")
    return loss;
  auto total = [&](Value v, ReduceKind kind) {
    llvm::SmallVector<int64_t> axes;
    for (int64_t i = 0; i < rank - 1; ++i)
      axes.push_back(i);
    return n.squeeze(n.reduce(v, axes, kind), axes);
  };
  if (reduction == "sum")
    return total(loss, ReduceKind::sum);
  return weight ? n.create<DivOp>(total(loss, ReduceKind::sum), total(weight, ReduceKind::sum))
                : total(loss, ReduceKind::mean);
}

void nllLoss(NodeContext &n) {
  Value logp = n.value(0), labels = n.value(1), weights = n.valueOrNull(2);
  n.out(0, negativeLikelihood(n, logp, labels, weights));
}

void softmaxLoss(NodeContext &n) {
  if (n.rank(0) < 2)
    return n.malformed("scores must have rank 2 or more, they have " + llvm::Twine(n.rank(0)));
  Value logp = n.create<SoftmaxOp>(n.value(0), int64_t(1), true), labels = n.value(1), weights = n.valueOrNull(2);
  n.out(0, negativeLikelihood(n, logp, labels, weights));
  n.out(1, logp);
}

} // namespace

void adze::registerLossHandlers(HandlerTable &t) {
  t.add("", "NegativeLogLikelihoodLoss", 12, nllLoss, 2, 3);
  t.add("", "SoftmaxCrossEntropyLoss", 12, softmaxLoss, 2, 3, 2);
}
