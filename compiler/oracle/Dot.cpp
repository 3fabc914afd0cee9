// tile.dot. Operands are packed into panels and multiplied in double by a register-blocked kernel.
//
// Typed mode's accumulator model for operands of up to 32 bits: ascending K, the product exact, the sum rounded to f64
// and then to f32 at every step. (An FMA differs only where the first rounding hits a tie of the second.) Integer
// operands of up to 16 bits go through the same kernel, which is exact for them.
#include "compiler/oracle/Frame.h"

using namespace mlir;

namespace adze::oracle {
namespace {

constexpr int64_t kRows = 4, kColumns = 8;
typedef double Vec __attribute__((vector_size(32)));
typedef float SmallVec __attribute__((vector_size(16)));

enum class Accumulate { Double, Single };

/// c[kRows][kColumns] += a[kRows rows of lda] * panel[depth][kColumns].
template <Accumulate A>
inline __attribute__((always_inline)) void microKernel(const double *a, int64_t lda, const double *panel, int64_t depth,
                                                       double *c) {
  Vec acc[kRows][2];
  std::memcpy(acc, c, sizeof(acc));
  for (int64_t k = 0; k < depth; ++k) {
    Vec b[2];
    std::memcpy(b, panel + k * kColumns, sizeof(b));
    for (int64_t r = 0; r < kRows; ++r) {
      double x = a[r * lda + k];
      Vec broadcast = {x, x, x, x};
      for (int j = 0; j < 2; ++j) {
        acc[r][j] += broadcast * b[j];
        if (A == Accumulate::Single)
          acc[r][j] = __builtin_convertvector(__builtin_convertvector(acc[r][j], SmallVec), Vec);
      }
    }
  }
  std::memcpy(c, acc, sizeof(acc));
}

struct Shape {
  int64_t m, n, k, chunk; ///< chunk: K between promotions, k when there are none
};

/// c[m][n] += a[m][k] * panels; rows of a beyond m are never read.
template <Accumulate A>
inline __attribute__((always_inline)) void blockedDot(const double *a, const double *panels, double *c, Shape s) {
  for (int64_t i = 0; i < s.m; i += kRows) {
    int64_t rows = std::min(kRows, s.m - i);
    // The last rows are read from a copy, padded with zeros.
    const double *left = a + i * s.k;
    for (int64_t j = 0; j < s.n; j += kColumns) {
      int64_t columns = std::min(kColumns, s.n - j);
      double block[kRows * kColumns] = {};
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(c + (i + r) * s.n + j, columns, block + r * kColumns);
      const double *panel = panels + j * s.k;
      if (s.chunk >= s.k) {
        microKernel<A>(left, s.k, panel, s.k, block);
      } else {
        for (int64_t k = 0; k < s.k; k += s.chunk) {
          double part[kRows * kColumns] = {};
          microKernel<A>(left + k, s.k, panel + k * kColumns, std::min(s.chunk, s.k - k), part);
          for (int64_t e = 0; e < kRows * kColumns; ++e) {
            double sum = block[e] + part[e];
            block[e] = A == Accumulate::Single ? static_cast<double>(static_cast<float>(sum)) : sum;
          }
        }
      }
      for (int64_t r = 0; r < rows; ++r)
        std::copy_n(block + r * kColumns, columns, c + (i + r) * s.n + j);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void dotDoubleAvx2(const double *a, const double *p, double *c, Shape s) {
  blockedDot<Accumulate::Double>(a, p, c, s);
}
__attribute__((target("avx2"))) void dotSingleAvx2(const double *a, const double *p, double *c, Shape s) {
  blockedDot<Accumulate::Single>(a, p, c, s);
}
#endif

/// The same operations in the same order on every machine: wider vectors, no FMA.
void multiply(const double *a, const double *panels, double *c, Shape s, bool single) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2"))
    return single ? dotSingleAvx2(a, panels, c, s) : dotDoubleAvx2(a, panels, c, s);
#endif
  single ? blockedDot<Accumulate::Single>(a, panels, c, s) : blockedDot<Accumulate::Double>(a, panels, c, s);
}

struct DotSpec {
  int64_t batch, m, n, k, chunk;
  bool transA, transB, unsignedA, unsignedB, single;
  tile::DotPrecision precision;
  Place a, b, c, r;
};

template <typename T>
double asDouble(T v, const Place &p, bool isUnsigned) {
  if (p.isFloat() || !isUnsigned)
    return static_cast<double>(v);
  return static_cast<double>(unsignedOf(static_cast<int64_t>(v), p.width));
}

/// a[b] as m rows of k, padded with zero rows to whole blocks.
template <typename T>
void packLeft(const T *in, double *out, const DotSpec &s) {
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t k = 0; k < s.k; ++k)
      out[i * s.k + k] = asDouble(s.transA ? in[k * s.m + i] : in[i * s.k + k], s.a, s.unsignedA);
  int64_t rows = llvm::alignTo(s.m, kRows);
  std::fill_n(out + s.m * s.k, (rows - s.m) * s.k, 0.0);
}

/// b[b] as panels of kColumns columns, zero padded.
template <typename T>
void packRight(const T *in, double *out, const DotSpec &s) {
  for (int64_t j = 0; j < s.n; j += kColumns, out += s.k * kColumns)
    for (int64_t c = 0; c < kColumns; ++c)
      for (int64_t k = 0; k < s.k; ++k)
        out[k * kColumns + c] =
            j + c < s.n ? asDouble(s.transB ? in[(j + c) * s.k + k] : in[k * s.n + j + c], s.b, s.unsignedB) : 0.0;
}

const FloatFormat kTf32{19, 8, 10, 127, NanStyle::Ieee, 0x1.ffcp127};
const FloatFormat kB16{16, 8, 7, 127, NanStyle::Ieee, 0x1.fep127};

void roundAll(const FloatFormat &format, double *values, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    values[i] = roundTo(format, values[i]);
}

/// bf16x3: a = ah + al and b = bh + bl; the small products first.
void splitMultiply(Frame &frame, double *a, int64_t countA, double *b, int64_t countB, double *c, Shape shape,
                   bool single) {
  double *lowA = frame.temp(2, countA + countB), *lowB = lowA + countA;
  auto split = [](double *high, double *low, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      double h = roundTo(kB16, high[i]);
      low[i] = roundTo(kB16, high[i] - h);
      high[i] = h;
    }
  };
  split(a, lowA, countA);
  split(b, lowB, countB);
  multiply(lowA, b, c, shape, single);
  multiply(a, lowB, c, shape, single);
  multiply(a, b, c, shape, single);
}

void runPacked(Frame &frame, const DotSpec &s) {
  int64_t countA = llvm::alignTo(s.m, kRows) * s.k, countB = llvm::alignTo(s.n, kColumns) * s.k;
  double *a = frame.temp(0, countA), *b = frame.temp(1, countB);
  Shape shape{s.m, s.n, s.k, s.chunk};
  bool ints = !s.r.isFloat();
  double *c = ints ? frame.temp(3, s.m * s.n) : nullptr;
  for (int64_t n = 0; n < s.batch; ++n) {
    if (ints) {
      packLeft(frame.i(s.a.slot) + n * s.m * s.k, a, s);
      packRight(frame.i(s.b.slot) + n * s.n * s.k, b, s);
      std::fill_n(c, s.m * s.n, 0.0);
      multiply(a, b, c, shape, false);
      const int64_t *acc = frame.i(s.c.slot) + n * s.m * s.n;
      int64_t *out = frame.i(s.r.slot) + n * s.m * s.n;
      for (int64_t e = 0; e < s.m * s.n; ++e)
        out[e] = wrapInt(acc[e] + static_cast<int64_t>(c[e]), s.r.width);
      continue;
    }
    packLeft(frame.f(s.a.slot) + n * s.m * s.k, a, s);
    packRight(frame.f(s.b.slot) + n * s.n * s.k, b, s);
    double *out = frame.f(s.r.slot) + n * s.m * s.n;
    std::copy_n(frame.f(s.c.slot) + n * s.m * s.n, s.m * s.n, out);
    if (s.precision == tile::DotPrecision::bf16x3) {
      splitMultiply(frame, a, countA, b, countB, out, shape, s.single);
      continue;
    }
    if (s.precision == tile::DotPrecision::tf32) {
      roundAll(kTf32, a, countA);
      roundAll(kTf32, b, countB);
    }
    multiply(a, b, out, shape, s.single);
  }
}

/// Wide integers, modulo 2^64 and then the accumulator's width.
void runWideInts(Frame &frame, const DotSpec &s) {
  for (int64_t n = 0; n < s.batch; ++n) {
    const int64_t *a = frame.i(s.a.slot) + n * s.m * s.k, *b = frame.i(s.b.slot) + n * s.n * s.k;
    const int64_t *acc = frame.i(s.c.slot) + n * s.m * s.n;
    int64_t *out = frame.i(s.r.slot) + n * s.m * s.n;
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        uint64_t sum = static_cast<uint64_t>(acc[i * s.n + j]);
        for (int64_t k = 0; k < s.k; ++k) {
          int64_t x = s.transA ? a[k * s.m + i] : a[i * s.k + k], y = s.transB ? b[j * s.k + k] : b[k * s.n + j];
          sum += (s.unsignedA ? unsignedOf(x, s.a.width) : static_cast<uint64_t>(x)) *
                 (s.unsignedB ? unsignedOf(y, s.b.width) : static_cast<uint64_t>(y));
        }
        out[i * s.n + j] = wrapInt(static_cast<int64_t>(sum), s.r.width);
      }
  }
}

} // namespace

bool buildDot(Operation &op, BuildContext &c) {
  auto dot = dyn_cast<tile::DotOp>(op);
  if (!dot)
    return false;
  auto a = shapeOf(dot.getA()), out = shapeOf(dot.getTile());
  size_t rank = out.size();
  DotSpec s;
  s.batch = rank == 3 ? out[0] : 1;
  s.m = out[rank - 2];
  s.n = out[rank - 1];
  s.k = a[rank - (dot.getTransA() ? 2 : 1)];
  s.chunk = dot.getPromote() && c.builder.typed() ? static_cast<int64_t>(*dot.getPromote()) : s.k;
  s.transA = dot.getTransA();
  s.transB = dot.getTransB();
  s.unsignedA = dot.getUnsignedA();
  s.unsignedB = dot.getUnsignedB();
  // Wide mode has no narrow multiplication: the difference is part of the typed error.
  s.precision = c.builder.typed() ? dot.getPrecision() : tile::DotPrecision::ieee;
  s.a = c.place(dot.getA());
  s.b = c.place(dot.getB());
  s.c = c.place(dot.getAcc());
  s.r = c.place(dot.getTile());
  s.single = c.builder.typed() && s.r.isFloat() && s.r.format->isSingle();
  bool wideInts = !s.r.isFloat() && (std::max(s.a.width, s.b.width) > 16 || s.k > (1 << 20));
  c.add([s, wideInts](Frame &frame) { wideInts ? runWideInts(frame, s) : runPacked(frame, s); });
  return true;
}

} // namespace adze::oracle
