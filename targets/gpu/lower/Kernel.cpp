// The function of a kernel: its arguments, the program's offsets, regions and control flow, uniform scalars.
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/gpu/lower/Lowering.h"
#include "llvm/ADT/TypeSwitch.h"

namespace adze::gpu {
using namespace adze::tile;

namespace {
constexpr const char *kSharedName = "adze_shared";
} // namespace

void Lowering::Scope::close() {
  if (l.shared.pendingSince(before))
    l.barrier();
}

FailureOr<LoweredKernel> lowerKernel(KernelOp kernel, ModuleOp dest, Hardware &hardware, const LowerOptions &options) {
  return Lowering(kernel, dest, hardware, options).run();
}

Lowering::Lowering(KernelOp kernel, ModuleOp dest, Hardware &hardware, const LowerOptions &options)
    : kernel(kernel), dest(dest), hw(hardware), options(options), b(kernel.getLoc(), kernel.getContext()),
      facts(kernel, options.bufferAlign) {
  i1 = b.getI1Type();
  i8 = b.getI8Type();
  i16 = b.getI16Type();
  i32 = b.getI32Type();
  i64 = b.getI64Type();
  f32 = b.getF32Type();
  f64 = b.getF64Type();
  index = b.getIndexType();
  math = std::make_unique<scalar::Arithmetic>(
      b, [this](Operation *op, const Twine &why) { (void)unsupported(op, why); }, hw.arithmetic());
}

LogicalResult Lowering::unsupported(Operation *op, const Twine &why) {
  if (failedOnce)
    return failure();
  failedOnce = true;
  return op->emitError() << "the GPU lowering cannot lower '" << op->getName() << "' in kernel @" << kernel.getSymName()
                         << ": " << why << "; choose another form of the kernel or smaller tiles";
}

//===-- small helpers ---------------------------------------------------------------------------------------------===//

Value Lowering::cst(int64_t v) {
  Value &slot = constants[v];
  if (!slot) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    slot = arith::ConstantIndexOp::create(b, v);
  }
  return slot;
}

Value Lowering::c32(int64_t v) {
  Value &slot = constants32[v];
  if (!slot) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    slot = arith::ConstantIntOp::create(b, i32, v);
  }
  return slot;
}

static Value constantLike(Lowering &l, Value like, int64_t v) {
  if (like.getType().isIndex())
    return l.cst(v);
  return like.getType().isInteger(32) ? l.c32(v) : Value(arith::ConstantIntOp::create(l.b, like.getType(), v));
}

Value Lowering::add(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return constantLike(*this, a, *x + *y);
  if (x && *x == 0)
    return c;
  if (y && *y == 0)
    return a;
  return arith::AddIOp::create(b, a, c);
}

Value Lowering::sub(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return constantLike(*this, a, *x - *y);
  if (y && *y == 0)
    return a;
  return arith::SubIOp::create(b, a, c);
}

Value Lowering::mul(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return constantLike(*this, a, *x * *y);
  if ((x && *x == 0) || (y && *y == 0))
    return constantLike(*this, a, 0);
  if (x && *x == 1)
    return c;
  if (y && *y == 1)
    return a;
  return arith::MulIOp::create(b, a, c);
}

Value Lowering::toIndex(Value v) {
  if (v.getType().isIndex())
    return v;
  if (auto c = getConstantIntValue(v))
    return cst(*c);
  return arith::IndexCastOp::create(b, index, v);
}

Value Lowering::to64(Value v) {
  if (v.getType().isInteger(64))
    return v;
  if (v.getType().isIndex())
    return arith::IndexCastOp::create(b, i64, v);
  return arith::ExtSIOp::create(b, i64, v);
}

Value Lowering::gep(Type stored, Value base, Value at) {
  if (auto c = getConstantIntValue(at)) {
    if (*c == 0)
      return base;
    if (*c > INT32_MIN && *c < INT32_MAX)
      return LLVM::GEPOp::create(b, base.getType(), stored, base, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(*c)});
  }
  // 32-bit pointers take 32-bit offsets.
  bool isShared = cast<LLVM::LLVMPointerType>(base.getType()).getAddressSpace() == hw.limits.sharedSpace;
  Value offset = isShared && at.getType().isInteger(32) ? at : to64(at);
  return LLVM::GEPOp::create(b, base.getType(), stored, base, ValueRange{offset});
}

Value Lowering::both(Value a, Value c) {
  if (!a || !c)
    return a ? a : c;
  return arith::AndIOp::create(b, a, c);
}

Value Lowering::guarded(Value ok, Type type, llvm::function_ref<Value()> inside, llvm::function_ref<Value()> outside) {
  if (!ok)
    return inside();
  auto op = scf::IfOp::create(b, TypeRange{type}, ok, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(op.thenBlock());
  scf::YieldOp::create(b, inside());
  b.setInsertionPointToEnd(op.elseBlock());
  scf::YieldOp::create(b, outside());
  return op.getResult(0);
}

void Lowering::barrier() {
  hw.barrier(b, group);
  ++barriers;
  shared.barrier();
  dirtyRefs.clear();
}

//===-- the function ----------------------------------------------------------------------------------------------===//

/// The scalar argument of type `t` in the low bits of a 64-bit word, as a register.
static Value fromWord(Lowering &l, Value word, Type t) {
  ImplicitLocOpBuilder &b = l.b;
  if (t.isIndex())
    return arith::IndexCastOp::create(b, t, word);
  Type stored = l.math->storageType(t);
  Type bits = b.getIntegerType(stored.getIntOrFloatBitWidth());
  Value v = bits == word.getType() ? word : Value(arith::TruncIOp::create(b, bits, word));
  if (bits != stored)
    v = arith::BitcastOp::create(b, stored, v);
  return l.math->fromStorage(v, t);
}

/// The function with its parameters; binds dims and arguments in every region.
void Lowering::emitEntry() {
  Type global = LLVM::LLVMPointerType::get(b.getContext(), hw.limits.globalSpace);
  SmallVector<Type> params;
  for (Attribute a : kernel.getArgTypes())
    if (isa<RefType>(cast<TypeAttr>(a).getValue()))
      params.push_back(global);
  unsigned words = kernel.getNumDims() + kernel.getNumArgs() - params.size();
  bool split = sharesOf(kernel).has_value();
  if (split)
    params.append(2, global);
  params.append(words, i64);
  unsigned refs = params.size() - words, next = 0, word = refs;
  b.setInsertionPointToEnd(dest.getBody());
  func = LLVM::LLVMFuncOp::create(b, kernel.getSymName(),
                                  LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), params));
  entry = func.addEntryBlock(b);
  b.setInsertionPointToEnd(entry);
  auto ret = LLVM::ReturnOp::create(b, ValueRange());
  b.setInsertionPoint(ret);
  SmallVector<Value> dims, args;
  for (unsigned i = 0; i < kernel.getNumDims(); ++i)
    dims.push_back(arith::IndexCastOp::create(b, index, entry->getArgument(word++)));
  for (Attribute a : kernel.getArgTypes()) {
    Type t = cast<TypeAttr>(a).getValue();
    auto ref = dyn_cast<RefType>(t);
    if (!ref) {
      args.push_back(fromWord(*this, entry->getArgument(word++), t));
      continue;
    }
    func.setArgAttr(next, "llvm.noalias", b.getUnitAttr());
    if (ref.getEffect() == Effect::in)
      func.setArgAttr(next, "llvm.readonly", b.getUnitAttr());
    args.push_back(entry->getArgument(next++));
  }
  if (split) {
    workspace = entry->getArgument(next++);
    counters = entry->getArgument(next++);
  }
  if (auto shared = kernel->getAttrOfType<DenseI64ArrayAttr>("tile.in_place")) {
    unsigned results = shared.size(), first = kernel.getNumRefs() - results;
    for (unsigned r = 0; r < results; ++r)
      if (int64_t in = shared[r]; in >= 0) {
        for (unsigned argument : {unsigned(in), first + r})
          func.removeArgAttr(argument, "llvm.noalias");
        inPlace[args[first + r]] = args[in];
      }
  }
  for (Region &region : kernel->getRegions()) {
    if (region.empty())
      continue;
    for (auto [arg, v] : llvm::zip(kernel.getDimArgs(region), dims))
      scalars.map(arg, v);
    for (auto [arg, v] : llvm::zip(kernel.getArgs(region), args))
      scalars.map(arg, v);
  }
  Value thread = hw.threadInBlock(b);
  group.lane = arith::AndIOp::create(b, thread, c32((1 << hw.limits.laneBits) - 1));
  group.warp = arith::ShRUIOp::create(b, thread, c32(hw.limits.laneBits));
}

/// inout buffers that the kernel both reads and writes: accesses of different threads need a barrier in between.
static llvm::DenseSet<Value> readAndWritten(Lowering &l) {
  llvm::DenseSet<Value> read, written, mixed;
  auto refOf = [&](Value view) { return l.map(l.facts.viewFacts(view).ref); };
  l.kernel.walk([&](Operation *op) {
    if (auto o = dyn_cast<LoadOp>(op))
      read.insert(refOf(o.getView()));
    else if (auto o = dyn_cast<LoadScalarOp>(op))
      read.insert(refOf(o.getView()));
    else if (auto o = dyn_cast<GatherOp>(op))
      read.insert(refOf(o.getView()));
    else if (auto o = dyn_cast<StoreOp>(op))
      written.insert(refOf(o.getView()));
    else if (auto o = dyn_cast<ScatterOp>(op))
      written.insert(refOf(o.getView()));
  });
  for (Value v : read)
    if (written.contains(v))
      mixed.insert(v);
  return mixed;
}

void Lowering::syncRef(Value ref) {
  if (Value in = inPlace.lookup(ref))
    ref = in;
  if (!mixedRefs.contains(ref))
    return;
  if (dirtyRefs.contains(ref))
    barrier();
  dirtyRefs.insert(ref);
}

FailureOr<LoweredKernel> Lowering::run() {
  group.warps = options.warps ? options.warps : blockWarps(kernel, hw);
  if (failed(assign(kernel, facts, hw, group.warps, options, assignment)))
    return failure();
  emitEntry();
  mixedRefs = readAndWritten(*this);
  // Several threads may read an element that one of them writes: equal elements have replicas.
  for (auto [out, in] : inPlace)
    mixedRefs.insert(in);
  auto fail = [&]() -> LogicalResult {
    func.erase();
    return failure();
  };
  // Program p in row-major order, the last grid dim fastest, without a split dim; the shares of a program are blocks
  // that follow each other. There are fewer than 2^31 blocks, so 32 bits do for the numbers.
  SmallVector<Value> dims;
  for (Value v : kernel.getDimArgs(kernel.getBody()))
    dims.push_back(map(v));
  auto extents = affine::expandAffineMap(b, b.getLoc(), kernel.getGridExtents(), dims);
  unsigned rank = kernel.getGridRank();
  auto isSplit = [&](unsigned g) { return kernel.getSplit() && int64_t(*kernel.getSplit()) == int64_t(g); };
  SmallVector<Value> offsets(rank);
  Value rest = hw.block(b);
  Shares shares;
  if (sharesOf(kernel)) {
    shares.count = (*extents)[*kernel.getSplit()];
    if (!getConstantIntValue(shares.count))
      shares.count = arith::MaxSIOp::create(b, shares.count, cst(1));
    Value n = arith::IndexCastOp::create(b, i32, shares.count);
    shares.share = arith::RemUIOp::create(b, rest, n);
    rest = shares.program = arith::DivUIOp::create(b, rest, n);
  }
  unsigned first = 0;
  while (first < rank && isSplit(first))
    ++first;
  for (unsigned g = rank; g-- > 0;) {
    int64_t step = kernel.getGridSteps()[g];
    Value count = (*extents)[g];
    if (auto c = getConstantIntValue(count))
      count = cst((*c + step - 1) / step);
    else if (step != 1)
      count = arith::CeilDivSIOp::create(b, count, cst(step));
    if (isSplit(g)) {
      offsets[g] = cst(0); // of the only share
      continue;
    }
    Value at = rest;
    if (g != first) {
      Value n = arith::IndexCastOp::create(b, i32, count);
      at = arith::RemUIOp::create(b, rest, n);
      rest = arith::DivUIOp::create(b, rest, n);
    }
    offsets[g] = mul(toIndex(at), cst(step));
    if (auto c = getConstantIntValue(count); c && *c == 1)
      offsets[g] = cst(0);
  }
  if (failed(shares.count ? runSplit(offsets, shares) : runBody(offsets)) || failedOnce)
    return fail();
  unsigned ops = 0;
  func.walk([&](Operation *) { ++ops; });
  if (ops > options.maxInstructions) {
    (void)unsupported(kernel,
                      "its code has " + Twine(ops) + " operations, more than " + Twine(options.maxInstructions));
    return fail();
  }
  LoweredKernel out;
  out.symbol = kernel.getSymName().str();
  out.sharedBytes = shared.total();
  out.threads = group.warps << hw.limits.laneBits;
  out.barriers = barriers;
  out.shares = shareCode();
  out.partialBytes = partialBytes;
  hw.finishKernel(func, out.threads);
  return out;
}

void Lowering::bindRegion(Region &region, ValueRange offsets) {
  for (auto [arg, v] : llvm::zip(kernel.getOffsets(region), offsets))
    scalars.map(arg, v);
}

/// Body of work that is not split, then finish on what body yields.
LogicalResult Lowering::runBody(ValueRange offsets) {
  Region &body = kernel.getBody();
  bindRegion(body, offsets);
  if (failed(lowerBlock(body.front())))
    return failure();
  Region &finish = kernel.getFinish();
  if (finish.empty())
    return success();
  for (auto [v, arg] : llvm::zip(body.front().getTerminator()->getOperands(), kernel.getAccumulators(finish)))
    tiles[arg] = tileAs(v, layoutOf(arg));
  SmallVector<Value> visible(offsets);
  if (auto split = kernel.getSplit())
    visible.erase(visible.begin() + *split);
  bindRegion(finish, visible);
  return lowerBlock(finish.front());
}

//===-- blocks ----------------------------------------------------------------------------------------------------===//

LogicalResult Lowering::lowerBlock(Block &block) {
  SmallVector<Value> placed;
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>())
      continue;
    b.setLoc(op.getLoc());
    if (failed(lowerOp(&op)) || failedOnce)
      return failure();
    for (Value v : op.getResults())
      if (sharedTiles.count(v))
        placed.push_back(v);
  }
  for (Value v : placed) {
    release(sharedTiles[v]);
    sharedTiles.erase(v);
  }
  return success();
}

LogicalResult Lowering::lowerOp(Operation *op) {
  FailureOr<bool> taken = hw.lowerFirst(*this, op);
  if (failed(taken) || *taken)
    return success(succeeded(taken));
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::ForOp>([&](auto o) { return lowerFor(o); })
      .Case<scf::IfOp>([&](auto o) { return lowerIf(o); })
      .Case<ViewOp>([&](auto o) { return bindView(o), success(!failedOnce); })
      .Case<SubviewOp>([&](auto o) { return bindSubview(o), success(); })
      .Case<WindowOp>([&](auto o) { return bindWindow(o), success(); })
      .Case<DimOp>(
          [&](auto o) { return scalars.map(o.getExtent(), views[o.getView()]->extents[o.getIndex()]), success(); })
      .Case<AssumeOp>([&](auto o) { return scalars.map(o.getResult(), map(o.getValue())), success(); })
      .Case<PartOp>([&](auto o) { return lowerPart(o); })
      .Default([&](Operation *o) -> LogicalResult {
        bool tile = llvm::any_of(o->getOperandTypes(), llvm::IsaPred<RankedTensorType>) ||
                    llvm::any_of(o->getResultTypes(), llvm::IsaPred<RankedTensorType>);
        return tile ? lowerTileOp(o) : lowerScalar(o);
      });
}

LogicalResult Lowering::lowerScalar(Operation *op) {
  if (auto load = dyn_cast<LoadScalarOp>(op))
    return lowerLoadScalar(load);
  auto operands = [&] { return llvm::to_vector(llvm::map_range(op->getOperands(), [&](Value v) { return map(v); })); };
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    scalars.map(op->getResult(0), (*affine::expandAffineMap(b, b.getLoc(), apply.getAffineMap(), operands()))[0]);
    return success();
  }
  if (isa<affine::AffineMinOp, affine::AffineMaxOp>(op)) {
    bool isMin = isa<affine::AffineMinOp>(op);
    AffineMap m = isMin ? cast<affine::AffineMinOp>(op).getMap() : cast<affine::AffineMaxOp>(op).getMap();
    auto values = *affine::expandAffineMap(b, b.getLoc(), m, operands());
    Value r = values[0];
    for (Value v : ArrayRef<Value>(values).drop_front())
      r = isMin ? Value(arith::MinSIOp::create(b, r, v)) : Value(arith::MaxSIOp::create(b, r, v));
    scalars.map(op->getResult(0), r);
    return success();
  }
  if (auto d = dyn_cast<affine::AffineDelinearizeIndexOp>(op)) {
    SmallVector<OpFoldResult> basis = d.getEffectiveBasis();
    unsigned n = d.getNumResults();
    Value rest = map(d.getLinearIndex());
    for (unsigned i = n; i-- > 1;) {
      OpFoldResult size = basis[basis.size() - (n - i)];
      auto c = getConstantIntValue(size);
      Value by = c ? cst(*c) : map(cast<Value>(size));
      scalars.map(op->getResult(i), Value(arith::RemUIOp::create(b, rest, by)));
      rest = arith::DivUIOp::create(b, rest, by);
    }
    scalars.map(op->getResult(0), rest);
    return success();
  }
  if (auto l = dyn_cast<affine::AffineLinearizeIndexOp>(op)) {
    SmallVector<OpFoldResult> basis = l.getEffectiveBasis();
    auto multi = l.getMultiIndex();
    Value r = map(multi[0]);
    for (unsigned i = 1; i < multi.size(); ++i) {
      OpFoldResult size = basis[basis.size() - (multi.size() - i)];
      auto c = getConstantIntValue(size);
      r = add(mul(r, c ? cst(*c) : map(cast<Value>(size))), map(multi[i]));
    }
    scalars.map(op->getResult(0), r);
    return success();
  }
  if (op->getNumRegions() || isa<TileDialect>(op->getDialect()) || op->getNumResults() != 1)
    return unsupported(op, "not a scalar operation");
  Type type = op->getResult(0).getType();
  if (auto c = getConstantIntValue(op->getResult(0)); c && type.isIndex()) {
    scalars.map(op->getResult(0), cst(*c));
    return success();
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    scalars.map(op->getResult(0), math->constantOf(cast<TypedAttr>(constant.getValue()), type));
    return success();
  }
  bool plain = llvm::all_of(op->getOperandTypes(), llvm::IsaPred<IndexType>) ||
               llvm::all_of(op->getOperandTypes(), [](Type t) { return t.isInteger(1); });
  if (plain || isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    b.clone(*op, scalars);
    return success();
  }
  SmallVector<Type> from(op->getOperandTypes());
  scalars.map(op->getResult(0), math->elementwise(op, operands(), type, from));
  return success(!failedOnce);
}

LogicalResult Lowering::lowerPart(PartOp part) {
  Value lo = map(part.getLo()), hi = map(part.getHi()), share = map(part.getIndex());
  int64_t step = part.getStep();
  Value steps = arith::CeilDivSIOp::create(b, sub(hi, lo), cst(step));
  Value chunk = mul(Value(arith::CeilDivSIOp::create(b, steps, map(part.getCount()))), cst(step));
  Value from = arith::MinSIOp::create(b, add(lo, mul(share, chunk)), hi);
  scalars.map(part.getFrom(), from);
  scalars.map(part.getTo(), Value(arith::MinSIOp::create(b, add(from, chunk), hi)));
  return success();
}

//===-- control flow ----------------------------------------------------------------------------------------------===//

void Lowering::flatten(Value v, const Layout &layout, SmallVectorImpl<Value> &into) {
  TileValue t = tileAs(v, layout);
  into.append(t.regs.begin(), t.regs.end());
}

void Lowering::unflatten(Value v, const Layout &layout, ValueRange regs, unsigned &next) {
  TileValue t{layout, tileType(v).getElementType(), {}};
  for (unsigned r = 0; r < layout.registers(); ++r)
    t.regs.push_back(regs[next++]);
  tiles[v] = std::move(t);
}

LogicalResult Lowering::lowerFor(scf::ForOp loop) {
  FailureOr<bool> taken = hw.lowerLoop(*this, loop);
  if (failed(taken) || *taken)
    return success(succeeded(taken));
  SmallVector<Value> inits;
  auto isTile = [](Value v) { return isa<RankedTensorType>(v.getType()); };
  for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) {
    if (isTile(arg))
      flatten(loop.getInitArgs()[i], layoutOf(arg), inits);
    else
      inits.push_back(map(loop.getInitArgs()[i]));
  }
  auto made = scf::ForOp::create(b, map(loop.getLowerBound()), map(loop.getUpperBound()), map(loop.getStep()), inits,
                                 [](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(made.getBody());
  scalars.map(loop.getInductionVar(), made.getInductionVar());
  auto bindAll = [&](ValueRange from, ValueRange to) {
    unsigned next = 0;
    for (auto [i, v] : llvm::enumerate(to)) {
      if (isTile(v))
        unflatten(v, layoutOf(v), from, next);
      else
        scalars.map(v, from[next++]);
    }
  };
  {
    Scope scope(*this);
    bindAll(made.getRegionIterArgs(), loop.getRegionIterArgs());
    if (failed(lowerBlock(*loop.getBody())))
      return failure();
    SmallVector<Value> yields;
    for (auto [i, v] : llvm::enumerate(loop.getYieldedValues())) {
      if (isTile(v))
        flatten(v, layoutOf(loop.getRegionIterArg(i)), yields);
      else
        yields.push_back(map(v));
    }
    scope.close();
    scf::YieldOp::create(b, yields);
  }
  bindAll(made.getResults(), loop.getResults());
  return success(!failedOnce);
}

Type Lowering::registerType(Value v) {
  auto tile = dyn_cast<RankedTensorType>(v.getType());
  return tile ? math->regType(tile.getElementType()) : math->regType(v.getType());
}

LogicalResult Lowering::lowerIf(scf::IfOp branch) {
  auto isTile = [](Value v) { return isa<RankedTensorType>(v.getType()); };
  SmallVector<Type> types;
  for (Value r : branch.getResults())
    types.append(isTile(r) ? layoutOf(r).registers() : 1, registerType(r));
  bool hasElse = !branch.getElseRegion().empty();
  auto made = scf::IfOp::create(b, types, map(branch.getCondition()), /*addThenBlock=*/true, hasElse);
  auto lowerRegion = [&](Region &from, Region &to) -> LogicalResult {
    OpBuilder::InsertionGuard guard(b);
    if (!to.front().empty())
      to.front().getTerminator()->erase();
    b.setInsertionPointToEnd(&to.front());
    Scope scope(*this);
    if (failed(lowerBlock(from.front())))
      return failure();
    SmallVector<Value> yields;
    for (auto [i, v] : llvm::enumerate(from.front().getTerminator()->getOperands())) {
      if (isTile(v))
        flatten(v, layoutOf(branch.getResult(i)), yields);
      else
        yields.push_back(map(v));
    }
    scope.close();
    scf::YieldOp::create(b, yields);
    return success();
  };
  if (failed(lowerRegion(branch.getThenRegion(), made.getThenRegion())) ||
      (hasElse && failed(lowerRegion(branch.getElseRegion(), made.getElseRegion()))))
    return failure();
  unsigned next = 0;
  for (Value r : branch.getResults()) {
    if (isTile(r))
      unflatten(r, layoutOf(r), made.getResults(), next);
    else
      scalars.map(r, made.getResult(next++));
  }
  return success(!failedOnce);
}

//===-- shared memory ---------------------------------------------------------------------------------------------===//

Value Lowering::sharedPointer(uint64_t offset) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), hw.limits.sharedSpace);
  if (!sharedBase) {
    OpBuilder::InsertionGuard guard(b);
    if (!dest.lookupSymbol(kSharedName)) {
      b.setInsertionPointToStart(dest.getBody());
      LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(i8, 0), /*isConstant=*/false, LLVM::Linkage::External,
                             kSharedName, Attribute(), /*alignment=*/1024, hw.limits.sharedSpace);
    }
    b.setInsertionPointToStart(entry);
    sharedBase = LLVM::AddressOfOp::create(b, pointer, kSharedName);
  }
  if (!offset)
    return sharedBase;
  return LLVM::GEPOp::create(b, pointer, i8, sharedBase, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
}

} // namespace adze::gpu
