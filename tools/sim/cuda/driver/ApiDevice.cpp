// Devices, the primary context, names of errors. CUDA driver API, "Device Management", "Primary Context Management".
#include "tools/sim/cuda/driver/Entry.h"

#include <cstring>

using namespace adze::sim;
using namespace adze::sim::driver;

namespace {

/// What distinguishes the devices. Sources: CUDA programming guide, "Technical Specifications per Compute Capability";
/// NVIDIA's architecture white papers for the numbers of multiprocessors and the L2 cache.
struct Model {
  unsigned arch;
  const char *name;
  int multiprocessors, threadsPerMultiprocessor, blocksPerMultiprocessor, sharedPerMultiprocessor, l2Bytes;
};
constexpr Model kModels[] = {
    {80, "Simulated GPU sm_80", 108, 2048, 32, 167936, 40 << 20},
    {86, "Simulated GPU sm_86", 84, 1536, 16, 102400, 6 << 20},
    {89, "Simulated GPU sm_89", 142, 1536, 24, 102400, 96 << 20},
    {90, "Simulated GPU sm_90a", 132, 2048, 32, 233472, 50 << 20},
    {100, "Simulated GPU sm_100", 148, 2048, 32, 233472, 126 << 20},
    {120, "Simulated GPU sm_120", 188, 1536, 24, 102400, 128 << 20},
};

const Model &model(const State &state) {
  for (const Model &known : kModels)
    if (known.arch == state.settings.arch.number)
      return known;
  return kModels[3];
}

void requireDevice(State &state, int device) {
  state.requireInitialised();
  if (device < 0 || unsigned(device) >= state.settings.devices)
    fail(InvalidDevice, "device " + std::to_string(device) + " does not exist");
}

int attribute(const State &state, int which) {
  const Model &m = model(state);
  DeviceLimits limits = limitsOf(state.settings.arch);
  int arch = int(state.settings.arch.number);
  switch (which) {
  case 1: // threads per block
    return int(limits.threadsPerBlock);
  case 2:
    return int(limits.block.x);
  case 3:
    return int(limits.block.y);
  case 4:
    return int(limits.block.z);
  case 5:
    return int(limits.grid.x);
  case 6:
    return int(limits.grid.y);
  case 7:
    return int(limits.grid.z);
  case 8:
    return int(limits.sharedDefault);
  case 9: // constant memory
    return 65536;
  case 10: // warp size
    return 32;
  case 12: // registers per block
  case 82: // and per multiprocessor
    return 65536;
  case 13: // kHz
    return 1500000;
  case 16:
    return state.settings.multiprocessors ? state.settings.multiprocessors : m.multiprocessors;
  case 19:  // maps host memory
  case 31:  // concurrent kernels
  case 41:  // unified addressing
  case 115: // memory pools
    return 1;
  case 38:
    return m.l2Bytes;
  case 39:
    return m.threadsPerMultiprocessor;
  case 40: // copy engines
    return 2;
  case 75:
    return arch / 10;
  case 76:
    return arch % 10;
  case 81:
    return m.sharedPerMultiprocessor;
  case 97:
    return int(limits.sharedOptIn);
  case 106:
    return m.blocksPerMultiprocessor;
  case 111: // shared memory that the system keeps of every block
    return 1024;
  case 120: // clusters
  case 127: // tensor maps
    return arch >= 90;
  case 20: // compute mode
  case 32: // ECC
  case 83: // managed memory
  case 95: // cooperative launch
    return 0;
  default:
    fail(InvalidValue, "the simulator does not know device attribute " + std::to_string(which));
  }
}

} // namespace

ADZE_SIM_EXPORT int cuInit(unsigned flags) {
  return entry("cuInit", [&](State &state) {
    if (flags)
      fail(InvalidValue, "the flags must be 0");
    Settings settings = Settings::fromEnvironment();
    if (state.contextUsers == 0)
      state.settings = settings;
    if (state.settings.devices == 0)
      fail(NoDevice, "");
    state.initialised = true;
  });
}

ADZE_SIM_EXPORT int cuDriverGetVersion(int *version) {
  return entry("cuDriverGetVersion", [&](State &) {
    requirePointer(version, "driverVersion");
    *version = kDriverVersion;
  });
}

ADZE_SIM_EXPORT int cuGetErrorName(int code, const char **out) {
  return entry("cuGetErrorName", [&](State &) {
    requirePointer(out, "pStr");
    *out = codeName(code);
    if (!*out)
      fail(InvalidValue, "there is no error " + std::to_string(code));
  });
}

ADZE_SIM_EXPORT int cuGetErrorString(int code, const char **out) {
  return entry("cuGetErrorString", [&](State &) {
    requirePointer(out, "pStr");
    *out = codeText(code);
    if (!*out)
      fail(InvalidValue, "there is no error " + std::to_string(code));
  });
}

ADZE_SIM_EXPORT int cuDeviceGetCount(int *count) {
  return entry("cuDeviceGetCount", [&](State &state) {
    requirePointer(count, "count");
    state.requireInitialised();
    *count = int(state.settings.devices);
  });
}

ADZE_SIM_EXPORT int cuDeviceGet(int *device, int ordinal) {
  return entry("cuDeviceGet", [&](State &state) {
    requirePointer(device, "device");
    requireDevice(state, ordinal);
    *device = ordinal;
  });
}

ADZE_SIM_EXPORT int cuDeviceGetName(char *name, int length, int device) {
  return entry("cuDeviceGetName", [&](State &state) {
    requirePointer(name, "name");
    requireDevice(state, device);
    if (length <= 0)
      fail(InvalidValue, "the length is not positive");
    std::strncpy(name, model(state).name, size_t(length) - 1);
    name[length - 1] = 0;
  });
}

ADZE_SIM_EXPORT int cuDeviceGetUuid_v2(void *uuid, int device) {
  return entry("cuDeviceGetUuid", [&](State &state) {
    requirePointer(uuid, "uuid");
    requireDevice(state, device);
    char bytes[16] = "adze-simulator";
    bytes[15] = char(device);
    std::memcpy(uuid, bytes, 16);
  });
}

ADZE_SIM_EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  return entry("cuDeviceTotalMem", [&](State &state) {
    requirePointer(bytes, "bytes");
    requireDevice(state, device);
    *bytes = state.settings.memoryBytes;
  });
}

ADZE_SIM_EXPORT int cuDeviceGetAttribute(int *value, int which, int device) {
  return entry("cuDeviceGetAttribute", [&](State &state) {
    requirePointer(value, "pi");
    requireDevice(state, device);
    *value = attribute(state, which);
  });
}

// --- the primary context ---

ADZE_SIM_EXPORT int cuDevicePrimaryCtxRetain(void **context, int device) {
  return entry("cuDevicePrimaryCtxRetain", [&](State &state) {
    requirePointer(context, "pctx");
    requireDevice(state, device);
    state.retain();
    *context = state.contextHandle();
  });
}

ADZE_SIM_EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
  return entry("cuDevicePrimaryCtxRelease", [&](State &state) {
    requireDevice(state, device);
    state.release();
  });
}

ADZE_SIM_EXPORT int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  return entry("cuDevicePrimaryCtxGetState", [&](State &state) {
    requirePointer(flags, "flags");
    requirePointer(active, "active");
    requireDevice(state, device);
    *flags = 0;
    *active = state.contextUsers != 0;
  });
}

ADZE_SIM_EXPORT int cuCtxSetCurrent(void *context) {
  return entry("cuCtxSetCurrent", [&](State &state) {
    state.requireInitialised();
    if (context && (context != state.contextHandle() || state.contextUsers == 0))
      fail(InvalidContext, "this is no live context");
    setCurrentContext(context);
  });
}

ADZE_SIM_EXPORT int cuCtxGetCurrent(void **context) {
  return entry("cuCtxGetCurrent", [&](State &state) {
    requirePointer(context, "pctx");
    state.requireInitialised();
    *context = currentContext();
  });
}

ADZE_SIM_EXPORT int cuCtxGetDevice(int *device) {
  return entry("cuCtxGetDevice", [&](State &state) {
    requirePointer(device, "device");
    state.requireContext();
    *device = 0;
  });
}

ADZE_SIM_EXPORT int cuCtxSynchronize() {
  return entry("cuCtxSynchronize", [&](State &state) {
    state.requireContext();
    state.forbidInCapture("cuCtxSynchronize");
    state.completeAll();
    state.requireContext(); // what came to light
  });
}

ADZE_SIM_EXPORT int cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return entry("cuCtxGetStreamPriorityRange", [&](State &state) {
    state.requireContext();
    if (least)
      *least = 0;
    if (greatest)
      *greatest = -5;
  });
}
