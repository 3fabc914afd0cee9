// adze inspect: what a package holds.
#include "tools/adze/Disassemble.h"
#include "tools/adze/Engine.h"
#include "tools/adze/PackageView.h"
#include "tools/adze/Verb.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using namespace adze::cli;
using llvm::json::Array;
using llvm::json::Object;

static std::string plain(const llvm::json::Value &value) {
  if (std::optional<llvm::StringRef> text = value.getAsString())
    return text->str();
  return llvm::formatv("{0}", value).str();
}

static std::string field(const Object &object, llvm::StringRef key) {
  const llvm::json::Value *value = object.get(key);
  return value ? plain(*value) : "";
}

template <typename Visit>
static void each(const Object &object, llvm::StringRef key, Visit visit) {
  if (const Array *array = object.getArray(key))
    for (const llvm::json::Value &value : *array)
      if (const Object *item = value.getAsObject())
        visit(*item);
}

static void printTensors(const Object &package, llvm::StringRef key, llvm::raw_ostream &os) {
  each(package, key, [&](const Object &tensor) {
    os << key.drop_back() << " " << printable(field(tensor, "name")) << ": " << field(tensor, "dtype") << " [";
    llvm::ListSeparator separator;
    for (const llvm::json::Value &dim : *tensor.getArray("shape"))
      os << separator << plain(dim);
    os << "]\n";
  });
}

static void printKernels(const Object &program, llvm::raw_ostream &os) {
  each(program, "kernels", [&](const Object &kernel) {
    os << "  " << field(kernel, "symbol") << " x" << field(kernel, "launches") << "  " << field(kernel, "key") << "\n";
    if (std::string nodes = field(kernel, "nodes"); !nodes.empty())
      os << "      " << printable(nodes, 400) << "\n";
  });
}

static std::string textOf(const Object &package, bool kernels) {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << "package version " << field(package, "version") << ", " << field(package, "file_bytes") << " bytes\n";
  printTensors(package, "inputs", os);
  printTensors(package, "outputs", os);
  each(package, "programs", [&](const Object &program) {
    os << "program " << field(program, "target") << ": " << program.getArray("kernels")->size() << " kernels, "
       << field(program, "dispatches") << " launches, " << program.getArray("host_ops")->size()
       << " host operations, arena " << field(program, "arena_bytes") << " bytes; images";
    each(program, "images",
         [&](const Object &image) { os << " " << field(image, "arch") << " (" << field(image, "bytes") << " bytes)"; });
    os << "\n";
    if (kernels)
      printKernels(program, os);
  });
  each(package, "sections", [&](const Object &section) {
    os << "section " << llvm::left_justify(field(section, "name"), 11) << " at "
       << llvm::right_justify(field(section, "offset"), 10) << ", " << llvm::right_justify(field(section, "bytes"), 10)
       << " bytes, " << field(section, "digest") << " " << field(section, "label") << "\n";
  });
  if (const Object *provenance = package.getObject("provenance")) {
    std::vector<std::string> lines;
    for (const auto &entry : *provenance)
      lines.push_back(entry.first.str() + ": " + printable(plain(entry.second), 400));
    llvm::sort(lines);
    for (const std::string &line : lines)
      os << line << "\n";
  }
  return out;
}

static int noKernel(const std::string &kernel, const Object &package, Console &console) {
  std::vector<std::string> names;
  each(package, "programs", [&](const Object &program) {
    each(program, "kernels", [&](const Object &k) { names.push_back(field(k, "symbol")); });
  });
  std::string near = nearest(kernel, names);
  return console.usage("no kernel '" + printable(kernel) + "' in the package",
                       "it holds " + std::to_string(names.size()) + " kernels",
                       near.empty() ? "`adze inspect P.adze --kernels` lists them" : "did you mean " + near + "?");
}

/// The code of one kernel in every image that holds it.
static int printSource(const std::string &path, const std::string &kernel, const Object &package, Console &console) {
  std::string text, why;
  int exit = kOk;
  bool found = false;
  Array list;
  each(package, "programs", [&](const Object &program) {
    bool has = false;
    each(program, "kernels", [&](const Object &k) { has |= field(k, "symbol") == kernel; });
    if (!has)
      return;
    found = true;
    each(program, "images", [&](const Object &image) {
      adze_status_t status = ADZE_OK;
      std::string message;
      std::optional<std::vector<char>> code = readSection(path, field(image, "section"), status, message);
      std::optional<std::string> source = code ? disassemble(*code, kernel, why) : std::nullopt;
      if (!source) {
        if (exit == kOk)
          exit = console.fail(kBadPackage, "cannot disassemble " + printable(kernel), path, code ? why : message,
                              "compile the package again");
        return;
      }
      text += field(program, "target") + ":" + field(image, "arch") + " " + kernel + "\n" + *source;
      list.push_back(Object{{"arch", field(image, "arch")}, {"source", *source}});
    });
  });
  if (!found)
    return noKernel(kernel, package, console);
  if (exit != kOk)
    return exit;
  if (console.json)
    console.result(Object{{"ok", true}, {"kernel", utf8(kernel)}, {"images", std::move(list)}});
  else
    console.print(text);
  return kOk;
}

static int inspect(const Flags &flags, Console &console) {
  const std::string &path = flags.positional[0];
  adze_status_t status = ADZE_OK;
  std::string message;
  if (flags.has("--section")) {
    std::optional<std::vector<char>> bytes = readSection(path, flags.value("--section"), status, message);
    if (!bytes)
      return console.failText(status, message);
    console.print(llvm::StringRef(bytes->data(), bytes->size()));
    return kOk;
  }
  std::optional<Object> package = describePackage(path, status, message);
  if (!package)
    return console.failText(status, message);
  if (flags.has("--source"))
    return printSource(path, flags.value("--source"), *package, console);
  if (!console.json) {
    console.print(textOf(*package, flags.has("--kernels")));
    return kOk;
  }
  (*package)["ok"] = true;
  console.result(std::move(*package));
  return kOk;
}

Verb adze::cli::inspectVerb() {
  static const FlagSpec own[] = {
      {"--kernels", nullptr, "list the kernels with their ONNX nodes (always there in JSON)"},
      {"--section", "NAME", "write the raw bytes of a section to stdout"},
      {"--source", "KERNEL", "the machine code of a kernel, disassembled"},
      kFormatFlag,
  };
  return {"inspect",
          "shows what a package holds, without a device",
          "PACKAGE",
          1,
          1,
          joinFlags({own}),
          {"adze inspect model.adze --kernels", "adze inspect model.adze --format=json",
           "adze inspect model.adze --section=code.0 > image.so"},
          inspect};
}
