// The simulated driver on its own: work is late, order is kept, misuse is answered with what is wrong.
#include "Harness.h"

#include <cstring>

using namespace adze;
using namespace adze::test;
using namespace adze::cuda;

namespace {

enum { kInvalidHandle = 400, kIllegalState = 401, kCaptureInvalidated = 901 };

class SimulatedApi : public Simulated {
protected:
  SimulatedApi() {
    EXPECT_EQ(api.init(0), kSuccess);
    begin();
  }
  ~SimulatedApi() override { api.ctxSetCurrent(nullptr); }

  void begin() {
    EXPECT_EQ(api.primaryCtxRetain(&context, 0), kSuccess) << simError();
    EXPECT_EQ(api.ctxSetCurrent(context), kSuccess);
  }
  /// Starts with changed settings.
  void again() {
    restart();
    ASSERT_EQ(api.init(0), kSuccess);
    begin();
  }
  CUstream stream(unsigned flags = 1) {
    CUstream out = nullptr;
    EXPECT_EQ(api.streamCreateWithPriority(&out, flags, 0), kSuccess);
    return out;
  }
  CUdeviceptr memory(size_t bytes) {
    CUdeviceptr out = 0;
    EXPECT_EQ(api.memAlloc(&out, bytes), kSuccess) << simError();
    return out;
  }
  int *pinned(size_t count) {
    void *out = nullptr;
    EXPECT_EQ(api.memHostAlloc(&out, count * sizeof(int), 0), kSuccess);
    std::memset(out, 0, count * sizeof(int));
    return static_cast<int *>(out);
  }
  CUevent event(unsigned flags = 0) {
    CUevent out = nullptr;
    EXPECT_EQ(api.eventCreate(&out, flags), kSuccess);
    return out;
  }
  CUmodule module(const std::string &ptx) {
    CUmodule out = nullptr;
    EXPECT_EQ(api.moduleLoadDataEx(&out, ptx.c_str(), 0, nullptr, nullptr), kSuccess) << simError();
    return out;
  }
  /// Expects the code, and that the simulator's text contains `text`.
  void expect(CUresult actual, int code, const std::string &text) {
    EXPECT_EQ(actual, code) << simError();
    EXPECT_NE(simError().find(text), std::string::npos) << "no '" << text << "' in: " << simError();
  }

  CUcontext context = nullptr;
};

TEST_F(SimulatedApi, WorkIsDoneWhenItIsWaitedFor) {
  CUstream s = stream();
  CUdeviceptr device = memory(8);
  int *from = pinned(2), *to = pinned(2);
  from[0] = 1;
  ASSERT_EQ(api.memcpyHtoDAsync(device, from, 8, s), kSuccess);
  from[0] = 2; // too early: the copy has not read it
  ASSERT_EQ(api.memcpyDtoHAsync(to, device, 8, s), kSuccess);
  EXPECT_EQ(to[0], 0);
  ASSERT_EQ(api.streamSynchronize(s), kSuccess);
  EXPECT_EQ(to[0], 2);

  // Pageable memory: taken over at the call, and there when the call returns.
  int value = 5, back = 0;
  ASSERT_EQ(api.memcpyHtoDAsync(device, &value, 4, s), kSuccess);
  value = 6;
  ASSERT_EQ(api.memcpyDtoHAsync(&back, device, 4, s), kSuccess);
  EXPECT_EQ(back, 5);
}

TEST_F(SimulatedApi, OnlyWhatIsWaitedForIsDone) {
  CUstream a = stream(), b = stream();
  CUdeviceptr x = memory(4), y = memory(4);
  int *from = pinned(1), *fromA = pinned(1), *fromB = pinned(1);
  from[0] = 7;
  ASSERT_EQ(api.memcpyHtoDAsync(x, from, 4, a), kSuccess);
  ASSERT_EQ(api.memcpyDtoHAsync(fromA, x, 4, a), kSuccess);
  CUevent done = event();
  ASSERT_EQ(api.eventRecord(done, a), kSuccess);
  ASSERT_EQ(api.streamSynchronize(b), kSuccess);
  EXPECT_EQ(fromA[0], 0);
  // b waits for a's event.
  using Wait = CUresult(CUstream, CUevent, unsigned);
  ASSERT_EQ(symbol<Wait>("cuStreamWaitEvent")(b, done, 0), kSuccess);
  ASSERT_EQ(api.memcpyDtoDAsync(y, x, 4, b), kSuccess);
  ASSERT_EQ(api.memcpyDtoHAsync(fromB, y, 4, b), kSuccess);
  ASSERT_EQ(api.streamSynchronize(b), kSuccess);
  EXPECT_EQ(fromA[0], 7);
  EXPECT_EQ(fromB[0], 7);
}

TEST_F(SimulatedApi, TheDefaultStreamOrdersBlockingStreams) {
  CUstream blocking = stream(0), free = stream(1);
  CUdeviceptr x = memory(4);
  int *one = pinned(1), *two = pinned(1), *seen = pinned(1);
  one[0] = 1;
  two[0] = 2;
  ASSERT_EQ(api.memcpyHtoDAsync(x, one, 4, blocking), kSuccess);
  ASSERT_EQ(api.memcpyHtoDAsync(x, two, 4, nullptr), kSuccess); // behind it
  ASSERT_EQ(api.memcpyDtoHAsync(seen, x, 4, blocking), kSuccess);
  ASSERT_EQ(api.streamSynchronize(blocking), kSuccess);
  EXPECT_EQ(seen[0], 2);
  one[0] = 9;
  ASSERT_EQ(api.memcpyHtoDAsync(x, one, 4, nullptr), kSuccess);
  ASSERT_EQ(api.memcpyDtoHAsync(seen, x, 4, free), kSuccess); // not ordered
  ASSERT_EQ(api.streamSynchronize(free), kSuccess);
  EXPECT_EQ(seen[0], 2);
}

TEST_F(SimulatedApi, PollsSayNotReadyFirst) {
  CUstream s = stream();
  CUdeviceptr x = memory(4);
  using Query = CUresult(void *);
  auto *streamQuery = symbol<Query>("cuStreamQuery"), *eventQuery = symbol<Query>("cuEventQuery");
  EXPECT_EQ(streamQuery(s), kSuccess);
  ASSERT_EQ(api.memsetD32Async(x, 1, 1, s), kSuccess);
  EXPECT_EQ(streamQuery(s), kNotReady);
  EXPECT_EQ(streamQuery(s), kSuccess);
  CUevent e = event();
  EXPECT_EQ(eventQuery(e), kSuccess); // never recorded
  ASSERT_EQ(api.eventRecord(e, s), kSuccess);
  EXPECT_EQ(eventQuery(e), kNotReady);
  EXPECT_EQ(eventQuery(e), kSuccess);
  CUevent f = event();
  float time = -1;
  EXPECT_EQ(api.eventElapsedTime(&time, e, f), kInvalidHandle); // f was never recorded
  ASSERT_EQ(api.eventRecord(f, s), kSuccess);
  EXPECT_EQ(api.eventElapsedTime(&time, e, f), kNotReady);
  ASSERT_EQ(api.eventSynchronize(f), kSuccess);
  EXPECT_EQ(api.eventElapsedTime(&time, e, f), kSuccess);
  EXPECT_GE(time, 0);
}

TEST_F(SimulatedApi, FillsAndCopies) {
  CUstream s = stream();
  CUdeviceptr x = memory(16), y = memory(16);
  std::vector<unsigned char> out(16);
  ASSERT_EQ(api.memsetD8Async(x, 0xab, 16, s), kSuccess);
  ASSERT_EQ(api.memsetD16Async(x + 2, 0x1234, 2, s), kSuccess);
  ASSERT_EQ(api.memsetD32Async(x + 8, 0x01020304, 1, s), kSuccess);
  ASSERT_EQ(api.memcpyDtoDAsync(y, x, 16, s), kSuccess);
  ASSERT_EQ(api.memcpyDtoHAsync(out.data(), y, 16, s), kSuccess);
  EXPECT_EQ(out, (std::vector<unsigned char>{0xab, 0xab, 0x34, 0x12, 0x34, 0x12, 0xab, 0xab, 4, 3, 2, 1, 0xab, 0xab,
                                             0xab, 0xab}));
  expect(api.memsetD32Async(x + 2, 0, 1, s), kInvalidValue, "multiple");
  expect(api.memcpyDtoDAsync(x, x + 4, 8, s), kInvalidValue, "overlap");
}

TEST_F(SimulatedApi, MisuseIsExplained) {
  CUstream s = stream();
  CUdeviceptr x = memory(16);
  int value = 0;
  expect(api.memcpyHtoDAsync(x + 8, &value, 16, s), kInvalidValue, "destination");
  expect(api.memcpyHtoDAsync(0x1234, &value, 4, s), kInvalidValue, "destination");
  expect(api.memFree(x + 4), kInvalidValue, "not the start");
  expect(api.memAlloc(nullptr, 4), kInvalidValue, "null");
  CUdeviceptr none = 0;
  expect(api.memAlloc(&none, 0), kInvalidValue, "0 bytes");
  EXPECT_EQ(api.memFree(x), kSuccess);
  expect(api.memFree(x), kInvalidValue, "not the start");
  expect(api.memcpyHtoDAsync(x, &value, 4, s), kInvalidValue, "destination"); // freed
  ASSERT_EQ(api.streamDestroy(s), kSuccess);
  expect(api.streamSynchronize(s), kInvalidHandle, "destroyed");
  CUevent e = event();
  ASSERT_EQ(api.eventDestroy(e), kSuccess);
  expect(api.eventRecord(e, nullptr), kInvalidHandle, "destroyed");
  expect(api.memFreeHost(&value), kInvalidValue, "cuMemHostAlloc");
  expect(api.ctxSetCurrent(reinterpret_cast<CUcontext>(&value)), kInvalidContext, "no live context");
  ASSERT_EQ(api.ctxSetCurrent(nullptr), kSuccess);
  expect(api.memAlloc(&none, 4), kInvalidContext, "no context is current");
  ASSERT_EQ(api.ctxSetCurrent(context), kSuccess);
  ASSERT_EQ(api.primaryCtxRelease(0), kSuccess);
  expect(api.memAlloc(&none, 4), kInvalidContext, "destroyed");
  expect(api.primaryCtxRelease(0), kInvalidContext, "not retained");
  expectNothingLeft();
}

TEST_F(SimulatedApi, UnknownFunctionsAreNamed) {
  using Get = CUresult(const char *, void **, int, uint64_t, int *);
  auto *get = symbol<Get>("cuGetProcAddress_v2");
  void *out = nullptr;
  int status = -1;
  expect(get("cuMemPrefetchAsync", &out, 12020, 0, &status), kNotFound, "cuMemPrefetchAsync");
  EXPECT_EQ(status, 1);
  expect(get("cuTensorMapEncodeTiled", &out, 11080, 0, &status), kNotFound, "12000");
  EXPECT_EQ(status, 2);
  ASSERT_EQ(get("cuMemAlloc", &out, 3020, 0, &status), kSuccess);
  EXPECT_EQ(out, reinterpret_cast<void *>(symbol<CUresult(CUdeviceptr *, size_t)>("cuMemAlloc_v2")));
}

TEST_F(SimulatedApi, ArchitecturesHaveTheirLimits) {
  struct Row {
    const char *arch;
    int major, minor, shared, tensorMaps;
  };
  for (Row row : {Row{"sm_80", 8, 0, 166912, 0}, Row{"sm_86", 8, 6, 101376, 0}, Row{"sm_89", 8, 9, 101376, 0},
                  Row{"sm_90a", 9, 0, 232448, 1}, Row{"sm_100", 10, 0, 232448, 1}, Row{"sm_120", 12, 0, 101376, 1}}) {
    set("ADZE_SIM_ARCH", row.arch);
    again();
    auto attribute = [&](int which) {
      int value = -1;
      EXPECT_EQ(api.deviceGetAttribute(&value, which, 0), kSuccess) << simError();
      return value;
    };
    EXPECT_EQ(attribute(75), row.major) << row.arch;
    EXPECT_EQ(attribute(76), row.minor) << row.arch;
    EXPECT_EQ(attribute(97), row.shared) << row.arch;
    EXPECT_EQ(attribute(127), row.tensorMaps) << row.arch;
    EXPECT_GT(attribute(16), 0);
  }
  set("ADZE_SIM_ARCH", "sm_70");
  restart();
  expect(api.init(0), kInvalidValue, "sm_70");
}

TEST_F(SimulatedApi, UnknownModesAreRefused) {
  set("ADZE_SIM_ACCURACY", "largest");
  set("ADZE_SIM_SUMS", "promised");
  restart();
  EXPECT_EQ(api.init(0), kSuccess);
  set("ADZE_SIM_ACCURACY", "best");
  restart();
  expect(api.init(0), kInvalidValue, "smallest");
}

TEST_F(SimulatedApi, MemoryRunsOutAndComesBack) {
  set("ADZE_SIM_MEMORY", "1000000");
  again();
  CUstream s = stream();
  CUmemPoolProps properties;
  CUmemoryPool pool = nullptr;
  ASSERT_EQ(api.memPoolCreate(&pool, &properties), kSuccess);
  uint64_t all = UINT64_MAX;
  ASSERT_EQ(api.memPoolSetAttribute(pool, 4, &all), kSuccess);
  CUdeviceptr a = 0, b = 0;
  ASSERT_EQ(api.memAllocFromPoolAsync(&a, 600000, pool, s), kSuccess);
  expect(api.memAlloc(&b, 600000), kOutOfMemory, "600000");
  ASSERT_EQ(api.memFreeAsync(a, s), kSuccess);
  expect(api.memFreeAsync(a, s), kInvalidValue, "freed already");
  EXPECT_EQ(api.memAlloc(&b, 600000), kOutOfMemory); // the free has not happened
  ASSERT_EQ(api.streamSynchronize(s), kSuccess);
  EXPECT_EQ(api.memAlloc(&b, 600000), kOutOfMemory); // the pool keeps it
  ASSERT_EQ(api.memAllocFromPoolAsync(&a, 600000, pool, s), kSuccess);
  ASSERT_EQ(api.memFreeAsync(a, s), kSuccess);
  ASSERT_EQ(api.streamSynchronize(s), kSuccess);
  ASSERT_EQ(api.memPoolTrimTo(pool, 0), kSuccess);
  EXPECT_EQ(api.memAlloc(&b, 600000), kSuccess);
}

TEST_F(SimulatedApi, AllocationsFailOnDemand) {
  set("ADZE_SIM_OOM_AT", "3"); // the context is the first
  again();
  CUdeviceptr a = 0;
  EXPECT_EQ(api.memAlloc(&a, 100), kSuccess);
  expect(api.memAlloc(&a, 200), kOutOfMemory, "ADZE_SIM_OOM_AT");
  EXPECT_EQ(api.memAlloc(&a, 200), kOutOfMemory); // a second try for the same
  EXPECT_EQ(api.memAlloc(&a, 200), kSuccess);
}

TEST_F(SimulatedApi, CapturesAreReplayed) {
  CUstream s = stream(), other = stream();
  CUdeviceptr x = memory(4), y = memory(4);
  int *out = pinned(1);
  ASSERT_EQ(api.memsetD32Async(x, 1, 1, s), kSuccess);
  ASSERT_EQ(api.streamBeginCapture(s, 1), kSuccess);
  expect(api.streamBeginCapture(s, 1), kIllegalState, "already");
  ASSERT_EQ(api.memcpyDtoDAsync(y, x, 4, s), kSuccess);
  ASSERT_EQ(api.memcpyDtoHAsync(out, y, 4, s), kSuccess);
  CUgraph graph = nullptr;
  ASSERT_EQ(api.streamEndCapture(s, &graph), kSuccess);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(api.graphInstantiate(&exec, graph, 0), kSuccess);
  ASSERT_EQ(api.graphDestroy(graph), kSuccess);
  ASSERT_EQ(api.streamSynchronize(s), kSuccess);
  EXPECT_EQ(out[0], 0); // recorded, not done
  for (int i = 2; i < 4; ++i) {
    ASSERT_EQ(api.memsetD32Async(x, unsigned(i), 1, other), kSuccess);
    ASSERT_EQ(api.graphLaunch(exec, other), kSuccess);
    ASSERT_EQ(api.streamSynchronize(other), kSuccess);
    EXPECT_EQ(out[0], i);
  }
  ASSERT_EQ(api.graphExecDestroy(exec), kSuccess);
  expect(api.graphLaunch(exec, s), kInvalidHandle, "destroyed");
}

TEST_F(SimulatedApi, WhatCannotBeCapturedEndsTheCapture) {
  CUstream s = stream();
  CUdeviceptr x = memory(4), y = 0;
  int value = 0;
  CUgraph graph = nullptr;
  auto broken = [&](const char *text, const std::function<CUresult()> &call) {
    ASSERT_EQ(api.streamBeginCapture(s, 1), kSuccess);
    expect(call(), kStreamCaptureUnsupported, text);
    EXPECT_EQ(api.streamEndCapture(s, &graph), kCaptureInvalidated) << text;
    EXPECT_EQ(graph, nullptr);
  };
  broken("pageable", [&] { return api.memcpyHtoDAsync(x, &value, 4, s); });
  broken("pageable", [&] { return api.memcpyDtoHAsync(&value, x, 4, s); });
  broken("cuStreamSynchronize", [&] { return api.streamSynchronize(s); });
  broken("cuCtxSynchronize", [&] { return api.ctxSynchronize(); });
  broken("cuMemAlloc", [&] { return api.memAlloc(&y, 4); });
  expect(api.streamEndCapture(s, &graph), kIllegalState, "not being captured");
  expect(api.streamBeginCapture(nullptr, 1), kStreamCaptureUnsupported, "legacy");
}

TEST_F(SimulatedApi, KernelsRunInOrder) {
  CUmodule m = module(testKernels());
  CUfunction scale = nullptr, triple = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&scale, m, "scale"), kSuccess);
  ASSERT_EQ(api.moduleGetFunction(&triple, m, "triple"), kSuccess);
  CUfunction none = nullptr;
  expect(api.moduleGetFunction(&none, m, "absent"), kNotFound, "absent");
  CUstream s = stream();
  std::vector<float> host(200), out(200);
  for (size_t i = 0; i < host.size(); ++i)
    host[i] = float(i);
  CUdeviceptr x = memory(800), y = memory(800), z = memory(800);
  uint64_t n = 200;
  void *first[] = {&x, &y, &n}, *second[] = {&y, &z, &n};
  ASSERT_EQ(api.memcpyHtoDAsync(x, host.data(), 800, s), kSuccess);
  ASSERT_EQ(api.launchKernel(scale, 2, 1, 1, 128, 1, 1, 0, s, first, nullptr), kSuccess) << simError();
  ASSERT_EQ(api.launchKernel(triple, 2, 1, 1, 128, 1, 1, 0, s, second, nullptr), kSuccess) << simError();
  n = 0; // arguments were copied at the call
  EXPECT_EQ(count("launches"), 0);
  ASSERT_EQ(api.memcpyDtoHAsync(out.data(), z, 800, s), kSuccess) << simError();
  EXPECT_EQ(count("launches"), 2);
  for (size_t i = 0; i < out.size(); ++i)
    ASSERT_EQ(out[i], 6 * float(i)) << i;
}

TEST_F(SimulatedApi, ImpossibleLaunchesAreRefusedAtOnce) {
  CUmodule m = module(testKernels());
  CUfunction f = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&f, m, "scale"), kSuccess);
  CUdeviceptr x = memory(16);
  uint64_t n = 4;
  void *arguments[] = {&x, &x, &n}, *missing[] = {&x, nullptr, &n};
  auto launch = [&](unsigned grid, unsigned block, unsigned shared, void **with) {
    return api.launchKernel(f, grid, 1, 1, block, 1, 1, shared, nullptr, with, nullptr);
  };
  expect(launch(0, 128, 0, arguments), kInvalidValue, "grid");
  expect(launch(1, 0, 0, arguments), kInvalidValue, "block");
  expect(launch(1, 256, 0, arguments), kInvalidValue, ".maxntid");
  expect(launch(1, 128, 50000, arguments), kInvalidValue, "shared memory");
  expect(launch(1, 128, 0, missing), kInvalidValue, "parameter 1");
  expect(launch(1, 128, 0, nullptr), kInvalidValue, "null");
  EXPECT_EQ(api.funcSetAttribute(f, kMaxDynamicShared, 50000), kSuccess);
  EXPECT_EQ(launch(1, 128, 50000, arguments), kSuccess) << simError();
  expect(api.funcSetAttribute(f, kMaxDynamicShared, 1 << 20), kInvalidValue, "dynamic shared");
  EXPECT_EQ(api.moduleUnload(m), kSuccess) << simError();
  expect(launch(1, 128, 0, arguments), kInvalidHandle, "unloaded");
}

TEST_F(SimulatedApi, BadImagesAreExplainedInTheLog) {
  char log[1024] = "unchanged";
  int options[] = {kJitErrorLog, kJitErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  auto load = [&](const std::string &image) {
    CUmodule m = nullptr;
    return api.moduleLoadDataEx(&m, image.c_str(), 2, options, values);
  };
  EXPECT_EQ(load("\177ELF binary"), kNoBinaryForGpu);
  EXPECT_NE(std::string(log).find("binary"), std::string::npos) << log;
  EXPECT_EQ(load(testKernels("sm_100", "8.6")), kNoBinaryForGpu);
  EXPECT_NE(std::string(log).find("sm_100"), std::string::npos) << log;
  EXPECT_EQ(load(testKernels("sm_80", "9.9")), kUnsupportedPtxVersion) << log;
  std::string broken = testKernels();
  broken.replace(broken.find("add.rn.f32"), 10, "add.xx.f32");
  EXPECT_EQ(load(broken), kInvalidPtx);
  EXPECT_NE(std::string(log).find("add.xx.f32"), std::string::npos) << log;
  set("ADZE_SIM_ARCH", "sm_80");
  again();
  EXPECT_EQ(load(testKernels("sm_90a", "8.0")), kNoBinaryForGpu);
  EXPECT_NE(std::string(log).find("sm_90a"), std::string::npos) << log;
}

TEST_F(SimulatedApi, AFaultStaysForEver) {
  CUmodule m = module(testKernels());
  CUfunction f = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&f, m, "beyond"), kSuccess);
  CUdeviceptr x = memory(16), y = memory(16);
  CUstream s = stream();
  uint64_t n = 4;
  void *arguments[] = {&x, &y, &n};
  ASSERT_EQ(api.memsetD32Async(x, 0, 4, s), kSuccess);
  ASSERT_EQ(api.launchKernel(f, 1, 1, 1, 128, 1, 1, 0, s, arguments, nullptr), kSuccess);
  EXPECT_EQ(api.memsetD32Async(x, 0, 4, s), kSuccess); // nobody has waited yet
  expect(api.streamSynchronize(s), kIllegalAddress, "beyond");
  expect(api.memsetD32Async(x, 0, 4, s), kIllegalAddress, "beyond");
  CUdeviceptr z = 0;
  EXPECT_EQ(api.memAlloc(&z, 4), kIllegalAddress);
  EXPECT_EQ(api.ctxSynchronize(), kIllegalAddress);
  ASSERT_EQ(api.primaryCtxRelease(0), kSuccess);
  CUcontext next = nullptr;
  EXPECT_EQ(api.primaryCtxRetain(&next, 0), kIllegalAddress); // the process must start again
  again();
  EXPECT_EQ(api.memAlloc(&z, 4), kSuccess);
}

TEST_F(SimulatedApi, EndlessKernelsMeetTheWatchdog) {
  set("ADZE_SIM_INSTRUCTIONS", "100000");
  again();
  CUmodule m =
      module(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry spin()\n{\n$again:\n  bra $again;\n}\n");
  CUfunction f = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&f, m, "spin"), kSuccess);
  ASSERT_EQ(api.launchKernel(f, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, nullptr), kSuccess) << simError();
  expect(api.ctxSynchronize(), kLaunchTimeout, "spin");
  EXPECT_EQ(api.ctxSynchronize(), kLaunchTimeout);
}

TEST_F(SimulatedApi, GridsOfThreeDimensions) {
  // Each block writes 100 x + 10 y + z of its place at its number.
  CUmodule m = module(R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry place(.param .u64 out)
{
  .reg .b32 %r<12>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [out];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ctaid.y;
  mov.u32 %r3, %ctaid.z;
  mov.u32 %r4, %nctaid.x;
  mov.u32 %r5, %nctaid.y;
  mad.lo.u32 %r6, %r3, %r5, %r2;
  mad.lo.u32 %r6, %r6, %r4, %r1;
  mul.lo.u32 %r7, %r1, 100;
  mad.lo.u32 %r7, %r2, 10, %r7;
  add.u32 %r7, %r7, %r3;
  mul.wide.u32 %rd2, %r6, 4;
  add.s64 %rd1, %rd1, %rd2;
  st.global.u32 [%rd1], %r7;
  ret;
}
)");
  CUfunction f = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&f, m, "place"), kSuccess);
  CUdeviceptr x = memory(24 * 4);
  void *arguments[] = {&x};
  ASSERT_EQ(api.launchKernel(f, 2, 3, 4, 1, 1, 1, 0, nullptr, arguments, nullptr), kSuccess) << simError();
  std::vector<int> out(24), expected;
  ASSERT_EQ(api.memcpyDtoHAsync(out.data(), x, 96, nullptr), kSuccess) << simError();
  for (int z = 0; z < 4; ++z)
    for (int y = 0; y < 3; ++y)
      for (int column = 0; column < 2; ++column)
        expected.push_back(100 * column + 10 * y + z);
  EXPECT_EQ(out, expected);
}

TEST_F(SimulatedApi, UseAfterFreeIsAFault) {
  CUmodule m = module(testKernels());
  CUfunction f = nullptr;
  ASSERT_EQ(api.moduleGetFunction(&f, m, "scale"), kSuccess);
  CUdeviceptr x = memory(16), y = 0;
  CUstream s = stream();
  CUmemPoolProps properties;
  CUmemoryPool pool = nullptr;
  ASSERT_EQ(api.memPoolCreate(&pool, &properties), kSuccess);
  ASSERT_EQ(api.memAllocFromPoolAsync(&y, 16, pool, s), kSuccess);
  uint64_t n = 4;
  void *arguments[] = {&x, &y, &n};
  ASSERT_EQ(api.memsetD32Async(x, 0, 4, s), kSuccess);
  ASSERT_EQ(api.memFreeAsync(y, s), kSuccess);
  ASSERT_EQ(api.launchKernel(f, 1, 1, 1, 128, 1, 1, 0, s, arguments, nullptr), kSuccess);
  expect(api.streamSynchronize(s), kIllegalAddress, "scale");
}

TEST_F(SimulatedApi, TensorMapsNeedTheirArchitecture) {
  CUtensorMap map;
  uint64_t dims[] = {64, 8}, strides[] = {128};
  uint32_t box[] = {64, 8}, steps[] = {1, 1};
  auto encode = [&](uintptr_t address) {
    return api.tensorMapEncodeTiled(&map, 6, 2, reinterpret_cast<void *>(address), dims, strides, box, steps, 0, 3, 0,
                                    0);
  };
  EXPECT_EQ(encode(4096), kSuccess) << simError();
  EXPECT_EQ(encode(4100), kInvalidValue);
  box[0] = 128; // wider than the swizzle
  EXPECT_EQ(encode(4096), kInvalidValue);
  set("ADZE_SIM_ARCH", "sm_80");
  again();
  expect(encode(4096), 801, "sm_90");
}

} // namespace
