// Shape ops and casts.
#include "compiler/oracle/Frame.h"
#include <cmath>

using namespace mlir;

namespace adze::oracle {
namespace {

/// out[position] = in[sum of coordinate * stride], for the strides of a broadcast, transpose or slice. Slots of both
/// kinds hold 64-bit words, so that one routine moves floats and integers.
void stridedCopy(const int64_t *in, int64_t *out, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides) {
  if (shape.empty()) {
    *out = *in;
    return;
  }
  size_t last = shape.size() - 1;
  int64_t row = shape[last], step = strides[last], rows = 1;
  for (size_t d = 0; d < last; ++d)
    rows *= shape[d];
  int64_t at[tile::kMaxTileRank] = {}, from = 0;
  for (int64_t r = 0; r < rows; ++r, out += row) {
    if (step == 0)
      std::fill_n(out, row, in[from]);
    else if (step == 1)
      std::copy_n(in + from, row, out);
    else
      for (int64_t i = 0; i < row; ++i)
        out[i] = in[from + i * step];
    for (size_t d = last; d-- > 0;) {
      from += strides[d];
      if (++at[d] < shape[d])
        break;
      from -= at[d] * strides[d];
      at[d] = 0;
    }
  }
}

bool addStridedCopy(Value source, Value result, ArrayRef<int64_t> strides, int64_t offset, BuildContext &c) {
  Place x = c.place(source), r = c.place(result);
  SmallVector<int64_t, 5> shape(shapeOf(result)), steps(strides);
  c.add([=](Frame &frame) { stridedCopy(frame.i(x.slot) + offset, frame.i(r.slot), shape, steps); });
  return true;
}

bool buildBroadcast(tile::BroadcastOp op, BuildContext &c) {
  auto from = shapeOf(op.getSource()), to = shapeOf(op.getTile());
  auto strides = rowMajor(from);
  for (size_t d = 0; d < to.size(); ++d)
    if (from[d] != to[d])
      strides[d] = 0;
  return addStridedCopy(op.getSource(), op.getTile(), strides, 0, c);
}

bool buildTranspose(tile::TransposeOp op, BuildContext &c) {
  auto strides = rowMajor(shapeOf(op.getSource()));
  SmallVector<int64_t, 5> permuted;
  for (int64_t p : op.getPerm())
    permuted.push_back(strides[p]);
  return addStridedCopy(op.getSource(), op.getTile(), permuted, 0, c);
}

bool buildSlice(tile::SliceOp op, BuildContext &c) {
  auto strides = rowMajor(shapeOf(op.getSource()));
  int64_t offset = 0;
  for (size_t d = 0; d < strides.size(); ++d) {
    offset += op.getOffsets()[d] * strides[d];
    strides[d] *= op.getStrides()[d];
  }
  return addStridedCopy(op.getSource(), op.getTile(), strides, offset, c);
}

bool buildConcat(tile::ConcatOp op, BuildContext &c) {
  Split3 whole = splitAt(shapeOf(op.getTile()), op.getDim());
  Place r = c.place(op.getTile());
  int64_t start = 0;
  for (Value source : op.getSources()) {
    Split3 part = splitAt(shapeOf(source), op.getDim());
    Place x = c.place(source);
    int64_t block = part.size * part.inner, pitch = whole.size * whole.inner, skip = start * part.inner;
    c.add([=](Frame &frame) {
      for (int64_t o = 0; o < part.outer; ++o)
        std::copy_n(frame.i(x.slot) + o * block, block, frame.i(r.slot) + o * pitch + skip);
    });
    start += part.size;
  }
  return true;
}

bool buildIota(tile::IotaOp op, BuildContext &c) {
  Split3 s = splitAt(shapeOf(op.getTile()), op.getDim());
  Place r = c.place(op.getTile());
  std::optional<Place> start;
  if (op.getStart())
    start = c.place(op.getStart());
  c.add([=](Frame &frame) {
    int64_t base = start ? *frame.i(start->slot) : 0, *out = frame.i(r.slot);
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.size; ++i, out += s.inner)
        std::fill_n(out, s.inner, wrapInt(base + i, r.width));
  });
  return true;
}

uint64_t bitsOf(const Place &p, Frame &frame, int64_t at) {
  if (!p.isFloat())
    return unsignedOf(frame.i(p.slot)[at], p.width);
  return encode(*p.format, roundTo(*p.format, frame.f(p.slot)[at]));
}

void setBits(const Place &p, Frame &frame, int64_t at, uint64_t bits) {
  if (p.isFloat())
    frame.f(p.slot)[at] = decode(*p.format, bits);
  else
    frame.i(p.slot)[at] = wrapInt(static_cast<int64_t>(bits), p.width);
}

/// Little endian: the first of several narrow elements is the low part of a wide one.
bool buildBitcast(Value source, Value result, BuildContext &c) {
  Place x = c.place(source), r = c.place(result);
  unsigned from = x.isFloat() ? x.format->bits : x.width, to = r.isFloat() ? r.format->bits : r.width;
  c.add([=](Frame &frame) {
    if (from == to) {
      for (int64_t i = 0; i < r.count; ++i)
        setBits(r, frame, i, bitsOf(x, frame, i));
    } else if (from > to) {
      unsigned n = from / to;
      for (int64_t i = 0; i < r.count; ++i)
        setBits(r, frame, i, unsignedOf(static_cast<int64_t>(bitsOf(x, frame, i / n) >> (i % n * to)), to));
    } else {
      unsigned n = to / from;
      for (int64_t i = 0; i < r.count; ++i) {
        uint64_t bits = 0;
        for (unsigned k = 0; k < n; ++k)
          bits |= bitsOf(x, frame, i * n + k) << (k * from);
        setBits(r, frame, i, bits);
      }
    }
  });
  return true;
}

//===-- casts
//------------------------------------------------------------------------------------------------------===//

struct CastSpec {
  tile::RoundMode round = tile::RoundMode::rne;
  bool saturate = false, unsignedSource = false, unsignedTarget = false;
};

/// Exact value of an integer as float, rounded once.
double intToFloat(int64_t v, const Place &from, bool isUnsigned, const FloatFormat &format, const CastSpec &spec) {
  if (isUnsigned) {
    uint64_t u = unsignedOf(v, from.width);
    if (format.isSingle())
      return static_cast<double>(static_cast<float>(u));
    return roundTo(format, static_cast<double>(u), spec.round, spec.saturate);
  }
  if (format.isSingle())
    return static_cast<double>(static_cast<float>(v));
  return roundTo(format, static_cast<double>(v), spec.round, spec.saturate);
}

int64_t floatToInt(double v, unsigned width, const CastSpec &spec) {
  if (width == 1)
    return v != 0;
  if (std::isnan(v))
    return 0;
  double r = spec.round == tile::RoundMode::rne   ? std::nearbyint(v)
             : spec.round == tile::RoundMode::rtz ? std::trunc(v)
                                                  : std::floor(v);
  if (spec.saturate) {
    double lo = spec.unsignedTarget ? 0 : -std::ldexp(1.0, width - 1);
    double hi = std::ldexp(1.0, spec.unsignedTarget ? width : width - 1);
    if (r <= lo)
      return spec.unsignedTarget ? 0 : static_cast<int64_t>(-(uint64_t(1) << (width - 1)));
    if (r >= hi)
      return wrapInt(static_cast<int64_t>(~uint64_t(0) >> (64 - width + !spec.unsignedTarget)), width);
  } else {
    if (std::isinf(r))
      return 0;
    r = std::fmod(r, 0x1p64);
  }
  uint64_t u = r < 0 ? -static_cast<uint64_t>(-r) : static_cast<uint64_t>(r);
  return wrapInt(static_cast<int64_t>(u), width);
}

int64_t intToInt(int64_t v, unsigned from, unsigned to, const CastSpec &spec) {
  if (to == 1)
    return v != 0;
  if (from == 1)
    return v;
  if (!spec.saturate)
    return wrapInt(spec.unsignedSource ? static_cast<int64_t>(unsignedOf(v, from)) : v, to);
  // Compare in 128 bits: u64 and i64 both fit.
  __int128 x = spec.unsignedSource ? static_cast<__int128>(unsignedOf(v, from)) : static_cast<__int128>(v);
  __int128 one = 1, lo = spec.unsignedTarget ? 0 : -(one << (to - 1));
  __int128 hi = (spec.unsignedTarget ? one << to : one << (to - 1)) - 1;
  return wrapInt(static_cast<int64_t>(std::min(std::max(x, lo), hi)), to);
}

bool castStep(Value source, Value result, CastSpec spec, BuildContext &c) {
  Place x = c.place(source), r = c.place(result);
  if (x.isFloat() && r.isFloat()) {
    // Widening keeps the value; every other conversion rounds, in wide mode too.
    bool widens = x.format->mantissaBits <= r.format->mantissaBits &&
                  x.format->exponentBits <= r.format->exponentBits && r.format->nan == NanStyle::Ieee;
    bool plain = spec.round == tile::RoundMode::rne && !spec.saturate;
    c.add([=](Frame &frame) {
      const double *in = frame.f(x.slot);
      double *out = frame.f(r.slot);
      std::copy_n(in, r.count, out);
      if (widens)
        return;
      if (plain)
        return roundSpan(*r.format, out, r.count);
      for (int64_t i = 0; i < r.count; ++i)
        out[i] = roundTo(*r.format, in[i], spec.round, spec.saturate);
    });
  } else if (x.isFloat()) {
    c.add([=](Frame &frame) {
      for (int64_t i = 0; i < r.count; ++i)
        frame.i(r.slot)[i] = floatToInt(frame.f(x.slot)[i], r.width, spec);
    });
  } else if (r.isFloat()) {
    bool isUnsigned = spec.unsignedSource || x.width == 1;
    c.add([=](Frame &frame) {
      for (int64_t i = 0; i < r.count; ++i)
        frame.f(r.slot)[i] = intToFloat(frame.i(x.slot)[i], x, isUnsigned, *r.format, spec);
    });
  } else {
    c.add([=](Frame &frame) {
      for (int64_t i = 0; i < r.count; ++i)
        frame.i(r.slot)[i] = intToInt(frame.i(x.slot)[i], x.width, r.width, spec);
    });
  }
  return true;
}

} // namespace

bool buildCast(Operation &op, BuildContext &c) {
  CastSpec spec;
  if (auto cast = dyn_cast<tile::CastOp>(op)) {
    spec = {cast.getRound(), cast.getSat(), cast.getUnsignedSrc(), cast.getUnsignedDst()};
    return castStep(cast.getSource(), cast.getTile(), spec, c);
  }
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp>(op))
    return castStep(op.getOperand(0), op.getResult(0), spec, c);
  if (isa<arith::UIToFPOp>(op)) {
    spec.unsignedSource = true;
    return castStep(op.getOperand(0), op.getResult(0), spec, c);
  }
  if (isa<arith::FPToSIOp, arith::FPToUIOp>(op)) {
    spec.round = tile::RoundMode::rtz;
    spec.unsignedTarget = isa<arith::FPToUIOp>(op);
    return castStep(op.getOperand(0), op.getResult(0), spec, c);
  }
  if (isa<arith::BitcastOp, tile::BitcastOp>(op))
    return buildBitcast(op.getOperand(0), op.getResult(0), c);
  return false;
}

bool buildShape(Operation &op, BuildContext &c) {
  if (auto splat = dyn_cast<tile::SplatOp>(op)) {
    Place x = c.place(splat.getValue()), r = c.place(splat.getTile());
    c.add([=](Frame &frame) { std::fill_n(frame.i(r.slot), r.count, *frame.i(x.slot)); });
    return true;
  }
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return buildIota(iota, c);
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
    return buildBroadcast(broadcast, c);
  if (auto reshape = dyn_cast<tile::ReshapeOp>(op)) {
    Place x = c.place(reshape.getSource()), r = c.place(reshape.getTile());
    c.add([=](Frame &frame) { Builder::copy(frame, r, x); });
    return true;
  }
  if (auto transpose = dyn_cast<tile::TransposeOp>(op))
    return buildTranspose(transpose, c);
  if (auto slice = dyn_cast<tile::SliceOp>(op))
    return buildSlice(slice, c);
  if (auto concat = dyn_cast<tile::ConcatOp>(op))
    return buildConcat(concat, c);
  return false;
}

} // namespace adze::oracle
