#include "compiler/package/Metadata.h"
#include "compiler/support/ElementTypes.h"
#include "compiler/support/NodeLoc.h"
#include "dialects/graph/GraphDialect.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "runtime/schema/package_generated.h"

using namespace mlir;

namespace adze {
namespace {

/// Symbols and the table of expressions over them, each distinct expression once.
class ExprTable {
public:
  using Table = std::vector<std::unique_ptr<fb::ExprT>>;

  explicit ExprTable(Table &exprs) : exprs(exprs) {}

  uint32_t constant(int64_t value) { return add(fb::ExprOp::constant, value, 0, 0, 0); }

  uint32_t add(fb::ExprOp op, int64_t value, uint32_t a, uint32_t b, uint32_t c) {
    auto [it, isNew] = numbers.try_emplace(std::tuple(op, value, a, b, c), exprs.size());
    if (isNew) {
      auto e = std::make_unique<fb::ExprT>();
      e->op = op;
      e->value = value;
      e->a = a;
      e->b = b;
      e->c = c;
      exprs.push_back(std::move(e));
    }
    return it->second;
  }

  uint32_t get(AffineExpr expr) {
    if (auto known = affine.find(expr); known != affine.end())
      return known->second;
    uint32_t number = make(expr);
    affine[expr] = number;
    return number;
  }

  /// The single result of a map.
  uint32_t get(AffineMap map) { return get(map.getResult(0)); }

  std::vector<uint32_t> list(AffineMap map) {
    std::vector<uint32_t> result;
    for (AffineExpr e : map.getResults())
      result.push_back(get(e));
    return result;
  }

  /// The defining expression of a derived symbol.
  uint32_t derived(const graph::Symbol &symbol) {
    auto operand = [&](unsigned i) { return get(symbol.operands[i]); };
    switch (symbol.op) {
    case graph::DerivedOp::Expr:
      return operand(0);
    case graph::DerivedOp::Min:
      return add(fb::ExprOp::min, 0, operand(0), operand(1), 0);
    case graph::DerivedOp::Max:
      return add(fb::ExprOp::max, 0, operand(0), operand(1), 0);
    case graph::DerivedOp::Select:
      return add(fb::ExprOp::select, 0, operand(0), operand(1), operand(2));
    case graph::DerivedOp::TruncDiv:
      return add(fb::ExprOp::truncdiv, 0, operand(0), operand(1), 0);
    case graph::DerivedOp::Eq:
      return add(fb::ExprOp::eq, 0, operand(0), operand(1), 0);
    case graph::DerivedOp::Lt:
      return add(fb::ExprOp::lt, 0, operand(0), operand(1), 0);
    }
    llvm_unreachable("all derived operations are listed");
  }

private:
  uint32_t make(AffineExpr expr) {
    if (auto c = dyn_cast<AffineConstantExpr>(expr))
      return constant(c.getValue());
    if (auto s = dyn_cast<AffineSymbolExpr>(expr))
      return add(fb::ExprOp::symbol, 0, s.getPosition(), 0, 0);
    auto binary = cast<AffineBinaryOpExpr>(expr);
    uint32_t a = get(binary.getLHS()), b = get(binary.getRHS());
    switch (expr.getKind()) {
    case AffineExprKind::Add:
      return add(fb::ExprOp::add, 0, a, b, 0);
    case AffineExprKind::Mul:
      return add(fb::ExprOp::mul, 0, a, b, 0);
    case AffineExprKind::FloorDiv:
      return add(fb::ExprOp::floordiv, 0, a, b, 0);
    case AffineExprKind::CeilDiv:
      return add(fb::ExprOp::ceildiv, 0, a, b, 0);
    default:
      return add(fb::ExprOp::mod, 0, a, b, 0);
    }
  }

  Table &exprs;
  std::map<std::tuple<fb::ExprOp, int64_t, uint32_t, uint32_t, uint32_t>, uint32_t> numbers;
  llvm::DenseMap<AffineExpr, uint32_t> affine;
};

void addSymbols(const graph::SymbolTable &symbols, ExprTable &exprs, std::vector<std::unique_ptr<fb::SymbolT>> &out) {
  for (const graph::Symbol &symbol : symbols.all()) {
    auto s = std::make_unique<fb::SymbolT>();
    s->name = symbol.name;
    s->kind = fb::SymbolKind(symbol.kind);
    s->input = symbol.input;
    s->axis = symbol.axis;
    s->expr = symbol.kind == graph::SymbolKind::Derived ? exprs.derived(symbol) : 0;
    s->min = symbol.min;
    s->max = symbol.max;
    out.push_back(std::move(s));
  }
}

/// Writes one target's commands.
class ProgramWriter {
public:
  ProgramWriter(ProgramPart part, llvm::function_ref<WeightPlace(uint32_t)> place)
      : part(std::move(part)), place(place), out(std::make_unique<fb::ProgramT>()), exprs(out->exprs),
        module(this->part.module) {}

  FailureOr<std::unique_ptr<fb::ProgramT>> write() {
    out->target = part.program.getTarget().str();
    addSymbols(graph::SymbolTable(module), exprs, out->symbols);
    addChecks();
    if (failed(writeBlock(part.program.getBody().front())))
      return failure();
    out->arena_bytes = exprs.get(part.program.getArena());
    for (auto [image, section] : part.images)
      if (failed(addImage(*image, section)))
        return failure();
    return std::move(out);
  }

private:
  void addChecks() {
    module.walk([&](graph::CheckOp check) {
      auto c = std::make_unique<fb::CheckT>();
      AffineMap map = check.getExprs();
      c->expr = exprs.add(fb::ExprOp::eq, 0, exprs.get(map.getResult(0)), exprs.get(map.getResult(1)), 0);
      c->message = check.getMessage().str();
      out->checks.push_back(std::move(c));
    });
  }

  FailureOr<uint32_t> writeBlock(Block &block) {
    uint32_t number = out->blocks.size();
    out->blocks.push_back(std::make_unique<fb::BlockT>());
    for (Operation &op : block) {
      if (auto buffer = dyn_cast<exec::BufferOp>(op)) {
        addBuffer(buffer);
        continue;
      }
      auto command = std::make_unique<fb::CommandT>();
      if (failed(writeCommand(op, *command)))
        return failure();
      out->blocks[number]->commands.push_back(std::move(command));
    }
    return number;
  }

  void addBuffer(exec::BufferOp op) {
    auto b = std::make_unique<fb::BufferT>();
    b->kind = fb::BufferKind(op.getKind());
    b->size = exprs.get(op.getBytes());
    b->index = op.getIndex();
    if (op.getKind() == exec::BufferKind::weight) {
      WeightPlace where = place(op.getIndex());
      b->index = where.section;
      b->weight_offset = where.offset;
    }
    if (op.getOffset())
      b->offset = exprs.get(*op.getOffset());
    buffers[op.getBuffer()] = out->buffers.size();
    out->buffers.push_back(std::move(b));
  }

  std::vector<uint32_t> numbers(ValueRange values) {
    std::vector<uint32_t> result;
    for (Value v : values)
      result.push_back(buffers.lookup(v));
    return result;
  }

  LogicalResult writeCommand(Operation &op, fb::CommandT &command) {
    if (auto dispatch = dyn_cast<exec::DispatchOp>(op)) {
      fb::DispatchT d;
      d.kernel = kernelNumber(dispatch);
      d.buffers = numbers(dispatch.getBuffers());
      d.scalars = exprs.list(dispatch.getScalars());
      d.grid = exprs.list(dispatch.getGrid());
      command.op.Set(std::move(d));
    } else if (auto copy = dyn_cast<exec::CopyOp>(op)) {
      fb::CopyT c;
      c.to = buffers.lookup(copy.getTo());
      c.from = buffers.lookup(copy.getFrom());
      c.bytes = exprs.get(copy.getBytes());
      command.op.Set(c);
    } else if (auto fill = dyn_cast<exec::FillOp>(op)) {
      fb::FillT f;
      f.to = buffers.lookup(fill.getTo());
      f.pattern = fill.getPattern();
      f.pattern_bytes = fill.getPatternBytes();
      f.bytes = exprs.get(fill.getBytes());
      command.op.Set(f);
    } else if (auto store = dyn_cast<exec::StoreExprsOp>(op)) {
      fb::StoreExprsT s;
      s.to = buffers.lookup(store.getTo());
      s.dtype = uint8_t(dtypeOf(store.getType()));
      s.exprs = exprs.list(store.getExprs());
      command.op.Set(std::move(s));
    } else if (auto host = dyn_cast<exec::HostOp>(op)) {
      command.op.Set(hostCommand(host));
    } else if (auto branch = dyn_cast<exec::IfOp>(op)) {
      return writeIf(branch, command);
    } else if (auto loop = dyn_cast<exec::LoopOp>(op)) {
      return writeLoop(loop, command);
    } else {
      return op.emitError() << "has no command in the package format";
    }
    return success();
  }

  LogicalResult writeIf(exec::IfOp op, fb::CommandT &command) {
    FailureOr<uint32_t> yes = writeBlock(op.getThen().front()), no = writeBlock(op.getOtherwise().front());
    if (failed(yes) || failed(no))
      return failure();
    fb::IfT i;
    i.condition = buffers.lookup(op.getCondition());
    i.then_program = *yes;
    i.else_program = *no;
    command.op.Set(i);
    return success();
  }

  LogicalResult writeLoop(exec::LoopOp op, fb::CommandT &command) {
    FailureOr<uint32_t> body = writeBlock(op.getBody().front());
    if (failed(body))
      return failure();
    fb::LoopT l;
    l.trip = exprs.get(op.getTrip());
    l.body = *body;
    l.has_condition = bool(op.getCondition());
    l.has_iteration = bool(op.getIteration());
    if (op.getCondition())
      l.condition = buffers.lookup(op.getCondition());
    if (op.getIteration())
      l.iteration = buffers.lookup(op.getIteration());
    command.op.Set(l);
    return success();
  }

  fb::HostT hostCommand(exec::HostOp op) {
    fb::HostT h;
    h.op = op.getOp().str();
    h.inputs = numbers(op.getInputs());
    h.outputs = numbers(op.getOutputs());
    for (Attribute a : op.getTypes()) {
      auto type = cast<RankedTensorType>(cast<TypeAttr>(a).getValue());
      h.dtypes.push_back(uint8_t(dtypeOf(type.getElementType())));
      h.shapes.push_back(exprs.constant(type.getRank()));
      for (AffineExpr e : graph::getDims(type))
        h.shapes.push_back(exprs.get(e));
    }
    h.attrs.assign(op.getAttrs().begin(), op.getAttrs().end());
    h.fattrs.assign(op.getFattrs().begin(), op.getFattrs().end());
    h.defines.assign(op.getDefines().begin(), op.getDefines().end());
    h.nodes = nodesText(op.getLoc());
    return h;
  }

  /// Kernels are numbered by (tile.kernel, nodes): one entry a dispatch site, so that reports name the ONNX nodes.
  uint32_t kernelNumber(exec::DispatchOp op) {
    auto key = std::pair(op.getKernel().str(), nodesText(op.getLoc()));
    auto [it, isNew] = kernelNumbers.try_emplace(key, kernels.size());
    if (isNew)
      kernels.push_back(key);
    return it->second;
  }

  static std::unique_ptr<fb::VariantT> variant(const ImageVariant &from) {
    auto v = std::make_unique<fb::VariantT>();
    v->symbol = from.symbol;
    v->scratch = from.scratch;
    v->block = from.block;
    v->facts = from.facts;
    for (const std::vector<int64_t> &words : from.descriptors) {
      v->descriptors.push_back(std::make_unique<fb::RecipeT>());
      v->descriptors.back()->words = words;
    }
    v->persistent = from.persistent;
    v->cluster = from.cluster;
    return v;
  }

  LogicalResult addImage(const Image &image, uint32_t section) {
    auto i = std::make_unique<fb::ImageT>();
    i->arch = image.arch;
    i->section = section;
    for (auto &[symbol, nodes] : kernels) {
      auto found = image.kernels.find(symbol);
      if (found == image.kernels.end())
        return module.emitError() << "the image for " << image.arch << " lacks kernel @" << symbol;
      auto k = std::make_unique<fb::KernelT>();
      k->symbol = found->second.symbol;
      k->key = module.lookupSymbol<tile::KernelOp>(symbol).getKey().str();
      k->nodes = nodes;
      k->scratch = found->second.scratch;
      k->block = found->second.block;
      for (const ImageVariant &v : found->second.variants)
        k->variants.push_back(variant(v));
      k->shares = found->second.shares;
      k->partial = found->second.partial;
      i->kernels.push_back(std::move(k));
    }
    out->images.push_back(std::move(i));
    return success();
  }

  ProgramPart part;
  llvm::function_ref<WeightPlace(uint32_t)> place;
  std::unique_ptr<fb::ProgramT> out;
  ExprTable exprs;
  ModuleOp module;
  llvm::DenseMap<Value, uint32_t> buffers;
  std::map<std::pair<std::string, std::string>, uint32_t> kernelNumbers;
  std::vector<std::pair<std::string, std::string>> kernels;
};

std::unique_ptr<fb::TensorInfoT> tensorInfo(Type type, DictionaryAttr attrs, StringRef fallback, ExprTable &exprs,
                                            const graph::SymbolTable &symbols) {
  auto tensor = cast<RankedTensorType>(type);
  auto info = std::make_unique<fb::TensorInfoT>();
  auto name = attrs ? attrs.getAs<StringAttr>(graph::kNameAttr) : StringAttr();
  info->name = name ? name.str() : fallback.str();
  info->dtype = uint8_t(dtypeOf(tensor.getElementType()));
  for (AffineExpr e : graph::getDims(tensor)) {
    info->dims.push_back(exprs.get(e));
    info->dim_names.push_back(graph::constantOf(e) ? "" : symbols.text(e));
  }
  return info;
}

} // namespace

FailureOr<std::string> buildMetadata(const MetadataInput &input, llvm::function_ref<WeightPlace(uint32_t)> place) {
  ModuleOp graph = input.graph;
  fb::MetadataT meta;
  graph::SymbolTable symbols(graph);
  ExprTable exprs(meta.exprs);
  addSymbols(symbols, exprs, meta.symbols);
  auto main = graph.lookupSymbol<func::FuncOp>(graph::kMainFunction);
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    meta.inputs.push_back(
        tensorInfo(main.getArgumentTypes()[i], main.getArgAttrDict(i), "input_" + std::to_string(i), exprs, symbols));
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    meta.outputs.push_back(
        tensorInfo(main.getResultTypes()[i], main.getResultAttrDict(i), "output_" + std::to_string(i), exprs, symbols));
  for (const ProgramPart &part : input.programs) {
    FailureOr<std::unique_ptr<fb::ProgramT>> program = ProgramWriter(part, place).write();
    if (failed(program))
      return failure();
    meta.programs.push_back(std::move(*program));
  }
  for (auto &[key, value] : input.provenance) {
    auto kv = std::make_unique<fb::KeyValueT>();
    kv->key = key;
    kv->value = value;
    meta.provenance.push_back(std::move(kv));
  }
  meta.weight_sections = input.weightSections;
  meta.debug_section = input.debugSection;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Metadata::Pack(builder, &meta), fb::MetadataIdentifier());
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize());
}

} // namespace adze
