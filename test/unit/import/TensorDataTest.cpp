#include "compiler/import/TensorData.h"
#include "Models.h"
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

using namespace adze;
namespace fs = std::filesystem;

namespace {

struct Result {
  WeightStore store;
  ErrorSink sink;
  std::optional<WeightStore::Id> id;
};

std::unique_ptr<Result> read(const onnx::TensorProto &tensor, ExternalFiles *external = nullptr) {
  auto result = std::make_unique<Result>();
  TensorSource source{result->store, nullptr, external, result->sink};
  result->id = addTensor(tensor, source, {}, "t");
  return result;
}

onnx::TensorProto tensor(int type, std::initializer_list<int64_t> dims, const std::string &raw = "") {
  onnx::TensorProto t;
  t.set_data_type(type);
  for (int64_t d : dims)
    t.add_dims(d);
  if (!raw.empty())
    t.set_raw_data(raw);
  return t;
}

TEST(TensorData, RawDataMustHaveTheTensorsSize) {
  EXPECT_TRUE(read(tensor(1, {2}, std::string(8, '\0')))->id);
  for (size_t size : {1u, 7u, 9u, 12u}) {
    auto result = read(tensor(1, {2}, std::string(size, '\0')));
    EXPECT_FALSE(result->id);
    EXPECT_EQ(3, result->sink.exitCode());
  }
}

TEST(TensorData, RefusesBadDims) {
  EXPECT_EQ(3, read(tensor(1, {-1}))->sink.exitCode());
  EXPECT_EQ(3, read(tensor(1, {int64_t(1) << 32, int64_t(1) << 32}))->sink.exitCode()) << "wraps to zero";
  EXPECT_EQ(3, read(tensor(1, {(int64_t(1) << 62) + 1, 4}, "0123456789abcdef"))->sink.exitCode()) << "wraps to 4";
  onnx::TensorProto deep = tensor(1, {});
  for (int i = 0; i < 1025; ++i)
    deep.add_dims(1);
  EXPECT_EQ(4, read(deep)->sink.exitCode());
  EXPECT_TRUE(read(tensor(1, {0, 5}))->id) << "empty tensors are fine";
}

TEST(TensorData, RefusesUnknownTypesAndTwoSources) {
  EXPECT_EQ(3, read(tensor(0, {1}, "abcd"))->sink.exitCode());
  EXPECT_EQ(3, read(tensor(99, {1}, "abcd"))->sink.exitCode());
  EXPECT_EQ(4, read(tensor(8, {1}))->sink.exitCode()) << "strings";
  onnx::TensorProto both = tensor(1, {1}, "abcd");
  both.add_float_data(1);
  EXPECT_EQ(3, read(both)->sink.exitCode());
  onnx::TensorProto wrongField = tensor(1, {1});
  wrongField.add_int64_data(1);
  EXPECT_EQ(3, read(wrongField)->sink.exitCode());
}

TEST(TensorData, PackedFourBitCounts) {
  auto odd = read(tensor(22, {3}, "\x21\x0f"));
  ASSERT_TRUE(odd->id);
  EXPECT_EQ((llvm::SmallVector<int64_t>{1, 2, -1}), *odd->store.ints(*odd->id));
  EXPECT_FALSE(read(tensor(22, {3}, "\x21\x0f\x01"))->id);
}

TEST(TensorData, TypedFieldsOfNarrowTypes) {
  onnx::TensorProto half = tensor(10, {2});
  half.add_int32_data(0x3c00);
  half.add_int32_data(0xc000);
  auto result = read(half);
  ASSERT_TRUE(result->id) << result->sink.text();
  EXPECT_EQ((llvm::SmallVector<double>{1, -2}), *result->store.doubles(*result->id));
}

TEST(TensorData, SparseTensorsAreCheckedAndFilled) {
  onnx::SparseTensorProto sparse;
  *sparse.mutable_values() = tensor(7, {2});
  sparse.mutable_values()->add_int64_data(5);
  sparse.mutable_values()->add_int64_data(6);
  *sparse.mutable_indices() = tensor(7, {2, 2});
  for (int64_t i : {0, 1, 1, 2})
    sparse.mutable_indices()->add_int64_data(i);
  sparse.add_dims(2);
  sparse.add_dims(3);
  Result good;
  TensorSource source{good.store, nullptr, nullptr, good.sink};
  auto id = addSparseTensor(sparse, source, {}, "s");
  ASSERT_TRUE(id) << good.sink.text();
  EXPECT_EQ((llvm::SmallVector<int64_t>{0, 5, 0, 0, 0, 6}), *good.store.ints(*id));
  sparse.mutable_indices()->set_int64_data(3, 3);
  EXPECT_FALSE(addSparseTensor(sparse, source, {}, "s"));
  EXPECT_EQ(3, good.sink.exitCode());
}

/// A directory with the data file a/data.bin (8 bytes) and the ways out that a model must not take.
class ExternalData : public ::testing::Test {
protected:
  void SetUp() override {
    root = fs::path(::testing::TempDir()) / ("external" + std::to_string(::getpid()));
    fs::create_directories(root / "model/a");
    std::ofstream(root / "secret.bin") << "SECRET!!";
    std::ofstream(root / "model/a/data.bin") << "12345678";
    fs::create_symlink(root / "secret.bin", root / "model/link.bin");
    fs::create_directory_symlink(root, root / "model/up");
    fs::create_hard_link(root / "secret.bin", root / "model/hard.bin");
    ::mkfifo((root / "model/fifo").c_str(), 0600);
  }
  void TearDown() override { fs::remove_all(root); }
  std::unique_ptr<Result> open(const std::string &location, const std::string &allowed = "", std::string offset = "",
                               std::string length = "", std::string extra = "") {
    onnx::TensorProto t = tensor(2, {4});
    t.set_data_location(onnx::TensorProto::EXTERNAL);
    auto add = [&](const char *key, const std::string &value) {
      if (value.empty())
        return;
      auto *entry = t.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    add("checksum", extra);
    ExternalFiles files((root / "model/m.onnx").string(), allowed);
    return read(t, &files);
  }
  fs::path root;
};

TEST_F(ExternalData, ReadsBesideTheModel) {
  auto result = open("a/data.bin", "", "2");
  ASSERT_TRUE(result->id) << result->sink.text();
  std::string bytes(4, '\0');
  ASSERT_TRUE(result->store.read(*result->id, llvm::MutableArrayRef<char>(bytes.data(), 4)));
  EXPECT_EQ("3456", bytes);
  // SHA-1 of "12345678".
  EXPECT_TRUE(open("a/data.bin", "", "", "", "7c222fb2927d828af22f592134e8932480637c0d")->id);
  EXPECT_FALSE(open("a/data.bin", "", "", "", "0000000000000000000000000000000000000000")->id);
}

TEST_F(ExternalData, RefusesEveryWayOut) {
  for (std::string location : {"../secret.bin", "a/../../secret.bin", "link.bin", "up/secret.bin", "hard.bin", "fifo",
                               "a", "", "missing.bin", "a\\data.bin", "/etc/passwd"}) {
    auto result = open(location);
    EXPECT_FALSE(result->id) << location;
    EXPECT_EQ(3, result->sink.exitCode()) << location;
  }
  EXPECT_FALSE(open((root / "model/a/data.bin").string())->id) << "absolute";
}

TEST_F(ExternalData, AnAllowedRootAdmitsLinksInsideIt) {
  EXPECT_TRUE(open("link.bin", root.string())->id);
  EXPECT_TRUE(open("hard.bin", root.string())->id);
  EXPECT_FALSE(open("link.bin", (root / "model").string())->id) << "the target lies outside this root";
}

TEST_F(ExternalData, ChecksOffsetsAndLengths) {
  for (auto [offset, length] : {std::pair<std::string, std::string>{"-1", ""},
                                {"abc", ""},
                                {"99999999999999999999", ""},
                                {"9223372036854775807", ""},
                                {"6", ""},
                                {"0", "3"},
                                {"0x2", ""}}) {
    auto result = open("a/data.bin", "", offset, length);
    EXPECT_FALSE(result->id) << offset << " " << length;
    EXPECT_EQ(3, result->sink.exitCode());
  }
}

TEST_F(ExternalData, AShrunkFileIsAnErrorNotASignal) {
  auto result = open("a/data.bin");
  ASSERT_TRUE(result->id);
  fs::resize_file(root / "model/a/data.bin", 1);
  std::string bytes(4, '\0');
  EXPECT_FALSE(result->store.read(*result->id, llvm::MutableArrayRef<char>(bytes.data(), 4)));
  EXPECT_EQ(nullptr, result->store.tryData(*result->id));
}

TEST(WeightStore, SplatsViewsAndComputedEntries) {
  WeightStore store;
  float one = 1.5f;
  auto splat = store.addSplat(DType::F32, {2, 2}, {reinterpret_cast<char *>(&one), 4});
  ASSERT_TRUE(splat);
  EXPECT_EQ((llvm::SmallVector<double>(4, 1.5)), *store.doubles(*splat));
  auto view = store.addReshaped(*splat, {4});
  ASSERT_TRUE(view);
  EXPECT_EQ(*store.digest(*splat), *store.digest(*view));
  EXPECT_FALSE(store.addReshaped(*splat, {5}));
  auto nibbles = store.addSplat(DType::I4, {5}, std::vector<char>{char(13)});
  ASSERT_TRUE(nibbles);
  EXPECT_EQ((llvm::SmallVector<int64_t>(5, -3)), *store.ints(*nibbles));
}

} // namespace
