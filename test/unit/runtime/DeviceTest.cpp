// Devices other than the CPU: driver loading, memory of their own, weights uploaded once, host operations with copies.
#include "TestPackage.h"

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

namespace {

adze_options_t deviceOptions(const char *name) {
  adze_options_t out{};
  out.struct_size = sizeof(out);
  out.device = name;
  return out;
}

/// t = 2 x: positions of the elements of t that are not zero, and w copied to z. `apart`: a program for each image.
void writeDevicePackage(const std::string &path, const std::string &target, std::vector<std::string> archs,
                        bool apart = false) {
  std::unique_ptr<PackageWriter> writer;
  ASSERT_TRUE(PackageWriter::create(path, writer).ok());
  const float w[2] = {5, 6};
  WeightRef ref;
  ASSERT_TRUE(writer->addWeight(w, sizeof(w), ref).ok());
  TestPackage p;
  p.program->target = target;
  for (const std::string &arch : archs) {
    uint32_t section = 0;
    ASSERT_TRUE(writer->addCode(arch, "code", 4, section).ok());
    p.image(arch, section);
  }
  uint32_t n = p.inputDim("n", 0, 0, 1, 100), four = p.constant(4), one = p.constant(1), two = p.constant(2);
  uint32_t count = p.data("count", 100), symbol = p.lastSymbol();
  uint32_t bytes = p.expr(fb::ExprOp::mul, n, four), eight = p.constant(8);
  p.input("x", ADZE_F32, {n});
  p.output("positions", ADZE_I64, {one, count});
  p.output("z", ADZE_F32, {two});
  p.arena(bytes);
  uint32_t x = p.buffer(fb::BufferKind::input, 0, bytes), t = p.buffer(fb::BufferKind::arena, 0, bytes, p.constant(0));
  uint32_t positions = p.buffer(fb::BufferKind::output, 0, p.expr(fb::ExprOp::mul, count, eight));
  uint32_t z = p.buffer(fb::BufferKind::output, 1, eight), weight = p.weight(ref);
  p.dispatch(0, {x, t}, {n}, n);
  fb::HostT host;
  host.op = "nonzero";
  host.inputs = {t};
  host.outputs = {positions};
  host.dtypes = {ADZE_F32, ADZE_I64};
  host.shapes = {one, n, two, one, count};
  host.defines = {symbol};
  p.command(host);
  p.copy(z, weight, eight);
  for (size_t i = 1; apart && i < archs.size(); ++i) {
    auto program = std::make_unique<fb::ProgramT>(*p.program);
    std::swap(program->images[0], program->images[i]);
    program->images.resize(1);
    p.metadata.programs.push_back(std::move(program));
  }
  p.program->images.resize(apart ? 1 : archs.size());
  std::string metadata = p.serialize();
  WriteStatus status = writer->finish(metadata.data(), metadata.size());
  ASSERT_TRUE(status.ok()) << status.message;
}

TEST(Device, RunsWithMemoryOfItsOwn) {
  TempFile file("device.adze");
  writeDevicePackage(file.path(), "testdev", {"t1", "t9"});
  PackagePtr package = openPackage(file.path());
  adze_options_t options = deviceOptions("testdev:1");
  SessionPtr a = createSession(package, &options), b = createSession(package, &options);
  ASSERT_TRUE(a && b);
  for (adze_session_t *session : {a.get(), b.get(), a.get()}) {
    std::vector<float> x{0, 1, 0, 3};
    adze_tensor_t in = tensor(x, {4}), out[2] = {};
    ASSERT_EQ(adze_session_run(session, &in, 1, out, 2), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<int64_t>(out[0]), (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(values<float>(out[1]), (std::vector<float>{5, 6}));
  }
}

TEST(Device, TakesTheLastProgramThatItCanRun) {
  for (auto archs : {std::vector<std::string>{"t1", "t2"}, {"t1", "t2", "t9"}, {"t9", "t2"}}) {
    TempFile file("programs.adze");
    writeDevicePackage(file.path(), "testdev", archs, /*apart=*/true);
    PackagePtr package = openPackage(file.path());
    std::string log;
    adze_options_t options = deviceOptions("testdev");
    options.user = &log;
    options.log = [](void *user, adze_log_level_t, const char *text) { *static_cast<std::string *>(user) += text; };
    SessionPtr session = createSession(package, &options);
    ASSERT_TRUE(session) << adze_last_error();
    EXPECT_NE(log.find("the image for t2"), std::string::npos) << log;
  }
}

TEST(Device, ErrorsNameTheDevice) {
  TempFile file("device2.adze"), missing("device3.adze");
  writeDevicePackage(file.path(), "testdev", {"t9"});
  PackagePtr package = openPackage(file.path());
  adze_session_t *session = nullptr;
  adze_options_t options = deviceOptions("testdev");
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, "images for t9");
  options = deviceOptions("testdev:2");
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, "no such test device");
  options = deviceOptions("cpu");
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, "compiled for: testdev");
  writeDevicePackage(missing.path(), "nodriver", {"t1"});
  package = openPackage(missing.path());
  options = deviceOptions("nodriver");
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, "libadze_nodriver.so");
}

TEST(Device, DriversAreFoundThroughADriverPath) {
  TempFile file("device5.adze"), link("libadze_elsewhere.so");
  writeDevicePackage(file.path(), "elsewhere", {"t1"});
  PackagePtr package = openPackage(file.path());
  adze_options_t options = deviceOptions("elsewhere");
  adze_session_t *session = nullptr;
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, "ADZE_DRIVER_PATH");
  std::string folder = link.path() + ".d", name = folder + "/libadze_elsewhere.so";
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  ASSERT_EQ(symlink(ADZE_TEST_DRIVERS "/libadze_testdev.so", name.c_str()), 0);
  setenv("ADZE_DRIVER_PATH", ("/nowhere:" + folder).c_str(), 1);
  SessionPtr found = createSession(package, &options);
  EXPECT_TRUE(found);
  unsetenv("ADZE_DRIVER_PATH");
  found.reset();
  unlink(name.c_str());
  // A file that is no library: its error is told.
  std::ofstream(name) << "text";
  setenv("ADZE_DRIVER_PATH", folder.c_str(), 1);
  package = openPackage(file.path());
  expectError(adze_session_create(package.get(), &options, &session), ADZE_DEVICE, name);
  unsetenv("ADZE_DRIVER_PATH");
  unlink(name.c_str());
  rmdir(folder.c_str());
}

/// On the CPU all memory is host memory, so locations change nothing, and there are no streams.
TEST(Device, TheCpuTakesLocations) {
  TempFile file("device6.adze");
  writeAffine(file.path());
  PackagePtr package = openPackage(file.path());
  SessionPtr session = createSession(package);
  std::vector<float> x{1, 2, 3, 4};
  adze_tensor_t in = tensor(x, {1, 4}), out{};
  uint8_t onDevice = ADZE_IN_DEVICE_MEMORY;
  adze_run_options_t run{};
  run.struct_size = sizeof(run);
  run.input_locations = run.output_locations = &onDevice;
  ASSERT_EQ(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_OK) << adze_last_error();
  EXPECT_EQ(values<float>(out), affine(x));
  ASSERT_EQ(adze_session_run_with(session.get(), &in, 1, &out, 1, nullptr), ADZE_OK) << adze_last_error();
  run.queue = &x;
  expectError(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_INVALID_ARGUMENT, "no native queues");
  run.struct_size = 4;
  expectError(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_INVALID_ARGUMENT, "struct_size");
}

TEST(Device, CpuRefusesImagesThatAreNotCode) {
  TempFile file("device4.adze");
  writeDevicePackage(file.path(), "cpu", {"x86-64-v3"});
  PackagePtr package = openPackage(file.path());
  adze_session_t *session = nullptr;
  expectError(adze_session_create(package.get(), nullptr, &session), ADZE_BAD_PACKAGE, "not an ELF file");
}

} // namespace
