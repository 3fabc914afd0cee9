// The runtime's reader reports by exception, so this file alone of the tool is compiled with them.
#include "tools/adze/PackageView.h"
#include "compiler/support/Status.h"
#include "runtime/src/package/Program.h"
#include "runtime/src/status/Status.h"

using namespace adze;
using llvm::json::Array;
using llvm::json::Object;

static const char *operatorName(rt::ExprOp op) {
  static const char *const names[] = {"constant", "symbol", "add", "sub", "mul",    "floordiv", "ceildiv", "mod",
                                      "min",      "max",    "eq",  "lt",  "select", "and",      "or",      "truncdiv"};
  auto index = static_cast<size_t>(op);
  return index < std::size(names) ? names[index] : "?";
}

/// An expression as text; long ones are cut, a package may hold deep ones.
static std::string exprText(const rt::SymbolTable &table, uint32_t index, int depth = 8) {
  const rt::Expr &e = table.exprs[index];
  auto sub = [&](uint32_t operand) { return depth > 0 ? exprText(table, operand, depth - 1) : std::string("..."); };
  switch (e.op) {
  case rt::ExprOp::constant:
    return std::to_string(e.value);
  case rt::ExprOp::symbol:
    return utf8(table.symbols[e.a].name);
  case rt::ExprOp::add:
    return "(" + sub(e.a) + " + " + sub(e.b) + ")";
  case rt::ExprOp::sub:
    return "(" + sub(e.a) + " - " + sub(e.b) + ")";
  case rt::ExprOp::mul:
    return sub(e.a) + " * " + sub(e.b);
  case rt::ExprOp::select:
    return "(" + sub(e.a) + " ? " + sub(e.b) + " : " + sub(e.c) + ")";
  default:
    return std::string(operatorName(e.op)) + "(" + sub(e.a) + ", " + sub(e.b) + ")";
  }
}

static llvm::json::Value exprValue(const rt::SymbolTable &table, uint32_t index) {
  if (table.isConstant(index))
    return table.constantValue(index);
  return exprText(table, index);
}

static Array tensors(const rt::Package &package, const std::vector<rt::TensorDef> &defs) {
  Array out;
  for (const rt::TensorDef &def : defs) {
    Array shape;
    for (uint32_t dim : def.dims)
      shape.push_back(exprValue(package.table, dim));
    out.push_back(Object{{"name", utf8(def.name)}, {"dtype", adze_dtype_name(def.dtype)}, {"shape", std::move(shape)}});
  }
  return out;
}

static const char *kindName(format::SectionKind kind) {
  switch (kind) {
  case format::SectionKind::metadata:
    return "metadata";
  case format::SectionKind::code:
    return "code";
  case format::SectionKind::weights:
    return "weights";
  case format::SectionKind::debug:
    return "debug";
  }
  return "other";
}

/// "metadata", "code.0", "weights.2": unique, unlike a label.
static std::string sectionName(const rt::Section &section) {
  std::string name = kindName(section.kind);
  if (section.kind == format::SectionKind::code || section.kind == format::SectionKind::weights)
    name += "." + std::to_string(section.id);
  return name;
}

static Array sections(const rt::PackageReader &reader) {
  Array out;
  for (const rt::Section &section : reader.sections())
    out.push_back(Object{{"name", sectionName(section)},
                         {"kind", kindName(section.kind)},
                         {"label", utf8(section.label)},
                         {"offset", static_cast<int64_t>(section.offset)},
                         {"bytes", static_cast<int64_t>(section.size)},
                         {"digest", section.digestHex}});
  return out;
}

static Object program(const rt::Package &package, const rt::Program &source) {
  std::vector<int64_t> launches(source.images.empty() ? 0 : source.images[0].kernels.size(), 0);
  int64_t dispatches = 0;
  Array hostOps;
  for (const std::vector<rt::Command> &block : source.blocks)
    for (const rt::Command &command : block) {
      if (const auto *dispatch = std::get_if<rt::DispatchCommand>(&command)) {
        ++dispatches;
        if (dispatch->kernel < launches.size())
          ++launches[dispatch->kernel];
      } else if (const auto *host = std::get_if<rt::HostCommand>(&command)) {
        hostOps.push_back(utf8(host->nodes));
      }
    }
  Array images, kernels;
  for (const rt::Image &image : source.images)
    images.push_back(Object{{"arch", utf8(image.arch)},
                            {"section", sectionName(package.reader->sections()[image.section])},
                            {"bytes", static_cast<int64_t>(package.reader->sections()[image.section].size)}});
  for (size_t i = 0; i < launches.size(); ++i) {
    const rt::Kernel &kernel = source.images[0].kernels[i];
    kernels.push_back(Object{{"symbol", utf8(kernel.symbol)},
                             {"key", utf8(kernel.key)},
                             {"nodes", utf8(kernel.nodes)},
                             {"scratch", static_cast<int64_t>(kernel.scratch)},
                             {"launches", launches[i]}});
  }
  Array checks;
  for (const rt::Check &check : source.checks)
    checks.push_back(utf8(check.message));
  return Object{{"target", utf8(source.target)}, {"arena_bytes", exprValue(source.table, source.arenaBytes)},
                {"dispatches", dispatches},      {"host_ops", std::move(hostOps)},
                {"images", std::move(images)},   {"kernels", std::move(kernels)},
                {"checks", std::move(checks)}};
}

static Object describe(const rt::Package &package) {
  Array programs;
  for (const rt::Program &source : package.programs)
    programs.push_back(program(package, source));
  Object provenance;
  for (const auto &[key, value] : package.provenance)
    provenance[utf8(key)] = utf8(value);
  return Object{{"file_bytes", static_cast<int64_t>(package.reader->fileSize())},
                {"version", static_cast<int64_t>(package.reader->header().version)},
                {"inputs", tensors(package, package.inputs)},
                {"outputs", tensors(package, package.outputs)},
                {"sections", sections(*package.reader)},
                {"programs", std::move(programs)},
                {"provenance", std::move(provenance)},
                {"debug", package.debugSection != 0}};
}

std::optional<Object> adze::cli::describePackage(const std::string &path, adze_status_t &status, std::string &message) {
  try {
    auto package = rt::decodePackage(rt::PackageReader::openPath(path.c_str()));
    status = ADZE_OK;
    return describe(*package);
  } catch (...) {
    rt::Error error = rt::currentError();
    status = error.status;
    message = error.message;
    return std::nullopt;
  }
}

std::optional<std::vector<char>> adze::cli::readSection(const std::string &path, const std::string &name,
                                                        adze_status_t &status, std::string &message) {
  try {
    auto reader = rt::PackageReader::openPath(path.c_str());
    std::string names;
    for (const rt::Section &section : reader->sections()) {
      if (sectionName(section) == name) {
        status = ADZE_OK;
        const char *data = reinterpret_cast<const char *>(section.data);
        return std::vector<char>(data, data + section.size);
      }
      names += (names.empty() ? "" : ", ") + sectionName(section);
    }
    rt::fail(ADZE_INVALID_ARGUMENT, "no section '" + utf8(name) + "'", path, "the sections are: " + names,
             "use one of these names");
  } catch (...) {
    rt::Error error = rt::currentError();
    status = error.status;
    message = error.message;
    return std::nullopt;
  }
}
