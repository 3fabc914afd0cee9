#include "targets/gpu/lower/RowAddress.h"

namespace adze::gpu {

RowAddress::RowAddress(Lowering &l, const SharedTile &tile) : l(l), swizzle(tile.swizzle), inner(tile.inner) {
  elementBytes = std::max(1u, tile.element.getIntOrFloatBitWidth() / 8);
  int64_t row = tile.shape[tile.inner]; // a single row
  rowsOf.assign(tile.shape.size(), 0);
  int64_t skipped = 1;
  for (unsigned d = tile.shape.size(); d-- > 0;) {
    if (d == tile.inner)
      continue;
    if (skipped == 1)
      row = tile.strides[d];
    rowsOf[d] = skipped;
    skipped *= tile.shape[d];
  }
  bytes = row * elementBytes;
  base = LLVM::PtrToIntOp::create(l.b, l.b.getI32Type(), l.sharedPointer(tile.offset));
  slot = tile.slot;
}

Value RowAddress::pointer(Value address, int64_t constant) {
  auto type = LLVM::LLVMPointerType::get(l.b.getContext(), l.hw.limits.sharedSpace);
  Value &p = pointers[{address, 0}];
  if (!p)
    p = LLVM::IntToPtrOp::create(l.b, type, address);
  if (!constant)
    return p;
  return LLVM::GEPOp::create(l.b, type, l.b.getI8Type(), p, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(constant)});
}

/// base + row * bytes + (chunk ^ pattern of the row) * 16, what differs between a ring's slots last.
Value RowAddress::threadPart(Value row, Value chunk) {
  Value &part = parts[{row, chunk}];
  if (part)
    return part;
  Value sum = base;
  if (row)
    sum = l.add(sum, l.mul(row, l.c32(bytes)));
  if (swizzle && row) {
    Value f = row;
    if (swizzle < 3)
      f = arith::ShRUIOp::create(l.b, f, l.c32(3 - swizzle));
    f = arith::AndIOp::create(l.b, f, l.c32((1 << swizzle) - 1));
    chunk = chunk ? Value(arith::XOrIOp::create(l.b, chunk, f)) : f;
  }
  if (chunk)
    sum = l.add(sum, Value(arith::ShLIOp::create(l.b, chunk, l.c32(4))));
  return part = slot ? l.add(sum, slot) : sum;
}

Value RowAddress::at(Value row, int64_t rowConst, Value chunk, int64_t chunkConst, bool disjoint, int64_t extra) {
  if (swizzle && rowConst % 8) { // changes the pattern
    row = row ? l.add(row, l.c32(rowConst)) : l.c32(rowConst);
    rowConst = 0;
  }
  if (swizzle && chunk && !disjoint && chunkConst) {
    chunk = l.add(chunk, l.c32(chunkConst));
    chunkConst = 0;
  }
  Value address = threadPart(row, chunk);
  int64_t low = swizzle ? chunkConst % (1 << swizzle) : 0;
  if (low) {
    Value &p = pointers[{address, low}];
    if (!p)
      p = arith::XOrIOp::create(l.b, address, l.c32(low * 16));
    address = p;
  }
  return pointer(address, rowConst * bytes + (chunkConst - low) * 16 + extra);
}

Value RowAddress::linear(Value row, int64_t rowConst, Value offset, int64_t offsetConst) {
  assert(!swizzle && "chunks of a swizzled row do not follow each other");
  Value &part = parts[{row, offset}];
  if (!part) {
    part = base;
    if (row)
      part = l.add(part, l.mul(row, l.c32(bytes)));
    if (offset)
      part = l.add(part, offset);
    if (slot)
      part = l.add(part, slot);
  }
  return pointer(part, rowConst * bytes + offsetConst);
}

Value RowAddress::element(const Layout &layout, unsigned reg, unsigned run) {
  ArrayRef<Value> thread = l.threadCoordinates(layout);
  Value row;
  int64_t rowConst = 0;
  for (unsigned d = 0; d < rowsOf.size(); ++d) {
    if (d == inner)
      continue;
    Value part = l.mul(thread[d], l.c32(rowsOf[d]));
    row = row ? l.add(row, part) : part;
    rowConst += layout.offset(reg, d) * rowsOf[d];
  }
  int64_t innerConst = layout.offset(reg, inner);
  unsigned each = 16 / elementBytes;
  if (!swizzle)
    return linear(row, rowConst, l.mul(thread[inner], l.c32(elementBytes)), innerConst * elementBytes);
  auto chunkOf = [&](Value v) -> Value { return arith::ShRUIOp::create(l.b, v, l.c32(llvm::Log2_32(each))); };
  if (run == each)
    return at(row, rowConst, chunkOf(thread[inner]), innerConst / each, /*disjoint=*/false);
  Value place = l.add(thread[inner], l.c32(innerConst));
  Value rest = l.mul(Value(arith::AndIOp::create(l.b, place, l.c32(each - 1))), l.c32(elementBytes));
  Value p = at(row, rowConst, chunkOf(place), 0, false);
  return LLVM::GEPOp::create(l.b, p.getType(), l.b.getI8Type(), p, ArrayRef<LLVM::GEPArg>{rest});
}

} // namespace adze::gpu
