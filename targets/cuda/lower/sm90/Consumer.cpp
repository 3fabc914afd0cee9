// What a consumer warpgroup does: products by wgmma, results to shared memory for bulk stores. Elementwise work,
// reductions and control flow are the GPU lowering's own, under layouts that are fixed by the shape of a tile: those of
// wgmma's accumulators and their slices, so that no conversion is ever needed.
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "targets/cuda/CudaTarget.h"
#include "targets/cuda/lower/sm90/Emitter.h"

using namespace mlir;

namespace adze::cuda::sm90 {

//===-- layouts

/// Layout of a tile of a consumer: the accumulator's, or a slice of it. `rowVector`: a rank-1 tile runs along columns.
std::optional<gpu::Layout> StagedEmitter::layoutFor(RankedTensorType type, bool rowVector) {
  SmallVector<int64_t> shape(type.getShape());
  int64_t rows, columns;
  if (shape.size() == 1) {
    rows = rowVector ? 1 : shape[0];
    columns = rowVector ? shape[0] : 1;
  } else if (shape.size() >= 2) {
    rows = shape[shape.size() - 2];
    columns = shape.back();
    if (llvm::any_of(ArrayRef(shape).drop_back(2), [](int64_t n) { return n != 1; }))
      return std::nullopt;
  } else {
    return std::nullopt;
  }
  // A turned tile: what is read or written where few rows became the columns of the product.
  if (shape.size() == 2 && rows % 64 && rows % 8 == 0 && columns % 64 == 0)
    return gpu::permute(accumulatorLayout(columns, rows), {1, 0});
  if ((rows != 1 && rows % 64) || (columns != 1 && columns % 8))
    return std::nullopt;
  gpu::Layout layout = accumulatorLayout(rows == 1 ? 64 : rows, columns == 1 ? 8 : columns);
  SmallVector<unsigned> dims;
  if (rows == 1)
    dims.push_back(0);
  if (columns == 1)
    dims.push_back(1);
  if (!dims.empty())
    layout = gpu::slice(layout, dims);
  return shape.size() == 2 ? layout : gpu::reshapeUnits(layout, shape);
}

/// Computed where it is used, as the GPU lowering does it.
static bool isAnywhere(Operation *op, const DenseSet<Value> &known) {
  auto free = [&](Value v) { return !isa<RankedTensorType>(v.getType()) || known.contains(v); };
  if (isa<arith::ConstantOp, tile::SplatOp, tile::IotaOp, tile::ValidOp>(op))
    return true;
  bool moves = isa<tile::BroadcastOp, tile::TransposeOp, tile::ReshapeOp>(op);
  return (moves || isa<arith::ArithDialect>(op->getDialect())) && op->getNumOperands() &&
         llvm::all_of(op->getOperands(), free);
}

/// A rank-1 tile that becomes a column.
static bool isColumn(Value v) {
  return llvm::any_of(v.getUsers(), [](Operation *user) {
    auto reshape = dyn_cast<tile::ReshapeOp>(user);
    auto type = reshape ? cast<RankedTensorType>(reshape.getTile().getType()) : RankedTensorType();
    return type && type.getRank() == 2 && type.getDimSize(1) == 1 && type.getDimSize(0) > 1;
  });
}

LogicalResult StagedEmitter::assignLayouts() {
  fuseAccumulation(consumer.getBody().front());
  DenseSet<Value> anywhere;
  LogicalResult result = success();
  auto assign = [&](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    if (!type || anywhere.contains(v))
      return;
    auto layout = layoutFor(type, !isColumn(v));
    if (!layout) {
      if (succeeded(result))
        result = refuse("a tile of the elementwise part does not have the accumulators' layout");
      return;
    }
    assignment.layouts[v] = *layout;
  };
  kernel.getBody().front().walk([&](Operation *op) {
    if (op->getNumResults() == 1 && isa<RankedTensorType>(op->getResult(0).getType()) && isAnywhere(op, anywhere))
      anywhere.insert(op->getResult(0));
  });
  consumer.walk([&](Operation *op) {
    if (isa<tile::GetOp>(op))
      return;
    if (isa<tile::GatherOp, tile::ScatterOp, tile::SortOp, tile::TopKOp, tile::ScanOp, tile::ConcatOp, tile::SliceOp,
            tile::BitcastOp>(op))
      result = refuse("the elementwise part moves elements between threads");
    for (Value v : op->getResults())
      assign(v);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Value v : block.getArguments())
          assign(v);
    // Casts to 16 bits that only products and rings read are done in pairs.
    auto cast = dyn_cast<tile::CastOp>(op);
    if (!cast || cast.getRound() != tile::RoundMode::rne || cast.getSat())
      return;
    auto from = mlir::cast<RankedTensorType>(cast.getSource().getType());
    Type to = mlir::cast<RankedTensorType>(cast.getTile().getType()).getElementType();
    bool pairs = llvm::all_of(cast->getUses(), [](OpOperand &use) {
      return isa<tile::PutOp>(use.getOwner()) || (isa<tile::DotOp>(use.getOwner()) && use.getOperandNumber() == 0);
    });
    if (pairs && from.getElementType().isF32() && (to.isBF16() || to.isF16()))
      lazyCasts.insert(cast);
  });
  return result;
}

//===-- accumulation in place (licence F2 of the numeric contract)

/// x + dot(a, b, 0) becomes dot(a, b, x), and fma(x, y, dot(a, b, 0)) becomes dot(a, b, x * y).
void StagedEmitter::fuseAccumulation(Block &block) {
  for (Operation &op : block)
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        fuseAccumulation(inner);
  SmallVector<tile::DotOp> dots(block.getOps<tile::DotOp>());
  for (tile::DotOp dot : dots) {
    auto zero = dot.getAcc().getDefiningOp<arith::ConstantOp>();
    auto splat = zero ? dyn_cast<SplatElementsAttr>(zero.getValue()) : SplatElementsAttr();
    if (!splat || !isa<FloatType>(splat.getElementType()) || !splat.getSplatValue<APFloat>().isZero() ||
        !dot->hasOneUse() || dot.getPromote())
      continue;
    Operation *user = *dot->getUsers().begin();
    if (user->getBlock() != &block)
      continue;
    OpBuilder build(user);
    Value into;
    if (isa<arith::AddFOp>(user))
      into = user->getOperand(user->getOperand(0) == dot.getTile());
    else if (isa<math::FmaOp>(user) && user->getOperand(2) == dot.getTile())
      into = arith::MulFOp::create(build, user->getLoc(), user->getOperand(0), user->getOperand(1));
    else
      continue;
    // The product now comes last: what it reads stays until then.
    SmallVector<Operation *> releases;
    for (Value operand : {dot.getA(), dot.getB()})
      if (auto get = operand.getDefiningOp<tile::GetOp>())
        for (Operation *slotUser : get.getSlot().getUsers())
          if (isa<tile::ReleaseOp>(slotUser) && slotUser->getBlock() == &block && slotUser->isBeforeInBlock(user))
            releases.push_back(slotUser);
    dot.getAccMutable().assign(into);
    dot->moveBefore(user);
    for (Operation *r : releases)
      r->moveBefore(user);
    user->getResult(0).replaceAllUsesWith(dot.getTile());
    user->erase();
  }
}

//===-- products

/// A dot as the instruction takes it.
struct StagedEmitter::Product {
  WgmmaCall call;
  SmallVector<Value> registersA;
  int64_t rows = 0;
};

/// The tile that a get names, with its address.
WgmmaOperand StagedEmitter::operandOf(tile::GetOp get, bool kMajor) {
  Slot slot = slots.lookup(get.getSlot());
  WgmmaOperand operand{slot.ring->tile, kMajor};
  operand.tile.address = slotAddress(slot);
  // Rows of the tile from a multiple of 8 on.
  Value row = map(get.getOffsets()[0]);
  if (getConstantIntValue(row) != 0) {
    Value bytes = ptx.mul(Value(arith::IndexCastOp::create(b, i32, row)), c32(operand.tile.swizzle()));
    operand.tile.address = add(operand.tile.address, bytes);
  }
  return operand;
}

Value StagedEmitter::pack(Value low, Value high, Type element) {
  auto bits = [&](Value v) -> Value {
    if (!v.getType().isInteger(16))
      v = arith::BitcastOp::create(b, i16, v);
    return arith::ExtUIOp::create(b, i32, v);
  };
  return arith::OrIOp::create(b, bits(low), arith::ShLIOp::create(b, bits(high), c32(16)));
}

/// Registers of a 16-bit tile in pairs of neighbouring columns, the lower column in the lower half.
SmallVector<Value> StagedEmitter::packedPairs(Value v, gpu::Layout &layout, Type element) {
  layout = assignment.layouts.lookup(v);
  auto cast = v.getDefiningOp<tile::CastOp>();
  bool lazy = cast && lazyCasts.contains(cast);
  gpu::TileValue tile = lazy ? tileAs(cast.getSource(), layout) : tileAs(v, layout);
  SmallVector<Value> pairs;
  for (size_t i = 0; i + 1 < tile.regs.size(); i += 2) {
    if (!lazy) {
      pairs.push_back(pack(tile.regs[i], tile.regs[i + 1], element));
      continue;
    }
    // The first source goes to the upper half (PTX ISA, "cvt").
    std::string text = element.isBF16() ? "cvt.rn.bf16x2.f32 $0, $1, $2;" : "cvt.rn.f16x2.f32 $0, $1, $2;";
    auto op = LLVM::InlineAsmOp::create(b, TypeRange(i32), ValueRange{tile.regs[i + 1], tile.regs[i]}, text, "=r,f,f",
                                        /*has_side_effects=*/false, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                        LLVM::AsmDialectAttr(), ArrayAttr());
    pairs.push_back(op.getRes());
  }
  return pairs;
}

LogicalResult StagedEmitter::prepare(tile::DotOp dot, Product &p) {
  auto typeOf = [](Value v) { return cast<RankedTensorType>(v.getType()); };
  RankedTensorType a = typeOf(dot.getA()), bType = typeOf(dot.getB()), acc = typeOf(dot.getAcc());
  auto types = wgmmaTypes(a.getElementType(), bType.getElementType(), acc.getElementType(), dot.getUnsignedA(),
                          dot.getUnsignedB(), dot.getPrecision() == tile::DotPrecision::tf32);
  if (!types || acc.getRank() != 2)
    return refuse("wgmma has no product of these types");
  if (types->d == "s32" && types->a != types->b) // signed by unsigned came with PTX 8.4
    func->setAttr(kPtxVersionAttr, b.getI64IntegerAttr(84));
  p.rows = acc.getDimSize(0);
  p.call.types = *types;
  p.call.columns = wgmmaColumns(acc.getDimSize(1), *types);
  p.call.k = a.getDimSize(dot.getTransA() ? 0 : 1);
  if (!p.call.columns || p.rows % 64 || p.call.k % types->depth)
    return refuse("wgmma has no product of this shape");
  bool aKMajor = !dot.getTransA(), bKMajor = dot.getTransB();
  auto getB = dot.getB().getDefiningOp<tile::GetOp>(), getA = dot.getA().getDefiningOp<tile::GetOp>();
  if (!getB || (!bKMajor && !types->transposes) || (!aKMajor && (!types->transposes || !getA)))
    return refuse("an operand's order in memory is not one that wgmma reads");
  p.call.b = operandOf(getB, bKMajor);
  p.call.descB = descriptor(ptx, p.call.b);
  if (getA) {
    // Several 64-row blocks of an MN-major tile lie in different blocks of columns; not needed so far.
    if (!aKMajor && p.rows != 64)
      return refuse("a transposed left operand of more than 64 rows");
    p.call.a = operandOf(getA, aKMajor);
    p.call.descA = descriptor(ptx, p.call.a);
    return success();
  }
  if (a.getElementType().getIntOrFloatBitWidth() != 16 || p.rows != 64)
    return refuse("a left operand in registers that is not 64 rows of 16 bits");
  gpu::Layout layout;
  p.registersA = packedPairs(dot.getA(), layout, a.getElementType());
  return success();
}

/// All of a product's instructions, between a fence and a commit.
SmallVector<Value> StagedEmitter::issue(Product &p, SmallVector<Value> acc, bool accumulate) {
  p.call.accumulate = accumulate;
  unsigned each = p.call.columns / 2;
  SmallVector<Value> result;
  SmallVector<Value> fenced(p.registersA);
  if (accumulate)
    fenced.append(acc.begin(), acc.end());
  fenced = ptx.wgmmaFence(fenced);
  size_t left = p.registersA.size();
  p.registersA.assign(fenced.begin(), fenced.begin() + left);
  p.call.registersA = p.registersA;
  if (accumulate)
    acc.assign(fenced.begin() + left, fenced.end());
  for (int64_t row = 0; row < p.rows; row += 64) {
    p.call.rowA = row;
    SmallVector<Value> block(ArrayRef(acc).slice(row / 64 * each, each));
    llvm::append_range(result, wgmma(ptx, p.call, block));
  }
  ptx.wgmmaCommit();
  return result;
}

static bool isZeroSplat(Value v) {
  auto constant = v.getDefiningOp<arith::ConstantOp>();
  auto splat = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
  if (!splat)
    return false;
  return isa<FloatType>(splat.getElementType()) ? splat.getSplatValue<APFloat>().isPosZero()
                                                : splat.getSplatValue<APInt>().isZero();
}

/// A product whose result is needed at once.
LogicalResult StagedEmitter::emitDot(tile::DotOp dot) {
  Product p;
  if (failed(prepare(dot, p)))
    return failure();
  const gpu::Layout layout = assignment.layouts.lookup(dot.getTile());
  bool zero = isZeroSplat(dot.getAcc());
  gpu::TileValue tile = tileAs(dot.getAcc(), layout);
  SmallVector<Value> acc(tile.regs.begin(), tile.regs.end());
  int64_t promote = dot.getPromote() ? int64_t(*dot.getPromote()) : 0;
  if (promote && promote < p.call.k)
    return refuse("a product that is promoted more than once a tile");
  if (promote) {
    // The partial sum of this tile is added in float32.
    SmallVector<Value> part = ptx.wgmmaWait(0, issue(p, acc, false));
    for (auto [to, v] : llvm::zip_equal(acc, part))
      to = zero ? v : Value(arith::AddFOp::create(b, to, v));
  } else {
    acc = ptx.wgmmaWait(0, issue(p, acc, !zero));
  }
  tile.regs.assign(acc.begin(), acc.end());
  bind(dot.getTile(), tile);
  return success();
}

/// A loop that does nothing but add products to one accumulator.
bool StagedEmitter::isPlainProduct(scf::ForOp loop) {
  if (loop.getNumRegionIterArgs() != 1 || !isa<RankedTensorType>(loop.getRegionIterArg(0).getType()))
    return false;
  auto dot = loop.getYieldedValues()[0].getDefiningOp<tile::DotOp>();
  if (!dot || dot->getBlock() != loop.getBody() || dot.getAcc() != loop.getRegionIterArg(0) || dot.getPromote() ||
      !dot->hasOneUse() || !loop.getRegionIterArg(0).hasOneUse() || !dot.getA().getDefiningOp<tile::GetOp>() ||
      !dot.getB().getDefiningOp<tile::GetOp>())
    return false;
  return llvm::all_of(loop.getBody()->without_terminator(), [&](Operation &op) {
    bool tiles = llvm::any_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>);
    return &op == dot || isa<tile::WaitOp, tile::GetOp, tile::ReleaseOp>(op) || (!tiles && !op.getNumRegions());
  });
}

/// The products of one step stay in flight while the next step waits for its operands: a step's slots are released one
/// step later.
LogicalResult StagedEmitter::emitProduct(scf::ForOp loop) {
  auto dot = loop.getYieldedValues()[0].getDefiningOp<tile::DotOp>();
  const gpu::Layout layout = assignment.layouts.lookup(loop.getResult(0));
  SmallVector<Value> inits;
  gpu::TileValue tile = tileAs(loop.getInitArgs()[0], layout);
  inits.append(tile.regs.begin(), tile.regs.end());
  size_t count = inits.size();
  auto releases = llvm::to_vector(loop.getBody()->getOps<tile::ReleaseOp>());
  // With a single slot the next step cannot arrive before this one is released.
  bool later = llvm::all_of(releases, [&](tile::ReleaseOp r) {
    auto wait = r.getSlot().getDefiningOp<tile::WaitOp>();
    return wait && ringOf.lookup(wait.getChannel())->depth > 1;
  });
  if (later)
    inits.append(releases.size(), c32(0));
  Value lo = map(loop.getLowerBound()), hi = map(loop.getUpperBound());
  auto made =
      scf::ForOp::create(b, lo, hi, map(loop.getStep()), inits, [](OpBuilder &, Location, Value, ValueRange) {});
  SmallVector<Ring *> used;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(made.getBody());
    scalars.map(loop.getInductionVar(), made.getInductionVar());
    SmallVector<Value> acc(made.getRegionIterArgs().take_front(count));
    for (Operation &op : loop.getBody()->without_terminator()) {
      if (isa<tile::ReleaseOp>(op))
        continue;
      if (&op != dot.getOperation()) {
        if (failed(lowerOp(&op)))
          return failure();
        continue;
      }
      Product p;
      if (failed(prepare(dot, p)))
        return failure();
      acc = issue(p, acc, true);
    }
    if (later)
      ptx.wgmmaWait(1);
    else
      acc = ptx.wgmmaWait(0, acc);
    SmallVector<Value> yields(acc), indices;
    for (tile::ReleaseOp r : releases) {
      used.push_back(slots.lookup(r.getSlot()).ring);
      indices.push_back(slots.lookup(r.getSlot()).index);
    }
    if (later) {
      Value notFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, made.getInductionVar(), lo);
      releaseAll(notFirst, used, made.getRegionIterArgs().drop_front(count));
      llvm::append_range(yields, indices);
    } else {
      for (auto [ring, index] : llvm::zip_equal(used, indices))
        release({ring, index});
    }
    scf::YieldOp::create(b, yields);
  }
  SmallVector<Value> acc(made.getResults().take_front(count));
  if (later) {
    acc = ptx.wgmmaWait(0, acc);
    Value any = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lo, hi);
    releaseAll(any, used, made.getResults().drop_front(count));
  }
  tile.regs.assign(acc.begin(), acc.end());
  bind(loop.getResult(0), tile);
  return success();
}

/// Releases several slots, by one lane of each warp, where `condition` holds.
void StagedEmitter::releaseAll(Value condition, ArrayRef<Ring *> used, ValueRange indices) {
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, group.lane, c32(0));
  ptx.when(arith::AndIOp::create(b, first, condition), [&] {
    for (auto [ring, index] : llvm::zip_equal(used, indices))
      ptx.arrive(barrierAddress({ring, index}, false));
  });
}

FailureOr<bool> StagedEmitter::handleConsumer(Operation *op) {
  auto done = [](LogicalResult r) -> FailureOr<bool> {
    if (failed(r))
      return failure();
    return true;
  };
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return done(emitDot(dot));
  if (auto loop = dyn_cast<scf::ForOp>(op); loop && isPlainProduct(loop))
    return done(emitProduct(loop));
  if (lazyCasts.contains(op))
    return true;
  // Columns of an accumulator are some of its registers.
  if (auto extract = dyn_cast<tile::ExtractOp>(op)) {
    auto column = getConstantIntValue(extract.getOffsets().back());
    gpu::TileValue from = tileOf(extract.getSource());
    const gpu::Layout layout = assignment.layouts.lookup(extract.getTile());
    gpu::TileValue part{layout, from.element, {}};
    DenseMap<std::pair<int64_t, int64_t>, Value> at;
    for (unsigned r = 0; r < from.layout.registers(); ++r)
      at[{from.layout.offset(r, 0), from.layout.offset(r, 1)}] = from.regs[r];
    for (unsigned r = 0; column && r < layout.registers(); ++r)
      part.regs.push_back(at.lookup({layout.offset(r, 0), layout.offset(r, 1) + *column}));
    if (!column || llvm::is_contained(part.regs, Value()))
      return refuse("a part of a tile that is not some of its columns");
    bind(extract.getTile(), std::move(part));
    return true;
  }
  // Straight to and from registers: neighbouring lanes access whole sectors of rows.
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    const gpu::Layout layout = assignment.layouts.lookup(load.getTile());
    bind(load.getTile(), loadTile(load, load.getView(), load.getOffsets(), tileType(load.getTile()), layout,
                                  load.getPad().value_or(TypedAttr()), load.getInbounds()));
    return done(success(!failedOnce));
  }
  if (auto store = dyn_cast<tile::StoreOp>(op)) {
    auto layout = layoutFor(tileType(store.getTile()), !isColumn(store.getTile()));
    if (!layout)
      return refuse("a result that does not have the accumulators' layout");
    gpu::TileValue mask;
    if (store.getMask())
      mask = tileAs(store.getMask(), *layout);
    storeTile(store, tileAs(store.getTile(), *layout), store.getView(), store.getOffsets(),
              store.getMask() ? &mask : nullptr, store.getInbounds());
    return done(success(!failedOnce));
  }
  return false;
}

//===-- results to shared memory

LogicalResult StagedEmitter::emitPut(tile::PutOp put) {
  Slot slot = slots.lookup(put.getSlot());
  const BlockedTile &tile = slot.ring->tile;
  unsigned bytes = tile.elementBytes(), swizzle = tile.swizzle(), bits = tile.chunkBits();
  RankedTensorType type = tileType(put.getTile());
  auto firstColumn = getConstantIntValue(put.getOffsets().back());
  if (bytes == 1 || type.getDimSize(0) != tile.rows || tile.rows % 64 || !firstColumn || *firstColumn % 16)
    return refuse("a result that is neither 16 nor 32 bits wide, or not of whole blocks of 64 rows");
  int64_t columns = type.getDimSize(1);
  Value base = slotAddress(slot), lane = group.lane;
  // Rows of a warp start at 16 times its number; only their last three bits matter for the permutation.
  Value warpRows = ptx.mul(group.warp, c32(16 * swizzle));
  auto permuted = [&](Value chunk, Value row) {
    Value x = arith::AndIOp::create(b, arith::ShRUIOp::create(b, row, c32(3 - bits)), c32((1 << bits) - 1));
    return Value(arith::ShLIOp::create(b, arith::XOrIOp::create(b, chunk, x), c32(4)));
  };
  auto at = [&](Value rowBytes, Value y, int64_t rowBlock, int64_t column) {
    int64_t offset = (*firstColumn + column) * bytes, block = offset / swizzle, chunk = offset % swizzle / 16;
    Value inRow = chunk ? Value(arith::XOrIOp::create(b, y, c32(chunk * 16))) : y;
    return add(add(rowBytes, inRow), c32(block * tile.blockBytes() + rowBlock * 64 * swizzle));
  };
  gpu::Layout layout;
  if (bytes == 2) {
    SmallVector<Value> pairs = packedPairs(put.getTile(), layout, tile.element);
    if (columns % 16)
      return refuse("a result whose width is not a multiple of 16");
    // Lane l gives row l%8 of matrix l/8: matrices are (rows 0-7, 8-15) of two neighbouring groups of 8 columns.
    Value seven = arith::AndIOp::create(b, lane, c32(7));
    Value row = arith::AndIOp::create(b, lane, c32(15)), right = arith::ShRUIOp::create(b, lane, c32(4));
    Value rowBytes = add(add(base, warpRows), ptx.mul(row, c32(swizzle)));
    Value y = permuted(right, seven);
    for (int64_t rb = 0; rb < tile.rows / 64; ++rb)
      for (int64_t column = 0; column < columns; column += 16) {
        size_t first = rb * columns / 4 + column / 4;
        ptx.storeMatrix4(at(rowBytes, y, rb, column), ArrayRef(pairs).slice(first, 4));
      }
    return success();
  }
  layout = assignment.layouts.lookup(put.getTile());
  gpu::TileValue value = tileAs(put.getTile(), layout);
  Value g = arith::ShRUIOp::create(b, lane, c32(2)), t = arith::AndIOp::create(b, lane, c32(3));
  Value rowBytes = add(add(base, warpRows), ptx.mul(g, c32(swizzle)));
  Value half = arith::ShLIOp::create(b, arith::AndIOp::create(b, t, c32(1)), c32(3));
  Value y = permuted(arith::ShRUIOp::create(b, t, c32(1)), g);
  bool isFloat = isa<FloatType>(value.regs[0].getType());
  for (size_t i = 0; i + 1 < value.regs.size(); i += 2) {
    int64_t row = layout.offset(i, 0), column = layout.offset(i, 1);
    Value address = add(at(rowBytes, y, row / 64, column), half);
    if (row % 64)
      address = add(address, c32(row % 64 * swizzle));
    ptx.assembly("st.shared.v2.b32 [$0], {$1, $2};", isFloat ? "r,f,f,~{memory}" : "r,r,r,~{memory}",
                 {address, value.regs[i], value.regs[i + 1]});
  }
  return success();
}

} // namespace adze::cuda::sm90
