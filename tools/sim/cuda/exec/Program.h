// A loaded module: decoded functions, variables, what the driver asks about a kernel.
#ifndef ADZE_TOOLS_SIM_CUDA_EXEC_PROGRAM_H
#define ADZE_TOOLS_SIM_CUDA_EXEC_PROGRAM_H

#include "Instr.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace adze::sim {

class DeviceMemory;

struct KernelParam {
  std::string name;
  uint32_t offset = 0, bytes = 0, alignment = 1;
};

/// One .entry or .func.
struct KernelCode {
  std::string name;
  bool entry = false;
  uint32_t line = 0;
  std::vector<KernelParam> params; ///< of an .entry: offsets in the parameter buffer
  uint32_t paramBytes = 0;
  Dim3 maxThreads{0, 0, 0};      ///< .maxntid; 0: not given
  Dim3 requiredThreads{0, 0, 0}; ///< .reqntid
  Dim3 requiredCluster{0, 0, 0}; ///< .reqnctapercluster
  bool explicitCluster = false;
  uint32_t minBlocksPerSm = 0, maxRegisters = 0, maxClusterRank = 0; ///< 0: not given
  uint32_t sharedBytes = 0;         ///< static: all .shared variables that the kernel can reach
  uint32_t dynamicSharedOffset = 0; ///< where .extern .shared starts
  uint32_t localBytes = 0;          ///< a lane's .local variables of this function
  uint32_t registers32 = 0;         ///< virtual registers, in 32-bit units (for reports)

  // decoded form
  std::vector<Instr> code;
  uint32_t frameBytes = 0, poisonCount = poisonStride; ///< the first ones are those of constants
  std::vector<RegisterAccess> accesses;
};

class Program {
public:
  ~Program();
  Architecture target;
  unsigned versionMajor = 0, versionMinor = 0;
  std::map<std::string, std::unique_ptr<KernelCode>> functions;
  struct Variable {
    std::string name;
    uint64_t address = 0, bytes = 0;
    bool constant = false;
  };
  std::map<std::string, Variable> variables; ///< .global and .const, at device addresses
  std::vector<uint8_t> constants;            ///< constant bank: immediates spread over 32 lanes
  std::vector<std::unique_ptr<InstrExtra>> extras;
  bool trackRegisters = false;    ///< some instruction needs register locks and marks (wgmma)
  std::vector<std::string> lines; ///< the text, for reports
  DeviceMemory *device = nullptr;

  const KernelCode *find(const std::string &name) const {
    auto it = functions.find(name);
    return it == functions.end() || !it->second->entry ? nullptr : it->second.get();
  }
  std::string lineText(uint32_t line) const;
};

/// What loadModule answers: a program, or an error (CUresult number and text with the PTX line).
struct LoadResult {
  std::unique_ptr<Program> program;
  int code = 0;
  std::string text;
};

/// sm_NUMBER with an optional letter. False, and `out` is not defined, for anything else.
bool parseArchitecture(const std::string &text, Architecture &out);

/// Parses and decodes PTX for a device of architecture `device`. `device.number` must be able to run .target.
LoadResult loadModule(const std::string &text, const Architecture &device, DeviceMemory &memory);

} // namespace adze::sim
#endif
