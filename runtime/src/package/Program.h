// The decoded, validated form of a package's metadata. Every index in it is in range; the executor relies on that.
#ifndef ADZE_RUNTIME_PACKAGE_PROGRAM_H
#define ADZE_RUNTIME_PACKAGE_PROGRAM_H

#include "adze/adze.h"
#include "runtime/src/package/PackageReader.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace adze::rt {

enum class ExprOp : uint8_t {
  constant,
  symbol,
  add,
  sub,
  mul,
  floordiv,
  ceildiv,
  mod,
  min,
  max,
  eq,
  lt,
  select,
  logicalAnd,
  logicalOr,
  truncdiv
};

struct Expr {
  ExprOp op;
  int64_t value;
  uint32_t a, b, c;
  int32_t lastSymbol; // the highest symbol that it needs, directly or through others; -1: a constant
};

enum class SymbolKind : uint8_t { inputDim, inputValue, derived, data };

struct Symbol {
  std::string name;
  SymbolKind kind;
  uint32_t input, axis, expr;
  int64_t min, max;
};

struct SymbolTable {
  std::vector<Symbol> symbols;
  std::vector<Expr> exprs;
  /// Expressions sorted by lastSymbol, then index; those that need symbol s last are order[stage[s+1] .. stage[s+2]).
  std::vector<uint32_t> order;
  std::vector<uint32_t> stage;

  /// Constants are folded when the package is decoded.
  bool isConstant(uint32_t expr) const { return exprs[expr].op == ExprOp::constant; }
  int64_t constantValue(uint32_t expr) const { return exprs[expr].value; }
};

struct TensorDef {
  std::string name;
  adze_dtype_t dtype;
  std::vector<uint32_t> dims; // expressions of Package::table
  adze_tensor_info_t info;    // pointers into this package
  std::vector<std::string> dimNames;
};

struct Check {
  uint32_t expr;
  std::string message;
};

enum class BufferKind : uint8_t { input, output, weight, arena };

struct Buffer {
  BufferKind kind;
  uint32_t index;  // input, output: position; weight: section index in the file
  uint32_t offset; // arena: expression
  uint32_t size;   // expression
  uint64_t weightOffset;
};

/// Numbers computed from the arguments of one launch (docs/package-format.md, "Launch code"). Decoded code never takes
/// from an empty stack and never needs more than kMaxStack entries.
struct LaunchCode {
  static constexpr size_t kMaxStack = 64;
  static constexpr int64_t kAddress = 16; // the operation behind those of ExprOp
  struct Step {
    int64_t op, operand;
  };
  std::vector<Step> steps;
  size_t numBuffers = 0, numScalars = 0; // that a launch must have at least
};

/// A faster form of a kernel; the first whose facts hold is launched.
struct Variant {
  std::string symbol;
  uint64_t scratch;
  int64_t block[3];
  LaunchCode facts;
  std::vector<LaunchCode> descriptors;
  uint32_t persistent, cluster;
};

struct Kernel {
  std::string symbol, key, nodes;
  uint64_t scratch = 0;
  int64_t block[3] = {0, 0, 0};
  std::vector<Variant> variants;
  LaunchCode shares;    // one value; no steps: work is not split
  uint64_t partial = 0; // bytes of a share in the workspace
};

struct Image {
  std::string arch;
  uint32_t section; // section index in the file
  std::vector<Kernel> kernels;
};

struct DispatchCommand {
  uint32_t kernel;
  std::vector<uint32_t> buffers, scalars, grid, descriptors;
};
struct CopyCommand {
  uint32_t to, from, bytes;
};
struct FillCommand {
  uint32_t to;
  uint64_t pattern;
  uint32_t patternBytes, bytes;
};
struct StoreCommand {
  uint32_t to;
  adze_dtype_t dtype;
  std::vector<uint32_t> exprs;
};
struct HostOperand {
  uint32_t buffer;
  adze_dtype_t dtype;
  std::vector<uint32_t> dims; // expressions
};
struct HostOp; // runtime/src/host/HostOps.h
struct HostCommand {
  const HostOp *op;
  std::vector<HostOperand> inputs, outputs;
  std::vector<int64_t> attrs;
  std::vector<double> fattrs;
  std::vector<uint32_t> defines; // symbols
  std::string nodes;
};
struct IfCommand {
  uint32_t condition, thenBlock, elseBlock;
};
struct LoopCommand {
  uint32_t trip; // expression
  uint32_t condition, iteration;
  bool hasCondition, hasIteration;
  uint32_t body;
};
using Command =
    std::variant<DispatchCommand, CopyCommand, FillCommand, StoreCommand, HostCommand, IfCommand, LoopCommand>;

struct Program {
  std::string target;
  SymbolTable table;
  std::vector<Check> checks;
  std::vector<Buffer> buffers;
  std::vector<std::vector<Command>> blocks;
  uint32_t arenaBytes; // expression
  std::vector<std::vector<int64_t>> recipes;
  std::vector<Image> images; // all with the same kernels in the same order
};

/// A package, opened, checked and decoded.
struct Package {
  std::shared_ptr<const PackageReader> reader;
  std::vector<TensorDef> inputs, outputs;
  SymbolTable table;
  std::vector<Program> programs;
  std::vector<std::pair<std::string, std::string>> provenance;
  uint32_t debugSection = 0;
};

/// Verifies and decodes the metadata section. Throws Error (ADZE_BAD_PACKAGE).
std::shared_ptr<const Package> decodePackage(std::shared_ptr<const PackageReader> reader);

/// For callers built without exceptions: opens and decodes; null on failure, with the status and the four-part text.
std::shared_ptr<const Package> openPackage(const std::string &path, adze_status_t &status,
                                           std::string &message) noexcept;

} // namespace adze::rt

#endif
