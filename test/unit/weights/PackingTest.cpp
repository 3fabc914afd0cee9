#include "compiler/weights/Packing.h"
#include "compiler/weights/WeightStore.h"
#include "gtest/gtest.h"

using namespace adze;

namespace {

/// A [k, n] matrix, column-major when `transposed`, in blocks of bk rows and bn columns: (n / bn, k / bk, k % bk, n %
/// bn).
Packing matrix(int64_t k, int64_t n, int64_t bk, int64_t bn, bool transposed) {
  Packing p;
  p.extents = {k, n};
  p.strides = transposed ? llvm::SmallVector<int64_t, 4>{1, k} : llvm::SmallVector<int64_t, 4>{n, 1};
  p.dims = {{(n + bn - 1) / bn, bn, 1}, {(k + bk - 1) / bk, bk, 0}, {bk, 1, 0}, {bn, 1, 1}};
  return p;
}

std::vector<char> numbered(size_t bytes) {
  std::vector<char> data(bytes);
  for (size_t i = 0; i < bytes; ++i)
    data[i] = char(1 + i % 251);
  return data;
}

void expectRoundTrip(const Packing &p, uint64_t elements, size_t width) {
  ASSERT_TRUE(p.invertible(elements));
  std::vector<char> source = numbered(elements * width), packed(*p.packedElements() * width, 77),
                    back(source.size(), 99);
  p.pack(source, width, packed);
  p.unpack(packed, width, back);
  EXPECT_EQ(back, source);
  // Every byte of the source is a number from 1; what is left of the packed ones is padding.
  EXPECT_EQ(llvm::count(packed, 0), long(packed.size() - source.size()));
}

TEST(Packing, RoundTripOfWholeAndRaggedBlocks) {
  for (bool transposed : {false, true})
    for (size_t width : {1, 2, 4, 8, 16}) {
      expectRoundTrip(matrix(8, 32, 4, 16, transposed), 8 * 32, width);
      expectRoundTrip(matrix(7, 33, 4, 16, transposed), 7 * 33, width);
      expectRoundTrip(matrix(1, 3, 4, 16, transposed), 3, width);
      expectRoundTrip(matrix(5, 1, 1, 8, transposed), 5, width);
    }
}

TEST(Packing, PlacesOfARaggedMatrix) {
  Packing p = matrix(2, 3, 2, 2, /*transposed=*/false);
  std::vector<char> packed(8);
  p.pack(std::vector<char>{1, 2, 3, 4, 5, 6}, 1, packed);
  EXPECT_EQ(packed, (std::vector<char>{1, 2, 4, 5, 3, 0, 6, 0}));
}

TEST(Packing, BackwardDims) {
  // The taps of a transposed convolution: (channel 3, tap 5 backwards, feature 6), features in blocks of 4.
  Packing p;
  p.extents = {5, 3, 6};
  p.strides = {-1, 30, 5};
  p.offset = 4;
  p.dims = {{2, 4, 2}, {5, 1, 0}, {3, 1, 1}, {4, 1, 2}};
  expectRoundTrip(p, 90, 4);
  p.offset = 3;
  EXPECT_FALSE(p.invertible(90));
}

TEST(Packing, RefusesWhatDoesNotHoldEveryElementOnce) {
  Packing good = matrix(7, 33, 4, 16, false);
  ASSERT_TRUE(good.invertible(7 * 33));
  auto refused = [&](llvm::function_ref<void(Packing &)> change) {
    Packing p = good;
    change(p);
    return !p.invertible(7 * 33);
  };
  EXPECT_FALSE(good.invertible(7 * 33 + 1));
  EXPECT_FALSE(good.invertible(0));
  EXPECT_TRUE(refused([](Packing &p) { p.strides[0] = 0; }));            // one row again and again
  EXPECT_TRUE(refused([](Packing &p) { p.strides[0] = 34; }));           // a gap, and beyond the end
  EXPECT_TRUE(refused([](Packing &p) { p.strides[0] = INT64_MIN; }));    // no absolute value
  EXPECT_TRUE(refused([](Packing &p) { p.offset = 1; }));                // beyond the end
  EXPECT_TRUE(refused([](Packing &p) { p.dims[0].extent = 2; }));        // the last column is missing
  EXPECT_TRUE(refused([](Packing &p) { p.dims[0].factor = 17; }));       // column 16 is missing
  EXPECT_TRUE(refused([](Packing &p) { p.dims[1].factor = 3; }));        // row 3 twice
  EXPECT_TRUE(refused([](Packing &p) { p.dims[3].logical = 2; }));       // no such dim
  EXPECT_TRUE(refused([](Packing &p) { p.dims[3].extent = -16; }));      // nonsense
  EXPECT_TRUE(refused([](Packing &p) { p.dims[3].extent = 1l << 62; })); // overflow
  EXPECT_TRUE(refused([](Packing &p) { p.extents.pop_back(); }));
}

TEST(Packing, StoreRemembersWhatIsInvertible) {
  WeightStore store;
  std::vector<char> bytes = numbered(7 * 33 * 2);
  auto source = store.addInline(DType::F16, {7, 33}, llvm::ArrayRef<char>(bytes));
  Packing p = matrix(7, 33, 4, 16, false);
  auto packed = store.addPacked(*source, p, "packed");
  ASSERT_TRUE(packed);
  EXPECT_EQ(llvm::to_vector(store.dims(*packed)), (llvm::SmallVector<int64_t>{3, 2, 4, 16}));
  std::vector<char> want(store.byteSize(*packed)), got(want.size());
  p.pack(bytes, 2, want);
  ASSERT_TRUE(store.read(*packed, got));
  EXPECT_EQ(got, want);
  ASSERT_NE(store.packedFrom(*packed), nullptr);
  EXPECT_EQ(store.packedFrom(*packed)->source, *source);
  EXPECT_EQ(store.packedFrom(*source), nullptr);
  // Half of the rows: a legal operand, but the original cannot be read back from it.
  p = matrix(3, 33, 4, 16, false);
  auto half = store.addPacked(*source, p);
  ASSERT_TRUE(half);
  EXPECT_EQ(store.packedFrom(*half), nullptr);
}

TEST(Packing, StorePacksElementsThatShareBytes) {
  for (auto [type, bits] : {std::pair(DType::U4, 4u), std::pair(DType::U2, 2u)}) {
    WeightStore store;
    std::vector<char> elements(5 * 3);
    for (size_t i = 0; i < elements.size(); ++i)
      elements[i] = char((i * 7 + 1) % (1u << bits));
    std::vector<char> bytes(*packedBytes(type, elements.size()));
    packBits(bits, elements, bytes);
    auto source = store.addInline(type, {5, 3}, llvm::ArrayRef<char>(bytes));
    Packing p = matrix(5, 3, 2, 4, false);
    auto packed = store.addPacked(*source, p);
    ASSERT_TRUE(packed);
    std::vector<char> shared(store.byteSize(*packed)), whole(store.elements(*packed)), back(elements.size());
    ASSERT_TRUE(store.read(*packed, shared));
    unpackBits(bits, shared, whole);
    p.unpack(whole, 1, back);
    EXPECT_EQ(back, elements);
  }
}

} // namespace
