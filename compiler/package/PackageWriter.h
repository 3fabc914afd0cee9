// Writes a package file (docs/package-format.md). Plain C++ without exceptions of its own and without LLVM, so that the
// runtime's tests use it too.
#ifndef ADZE_COMPILER_PACKAGE_PACKAGEWRITER_H
#define ADZE_COMPILER_PACKAGE_PACKAGEWRITER_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace adze {

/// Success, or the process's exit code (2 usage, 8 disk or memory, 1 a bug) with a four-part text.
struct [[nodiscard]] WriteStatus {
  int code = 0;
  std::string message;
  bool ok() const { return code == 0; }
};

/// Where a tensor stands in the package's weight section.
struct WeightRef {
  uint64_t offset = 0; // 64-byte aligned, from the section's start: Buffer.weight_offset
  uint64_t size = 0;
};

/// Streams one package to disk: weights first, then code, then optionally the debug graph, at last the metadata. The
/// file appears under its name only when finish() has succeeded; an interrupted or failed writer leaves nothing behind.
/// The same calls give the same bytes. Memory use does not grow with the weights.
class PackageWriter {
public:
  /// Receives a part of a tensor.
  using Emit = std::function<WriteStatus(const void *data, size_t size)>;
  /// Calls emit with the tensor's parts in order, `size` bytes altogether, and passes on its failure.
  using Producer = std::function<WriteStatus(const Emit &emit)>;

  static WriteStatus create(const std::string &path, std::unique_ptr<PackageWriter> &out);
  ~PackageWriter();
  PackageWriter(const PackageWriter &) = delete;
  PackageWriter &operator=(const PackageWriter &) = delete;

  /// Appends a tensor, or finds the one with the same bytes that is there already. Not after the first addCode().
  WriteStatus addWeight(const void *data, uint64_t size, WeightRef &out);
  WriteStatus addWeight(uint64_t size, const Producer &producer, WeightRef &out);
  /// Section index of the weights: Metadata.weight_sections = {0}. There is one always, empty if need be.
  static constexpr uint32_t kWeightSection = 0;

  /// Adds a code image; section becomes its index (Image.section). The label, at most 24 bytes of ASCII, is for people.
  WriteStatus addCode(const std::string &label, const void *data, uint64_t size, uint32_t &section);
  /// Adds the debug graph; section becomes Metadata.debug_section.
  WriteStatus addDebug(const void *data, uint64_t size, uint32_t &section);
  /// Adds the finished FlatBuffer, completes the file, flushes it to the disk and gives it its name.
  WriteStatus finish(const void *metadata, uint64_t size);

  /// Bytes of weights that were asked for and bytes that are in the file (they differ by what was shared).
  uint64_t weightBytesAdded() const;
  uint64_t weightBytesStored() const;

private:
  struct State;
  explicit PackageWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace adze

#endif
