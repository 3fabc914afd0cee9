// The function of a kernel: its arguments, the loop over programs, regions and control flow.
#include "mlir/Dialect/Affine/Utils.h"
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

FailureOr<LoweredKernel> lowerKernel(KernelOp kernel, ModuleOp dest, const LowerOptions &options) {
  return Lowering(kernel, dest, options).run();
}

Lowering::Lowering(KernelOp kernel, ModuleOp dest, const LowerOptions &options)
    : EmitPoint{ImplicitLocOpBuilder(kernel.getLoc(), kernel.getContext())},
      Arithmetic(builder, [this](Operation *op, const Twine &why) { (void)unsupported(op, why); }), kernel(kernel),
      facts(kernel), dest(dest), options(options), ptrType(LLVM::LLVMPointerType::get(b.getContext())) {}

LogicalResult Lowering::unsupported(Operation *op, const Twine &why) {
  failedOnce = true;
  return op->emitError() << "the cpu target cannot lower '" << op->getName() << "' in kernel @" << kernel.getSymName()
                         << ": " << why << "; choose another form of the kernel or report the model";
}

//===-- small helpers
//----------------------------------------------------------------------------------------------===//

Value Lowering::cst(int64_t v) {
  Value &slot = constants[v];
  if (!slot) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    slot = arith::ConstantIndexOp::create(b, v);
  }
  return slot;
}

Value Lowering::add(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return cst(*x + *y);
  if (x && *x == 0)
    return c;
  if (y && *y == 0)
    return a;
  return arith::AddIOp::create(b, a, c);
}

Value Lowering::sub(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return cst(*x - *y);
  if (y && *y == 0)
    return a;
  return arith::SubIOp::create(b, a, c);
}

Value Lowering::mul(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return cst(*x * *y);
  if ((x && *x == 0) || (y && *y == 0))
    return cst(0);
  if (x && *x == 1)
    return c;
  if (y && *y == 1)
    return a;
  return arith::MulIOp::create(b, a, c);
}

Value Lowering::minIdx(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return cst(std::min(*x, *y));
  return arith::MinSIOp::create(b, a, c);
}

Value Lowering::maxIdx(Value a, Value c) {
  auto x = getConstantIntValue(a), y = getConstantIntValue(c);
  if (x && y)
    return cst(std::max(*x, *y));
  return arith::MaxSIOp::create(b, a, c);
}

Value Lowering::toI64(Value v) {
  Type to = i64;
  if (auto vec = dyn_cast<VectorType>(v.getType()))
    to = VectorType::get(vec.getShape(), i64);
  return v.getType() == to ? v : Value(arith::IndexCastOp::create(b, to, v));
}

Value Lowering::gep(Type element, Value base, Value idx) {
  Type result = ptrType;
  if (auto vec = dyn_cast<VectorType>(idx.getType()))
    result = VectorType::get(vec.getShape(), ptrType);
  else if (auto c = getConstantIntValue(idx)) {
    if (*c == 0)
      return base;
    if (*c > INT32_MIN && *c < INT32_MAX)
      return LLVM::GEPOp::create(b, ptrType, storageType(element), base,
                                 ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(*c)});
  }
  return LLVM::GEPOp::create(b, result, storageType(element), base, ValueRange{toI64(idx)});
}

void Lowering::loop(Value lo, Value hi, int64_t step, llvm::function_ref<void(Value)> body) {
  auto l = getConstantIntValue(lo), h = getConstantIntValue(hi);
  if (l && h && *l >= *h)
    return;
  if (l && h && *l + step >= *h) {
    body(lo);
    return;
  }
  auto op = scf::ForOp::create(b, lo, hi, cst(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.getBody()->getTerminator());
  Scope scope(*this);
  body(op.getInductionVar());
}

Buffer Lowering::allocate(ArrayRef<int64_t> shape, Type element) {
  Buffer r;
  r.element = element;
  r.shape.assign(shape.begin(), shape.end());
  r.strides.resize(shape.size());
  int64_t n = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    r.strides[i] = n;
    n *= shape[i];
  }
  unsigned bits = storageType(element).getIntOrFloatBitWidth();
  uint64_t bytes = (n * bits / 8 + 63) / 64 * 64;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(scratch);
  if (isa<BlockArgument>(scratch))
    b.setInsertionPointToStart(entry);
  r.ptr = LLVM::GEPOp::create(b, ptrType, i8, scratch, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(scratchBytes)});
  // A whole vector may be read at the end of a row, and equal rows of two buffers should not share cache sets.
  scratchBytes += bytes + 64;
  return r;
}

Buffer Lowering::allocate(RankedTensorType type, Type element) {
  return allocate(type.getShape(), element ? element : type.getElementType());
}

//===-- the function
//-----------------------------------------------------------------------------------------------===//

static Value ceilDivIdx(ImplicitLocOpBuilder &b, Value a, Value by) { return arith::CeilDivSIOp::create(b, a, by); }

FailureOr<LoweredKernel> Lowering::run() {
  b.setInsertionPointToEnd(dest.getBody());
  auto type = b.getFunctionType({ptrType, ptrType, i64, i64, ptrType}, {});
  func = func::FuncOp::create(b, kernel.getSymName(), type);
  entry = func.addEntryBlock();
  for (unsigned a : {0u, 1u, 4u})
    func.setArgAttr(a, "llvm.noalias", b.getUnitAttr());
  func.setArgAttr(4, "llvm.align", b.getI64IntegerAttr(64));
  b.setInsertionPointToEnd(entry);
  auto ret = func::ReturnOp::create(b);
  b.setInsertionPoint(ret);
  scratch = entry->getArgument(4);

  SmallVector<Value> dims, args;
  auto word = [&](unsigned at, Type t) -> Value {
    Value p = LLVM::GEPOp::create(b, ptrType, i64, entry->getArgument(1), ArrayRef<LLVM::GEPArg>{int32_t(at)});
    return LLVM::LoadOp::create(b, t, p, 8);
  };
  for (unsigned i = 0; i < kernel.getNumDims(); ++i)
    dims.push_back(arith::IndexCastOp::create(b, index, word(i, i64)));
  unsigned refs = 0, words = kernel.getNumDims();
  for (Attribute a : kernel.getArgTypes()) {
    Type t = cast<TypeAttr>(a).getValue();
    if (isa<RefType>(t)) {
      Value p =
          LLVM::GEPOp::create(b, ptrType, ptrType, entry->getArgument(0), ArrayRef<LLVM::GEPArg>{int32_t(refs++)});
      args.push_back(LLVM::LoadOp::create(b, ptrType, p, 8));
    } else if (t.isIndex()) {
      args.push_back(arith::IndexCastOp::create(b, index, word(words++, i64)));
    } else {
      Value v = word(words++, storageType(t));
      args.push_back(t.isInteger(1) ? fromStorage(v, t) : v);
    }
  }
  for (Region &region : kernel->getRegions()) {
    if (region.empty())
      continue;
    for (auto [arg, v] : llvm::zip(kernel.getDimArgs(region), dims))
      scalars.map(arg, v);
    for (auto [arg, v] : llvm::zip(kernel.getArgs(region), args))
      scalars.map(arg, v);
    place(region);
  }
  SmallVector<Value> counts;
  auto extents = affine::expandAffineMap(b, b.getLoc(), kernel.getGridExtents(), dims);
  for (auto [e, step] : llvm::zip(*extents, kernel.getGridSteps()))
    counts.push_back(step == 1 ? e : ceilDivIdx(b, e, cst(step)));

  Value begin = arith::IndexCastOp::create(b, index, entry->getArgument(2));
  Value end = arith::IndexCastOp::create(b, index, entry->getArgument(3));
  auto programs = scf::ForOp::create(b, begin, end, cst(1));
  b.setInsertionPoint(programs.getBody()->getTerminator());
  // Program p in row-major order, the last grid dim fastest; a split dim is not part of the launch.
  SmallVector<Value> offsets(counts.size());
  Value rest = programs.getInductionVar(), shares;
  bool first = true;
  for (int g = counts.size() - 1; g >= 0; --g) {
    if (kernel.getSplit() && static_cast<int64_t>(*kernel.getSplit()) == g) {
      shares = counts[g];
      continue;
    }
    bool outermost = llvm::none_of(llvm::seq<int>(0, g), [&](int o) {
      return !(kernel.getSplit() && static_cast<int64_t>(*kernel.getSplit()) == o);
    });
    Value at = outermost ? rest : Value(arith::RemUIOp::create(b, rest, counts[g]));
    if (!outermost)
      rest = arith::DivUIOp::create(b, rest, counts[g]);
    offsets[g] = mul(at, cst(kernel.getGridSteps()[g]));
    first = false;
  }
  (void)first;
  if (failed(shares ? runSplit(offsets, shares) : runBody(offsets, {})) || failedOnce) {
    func.erase();
    return failure();
  }
  LoweredKernel out;
  out.symbol = kernel.getSymName().str();
  out.scratch = scratchBytes;
  return out;
}

void Lowering::bindRegion(Region &region, ValueRange offsets, ArrayRef<Buffer> accumulators) {
  for (auto [arg, v] : llvm::zip(kernel.getOffsets(region), offsets))
    scalars.map(arg, v);
  for (auto [arg, v] : llvm::zip(kernel.getAccumulators(region), accumulators))
    if (v.ptr)
      buffers[arg] = v;
}

/// Body without a split, then finish on the buffers that body yields. With `results`: only body, into them.
LogicalResult Lowering::runBody(ValueRange offsets, ArrayRef<Buffer> results) {
  Region &body = kernel.getBody();
  bindRegion(body, offsets, {});
  if (failed(lowerBlock(body.front())))
    return failure();
  ValueRange yields = body.front().getTerminator()->getOperands();
  if (!results.empty())
    return moveInto(yields, results);
  if (kernel.getFinish().empty())
    return success();
  SmallVector<Buffer> accumulators;
  for (auto [v, arg] : llvm::zip(yields, kernel.getAccumulators(kernel.getFinish()))) {
    if (results.empty() && !kernel.getSplit() && canStayInline(v, cast<BlockArgument>(arg))) {
      aliases[arg] = v;
      accumulators.push_back({});
      continue;
    }
    if (!buffers.count(v)) {
      Buffer buffer = allocate(tileType(v));
      fillBuffer(v, buffer);
      buffers[v] = buffer;
    }
    accumulators.push_back(buffers[v]);
  }
  bindRegion(kernel.getFinish(), offsets, accumulators);
  return lowerBlock(kernel.getFinish().front());
}

/// The shares of split work one after the other, merged in increasing order.
LogicalResult Lowering::runSplit(SmallVector<Value> offsets, Value shares) {
  unsigned split = *kernel.getSplit();
  SmallVector<Buffer> total, part;
  for (Type t : kernel.getAccumulatorTypes()) {
    total.push_back(allocate(cast<RankedTensorType>(t)));
    part.push_back(allocate(cast<RankedTensorType>(t)));
  }
  SmallVector<Value> visible(offsets);
  visible.erase(visible.begin() + split);
  offsets[split] = cst(0);
  if (failed(runBody(offsets, total)))
    return failure();
  auto rest = scf::ForOp::create(b, cst(1), shares, cst(1));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(rest.getBody()->getTerminator());
    Scope scope(*this);
    offsets[split] = rest.getInductionVar();
    if (failed(runBody(offsets, part)))
      return failure();
    SmallVector<Buffer> both(total);
    both.append(part);
    bindRegion(kernel.getFold(), visible, both);
    if (failed(lowerBlock(kernel.getFold().front())) ||
        failed(moveInto(kernel.getFold().front().getTerminator()->getOperands(), total)))
      return failure();
  }
  if (kernel.getFinish().empty())
    return success();
  bindRegion(kernel.getFinish(), visible, total);
  return lowerBlock(kernel.getFinish().front());
}

void Lowering::copyBuffer(const Buffer &from, const Buffer &to) {
  if (from.ptr == to.ptr)
    return;
  forEach(to.shape, [&](const Coord &c) { storeBuffer(to, c, loadBuffer(from, c)); });
}

/// Assigns all values at once: no target is overwritten while another value still reads it.
LogicalResult Lowering::moveInto(ValueRange values, ArrayRef<Buffer> into) {
  SmallVector<unsigned> left;
  for (unsigned i = 0; i < values.size(); ++i)
    if (!buffers.count(values[i]) || buffers[values[i]].ptr != into[i].ptr)
      left.push_back(i);
  SmallVector<std::pair<Buffer, Buffer>> copies;
  while (!left.empty()) {
    auto free = llvm::find_if(left, [&](unsigned i) {
      if (!readsInPlace(values[i], into[i].ptr))
        return false;
      return llvm::none_of(left, [&](unsigned j) { return j != i && reads(values[j], into[i].ptr); });
    });
    bool cyclic = free == left.end();
    unsigned i = cyclic ? left.front() : *free;
    Buffer target = cyclic ? allocate(tileType(values[i])) : into[i];
    fillBuffer(values[i], target);
    if (cyclic)
      copies.push_back({target, into[i]});
    llvm::erase(left, i);
  }
  for (auto &[from, to] : copies)
    copyBuffer(from, to);
  return success(!failedOnce);
}

//===-- blocks
//-----------------------------------------------------------------------------------------------------===//

LogicalResult Lowering::lowerBlock(Block &block) {
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::IsTerminator>())
      continue;
    b.setLoc(op.getLoc());
    if (failed(lowerOp(&op)) || failedOnce)
      return failure();
  }
  return success();
}

LogicalResult Lowering::lowerOp(Operation *op) {
  auto result = [&]() -> Buffer {
    Value v = op->getResult(0);
    if (!buffers.count(v))
      buffers[v] = allocate(tileType(v));
    return buffers[v];
  };
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<scf::ForOp>([&](auto o) { return lowerFor(o); })
      .Case<scf::IfOp>([&](auto o) { return lowerIf(o); })
      .Case<ViewOp>([&](auto o) { return bindView(o), success(); })
      .Case<SubviewOp>([&](auto o) { return bindSubview(o), success(); })
      .Case<WindowOp>([&](auto o) { return bindWindow(o), success(); })
      .Case<DimOp>(
          [&](auto o) { return scalars.map(o.getExtent(), views[o.getView()]->extents[o.getIndex()]), success(); })
      .Case<AssumeOp>([&](auto o) { return scalars.map(o.getResult(), map(o.getValue())), success(); })
      .Case<PartOp>([&](auto o) { return lowerPart(o); })
      .Case<StoreOp>([&](auto o) { return emitStore(o); })
      .Case<ScatterOp>([&](auto o) { return emitScatter(o); })
      .Case<DotOp>([&](auto o) { return emitDot(o, result()); })
      .Case<ReduceOp>([&](auto o) { return emitReduce(o, result()); })
      .Case<ScanOp>([&](auto o) { return emitScan(o, result()), success(); })
      .Case<ConcatOp>([&](auto o) { return emitConcat(o, result()), success(); })
      .Case<ArgReduceOp>([&](auto o) { return emitArgReduce(o), success(); })
      .Case<SortOp>([&](SortOp o) {
        Buffer k = allocate(tileType(o.getKeys())), v = allocate(tileType(o.getValues()));
        emitSort(o, o.getKeys(), o.getValues(), o.getDim(), o.getDescending(), o.getIsUnsigned(), k, v);
        buffers[o.getSortedKeys()] = k;
        buffers[o.getSortedValues()] = v;
        return success();
      })
      .Case<TopKOp>([&](TopKOp o) {
        Buffer k = allocate(tileType(o.getKeys())), v = allocate(tileType(o.getValues()));
        emitSort(o, o.getKeys(), o.getValues(), o.getDim(), o.getLargest(), o.getIsUnsigned(), k, v);
        for (const auto &[top, sorted] : {std::pair<Value, Buffer>{o.getTopKeys(), k}, {o.getTopValues(), v}}) {
          Buffer dense = allocate(tileType(top));
          copyBuffer(sorted, dense);
          buffers[top] = dense;
        }
        return success();
      })
      .Default([&](Operation *o) -> LogicalResult {
        bool tiles = llvm::any_of(o->getResultTypes(), llvm::IsaPred<RankedTensorType>);
        if (!tiles)
          return lowerScalar(o);
        if (!isInlineOp(o))
          return unsupported(o, "no rule for this operation");
        if (wantsBuffer.contains(o->getResult(0))) {
          Buffer buffer = allocate(tileType(o->getResult(0)));
          fillBuffer(o->getResult(0), buffer);
          buffers[o->getResult(0)] = buffer;
        }
        return success(!failedOnce);
      });
}

LogicalResult Lowering::lowerScalar(Operation *op) {
  if (auto load = dyn_cast<LoadScalarOp>(op)) {
    View &view = *views[load.getView()];
    SmallVector<Lanes> at;
    for (Value o : load.getOffsets())
      at.push_back({map(o), 0, {}});
    SmallVector<bool> checked(at.size(), false);
    Coord c;
    Access a = access(view, at, 1, checked, false);
    Value v = loadAccess(view, a, c, {}, view.element);
    Type t = load.getValue().getType();
    scalars.map(load.getValue(), v);
    return regType(t) == t ? success() : unsupported(op, "a scalar of this type");
  }
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
      r = isMin ? minIdx(r, v) : maxIdx(r, v);
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
  if (op->getNumRegions() || isa<TileDialect>(op->getDialect()))
    return unsupported(op, "not a scalar operation");
  if (auto c = getConstantIntValue(op->getNumResults() ? op->getResult(0) : Value());
      c && op->getResult(0).getType().isIndex()) {
    scalars.map(op->getResult(0), cst(*c));
    return success();
  }
  b.clone(*op, scalars);
  return success();
}

LogicalResult Lowering::lowerPart(PartOp part) {
  Value lo = map(part.getLo()), hi = map(part.getHi()), share = map(part.getIndex());
  int64_t step = part.getStep();
  Value steps = ceilDivIdx(b, sub(hi, lo), cst(step));
  Value chunk = mul(ceilDivIdx(b, steps, map(part.getCount())), cst(step));
  Value from = minIdx(add(lo, mul(share, chunk)), hi);
  scalars.map(part.getFrom(), from);
  scalars.map(part.getTo(), minIdx(add(from, chunk), hi));
  return success();
}

//===-- control flow
//-----------------------------------------------------------------------------------------------===//

/// The dot that accumulates straight into the loop-carried buffer of `arg`, if `yielded` is one.
static DotOp inPlaceDot(Value arg, Value yielded) {
  auto dot = yielded.getDefiningOp<DotOp>();
  if (dot && dot.getAcc() == arg && arg.hasOneUse() && dot->getParentRegion() == arg.getParentRegion())
    return dot;
  return {};
}

LogicalResult Lowering::lowerFor(scf::ForOp loopOp) {
  SmallVector<Value> inits, yields(loopOp.getYieldedValues());
  SmallVector<unsigned> tiles, plain;
  SmallVector<Value> tileInits;
  SmallVector<Buffer> carried;
  for (auto [i, arg] : llvm::enumerate(loopOp.getRegionIterArgs())) {
    if (!isa<RankedTensorType>(arg.getType())) {
      plain.push_back(i);
      inits.push_back(map(loopOp.getInitArgs()[i]));
      continue;
    }
    tiles.push_back(i);
    Buffer buffer = allocate(tileType(arg));
    carried.push_back(buffer);
    tileInits.push_back(loopOp.getInitArgs()[i]);
    if (DotOp dot = inPlaceDot(arg, yields[i]))
      buffers[dot.getTile()] = buffer;
  }
  if (failed(moveInto(tileInits, carried)))
    return failure();
  for (auto [t, buffer] : llvm::zip(tiles, carried)) {
    buffers[loopOp.getRegionIterArg(t)] = buffer;
    buffers[loopOp.getResult(t)] = buffer;
  }
  auto made = scf::ForOp::create(b, map(loopOp.getLowerBound()), map(loopOp.getUpperBound()), map(loopOp.getStep()),
                                 inits, [](OpBuilder &, Location, Value, ValueRange) {});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(made.getBody());
  Scope scope(*this);
  scalars.map(loopOp.getInductionVar(), made.getInductionVar());
  for (auto [i, p] : llvm::enumerate(plain)) {
    scalars.map(loopOp.getRegionIterArg(p), made.getRegionIterArg(i));
    scalars.map(loopOp.getResult(p), made.getResult(i));
  }
  if (failed(lowerBlock(*loopOp.getBody())))
    return failure();
  SmallVector<Value> tileYields, plainYields;
  for (unsigned t : tiles)
    tileYields.push_back(yields[t]);
  for (unsigned p : plain)
    plainYields.push_back(map(yields[p]));
  if (failed(moveInto(tileYields, carried)))
    return failure();
  scf::YieldOp::create(b, plainYields);
  return success();
}

LogicalResult Lowering::lowerIf(scf::IfOp branch) {
  if (isInlineIf(branch)) { // evaluated where its results are used; its scalars are computed here
    for (Region *region : {&branch.getThenRegion(), &branch.getElseRegion()})
      if (!region->empty() && failed(lowerBlock(region->front())))
        return failure();
    for (Value r : branch.getResults())
      if (wantsBuffer.contains(r)) {
        Buffer buffer = allocate(tileType(r));
        fillBuffer(r, buffer);
        buffers[r] = buffer;
      }
    return success();
  }
  SmallVector<Type> types;
  SmallVector<Buffer> results;
  for (Value r : branch.getResults()) {
    if (isa<RankedTensorType>(r.getType())) {
      results.push_back(allocate(tileType(r)));
      buffers[r] = results.back();
    } else {
      types.push_back(r.getType());
    }
  }
  auto made = scf::IfOp::create(b, types, map(branch.getCondition()), /*addThenBlock=*/true,
                                /*addElseBlock=*/!branch.getElseRegion().empty());
  auto lowerRegion = [&](Region &from, Region &to) -> LogicalResult {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&to.front());
    Scope scope(*this);
    if (failed(lowerBlock(from.front())))
      return failure();
    SmallVector<Value> tileYields, plain;
    for (Value v : from.front().getTerminator()->getOperands()) {
      if (isa<RankedTensorType>(v.getType()))
        tileYields.push_back(v);
      else
        plain.push_back(map(v));
    }
    if (failed(moveInto(tileYields, results)))
      return failure();
    scf::YieldOp::create(b, plain);
    return success();
  };
  for (Region *r : {&made.getThenRegion(), &made.getElseRegion()})
    if (!r->empty() && !r->front().empty())
      r->front().getTerminator()->erase();
  if (failed(lowerRegion(branch.getThenRegion(), made.getThenRegion())))
    return failure();
  if (!branch.getElseRegion().empty() && failed(lowerRegion(branch.getElseRegion(), made.getElseRegion())))
    return failure();
  unsigned next = 0;
  for (Value r : branch.getResults())
    if (!isa<RankedTensorType>(r.getType()))
      scalars.map(r, made.getResult(next++));
  return success();
}

} // namespace adze::cpu
