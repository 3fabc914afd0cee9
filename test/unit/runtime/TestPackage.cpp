#include "TestPackage.h"

#include <fstream>
#include <sstream>
#include <unistd.h>

namespace adze::test {

TempFile::TempFile(const std::string &name)
    : path_(::testing::TempDir() + "adze-" + std::to_string(getpid()) + "-" + name) {}
TempFile::~TempFile() { unlink(path_.c_str()); }

std::string readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  std::stringstream out;
  out << stream.rdbuf();
  return out.str();
}

std::string readImage(const std::string &name) { return readFile(std::string(ADZE_TEST_IMAGES) + "/" + name + ".so"); }

TestPackage::TestPackage() {
  metadata.programs.push_back(std::make_unique<fb::ProgramT>());
  program = metadata.programs.back().get();
  program->target = "cpu";
  metadata.weight_sections = {PackageWriter::kWeightSection};
  block();
  arena(constant(0));
}

uint32_t TestPackage::expr(fb::ExprOp op, uint32_t a, uint32_t b, uint32_t c) {
  fb::ExprT node;
  node.op = op;
  node.a = a;
  node.b = b;
  node.c = c;
  metadata.exprs.push_back(std::make_unique<fb::ExprT>(node));
  program->exprs.push_back(std::make_unique<fb::ExprT>(node));
  return uint32_t(metadata.exprs.size()) - 1;
}

uint32_t TestPackage::constant(int64_t value) {
  uint32_t index = expr(fb::ExprOp::constant, 0);
  metadata.exprs[index]->value = program->exprs[index]->value = value;
  return index;
}

uint32_t TestPackage::symbol(fb::SymbolT symbol) {
  metadata.symbols.push_back(std::make_unique<fb::SymbolT>(symbol));
  program->symbols.push_back(std::make_unique<fb::SymbolT>(symbol));
  return symbolExpr(lastSymbol());
}

uint32_t TestPackage::inputDim(const std::string &name, uint32_t input, uint32_t axis, int64_t min, int64_t max) {
  fb::SymbolT out;
  out.name = name;
  out.kind = fb::SymbolKind::input_dim;
  out.input = input;
  out.axis = axis;
  out.min = min;
  out.max = max;
  return symbol(out);
}

uint32_t TestPackage::inputValue(const std::string &name, uint32_t input, uint32_t element, int64_t min, int64_t max) {
  fb::SymbolT out;
  out.name = name;
  out.kind = fb::SymbolKind::input_value;
  out.input = input;
  out.axis = element;
  out.min = min;
  out.max = max;
  return symbol(out);
}

uint32_t TestPackage::data(const std::string &name, int64_t max) {
  fb::SymbolT out;
  out.name = name;
  out.kind = fb::SymbolKind::data;
  out.max = max;
  return symbol(out);
}

uint32_t TestPackage::input(const std::string &name, adze_dtype_t dtype, std::vector<uint32_t> dims) {
  auto info = std::make_unique<fb::TensorInfoT>();
  info->name = name;
  info->dtype = uint8_t(dtype);
  info->dims = std::move(dims);
  metadata.inputs.push_back(std::move(info));
  return uint32_t(metadata.inputs.size()) - 1;
}

uint32_t TestPackage::output(const std::string &name, adze_dtype_t dtype, std::vector<uint32_t> dims) {
  auto info = std::make_unique<fb::TensorInfoT>();
  info->name = name;
  info->dtype = uint8_t(dtype);
  info->dims = std::move(dims);
  metadata.outputs.push_back(std::move(info));
  return uint32_t(metadata.outputs.size()) - 1;
}

uint32_t TestPackage::buffer(fb::BufferKind kind, uint32_t index, uint32_t size, uint32_t offset) {
  auto buffer = std::make_unique<fb::BufferT>();
  buffer->kind = kind;
  buffer->index = index;
  buffer->size = size;
  buffer->offset = offset;
  program->buffers.push_back(std::move(buffer));
  return uint32_t(program->buffers.size()) - 1;
}

uint32_t TestPackage::weight(WeightRef ref) {
  uint32_t index = buffer(fb::BufferKind::weight, 0, constant(int64_t(ref.size)));
  program->buffers[index]->weight_offset = ref.offset;
  return index;
}

void TestPackage::image(const std::string &arch, uint32_t section, uint64_t scratch) {
  auto image = std::make_unique<fb::ImageT>();
  image->arch = arch;
  image->section = section;
  for (const char *symbol : {"scale", "add_row"}) {
    auto kernel = std::make_unique<fb::KernelT>();
    kernel->symbol = symbol;
    kernel->nodes = std::string(symbol) + " (Test)";
    kernel->scratch = scratch;
    image->kernels.push_back(std::move(kernel));
  }
  program->images.push_back(std::move(image));
}

size_t TestPackage::block() {
  program->blocks.push_back(std::make_unique<fb::BlockT>());
  return program->blocks.size() - 1;
}

void TestPackage::dispatch(uint32_t kernel, std::vector<uint32_t> buffers, std::vector<uint32_t> scalars,
                           uint32_t grid) {
  fb::DispatchT dispatch;
  dispatch.kernel = kernel;
  dispatch.buffers = std::move(buffers);
  dispatch.scalars = std::move(scalars);
  dispatch.grid = {grid};
  command(std::move(dispatch));
}

void TestPackage::copy(uint32_t to, uint32_t from, uint32_t bytes, size_t block) {
  fb::CopyT copy;
  copy.to = to;
  copy.from = from;
  copy.bytes = bytes;
  command(std::move(copy), block);
}

std::string TestPackage::serialize() const {
  flatbuffers::FlatBufferBuilder builder;
  fb::FinishMetadataBuffer(builder, fb::Metadata::Pack(builder, &metadata));
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize());
}

void TestPackage::write(const std::string &path) const {
  std::unique_ptr<PackageWriter> writer;
  WriteStatus status = PackageWriter::create(path, writer);
  ASSERT_TRUE(status.ok()) << status.message;
  std::string bytes = serialize();
  status = writer->finish(bytes.data(), bytes.size());
  ASSERT_TRUE(status.ok()) << status.message;
}

void writeAffine(const std::string &path, std::vector<std::string> archs) {
  std::unique_ptr<PackageWriter> writer;
  WriteStatus status = PackageWriter::create(path, writer);
  ASSERT_TRUE(status.ok()) << status.message;
  const float w[4] = {1, 2, 3, 4};
  WeightRef ref;
  status = writer->addWeight(w, sizeof(w), ref);
  ASSERT_TRUE(status.ok()) << status.message;

  TestPackage package;
  std::string code = readImage("kernels");
  for (const std::string &arch : archs) {
    uint32_t section = 0;
    status = writer->addCode("cpu " + arch, code.data(), code.size(), section);
    ASSERT_TRUE(status.ok()) << status.message;
    package.image(arch, section);
  }
  uint32_t n = package.inputDim("n", 0, 0, 1, 1000), four = package.constant(4);
  package.input("x", ADZE_F32, {n, four});
  package.output("y", ADZE_F32, {n, four});
  uint32_t total = package.expr(fb::ExprOp::mul, n, four);
  uint32_t bytes = package.expr(fb::ExprOp::mul, total, package.constant(4));
  uint32_t grid = package.expr(fb::ExprOp::ceildiv, total, package.constant(16));
  uint32_t offset = package.constant(64);
  package.arena(package.expr(fb::ExprOp::add, bytes, offset));
  auto check = std::make_unique<fb::CheckT>();
  check->expr = package.expr(fb::ExprOp::sub, n, package.constant(13));
  check->message = "n is not 13";
  package.program->checks.push_back(std::move(check));
  uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes), y = package.buffer(fb::BufferKind::output, 0, bytes);
  uint32_t t = package.buffer(fb::BufferKind::arena, 0, bytes, offset), row = package.weight(ref);
  package.dispatch(0, {x, t}, {total}, grid);
  package.dispatch(1, {t, row, y}, {total, four}, grid);
  std::string metadata = package.serialize();
  status = writer->finish(metadata.data(), metadata.size());
  ASSERT_TRUE(status.ok()) << status.message;
}

void writeCommands(const std::string &path, const std::string &target) {
  TestPackage package;
  package.program->target = target;
  uint32_t n = package.inputDim("n", 0, 0, 0, 50), eight = package.constant(8);
  uint32_t count = package.data("count", 50);
  uint32_t symbol = package.lastSymbol(), one = package.constant(1);
  uint32_t bytes = package.expr(fb::ExprOp::mul, n, eight);
  package.input("x", ADZE_I64, {n});
  package.output("positions", ADZE_I64, {one, count});
  package.output("y", ADZE_I64, {n});
  package.arena(package.expr(fb::ExprOp::add, bytes, package.constant(64)));
  uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes);
  uint32_t positions = package.buffer(fb::BufferKind::output, 0, package.expr(fb::ExprOp::mul, count, eight));
  uint32_t y = package.buffer(fb::BufferKind::output, 1, bytes);
  uint32_t flag = package.buffer(fb::BufferKind::arena, 0, eight, package.constant(0));
  uint32_t temp = package.buffer(fb::BufferKind::arena, 0, bytes, package.constant(64));
  fb::FillT fill;
  fill.to = temp;
  fill.pattern = 0x0102030405060708;
  fill.pattern_bytes = 8;
  fill.bytes = bytes;
  package.command(fill);
  fb::HostT host;
  host.op = "nonzero";
  host.inputs = {x};
  host.outputs = {positions};
  host.dtypes = {ADZE_I64, ADZE_I64};
  host.shapes = {one, n, package.constant(2), one, count};
  host.defines = {symbol};
  package.command(host);
  fb::StoreExprsT store;
  store.to = flag;
  store.dtype = ADZE_I64;
  store.exprs = {package.expr(fb::ExprOp::lt, one, count)};
  package.command(store);
  fb::IfT branch;
  branch.condition = flag;
  branch.then_program = uint32_t(package.block());
  branch.else_program = uint32_t(package.block());
  package.command(branch);
  package.copy(y, x, bytes, branch.then_program);
  package.copy(y, temp, bytes, branch.else_program);
  package.write(path);
}

void writeVariants(const std::string &path) {
  std::unique_ptr<PackageWriter> writer;
  ASSERT_TRUE(PackageWriter::create(path, writer).ok());
  TestPackage package;
  // Expressions and symbols of the helpers go to the first program; the others are copies of it.
  package.program->target = "testdev";
  uint32_t n = package.inputDim("n", 0, 0, 1, 100), bytes = package.expr(fb::ExprOp::mul, n, package.constant(4));
  package.input("x", ADZE_F32, {n});
  package.output("y", ADZE_F32, {n});
  uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes), y = package.buffer(fb::BufferKind::output, 0, bytes);
  package.dispatch(0, {x, y}, {n}, n);
  for (const char *arch : {"t1", "t2", "t9"}) {
    uint32_t section = 0;
    ASSERT_TRUE(writer->addCode(arch, arch, 2, section).ok());
    if (package.metadata.programs.size() > 1 || !package.program->images.empty()) {
      package.metadata.programs.push_back(std::make_unique<fb::ProgramT>(*package.program));
      package.program = package.metadata.programs.back().get();
      package.program->images.clear();
    }
    package.image(arch, section);
    auto variant = std::make_unique<fb::VariantT>();
    variant->symbol = "absent";
    variant->block = {32};
    variant->facts = {int64_t(fb::ExprOp::symbol), 0, int64_t(fb::ExprOp::constant), 13, int64_t(fb::ExprOp::eq), 0};
    package.program->images[0]->kernels[0]->variants.push_back(std::move(variant));
  }
  std::string metadata = package.serialize();
  WriteStatus status = writer->finish(metadata.data(), metadata.size());
  ASSERT_TRUE(status.ok()) << status.message;
}

std::vector<float> affine(const std::vector<float> &x) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = 2 * x[i] + float(i % 4 + 1);
  return y;
}

PackagePtr openPackage(const std::string &path) {
  adze_package_t *package = nullptr;
  EXPECT_EQ(adze_package_open(path.c_str(), &package), ADZE_OK) << adze_last_error();
  return PackagePtr(package);
}

SessionPtr createSession(const PackagePtr &package, const adze_options_t *options) {
  adze_session_t *session = nullptr;
  EXPECT_EQ(adze_session_create(package.get(), options, &session), ADZE_OK) << adze_last_error();
  return SessionPtr(session);
}

void expectError(adze_status_t actual, adze_status_t expected, const std::string &text) {
  std::string message = adze_last_error();
  EXPECT_EQ(actual, expected) << message;
  EXPECT_NE(message.find(text), std::string::npos) << "no '" << text << "' in: " << message;
  for (const char *part : {"\n  where: ", "\n  why: ", "\n  remedy: "})
    EXPECT_NE(message.find(part), std::string::npos) << "no part '" << part + 3 << "' in: " << message;
}

} // namespace adze::test
