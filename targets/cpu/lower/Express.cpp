// Elements of inline values: an expression evaluated for a vector of lanes.
#include "targets/cpu/lower/Lowering.h"

namespace adze::cpu {
using namespace adze::tile;

static bool sameCoord(const Coord &a, const Coord &c) {
  return a.vdim == c.vdim && a.step == c.step && a.vl == c.vl && a.mask == c.mask && a.idx == c.idx;
}

Value Lowering::emit(Value v, const Coord &given) {
  Coord c = given;
  if (c.vdim < 0) {
    c.vl = 1;
    c.step = 1;
    c.mask = {};
    c.live = {};
  }
  if (auto alias = aliases.find(v); alias != aliases.end())
    v = alias->second;
  for (const Memo &m : llvm::reverse(memo))
    if (m.v == v && sameCoord(m.c, c))
      return m.result;
  Value r = emitUncached(v, c);
  memo.push_back({v, c, r});
  return r;
}

Value Lowering::emitUncached(Value v, const Coord &c) {
  auto it = buffers.find(v);
  if (it != buffers.end())
    return loadBuffer(it->second, c);
  Operation *op = v.getDefiningOp();
  if (!op) {
    (void)unsupported(kernel, "a tile argument without storage");
    return arith::ConstantOp::create(b, b.getZeroAttr(shaped(regType(tileType(v).getElementType()), c)));
  }
  return TypeSwitch<Operation *, Value>(op)
      .Case<arith::ConstantOp>([&](auto o) { return emitConstant(o, c); })
      .Case<LoadOp>([&](auto o) { return emitLoad(o, c); })
      .Case<GatherOp>([&](auto o) { return emitGather(o, c); })
      .Case<ValidOp>([&](auto o) { return emitValid(o, c); })
      .Case<IotaOp>([&](auto o) { return emitIota(o, c); })
      .Case<ReshapeOp>([&](auto o) { return emitReshape(o, c); })
      .Case<BitcastOp>([&](auto o) { return emitBitcast(o, c); })
      .Case<BroadcastOp>([&](auto o) { return emitBroadcast(o, c); })
      .Case<SplatOp>([&](SplatOp o) {
        Value s = map(o.getValue());
        Type t = o.getValue().getType();
        if (t.isBF16() && s.getType() == t)
          s = arith::BitcastOp::create(b, i16, s);
        return splatTo(s, c);
      })
      .Case<TransposeOp>([&](TransposeOp o) {
        Coord s = c;
        for (auto [i, p] : llvm::enumerate(o.getPerm())) {
          s.idx[p] = c.idx[i];
          if (c.vdim == static_cast<int>(i))
            s.vdim = p;
        }
        return emit(o.getSource(), s);
      })
      .Case<SliceOp>([&](SliceOp o) {
        Coord s = c;
        for (unsigned d = 0; d < s.idx.size(); ++d) {
          s.idx[d] = add(mul(c.idx[d], cst(o.getStrides()[d])), cst(o.getOffsets()[d]));
          if (c.vdim == static_cast<int>(d))
            s.step = c.step * o.getStrides()[d];
        }
        return emit(o.getSource(), s);
      })
      .Case<CastOp>([&](CastOp o) {
        CastHow how{o.getRound(), o.getSat(), o.getUnsignedSrc(), o.getUnsignedDst()};
        return castValue(emit(o.getSource(), c), tileType(o.getSource()).getElementType(),
                         tileType(o.getTile()).getElementType(), how);
      })
      .Case<scf::IfOp>([&](auto o) { return emitInlineIf(o, cast<OpResult>(v).getResultNumber(), c); })
      .Default([&](Operation *o) { return emitElementwise(o, cast<OpResult>(v).getResultNumber(), c); });
}

Value Lowering::splatTo(Value scalar, const Coord &c) {
  if (c.vdim < 0 || isa<VectorType>(scalar.getType()))
    return scalar;
  return vector::BroadcastOp::create(b, VectorType::get({c.vl}, scalar.getType()), scalar);
}

//===-- storage
//----------------------------------------------------------------------------------------------------===//

/// Linear element index of the lanes in a buffer: uniform base and a static step.
Lanes Lowering::bufferLanes(const Buffer &buffer, const Coord &c) {
  Lanes l{cst(0), 0, {}};
  for (unsigned d = 0; d < buffer.strides.size(); ++d) {
    l.base = add(l.base, mul(c.idx[d], cst(buffer.strides[d])));
    if (c.vdim == static_cast<int>(d))
      l.step = buffer.strides[d] * c.step;
  }
  return l;
}

Value Lowering::loadBuffer(const Buffer &buffer, const Coord &c) {
  Lanes l = bufferLanes(buffer, c);
  Type stored = storageType(buffer.element);
  unsigned bytes = stored.getIntOrFloatBitWidth() / 8;
  if (c.vdim >= 0 && l.step != 0 && l.step != 1) {
    // Short strides come out of whole vectors, others lane by lane.
    Type vec = VectorType::get({c.vl}, stored);
    Value v = arith::ConstantOp::create(b, b.getZeroAttr(vec));
    for (unsigned i = 0; i < c.vl; ++i) {
      Value at = add(l.base, cst(i * l.step));
      // Lanes that the mask drops may lie behind the buffer; clamp them to its first element.
      if (c.mask)
        at = arith::SelectOp::create(b, Value(vector::ExtractOp::create(b, c.mask, i)), at, l.base);
      Value e = LLVM::LoadOp::create(b, stored, gep(buffer.element, buffer.ptr, at), bytes);
      v = vector::InsertOp::create(b, e, v, i);
    }
    return fromStorage(v, buffer.element);
  }
  Value p = gep(buffer.element, buffer.ptr, l.base);
  if (c.vdim >= 0 && l.step == 1)
    return fromStorage(LLVM::LoadOp::create(b, VectorType::get({c.vl}, stored), p, bytes), buffer.element);
  return splatTo(fromStorage(LLVM::LoadOp::create(b, stored, p, bytes), buffer.element), c);
}

void Lowering::storeBuffer(const Buffer &buffer, const Coord &c, Value value) {
  Lanes l = bufferLanes(buffer, c);
  Value v = toStorage(value, buffer.element);
  unsigned bytes = storageType(buffer.element).getIntOrFloatBitWidth() / 8;
  if (c.vdim < 0 || l.step == 1) {
    Value p = gep(buffer.element, buffer.ptr, l.base);
    if (c.vdim >= 0 && c.mask)
      LLVM::MaskedStoreOp::create(b, v, p, c.mask, bytes);
    else
      LLVM::StoreOp::create(b, v, p, bytes);
    return;
  }
  Value mask = c.mask;
  if (!mask)
    mask = arith::ConstantOp::create(b, DenseElementsAttr::get(VectorType::get({c.vl}, i1), true));
  Value iota = lanesVector({l.base, l.step, {}}, c.vl);
  LLVM::masked_scatter::create(b, v, gep(buffer.element, buffer.ptr, iota), mask, b.getI32IntegerAttr(bytes));
}

/// A non-splat constant tile, kept in the image.
Buffer Lowering::constantBuffer(arith::ConstantOp op) {
  auto found = buffers.find(op.getResult());
  if (found != buffers.end())
    return found->second;
  auto dense = cast<DenseElementsAttr>(op.getValue());
  auto type = cast<RankedTensorType>(op.getType());
  Buffer r;
  r.element = type.getElementType();
  r.shape.assign(type.getShape().begin(), type.getShape().end());
  r.strides.resize(r.shape.size());
  int64_t n = 1;
  for (int i = r.shape.size() - 1; i >= 0; --i) {
    r.strides[i] = n;
    n *= r.shape[i];
  }
  auto stored = cast<IntegerType>(b.getIntegerType(bitWidth(storageType(r.element))));
  SmallVector<APInt> words;
  unsigned bits = stored.getWidth();
  if (isa<FloatType>(r.element))
    for (APFloat f : dense.getValues<APFloat>())
      words.push_back(f.bitcastToAPInt().zext(bits));
  else
    for (APInt i : dense.getValues<APInt>())
      words.push_back(i.zextOrTrunc(bits));
  std::string name = (kernel.getSymName() + ".const" + Twine(globals++)).str();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(dest.getBody());
  auto attr = DenseElementsAttr::get(VectorType::get({n}, stored), words);
  LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(stored, n), /*isConstant=*/true, LLVM::Linkage::Internal, name,
                         attr,
                         /*alignment=*/64);
  b.setInsertionPointToStart(entry);
  r.ptr = LLVM::AddressOfOp::create(b, ptrType, name);
  return buffers[op.getResult()] = r;
}

Value Lowering::emitConstant(arith::ConstantOp op, const Coord &c) {
  auto dense = cast<DenseElementsAttr>(op.getValue());
  Type element = dense.getElementType();
  if (!dense.isSplat())
    return loadBuffer(constantBuffer(op), c);
  TypedAttr one = isa<FloatType>(element) ? TypedAttr(dense.getSplatValue<FloatAttr>())
                                          : TypedAttr(dense.getSplatValue<IntegerAttr>());
  return splatTo(constantOf(one, element), c);
}

//===-- memory
//-----------------------------------------------------------------------------------------------------===//

Value Lowering::emitLoad(LoadOp op, const Coord &c) {
  const View &view = *views[op.getView()];
  auto type = tileType(op.getTile());
  auto at = viewLanes(op.getOffsets(), view.extents.size(), type.getRank(), c);
  SmallVector<bool, 6> checked(at.size(), false);
  if (!op.getInbounds())
    checked = checkedDims(op, op.getView(), op.getOffsets(), type.getShape(), at, c);
  auto read = [&](bool oneRow) {
    return loadAccess(view, access(view, at, c.vl, checked, oneRow), c, op.getPadAttr(), type.getElementType());
  };
  // Lanes of neighbouring pixels are neighbours in memory unless an output row ends between them.
  if (!view.window || at[0].uniform() || at[0].vec || at[0].step != 1)
    return read(false);
  Value last = add(Value(arith::RemUIOp::create(b, at[0].base, view.out.back())), cst(c.vl));
  Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, last, view.out.back());
  return guardedValue(
      fits, shaped(regType(type.getElementType()), c), [&] { return read(true); }, [&] { return read(false); });
}

Value Lowering::emitGather(GatherOp op, const Coord &c) {
  const View &view = *views[op.getView()];
  auto type = tileType(op.getTile()), indexType = tileType(op.getIndices());
  auto at = viewLanes(op.getOffsets(), view.extents.size(), type.getRank(), c);
  unsigned lead = view.extents.size() - type.getRank(), dim = op.getDim();
  Coord ic = c;
  if (indexType.getShape() != type.getShape() || (type.getRank() == 1 && dim != lead)) {
    int tileDim = dim - lead;
    ic.idx = {c.idx[tileDim]};
    if (c.vdim == tileDim) {
      ic.vdim = 0;
    } else {
      ic.vdim = -1;
      ic.mask = {};
    }
  }
  Value i = emit(op.getIndices(), ic);
  i = arith::IndexCastOp::create(b, shapedLike(index, i.getType()), i);
  Value offset = map(op.getOffsets()[dim]);
  Lanes l = isa<VectorType>(i.getType()) ? Lanes{{}, 0, i} : Lanes{i, 0, {}};
  at[dim] = getConstantIntValue(offset) == 0 ? l : addLanes(l, offset, c.vl);
  // In the element form the tile dim that stands for `dim` is only a position in the index tile.
  auto checked = checkedDims(op, op.getView(), op.getOffsets(), type.getShape(), at, c);
  checked[dim] = true;
  Access a = access(view, at, c.vl, checked);
  return loadAccess(view, a, c, op.getPadAttr(), type.getElementType());
}

Value Lowering::emitValid(ValidOp op, const Coord &c) {
  const View &view = *views[op.getView()];
  auto type = tileType(op.getTile());
  auto at = viewLanes(op.getOffsets(), view.extents.size(), type.getRank(), c);
  auto checked = checkedDims(op, op.getView(), op.getOffsets(), type.getShape(), at, c);
  Access a;
  for (unsigned d = 0; d < at.size(); ++d)
    if (checked[d])
      require(a, at[d], insideOf(at[d], view.extents[d], c.vl));
  if (!a.okScalar && !a.okVector)
    return splatTo(arith::ConstantOp::create(b, b.getBoolAttr(true)), c);
  if (!a.okVector)
    return splatTo(a.okScalar, c);
  return a.okScalar ? Value(arith::AndIOp::create(b, a.okVector, splatTo(a.okScalar, c))) : a.okVector;
}

//===-- shape
//------------------------------------------------------------------------------------------------------===//

Value Lowering::emitIota(IotaOp op, const Coord &c) {
  unsigned d = op.getDim();
  Value base = c.idx[d];
  if (op.getStart())
    base = add(map(op.getStart()), base);
  Type element = tileType(op.getTile()).getElementType();
  auto to = [&](Value v) -> Value {
    return element.isIndex() ? v : Value(arith::IndexCastOp::create(b, shapedLike(regType(element), v.getType()), v));
  };
  if (c.vdim != static_cast<int>(d))
    return splatTo(to(base), c);
  return to(lanesVector({base, c.step, {}}, c.vl));
}

Value Lowering::emitBroadcast(BroadcastOp op, const Coord &c) {
  auto from = tileType(op.getSource());
  Coord s = c;
  for (int64_t d = 0; d < from.getRank(); ++d)
    if (from.getDimSize(d) == 1) {
      s.idx[d] = cst(0);
      if (c.vdim == d)
        s.vdim = -1;
    }
  Value v = emit(op.getSource(), s);
  return s.vdim < 0 && c.vdim >= 0 ? splatTo(v, c) : v;
}

Value Lowering::emitReshape(ReshapeOp op, const Coord &c) {
  auto from = tileType(op.getSource()), to = tileType(op.getTile());
  SmallVector<int64_t> source, result; // non-unit dims
  for (int64_t d = 0; d < from.getRank(); ++d)
    if (from.getDimSize(d) != 1)
      source.push_back(d);
  for (int64_t d = 0; d < to.getRank(); ++d)
    if (to.getDimSize(d) != 1)
      result.push_back(d);
  bool trivial = source.size() == result.size() && llvm::all_of(llvm::zip(source, result), [&](auto p) {
                   return from.getDimSize(std::get<0>(p)) == to.getDimSize(std::get<1>(p));
                 });
  if (trivial) {
    Coord s = c;
    s.idx.assign(from.getRank(), cst(0));
    s.vdim = -1;
    for (auto [f, t] : llvm::zip(source, result)) {
      s.idx[f] = c.idx[t];
      if (c.vdim == t)
        s.vdim = f;
    }
    Value v = emit(op.getSource(), s);
    return s.vdim < 0 && c.vdim >= 0 ? splatTo(v, c) : v;
  }
  auto it = buffers.find(op.getSource());
  if (it == buffers.end()) {
    auto constant = op.getSource().getDefiningOp<arith::ConstantOp>();
    if (constant && cast<DenseElementsAttr>(constant.getValue()).isSplat()) {
      Coord s = c;
      s.idx.assign(from.getRank(), cst(0));
      s.vdim = -1;
      return splatTo(emit(op.getSource(), s), c);
    }
    if (constant) {
      constantBuffer(constant);
    } else { // a value that place() left inline: give it storage here
      Buffer buffer = allocate(from);
      fillBuffer(op.getSource(), buffer);
      buffers[op.getSource()] = buffer;
    }
    it = buffers.find(op.getSource());
  }
  Buffer view = it->second;
  view.shape.assign(to.getShape().begin(), to.getShape().end());
  view.strides.assign(to.getRank(), 1);
  for (int64_t d = to.getRank() - 2; d >= 0; --d)
    view.strides[d] = view.strides[d + 1] * to.getDimSize(d + 1);
  return loadBuffer(view, c);
}

Value Lowering::emitBitcast(BitcastOp op, const Coord &c) {
  auto from = tileType(op.getSource()), to = tileType(op.getTile());
  Type fe = from.getElementType(), te = to.getElementType();
  unsigned fb = bitWidth(fe), tb = bitWidth(te);
  if (fb == tb) {
    Value v = emit(op.getSource(), c);
    Type t = shaped(regType(te), c);
    return v.getType() == t ? v : Value(arith::BitcastOp::create(b, t, v));
  }
  unsigned last = to.getRank() - 1;
  if (fb < 8) { // whole bytes from their parts
    Value byte;
    for (unsigned p = 0; p < tb / fb; ++p) {
      Coord s = c;
      s.idx[last] = add(mul(c.idx[last], cst(tb / fb)), cst(p));
      if (c.vdim == static_cast<int>(last))
        s.step = c.step * (tb / fb);
      Value part = emit(op.getSource(), s);
      part = arith::ShLIOp::create(b, part, constLike(part.getType(), int64_t(p) * fb));
      byte = byte ? Value(arith::OrIOp::create(b, byte, part)) : part;
    }
    if (tb != 8)
      (void)unsupported(op, "a bitcast from less than a byte to more than one");
    return byte;
  }
  Buffer buffer = materialised(op.getSource());
  if (tb < 8) { // parts of bytes, the first in the low bits
    Lanes at{cst(0), 0, {}};
    int64_t stride = 1;
    for (int64_t d = to.getRank() - 1; d >= 0; --d) {
      at.base = add(at.base, mul(c.idx[d], cst(stride)));
      if (c.vdim == d)
        at.step = stride * c.step;
      stride *= to.getDimSize(d);
    }
    Value linear = c.vdim < 0 ? at.base : lanesVector(at, c.vl);
    auto k = [&](int64_t v) { return constLike(linear.getType(), v); };
    Value byte = gep(b.getI8Type(), buffer.ptr, arith::DivUIOp::create(b, linear, k(8 / tb)));
    Value shift = arith::MulIOp::create(b, arith::RemUIOp::create(b, linear, k(8 / tb)), k(tb));
    Type t = shaped(i8, c);
    Value v;
    if (c.vdim < 0) {
      v = LLVM::LoadOp::create(b, i8, byte, 1);
    } else {
      Value on = c.mask ? c.mask : constLike(VectorType::get({c.vl}, i1), int64_t(1));
      v = LLVM::masked_gather::create(b, t, byte, on, ValueRange{constLike(t, int64_t(0))}, 1);
    }
    v = arith::ShRUIOp::create(b, v, arith::IndexCastOp::create(b, t, shift));
    return arith::AndIOp::create(b, v, constLike(t, (int64_t(1) << tb) - 1));
  }
  View view;
  view.base = buffer.ptr;
  view.element = te;
  int64_t stride = 1;
  view.phys.resize(to.getRank());
  for (int64_t d = to.getRank() - 1; d >= 0; --d) {
    view.phys[d] = {static_cast<unsigned>(d), 1, 0, cst(stride)};
    view.extents.push_back(cst(to.getDimSize(d)));
    stride *= to.getDimSize(d);
  }
  SmallVector<Lanes> at;
  for (int64_t d = 0; d < to.getRank(); ++d)
    at.push_back({c.idx[d], c.vdim == d ? c.step : 0, {}});
  Access a;
  a.base = cst(0);
  addPhysical(view, at, c.vl, a);
  return loadAccess(view, a, c, {}, te);
}

Value Lowering::emitInlineIf(scf::IfOp op, unsigned result, const Coord &c) {
  return guardedValue(
      map(op.getCondition()), shaped(regType(tileType(op.getResult(result)).getElementType()), c),
      [&] { return emit(op.thenYield().getOperand(result), c); },
      [&] { return emit(op.elseYield().getOperand(result), c); });
}

//===-- elementwise
//------------------------------------------------------------------------------------------------===//

Value Lowering::emitElementwise(Operation *op, unsigned, const Coord &c) {
  SmallVector<Value> operands;
  SmallVector<Type> from;
  for (Value o : op->getOperands()) {
    if (auto t = dyn_cast<RankedTensorType>(o.getType())) {
      operands.push_back(emit(o, c));
      from.push_back(t.getElementType());
    } else {
      operands.push_back(map(o));
      from.push_back(o.getType());
    }
  }
  return elementwise(op, operands, tileType(op->getResult(0)).getElementType(), from);
}

/// Emits, before the innermost loop, what does not depend on it. In `c` the innermost loop's index is null.
void Lowering::prehoist(Value v, const Coord &c) {
  if (auto alias = aliases.find(v); alias != aliases.end())
    v = alias->second;
  if (buffers.count(v))
    return;
  Operation *op = v.getDefiningOp();
  if (!op)
    return;
  if (auto grow = dyn_cast<BroadcastOp>(op)) {
    auto from = tileType(grow.getSource());
    Coord s = c;
    for (int64_t d = 0; d < from.getRank(); ++d)
      if (from.getDimSize(d) == 1) {
        s.idx[d] = cst(0);
        if (c.vdim == d)
          s.vdim = -1;
      }
    bool known = llvm::all_of(s.idx, [](Value i) { return static_cast<bool>(i); });
    if (known && s.vdim < 0)
      emit(grow.getSource(), s);
    else
      prehoist(grow.getSource(), s);
    return;
  }
  if (isa<CastOp>(op) || (isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && op->getNumOperands()))
    for (Value o : op->getOperands())
      if (isa<RankedTensorType>(o.getType()))
        prehoist(o, c);
}

} // namespace adze::cpu
