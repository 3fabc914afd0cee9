#include "compiler/weights/Packing.h"
#include "compiler/support/DType.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cstring>
#include <utility>

using namespace adze;
using llvm::ArrayRef;
using llvm::MutableArrayRef;
using llvm::SmallVector;
using llvm::SmallVectorImpl;

std::optional<uint64_t> Packing::packedElements() const {
  SmallVector<int64_t> shape;
  for (const PackedDim &d : dims)
    shape.push_back(d.extent);
  return numElements(shape);
}

/// True when the (step, extent) pairs, in any order, count 0, 1, 2, ... without gap or repetition. `total` becomes how
/// far they count.
static bool countsUp(SmallVectorImpl<std::pair<int64_t, int64_t>> &steps, int64_t &total) {
  llvm::sort(steps);
  total = 1;
  for (auto [step, extent] : steps) {
    if (step != total || llvm::MulOverflow(total, extent, total))
      return false;
  }
  return true;
}

bool Packing::invertible(uint64_t elements) const {
  if (extents.size() != strides.size() || elements == 0 || elements > INT64_MAX || !packedElements())
    return false;
  // Logical coordinates to elements of the source; a dim that runs backwards starts at its far end.
  SmallVector<std::pair<int64_t, int64_t>> steps;
  int64_t start = 0, total = 0;
  for (auto [extent, stride] : llvm::zip_equal(extents, strides)) {
    if (extent < 1 || stride == INT64_MIN)
      return false;
    if (extent == 1)
      continue;
    int64_t back = 0;
    if (stride < 0 && (llvm::MulOverflow(-stride, extent - 1, back) || llvm::AddOverflow(start, back, start)))
      return false;
    steps.push_back({stride < 0 ? -stride : stride, extent});
  }
  if (start != offset || !countsUp(steps, total) || uint64_t(total) != elements)
    return false;
  // Places in the packed tensor to logical coordinates.
  for (const PackedDim &d : dims)
    if (d.extent < 1 || d.factor < 1 || d.logical >= extents.size())
      return false;
  for (size_t i = 0; i < extents.size(); ++i) {
    steps.clear();
    for (const PackedDim &d : dims)
      if (d.logical == i && d.extent > 1)
        steps.push_back({d.factor, d.extent});
    if (!countsUp(steps, total) || total < extents[i])
      return false;
  }
  return true;
}

namespace {
/// Visits the packed places in order.
template <typename Visit>
class Walk {
public:
  Walk(const Packing &packing, Visit visit) : p(packing), visit(visit), at(packing.extents.size(), 0) {}
  void run(size_t d = 0) {
    if (d == p.dims.size())
      return place();
    const PackedDim &dim = p.dims[d];
    int64_t first = at[dim.logical];
    for (int64_t i = 0; i < dim.extent; ++i) {
      at[dim.logical] = first + i * dim.factor;
      run(d + 1);
    }
    at[dim.logical] = first;
  }

private:
  void place() {
    bool inside = true;
    for (size_t i = 0; i < at.size(); ++i)
      inside &= at[i] < p.extents[i];
    int64_t position = p.offset;
    if (inside)
      for (size_t i = 0; i < at.size(); ++i)
        position += at[i] * p.strides[i];
    visit(index++, inside ? std::optional<int64_t>(position) : std::nullopt);
  }
  const Packing &p;
  Visit visit;
  SmallVector<int64_t> at;
  int64_t index = 0;
};
} // namespace

void Packing::pack(ArrayRef<char> source, size_t width, MutableArrayRef<char> packed) const {
  Walk(*this, [&](int64_t to, std::optional<int64_t> from) {
    if (from)
      std::memcpy(packed.data() + to * width, source.data() + *from * width, width);
    else
      std::memset(packed.data() + to * width, 0, width);
  }).run();
}

void Packing::unpack(ArrayRef<char> packed, size_t width, MutableArrayRef<char> source) const {
  Walk(*this, [&](int64_t from, std::optional<int64_t> to) {
    if (to)
      std::memcpy(source.data() + *to * width, packed.data() + from * width, width);
  }).run();
}
