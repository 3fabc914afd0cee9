#include "targets/cuda/Ptxas.h"
#include "targets/cuda/CudaTarget.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <set>

using namespace llvm;

namespace adze::cuda {
namespace {

Error failed(const Twine &what) { return createStringError(inconvertibleErrorCode(), what); }

/// A temporary file that is removed at the end.
struct Temporary {
  SmallString<128> path;
  FileRemover remover;
  std::error_code error;
  explicit Temporary(StringRef suffix) {
    error = sys::fs::createTemporaryFile("adze", suffix, path);
    if (!error)
      remover.setFile(path);
  }
};

std::string contentsOf(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// "Used 8 registers, used 1 barriers, 64 bytes smem, ..." and "0 bytes stack frame, 0 bytes spill stores, ...".
uint64_t numberBefore(StringRef line, StringRef words) {
  size_t at = line.find(words);
  if (at == StringRef::npos)
    return 0;
  StringRef head = line.take_front(at).rtrim();
  uint64_t value = 0;
  head.substr(head.find_last_not_of("0123456789") + 1).getAsInteger(10, value);
  return value;
}

std::map<std::string, KernelResources> parseLog(StringRef log) {
  std::map<std::string, KernelResources> kernels;
  KernelResources *current = nullptr;
  SmallVector<StringRef> lines;
  log.split(lines, '\n');
  for (StringRef line : lines) {
    if (size_t at = line.find("Compiling entry function '"); at != StringRef::npos) {
      current = &kernels[line.substr(at).split('\'').second.split('\'').first.str()];
    } else if (current && line.contains("bytes stack frame")) {
      current->stackBytes = numberBefore(line, "bytes stack frame");
      current->spillStores = numberBefore(line, "bytes spill stores");
      current->spillLoads = numberBefore(line, "bytes spill loads");
    } else if (current && line.contains("Used ")) {
      current->registers = numberBefore(line, "registers");
      current->sharedBytes = numberBefore(line, "bytes smem");
    }
  }
  return kernels;
}

} // namespace

std::string findPtxas() {
  if (const char *given = std::getenv("ADZE_PTXAS"); given && *given)
    return StringRef(given) == "none" ? "" : given;
  if (ErrorOr<std::string> path = sys::findProgramByName("ptxas"))
    return *path;
  SmallVector<std::string> places;
  if (const char *home = std::getenv("CUDA_HOME"))
    places.push_back(std::string(home) + "/bin");
  places.push_back("/usr/local/cuda/bin");
  for (const std::string &place : places)
    if (ErrorOr<std::string> path = sys::findProgramByName("ptxas", {place}))
      return *path;
  return "";
}

bool ptxasKnows(StringRef ptxas, const TargetArch &arch) {
  unsigned version = ptxVersionOf(arch);
  std::string ptx = (".version " + Twine(version / 10) + "." + Twine(version % 10) + "\n.target " + arch.arch +
                     "\n.address_size 64\n.visible .entry k() { ret; }\n")
                        .str();
  Expected<Assembled> probe = assemble(ptxas, ptx, arch.arch);
  if (probe)
    return true;
  consumeError(probe.takeError());
  return false;
}

Expected<Assembled> assemble(StringRef ptxas, StringRef ptx, StringRef arch) {
  Temporary in("ptx"), out("cubin"), log("log");
  for (const Temporary *t : {&in, &out, &log})
    if (t->error)
      return failed("cannot make a temporary file: " + t->error.message());
  {
    std::error_code error;
    raw_fd_ostream os(in.path, error);
    os << ptx;
    os.close();
    if (error || os.has_error()) {
      os.clear_error();
      return failed("cannot write " + in.path.str());
    }
  }
  // By standard input: a path would be recorded in the cubin.
  std::string target = ("-arch=" + arch).str(), output = out.path.str().str();
  StringRef arguments[] = {ptxas, "-v", target, "-", "-o", output};
  std::optional<StringRef> redirects[] = {in.path.str(), log.path.str(), log.path.str()};
  std::string message;
  int exit = sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, 0, 0, &message);
  Assembled result;
  result.log = contentsOf(log.path);
  if (exit != 0)
    return failed(message.empty() ? StringRef(result.log).trim() : StringRef(message));
  result.cubin = contentsOf(out.path);
  result.kernels = parseLog(result.log);
  return result;
}

/// The text with room for all registers in the kernels of `names`.
static std::string withAllRegisters(StringRef ptx, const std::set<std::string> &names) {
  std::string out;
  bool chosen = false;
  SmallVector<StringRef> lines;
  ptx.split(lines, '\n');
  for (auto [i, line] : enumerate(lines)) {
    out.append(i ? "\n" : "").append(line.begin(), line.end());
    if (line.contains(".entry "))
      chosen = names.count(line.split(".entry ").second.take_until([](char c) { return c == '('; }).str());
    if (chosen && line.starts_with(".maxntid"))
      out += "\n.minnctapersm 1";
    chosen &= !line.starts_with("{");
  }
  return out;
}

Expected<Assembled> assembleUnspilled(StringRef ptxas, std::string &ptx, StringRef arch) {
  Expected<Assembled> first = assemble(ptxas, ptx, arch);
  if (!first)
    return first;
  std::set<std::string> spilling;
  for (const auto &[name, r] : first->kernels)
    if (r.spills())
      spilling.insert(name);
  if (spilling.empty())
    return first;
  std::string roomy = withAllRegisters(ptx, spilling);
  Expected<Assembled> second = assemble(ptxas, roomy, arch);
  if (!second)
    return second;
  std::set<std::string> helped;
  for (const std::string &name : spilling)
    if (!second->kernels[name].spills())
      helped.insert(name);
  if (helped.empty())
    return first;
  if (helped.size() != spilling.size()) {
    roomy = withAllRegisters(ptx, helped);
    second = assemble(ptxas, roomy, arch);
  }
  ptx = std::move(roomy);
  return second;
}

std::vector<std::string> silentRepairs(const Assembled &assembled) {
  std::vector<std::string> found;
  SmallVector<StringRef> lines;
  StringRef(assembled.log).split(lines, '\n');
  for (StringRef line : lines)
    if (line.contains("C7508") || line.contains("C7517") || line.contains("C7519"))
      found.push_back(line.trim().str());
  for (const auto &[name, r] : assembled.kernels)
    if (r.spills())
      found.push_back(name + " spills " + std::to_string(r.spillStores) + " bytes of stores and " +
                      std::to_string(r.spillLoads) + " of loads");
  return found;
}

} // namespace adze::cuda
