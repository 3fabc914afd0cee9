// The driver API's types and numbers, as the simulator answers them (cuda.h 12/13; CUDA driver API reference).
#ifndef ADZE_TOOLS_SIM_CUDA_DRIVER_TYPES_H
#define ADZE_TOOLS_SIM_CUDA_DRIVER_TYPES_H

#include <cstddef>
#include <cstdint>

namespace adze::sim::driver {

enum Code : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialised = 3,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  InvalidContext = 201,
  NoBinary = 209,
  InvalidPtx = 218,
  UnsupportedPtxVersion = 222,
  InvalidHandle = 400,
  IllegalState = 401,
  NotFound = 500,
  NotReady = 600,
  IllegalAddress = 700,
  LaunchOutOfResources = 701,
  LaunchTimeout = 702,
  HostMemoryAlreadyRegistered = 712,
  HostMemoryNotRegistered = 713,
  HardwareStackError = 714,
  IllegalInstruction = 715,
  Misaligned = 716,
  LaunchFailed = 719,
  NotPermitted = 800,
  NotSupported = 801,
  CaptureUnsupported = 900,
  CaptureInvalidated = 901,
  CaptureWrongThread = 908,
  CaptureMerge = 902,
  CaptureUnmatched = 903,
  CaptureUnjoined = 904,
  CaptureIsolation = 905,
  CaptureImplicit = 906,
  InvalidClusterSize = 912,
  Unknown = 999
};

/// Name and sentence of a code for cuGetErrorName and cuGetErrorString; null if there is none of that number.
const char *codeName(int code);
const char *codeText(int code);

/// CUlaunchAttribute (72 bytes) and CUlaunchConfig (56 bytes) of cuLaunchKernelEx.
struct LaunchAttribute {
  int id;
  int padding;
  unsigned char value[64];
};
static_assert(sizeof(LaunchAttribute) == 72);
struct LaunchConfig {
  unsigned grid[3], block[3], shared;
  int padding;
  void *stream;
  LaunchAttribute *attributes;
  unsigned count;
  int padding2;
};
static_assert(sizeof(LaunchConfig) == 56 && offsetof(LaunchConfig, stream) == 32);

} // namespace adze::sim::driver
#endif
