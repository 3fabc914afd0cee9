#include "tools/adze/Simulator.h"
#include "targets/AllTargets.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstdlib>

using namespace adze;
using namespace adze::cli;

static constexpr const char *kDefaultArch = "sm_90a";
static constexpr const char *kLibrary = "libcuda_sim.so";

llvm::ArrayRef<FlagSpec> adze::cli::simulatorFlags() {
  static const FlagSpec flags[] = {
      {"--sim", nullptr, "run cuda devices in the simulator, which needs no GPU and finds races and bad accesses"},
      {"--sim-arch", "ARCH", "what it simulates: sm_80, sm_86, sm_89, sm_90a (the default), sm_100, sm_120"},
      {"--sim-seed", "N", "the order in which it runs warps and blocks (default 0)"},
  };
  return flags;
}

static const std::vector<std::string> &simulatedArchs() {
  static const std::vector<std::string> archs = {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"};
  return archs;
}

static llvm::SmallVector<llvm::StringRef> deviceNames(llvm::StringRef devices) {
  llvm::SmallVector<llvm::StringRef> parts;
  devices.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef &part : parts)
    part = part.split(':').first;
  return parts;
}

/// The simulator's library, beside this program or in the lib folder beside its folder; "" if it is not there.
static std::string findLibrary(std::string &folders) {
  static int anchor;
  std::string program = llvm::sys::fs::getMainExecutable("adze", &anchor);
  llvm::StringRef folder = llvm::sys::path::parent_path(program);
  for (std::string path : {folder.str(), (folder + "/../lib").str()}) {
    folders += (folders.empty() ? "" : ", ") + path;
    path += std::string("/") + kLibrary;
    llvm::SmallString<256> real;
    if (!llvm::sys::fs::real_path(path, real))
      return real.str().str();
  }
  return {};
}

int adze::cli::prepareSimulator(const Flags &flags, llvm::StringRef devices, Console &console) {
  if (!flags.has("--sim")) {
    for (const char *flag : {"--sim-arch", "--sim-seed"})
      if (flags.has(flag))
        return console.usage(std::string(flag) + " without --sim", "it is a setting of the simulator", "add --sim");
    return kOk;
  }
  if (!llvm::is_contained(deviceNames(devices), "cuda"))
    return console.usage("--sim without a device to simulate", "the simulator stands in for cuda devices",
                         "add --device=cuda");
  std::string arch = flags.value("--sim-arch", kDefaultArch);
  if (!llvm::is_contained(simulatedArchs(), arch)) {
    std::string near = nearest(arch, simulatedArchs());
    return console.usage("--sim-arch=" + printable(arch), "the simulator has no such architecture",
                         near.empty() ? "`adze help run` lists what there is" : "did you mean " + near + "?");
  }
  std::optional<int64_t> seed = flags.integer("--sim-seed", 0, 0, INT64_MAX, console);
  if (!seed)
    return kUsage;
  std::string folders, library = findLibrary(folders);
  if (library.empty())
    return console.fail(kDevice, "the simulator is not installed", kLibrary, "it is not in " + folders,
                        "install it beside the runtime's library");
  setenv("ADZE_CUDA_LIBRARY", library.c_str(), 1);
  setenv("ADZE_SIM_ARCH", arch.c_str(), 1);
  setenv("ADZE_SIM_SEED", std::to_string(*seed).c_str(), 1);
  return kOk;
}

std::vector<std::string> adze::cli::targetsOfDevices(const Flags &flags) {
  std::vector<std::string> out;
  TargetRegistry registry = allTargets();
  std::string devices = flags.value("--device");
  for (llvm::StringRef name : deviceNames(devices)) {
    if (!registry.find(name))
      continue;
    std::string target = name.str(), arch = flags.value("--sim-arch", kDefaultArch);
    // A wrong architecture is prepareSimulator's to refuse.
    if (name == "cuda" && flags.has("--sim") && llvm::is_contained(simulatedArchs(), arch))
      target += ":" + arch;
    if (!llvm::is_contained(out, target))
      out.push_back(target);
  }
  return out;
}
