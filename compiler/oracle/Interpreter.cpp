#include "compiler/oracle/Interpreter.h"
#include "compiler/oracle/Frame.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/ThreadPool.h"
#include <mutex>

using namespace mlir;

namespace adze::oracle {

//===-- builder
//----------------------------------------------------------------------------------------------------===//

Place Builder::place(Value value) {
  auto [it, fresh] = places.try_emplace(value);
  if (!fresh)
    return it->second;
  Place &p = it->second;
  Type type = value.getType();
  if (auto tile = dyn_cast<RankedTensorType>(type)) {
    p.count = tile.getNumElements();
    type = tile.getElementType();
  }
  p.format = floatFormat(type);
  p.width = isa<IntegerType>(type) ? type.getIntOrFloatBitWidth() : 64;
  p.slot = counts.size();
  counts.push_back(p.count);
  return p;
}

unsigned Builder::viewNumber(Value value) {
  auto [it, fresh] = viewNumbers.try_emplace(value, viewCount);
  viewCount += fresh;
  return it->second;
}

std::unique_ptr<Frame> Builder::makeFrame() const {
  auto frame = std::make_unique<Frame>();
  for (int64_t count : counts) {
    frame->memory.push_back(std::make_unique<double[]>(count));
    frame->slots.push_back({frame->memory.back().get()});
  }
  frame->views.resize(viewCount);
  for (const Constant &k : constants) {
    if (k.place.isFloat() && k.floats.size() == 1)
      std::fill_n(frame->f(k.place.slot), k.place.count, k.floats[0]);
    else if (k.place.isFloat())
      std::copy(k.floats.begin(), k.floats.end(), frame->f(k.place.slot));
    else if (k.ints.size() == 1)
      std::fill_n(frame->i(k.place.slot), k.place.count, k.ints[0]);
    else
      std::copy(k.ints.begin(), k.ints.end(), frame->i(k.place.slot));
  }
  return frame;
}

LogicalResult Builder::buildOp(Operation &op, Steps &steps) {
  for (Value v : op.getResults()) {
    Type t = getElementTypeOrSelf(v.getType());
    if (isa<FloatType>(t) && !floatFormat(t))
      return op.emitError() << "the interpreter does not know the type " << t;
  }
  BuildContext c{*this, steps};
  bool known = buildElementwise(op, c) || buildIndexMath(op, c) || buildMemory(op, c) || buildShape(op, c) ||
               buildCast(op, c) || buildDot(op, c) || buildReduction(op, c) || buildControl(op, c) ||
               buildStaged(op, c);
  if (!known)
    return op.emitError() << "the interpreter cannot run '" << op.getName() << "': it is not an op of the kernel tier";
  return success(!c.bad);
}

LogicalResult Builder::buildBlock(Block &block, Steps &steps) {
  for (Operation &op : block.without_terminator())
    if (failed(buildOp(op, steps)))
      return failure();
  return success();
}

/// A yielded value whose memory may be exchanged with the loop argument's: computed anew in every iteration, and by an
/// op that owns its memory.
bool Builder::isSwappable(Value yielded, Block &body) const {
  Operation *def = yielded.getDefiningOp();
  if (!def || def->getBlock() != &body || isa<arith::ConstantOp>(def))
    return false;
  unsigned yields = 0;
  for (OpOperand &use : yielded.getUses())
    yields += use.getOwner() == body.getTerminator();
  return yields == 1;
}

//===-- control flow
//-----------------------------------------------------------------------------------------------===//

namespace {

bool hasViews(TypeRange types) {
  return llvm::any_of(types, [](Type t) { return isa<tile::ViewType>(t); });
}

/// Moves yielded values into the loop's arguments: all reads before any write.
struct CarryPlan {
  SmallVector<std::pair<Place, Place>> swaps, copies; ///< (argument, yielded)

  void run(Frame &frame) const {
    int64_t total = 0;
    for (auto &[to, from] : copies)
      total += from.count;
    if (copies.size() == 1) {
      Builder::copy(frame, copies[0].first, copies[0].second);
    } else if (total) {
      std::vector<double> all(total);
      int64_t at = 0;
      for (auto &[to, from] : copies) {
        std::copy_n(frame.i(from.slot), from.count, reinterpret_cast<int64_t *>(all.data()) + at);
        at += from.count;
      }
      at = 0;
      for (auto &[to, from] : copies) {
        std::copy_n(reinterpret_cast<int64_t *>(all.data()) + at, from.count, frame.i(to.slot));
        at += from.count;
      }
    }
    for (auto &[to, from] : swaps)
      std::swap(frame.slots[to.slot], frame.slots[from.slot]);
  }
};

bool buildFor(scf::ForOp loop, BuildContext &c) {
  if (hasViews(loop.getResultTypes()))
    return c.fail(*loop, "a loop cannot carry views");
  Place iv = c.place(loop.getInductionVar()), lo = c.place(loop.getLowerBound()), hi = c.place(loop.getUpperBound()),
        step = c.place(loop.getStep());
  SmallVector<std::pair<Place, Place>> initial, results;
  CarryPlan carry;
  Block &body = *loop.getBody();
  for (auto [arg, init, result, yielded] :
       llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs(), loop.getResults(), loop.getYieldedValues())) {
    initial.push_back({c.place(arg), c.place(init)});
    results.push_back({c.place(result), c.place(arg)});
    if (yielded == arg)
      continue;
    (c.builder.isSwappable(yielded, body) ? carry.swaps : carry.copies).push_back({c.place(arg), c.place(yielded)});
  }
  auto steps = std::make_shared<Steps>();
  if (failed(c.builder.buildBlock(body, *steps))) {
    c.bad = true;
    return true;
  }
  c.add([=](Frame &frame) {
    for (auto &[arg, init] : initial)
      Builder::copy(frame, arg, init);
    int64_t end = *frame.i(hi.slot), by = *frame.i(step.slot);
    if (by <= 0) {
      frame.error = "a loop has the step " + std::to_string(by);
      return;
    }
    for (int64_t k = *frame.i(lo.slot); k < end; k += by) {
      *frame.i(iv.slot) = k;
      runSteps(*steps, frame);
      if (!frame.error.empty())
        return;
      carry.run(frame);
    }
    for (auto &[result, arg] : results)
      Builder::copy(frame, result, arg);
  });
  return true;
}

bool buildIf(scf::IfOp op, BuildContext &c) {
  if (hasViews(op.getResultTypes()))
    return c.fail(*op, "a condition cannot give views");
  struct Branch {
    Steps steps;
    SmallVector<std::pair<Place, Place>> results;
  };
  auto branches = std::make_shared<std::array<Branch, 2>>();
  for (auto [n, region] : llvm::enumerate(op->getRegions())) {
    if (region.empty())
      continue;
    Branch &branch = (*branches)[n];
    if (failed(c.builder.buildBlock(region.front(), branch.steps))) {
      c.bad = true;
      return true;
    }
    for (auto [result, yielded] : llvm::zip(op.getResults(), region.front().getTerminator()->getOperands()))
      branch.results.push_back({c.place(result), c.place(yielded)});
  }
  Place condition = c.place(op.getCondition());
  c.add([=](Frame &frame) {
    const Branch &branch = (*branches)[*frame.i(condition.slot) ? 0 : 1];
    runSteps(branch.steps, frame);
    for (auto &[result, yielded] : branch.results)
      Builder::copy(frame, result, yielded);
  });
  return true;
}

} // namespace

bool buildControl(Operation &op, BuildContext &c) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return buildFor(loop, c);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return buildIf(branch, c);
  return false;
}

//===-- kernels
//----------------------------------------------------------------------------------------------------===//

namespace {

/// A compiled region: where its arguments go, its steps, and what it yields.
struct RegionProgram {
  SmallVector<Place> dims, scalars, offsets, accumulators, yields;
  Steps steps;
};

/// The grid of one run.
struct Grid {
  SmallVector<int64_t> counts, steps; ///< programs and element step of each dim
  std::optional<size_t> split;

  int64_t outputs() const {
    int64_t n = 1;
    for (auto [d, count] : llvm::enumerate(counts))
      if (d != split)
        n *= count;
    return n;
  }
  int64_t shares() const { return split ? counts[*split] : 1; }
  /// Offsets of output program `n`; the split dim's is left at 0.
  SmallVector<int64_t> offsets(int64_t n) const {
    SmallVector<int64_t> result(counts.size(), 0);
    for (size_t d = counts.size(); d-- > 0;) {
      if (d == split)
        continue;
      result[d] = n % counts[d] * steps[d];
      n /= counts[d];
    }
    return result;
  }
};

} // namespace

struct KernelProgram::Impl {
  tile::KernelOp kernel;
  Builder builder;
  RegionProgram body, fold, finish;
  std::optional<size_t> split;
  bool hasFold = false, hasFinish = false, serial = false;
  std::vector<Buffer> buffers;

  Impl(tile::KernelOp kernel, Mode mode) : kernel(kernel), builder(mode) {}

  LogicalResult buildRegion(Region &region, RegionProgram &program);
  LogicalResult bind(ArrayRef<HostBuffer> refs, const InterpreterOptions &options);
  FailureOr<Grid> grid(SmallVectorImpl<int64_t> &dims, const InterpreterOptions &options);
  void enter(const RegionProgram &program, Frame &frame, ArrayRef<int64_t> offsets, bool withSplit) const;
  void runOutput(Frame &frame, const Grid &grid, int64_t number) const;
  LogicalResult runAll(const Grid &grid, ArrayRef<int64_t> dims, ArrayRef<double> scalars,
                       const InterpreterOptions &options);
  LogicalResult checkUnwritten();
};

LogicalResult KernelProgram::Impl::buildRegion(Region &region, RegionProgram &program) {
  for (Value v : kernel.getDimArgs(region))
    program.dims.push_back(builder.place(v));
  unsigned ref = 0;
  for (Value v : kernel.getArgs(region)) {
    if (isa<tile::RefType>(v.getType()))
      builder.refNumbers[v] = ref++;
    else
      program.scalars.push_back(builder.place(v));
  }
  for (Value v : kernel.getOffsets(region))
    program.offsets.push_back(builder.place(v));
  for (Value v : kernel.getAccumulators(region))
    program.accumulators.push_back(builder.place(v));
  if (failed(builder.buildBlock(region.front(), program.steps)))
    return failure();
  for (Value v : region.front().getTerminator()->getOperands())
    program.yields.push_back(builder.place(v));
  return success();
}

FailureOr<std::unique_ptr<KernelProgram>> KernelProgram::create(tile::KernelOp kernel, Mode mode) {
  auto impl = std::make_unique<Impl>(kernel, mode);
  impl->hasFold = !kernel.getFold().empty();
  impl->split = kernel.getSplit();
  impl->hasFinish = !kernel.getFinish().empty();
  // The processes of a staged kernel have one set of channels.
  impl->serial = kernel->walk([](tile::ProcessOp) { return WalkResult::interrupt(); }).wasInterrupted();
  kernel->walk([&](tile::ScatterOp scatter) {
    // Combining reads and writes one element: the host's threads would race.
    impl->serial |= scatter.getCombine() != tile::CombineKind::set && scatter.getCombine() != tile::CombineKind::unique;
  });
  if (failed(impl->buildRegion(kernel.getBody(), impl->body)) ||
      (impl->hasFold && failed(impl->buildRegion(kernel.getFold(), impl->fold))) ||
      (impl->hasFinish && failed(impl->buildRegion(kernel.getFinish(), impl->finish))))
    return failure();
  return std::unique_ptr<KernelProgram>(new KernelProgram(std::move(impl)));
}

KernelProgram::KernelProgram(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
KernelProgram::~KernelProgram() = default;

LogicalResult KernelProgram::Impl::bind(ArrayRef<HostBuffer> refs, const InterpreterOptions &options) {
  if (refs.size() != kernel.getNumRefs())
    return kernel.emitError() << "the interpreter got " << refs.size() << " buffers for " << kernel.getNumRefs()
                              << " ref arguments";
  buffers.clear();
  buffers.resize(refs.size());
  for (auto [n, host] : llvm::enumerate(refs)) {
    auto ref = cast<tile::RefType>(cast<TypeAttr>(kernel.getArgTypes()[n]).getValue());
    auto expected = Storage::of(ref.getElementType()), given = Storage::of(host.element);
    if (!expected || !given)
      return kernel.emitError() << "the interpreter cannot store " << (expected ? host.element : ref.getElementType());
    bool wide = expected->isFloat() && given->isFloat() && given->format->isDouble();
    bool same = expected->format == given->format && expected->bits == given->bits;
    if (!same && !wide)
      return kernel.emitError() << "buffer " << n << " holds " << host.element << ", the kernel's argument "
                                << ref.getElementType();
    Buffer &buffer = buffers[n];
    buffer.data = static_cast<char *>(host.data);
    buffer.storage = *given;
    buffer.effect = ref.getEffect();
    buffer.elements = static_cast<int64_t>(host.bytes / given->bytes());
    if ((options.checkRaces || options.checkUnwritten) && ref.getEffect() != tile::Effect::in) {
      buffer.owners = std::make_unique<std::atomic<uint32_t>[]>(buffer.elements);
      for (int64_t i = 0; i < buffer.elements; ++i)
        buffer.owners[i].store(0, std::memory_order_relaxed);
    }
  }
  return success();
}

FailureOr<Grid> KernelProgram::Impl::grid(SmallVectorImpl<int64_t> &dims, const InterpreterOptions &options) {
  if (dims.size() != kernel.getNumDims())
    return kernel.emitError() << "the interpreter got " << dims.size() << " dims for " << kernel.getNumDims();
  Grid grid;
  AffineMap map = kernel.getGridExtents();
  grid.split = kernel.getSplit();
  if (auto split = kernel.getSplit()) {
    if (options.splitCount) {
      auto dim = dyn_cast<AffineDimExpr>(map.getResult(*split));
      if (!dim)
        return kernel.emitError("the split count is fixed by the kernel and cannot be chosen for a run");
      dims[dim.getPosition()] = options.splitCount;
    }
  }
  SmallVector<Attribute> constants;
  Type index = IndexType::get(kernel.getContext());
  for (int64_t d : dims)
    constants.push_back(IntegerAttr::get(index, d));
  SmallVector<Attribute> extents;
  if (failed(map.constantFold(constants, extents)))
    return kernel.emitError("grid_extents divides by zero for these dims");
  for (auto [e, step] : llvm::zip(extents, kernel.getGridSteps())) {
    int64_t extent = cast<IntegerAttr>(e).getInt();
    grid.counts.push_back(extent <= 0 ? 0 : (extent + step - 1) / step);
    grid.steps.push_back(step);
  }
  if (grid.split && grid.counts[*grid.split] < 1)
    return kernel.emitError("the split dim needs at least one share");
  return grid;
}

void KernelProgram::Impl::enter(const RegionProgram &program, Frame &frame, ArrayRef<int64_t> offsets,
                                bool withSplit) const {
  size_t at = 0;
  for (auto [d, offset] : llvm::enumerate(offsets))
    if (withSplit || d != split)
      *frame.i(program.offsets[at++].slot) = offset;
}

/// One program of the output: every share's body in order, folded from the left, then finish.
void KernelProgram::Impl::runOutput(Frame &frame, const Grid &grid, int64_t number) const {
  SmallVector<int64_t> offsets = grid.offsets(number);
  frame.program = static_cast<uint32_t>(number);
  const SmallVector<Place> *merged = &body.yields;
  for (int64_t share = 0; share < grid.shares(); ++share) {
    if (grid.split)
      offsets[*grid.split] = share;
    enter(body, frame, offsets, true);
    runSteps(body.steps, frame);
    if (!frame.error.empty())
      return;
    if (!hasFold)
      break;
    size_t n = body.yields.size();
    if (share > 0) {
      // The left tuple was put in place after the share before.
      for (size_t a = 0; a < n; ++a)
        Builder::copy(frame, fold.accumulators[n + a], body.yields[a]);
      enter(fold, frame, offsets, false);
      runSteps(fold.steps, frame);
      if (!frame.error.empty())
        return;
      merged = &fold.yields;
    }
    if (share + 1 < grid.shares()) {
      CarryPlan carry;
      for (size_t a = 0; a < n; ++a)
        carry.copies.push_back({fold.accumulators[a], (*merged)[a]});
      carry.run(frame);
    }
  }
  if (!hasFinish)
    return;
  for (auto [to, from] : llvm::zip(finish.accumulators, *merged))
    Builder::copy(frame, to, from);
  enter(finish, frame, offsets, false);
  runSteps(finish.steps, frame);
}

LogicalResult KernelProgram::Impl::runAll(const Grid &grid, ArrayRef<int64_t> dims, ArrayRef<double> scalars,
                                          const InterpreterOptions &options) {
  int64_t total = grid.outputs();
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::pair<int64_t, std::string> first{total,
                                        ""}; // the lowest failing program, so that messages do not depend on time
  auto work = [&] {
    std::unique_ptr<Frame> frame = builder.makeFrame();
    frame->buffers = &buffers;
    frame->checkRaces = options.checkRaces;
    frame->unitOrderSeed = options.unitOrderSeed;
    for (const RegionProgram *program : {&body, &fold, &finish}) {
      for (auto [p, v] : llvm::zip(program->dims, dims))
        *frame->i(p.slot) = v;
      for (auto [p, v] : llvm::zip(program->scalars, scalars)) {
        if (p.isFloat())
          *frame->f(p.slot) = v;
        else
          *frame->i(p.slot) = static_cast<int64_t>(v);
      }
    }
    for (int64_t n = next++; n < total && !stop; n = next++) {
      runOutput(*frame, grid, n);
      if (frame->error.empty())
        continue;
      std::lock_guard<std::mutex> lock(mutex);
      stop = true;
      if (n < first.first)
        first = {n, frame->error};
      return;
    }
  };
  unsigned threads = serial ? 1 : std::min<int64_t>(std::max(options.threads, 1u), total);
  if (threads <= 1) {
    work();
  } else {
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
    for (unsigned t = 0; t < threads; ++t)
      pool.async(work);
    pool.wait();
  }
  if (first.second.empty())
    return success();
  return kernel.emitError() << "kernel @" << kernel.getSymName() << ", program " << first.first << ": " << first.second;
}

LogicalResult KernelProgram::Impl::checkUnwritten() {
  for (auto [n, buffer] : llvm::enumerate(buffers)) {
    if (buffer.effect != tile::Effect::out || !buffer.owners)
      continue;
    for (int64_t i = 0; i < buffer.elements; ++i)
      if (!buffer.owners[i].load(std::memory_order_relaxed))
        return kernel.emitError() << "kernel @" << kernel.getSymName() << " left element " << i << " of argument " << n
                                  << " unwritten";
  }
  return success();
}

LogicalResult KernelProgram::run(ArrayRef<int64_t> dims, ArrayRef<HostBuffer> refs, ArrayRef<double> scalars,
                                 const InterpreterOptions &options) {
  SmallVector<int64_t> values(dims);
  if (failed(impl->bind(refs, options)))
    return failure();
  if (scalars.size() != impl->kernel.getNumArgs() - impl->kernel.getNumRefs())
    return impl->kernel.emitError() << "the interpreter got " << scalars.size() << " scalars";
  FailureOr<Grid> grid = impl->grid(values, options);
  if (failed(grid))
    return failure();
  if (grid->outputs() > 0 && failed(impl->runAll(*grid, values, scalars, options)))
    return failure();
  return options.checkUnwritten ? impl->checkUnwritten() : success();
}

LogicalResult runKernel(tile::KernelOp kernel, ArrayRef<int64_t> dims, ArrayRef<HostBuffer> refs,
                        ArrayRef<double> scalars, const InterpreterOptions &options) {
  auto program = KernelProgram::create(kernel, options.mode);
  return failed(program) ? failure() : (*program)->run(dims, refs, scalars, options);
}

} // namespace adze::oracle
