// cuGetProcAddress: every entry point by its base name and the version that introduced this ABI.
#include "tools/sim/cuda/driver/Entry.h"

#include <cstring>

using namespace adze::sim;
using namespace adze::sim::driver;

// name, exported symbol, version
#define ADZE_SIM_ENTRY_POINTS(X)                                                                                       \
  X(cuInit, cuInit, 2000)                                                                                              \
  X(cuDriverGetVersion, cuDriverGetVersion, 2020)                                                                      \
  X(cuGetErrorName, cuGetErrorName, 6000)                                                                              \
  X(cuGetErrorString, cuGetErrorString, 6000)                                                                          \
  X(cuDeviceGetCount, cuDeviceGetCount, 2000)                                                                          \
  X(cuDeviceGet, cuDeviceGet, 2000)                                                                                    \
  X(cuDeviceGetName, cuDeviceGetName, 2000)                                                                            \
  X(cuDeviceGetUuid, cuDeviceGetUuid_v2, 11040)                                                                        \
  X(cuDeviceTotalMem, cuDeviceTotalMem_v2, 3020)                                                                       \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, 2000)                                                                  \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, 7000)                                                          \
  X(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, 11000)                                                    \
  X(cuDevicePrimaryCtxGetState, cuDevicePrimaryCtxGetState, 7000)                                                      \
  X(cuDeviceGetDefaultMemPool, cuDeviceGetDefaultMemPool, 11020)                                                       \
  X(cuCtxSetCurrent, cuCtxSetCurrent, 4000)                                                                            \
  X(cuCtxGetCurrent, cuCtxGetCurrent, 4000)                                                                            \
  X(cuCtxGetDevice, cuCtxGetDevice, 2000)                                                                              \
  X(cuCtxSynchronize, cuCtxSynchronize, 2000)                                                                          \
  X(cuCtxGetStreamPriorityRange, cuCtxGetStreamPriorityRange, 5050)                                                    \
  X(cuModuleLoadData, cuModuleLoadData, 2000)                                                                          \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx, 2010)                                                                      \
  X(cuModuleUnload, cuModuleUnload, 2000)                                                                              \
  X(cuModuleGetFunction, cuModuleGetFunction, 2000)                                                                    \
  X(cuModuleGetGlobal, cuModuleGetGlobal_v2, 3020)                                                                     \
  X(cuFuncGetAttribute, cuFuncGetAttribute, 2020)                                                                      \
  X(cuFuncSetAttribute, cuFuncSetAttribute, 9000)                                                                      \
  X(cuFuncGetParamInfo, cuFuncGetParamInfo, 12040)                                                                     \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor, 6050)                    \
  X(cuLaunchKernel, cuLaunchKernel, 4000)                                                                              \
  X(cuLaunchKernelEx, cuLaunchKernelEx, 11060)                                                                         \
  X(cuLaunchHostFunc, cuLaunchHostFunc, 10000)                                                                         \
  X(cuMemAlloc, cuMemAlloc_v2, 3020)                                                                                   \
  X(cuMemFree, cuMemFree_v2, 3020)                                                                                     \
  X(cuMemAllocAsync, cuMemAllocAsync, 11020)                                                                           \
  X(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync, 11020)                                                           \
  X(cuMemFreeAsync, cuMemFreeAsync, 11020)                                                                             \
  X(cuMemGetInfo, cuMemGetInfo_v2, 3020)                                                                               \
  X(cuMemPoolCreate, cuMemPoolCreate, 11020)                                                                           \
  X(cuMemPoolDestroy, cuMemPoolDestroy, 11020)                                                                         \
  X(cuMemPoolSetAttribute, cuMemPoolSetAttribute, 11020)                                                               \
  X(cuMemPoolGetAttribute, cuMemPoolGetAttribute, 11020)                                                               \
  X(cuMemPoolTrimTo, cuMemPoolTrimTo, 11020)                                                                           \
  X(cuMemHostAlloc, cuMemHostAlloc, 2020)                                                                              \
  X(cuMemFreeHost, cuMemFreeHost, 2000)                                                                                \
  X(cuMemHostRegister, cuMemHostRegister_v2, 6050)                                                                     \
  X(cuMemHostUnregister, cuMemHostUnregister, 4000)                                                                    \
  X(cuPointerGetAttribute, cuPointerGetAttribute, 4000)                                                                \
  X(cuMemcpyHtoD, cuMemcpyHtoD_v2, 3020)                                                                               \
  X(cuMemcpyDtoH, cuMemcpyDtoH_v2, 3020)                                                                               \
  X(cuMemcpyDtoD, cuMemcpyDtoD_v2, 3020)                                                                               \
  X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, 3020)                                                                     \
  X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, 3020)                                                                     \
  X(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, 3020)                                                                     \
  X(cuMemsetD8, cuMemsetD8_v2, 3020)                                                                                   \
  X(cuMemsetD32, cuMemsetD32_v2, 3020)                                                                                 \
  X(cuMemsetD8Async, cuMemsetD8Async, 3020)                                                                            \
  X(cuMemsetD16Async, cuMemsetD16Async, 3020)                                                                          \
  X(cuMemsetD32Async, cuMemsetD32Async, 3020)                                                                          \
  X(cuStreamCreate, cuStreamCreate, 2000)                                                                              \
  X(cuStreamCreateWithPriority, cuStreamCreateWithPriority, 5050)                                                      \
  X(cuStreamDestroy, cuStreamDestroy_v2, 4000)                                                                         \
  X(cuStreamSynchronize, cuStreamSynchronize, 2000)                                                                    \
  X(cuStreamQuery, cuStreamQuery, 2000)                                                                                \
  X(cuStreamWaitEvent, cuStreamWaitEvent, 3020)                                                                        \
  X(cuStreamGetCtx, cuStreamGetCtx, 9020)                                                                              \
  X(cuStreamBeginCapture, cuStreamBeginCapture_v2, 10010)                                                              \
  X(cuStreamEndCapture, cuStreamEndCapture, 10000)                                                                     \
  X(cuStreamIsCapturing, cuStreamIsCapturing, 10000)                                                                   \
  X(cuThreadExchangeStreamCaptureMode, cuThreadExchangeStreamCaptureMode, 10010)                                       \
  X(cuEventCreate, cuEventCreate, 2000)                                                                                \
  X(cuEventRecord, cuEventRecord, 2000)                                                                                \
  X(cuEventQuery, cuEventQuery, 2000)                                                                                  \
  X(cuEventSynchronize, cuEventSynchronize, 2000)                                                                      \
  X(cuEventElapsedTime, cuEventElapsedTime, 2000)                                                                      \
  X(cuEventDestroy, cuEventDestroy_v2, 4000)                                                                           \
  X(cuGraphInstantiateWithFlags, cuGraphInstantiateWithFlags, 11040)                                                   \
  X(cuGraphUpload, cuGraphUpload, 11010)                                                                               \
  X(cuGraphLaunch, cuGraphLaunch, 10000)                                                                               \
  X(cuGraphExecDestroy, cuGraphExecDestroy, 10000)                                                                     \
  X(cuGraphDestroy, cuGraphDestroy, 10000)                                                                             \
  X(cuTensorMapEncodeTiled, cuTensorMapEncodeTiled, 12000)                                                             \
  X(cuTensorMapEncodeIm2col, cuTensorMapEncodeIm2col, 12000)                                                           \
  X(cuTensorMapReplaceAddress, cuTensorMapReplaceAddress, 12000)

// Only addresses are taken here; the types stand where the functions are.
extern "C" {
#define ADZE_SIM_DECLARE(name, symbol, version) void adzeSimAddressOf_##symbol() __asm__(#symbol);
ADZE_SIM_ENTRY_POINTS(ADZE_SIM_DECLARE)
#undef ADZE_SIM_DECLARE
}

namespace {

struct Known {
  const char *name;
  void (*address)();
  int version;
};
const Known kKnown[] = {
#define ADZE_SIM_ROW(name, symbol, version) {#name, adzeSimAddressOf_##symbol, version},
    ADZE_SIM_ENTRY_POINTS(ADZE_SIM_ROW)
#undef ADZE_SIM_ROW
};

void find(const char *name, void **out, int version, int *status) {
  requirePointer(name, "symbol");
  requirePointer(out, "pfn");
  *out = nullptr;
  for (const Known &known : kKnown) {
    if (std::strcmp(known.name, name) != 0)
      continue;
    if (version < known.version) {
      if (status)
        *status = 2; // the version is not sufficient
      fail(NotFound, std::string(name) + " came with version " + std::to_string(known.version) + ", asked for is " +
                         std::to_string(version));
    }
    *out = reinterpret_cast<void *>(known.address);
    if (status)
      *status = 0;
    return;
  }
  if (status)
    *status = 1; // symbol not found
  fail(NotFound, std::string("the simulator does not have ") + name);
}

} // namespace

ADZE_SIM_EXPORT int cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t, int *status) {
  return entry("cuGetProcAddress", [&](State &) { find(name, out, version, status); });
}

ADZE_SIM_EXPORT int cuGetProcAddress(const char *name, void **out, int version, uint64_t) {
  return entry("cuGetProcAddress", [&](State &) { find(name, out, version, nullptr); });
}
