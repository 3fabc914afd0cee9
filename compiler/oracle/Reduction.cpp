// Reductions, scans and order.
#include "compiler/oracle/Frame.h"
#include <cmath>
#include <numeric>

using namespace mlir;

namespace adze::oracle {
namespace {

using Kind = tile::TileReduceKind;

double combine(Kind kind, double a, double b) {
  switch (kind) {
  case Kind::add:
    return a + b;
  case Kind::mul:
    return a * b;
  case Kind::max:
    return std::isnan(a) || a > b || (a == b && !std::signbit(a)) ? a : b;
  case Kind::min:
    return std::isnan(a) || a < b || (a == b && std::signbit(a)) ? a : b;
  case Kind::maxnum:
    return std::isnan(a) ? b : std::isnan(b) || a >= b ? a : b;
  case Kind::minnum:
    return std::isnan(a) ? b : std::isnan(b) || a <= b ? a : b;
  default:
    return a;
  }
}

int64_t combine(Kind kind, int64_t a, int64_t b, unsigned width, bool isUnsigned) {
  // i1 is kept as 0 or 1, which orders as unsigned.
  bool less = isUnsigned ? unsignedOf(a, width) < unsignedOf(b, width) : a < b;
  switch (kind) {
  case Kind::add:
    return wrapInt(static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)), width);
  case Kind::mul:
    return wrapInt(static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)), width);
  case Kind::max:
  case Kind::maxnum:
    return less ? b : a;
  case Kind::min:
  case Kind::minnum:
    return less ? a : b;
  case Kind::And:
    return a & b;
  case Kind::Or:
    return a | b;
  case Kind::Xor:
    return a ^ b;
  }
  llvm_unreachable("unknown kind");
}

double floatIdentity(Kind kind) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  switch (kind) {
  case Kind::mul:
    return 1;
  case Kind::max:
  case Kind::maxnum:
    return -inf;
  case Kind::min:
  case Kind::minnum:
    return inf;
  default:
    return 0;
  }
}

int64_t intIdentity(Kind kind, unsigned width, bool isUnsigned) {
  bool asUnsigned = isUnsigned || width == 1;
  switch (kind) {
  case Kind::mul:
    return 1;
  case Kind::And:
    return wrapInt(-1, width);
  case Kind::max:
  case Kind::maxnum:
    return asUnsigned ? 0 : wrapInt(static_cast<int64_t>(uint64_t(1) << (width - 1)), width);
  case Kind::min:
  case Kind::minnum:
    return asUnsigned ? wrapInt(-1, width) : static_cast<int64_t>((uint64_t(1) << (width - 1)) - 1);
  default:
    return 0;
  }
}

/// Runs over `inner` at once, so that reductions of leading dims stay vectorised; the order along the dim is that of
/// the indices.
void reduceFloat(Kind kind, const double *in, double *out, const Split3 &s, bool single) {
  for (int64_t o = 0; o < s.outer; ++o, in += s.size * s.inner, out += s.inner) {
    std::copy_n(in, s.inner, out);
    for (int64_t k = 1; k < s.size; ++k) {
      const double *row = in + k * s.inner;
      if (kind == Kind::add && single)
        for (int64_t i = 0; i < s.inner; ++i)
          out[i] = static_cast<double>(static_cast<float>(out[i] + row[i]));
      else if (kind == Kind::add)
        for (int64_t i = 0; i < s.inner; ++i)
          out[i] += row[i];
      else
        for (int64_t i = 0; i < s.inner; ++i) {
          double v = combine(kind, out[i], row[i]);
          out[i] = single ? static_cast<double>(static_cast<float>(v)) : v;
        }
    }
  }
}

bool buildReduce(tile::ReduceOp op, BuildContext &c) {
  Split3 s = splitAt(shapeOf(op.getSource()), op.getDim());
  Place x = c.place(op.getSource()), r = c.place(op.getTile());
  Kind kind = op.getKind();
  bool isUnsigned = op.getIsUnsigned();
  if (r.isFloat()) {
    // Only f32 sums round between steps: extremes of narrow types are exact.
    bool single = c.builder.typed() && r.format->isSingle();
    c.add([=](Frame &frame) { reduceFloat(kind, frame.f(x.slot), frame.f(r.slot), s, single); });
    return true;
  }
  c.add([=](Frame &frame) {
    const int64_t *in = frame.i(x.slot);
    int64_t *out = frame.i(r.slot);
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        int64_t v = in[o * s.size * s.inner + i];
        for (int64_t k = 1; k < s.size; ++k)
          v = combine(kind, v, in[(o * s.size + k) * s.inner + i], r.width, isUnsigned);
        out[o * s.inner + i] = v;
      }
  });
  return true;
}

bool buildScan(tile::ScanOp op, BuildContext &c) {
  Split3 s = splitAt(shapeOf(op.getSource()), op.getDim());
  Place x = c.place(op.getSource()), r = c.place(op.getTile());
  Kind kind = op.getKind();
  bool isUnsigned = op.getIsUnsigned(), exclusive = op.getExclusive(), reverse = op.getReverse();
  bool single = c.builder.typed() && r.isFloat() && r.format->isSingle();
  c.add([=](Frame &frame) {
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        auto at = [&](int64_t k) { return (o * s.size + (reverse ? s.size - 1 - k : k)) * s.inner + i; };
        if (r.isFloat()) {
          const double *in = frame.f(x.slot);
          double *out = frame.f(r.slot), v = floatIdentity(kind);
          for (int64_t k = 0; k < s.size; ++k) {
            double next = k == 0 ? in[at(k)] : combine(kind, v, in[at(k)]);
            next = single ? static_cast<double>(static_cast<float>(next)) : next;
            out[at(k)] = exclusive ? v : next;
            v = next;
          }
          continue;
        }
        const int64_t *in = frame.i(x.slot);
        int64_t *out = frame.i(r.slot), v = intIdentity(kind, r.width, isUnsigned);
        for (int64_t k = 0; k < s.size; ++k) {
          int64_t next = k == 0 ? in[at(k)] : combine(kind, v, in[at(k)], r.width, isUnsigned);
          out[at(k)] = exclusive ? v : next;
          v = next;
        }
      }
  });
  return true;
}

bool buildArgReduce(tile::ArgReduceOp op, BuildContext &c) {
  Split3 s = splitAt(shapeOf(op.getSource()), op.getDim());
  Place x = c.place(op.getSource()), value = c.place(op.getValue()), index = c.place(op.getIndex());
  bool minimum = op.getMinimum(), last = op.getLast(), isUnsigned = op.getIsUnsigned();
  auto better = [=](Frame &frame, int64_t candidate, int64_t best) {
    if (x.isFloat()) {
      double a = frame.f(x.slot)[candidate], b = frame.f(x.slot)[best];
      if (std::isnan(b))
        return false;
      if (std::isnan(a))
        return true;
      return (minimum ? a < b : a > b) || (last && a == b);
    }
    int64_t a = frame.i(x.slot)[candidate], b = frame.i(x.slot)[best];
    if (a == b)
      return last;
    bool less = isUnsigned ? unsignedOf(a, x.width) < unsignedOf(b, x.width) : a < b;
    return minimum == less;
  };
  c.add([=](Frame &frame) {
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        int64_t base = o * s.size * s.inner + i, best = 0;
        for (int64_t k = 1; k < s.size; ++k)
          if (better(frame, base + k * s.inner, base + best * s.inner))
            best = k;
        frame.i(value.slot)[o * s.inner + i] = frame.i(x.slot)[base + best * s.inner];
        frame.i(index.slot)[o * s.inner + i] = best;
      }
  });
  return true;
}

/// sort (all keys) and topk (the first `keep` of the sorted keys). NaN orders above every number.
bool buildSort(Value keys, Value values, Value outKeys, Value outValues, int64_t dim, bool descending, bool isUnsigned,
               BuildContext &c) {
  Split3 s = splitAt(shapeOf(keys), dim);
  int64_t keep = shapeOf(outKeys)[dim];
  Place k = c.place(keys), v = c.place(values), rk = c.place(outKeys), rv = c.place(outValues);
  auto less = [=](Frame &frame, int64_t p, int64_t q) {
    if (k.isFloat()) {
      double a = frame.f(k.slot)[p], b = frame.f(k.slot)[q];
      return std::isnan(b) ? !std::isnan(a) : a < b;
    }
    int64_t a = frame.i(k.slot)[p], b = frame.i(k.slot)[q];
    return isUnsigned ? unsignedOf(a, k.width) < unsignedOf(b, k.width) : a < b;
  };
  c.add([=](Frame &frame) {
    std::vector<int64_t> &order = frame.intScratch;
    order.resize(s.size);
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        int64_t base = o * s.size * s.inner + i, to = o * keep * s.inner + i;
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
          int64_t p = base + a * s.inner, q = base + b * s.inner;
          return descending ? less(frame, q, p) : less(frame, p, q);
        });
        for (int64_t n = 0; n < keep; ++n) {
          frame.i(rk.slot)[to + n * s.inner] = frame.i(k.slot)[base + order[n] * s.inner];
          frame.i(rv.slot)[to + n * s.inner] = frame.i(v.slot)[base + order[n] * s.inner];
        }
      }
  });
  return true;
}

} // namespace

bool buildReduction(Operation &op, BuildContext &c) {
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return buildReduce(reduce, c);
  if (auto scan = dyn_cast<tile::ScanOp>(op))
    return buildScan(scan, c);
  if (auto arg = dyn_cast<tile::ArgReduceOp>(op))
    return buildArgReduce(arg, c);
  if (auto sort = dyn_cast<tile::SortOp>(op))
    return buildSort(sort.getKeys(), sort.getValues(), sort.getSortedKeys(), sort.getSortedValues(), sort.getDim(),
                     sort.getDescending(), sort.getIsUnsigned(), c);
  if (auto top = dyn_cast<tile::TopKOp>(op))
    return buildSort(top.getKeys(), top.getValues(), top.getTopKeys(), top.getTopValues(), top.getDim(),
                     top.getLargest(), top.getIsUnsigned(), c);
  return false;
}

} // namespace adze::oracle
