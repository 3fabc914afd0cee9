// Which layout every tile value has. Values that elementwise ops, loops and conditions tie together form a class with
// one layout; classes are taken in the order of their weight (dots first, then the largest tiles), and what reductions,
// broadcasts and transpositions tie to a class that has a layout follows from it.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/gpu/lower/Lowering.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

namespace adze::gpu {
using namespace adze::tile;

Assignment::Place Assignment::place(Value v) const {
  if (operands.count(v))
    return Place::shared;
  return layouts.count(v) ? Place::registers : Place::anywhere;
}

static bool isTile(Value v) { return isa<RankedTensorType>(v.getType()); }
static RankedTensorType tileOf(Value v) { return cast<RankedTensorType>(v.getType()); }
static bool isElementwise(Operation *op) {
  return isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && op->getNumOperands() > 0;
}

/// A reshape that only drops or adds dims of size 1.
static bool isUnitReshape(ReshapeOp op) {
  auto big = [](ArrayRef<int64_t> shape) {
    return llvm::to_vector(llvm::make_filter_range(shape, [](int64_t n) { return n != 1; }));
  };
  return big(tileOf(op.getSource()).getShape()) == big(tileOf(op.getTile()).getShape());
}

static SmallVector<unsigned> broadcastDims(BroadcastOp op) {
  SmallVector<unsigned> dims;
  for (int64_t d = 0; d < tileOf(op.getTile()).getRank(); ++d)
    if (tileOf(op.getSource()).getDimSize(d) == 1)
      dims.push_back(d);
  return dims;
}

/// Bytes of one element in memory.
static unsigned bytesOf(Type element) { return std::max(1u, scalar::bitWidth(element) / 8); }

//===-- one layout ------------------------------------------------------------------------------------------------===//

namespace {
/// What the members of a class wish for.
struct Wishes {
  SmallVector<int64_t, 5> weight; // bytes accessed, by tile dim along which memory is contiguous
  SmallVector<unsigned, 5> vec;   // elements of one access there
  SmallVector<bool, 5> reduced;   // dims along which the class is reduced
};

void note(Wishes &w, const Facts &facts, Value view, ValueRange offsets, RankedTensorType type) {
  Facts::ViewFacts vf = facts.viewFacts(view);
  int lead = cast<ViewType>(view.getType()).getRank() - type.getRank(), dim = vf.contiguous - lead;
  unsigned bytes = bytesOf(type.getElementType());
  if (vf.contiguous < 0 || dim < 0)
    return;
  w.weight[dim] += type.getNumElements() * bytes;
  unsigned v = facts.vectorAt(view, offsets, vf.contiguous, 16 / std::min(16u, bytes));
  w.vec[dim] = w.vec[dim] ? std::min(w.vec[dim], v) : v;
}

Layout choose(const Wishes &w, ArrayRef<int64_t> shape, Threads threads) {
  unsigned rank = shape.size();
  if (rank == 0)
    return replicated(shape, threads);
  int best = -1;
  for (unsigned d = 0; d < rank; ++d)
    if (w.weight[d] && shape[d] > 1 && (best < 0 || w.weight[d] > w.weight[best]))
      best = d;
  unsigned vec = best < 0 ? 1 : w.vec[best];
  if (best < 0) // nothing in memory: the last dim that has more than one element
    for (best = rank - 1; best > 0 && shape[best] == 1;)
      --best;
  int64_t elements = 1;
  for (int64_t n : shape)
    elements *= n;
  int64_t each = std::max<int64_t>(elements / threads.count(), 1);
  while (vec > 1 && (vec > each || shape[best] % vec))
    vec /= 2;
  SmallVector<unsigned> order{static_cast<unsigned>(best)}, warpOrder;
  for (unsigned d = rank; d-- > 0;)
    if (static_cast<int>(d) != best)
      order.push_back(d);
  // Rows that are reduced stay within a warp where there are rows enough.
  for (bool reduced : {false, true})
    for (unsigned d : order)
      if (w.reduced[d] == reduced)
        warpOrder.push_back(d);
  return rowBlocked(shape, threads, order, vec, warpOrder);
}

Wishes noWishes(unsigned rank) {
  Wishes w;
  w.weight.assign(rank, 0);
  w.vec.assign(rank, 0);
  w.reduced.assign(rank, false);
  return w;
}
} // namespace

Layout accessLayout(const Facts &facts, Value view, ValueRange offsets, RankedTensorType type, Threads threads) {
  Wishes w = noWishes(type.getRank());
  if (view)
    note(w, facts, view, offsets, type);
  return choose(w, type.getShape(), threads);
}

bool isCoalesced(const Layout &l, unsigned dim, unsigned bytes) {
  int64_t run = l.vectorWidth(dim, std::max(1u, 16 / bytes));
  for (const Bit &bit : l.lanes)
    if (bit.dim == static_cast<int>(dim) && bit.stride == run)
      run *= 2;
  return run * bytes >= 32 || run >= l.shape[dim];
}

//===-- classes ---------------------------------------------------------------------------------------------------===//

namespace {
class Assigner {
public:
  Assigner(KernelOp kernel, const Facts &facts, Hardware &hw, unsigned warps, const LowerOptions &options,
           Assignment &out)
      : kernel(kernel), facts(facts), hw(hw), options(options), out(out),
        threads{hw.limits.laneBits, llvm::Log2_32(warps)} {}

  LogicalResult run() {
    kernel.walk([&](Operation *op) { findAnywhere(op); });
    if (failed(chooseDots()))
      return failure();
    kernel.walk([&](Operation *op) {
      for (Value v : op->getResults())
        addValue(v);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (Value v : block.getArguments())
            addValue(v);
    });
    kernel.walk([&](Operation *op) { unifyOp(op); });
    unifyRegions();
    collect();
    assignAll();
    return check();
  }

private:
  struct Class {
    SmallVector<Value> members;
    Wishes wishes;
    std::optional<Layout> layout;
    SmallVector<std::pair<Value, Value>> sources; // broadcasts and reshapes: operand, result (a member)
    bool dot = false;
    int64_t elements = 0;
  };
  /// The layout of `to` follows from that of `from`.
  struct Link {
    Value from, to;
    std::function<std::optional<Layout>(const Layout &)> derive;
  };

  void findAnywhere(Operation *op);
  bool isAnywhere(Value v) const { return anywhere.contains(v); }
  LogicalResult chooseDots();
  void addValue(Value v) {
    if (isTile(v) && !isAnywhere(v))
      groups.insert(v);
  }
  void unify(Value a, Value b) {
    if (isTile(a) && isTile(b) && !isAnywhere(a) && !isAnywhere(b) && tileOf(a).getShape() == tileOf(b).getShape())
      groups.unionSets(a, b);
  }
  void unifyOp(Operation *op);
  void unifyRegions();
  void collect();
  void noteOp(Operation *op);
  Class *classOf(Value v) {
    auto it = leaders.find(isAnywhere(v) || !groups.contains(v) ? Value() : groups.getLeaderValue(v));
    return it == leaders.end() ? nullptr : &classes[it->second];
  }
  /// What is spread or reshaped into `to` tells how `to` would lie best, if nothing else does.
  void feed(Value from, Value to) {
    if (Class *c = classOf(to); c && classOf(from) && classOf(from) != c)
      c->sources.push_back({from, to});
  }
  Wishes wishesOf(const Class &c, unsigned depth = 0);
  void link(Value from, Value to, std::function<std::optional<Layout>(const Layout &)> derive) {
    if (classOf(from) && classOf(to) && classOf(from) != classOf(to))
      links.push_back({from, to, std::move(derive)});
  }
  std::optional<Layout> derived(Class &c);
  void assignAll();
  LogicalResult check();

  KernelOp kernel;
  const Facts &facts;
  Hardware &hw;
  const LowerOptions &options;
  Assignment &out;
  Threads threads;
  llvm::DenseSet<Value> anywhere;
  llvm::EquivalenceClasses<Value> groups;
  DenseMap<Value, unsigned> leaders;
  std::vector<Class> classes;
  std::vector<Link> links;
};

/// What costs nothing to compute where it is needed, under whatever layout.
void Assigner::findAnywhere(Operation *op) {
  if (op->getNumResults() != 1 || !isTile(op->getResult(0)))
    return;
  auto free = [&](Value v) { return !isTile(v) || isAnywhere(v); };
  bool is = isa<arith::ConstantOp, SplatOp, IotaOp, ValidOp>(op);
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    is = isUnitReshape(reshape) && free(reshape.getSource());
  else if (isa<BroadcastOp, TransposeOp>(op) || isa<arith::ArithDialect>(op->getDialect()))
    is = is || llvm::all_of(op->getOperands(), free);
  if (is)
    anywhere.insert(op->getResult(0));
}

LogicalResult Assigner::chooseDots() {
  SmallVector<DotOp> dots;
  kernel.walk([&](DotOp dot) { dots.push_back(dot); });
  for (DotOp dot : dots) {
    std::unique_ptr<DotForm> form = hw.chooseDot(dot, 1u << threads.warps);
    if (!form)
      return dot.emitError() << "no form of a matrix product on this GPU fits " << dot.getA().getType() << " times "
                             << dot.getB().getType() << " in kernel @" << kernel.getSymName() << " with "
                             << (1u << threads.warps) << " warps; choose other tile sizes or types";
    out.dots[dot] = std::move(form);
  }
  // An operand that only dots read, all of them from shared memory in the same form, lives there.
  for (DotOp dot : dots)
    for (bool isA : {true, false}) {
      Value v = isA ? dot.getA() : dot.getB();
      const DotForm::Operand &want = isA ? out.dots[dot]->a : out.dots[dot]->b;
      auto load = v.getDefiningOp<LoadOp>();
      bool all = want.shared && load && cast<ViewType>(load.getView().getType()).getEffect() == Effect::in;
      for (OpOperand &use : v.getUses()) {
        auto other = dyn_cast<DotOp>(use.getOwner());
        if (!other || use.getOperandNumber() > 1) {
          all = false;
          break;
        }
        const DotForm &form = *out.dots[other];
        const DotForm::Operand &o = use.getOperandNumber() == 0 ? form.a : form.b;
        all &= o.shared && o.swizzle == want.swizzle && o.pad == want.pad;
      }
      if (all)
        out.operands[v] = want;
    }
  return success();
}

void Assigner::unifyOp(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
      unify(arg, loop.getResult(i));
      unify(arg, loop.getInitArgs()[i]);
      unify(arg, loop.getYieldedValues()[i]);
    }
    return;
  }
  if (auto branch = dyn_cast<scf::IfOp>(op)) {
    for (auto [i, r] : llvm::enumerate(branch.getResults())) {
      unify(r, branch.thenYield().getOperand(i));
      unify(r, branch.elseYield().getOperand(i));
    }
    return;
  }
  if (auto dot = dyn_cast<DotOp>(op))
    return unify(dot.getAcc(), dot.getTile());
  bool tied = isElementwise(op) || isa<CastOp, ScanOp>(op);
  if (auto bits = dyn_cast<BitcastOp>(op))
    tied = tileOf(bits.getSource()).getShape() == tileOf(bits.getTile()).getShape();
  if (tied) {
    for (Value o : op->getOperands())
      unify(op->getResult(0), o);
  } else if (auto sort = dyn_cast<SortOp>(op)) {
    unify(sort.getKeys(), sort.getValues());
    unify(sort.getKeys(), sort.getSortedKeys());
    unify(sort.getKeys(), sort.getSortedValues());
  } else if (auto topk = dyn_cast<TopKOp>(op)) {
    unify(topk.getKeys(), topk.getValues());
    unify(topk.getTopKeys(), topk.getTopValues());
  } else if (auto arg = dyn_cast<ArgReduceOp>(op)) {
    unify(arg.getValue(), arg.getIndex());
  } else if (auto gather = dyn_cast<GatherOp>(op)) {
    if (tileOf(gather.getTile()).getRank() > 1)
      unify(gather.getTile(), gather.getIndices());
  } else if (auto store = dyn_cast<StoreOp>(op); store && store.getMask()) {
    unify(store.getTile(), store.getMask());
  }
}

void Assigner::unifyRegions() {
  Operation *end = kernel.getBody().front().getTerminator();
  if (!kernel.getFold().empty()) {
    auto args = kernel.getAccumulators(kernel.getFold());
    Operation *merged = kernel.getFold().front().getTerminator();
    for (auto [i, v] : llvm::enumerate(end->getOperands())) {
      unify(v, args[i]);
      unify(v, args[i + end->getNumOperands()]);
      unify(args[i], args[i + end->getNumOperands()]);
      unify(args[i], merged->getOperand(i));
    }
  }
  if (!kernel.getFinish().empty())
    for (auto [i, arg] : llvm::enumerate(kernel.getAccumulators(kernel.getFinish()))) {
      unify(end->getOperand(i), arg);
      if (!kernel.getFold().empty())
        unify(kernel.getAccumulators(kernel.getFold())[i], arg);
    }
}

void Assigner::noteOp(Operation *op) {
  auto access = [&](Value tile, Value view, ValueRange offsets) {
    if (Class *c = classOf(tile))
      note(c->wishes, facts, view, offsets, tileOf(tile));
  };
  auto reduces = [&](Value source, unsigned dim, ValueRange results) {
    if (Class *c = classOf(source))
      c->wishes.reduced[dim] = true;
    for (Value r : results)
      link(source, r, [dim](const Layout &l) { return std::optional(slice(l, {dim})); });
  };
  if (auto load = dyn_cast<LoadOp>(op)) {
    access(load.getTile(), load.getView(), load.getOffsets());
  } else if (auto store = dyn_cast<StoreOp>(op)) {
    access(store.getTile(), store.getView(), store.getOffsets());
  } else if (auto gather = dyn_cast<GatherOp>(op)) {
    access(gather.getTile(), gather.getView(), gather.getOffsets());
    unsigned lead = cast<ViewType>(gather.getView().getType()).getRank() - tileOf(gather.getTile()).getRank();
    unsigned dim = gather.getDim() - lead;
    if (tileOf(gather.getIndices()).getShape() != tileOf(gather.getTile()).getShape())
      link(gather.getTile(), gather.getIndices(), [dim, v = gather.getIndices()](const Layout &l) {
        SmallVector<unsigned> others;
        for (unsigned d = 0; d < l.rank(); ++d)
          if (d != dim)
            others.push_back(d);
        Layout s = slice(l, others);
        return unitsAreClean(s) ? std::optional(reshapeUnits(s, tileOf(v).getShape())) : std::nullopt;
      });
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    reduces(reduce.getSource(), reduce.getDim(), {reduce.getTile()});
  } else if (auto arg = dyn_cast<ArgReduceOp>(op)) {
    reduces(arg.getSource(), arg.getDim(), {arg.getValue(), arg.getIndex()});
  } else if (auto top = dyn_cast<TopKOp>(op)) {
    reduces(top.getKeys(), top.getDim(), {});
  } else if (auto grow = dyn_cast<BroadcastOp>(op)) {
    feed(grow.getSource(), grow.getTile());
    link(grow.getTile(), grow.getSource(),
         [dims = broadcastDims(grow)](const Layout &l) { return std::optional(slice(l, dims)); });
  } else if (auto turn = dyn_cast<TransposeOp>(op)) {
    SmallVector<int64_t> perm(turn.getPerm()), inverse(perm.size());
    for (auto [i, p] : llvm::enumerate(perm))
      inverse[p] = i;
    link(turn.getSource(), turn.getTile(), [perm](const Layout &l) { return std::optional(permute(l, perm)); });
    link(turn.getTile(), turn.getSource(), [inverse](const Layout &l) { return std::optional(permute(l, inverse)); });
  } else if (auto reshape = dyn_cast<ReshapeOp>(op); reshape && isUnitReshape(reshape)) {
    auto to = [](Value v) {
      return [v](const Layout &l) {
        return unitsAreClean(l) ? std::optional(reshapeUnits(l, tileOf(v).getShape())) : std::nullopt;
      };
    };
    feed(reshape.getSource(), reshape.getTile());
    link(reshape.getSource(), reshape.getTile(), to(reshape.getTile()));
    link(reshape.getTile(), reshape.getSource(), to(reshape.getSource()));
  }
}

void Assigner::collect() {
  // In program order, so that equal texts get equal layouts.
  auto add = [&](Value v) {
    if (!isTile(v) || isAnywhere(v) || out.operands.count(v))
      return;
    Value leader = groups.getLeaderValue(v);
    auto [it, isNew] = leaders.try_emplace(leader, classes.size());
    if (isNew) {
      classes.emplace_back();
      classes.back().wishes = noWishes(tileOf(v).getRank());
      classes.back().elements = tileOf(v).getNumElements();
    }
    classes[it->second].members.push_back(v);
  };
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Value v : op->getResults())
      add(v);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value v : block.getArguments())
          add(v);
  });
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) { noteOp(op); });
  for (auto &[op, form] : out.dots) {
    auto dot = cast<DotOp>(op);
    for (Value v : {dot.getAcc(), dot.getTile()})
      if (Class *c = classOf(v)) {
        c->dot = true;
        c->layout = form->acc;
      }
  }
}

std::optional<Layout> Assigner::derived(Class &c) {
  std::optional<Layout> best;
  for (const Link &l : links) {
    Class *from = classOf(l.from);
    if (classOf(l.to) != &c || !from->layout)
      continue;
    if (std::optional<Layout> d = l.derive(*from->layout); d && !best)
      best = d;
  }
  if (!best)
    return best;
  // What memory wishes is worth a conversion on the way, unless the tile is tiny.
  for (unsigned d = 0; d < best->rank(); ++d)
    if (c.wishes.weight[d] >= 1024 && !isCoalesced(*best, d, bytesOf(tileOf(c.members[0]).getElementType())))
      return std::nullopt;
  return best;
}

/// A class that is neither loaded nor stored wishes for what those do that it is computed from: dims other than 1
/// correspond in order.
Wishes Assigner::wishesOf(const Class &c, unsigned depth) {
  Wishes own = c.wishes;
  if (depth > 4 || llvm::any_of(own.weight, [](int64_t w) { return w != 0; }))
    return own;
  for (auto [from, to] : c.sources) {
    Wishes w = wishesOf(*classOf(from), depth + 1);
    ArrayRef<int64_t> shape = tileOf(from).getShape(), into = tileOf(to).getShape();
    bool sameRank = shape.size() == into.size();
    unsigned d = 0;
    for (unsigned s = 0; s < shape.size(); ++s) {
      if (shape[s] == 1)
        continue;
      while (!sameRank && d < into.size() && into[d] == 1)
        ++d;
      unsigned at = sameRank ? s : d++;
      own.weight[at] += w.weight[s];
      if (w.vec[s])
        own.vec[at] = own.vec[at] ? std::min(own.vec[at], w.vec[s]) : w.vec[s];
    }
  }
  return own;
}

void Assigner::assignAll() {
  // Operands that dots want in registers.
  for (Class &c : classes)
    if (!c.layout)
      for (Value v : c.members)
        for (OpOperand &use : v.getUses())
          if (auto dot = dyn_cast<DotOp>(use.getOwner()); dot && use.getOperandNumber() < 2 && !c.layout) {
            const DotForm::Operand &o = use.getOperandNumber() ? out.dots[dot]->b : out.dots[dot]->a;
            if (!o.shared && llvm::all_of(c.members, [](Value m) { return !isa<BlockArgument>(m); }) &&
                llvm::all_of(c.wishes.weight, [](int64_t w) { return w == 0; }))
              c.layout = o.layout;
          }
  auto order = llvm::to_vector(llvm::seq<unsigned>(0, classes.size()));
  llvm::stable_sort(order, [&](unsigned a, unsigned b) {
    if (classes[a].dot != classes[b].dot)
      return classes[a].dot;
    return classes[a].elements > classes[b].elements;
  });
  for (unsigned i : order) {
    Class &c = classes[i];
    if (!c.layout)
      c.layout = derived(c);
    if (!c.layout)
      c.layout = choose(wishesOf(c), tileOf(c.members[0]).getShape(), threads);
  }
  for (Class &c : classes)
    for (Value v : c.members)
      out.layouts[v] = *c.layout;
}

LogicalResult Assigner::check() {
  for (Class &c : classes) {
    unsigned regs = c.layout->registers();
    if (regs <= options.maxRegisters)
      continue;
    Value v = c.members[0];
    Operation *at = v.getDefiningOp() ? v.getDefiningOp() : v.getParentRegion()->getParentOp();
    return at->emitError() << "a tile of type " << v.getType() << " in kernel @" << kernel.getSymName() << " needs "
                           << regs << " registers in each of the block's " << threads.count() << " threads, at most "
                           << options.maxRegisters << " are given to one tile; choose smaller tiles";
  }
  return success();
}
} // namespace

LogicalResult assign(KernelOp kernel, const Facts &facts, Hardware &hw, unsigned warps, const LowerOptions &options,
                     Assignment &out) {
  return Assigner(kernel, facts, hw, warps, options, out).run();
}

void Assignment::print(KernelOp kernel) const {
  Builder b(kernel.getContext());
  kernel.walk([&](Operation *op) {
    for (Value v : op->getResults()) {
      if (auto it = layouts.find(v); it != layouts.end())
        op->setAttr("gpu.layout", b.getStringAttr(it->second.str()));
      else if (operands.count(v))
        op->setAttr("gpu.layout", b.getStringAttr("shared"));
    }
    if (auto it = dots.find(op); it != dots.end())
      op->setAttr("gpu.dot", b.getStringAttr(it->second->name));
  });
}

LogicalResult annotateLayouts(KernelOp kernel, Hardware &hw, const LowerOptions &options) {
  unsigned warps = options.warps ? options.warps : blockWarps(kernel, hw);
  Assignment assignment;
  if (failed(assign(kernel, Facts(kernel, options.bufferAlign), hw, warps, options, assignment)))
    return failure();
  assignment.print(kernel);
  kernel->setAttr("gpu.warps", Builder(kernel.getContext()).getI64IntegerAttr(warps));
  return success();
}

//===-- block size ------------------------------------------------------------------------------------------------===//

unsigned blockWarps(int64_t elements, const Limits &limits) {
  // Eight elements a thread, up to eight warps; more warps only where registers would run out.
  int64_t lanes = int64_t(1) << limits.laneBits;
  int64_t warps = llvm::PowerOf2Ceil(std::max<int64_t>((elements + lanes * 8 - 1) / (lanes * 8), 1));
  warps = std::min<int64_t>(warps, 8);
  while (warps < limits.maxWarps && elements > warps * lanes * 64)
    warps *= 2;
  return std::min<int64_t>(warps, limits.maxWarps);
}

unsigned blockWarps(KernelOp kernel, Hardware &hw) {
  if (unsigned wish = hw.preferredWarps(kernel))
    return wish;
  int64_t most = 1;
  kernel.walk([&](Operation *op) {
    for (Value v : op->getResults())
      if (isTile(v) && !isa<arith::ConstantOp, SplatOp, IotaOp>(op))
        most = std::max(most, tileOf(v).getNumElements());
  });
  return blockWarps(most, hw.limits);
}

} // namespace adze::gpu
