// D = A * B + C of the tensor units: exact products, summed in blocks with the accumulator width that was measured.
//
// PTX only promises that products are accumulated with at least single precision in an unspecified order. What the
// units do was measured: the products of one block and C are aligned to the largest exponent among them, cut (not
// rounded) `fractionBits` below it, added as integers, and the sum is cut to an f32, or rounded to nearest for an f16
// accumulator. Blocks are chained. Sources: Khattak and Mikaitis, "Accurate Models of NVIDIA Tensor Cores", arXiv
// 2512.07004 (their published hardware results for A100, L40S, H100 and H200 are reproduced bit for bit); "Hawkeye",
// arXiv 2603.20421.
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_PRODUCT_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_PRODUCT_H

#include <cstdint>
#include <string>
#include <vector>

namespace adze::sim {

enum class TensorType : uint8_t { F16, BF16, TF32, E4M3, E5M2, S8, U8 };
enum class AccumulatorType : uint8_t { F32, F16, S32 };

/// Bits of an element in a register or in shared memory.
int widthOf(TensorType type);
inline bool isInteger(TensorType type) { return type >= TensorType::S8; }

/// How sums are formed.
struct Accumulation {
  int block = 8;            ///< products that are aligned and added together
  int fractionBits = 24;    ///< bits kept below the largest exponent
  int minExponent = -132;   ///< the largest exponent is at least this
  int resultBits = 23;      ///< fraction bits of an f32 sum after the cut: 13 from the 8-bit units
  bool promiseOnly = false; ///< instead: one f64 sum in order of k, rounded to nearest once
  AccumulatorType to = AccumulatorType::F32;
  int hostVectorBits = 0; ///< of the host: 128, 256 or 512 at most, 0 the widest; results do not depend on it
};

enum class TensorMode : uint8_t { Measured, PromiseOnly };

/// What the units of `architecture` (80, 86, 89, 90, ...) do for these types. fp8 through mma.sync on 90 is
/// carried out by the f16 units; newer architectures than 90 are taken to be like it.
Accumulation accumulationFor(int architecture, TensorType type, AccumulatorType to, bool warpgroup, TensorMode mode);

/// One floating-point operand, split into fields for the sums: `lines` rows of A or columns of B, `depth` elements
/// each. The lines of A are stored one after another; those of B side by side, so that a vector runs over columns.
class Operand {
public:
  enum class Arrangement : uint8_t { LineMajor, DepthMajor };
  Operand() = default;
  Operand(Arrangement arrangement, int lines, int depth) { reset(arrangement, lines, depth); }
  /// All zeros; storage is reused.
  void reset(Arrangement arrangement, int lines, int depth);

  void set(TensorType type, int line, int k, uint32_t bits) { setRun(type, at(line, k), &bits, 1, 4); }
  /// `count` elements that are neighbours in the arrangement, from the position `at` on, read `step` bytes apart.
  void setRun(TensorType type, int at, const void *elements, int count, int step);
  /// Flips every sign (the -1 of imm-scale-a and imm-scale-b).
  void negate();

  Arrangement arrangement = Arrangement::LineMajor;
  int lines = 0, depth = 0, stride = 0;
  int fraction = 0; ///< fraction bits of the magnitudes: the format's mantissa bits
  // value = (sign ? -1 : 1) * magnitude * 2^(exponent - fraction); see noExponent, infinite and notANumber for the
  // rest.
  std::vector<int32_t> magnitude, sign, exponent;
  bool special = false; ///< holds an infinity or a NaN

  static constexpr int32_t noExponent = -30000; ///< of a zero, below all others
  static constexpr int32_t infinite = 20000, notANumber = 20001;

  int at(int line, int k) const {
    return arrangement == Arrangement::LineMajor ? line * stride + k : k * stride + line;
  }
};

/// D = A * B + C for f32 and f16 accumulators; f16 ones are passed as the floats of their values.
/// a: LineMajor, of which `rows` lines from `firstRow` on take part; b: DepthMajor; accumulators: bits of f32,
/// row-major, `pitch` apart, at least b.stride columns.
void multiply(const Operand &a, int firstRow, int rows, const Operand &b, const Accumulation &how,
              uint32_t *accumulators, int pitch);
inline void multiply(const Operand &a, const Operand &b, const Accumulation &how, uint32_t *accumulators, int pitch) {
  multiply(a, 0, a.lines, b, how, accumulators, pitch);
}

/// The 8-bit integer product: wraps, or clamps to the range of s32 with `saturate`.
/// a: rows x depth; b: depth x columns (already widened); accumulators: rows x columns.
void multiplyIntegers(const int32_t *a, const int32_t *b, int rows, int columns, int depth, bool saturate,
                      int32_t *accumulators, int pitch);

} // namespace adze::sim

#endif
