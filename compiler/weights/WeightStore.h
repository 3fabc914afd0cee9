// Constant tensors, kept out of the IR. The graph dialect refers to an entry by its id; the bytes stay in the mapped
// model file until somebody reads them, so that memory holds about one tensor at a time.
#pragma once
#include "compiler/support/DType.h"
#include "compiler/weights/MappedFile.h"
#include "compiler/weights/Packing.h"
#include "llvm/ADT/SmallVector.h"
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>

namespace adze {

/// Layout of every entry: dense, row-major, little endian, ONNX packing (4- and 2-bit elements share bytes, least
/// significant bits first; bool is one byte, 0 or 1).
class WeightStore {
public:
  using Id = uint32_t;
  using Digest = std::array<uint64_t, 2>;
  /// Fills `out` (exactly byteSize bytes) from other entries; false on failure. Must be deterministic and thread-safe.
  using Compute = std::function<bool(const WeightStore &, llvm::MutableArrayRef<char> out)>;

  WeightStore() = default;
  WeightStore(const WeightStore &) = delete;
  WeightStore &operator=(const WeightStore &) = delete;

  // Each add returns nullopt when dims are negative or overflow, when the source's size is not the tensor's, or when
  // the type has no bytes (string). `name` is for reports only.
  std::optional<Id> addMapped(DType type, llvm::ArrayRef<int64_t> dims, std::shared_ptr<MappedFile> file,
                              uint64_t offset, uint64_t length, llvm::StringRef name = "");
  std::optional<Id> addInline(DType type, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<char> bytes,
                              llvm::StringRef name = "");
  std::optional<Id> addInline(DType type, llvm::ArrayRef<int64_t> dims, std::vector<char> bytes,
                              llvm::StringRef name = "");
  /// Every element is `element` (unpacked: one or more whole bytes).
  std::optional<Id> addSplat(DType type, llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<char> element,
                             llvm::StringRef name = "");
  std::optional<Id> addComputed(DType type, llvm::ArrayRef<int64_t> dims, Compute compute, llvm::StringRef name = "");
  /// The elements of `source` in the order of `packing`, dims as packing.dims. The store remembers how it was made.
  std::optional<Id> addPacked(Id source, const Packing &packing, llvm::StringRef name = "");
  /// Small integer constants, the common case in shape arithmetic.
  std::optional<Id> addInts(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<int64_t> values, llvm::StringRef name = "");
  /// The same bytes under other dims (same element count): shares the source.
  std::optional<Id> addReshaped(Id source, llvm::ArrayRef<int64_t> dims);

  size_t size() const { return entries.size(); }
  DType dtype(Id id) const { return entries[id]->type; }
  llvm::ArrayRef<int64_t> dims(Id id) const { return entries[id]->dims; }
  uint64_t elements(Id id) const { return entries[id]->count; }
  uint64_t byteSize(Id id) const { return entries[id]->bytes; }
  llvm::StringRef name(Id id) const { return entries[id]->name; }
  bool isComputed(Id id) const { return std::holds_alternative<Compute>(entries[id]->source); }

  /// What addPacked() was given.
  struct PackedFrom {
    Id source;
    Packing packing;
  };
  /// Null unless the entry came from addPacked() and holds every element of its source.
  const PackedFrom *packedFrom(Id id) const { return entries[id]->packed ? &*entries[id]->packed : nullptr; }

  /// Writes the whole tensor; out.size() must be byteSize(id). False when the file behind it shrank or a computation
  /// failed.
  bool read(Id id, llvm::MutableArrayRef<char> out) const;
  /// Direct pointer to the bytes when they are inline or mapped; null otherwise. Not aligned beyond one byte.
  const char *tryData(Id id) const;
  /// The element (unpacked) that fills the tensor, when the entry is a splat or has one element.
  std::optional<llvm::SmallVector<char, 16>> splat(Id id) const;
  /// All elements as integers; nullopt for non-integer types, or beyond `limit` elements.
  std::optional<llvm::SmallVector<int64_t>> ints(Id id, uint64_t limit = 65536) const;
  /// All elements widened to double; nullopt for types that are not integer, bool or float16/32/64/bfloat16.
  std::optional<llvm::SmallVector<double>> doubles(Id id, uint64_t limit = 65536) const;
  /// Digest of the contents (XXH3-128), for sharing equal tensors; computed once, nullopt when the bytes cannot be
  /// read.
  std::optional<Digest> digest(Id id) const;

private:
  struct Mapped {
    std::shared_ptr<MappedFile> file;
    uint64_t offset;
  };
  using Inline = std::shared_ptr<const std::vector<char>>;
  struct Splat {
    llvm::SmallVector<char, 16> element;
  };
  struct Entry {
    DType type;
    llvm::SmallVector<int64_t, 4> dims;
    uint64_t count, bytes;
    std::string name;
    std::variant<Mapped, Inline, Splat, Compute> source;
    std::optional<PackedFrom> packed;
    mutable std::optional<Digest> digest;
  };
  std::optional<Id> add(DType type, llvm::ArrayRef<int64_t> dims, llvm::StringRef name,
                        std::variant<Mapped, Inline, Splat, Compute> source, std::optional<uint64_t> bytes);

  std::vector<std::unique_ptr<Entry>> entries;
  mutable std::mutex digestMutex;
};

/// One element of a numeric tensor as double (exact for up to 53 bits) from unpacked bytes.
double elementToDouble(DType type, const char *element);
/// Rounds to nearest even into `type` (float16/32/64, bfloat16, integers and bool truncate); false for other types.
bool elementFromDouble(DType type, double value, char *element);
/// Same for integers; `element` holds unpackedBytes(type) bytes.
int64_t elementToInt(DType type, const char *element);
void elementFromInt(DType type, int64_t value, char *element);

} // namespace adze
