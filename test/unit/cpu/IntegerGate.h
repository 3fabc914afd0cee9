// The integer-data gate (docs/tile.md, "The oracle"): small graphs on integer-valued data, where every order of
// summation is exact, compiled for the CPU and compared with the interpreter bit for bit.
#ifndef ADZE_TEST_UNIT_CPU_INTEGERGATE_H
#define ADZE_TEST_UNIT_CPU_INTEGERGATE_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace adze::test {

/// Values of the symbols n, m and k.
using Sizes = std::array<int64_t, 3>;

/// One graph. A line of `text` is one of
///   in NAME TYPE [LOW..HIGH]          an argument, filled with integers of the range (-3..3)
///   NAME TYPE = weight [LOW..HIGH]    a constant of the weight store
///   NAME TYPE, ... = OP NAMES {ATTRS} an op of the graph dialect
///   out NAMES                         the results
/// A type is [DIMS]ELEMENT, DIMS affine expressions of n, m and k.
struct GateCase {
  const char *name;
  const char *text;
  std::vector<Sizes> sizes; ///< the first two are also compiled with static shapes
  bool tf32 = false;        ///< compiled with the licence to round float32 operands of products
};

const std::vector<GateCase> &gateCases();

} // namespace adze::test

#endif
