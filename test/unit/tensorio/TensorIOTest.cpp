#include "compiler/tensorio/TensorIO.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

using namespace adze;

namespace {

/// A format 1.0 file built by hand, independent of toNpy.
std::string npy(const std::string &descr, bool fortran, const std::string &shape, const std::string &data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
  std::string out("\x93NUMPY\x01\x00", 8);
  out.push_back(static_cast<char>(header.size() & 255));
  out.push_back(static_cast<char>(header.size() >> 8));
  return out + header + data;
}

template <typename T>
std::string raw(std::initializer_list<T> values) {
  return std::string(reinterpret_cast<const char *>(values.begin()), values.size() * sizeof(T));
}

std::string temporary(const char *name, const std::string &bytes) {
  std::string path = ::testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(Npy, ReadsScalarsVectorsAndFortranOrder) {
  ErrorSink sink;
  auto scalar = parseNpy(npy("<f4", false, "()", raw<float>({2.5f})), "t", sink);
  ASSERT_TRUE(scalar) << sink.text();
  EXPECT_TRUE(scalar->dims.empty());
  // Column-major 2x3 [[1,2,3],[4,5,6]] is stored 1,4,2,5,3,6.
  auto matrix = parseNpy(npy("<i2", true, "(2, 3)", raw<int16_t>({1, 4, 2, 5, 3, 6})), "t", sink);
  ASSERT_TRUE(matrix) << sink.text();
  int16_t expected[] = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(0, std::memcmp(matrix->bytes.data(), expected, sizeof(expected)));
}

TEST(Npy, SwapsBigEndian) {
  ErrorSink sink;
  auto tensor = parseNpy(npy(">i4", false, "(1,)", std::string("\x00\x00\x01\x02", 4)), "t", sink);
  ASSERT_TRUE(tensor) << sink.text();
  int32_t value;
  std::memcpy(&value, tensor->bytes.data(), 4);
  EXPECT_EQ(258, value);
}

TEST(Npy, EveryTruncationIsRefusedWithoutCrash) {
  std::string whole = npy("<f8", false, "(2, 2)", raw<double>({1, 2, 3, 4}));
  for (size_t size = 0; size < whole.size(); ++size) {
    ErrorSink sink;
    EXPECT_FALSE(parseNpy(llvm::StringRef(whole).take_front(size), "t", sink)) << size;
    EXPECT_EQ(3, sink.exitCode());
  }
}

TEST(Npy, RefusesObjectsAndOverflowingShapes) {
  ErrorSink sink;
  EXPECT_FALSE(parseNpy(npy("|O", false, "(1,)", "12345678"), "t", sink));
  EXPECT_EQ(4, sink.exitCode());
  ErrorSink other;
  EXPECT_FALSE(parseNpy(npy("<f4", false, "(4611686018427387904, 4)", ""), "t", other));
  EXPECT_EQ(3, other.exitCode());
}

TEST(Npy, WritesWhatItReads) {
  for (llvm::SmallVector<int64_t, 4> dims : {llvm::SmallVector<int64_t, 4>{}, {3}, {2, 0}, {1, 3}}) {
    HostTensor tensor{DType::F32, dims, std::vector<char>(*numElements(dims) * 4, 7)};
    std::string text = toNpy(tensor);
    EXPECT_EQ(0u, (text.size() - tensor.bytes.size()) % 64);
    ErrorSink sink;
    auto back = parseNpy(text, "t", sink);
    ASSERT_TRUE(back) << sink.text();
    EXPECT_EQ(dims, back->dims);
    EXPECT_EQ(tensor.bytes, back->bytes);
  }
}

TEST(Npy, StandInTypes) {
  ErrorSink sink;
  auto tensor = parseNpy(npy("<u2", false, "(1,)", raw<uint16_t>({0x3f80})), "t", sink);
  ASSERT_TRUE(tensor);
  EXPECT_FALSE(retype(*tensor, DType::F16));
  EXPECT_TRUE(retype(*tensor, DType::BF16));
  auto nibble = parseNpy(npy("|u1", false, "(1,)", "\x1f"), "t", sink);
  ASSERT_TRUE(nibble);
  EXPECT_FALSE(retype(*nibble, DType::I4)) << "0x1f does not fit four bits";
}

/// numpy.savez of a = int8[2] {5, 6}, built by hand: one stored member.
std::string npz(uint32_t crc) {
  std::string data = npy("|i1", false, "(2,)", "\x05\x06"), name = "a.npy";
  auto u16 = [](unsigned v) { return raw<uint16_t>({static_cast<uint16_t>(v)}); };
  auto u32 = [](size_t v) { return raw<uint32_t>({static_cast<uint32_t>(v)}); };
  std::string common =
      u16(0) + u16(0) + u16(0) + u16(0) + u32(crc) + u32(data.size()) + u32(data.size()) + u16(name.size()) + u16(0);
  std::string local = "PK\x03\x04" + u16(20) + common + name + data;
  std::string central = "PK\x01\x02" + u16(20) + u16(20) + common + u16(0) + u16(0) + u16(0) + u32(0) + u32(0) + name;
  return local + central + "PK\x05\x06" + u16(0) + u16(0) + u16(1) + u16(1) + u32(central.size()) + u32(local.size()) +
         u16(0);
}

/// Bitwise CRC-32, independent of zlib.
uint32_t crcOf(const std::string &bytes) {
  uint32_t crc = ~0u;
  for (unsigned char c : bytes) {
    crc ^= c;
    for (int i = 0; i < 8; ++i)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

TEST(Npz, ReadsStoredMembersAndChecksTheCrc) {
  uint32_t crc = crcOf(npy("|i1", false, "(2,)", "\x05\x06"));
  ErrorSink sink;
  auto tensor = readTensorFile(temporary("a.npz", npz(crc)), "a", sink);
  ASSERT_TRUE(tensor) << sink.text();
  EXPECT_EQ(6, tensor->bytes[1]);
  EXPECT_FALSE(readTensorFile(temporary("b.npz", npz(crc + 1)), "a", sink));
  EXPECT_EQ(3, sink.exitCode());
}

TEST(Zip, ReadsWhatItWrites) {
  HostTensor tensor;
  tensor.dtype = DType::I16;
  tensor.dims = {3};
  tensor.bytes = {1, 0, 2, 0, 3, 0};
  ZipMembers members = {{"a.npy", toNpy(tensor)}, {"empty.bin", ""}, {"text.json", std::string("{}\0", 3)}};
  std::optional<std::string> bytes = toZip(members);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes, toZip(members));
  ErrorSink sink;
  std::optional<ZipMembers> read = readZip(temporary("zip.zip", *bytes), sink);
  ASSERT_TRUE(read) << sink.text();
  EXPECT_EQ(*read, members);
  members.resize(1);
  auto arrays = readNpz(temporary("zip.npz", *toZip(members)), sink);
  ASSERT_TRUE(arrays) << sink.text();
  EXPECT_EQ((*arrays)[0].first, "a");
  EXPECT_EQ((*arrays)[0].second.bytes, tensor.bytes);
  // A changed byte of the data is noticed.
  (*bytes)[bytes->find("{}")] = '[';
  EXPECT_FALSE(readZip(temporary("bad.zip", *bytes), sink));
  EXPECT_FALSE(toZip(ZipMembers(65535)));
}

TEST(TensorProtoFile, RawTypedAndPackedData) {
  ErrorSink sink;
  // dims: 3, data_type: INT4, raw_data: 0x21 0x03.
  auto packed = readTensorFile(temporary("i4.pb", std::string("\x08\x03\x10\x16\x4a\x02\x21\x03", 8)), "", sink);
  ASSERT_TRUE(packed) << sink.text();
  EXPECT_EQ((std::vector<char>{1, 2, 3}), packed->bytes);
  // dims: 2, data_type: INT64, int64_data packed: 1, -1.
  std::string minusOne = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  auto typed = readTensorFile(temporary("i64.pb", "\x08\x02\x10\x07\x3a\x0b\x01" + minusOne), "", sink);
  ASSERT_TRUE(typed) << sink.text();
  EXPECT_EQ(16u, typed->bytes.size());
  EXPECT_EQ(-1, typed->bytes[15]);
}

TEST(TensorProtoFile, RefusesWrongSizes) {
  ErrorSink sink;
  EXPECT_FALSE(readTensorFile(temporary("bad.pb", std::string("\x08\x03\x10\x01\x4a\x02\x21\x03", 8)), "", sink));
  EXPECT_EQ(3, sink.exitCode());
  EXPECT_NE(std::string::npos, sink.text().find("needs 12"));
  EXPECT_FALSE(readTensorFile("/nonexistent/x.npy", "", sink));
}

} // namespace
