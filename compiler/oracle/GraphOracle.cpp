#include "compiler/oracle/GraphOracle.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/kernels/PlainTarget.h"
#include "compiler/oracle/ExprEval.h"
#include "compiler/oracle/HostOps.h"
#include "compiler/support/ElementTypes.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace adze::oracle {

//===-- tensors
//----------------------------------------------------------------------------------------------------===//

/// In memory every element has whole bytes; in files and in the weight store elements of 2 and 4 bits share them.
static size_t storedBytes(Type element, int64_t count) { return count * unpackedBytes(dtypeOf(element)); }
static unsigned packedBits(Type element) { return bitWidth(dtypeOf(element)); }

int64_t GraphTensor::count() const {
  int64_t n = 1;
  for (int64_t d : dims)
    n *= d;
  return n;
}

std::vector<double> GraphTensor::doubles() const {
  auto storage = Storage::of(stored);
  std::vector<double> result(count());
  if (storage->isFloat()) {
    storage->read(bytes.data(), 0, 1, count(), result.data());
    return result;
  }
  bool isUnsigned = graph::isUnsigned(element);
  for (auto [d, i] : llvm::zip(result, ints()))
    d = isUnsigned ? static_cast<double>(static_cast<uint64_t>(i)) : static_cast<double>(i);
  return result;
}

std::vector<int64_t> GraphTensor::ints() const {
  auto storage = Storage::of(stored);
  std::vector<int64_t> result(count());
  storage->read(bytes.data(), 0, 1, count(), result.data());
  if (graph::isUnsigned(element))
    for (int64_t &v : result)
      v = static_cast<int64_t>(unsignedOf(v, storage->bits));
  return result;
}

HostTensor GraphTensor::toHost() const {
  HostTensor host;
  host.dtype = dtypeOf(element);
  host.dims.assign(dims.begin(), dims.end());
  host.bytes = bytes;
  if (stored != element) {
    std::vector<double> values = doubles();
    host.bytes.assign(storedBytes(element, count()), 0);
    Storage::of(element)->write(host.bytes.data(), 0, 1, count(), values.data());
  }
  return host;
}

//===-- running
//----------------------------------------------------------------------------------------------------===//

namespace {

class GraphRunner {
public:
  GraphRunner(ModuleOp module, const WeightStore &weights, const GraphRunOptions &options)
      : module(module), weights(weights), options(options), table(module), symbols(table.size(), 0),
        known(table.size(), false) {}

  FailureOr<GraphRunResult> run(ArrayRef<HostTensor> inputs);

private:
  LogicalResult bindInputs(func::FuncOp main, ArrayRef<HostTensor> inputs);
  LogicalResult deriveSymbols(Operation *at);
  int64_t derived(const graph::Symbol &symbol);
  LogicalResult runOp(Operation &op);
  LogicalResult runLaunch(exec::LaunchOp launch);
  LogicalResult runHost(graph::HostOp host);
  LogicalResult loadWeight(graph::WeightOp op);
  LogicalResult loadConstant(graph::ConstantOp op);
  LogicalResult shapeValue(graph::ShapeValueOp op);

  int64_t value(AffineExpr e) const { return evaluate(e, {}, symbols); }
  SmallVector<int64_t, 4> dimsOf(Value v) const {
    SmallVector<int64_t, 4> result;
    for (AffineExpr e : graph::getDims(v))
      result.push_back(value(e));
    return result;
  }
  /// A tensor for a result; failure when it does not fit.
  FailureOr<GraphTensor *> allocate(Value v, bool wide);
  void release(Operation &op);

  ModuleOp module;
  const WeightStore &weights;
  const GraphRunOptions &options;
  graph::SymbolTable table;
  std::vector<int64_t> symbols;
  std::vector<bool> known;
  uint64_t held = 0;
  llvm::DenseMap<Value, std::shared_ptr<GraphTensor>> values;
  llvm::DenseMap<Value, unsigned> usesLeft;
  llvm::StringMap<std::unique_ptr<KernelProgram>> programs;
};

LogicalResult GraphRunner::bindInputs(func::FuncOp main, ArrayRef<HostTensor> inputs) {
  if (inputs.size() != main.getNumArguments())
    return main.emitError() << "the oracle got " << inputs.size() << " inputs, the model has "
                            << main.getNumArguments();
  for (auto [n, arg] : llvm::enumerate(main.getArguments())) {
    auto type = cast<RankedTensorType>(arg.getType());
    const HostTensor &host = inputs[n];
    if (elementType(module.getContext(), host.dtype) != type.getElementType() ||
        static_cast<int64_t>(host.dims.size()) != type.getRank())
      return main.emitError() << "input " << n << " of the oracle does not have the type " << type;
    auto tensor = std::make_shared<GraphTensor>();
    tensor->element = tensor->stored = type.getElementType();
    tensor->dims.assign(host.dims.begin(), host.dims.end());
    tensor->bytes = host.bytes;
    if (tensor->bytes.size() != storedBytes(tensor->element, tensor->count()))
      return main.emitError() << "input " << n << " of the oracle has " << tensor->bytes.size() << " bytes";
    values[arg] = std::move(tensor);
  }
  for (auto [i, symbol] : llvm::enumerate(table.all())) {
    if (symbol.kind == graph::SymbolKind::InputDim) {
      symbols[i] = inputs[symbol.input].dims[symbol.axis];
      known[i] = true;
    } else if (symbol.kind == graph::SymbolKind::InputValue) {
      const GraphTensor &tensor = *values[main.getArgument(symbol.input)];
      if (isa<FloatType>(tensor.element))
        return main.emitError() << "input " << symbol.input << " holds sizes but is not of an integer type";
      std::vector<int64_t> all = tensor.ints();
      if (symbol.axis >= all.size())
        return main.emitError() << "input " << symbol.input << " is too short for the sizes that it holds";
      symbols[i] = all[symbol.axis];
      known[i] = true;
    }
  }
  if (failed(deriveSymbols(main)))
    return failure();
  for (auto [n, arg] : llvm::enumerate(main.getArguments()))
    if (dimsOf(arg) != values[arg]->dims)
      return main.emitError() << "input " << n << " of the oracle has other dims than the model's type "
                              << arg.getType();
  return success();
}

int64_t GraphRunner::derived(const graph::Symbol &symbol) {
  SmallVector<int64_t, 3> v;
  for (AffineExpr e : symbol.operands)
    v.push_back(value(e));
  switch (symbol.op) {
  case graph::DerivedOp::Expr:
    return v[0];
  case graph::DerivedOp::Min:
    return std::min(v[0], v[1]);
  case graph::DerivedOp::Max:
    return std::max(v[0], v[1]);
  case graph::DerivedOp::Select:
    return v[0] ? v[1] : v[2];
  case graph::DerivedOp::TruncDiv:
    return v[1] == 0 ? 0 : v[0] / v[1];
  case graph::DerivedOp::Eq:
    return v[0] == v[1];
  case graph::DerivedOp::Lt:
    return v[0] < v[1];
  }
  llvm_unreachable("unknown derived symbol");
}

/// Derived symbols whose operands are known by now, in order: each refers to earlier ones only.
LogicalResult GraphRunner::deriveSymbols(Operation *) {
  for (auto [i, symbol] : llvm::enumerate(table.all())) {
    if (symbol.kind != graph::SymbolKind::Derived || known[i])
      continue;
    bool ready = true;
    for (AffineExpr e : symbol.operands)
      e.walk([&](AffineExpr part) {
        if (auto s = dyn_cast<AffineSymbolExpr>(part))
          ready &= known[s.getPosition()];
      });
    if (!ready)
      continue;
    symbols[i] = derived(symbol);
    known[i] = true;
  }
  return success();
}

FailureOr<GraphTensor *> GraphRunner::allocate(Value v, bool wide) {
  auto type = cast<RankedTensorType>(v.getType());
  auto tensor = std::make_shared<GraphTensor>();
  tensor->element = type.getElementType();
  tensor->stored = wide && isa<FloatType>(tensor->element) ? Float64Type::get(module.getContext()) : tensor->element;
  tensor->dims = dimsOf(v);
  for (int64_t d : tensor->dims)
    if (d < 0) {
      emitError(v.getLoc()) << "a dim of " << type << " is negative, " << d << ", for these inputs";
      return failure();
    }
  size_t bytes = storedBytes(tensor->stored, tensor->count());
  if (options.maxBytes && held + bytes > options.maxBytes) {
    emitError(v.getLoc()) << "the oracle needs more than " << options.maxBytes << " bytes; use smaller inputs";
    return failure();
  }
  held += bytes;
  tensor->bytes.resize(bytes);
  values[v] = tensor;
  return tensor.get();
}

LogicalResult GraphRunner::loadWeight(graph::WeightOp op) {
  auto tensor = allocate(op.getY(), false);
  if (failed(tensor))
    return failure();
  std::vector<char> packed(weights.byteSize(op.getId()));
  if (int64_t(weights.elements(op.getId())) != (*tensor)->count() || !weights.read(op.getId(), packed))
    return op.emitError() << "weight '" << op.getName() << "' cannot be read";
  if (unsigned bits = packedBits((*tensor)->element); bits < 8)
    unpackBits(bits, packed, (*tensor)->bytes);
  else
    (*tensor)->bytes = std::move(packed);
  return success();
}

LogicalResult GraphRunner::loadConstant(graph::ConstantOp op) {
  auto tensor = allocate(op.getY(), false);
  if (failed(tensor))
    return failure();
  auto storage = Storage::of((*tensor)->stored);
  char *data = (*tensor)->bytes.data();
  int64_t count = (*tensor)->count();
  if (auto dense = dyn_cast<DenseFPElementsAttr>(op.getValue())) {
    std::vector<double> all;
    for (APFloat f : dense.getValues<APFloat>()) {
      bool lost;
      f.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      all.push_back(f.convertToDouble());
    }
    storage->write(data, 0, 1, count, all.data());
    return success();
  }
  auto dense = dyn_cast<DenseIntElementsAttr>(op.getValue());
  if (!dense)
    return op.emitError("the oracle reads dense constants only");
  std::vector<int64_t> all;
  for (APInt i : dense.getValues<APInt>())
    all.push_back(i.getBitWidth() == 1 ? i.getZExtValue() : i.getSExtValue());
  storage->write(data, 0, 1, count, all.data());
  return success();
}

LogicalResult GraphRunner::shapeValue(graph::ShapeValueOp op) {
  auto tensor = allocate(op.getY(), false);
  if (failed(tensor))
    return failure();
  std::vector<int64_t> all;
  for (AffineExpr e : op.getExprs().getResults())
    all.push_back(value(e));
  auto storage = Storage::of((*tensor)->stored);
  if (!storage->isFloat()) {
    storage->write((*tensor)->bytes.data(), 0, 1, all.size(), all.data());
    return success();
  }
  std::vector<double> floats(all.begin(), all.end());
  storage->write((*tensor)->bytes.data(), 0, 1, floats.size(), floats.data());
  return success();
}

LogicalResult GraphRunner::runLaunch(exec::LaunchOp launch) {
  auto kernel = module.lookupSymbol<tile::KernelOp>(launch.getKernel());
  if (!kernel)
    return launch.emitError() << "names a kernel that does not exist";
  std::unique_ptr<KernelProgram> &program = programs[launch.getKernel()];
  if (!program) {
    auto made = KernelProgram::create(kernel, options.interpreter.mode);
    if (failed(made))
      return failure();
    program = std::move(*made);
  }
  SmallVector<HostBuffer> buffers;
  for (Value v : launch.getInputs()) {
    GraphTensor &t = *values[v];
    buffers.push_back({t.stored, t.bytes.data(), t.bytes.size()});
  }
  SmallVector<const GraphTensor *> results;
  for (Value v : launch.getOutputs()) {
    auto t = allocate(v, options.interpreter.mode == Mode::Wide);
    if (failed(t))
      return failure();
    buffers.push_back({(*t)->stored, (*t)->bytes.data(), (*t)->bytes.size()});
    results.push_back(*t);
  }
  SmallVector<int64_t> dims;
  for (AffineExpr e : launch.getDims().getResults())
    dims.push_back(value(e));
  InterpreterOptions own = options.interpreter;
  own.splitCount = 0;
  if (failed(program->run(dims, buffers, {}, own))) {
    launch.emitRemark() << "in this launch of @" << launch.getKernel();
    return failure();
  }
  if (options.observe)
    options.observe(launch, results);
  return success();
}

LogicalResult GraphRunner::runHost(graph::HostOp host) {
  SmallVector<const GraphTensor *> inputs;
  for (Value v : host.getXs())
    inputs.push_back(values[v].get());
  // The upper bounds of the results' symbols are not needed: the operation says how much it found.
  auto found = runHostOp(host, inputs);
  if (failed(found))
    return failure();
  for (auto [symbol, v] : llvm::zip(host.getDefines(), found->defined)) {
    symbols[symbol] = v;
    known[symbol] = true;
  }
  if (failed(deriveSymbols(host)))
    return failure();
  SmallVector<const GraphTensor *> results;
  for (auto [v, content] : llvm::zip(host.getYs(), found->outputs)) {
    auto t = allocate(v, false);
    if (failed(t))
      return failure();
    (*t)->stored = content.stored;
    if (content.bytes.size() != storedBytes(content.stored, (*t)->count()))
      return host.emitError() << "gave " << content.bytes.size() << " bytes for " << v.getType();
    (*t)->bytes = std::move(content.bytes);
    results.push_back(*t);
  }
  if (options.observe)
    options.observe(host, results);
  return success();
}

LogicalResult GraphRunner::runOp(Operation &op) {
  if (auto launch = dyn_cast<exec::LaunchOp>(op))
    return runLaunch(launch);
  if (auto weight = dyn_cast<graph::WeightOp>(op))
    return loadWeight(weight);
  if (auto constant = dyn_cast<graph::ConstantOp>(op))
    return loadConstant(constant);
  if (auto shape = dyn_cast<graph::ShapeValueOp>(op))
    return shapeValue(shape);
  if (auto host = dyn_cast<graph::HostOp>(op))
    return runHost(host);
  if (auto reshape = dyn_cast<graph::ReshapeOp>(op)) {
    auto tensor = std::make_shared<GraphTensor>(*values[reshape.getX()]);
    int64_t before = tensor->count();
    tensor->dims = dimsOf(reshape.getY());
    held += tensor->bytes.size();
    values[reshape.getY()] = tensor;
    if (tensor->count() != before)
      return op.emitError() << "reshapes " << before << " elements to " << tensor->count();
    return success();
  }
  if (auto check = dyn_cast<graph::CheckOp>(op)) {
    AffineMap exprs = check.getExprs();
    if (value(exprs.getResult(0)) == value(exprs.getResult(1)))
      return success();
    return op.emitError() << check.getMessage() << ": " << value(exprs.getResult(0)) << " and "
                          << value(exprs.getResult(1));
  }
  return op.emitError() << "the oracle cannot run '" << op.getName() << "': it should have become a kernel";
}

void GraphRunner::release(Operation &op) {
  auto drop = [&](Value v) {
    auto it = values.find(v);
    if (it == values.end())
      return;
    held -= std::min<uint64_t>(held, it->second->bytes.size());
    values.erase(it);
  };
  for (Value v : op.getOperands())
    if (--usesLeft[v] == 0)
      drop(v);
  for (Value v : op.getResults())
    if (v.use_empty())
      drop(v);
}

FailureOr<GraphRunResult> GraphRunner::run(ArrayRef<HostTensor> inputs) {
  auto main = module.lookupSymbol<func::FuncOp>(graph::kMainFunction);
  if (!main)
    return module.emitError("the module has no @main");
  if (failed(bindInputs(main, inputs)))
    return failure();
  main.walk([&](Operation *op) {
    for (Value v : op->getOperands())
      ++usesLeft[v];
  });
  GraphRunResult result;
  for (Operation &op : main.front()) {
    if (auto end = dyn_cast<func::ReturnOp>(op)) {
      for (Value v : end.getOperands())
        result.outputs.push_back(*values[v]);
      break;
    }
    if (failed(runOp(op)))
      return failure();
    release(op);
  }
  result.symbols = symbols;
  return result;
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>> toOracleKernels(ModuleOp graph, bool integerData) {
  OwningOpRef<ModuleOp> copy(graph.clone());
  PlainTarget target;
  KernelOptions options;
  options.integerData = integerData;
  if (failed(buildKernels(*copy, target, {}, nullptr, options)))
    return failure();
  return copy;
}

FailureOr<GraphRunResult> runGraph(ModuleOp module, const WeightStore &weights, ArrayRef<HostTensor> inputs,
                                   const GraphRunOptions &options) {
  return GraphRunner(module, weights, options).run(inputs);
}

//===-- constant folding
//-------------------------------------------------------------------------------------------===//

namespace {

int64_t staticCount(Value v) {
  auto t = dyn_cast<RankedTensorType>(v.getType());
  return t && t.hasStaticShape() ? t.getNumElements() : INT64_MAX;
}

bool isConstant(Value v) { return isa_and_nonnull<graph::WeightOp, graph::ConstantOp>(v.getDefiningOp()); }

/// Ops of the block whose operands are constants or results of such ops, within the cap.
llvm::SetVector<Operation *> foldable(Block &block, int64_t maxElements) {
  llvm::SetVector<Operation *> found;
  for (Operation &op : block.without_terminator()) {
    if (!isa<graph::GraphDialect>(op.getDialect()) || op.getNumOperands() == 0 || op.getNumRegions() ||
        isa<graph::HostOp, graph::CheckOp>(op) || (!isa<graph::ReshapeOp>(op) && !unsupportedReason(&op).empty()))
      continue;
    bool all = llvm::all_of(op.getOperands(), [&](Value v) {
      return staticCount(v) <= maxElements && (isConstant(v) || found.contains(v.getDefiningOp()));
    });
    if (all && llvm::all_of(op.getResults(), [&](Value v) { return staticCount(v) <= maxElements; }))
      found.insert(&op);
  }
  return found;
}

Value makeConstant(OpBuilder &b, Location loc, const GraphTensor &tensor, RankedTensorType type, WeightStore &weights) {
  unsigned bits = packedBits(tensor.element);
  if (tensor.count() == 1 && bits >= 8 && !tensor.element.isInteger(1))
    if (auto attr = DenseElementsAttr::getFromRawBuffer(type, tensor.bytes))
      return graph::ConstantOp::create(b, loc, type, attr);
  std::vector<char> bytes = tensor.bytes;
  if (bits < 8) {
    bytes.resize((tensor.count() * bits + 7) / 8);
    packBits(bits, tensor.bytes, bytes);
  }
  auto id = weights.addInline(dtypeOf(tensor.element), tensor.dims, std::move(bytes), "folded");
  if (!id)
    return {};
  return graph::WeightOp::create(b, loc, type, b.getI64IntegerAttr(*id), b.getStringAttr("folded"));
}

} // namespace

FailureOr<unsigned> foldConstants(ModuleOp module, WeightStore &weights, int64_t maxElements) {
  auto main = module.lookupSymbol<func::FuncOp>(graph::kMainFunction);
  if (!main)
    return 0u;
  llvm::SetVector<Operation *> ops = foldable(main.front(), maxElements);
  SmallVector<Value> wanted; // what others use
  for (Operation *op : ops)
    for (Value v : op->getResults())
      if (llvm::any_of(v.getUsers(), [&](Operation *user) { return !ops.contains(user); }))
        wanted.push_back(v);
  if (wanted.empty())
    return 0u;
  // A module of its own holds the constants and the ops over them.
  OwningOpRef<ModuleOp> side = ModuleOp::create(module.getLoc());
  OpBuilder b = OpBuilder::atBlockEnd(side->getBody());
  auto type = b.getFunctionType({}, TypeRange(ValueRange(wanted)));
  auto function = func::FuncOp::create(b, module.getLoc(), graph::kMainFunction, type);
  b.setInsertionPointToStart(function.addEntryBlock());
  IRMapping map;
  for (Operation *op : ops) {
    for (Value v : op->getOperands())
      if (!map.contains(v))
        b.clone(*v.getDefiningOp(), map);
    b.clone(*op, map);
  }
  SmallVector<Value> results;
  for (Value v : wanted)
    results.push_back(map.lookup(v));
  func::ReturnOp::create(b, module.getLoc(), results);
  auto kernels = toOracleKernels(*side);
  if (failed(kernels))
    return failure();
  GraphRunOptions options;
  options.interpreter.mode = Mode::Typed;
  auto run = runGraph(**kernels, weights, {}, options);
  if (failed(run))
    return failure();
  for (auto [v, tensor] : llvm::zip(wanted, run->outputs)) {
    OpBuilder at(v.getDefiningOp());
    Value constant = makeConstant(at, v.getLoc(), tensor, cast<RankedTensorType>(v.getType()), weights);
    if (!constant)
      return emitError(v.getLoc()) << "a folded constant of " << v.getType() << " does not fit the weight store";
    v.replaceAllUsesWith(constant);
  }
  for (Operation *op : llvm::reverse(ops.getArrayRef()))
    op->erase();
  return static_cast<unsigned>(ops.size());
}

} // namespace adze::oracle
