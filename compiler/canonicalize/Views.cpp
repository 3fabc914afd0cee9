// Views: chains of them become one, and they move to where they are in nobody's way.
#include "compiler/canonicalize/GraphCanonicalize.h"

using namespace mlir;

namespace adze {
using namespace graph;

namespace {

bool isElementwise(Operation *op) {
  auto node = dyn_cast_or_null<GraphNodeInterface>(op);
  return node && node.getFusionRole() == FusionRole::elementwise && op->getNumOperands() > 0 && !isa<BatchNormOp>(op);
}

bool sameDims(ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip_equal(a, b), [](auto pair) {
           return provablyEqual(std::get<0>(pair), std::get<1>(pair));
         });
}

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// A copy of an elementwise op with other operands and result dims.
Operation *cloneElementwise(PatternRewriter &rewriter, Operation *op, ValueRange operands, ArrayRef<AffineExpr> dims) {
  Operation *clone = rewriter.clone(*op);
  rewriter.modifyOpInPlace(clone, [&] {
    clone->setOperands(operands);
    clone->getResult(0).setType(makeTensorType(dims, elementOf(op->getResult(0))));
  });
  return clone;
}

struct JoinTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<TransposeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "no transpose of a transpose");
    SmallVector<int64_t> perm;
    for (int64_t p : op.getPerm())
      perm.push_back(inner.getPerm()[p]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getX(), perm);
    return success();
  }
};

struct JoinReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "no reshape of a reshape");
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), inner.getX());
    return success();
  }
};

/// A transpose that moves only size-1 dims keeps the order of the elements.
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    Dims dims = getDims(op.getX());
    int64_t last = -1;
    for (int64_t p : op.getPerm()) {
      if (constantOf(dims[p]) == 1)
        continue;
      if (p < last)
        return rewriter.notifyMatchFailure(op, "moves elements");
      last = p;
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

/// A transpose of the last two dims is a flag of the matrix product.
struct TransposeIntoMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  /// The operand of a transpose that swaps the last two dims and nothing else.
  static Value swapped(Value v) {
    auto op = v.getDefiningOp<TransposeOp>();
    if (!op)
      return {};
    SmallVector<int64_t> perm(op.getPerm());
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())) ? op.getX() : Value();
  }

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Value a = swapped(op.getA()), b = swapped(op.getB());
    if (!a && !b)
      return rewriter.notifyMatchFailure(op, "no operand has its last two dims swapped");
    rewriter.replaceOpWithNewOp<MatmulOp>(op, op.getType(), a ? a : op.getA(), b ? b : op.getB(),
                                          op.getTransA() != bool(a), op.getTransB() != bool(b));
    return success();
  }
};

/// f(broadcast(x), y) = f(x, y) where the result keeps its shape, and f(broadcast(x), c) = broadcast(f(x, c)) where
/// every other operand has one element.
struct MoveBroadcast : RewritePattern {
  explicit MoveBroadcast(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return rewriter.notifyMatchFailure(op, "not elementwise");
    Dims want = getDims(op->getResult(0));
    for (OpOperand &operand : op->getOpOperands()) {
      auto broadcast = operand.get().getDefiningOp<BroadcastOp>();
      if (!broadcast)
        continue;
      SmallVector<Value> operands(op->getOperands());
      operands[operand.getOperandNumber()] = broadcast.getX();
      if (operands.size() > 1 && succeeded(keepsShape(operands, want))) {
        rewriter.modifyOpInPlace(op, [&] { operand.set(broadcast.getX()); });
        return success();
      }
      if (!othersAreScalars(op, operand))
        continue;
      Operation *inner = cloneElementwise(rewriter, op, operands, getDims(broadcast.getX()));
      rewriter.replaceOpWithNewOp<BroadcastOp>(op, op->getResult(0).getType(), inner->getResult(0));
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no broadcast operand that the op can do by itself");
  }

  /// Every operand but `broadcast` has one element and no higher rank than what is broadcast.
  static bool othersAreScalars(Operation *op, OpOperand &broadcast) {
    size_t rank = getDims(broadcast.get().getDefiningOp<BroadcastOp>().getX()).size();
    return llvm::all_of(op->getOpOperands(), [&](OpOperand &other) {
      Dims dims = getDims(other.get());
      return &other == &broadcast ||
             (dims.size() <= rank && llvm::all_of(dims, [](AffineExpr d) { return constantOf(d) == 1; }));
    });
  }

  static LogicalResult keepsShape(ArrayRef<Value> operands, ArrayRef<AffineExpr> want) {
    Dims dims = getDims(operands[0]);
    for (Value v : operands.drop_front()) {
      FailureOr<Dims> next = broadcastDims(v.getContext(), dims, getDims(v), nullptr, nullptr);
      if (failed(next))
        return failure();
      dims = *next;
    }
    return success(sameDims(dims, want));
  }
};

/// For a reshape that only adds or removes size-1 dims: the dim of the result that each dim of the operand became, -1
/// for the operand's own size-1 dims. nullopt for other reshapes.
std::optional<SmallVector<int>> unitReshapeMap(ReshapeOp op) {
  Dims x = getDims(op.getX()), y = getDims(op.getY());
  SmallVector<int> map;
  size_t j = 0;
  auto skipOnes = [&] {
    while (j < y.size() && constantOf(y[j]) == 1)
      ++j;
  };
  for (AffineExpr dim : x) {
    if (constantOf(dim) == 1) {
      map.push_back(-1);
      continue;
    }
    skipOnes();
    if (j == y.size() || !provablyEqual(dim, y[j]))
      return std::nullopt;
    map.push_back(int(j++));
  }
  skipOnes();
  if (j != y.size())
    return std::nullopt;
  return map;
}

/// f(reshape(x), z) = reshape(f(x, reshape(z))) for a reshape of size-1 dims: then f can run where x is computed.
struct SinkUnitReshape : RewritePattern {
  explicit SinkUnitReshape(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  /// The reshape to move: over a computed value that nothing else reads in the reshaped form.
  static ReshapeOp candidate(Operation *op) {
    for (Value v : op->getOperands()) {
      auto reshape = v.getDefiningOp<ReshapeOp>();
      auto source = reshape ? reshape.getX().getDefiningOp<GraphNodeInterface>() : GraphNodeInterface();
      if (!source || !llvm::all_of(reshape->getUsers(), [&](Operation *user) { return user == op; }))
        continue;
      FusionRole role = source.getFusionRole();
      if ((role == FusionRole::anchor || role == FusionRole::reduction || role == FusionRole::elementwise) &&
          sameDims(getDims(reshape.getY()), getDims(op->getResult(0))) && othersFollow(op, reshape))
        return reshape;
    }
    return {};
  }

  /// True unless another operand would get a reshape that could be moved back: a computed value of the result's dims.
  static bool othersFollow(Operation *op, ReshapeOp reshape) {
    return llvm::all_of(op->getOperands(), [&](Value v) {
      if (v == reshape.getY() || !sameDims(getDims(v), getDims(reshape.getY())))
        return true;
      if (auto other = v.getDefiningOp<ReshapeOp>())
        return sameDims(getDims(other.getX()), getDims(reshape.getX()));
      return !v.getDefiningOp() || isa<WeightOp, ConstantOp>(v.getDefiningOp());
    });
  }

  /// `v`, which broadcasts to the reshape's result, under dims that broadcast to the reshape's operand.
  static Value follow(PatternRewriter &rewriter, Value v, ArrayRef<int> map, size_t rank) {
    Dims dims = getDims(v), result;
    if (llvm::all_of(dims, [](AffineExpr d) { return constantOf(d) == 1; }) && dims.size() <= map.size())
      return v;
    AffineExpr one = constantExpr(rewriter.getContext(), 1);
    size_t missing = rank - dims.size();
    for (int j : map)
      result.push_back(j < 0 || size_t(j) < missing ? one : dims[j - missing]);
    return ReshapeOp::create(rewriter, v.getLoc(), makeTensorType(result, elementOf(v)), v);
  }

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    ReshapeOp reshape = isElementwise(op) ? candidate(op) : ReshapeOp();
    std::optional<SmallVector<int>> map = reshape ? unitReshapeMap(reshape) : std::nullopt;
    if (!map)
      return rewriter.notifyMatchFailure(op, "no reshape of size-1 dims to move");
    SmallVector<Value> operands;
    for (Value v : op->getOperands())
      operands.push_back(v == reshape.getY() ? reshape.getX()
                                             : follow(rewriter, v, *map, getDims(reshape.getY()).size()));
    Operation *inner = cloneElementwise(rewriter, op, operands, getDims(reshape.getX()));
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op->getResult(0).getType(), inner->getResult(0));
    return success();
  }
};

} // namespace

void populateViewPatterns(RewritePatternSet &patterns, const Constants &) {
  patterns.add<JoinTransposes, JoinReshapes, TransposeToReshape, TransposeIntoMatmul, MoveBroadcast, SinkUnitReshape>(
      patterns.getContext());
}

} // namespace adze
