// adze compile: model -> package.
#include "tools/adze/Engine.h"
#include "tools/adze/ReportPage.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>

using namespace adze;
using namespace adze::cli;

/// Copies `from` into an existing path that is not a regular file (a device, a pipe): it cannot be replaced by
/// renaming.
static int copyInto(const std::string &from, const std::string &to) {
  FILE *in = std::fopen(from.c_str(), "rb");
  FILE *out = in ? std::fopen(to.c_str(), "wb") : nullptr;
  int error = out ? 0 : errno;
  std::vector<char> buffer(1 << 20);
  while (!error) {
    size_t n = std::fread(buffer.data(), 1, buffer.size(), in);
    if (n == 0)
      break;
    if (std::fwrite(buffer.data(), 1, n, out) != n)
      error = errno;
  }
  if (in)
    std::fclose(in);
  if (out && std::fclose(out) != 0 && !error)
    error = errno;
  return error;
}

/// Puts the finished file in its place. Returns 0 or an errno.
static int moveInto(const std::string &from, const std::string &to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

static bool isSpecialFile(const std::string &path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

static int cannotWrite(const std::string &path, llvm::StringRef why, Console &console) {
  return console.fail(kResource, "cannot write the output", path, why,
                      "choose a folder that exists, can be written and has room");
}

static int writeText(const std::string &path, llvm::StringRef text, Console &console) {
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  if (!error) {
    out << text;
    out.close();
    error = out.error();
    out.clear_error();
  }
  return error ? cannotWrite(path, error.message(), console) : static_cast<int>(kOk);
}

static int writeReport(const std::string &path, const CompileReport &report, Console &console) {
  llvm::json::Object copy = report.json;
  if (llvm::StringRef(path).ends_with(".html"))
    return writeText(path, reportPage(copy), console);
  return writeText(path, llvm::formatv("{0:2}\n", llvm::json::Value(std::move(copy))).str(), console);
}

/// What `compile` says at its end: one line a target, then the package.
static std::string summary(const CompileReport &report, const std::string &output) {
  std::string out;
  llvm::raw_string_ostream os(out);
  if (const llvm::json::Array *targets = report.json.getArray("targets"))
    for (const llvm::json::Value &value : *targets) {
      const llvm::json::Object *target = value.getAsObject();
      if (!target)
        continue;
      os << target->getString("target").value_or("target");
      if (std::optional<int64_t> kernels = target->getInteger("kernels"))
        os << ", " << *kernels << " kernels";
      if (std::optional<int64_t> bytes = target->getInteger("arena_bytes"))
        os << ", arena " << *bytes << " bytes";
      os << "\n";
    }
  os << output << ", " << report.packageBytes << " bytes\n";
  return out;
}

/// --check: everything up to the first step that would build code.
static int check(const std::string &model, const CompileOptions &options, Console &console) {
  CompileReport report;
  if (int exit = compileTo(model, "", options, report, console))
    return exit;
  if (console.json) {
    console.result(llvm::json::Object{{"ok", true}, {"model", utf8(model)}, {"unsupported", llvm::json::Array{}}});
    return kOk;
  }
  std::string list;
  for (const std::string &target : options.targets)
    list += (list.empty() ? "" : ", ") + target;
  console.print(printable(model, 400) + ": every node is supported on " + list + "\n");
  return kOk;
}

static int compile(const Flags &flags, Console &console) {
  std::optional<CompileOptions> options = readCompileOptions(flags, console);
  if (!options)
    return kUsage;
  const std::string &model = flags.positional[0];
  if (flags.has("--check"))
    return check(model, *options, console);
  std::string output = flags.value("-o");
  if (output.empty())
    return console.usage("no output file", "compile writes a package", "-o OUT.adze, or --check to write nothing");
  if (llvm::sys::fs::is_directory(output))
    return console.usage("-o names a directory", "'" + printable(output, 400) + "' is a directory",
                         "name the package's file");
  bool special = isSpecialFile(output);
  TemporaryDirectory scratch(special ? "" : output);
  if (scratch.path().empty())
    return cannotWrite(output, scratch.parent() + ": " + scratch.error(), console);
  std::string finished = scratch.path() + "/package.adze";
  setenv("TMPDIR", scratch.path().c_str(), 1); // what the linker leaves when it is interrupted goes with it
  CompileReport report;
  if (int exit = compileTo(model, finished, *options, report, console))
    return exit;
  if (int error = special ? copyInto(finished, output) : moveInto(finished, output))
    return cannotWrite(output, std::strerror(error), console);
  if (flags.has("--report"))
    if (int exit = writeReport(flags.value("--report"), report, console))
      return exit;
  if (!console.json) {
    console.print(summary(report, output));
    return kOk;
  }
  llvm::json::Object result = std::move(report.json);
  result["ok"] = true;
  result["package"] = utf8(output);
  result["package_bytes"] = static_cast<int64_t>(report.packageBytes);
  console.result(std::move(result));
  return kOk;
}

Verb adze::cli::compileVerb() {
  static const FlagSpec own[] = {
      {"-o", "OUT.adze", "the package to write"},
      {"--check", nullptr, "say what is and is not supported on each target, write nothing"},
      {"--report", "FILE.html|.json", "what was fused, what was not and why"},
      {"--strip-debug", nullptr, "leave out the unfused graph that `verify` needs"},
      {"--threads", "N", "threads of the compiler; 0 (the default): all cores"},
      kFormatFlag,
  };
  return {"compile",
          "compiles a model to a package",
          "MODEL.onnx",
          1,
          1,
          joinFlags({own, compileFlags()}),
          {"adze compile model.onnx -o model.adze                       for any x86-64-v3 machine",
           "adze compile model.onnx -o m.adze --target=cpu:host --dim batch=1..32:8",
           "adze compile model.onnx --check --format=json               lists every unsupported node"},
          compile};
}
