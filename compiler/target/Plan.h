// How a target answers a fused region: the problem, the plan, and the machine that planning reads.
#ifndef ADZE_COMPILER_TARGET_PLAN_H
#define ADZE_COMPILER_TARGET_PLAN_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace adze {

/// What is known of an extent: inclusive range, a divisor, and the size that the user expects (0 = unknown).
struct Extent {
  int64_t min = 0, max = INT64_MAX, div = 1, optimum = 0;
  bool isStatic() const { return min == max; }
  /// The size to plan for.
  int64_t typical() const { return isStatic() ? min : optimum ? optimum : max < 4096 ? max : min > 256 ? min : 256; }
};

/// A region as its target sees it: family, named extents (M, N, K, ...), element types and flags.
struct Problem {
  std::string family;
  std::map<std::string, Extent> extents;
  std::map<std::string, mlir::Type> types; // element types of the operands that matter: "a", "b", "y"
  std::map<std::string, int64_t> flags;    // constants that steer the form: kernel sizes, strides, constant weights
  int64_t extent(const std::string &name) const {
    auto it = extents.find(name);
    return it == extents.end() ? 1 : it->second.typical();
  }
  int64_t flag(const std::string &name, int64_t otherwise = 0) const {
    auto it = flags.find(name);
    return it == flags.end() ? otherwise : it->second;
  }
};

/// A target's answer: which form of the family, its sizes, how constant operands are packed, and the schedule.
struct Plan {
  std::string form;
  std::map<std::string, int64_t> params;          // tile sizes: "BM", "BN", "BK", ...
  std::map<std::string, mlir::Attribute> packing; // operand name -> #tile.pack (constant operands only)
  mlir::Attribute schedule;                       // #tile.schedule or null
  int64_t param(const std::string &name, int64_t otherwise) const {
    auto it = params.find(name);
    return it == params.end() ? otherwise : it->second;
  }
};

/// One memory of a machine. 0 bytes = unbounded.
struct Memory {
  std::string name;
  uint64_t bytes = 0;
  uint32_t align = 1;
  uint32_t granule = 1;
  bool perInstance = false; // each instance of its units has one of its own (the buffer of a vector core)
  bool ring = true;         // may hold a value from one stage to a later one; operand buffers of a matrix unit do not
};

/// A way for data: which unit moves it, between which memories, and what it can do on the way ("cast", "im2col", ...).
/// Ends are memories ("gm" = device memory) or a unit's ports: "matrix.a", "matrix.b", "matrix.acc", "vector".
struct Path {
  std::string from, to, unit;
  std::vector<std::string> features;
};

/// An execution unit. `instances`: copies per program (e.g. two vector units beside one matrix unit). Flags between
/// units of different cores cost more than those inside one and are counted apart.
struct Unit {
  std::string name;
  std::vector<std::string> does; // "load", "matrix", "vector", "store"
  uint32_t instances = 1;
  bool async = false;
  std::string core;
};

/// A target's declarative description: data only, read by planning and by compiler/schedule.
struct Machine {
  std::string name;
  std::vector<Unit> units;
  std::vector<Memory> memories;
  std::vector<Path> paths;
  std::map<std::string, int64_t> values; // named numbers: "vector_bits", "flags_per_pair", "l2_bytes", ...
  int64_t value(const std::string &key, int64_t otherwise = 0) const {
    auto it = values.find(key);
    return it == values.end() ? otherwise : it->second;
  }
};

} // namespace adze

#endif
