// Flags that steer a compilation -> CompileOptions.
#include "targets/cuda/Ptxas.h"
#include "tools/adze/Engine.h"
#include "tools/adze/Simulator.h"
#include "tools/adze/Verb.h"

using namespace adze;
using namespace adze::cli;

std::vector<FlagSpec> adze::cli::joinFlags(std::initializer_list<llvm::ArrayRef<FlagSpec>> groups) {
  std::vector<FlagSpec> out;
  for (llvm::ArrayRef<FlagSpec> group : groups)
    out.insert(out.end(), group.begin(), group.end());
  return out;
}

llvm::ArrayRef<FlagSpec> adze::cli::compileFlags() {
  static const FlagSpec flags[] = {
      {"--target", "LIST",
       "what to compile for, comma-separated NAME[:ARCH] (default: cpu, or --device; see `adze targets`)"},
      {"-O", "0..3", "effort of the code generator (default 2)", false, true},
      {"--dim", "NAME=N|MIN..MAX[:OPT]", "fix a dynamic dim, or give its range and the size to tune for", true},
      {"--input-shape", "NAME=1x3x224x224", "fix the shape of an input; ? leaves a dim as it is", true},
      {"--overridable", "NAME,...", "initializers that stay inputs with a default, where they are graph inputs too"},
      {"--outputs", "NAME,...", "cut the graph at these values"},
      {"--tf32", nullptr, "float32 products may round their operands to tf32 where a chip has it"},
      {"--no-fuse", nullptr, "one kernel for every node, for debugging"},
      {"--allow-external-root", "DIR", "let external data lie under DIR and behind symbolic links"},
      {"--dump-ir-dir", "DIR", "write the IR of every tier there, numbered"},
      {"--ptxas", "PATH|none", "assembler for cuda images (default: that of $ADZE_PTXAS, PATH or CUDA_HOME, if any)"},
  };
  return flags;
}

/// Splits "NAME=VALUE" at the last '=': a name may hold any byte, a value here never holds '='.
static bool splitLast(llvm::StringRef text, llvm::StringRef &name, llvm::StringRef &value) {
  size_t at = text.rfind('=');
  if (at == llvm::StringRef::npos || at == 0)
    return false;
  name = text.take_front(at);
  value = text.drop_front(at + 1);
  return true;
}

static bool parseDim(llvm::StringRef text, DimRange &range) {
  auto [bounds, optimum] = text.split(':');
  auto number = [](llvm::StringRef s, int64_t &out) { return !s.getAsInteger(10, out) && out >= 0; };
  if (!bounds.contains("..")) {
    if (!number(bounds, range.min) || text.contains(':'))
      return false;
    range.max = range.optimum = range.min;
    return true;
  }
  auto [low, high] = bounds.split("..");
  if (!number(low, range.min) || !number(high, range.max) || range.min > range.max)
    return false;
  if (text.contains(':') && (!number(optimum, range.optimum) || range.optimum < range.min || range.optimum > range.max))
    return false;
  return true;
}

static bool parseShape(llvm::StringRef text, std::vector<int64_t> &dims) {
  if (text.empty())
    return true; // a scalar
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, 'x');
  for (llvm::StringRef part : parts) {
    int64_t dim = -1;
    if (part != "?" && (part.getAsInteger(10, dim) || dim < 0))
      return false;
    dims.push_back(dim);
  }
  return true;
}

static bool readShapes(const Flags &flags, ImportOptions &import, Console &console) {
  for (llvm::StringRef text : flags.values("--dim")) {
    llvm::StringRef name, value;
    DimRange range;
    if (!splitLast(text, name, value) || !parseDim(value, range)) {
      console.usage("--dim=" + printable(text), "it is not NAME=N or NAME=MIN..MAX[:OPT] with MIN <= OPT <= MAX",
                    "for example --dim batch=1..64:8");
      return false;
    }
    import.dims[name.str()] = range;
  }
  for (llvm::StringRef text : flags.values("--input-shape")) {
    llvm::StringRef name, value;
    std::vector<int64_t> dims;
    if (!splitLast(text, name, value) || !parseShape(value, dims)) {
      console.usage("--input-shape=" + printable(text), "it is not NAME=DIMxDIMx..., each DIM a number or ?",
                    "for example --input-shape x=1x3x224x224");
      return false;
    }
    import.inputShapes[name.str()] = dims;
  }
  return true;
}

static std::vector<std::string> splitList(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',', -1, /*KeepEmpty=*/false);
  return {parts.begin(), parts.end()};
}

/// Refuses a target or an architecture that this build does not have.
static bool checkTargets(llvm::ArrayRef<std::string> names, Console &console) {
  TargetRegistry registry = allTargets();
  std::vector<std::string> known;
  for (const std::unique_ptr<Target> &target : registry.all())
    for (const auto &[arch, about] : target->architectures())
      known.push_back(target->name().str() + (arch.empty() ? "" : ":" + arch));
  for (const std::string &name : names) {
    auto [target, arch] = llvm::StringRef(name).split(':');
    const Target *found = registry.find(target);
    std::string why = "this build has no code generator of that name";
    if (found) {
      llvm::Expected<std::vector<TargetArch>> archs = found->resolve(arch);
      if (archs)
        continue;
      why = llvm::toString(archs.takeError());
    }
    std::string near = nearest(name, known);
    console.usage("unknown target '" + printable(name) + "'", why,
                  near.empty() ? "`adze targets` lists what there is"
                               : "did you mean " + near + "? See `adze targets`");
    return false;
  }
  return true;
}

std::optional<CompileOptions> adze::cli::readCompileOptions(const Flags &flags, Console &console) {
  CompileOptions options;
  if (flags.has("--target"))
    options.targets = splitList(flags.value("--target"));
  else if (std::vector<std::string> targets = targetsOfDevices(flags); !targets.empty())
    options.targets = targets;
  if (options.targets.empty()) {
    console.usage("--target is empty", "a package holds code for one target at least", "for example --target=cpu");
    return std::nullopt;
  }
  if (!checkTargets(options.targets, console))
    return std::nullopt;
  std::optional<int64_t> level = flags.integer("-O", 2, 0, 3, console);
  std::optional<int64_t> threads = flags.integer("--threads", 0, 0, 1024, console);
  if (!level || !threads || !readShapes(flags, options.import, console))
    return std::nullopt;
  options.optLevel = static_cast<unsigned>(*level);
  options.threads = static_cast<unsigned>(*threads);
  options.fuse = !flags.has("--no-fuse");
  options.tf32 = flags.has("--tf32");
  options.stripDebug = flags.has("--strip-debug");
  options.dumpDir = flags.value("--dump-ir-dir");
  std::string ptxas = flags.value("--ptxas");
  if (llvm::any_of(options.targets, [](const std::string &t) { return llvm::StringRef(t).starts_with("cuda"); }))
    options.programs["ptxas"] = ptxas.empty() ? cuda::findPtxas() : ptxas == "none" ? "" : ptxas;
  options.import.allowedRoot = flags.value("--allow-external-root");
  options.import.outputs = splitList(flags.value("--outputs"));
  for (std::string &name : splitList(flags.value("--overridable")))
    options.import.overridable.insert(std::move(name));
  options.progress = [&console](llvm::StringRef step, size_t done, size_t total) {
    console.progress(step, done, total);
  };
  options.cancelled = &interrupted();
  // Recorded in the package: what changes its contents, and nothing that depends on the place or the machine.
  std::string &line = options.commandLine;
  line = "-O" + std::to_string(options.optLevel);
  for (const char *name : {"--target", "--outputs", "--overridable"})
    if (flags.has(name))
      line += std::string(" ") + name + "=" + flags.value(name);
  for (const char *name : {"--dim", "--input-shape"})
    for (const std::string &value : flags.values(name))
      line += std::string(" ") + name + "=" + value;
  for (const char *name : {"--tf32", "--no-fuse", "--strip-debug"})
    if (flags.has(name))
      line += std::string(" ") + name;
  return options;
}
