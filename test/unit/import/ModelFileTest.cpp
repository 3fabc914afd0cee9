#include "compiler/import/ModelFile.h"
#include "compiler/import/WireScan.h"
#include "Models.h"

using namespace adze;
using namespace adze::test;

namespace {

std::unique_ptr<ModelFile> parse(const std::string &bytes, ErrorSink &sink) {
  return ModelFile::fromMemory(bytes, "m.onnx", sink);
}

ModelBuilder small() {
  ModelBuilder m;
  m.input("x", 1, {2, 3}).floats("w", {2, 3}, {1, 2, 3, 4, 5, 6}).output("y");
  m.node("Add", {"x", "w"}, {"y"});
  return m;
}

TEST(ModelFile, LongDataStaysInTheMapping) {
  ModelBuilder m = small();
  m.floats("big", {64}, std::vector<float>(64, 2.5f));
  ErrorSink sink;
  auto file = parse(m.bytes(), sink);
  ASSERT_TRUE(file) << sink.text();
  const auto &tensor = file->model().graph().initializer(1);
  EXPECT_FALSE(tensor.has_raw_data());
  ASSERT_EQ(256u, tensor.mapped_length());
  float first;
  std::memcpy(&first, file->file()->bytes().data() + tensor.mapped_offset(), 4);
  EXPECT_EQ(2.5f, first);
  EXPECT_TRUE(file->model().graph().initializer(0).has_raw_data()) << "short data is copied";
}

TEST(ModelFile, AFileCannotForgeMappedRanges) {
  ModelBuilder m = small();
  auto *t = m.model.mutable_graph()->mutable_initializer(0);
  t->clear_raw_data();
  t->set_mapped_offset(1u << 30);
  t->set_mapped_length(24);
  t->set_mapped_field(9);
  ErrorSink sink;
  auto file = parse(m.bytes(), sink);
  ASSERT_TRUE(file) << sink.text();
  EXPECT_FALSE(file->model().graph().initializer(0).has_mapped_offset());
}

TEST(ModelFile, EveryTruncationEndsInAnError) {
  std::string bytes = small().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Imported result(bytes.substr(0, size));
    EXPECT_FALSE(result.module) << size;
    EXPECT_EQ(3, result.sink.exitCode()) << size << "\n" << result.sink.text();
  }
}

TEST(ModelFile, MutationsNeverCrash) {
  std::string bytes = small().bytes();
  uint32_t state = 1;
  auto random = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  for (int i = 0; i < 2000; ++i) {
    std::string mutated = bytes;
    for (unsigned k = 0, e = 1 + random() % 3; k < e; ++k)
      mutated[random() % mutated.size()] = static_cast<char>(random());
    Imported result(mutated);
    int code = result.sink.exitCode();
    EXPECT_TRUE(result.module ? code == 0 : code == 3 || code == 4 || code == 8) << i << "\n" << result.sink.text();
  }
}

TEST(ModelFile, NamesForeignFormats) {
  for (auto [bytes, word] : {std::pair<std::string, std::string>{"", "empty"},
                             {"<!DOCTYPE html><html>", "HTML"},
                             {std::string("PK\x03\x04..", 6), "zip"},
                             {"version https://git-lfs.github.com/spec/v1\n", "LFS"}}) {
    ErrorSink sink;
    EXPECT_FALSE(parse(bytes, sink));
    EXPECT_EQ(3, sink.exitCode());
    EXPECT_NE(std::string::npos, sink.text().find(word)) << sink.text();
  }
}

TEST(ModelFile, RefusesRepeatedSingularFields) {
  // Protobuf would merge the two graphs silently.
  ErrorSink sink;
  EXPECT_FALSE(parse(small().bytes() + small().bytes(), sink));
  EXPECT_NE(std::string::npos, sink.text().find("twice")) << sink.text();
}

TEST(ModelFile, RefusesDeepNesting) {
  // 10,000 graphs, each in an attribute of a node of the one around it, written from the inside out.
  auto wrap = [](unsigned field, const std::string &payload) {
    std::string out(1, static_cast<char>(field << 3 | 2));
    size_t n = payload.size();
    for (; n >= 128; n >>= 7)
      out.push_back(static_cast<char>(n | 128));
    out.push_back(static_cast<char>(n));
    return out + payload;
  };
  std::string graph;
  for (int i = 0; i < 10000; ++i)
    graph = wrap(1, wrap(5, wrap(6, graph)));
  ErrorSink sink;
  EXPECT_FALSE(parse(wrap(7, graph), sink));
  EXPECT_NE(std::string::npos, sink.text().find("nest deeper")) << sink.text();
}

TEST(ModelFile, BoundsTheNumberOfFields) {
  std::string nodes;
  for (int i = 0; i < 1000; ++i)
    nodes += std::string("\x0a\x00", 2); // an empty node each
  std::string out;
  ErrorSink sink;
  ScanLimits limits;
  limits.maxCost = 5000;
  EXPECT_FALSE(scanWire(nodes, WireMessage::Graph, limits, out, sink));
  EXPECT_EQ(8, sink.exitCode());
}

TEST(ModelFile, RefusesVersionsOutsideTheRange) {
  for (auto [ir, opset, code] : {std::tuple{2, 17, 4}, {15, 17, 4}, {0, 17, 3}, {8, 6, 4}, {8, 29, 4}, {8, 0, 3}}) {
    ModelBuilder m = small();
    m.model.set_ir_version(ir);
    m.model.mutable_opset_import(0)->set_version(opset);
    Imported result(m);
    EXPECT_FALSE(result.module);
    EXPECT_EQ(code, result.sink.exitCode()) << ir << " " << opset << result.sink.text();
  }
  ModelBuilder none = small();
  none.model.clear_opset_import();
  EXPECT_EQ(3, Imported(none).sink.exitCode());
  ModelBuilder twice = small();
  *twice.model.add_opset_import() = twice.model.opset_import(0);
  EXPECT_EQ(3, Imported(twice).sink.exitCode());
}

} // namespace
