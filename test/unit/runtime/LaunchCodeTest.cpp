// Kernel variants: launch code is computed like expressions, and refused when it would leave its stack or its
// arguments.
#include "TestPackage.h"

#include "runtime/src/executor/LaunchCode.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr int64_t kAddress = rt::LaunchCode::kAddress;
int64_t op(fb::ExprOp value) { return int64_t(value); }
int64_t constant() { return op(fb::ExprOp::constant); }
int64_t scalar() { return op(fb::ExprOp::symbol); }

/// The values of well-formed code for buffers {4096, 100} and scalars {7, -3}; empty if it has none.
std::vector<int64_t> compute(std::vector<int64_t> words) {
  rt::LaunchCode code;
  for (size_t i = 0; i < words.size(); i += 2)
    code.steps.push_back({words[i], words[i + 1]});
  std::vector<int64_t> out;
  if (!rt::evaluate(code, {4096, 100}, {7, -3}, out))
    out.clear();
  return out;
}

TEST(LaunchCode, ComputesFromArguments) {
  using Values = std::vector<int64_t>;
  EXPECT_EQ(compute({}), Values{});
  EXPECT_EQ(compute({constant(), 5, scalar(), 1, kAddress, 0}), (Values{5, -3, 4096}));
  EXPECT_EQ(compute({scalar(), 0, constant(), 2, op(fb::ExprOp::sub), 0}), Values{5});
  EXPECT_EQ(compute({scalar(), 1, constant(), 2, op(fb::ExprOp::floordiv), 0}), Values{-2});
  EXPECT_EQ(compute({kAddress, 1, constant(), 16, op(fb::ExprOp::mod), 0}), Values{4});
  // select takes c, then b, then a from the top.
  EXPECT_EQ(compute({constant(), 1, constant(), 10, constant(), 20, op(fb::ExprOp::select), 0}), Values{10});
  EXPECT_EQ(compute({constant(), 0, constant(), 10, constant(), 20, op(fb::ExprOp::select), 0}), Values{20});
  EXPECT_EQ(compute({constant(), INT64_MAX, constant(), 1, op(fb::ExprOp::add), 0}), Values{}); // overflow
  EXPECT_EQ(compute({scalar(), 0, constant(), 0, op(fb::ExprOp::mod), 0}), Values{});
}

/// A package for the test device whose kernel "scale" has a variant; `change` may break it.
void writeVariant(const std::string &path, const std::function<void(fb::VariantT &)> &change) {
  std::unique_ptr<PackageWriter> writer;
  ASSERT_TRUE(PackageWriter::create(path, writer).ok());
  uint32_t section = 0;
  ASSERT_TRUE(writer->addCode("t1", "code", 4, section).ok());
  TestPackage p;
  p.program->target = "testdev";
  p.image("t1", section);
  auto variant = std::make_unique<fb::VariantT>();
  variant->symbol = "missing"; // the test device refuses it: that is how it shows
  variant->facts = {scalar(), 0, constant(), 2, op(fb::ExprOp::mod), 0};
  change(*variant);
  p.program->images[0]->kernels[0]->variants.push_back(std::move(variant));
  uint32_t n = p.inputDim("n", 0, 0, 1, 100), bytes = p.expr(fb::ExprOp::mul, n, p.constant(4));
  p.input("x", ADZE_F32, {n});
  p.output("y", ADZE_F32, {n});
  uint32_t x = p.buffer(fb::BufferKind::input, 0, bytes), y = p.buffer(fb::BufferKind::output, 0, bytes);
  p.dispatch(0, {x, y}, {n}, n);
  std::string metadata = p.serialize();
  ASSERT_TRUE(writer->finish(metadata.data(), metadata.size()).ok());
}

TEST(LaunchCode, DecidesWhichVariantRuns) {
  TempFile file("variant.adze");
  writeVariant(file.path(), [](fb::VariantT &) {});
  PackagePtr package = openPackage(file.path());
  adze_options_t options{};
  options.struct_size = sizeof(options);
  options.device = "testdev";
  SessionPtr session = createSession(package, &options);
  std::vector<float> x{1, 2, 3, 4};
  adze_tensor_t even = tensor(x, {4}), odd = tensor(x, {3}), out{};
  ASSERT_EQ(adze_session_run(session.get(), &even, 1, &out, 1), ADZE_OK) << adze_last_error();
  EXPECT_EQ(values<float>(out), (std::vector<float>{2, 4, 6, 8}));
  expectError(adze_session_run(session.get(), &odd, 1, &out, 1), ADZE_DEVICE, "a kernel failed");
}

TEST(LaunchCode, IsCheckedWhenThePackageIsOpened) {
  auto refused = [](const char *text, const std::function<void(fb::VariantT &)> &change) {
    TempFile file("launch-code.adze");
    writeVariant(file.path(), change);
    adze_package_t *package = nullptr;
    SCOPED_TRACE(text);
    expectError(adze_package_open(file.path().c_str(), &package), ADZE_BAD_PACKAGE, text);
  };
  refused("pairs", [](fb::VariantT &v) { v.facts.push_back(0); });
  refused("unknown operation", [](fb::VariantT &v) { v.facts = {17, 0}; });
  refused("unknown operation", [](fb::VariantT &v) { v.facts = {-1, 0}; });
  refused("empty stack", [](fb::VariantT &v) { v.facts = {constant(), 1, op(fb::ExprOp::add), 0}; });
  refused("empty stack", [](fb::VariantT &v) { v.facts = {constant(), 1, constant(), 1, op(fb::ExprOp::select), 0}; });
  refused("64 stack entries", [](fb::VariantT &v) { v.facts.assign(130, 0); });
  refused("impossible argument", [](fb::VariantT &v) { v.facts = {scalar(), -1}; });
  refused("argument that the dispatch", [](fb::VariantT &v) { v.facts = {scalar(), 1}; });
  refused("argument that the dispatch", [](fb::VariantT &v) { v.facts = {kAddress, 2}; });
  refused("argument that the dispatch", [](fb::VariantT &v) {
    v.descriptors.push_back(std::make_unique<fb::RecipeT>());
    v.descriptors.back()->words = {kAddress, 2};
  });
  refused("no symbol", [](fb::VariantT &v) { v.symbol.clear(); });
  refused("3 dimensions", [](fb::VariantT &v) { v.block = {1, 1, 1, 1}; });
  refused("impossible grid", [](fb::VariantT &v) { v.cluster = 5000; });
  refused("1 TiB", [](fb::VariantT &v) { v.scratch = uint64_t(1) << 50; });
}

} // namespace
