// Whole sessions: a package with PTX, through the C interface, the driver library and the simulated driver.
#include "Harness.h"

#include <atomic>
#include <cstring>
#include <thread>

using namespace adze;
using namespace adze::test;

namespace {

std::vector<float> counting(size_t count, float first = 0) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i)
    out[i] = first + float(i % 1000) / 8;
  return out;
}

class CudaSession : public Simulated {
protected:
  CudaSession() : file_("cuda.adze") {}
  void open(const std::vector<std::string> &archs = {"sm_80"}, const std::function<void(TestPackage &)> &change = {},
            uint32_t flags = 0) {
    close();
    writeCudaAffine(file_.path(), archs, change);
    package = openPackage(file_.path());
    options = deviceOptions("cuda:0", flags);
    session = createSession(package, &options);
    ASSERT_TRUE(session);
  }
  void close() {
    session.reset();
    package.reset();
  }
  /// Runs on host memory and expects 2 x + w.
  void expectAffine(int64_t n, float first = 0) {
    std::vector<float> x = counting(size_t(n) * 4, first);
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
    EXPECT_EQ(dims(out), (std::vector<int64_t>{n, 4}));
    EXPECT_EQ(values<float>(out), affine(x));
  }
  /// The device's memory, from outside of the runtime.
  std::vector<float> readDevice(cuda::CUdeviceptr from, size_t count) {
    std::vector<float> out(count);
    EXPECT_EQ(symbol<int(void *, uint64_t, size_t)>("cuMemcpyDtoH_v2")(out.data(), from, count * 4), 0) << simError();
    return out;
  }

  TempFile file_;
  PackagePtr package;
  adze_options_t options{};
  SessionPtr session;
};

TEST_F(CudaSession, RunsAPackage) {
  open();
  for (int64_t n : {1, 5, 100, 3, 200000}) // also larger than the pinned chunks
    expectAffine(n, float(n));
  SessionPtr second = createSession(package, &options);
  std::swap(session, second);
  expectAffine(7);
  second.reset();
  close();
  expectNothingLeft();
}

TEST_F(CudaSession, RunsOnEveryArchitecture) {
  for (const char *arch : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"}) {
    SCOPED_TRACE(arch);
    close();
    restart();
    set("ADZE_SIM_ARCH", arch);
    open();
    expectAffine(9);
  }
}

TEST_F(CudaSession, TakesTheImageOfTheArchitecture) {
  std::vector<std::string> log;
  auto record = [](void *user, adze_log_level_t, const char *message) {
    static_cast<std::vector<std::string> *>(user)->push_back(message);
  };
  writeCudaAffine(file_.path(), {"sm_80", "sm_90a"});
  package = openPackage(file_.path());
  options = deviceOptions("cuda");
  options.user = &log;
  options.log = record;
  session = createSession(package, &options);
  expectAffine(9);
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("sm_90a"), std::string::npos);
  session.reset();
  set("ADZE_SIM_ARCH", "sm_100");
  session = createSession(package, &options);
  expectAffine(9);
  EXPECT_NE(log.back().find("sm_80"), std::string::npos);
}

TEST_F(CudaSession, NothingThatRuns) {
  writeCudaAffine(file_.path(), {"sm_90a"});
  package = openPackage(file_.path());
  adze_session_t *out = nullptr;
  set("ADZE_SIM_ARCH", "sm_80");
  options = deviceOptions("cuda");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "sm_90a");
  options = deviceOptions("cuda:1");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "no such device");
  options = deviceOptions("cpu");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "compiled for: cuda");
  options = deviceOptions("cuda");
  set("ADZE_SIM_DEVICES", "0");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "CUDA_ERROR_NO_DEVICE");
  set("ADZE_CUDA_LIBRARY", "/nowhere/libcuda.so.1");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "/nowhere/libcuda.so.1");
  set("ADZE_CUDA_LIBRARY", std::string(ADZE_TEST_LIBRARIES) + "/libadze_cuda.so");
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "it lacks cuInit");
  writeCommands(file_.path());
  package = openPackage(file_.path());
  expectError(adze_session_create(package.get(), &options, &out), ADZE_DEVICE, "no code for device 'cuda'");
  expectNothingLeft();
}

TEST_F(CudaSession, BrokenImagesAreBadPackages) {
  auto expectRefused = [&](const std::string &code, const std::string &text) {
    std::unique_ptr<PackageWriter> writer;
    ASSERT_TRUE(PackageWriter::create(file_.path(), writer).ok());
    uint32_t section = 0;
    ASSERT_TRUE(writer->addCode("cuda", code.data(), code.size(), section).ok());
    TestPackage p;
    p.program->target = "cuda";
    p.image("sm_80", section, 0);
    std::string metadata = p.serialize();
    ASSERT_TRUE(writer->finish(metadata.data(), metadata.size()).ok());
    package = openPackage(file_.path());
    options = deviceOptions("cuda");
    adze_session_t *out = nullptr;
    expectError(adze_session_create(package.get(), &options, &out), ADZE_BAD_PACKAGE, text);
  };
  expectRefused("code", "shorter");
  expectRefused(codeSection("sm_80", ".version 7.0\n.target sm_80\n.address_size 64\nnonsense"), "PTX for sm_80");
  expectNothingLeft();
}

TEST_F(CudaSession, UsesDevicePointersAndTheCallersStream) {
  open();
  ASSERT_EQ(api.init(0), 0);
  cuda::CUcontext context = nullptr;
  ASSERT_EQ(api.primaryCtxRetain(&context, 0), 0);
  ASSERT_EQ(api.ctxSetCurrent(context), 0);
  cuda::CUstream stream = nullptr;
  ASSERT_EQ(api.streamCreateWithPriority(&stream, 1, 0), 0);
  cuda::CUdeviceptr x = 0, y = 0;
  ASSERT_EQ(api.memAlloc(&x, 4096), 0);
  ASSERT_EQ(api.memAlloc(&y, 4096), 0);
  std::vector<float> data = counting(40);
  uint8_t onDevice = ADZE_IN_DEVICE_MEMORY;
  adze_run_options_t run{};
  run.struct_size = sizeof(run);
  run.queue = stream;
  run.input_locations = run.output_locations = &onDevice;
  auto deviceTensor = [](cuda::CUdeviceptr at) {
    adze_tensor_t out{};
    out.data = reinterpret_cast<void *>(uintptr_t(at));
    out.size_bytes = 160;
    out.dtype = ADZE_F32;
    out.rank = 2;
    out.dims[0] = 10;
    out.dims[1] = 4;
    return out;
  };
  // The input is written on that stream, and nobody waits for it. The second time at addresses that have to be copied.
  for (uint64_t shift : {0, 4}) {
    ASSERT_EQ(api.memcpyHtoDAsync(x + shift, data.data(), 160, stream), 0);
    adze_tensor_t in = deviceTensor(x + shift), out = deviceTensor(y + shift);
    int64_t before = count("allocations");
    ASSERT_EQ(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_OK) << adze_last_error();
    EXPECT_EQ(readDevice(y + shift, 40), affine(data));
    // The arena, and where the addresses are not aligned, an input and an output.
    EXPECT_EQ(count("allocations") - before, shift ? 2 : 1);
  }
  // The session's own memory on the device; asynchronously.
  adze_tensor_t in = deviceTensor(x + 4), out{};
  std::atomic<int> status{-1};
  run.asynchronous = 1;
  run.user = &status;
  run.done = [](void *user, adze_status_t s, const char *) { *static_cast<std::atomic<int> *>(user) = s; };
  ASSERT_EQ(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_OK) << adze_last_error();
  ASSERT_EQ(adze_session_wait(session.get()), ADZE_OK) << adze_last_error();
  EXPECT_EQ(status, ADZE_OK);
  EXPECT_EQ(readDevice(cuda::CUdeviceptr(reinterpret_cast<uintptr_t>(out.data)), 40), affine(data));
  EXPECT_EQ(out.size_bytes, 160u);
  // What is no stream of this device.
  run.asynchronous = 0;
  int nothing = 0;
  run.queue = &nothing;
  expectError(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_INVALID_ARGUMENT, "not a stream");
  run.queue = nullptr;
  uint8_t unknown = 2;
  run.input_locations = &unknown;
  expectError(adze_session_run_with(session.get(), &in, 1, &out, 1, &run), ADZE_INVALID_ARGUMENT, "location");
  close();
  api.streamDestroy(stream);
  api.ctxSetCurrent(nullptr);
}

TEST_F(CudaSession, EqualRequestsAreReplayed) {
  open();
  expectAffine(12); // the largest first: later, nothing has to move
  for (int i = 0; i < 3; ++i)
    expectAffine(10, float(i));
  EXPECT_EQ(count("graph_launches"), 2); // the first one is run, the second recorded
  expectAffine(11);
  EXPECT_EQ(count("graph_launches"), 2);
  expectAffine(10, 9);
  EXPECT_EQ(count("graph_launches"), 3);
  for (int64_t n = 1; n < 12; ++n) // more shapes than are kept
    expectAffine(n);
  expectAffine(10, 5);
  close();
  expectNothingLeft();
  open({"sm_80"}, {}, ADZE_NO_REPLAY);
  for (int i = 0; i < 3; ++i)
    expectAffine(10, float(i));
  EXPECT_EQ(count("graph_launches"), 0);
}

TEST_F(CudaSession, GivesTimes) {
  open();
  ASSERT_EQ(adze_session_set_profiling(session.get(), 1), ADZE_OK);
  expectAffine(10);
  ASSERT_EQ(adze_session_num_events(session.get()), 2u);
  adze_event_t first{}, second{};
  ASSERT_EQ(adze_session_event(session.get(), 0, &first), ADZE_OK);
  ASSERT_EQ(adze_session_event(session.get(), 1, &second), ADZE_OK);
  EXPECT_STREQ(first.kernel, "scale");
  EXPECT_STREQ(second.nodes, "add_row (Test)");
  EXPECT_GT(first.end_ns, first.start_ns);
  EXPECT_GE(second.start_ns, first.end_ns);
}

TEST_F(CudaSession, CommandsOfTheHost) {
  // Fill, a host operation that defines a symbol, StoreExprs, If, Copy.
  writeCommands(file_.path(), "cuda");
  package = openPackage(file_.path());
  options = deviceOptions("cuda");
  session = createSession(package, &options);
  auto run = [&](std::vector<int64_t> x, std::vector<int64_t> positions, std::vector<int64_t> y) {
    adze_tensor_t in = tensor(x, ADZE_I64, {int64_t(x.size())}), out[2] = {};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, out, 2), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<int64_t>(out[0]), positions);
    EXPECT_EQ(values<int64_t>(out[1]), y);
  };
  const int64_t filled = 0x0102030405060708;
  for (int i = 0; i < 3; ++i) {
    run({5, 0, 7, 0}, {0, 2}, {5, 0, 7, 0});
    run({0, 9, 0}, {1}, {filled, filled, filled});
    run({}, {}, {});
  }
}

TEST_F(CudaSession, LoopsOnTheDevice) {
  // y = x; 5 times: y = 2 y by way of t; the iteration's number goes to a buffer.
  open({"sm_80"}, [](TestPackage &p) {
    p.program->blocks[0]->commands.clear();
    uint32_t bytes = p.program->buffers[0]->size, total = 0;
    for (uint32_t i = 0; i < p.program->exprs.size(); ++i)
      if (p.program->exprs[i]->op == fb::ExprOp::mul && !total)
        total = i; // n * 4
    uint32_t grid = p.expr(fb::ExprOp::ceildiv, total, p.constant(128)), eight = p.constant(8);
    p.arena(p.expr(fb::ExprOp::add, bytes, p.constant(256)));
    uint32_t iteration = p.buffer(fb::BufferKind::arena, 0, eight, p.constant(0));
    uint32_t t = p.buffer(fb::BufferKind::arena, 0, bytes, p.constant(256));
    p.copy(1, 0, bytes);
    fb::LoopT loop;
    loop.trip = p.constant(5);
    loop.has_iteration = true;
    loop.iteration = iteration;
    loop.body = uint32_t(p.block());
    p.command(loop);
    fb::DispatchT dispatch;
    dispatch.buffers = {1, t};
    dispatch.scalars = {total};
    dispatch.grid = {grid};
    p.command(dispatch, loop.body);
    p.copy(1, t, bytes, loop.body);
  });
  std::vector<float> x{1, 2, 3, 4};
  adze_tensor_t in = tensor(x, {1, 4}), out{};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<float>(out), (std::vector<float>{32, 64, 96, 128}));
  }
}

/// Launch code: a stack machine over the arguments of a launch.
constexpr int64_t op(fb::ExprOp o) { return int64_t(o); }

TEST_F(CudaSession, VariantsRunWhereTheirFactsHold) {
  // scale gives way to triple where n * 4 is a multiple of 8 and x is 16-byte aligned.
  open({"sm_80"}, [](TestPackage &p) {
    auto variant = std::make_unique<fb::VariantT>();
    variant->symbol = "triple";
    variant->block = {128, 1, 1};
    variant->facts = {op(fb::ExprOp::symbol),
                      0,
                      op(fb::ExprOp::constant),
                      8,
                      op(fb::ExprOp::mod),
                      0,
                      op(fb::ExprOp::constant),
                      0,
                      op(fb::ExprOp::eq),
                      0, // n % 8 == 0
                      16,
                      0,
                      op(fb::ExprOp::constant),
                      16,
                      op(fb::ExprOp::mod),
                      0,
                      op(fb::ExprOp::constant),
                      0,
                      op(fb::ExprOp::eq),
                      0}; // x % 16 == 0
    p.program->images[0]->kernels[0]->variants.push_back(std::move(variant));
  });
  std::vector<float> x(8, 1);
  for (int64_t n : {1, 2, 1, 2, 2}) {
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<float>(out)[0], n == 2 ? 4 : 3) << n; // 3 x + 1 or 2 x + 1
  }
}

/// y = 4 x, 32 rows of 4 floats a block, which one tensor copy brings to shared memory. PTX ISA,
/// "cp.async.bulk.tensor".
const char *kTensorKernel = R"(
.visible .entry by_tensor_map(.param .u64 px, .param .u64 py, .param .u64 pn, .param .align 64 .b8 map[128])
.maxntid 32, 1, 1
{
  .reg .pred %p<4>;
  .reg .b32 %r<12>;
  .reg .f32 %f<5>;
  .reg .b64 %rd<12>;
  .shared .align 128 .b8 tile[512];
  .shared .align 8 .b8 full[8];
  ld.param.u64 %rd2, [py];
  cvta.to.global.u64 %rd2, %rd2;
  ld.param.u64 %rd3, [pn];
  mov.b64 %rd4, map;
  cvta.param.u64 %rd5, %rd4;
  mov.u32 %r1, %tid.x;
  setp.eq.u32 %p1, %r1, 0;
  mov.u32 %r2, tile;
  mov.u32 %r3, full;
  @%p1 mbarrier.init.shared.b64 [%r3], 1;
  @%p1 fence.mbarrier_init.release.cluster;
  bar.sync 0;
  mov.u32 %r4, %ctaid.x;
  shl.b32 %r5, %r4, 5;
  mov.u32 %r6, 0;
  @%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r3], 512;
  @%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r2], [%rd5, {%r6, %r5}], [%r3];
$wait:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r3], 0;
  @!%p2 bra $wait;
  shl.b32 %r7, %r1, 4;
  add.u32 %r8, %r2, %r7;
  ld.shared.v4.f32 {%f1, %f2, %f3, %f4}, [%r8];
  add.rn.f32 %f1, %f1, %f1;
  add.rn.f32 %f1, %f1, %f1;
  add.rn.f32 %f2, %f2, %f2;
  add.rn.f32 %f2, %f2, %f2;
  add.rn.f32 %f3, %f3, %f3;
  add.rn.f32 %f3, %f3, %f3;
  add.rn.f32 %f4, %f4, %f4;
  add.rn.f32 %f4, %f4, %f4;
  add.u32 %r9, %r5, %r1;
  cvt.u64.u32 %rd6, %r9;
  shl.b64 %rd7, %rd6, 2;
  setp.ge.u64 %p3, %rd7, %rd3;
  @%p3 bra $done;
  shl.b64 %rd8, %rd6, 4;
  add.s64 %rd9, %rd2, %rd8;
  st.global.v4.f32 [%rd9], {%f1, %f2, %f3, %f4};
$done:
  ret;
}
)";

TEST_F(CudaSession, TensorMapsAreBuiltByLaunchCode) {
  auto words = [](std::vector<std::vector<int64_t>> parts) {
    std::vector<int64_t> out;
    for (const std::vector<int64_t> &part : parts)
      out.insert(out.end(), part.begin(), part.end());
    return out;
  };
  auto constant = [](int64_t value) { return std::vector<int64_t>{op(fb::ExprOp::constant), value}; };
  std::vector<int64_t> address{16, 0};
  std::vector<int64_t> rows{op(fb::ExprOp::symbol), 0, op(fb::ExprOp::constant), 4, op(fb::ExprOp::floordiv), 0};
  extraKernels() = kTensorKernel;
  open({"sm_90a"}, [&](TestPackage &p) {
    auto variant = std::make_unique<fb::VariantT>();
    variant->symbol = "by_tensor_map";
    variant->block = {32, 1, 1};
    auto recipe = std::make_unique<fb::RecipeT>();
    // tiled, f32, rank 2, address, no interleave, no swizzle, no promotion, zeros; dims, stride, box, element strides
    recipe->words =
        words({constant(1), constant(7), constant(2), address, constant(0), constant(0), constant(0), constant(0),
               constant(4), rows, constant(16), constant(4), constant(32), constant(1), constant(1)});
    variant->descriptors.push_back(std::move(recipe));
    p.program->images[0]->kernels[0]->variants.push_back(std::move(variant));
  });
  extraKernels().clear();
  for (int64_t n : {64, 40, 3, 40, 40}) { // the last two are replays
    std::vector<float> x = counting(size_t(n) * 4, float(n)), expected(x.size());
    for (size_t i = 0; i < x.size(); ++i)
      expected[i] = 4 * x[i] + float(i % 4 + 1);
    adze_tensor_t in = tensor(x, {n, 4}), out{};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_OK) << adze_last_error();
    ASSERT_EQ(values<float>(out), expected) << n;
  }
  EXPECT_EQ(count("graph_launches"), 2);
}

TEST_F(CudaSession, WrongNumbersOfArgumentsAreRefused) {
  open({"sm_80"}, [](TestPackage &p) { p.program->blocks[0]->commands[0]->op.AsDispatch()->scalars.clear(); });
  std::vector<float> x(4);
  adze_tensor_t in = tensor(x, {1, 4}), out{};
  expectError(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_BAD_PACKAGE, "3 parameters and is given 2");
}

TEST_F(CudaSession, RecipesThatBreakALimitAreExplained) {
  open({"sm_90a"}, [](TestPackage &p) {
    auto variant = std::make_unique<fb::VariantT>();
    variant->symbol = "scale";
    variant->block = {128, 1, 1};
    variant->descriptors.push_back(std::make_unique<fb::RecipeT>());
    variant->descriptors.back()->words = {op(fb::ExprOp::constant), 1};
    p.program->images[0]->kernels[0]->variants.push_back(std::move(variant));
  });
  std::vector<float> x(4);
  adze_tensor_t in = tensor(x, {1, 4}), out{};
  expectError(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_BAD_PACKAGE, "it has 1 words");
}

TEST_F(CudaSession, SessionsRunBesideEachOther) {
  open();
  std::vector<SessionPtr> sessions;
  for (int i = 0; i < 3; ++i)
    sessions.push_back(createSession(package, &options));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (SessionPtr &own : sessions)
    threads.emplace_back([&wrong, &own] {
      for (int i = 0; i < 4; ++i) {
        std::vector<float> x = counting(40, float(i));
        adze_tensor_t in = tensor(x, {10, 4}), out{};
        if (adze_session_run(own.get(), &in, 1, &out, 1) != ADZE_OK || values<float>(out) != affine(x))
          ++wrong;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

} // namespace
