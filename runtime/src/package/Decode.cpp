#include "runtime/src/package/Decoder.h"

#include "runtime/src/executor/Evaluator.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <limits>

namespace adze::rt {

Decoder::Scope::Scope(Decoder &decoder, std::string_view name, size_t index)
    : decoder_(decoder), length_(decoder.path_.size()) {
  decoder.path_ += '.';
  decoder.path_ += name;
  if (index != ~size_t(0))
    decoder.path_ += cat("[", index, "]");
}

Decoder::Scope::~Scope() { decoder_.path_.resize(length_); }

void Decoder::bad(const std::string &why) const {
  const Section &section = reader_.metadata();
  fail(ADZE_BAD_PACKAGE, cat("'", reader_.name(), "' is not a usable adze package"),
       cat("metadata section, byte ", section.offset, ", ", path_), why, "compile the package again");
}

uint32_t Decoder::index(uint32_t value, size_t count, const char *what) const {
  if (value >= count)
    bad(cat("it names ", what, " ", value, " of ", count));
  return value;
}

adze_dtype_t Decoder::dtype(uint8_t value) const {
  if (dtypeBytes(value) == 0)
    bad(cat("dtype ", int(value), " is not one that a package may hold"));
  return static_cast<adze_dtype_t>(value);
}

void Decoder::spend(size_t elements) {
  if (elements > budget_)
    bad("it refers to the same data so often that decoding it would take unreasonable memory");
  budget_ -= elements;
}

std::string Decoder::text(const flatbuffers::String *string) {
  if (!string)
    return {};
  spend(string->size() + 1);
  return string->str();
}

std::vector<uint32_t> Decoder::indices(const flatbuffers::Vector<uint32_t> *vector, size_t count, const char *what) {
  std::vector<uint32_t> out = numbers(vector);
  for (uint32_t value : out)
    index(value, count, what);
  return out;
}

void Decoder::decode() {
  const Section &section = reader_.metadata();
  budget_ = 64 * section.size + 4096;
  auto maxTables = static_cast<flatbuffers::uoffset_t>(std::min<uint64_t>(1000000 + section.size, 1u << 31));
  require(section.size <= FLATBUFFERS_MAX_BUFFER_SIZE, "the section is larger than 2 GiB");
  flatbuffers::Verifier verifier(section.data, section.size, 64, maxTables);
  require(section.size >= 8 && fb::MetadataBufferHasIdentifier(section.data) && fb::VerifyMetadataBuffer(verifier),
          "the section is not valid metadata (FlatBuffers schema 'ADZP')");
  const fb::Metadata &metadata = *fb::GetMetadata(section.data);

  weightSections_ = indices(metadata.weight_sections(), reader_.sections().size(), "section");
  for (uint32_t i : weightSections_)
    require(reader_.sections()[i].kind == format::SectionKind::weights,
            "weight_sections names another kind of section");
  package_.debugSection = index(metadata.debug_section(), reader_.sections().size(), "section");
  require(package_.debugSection == 0 || reader_.sections()[package_.debugSection].kind == format::SectionKind::debug,
          "debug_section names another kind of section");

  // The tensors' names and types first, because symbols refer to inputs; their dims need the expressions.
  decodeTable(metadata.symbols(), metadata.exprs(), package_.table);
  each(metadata.inputs(), "inputs",
       [&](const fb::TensorInfo &tensor, size_t) { decodeTensor(tensor, package_.inputs.emplace_back()); });
  each(metadata.outputs(), "outputs",
       [&](const fb::TensorInfo &tensor, size_t) { decodeTensor(tensor, package_.outputs.emplace_back()); });
  const std::vector<Interval> ranges = intervalsOf(package_.table);
  for (TensorDef &tensor : package_.inputs)
    describeTensor(tensor, ranges);
  for (TensorDef &tensor : package_.outputs)
    describeTensor(tensor, ranges);
  each(metadata.programs(), "programs",
       [&](const fb::Program &program, size_t) { decodeProgram(program, package_.programs.emplace_back()); });
  each(metadata.provenance(), "provenance", [&](const fb::KeyValue &entry, size_t) {
    std::string key = text(entry.key());
    package_.provenance.emplace_back(std::move(key), text(entry.value()));
  });

  auto checkSymbols = [&](const SymbolTable &table) {
    for (const Symbol &symbol : table.symbols) {
      if (symbol.kind != SymbolKind::inputDim && symbol.kind != SymbolKind::inputValue)
        continue;
      const TensorDef &input = package_.inputs[index(symbol.input, package_.inputs.size(), "input")];
      if (symbol.kind == SymbolKind::inputDim)
        index(symbol.axis, input.dims.size(), "axis");
      else
        require(isInteger(input.dtype), "a symbol takes its value from an input that is not of an integer type");
    }
  };
  checkSymbols(package_.table);
  for (const Program &program : package_.programs)
    checkSymbols(program.table);
  checkDataSymbols();
}

void Decoder::decodeTable(const flatbuffers::Vector<flatbuffers::Offset<fb::Symbol>> *symbols,
                          const flatbuffers::Vector<flatbuffers::Offset<fb::Expr>> *exprs, SymbolTable &out) {
  size_t numSymbols = symbols ? symbols->size() : 0;
  each(exprs, "exprs", [&](const fb::Expr &expr, size_t i) {
    Expr node{static_cast<ExprOp>(expr.op()), expr.value(), expr.a(), expr.b(), expr.c(), -1};
    require(node.op <= ExprOp::truncdiv, "unknown operation");
    if (node.op == ExprOp::symbol) {
      index(node.a, numSymbols, "symbol");
      node.lastSymbol = static_cast<int32_t>(node.a);
    } else if (node.op != ExprOp::constant) {
      // Operands come earlier: one forward pass evaluates the table.
      index(node.a, i, "expression");
      index(node.b, i, "expression");
      node.lastSymbol = std::max(out.exprs[node.a].lastSymbol, out.exprs[node.b].lastSymbol);
      if (node.op == ExprOp::select)
        node.lastSymbol = std::max(node.lastSymbol, out.exprs[index(node.c, i, "expression")].lastSymbol);
    }
    out.exprs.push_back(node);
  });
  each(symbols, "symbols", [&](const fb::Symbol &symbol, size_t) { decodeSymbol(symbol, out.exprs.size(), out); });
  scheduleTable(out);
}

void Decoder::decodeSymbol(const fb::Symbol &symbol, size_t numExprs, SymbolTable &out) {
  Symbol def{text(symbol.name()), static_cast<SymbolKind>(symbol.kind()),
             symbol.input(),      symbol.axis(),
             symbol.expr(),       symbol.min(),
             symbol.max()};
  require(def.kind <= SymbolKind::data, "unknown kind of symbol");
  if (def.kind == SymbolKind::derived) {
    index(def.expr, numExprs, "expression");
    require(out.exprs[def.expr].lastSymbol < static_cast<int32_t>(out.symbols.size()),
            "a derived symbol needs itself or a later one");
  } else {
    require(def.min <= def.max, "the symbol's range is empty");
  }
  out.symbols.push_back(std::move(def));
}

void Decoder::scheduleTable(SymbolTable &table) {
  // Counting sort by the last symbol needed.
  size_t numStages = table.symbols.size() + 1;
  table.stage.assign(numStages + 1, 0);
  for (const Expr &expr : table.exprs)
    ++table.stage[expr.lastSymbol + 2];
  for (size_t i = 1; i <= numStages; ++i)
    table.stage[i] += table.stage[i - 1];
  std::vector<uint32_t> next(table.stage.begin(), table.stage.end() - 1);
  table.order.resize(table.exprs.size());
  for (size_t i = 0; i < table.exprs.size(); ++i)
    table.order[next[table.exprs[i].lastSymbol + 1]++] = static_cast<uint32_t>(i);
  Evaluator constants(table);
  for (uint32_t i = 0; i < table.exprs.size(); ++i)
    if (table.exprs[i].lastSymbol < 0 && constants.hasValue(i))
      table.exprs[i] = {ExprOp::constant, constants.value(i), 0, 0, 0, -1};
}

void Decoder::decodeTensor(const fb::TensorInfo &tensor, TensorDef &out) {
  out.name = text(tensor.name());
  out.dtype = dtype(tensor.dtype());
  out.dims = indices(tensor.dims(), package_.table.exprs.size(), "expression");
  require(out.dims.size() <= ADZE_MAX_RANK, "more than 16 dimensions");
  if (tensor.dim_names()) {
    spend(tensor.dim_names()->size());
    for (const flatbuffers::String *name : *tensor.dim_names())
      out.dimNames.push_back(text(name));
  }
  out.dimNames.resize(out.dims.size());
}

/// Fills tensor.info, whose pointers lead into the tensor itself; so the vector that holds it must be complete.
void Decoder::describeTensor(TensorDef &tensor, const std::vector<Interval> &ranges) {
  const SymbolTable &table = package_.table;
  adze_tensor_info_t &info = tensor.info;
  info = {};
  info.name = tensor.name.c_str();
  info.dtype = tensor.dtype;
  info.rank = static_cast<int32_t>(tensor.dims.size());
  for (size_t i = 0; i < tensor.dims.size(); ++i) {
    const Expr &expr = table.exprs[tensor.dims[i]];
    if (table.isConstant(tensor.dims[i])) {
      int64_t value = table.constantValue(tensor.dims[i]);
      require(value >= 0, "a dim is negative");
      info.dims[i] = info.dim_min[i] = info.dim_max[i] = value;
      continue;
    }
    info.dims[i] = -1;
    if (tensor.dimNames[i].empty() && expr.op == ExprOp::symbol)
      tensor.dimNames[i] = table.symbols[expr.a].name;
    info.dim_names[i] = tensor.dimNames[i].c_str();
    Interval range = ranges[tensor.dims[i]];
    info.dim_min[i] = std::max<int64_t>(range.min, 0);
    info.dim_max[i] = std::max(range.max, info.dim_min[i]);
  }
}

/// Output dims that only the run can tell are taken from the program's data symbol of the same name.
void Decoder::checkDataSymbols() {
  for (const Symbol &symbol : package_.table.symbols) {
    if (symbol.kind != SymbolKind::data)
      continue;
    for (const Program &program : package_.programs)
      require(
          std::any_of(program.table.symbols.begin(), program.table.symbols.end(),
                      [&](const Symbol &other) { return other.kind == SymbolKind::data && other.name == symbol.name; }),
          "a data symbol of the metadata is missing in a program");
  }
}

std::shared_ptr<const Package> decodePackage(std::shared_ptr<const PackageReader> reader) {
  auto package = std::make_shared<Package>();
  package->reader = std::move(reader);
  Decoder(*package->reader, *package).decode();
  return package;
}

std::shared_ptr<const Package> openPackage(const std::string &path, adze_status_t &status,
                                           std::string &message) noexcept {
  try {
    status = ADZE_OK;
    return decodePackage(PackageReader::openPath(path.c_str()));
  } catch (...) {
    Error error = currentError();
    status = error.status;
    message = std::move(error.message);
    return nullptr;
  }
}

} // namespace adze::rt
