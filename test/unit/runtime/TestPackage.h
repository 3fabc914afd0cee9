// Builds small packages for the runtime's tests.
#ifndef ADZE_TEST_UNIT_RUNTIME_TESTPACKAGE_H
#define ADZE_TEST_UNIT_RUNTIME_TESTPACKAGE_H

#include "adze/adze.h"
#include "compiler/package/PackageWriter.h"
#include "runtime/schema/package_generated.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace adze::test {

/// A file that is removed at the end of the test.
class TempFile {
public:
  explicit TempFile(const std::string &name);
  ~TempFile();
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

std::string readFile(const std::string &path);
/// One of the images that CMake built from the .c files of this folder.
std::string readImage(const std::string &name);

/// Metadata under construction, with one program whose tables the helpers fill.
class TestPackage {
public:
  TestPackage();

  fb::MetadataT metadata;
  fb::ProgramT *program;

  // Expressions and symbols go to both tables (the package's and the program's), at the same index.
  uint32_t constant(int64_t value);
  uint32_t expr(fb::ExprOp op, uint32_t a, uint32_t b = 0, uint32_t c = 0);
  uint32_t symbolExpr(uint32_t symbol) { return expr(fb::ExprOp::symbol, symbol); }
  /// Adds the symbol and returns an expression that reads it.
  uint32_t inputDim(const std::string &name, uint32_t input, uint32_t axis, int64_t min, int64_t max);
  uint32_t inputValue(const std::string &name, uint32_t input, uint32_t element, int64_t min, int64_t max);
  uint32_t data(const std::string &name, int64_t max);
  uint32_t lastSymbol() const { return uint32_t(metadata.symbols.size()) - 1; }

  uint32_t input(const std::string &name, adze_dtype_t dtype, std::vector<uint32_t> dims);
  uint32_t output(const std::string &name, adze_dtype_t dtype, std::vector<uint32_t> dims);
  uint32_t buffer(fb::BufferKind kind, uint32_t index, uint32_t size, uint32_t offset = 0);
  uint32_t weight(WeightRef ref);
  void arena(uint32_t bytes) { program->arena_bytes = bytes; }
  void image(const std::string &arch, uint32_t section, uint64_t scratch = 64);
  size_t block();

  template <typename T>
  void command(T op, size_t block = 0) {
    auto command = std::make_unique<fb::CommandT>();
    command->op.Set(std::move(op));
    program->blocks[block]->commands.push_back(std::move(command));
  }
  void dispatch(uint32_t kernel, std::vector<uint32_t> buffers, std::vector<uint32_t> scalars, uint32_t grid);
  void copy(uint32_t to, uint32_t from, uint32_t bytes, size_t block = 0);

  std::string serialize() const;
  /// Writes a package without weights and code.
  void write(const std::string &path) const;

private:
  uint32_t symbol(fb::SymbolT symbol);
};

/// y[n,4] = 2 x[n,4] + w[4], n in 1..1000, w = {1, 2, 3, 4}; a check demands n != 13. 2 kernels, arena of 2 buffers'
/// room.
void writeAffine(const std::string &path, std::vector<std::string> archs = {"x86-64-v3"});
/// For x int64 [n], n in 0..50: positions of the elements that are not zero; y = x if there are at least 2, else a
/// constant in every element. Uses all commands but Dispatch and Loop.
void writeCommands(const std::string &path, const std::string &target = "cpu");
/// For the test device, one program an architecture ("t1", "t2" and "t9", which no test device runs): y[n] = 2 x[n],
/// with a variant that it does not have, whose facts hold for n = 13 only.
void writeVariants(const std::string &path);
/// What writeAffine's package computes, as plain C++.
std::vector<float> affine(const std::vector<float> &x);

struct PackageDeleter {
  void operator()(adze_package_t *package) const { adze_package_close(package); }
};
struct SessionDeleter {
  void operator()(adze_session_t *session) const { adze_session_destroy(session); }
};
using PackagePtr = std::unique_ptr<adze_package_t, PackageDeleter>;
using SessionPtr = std::unique_ptr<adze_session_t, SessionDeleter>;

/// These expect success.
PackagePtr openPackage(const std::string &path);
SessionPtr createSession(const PackagePtr &package, const adze_options_t *options = nullptr);

template <typename T>
adze_tensor_t tensor(std::vector<T> &values, adze_dtype_t dtype, std::vector<int64_t> dims) {
  adze_tensor_t out{};
  out.data = values.data();
  out.size_bytes = values.size() * sizeof(T);
  out.dtype = dtype;
  out.rank = int32_t(dims.size());
  std::copy(dims.begin(), dims.end(), out.dims);
  return out;
}
inline adze_tensor_t tensor(std::vector<float> &values, std::vector<int64_t> dims) {
  return tensor(values, ADZE_F32, std::move(dims));
}

/// What an output holds, as a vector.
template <typename T>
std::vector<T> values(const adze_tensor_t &tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i)
    count *= tensor.dims[i];
  const T *data = static_cast<const T *>(tensor.data);
  return std::vector<T>(data, data + count);
}
inline std::vector<int64_t> dims(const adze_tensor_t &tensor) { return {tensor.dims, tensor.dims + tensor.rank}; }

/// Expects the status and that the last error has four parts and contains the text.
void expectError(adze_status_t actual, adze_status_t expected, const std::string &text);

} // namespace adze::test

#endif
