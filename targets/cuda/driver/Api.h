// The part of NVIDIA's driver API that this driver uses, declared by hand so that no toolkit is needed to build it.
// Names, numbers and layouts are those of cuda.h; each function has the ABI of the version that stands beside it in
// Api.cpp.
#ifndef ADZE_TARGETS_CUDA_DRIVER_API_H
#define ADZE_TARGETS_CUDA_DRIVER_API_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace adze::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = uint64_t;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUmemoryPool = struct CUmemPoolHandle_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

struct alignas(128) CUtensorMap {
  unsigned char opaque[128];
};

struct CUmemPoolProps {
  int allocType = 1; // pinned
  int handleTypes = 0;
  int locationType = 1; // device
  int locationId = 0;
  void *win32SecurityAttributes = nullptr;
  size_t maxSize = 0;
  unsigned short usage = 0;
  unsigned char reserved[54] = {};
};
static_assert(sizeof(CUmemPoolProps) == 88);

enum Result : CUresult {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kStubLibrary = 34,
  kCallNeedsNewerDriver = 36,
  kDeviceUnavailable = 46,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinaryForGpu = 209,
  kEccUncorrectable = 214,
  kInvalidPtx = 218,
  kNvlinkUncorrectable = 220,
  kJitCompilerNotFound = 221,
  kUnsupportedPtxVersion = 222,
  kContained = 226,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchTimeout = 702,
  kAssert = 710,
  kHardwareStackError = 714,
  kLaunchFailed = 719,
  kTensorMemoryLeak = 721,
  kStreamCaptureUnsupported = 900,
  kCaptureCrossedContext = 909,
  kExternalDevice = 911,
  kUnknown = 999
};

enum Attribute : int {
  kMultiprocessorCount = 16,
  kComputeMajor = 75,
  kComputeMinor = 76,
  kSharedPerBlockOptIn = 97,
  kMemoryPoolsSupported = 115,
};
enum FunctionAttribute : int { kMaxThreadsPerBlock = 0, kStaticShared = 1, kMaxDynamicShared = 8 };
enum JitOption : int { kJitInfoLog = 3, kJitInfoLogBytes = 4, kJitErrorLog = 5, kJitErrorLogBytes = 6 };

/// Every function that is used: member, exported symbol, name and version for cuGetProcAddress, required or not, and
/// parameters.
#define ADZE_CUDA_FUNCTIONS(X)                                                                                         \
  X(init, "cuInit", "cuInit", 2000, true, (unsigned))                                                                  \
  X(driverGetVersion, "cuDriverGetVersion", "cuDriverGetVersion", 2020, true, (int *))                                 \
  X(getErrorName, "cuGetErrorName", "cuGetErrorName", 6000, true, (CUresult, const char **))                           \
  X(getErrorString, "cuGetErrorString", "cuGetErrorString", 6000, true, (CUresult, const char **))                     \
  X(deviceGetCount, "cuDeviceGetCount", "cuDeviceGetCount", 2000, true, (int *))                                       \
  X(deviceGet, "cuDeviceGet", "cuDeviceGet", 2000, true, (CUdevice *, int))                                            \
  X(deviceGetName, "cuDeviceGetName", "cuDeviceGetName", 2000, true, (char *, int, CUdevice))                          \
  X(deviceGetAttribute, "cuDeviceGetAttribute", "cuDeviceGetAttribute", 2000, true, (int *, int, CUdevice))            \
  X(primaryCtxRetain, "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRetain", 7000, true, (CUcontext *, CUdevice))     \
  X(primaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease", 11000, true, (CUdevice))           \
  X(ctxSetCurrent, "cuCtxSetCurrent", "cuCtxSetCurrent", 4000, true, (CUcontext))                                      \
  X(ctxGetCurrent, "cuCtxGetCurrent", "cuCtxGetCurrent", 4000, true, (CUcontext *))                                    \
  X(ctxSynchronize, "cuCtxSynchronize", "cuCtxSynchronize", 2000, true, ())                                            \
  X(moduleLoadDataEx, "cuModuleLoadDataEx", "cuModuleLoadDataEx", 2010, true,                                          \
    (CUmodule *, const void *, unsigned, int *, void **))                                                              \
  X(moduleGetFunction, "cuModuleGetFunction", "cuModuleGetFunction", 2000, true,                                       \
    (CUfunction *, CUmodule, const char *))                                                                            \
  X(moduleUnload, "cuModuleUnload", "cuModuleUnload", 2000, true, (CUmodule))                                          \
  X(funcGetAttribute, "cuFuncGetAttribute", "cuFuncGetAttribute", 2020, true, (int *, int, CUfunction))                \
  X(funcSetAttribute, "cuFuncSetAttribute", "cuFuncSetAttribute", 9000, true, (CUfunction, int, int))                  \
  X(funcGetParamInfo, "cuFuncGetParamInfo", "cuFuncGetParamInfo", 12040, false,                                        \
    (CUfunction, size_t, size_t *, size_t *))                                                                          \
  X(launchKernel, "cuLaunchKernel", "cuLaunchKernel", 4000, true,                                                      \
    (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **))    \
  X(memAlloc, "cuMemAlloc_v2", "cuMemAlloc", 3020, true, (CUdeviceptr *, size_t))                                      \
  X(memFree, "cuMemFree_v2", "cuMemFree", 3020, true, (CUdeviceptr))                                                   \
  X(memGetInfo, "cuMemGetInfo_v2", "cuMemGetInfo", 3020, true, (size_t *, size_t *))                                   \
  X(memHostAlloc, "cuMemHostAlloc", "cuMemHostAlloc", 2020, true, (void **, size_t, unsigned))                         \
  X(memFreeHost, "cuMemFreeHost", "cuMemFreeHost", 2000, true, (void *))                                               \
  X(memPoolCreate, "cuMemPoolCreate", "cuMemPoolCreate", 11020, false, (CUmemoryPool *, const CUmemPoolProps *))       \
  X(memPoolDestroy, "cuMemPoolDestroy", "cuMemPoolDestroy", 11020, false, (CUmemoryPool))                              \
  X(memPoolSetAttribute, "cuMemPoolSetAttribute", "cuMemPoolSetAttribute", 11020, false, (CUmemoryPool, int, void *))  \
  X(memPoolTrimTo, "cuMemPoolTrimTo", "cuMemPoolTrimTo", 11020, false, (CUmemoryPool, size_t))                         \
  X(memAllocFromPoolAsync, "cuMemAllocFromPoolAsync", "cuMemAllocFromPoolAsync", 11020, false,                         \
    (CUdeviceptr *, size_t, CUmemoryPool, CUstream))                                                                   \
  X(memFreeAsync, "cuMemFreeAsync", "cuMemFreeAsync", 11020, false, (CUdeviceptr, CUstream))                           \
  X(memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", "cuMemcpyHtoDAsync", 3020, true,                                          \
    (CUdeviceptr, const void *, size_t, CUstream))                                                                     \
  X(memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoHAsync", 3020, true, (void *, CUdeviceptr, size_t, CUstream)) \
  X(memcpyDtoDAsync, "cuMemcpyDtoDAsync_v2", "cuMemcpyDtoDAsync", 3020, true,                                          \
    (CUdeviceptr, CUdeviceptr, size_t, CUstream))                                                                      \
  X(memsetD8Async, "cuMemsetD8Async", "cuMemsetD8Async", 3020, true, (CUdeviceptr, unsigned char, size_t, CUstream))   \
  X(memsetD16Async, "cuMemsetD16Async", "cuMemsetD16Async", 3020, true,                                                \
    (CUdeviceptr, unsigned short, size_t, CUstream))                                                                   \
  X(memsetD32Async, "cuMemsetD32Async", "cuMemsetD32Async", 3020, true, (CUdeviceptr, unsigned, size_t, CUstream))     \
  X(pointerGetAttribute, "cuPointerGetAttribute", "cuPointerGetAttribute", 4000, true, (void *, int, CUdeviceptr))     \
  X(streamCreateWithPriority, "cuStreamCreateWithPriority", "cuStreamCreateWithPriority", 5050, true,                  \
    (CUstream *, unsigned, int))                                                                                       \
  X(streamDestroy, "cuStreamDestroy_v2", "cuStreamDestroy", 4000, true, (CUstream))                                    \
  X(streamSynchronize, "cuStreamSynchronize", "cuStreamSynchronize", 2000, true, (CUstream))                           \
  X(streamGetCtx, "cuStreamGetCtx", "cuStreamGetCtx", 9020, false, (CUstream, CUcontext *))                            \
  X(eventCreate, "cuEventCreate", "cuEventCreate", 2000, true, (CUevent *, unsigned))                                  \
  X(eventRecord, "cuEventRecord", "cuEventRecord", 2000, true, (CUevent, CUstream))                                    \
  X(eventSynchronize, "cuEventSynchronize", "cuEventSynchronize", 2000, true, (CUevent))                               \
  X(eventElapsedTime, "cuEventElapsedTime", "cuEventElapsedTime", 2000, true, (float *, CUevent, CUevent))             \
  X(eventDestroy, "cuEventDestroy_v2", "cuEventDestroy", 4000, true, (CUevent))                                        \
  X(streamBeginCapture, "cuStreamBeginCapture_v2", "cuStreamBeginCapture", 10010, false, (CUstream, int))              \
  X(streamEndCapture, "cuStreamEndCapture", "cuStreamEndCapture", 10000, false, (CUstream, CUgraph *))                 \
  X(graphInstantiate, "cuGraphInstantiateWithFlags", "cuGraphInstantiateWithFlags", 11040, false,                      \
    (CUgraphExec *, CUgraph, unsigned long long))                                                                      \
  X(graphLaunch, "cuGraphLaunch", "cuGraphLaunch", 10000, false, (CUgraphExec, CUstream))                              \
  X(graphExecDestroy, "cuGraphExecDestroy", "cuGraphExecDestroy", 10000, false, (CUgraphExec))                         \
  X(graphDestroy, "cuGraphDestroy", "cuGraphDestroy", 10000, false, (CUgraph))                                         \
  X(tensorMapEncodeTiled, "cuTensorMapEncodeTiled", "cuTensorMapEncodeTiled", 12000, false,                            \
    (CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *, const uint32_t *, const uint32_t *,     \
     int, int, int, int))                                                                                              \
  X(tensorMapEncodeIm2col, "cuTensorMapEncodeIm2col", "cuTensorMapEncodeIm2col", 12000, false,                         \
    (CUtensorMap *, int, uint32_t, void *, const uint64_t *, const uint64_t *, const int *, const int *, uint32_t,     \
     uint32_t, const uint32_t *, int, int, int, int))

/// The functions of one loaded library. What is not required may be null.
struct Api {
#define ADZE_CUDA_MEMBER(member, symbol, name, version, required, parameters) CUresult(*member) parameters = nullptr;
  ADZE_CUDA_FUNCTIONS(ADZE_CUDA_MEMBER)
#undef ADZE_CUDA_MEMBER
  /// Only the simulator has it: what went wrong, with kernel, line and thread; "" if nothing did.
  const char *(*simLastError)() = nullptr;
  std::string library; ///< what was opened

  /// Opens ADZE_CUDA_LIBRARY, or libcuda.so.1, and finds the functions. Throws Error (ADZE_DEVICE).
  static Api load();
  bool hasGraphs() const {
    return streamBeginCapture && streamEndCapture && graphInstantiate && graphLaunch && graphExecDestroy &&
           graphDestroy;
  }
  bool hasPools() const {
    return memPoolCreate && memPoolDestroy && memPoolSetAttribute && memPoolTrimTo && memAllocFromPoolAsync &&
           memFreeAsync;
  }
  /// "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory".
  std::string text(CUresult result) const;
};

} // namespace adze::cuda

#endif
