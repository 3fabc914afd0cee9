#include "compiler/plan/Planner.h"
#include "compiler/plan/Arena.h"
#include "compiler/support/ElementTypes.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace adze {

int64_t elementBytes(Type element) { return (element.getIntOrFloatBitWidth() + 7) / 8; }

AffineExpr tensorBytes(RankedTensorType type) {
  graph::Dims dims = graph::getDims(type);
  dims.push_back(graph::constantExpr(type.getContext(), elementBytes(type.getElementType())));
  return graph::product(type.getContext(), dims);
}

namespace {

class Planner {
public:
  Planner(ModuleOp module, StringRef target, WeightStore &weights)
      : module(module), target(target), weights(weights), context(module.getContext()), symbols(module) {}

  FailureOr<exec::ProgramOp> run() {
    main = module.lookupSymbol<func::FuncOp>(graph::kMainFunction);
    if (!main)
      return module.emitError() << "has no function @" << graph::kMainFunction;
    findRoots();
    chooseOutputs();
    findLifetimes();
    placeArena();
    return emit();
  }

private:
  /// One buffer: all the values that share it.
  struct Storage {
    exec::BufferKind kind = exec::BufferKind::arena;
    int64_t index = 0;
    AffineExpr bytes;
    int64_t first = -1, last = -1;
    AffineExpr offset;
    Value handle; // the exec.buffer
  };

  static bool isAlias(Operation *op) { return isa<graph::ReshapeOp>(op); }

  size_t storageOf(Value value) { return storageNumber.find(value)->second; }

  size_t newStorage(Value value, exec::BufferKind kind, int64_t index) {
    Storage s;
    s.kind = kind;
    s.index = index;
    s.bytes = tensorBytes(cast<RankedTensorType>(value.getType()));
    storages.push_back(s);
    storageNumber[value] = storages.size() - 1;
    return storages.size() - 1;
  }

  /// Gives every value its storage; reshapes share their operand's, in-place results their operand's where it dies.
  void findRoots() {
    for (BlockArgument arg : main.getArguments())
      newStorage(arg, exec::BufferKind::input, arg.getArgNumber());
    int64_t step = 0;
    for (Operation &op : main.front()) {
      if (isAlias(&op)) {
        storageNumber[op.getResult(0)] = storageOf(op.getOperand(0));
      } else if (auto weight = dyn_cast<graph::WeightOp>(op)) {
        newStorage(weight.getY(), exec::BufferKind::weight, weight.getId());
      } else if (auto constant = dyn_cast<graph::ConstantOp>(op)) {
        newStorage(constant.getY(), exec::BufferKind::weight, addConstant(constant));
      } else {
        for (Value result : op.getResults())
          newStorage(result, exec::BufferKind::arena, 0);
      }
      steps[&op] = step++;
    }
  }

  /// Small constants travel with the weights. i1 is a byte an element there; narrower elements share bytes.
  int64_t addConstant(graph::ConstantOp op) {
    auto elements = cast<DenseElementsAttr>(op.getValue());
    Type element = elements.getElementType();
    std::vector<char> bytes;
    if (element.isInteger(1)) {
      for (bool value : elements.getValues<bool>())
        bytes.push_back(value);
    } else if (elements.isSplat()) {
      for (int64_t i = 0; i < elements.getNumElements(); ++i)
        bytes.insert(bytes.end(), elements.getRawData().begin(), elements.getRawData().end());
    } else {
      bytes.assign(elements.getRawData().begin(), elements.getRawData().end());
    }
    if (unsigned bits = bitWidth(dtypeOf(element)); bits < 8) {
      std::vector<char> packed((bytes.size() * bits + 7) / 8);
      packBits(bits, bytes, packed);
      bytes = std::move(packed);
    }
    return *weights.addInline(dtypeOf(element), elements.getType().getShape(), std::move(bytes), "constant");
  }

  /// A result of the model is written straight to the caller's buffer when it has storage of its own.
  void chooseOutputs() {
    for (OpOperand &operand : main.front().getTerminator()->getOpOperands()) {
      Storage &s = storages[storageOf(operand.get())];
      if (s.kind == exec::BufferKind::arena) {
        s.kind = exec::BufferKind::output;
        s.index = operand.getOperandNumber();
      } else if (s.kind != exec::BufferKind::output || s.index != operand.getOperandNumber()) {
        outputCopies.push_back(operand.getOperandNumber());
      }
    }
  }

  void findLifetimes() {
    for (Operation &op : main.front()) {
      int64_t step = steps[&op];
      for (Value operand : op.getOperands())
        touch(storageOf(operand), step);
      if (!isAlias(&op))
        for (Value result : op.getResults())
          touch(storageOf(result), step);
    }
    for (Operation &op : main.front())
      if (auto launch = dyn_cast<exec::LaunchOp>(op))
        shareInPlace(launch);
  }

  void touch(size_t number, int64_t step) {
    Storage &s = storages[number];
    s.first = s.first < 0 ? step : std::min(s.first, step);
    s.last = std::max(s.last, step);
  }

  /// A result may take over the memory of an operand that dies here and has the same size.
  void shareInPlace(exec::LaunchOp launch) {
    if (!launch.getAliases())
      return;
    for (auto [number, operand] : llvm::enumerate(*launch.getAliases())) {
      if (operand < 0)
        continue;
      size_t from = resolve(storageOf(launch.getInputs()[operand]));
      size_t to = resolve(storageOf(launch.getResult(number)));
      Storage &a = storages[from], &b = storages[to];
      bool reused = llvm::count_if(launch.getInputs(), [&](Value v) { return resolve(storageOf(v)) == from; }) != 1;
      if (from == to || reused || a.kind != exec::BufferKind::arena || b.kind != exec::BufferKind::arena ||
          a.last != steps[launch] || b.first != steps[launch] || a.bytes != b.bytes)
        continue;
      a.last = b.last;
      mergedInto[to] = from;
    }
  }

  size_t resolve(size_t number) {
    for (auto it = mergedInto.find(number); it != mergedInto.end(); it = mergedInto.find(number))
      number = it->second;
    return number;
  }

  void placeArena() {
    std::vector<ArenaRequest> requests;
    std::vector<size_t> numbers;
    for (size_t i = 0; i < storages.size(); ++i) {
      Storage &s = storages[i];
      if (s.kind != exec::BufferKind::arena || resolve(i) != i || s.first < 0)
        continue;
      requests.push_back({boundData(s.bytes), s.first, s.last});
      numbers.push_back(i);
    }
    plan = planArena(context, requests, symbols);
    for (size_t i = 0; i < numbers.size(); ++i)
      storages[numbers[i]].offset = plan.offsets[i];
  }

  /// Symbols that only the run can tell are bounded by their maximum in sizes.
  AffineExpr boundData(AffineExpr expr) {
    SmallVector<AffineExpr> replacements;
    for (size_t i = 0; i < symbols.size(); ++i)
      replacements.push_back(symbols[i].kind == graph::SymbolKind::Data ? graph::constantExpr(context, symbols[i].max)
                                                                        : getAffineSymbolExpr(i, context));
    return expr.replaceSymbols(replacements);
  }

  //===-- emission
  //-------------------------------------------------------------------------------------------------===//

  AffineMap exprs(ArrayRef<AffineExpr> list) { return graph::makeExprMap(context, list); }
  AffineMapAttr exprAttr(AffineExpr expr) { return AffineMapAttr::get(exprs({expr})); }

  Value buffer(Value value) {
    Storage &s = storages[resolve(storageOf(value))];
    if (!s.handle)
      s.handle = makeBuffer(value.getLoc(), s);
    return s.handle;
  }

  Value makeBuffer(Location loc, const Storage &s) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(&program.getBody().front(), bufferEnd);
    auto op = exec::BufferOp::create(builder, loc, exec::BufferType::get(context),
                                     exec::BufferKindAttr::get(context, s.kind), builder.getI64IntegerAttr(s.index),
                                     s.kind == exec::BufferKind::arena ? exprAttr(s.offset) : AffineMapAttr(),
                                     exprAttr(s.bytes));
    bufferEnd = std::next(Block::iterator(op));
    return op.getBuffer();
  }

  FailureOr<exec::ProgramOp> emit() {
    builder.setInsertionPointToEnd(module.getBody());
    program = exec::ProgramOp::create(builder, main.getLoc(), builder.getStringAttr("program_" + target),
                                      builder.getStringAttr(target), exprAttr(plan.bytes), exprAttr(plan.lowerBound));
    Block *block = builder.createBlock(&program.getBody());
    bufferEnd = block->begin();
    for (Operation &op : main.front()) {
      builder.setInsertionPointToEnd(block);
      if (failed(emitOp(op))) {
        program.erase();
        return failure();
      }
    }
    builder.setInsertionPointToEnd(block);
    for (unsigned number : outputCopies)
      emitOutputCopy(main.front().getTerminator()->getOperand(number), number);
    return program;
  }

  LogicalResult emitOp(Operation &op) {
    if (isAlias(&op) || isa<graph::WeightOp, graph::ConstantOp, graph::CheckOp, func::ReturnOp>(op))
      return success();
    if (auto launch = dyn_cast<exec::LaunchOp>(op))
      return emitLaunch(launch);
    if (auto shape = dyn_cast<graph::ShapeValueOp>(op)) {
      auto type = cast<RankedTensorType>(shape.getType());
      exec::StoreExprsOp::create(builder, op.getLoc(), buffer(shape.getY()), shape.getExprsAttr(),
                                 TypeAttr::get(type.getElementType()));
      return success();
    }
    if (auto host = dyn_cast<graph::HostOp>(op))
      return emitHost(host);
    return op.emitError() << "has no place in a program: it should have become a kernel";
  }

  LogicalResult emitLaunch(exec::LaunchOp launch) {
    auto kernel = module.lookupSymbol<tile::KernelOp>(launch.getKernel());
    if (!kernel)
      return launch.emitError() << "names a kernel that does not exist";
    SmallVector<Value> buffers;
    for (Value v : launch.getInputs())
      buffers.push_back(buffer(v));
    for (Value v : launch.getOutputs())
      buffers.push_back(buffer(v));
    exec::DispatchOp::create(builder, launch.getLoc(), launch.getKernelAttr(), buffers, launch.getDimsAttr(),
                             AffineMapAttr::get(exprs({programs(kernel, launch.getDims())})));
    return success();
  }

  /// Number of programs: the product over the grid's dims, the split one excepted (its shares run inside a program).
  AffineExpr programs(tile::KernelOp kernel, AffineMap dims) {
    SmallVector<AffineExpr> counts;
    for (auto [i, extent] : llvm::enumerate(kernel.getGridExtents().getResults())) {
      if (kernel.getSplit() == int64_t(i))
        continue;
      AffineExpr size = extent.replaceDims(dims.getResults());
      counts.push_back(size.ceilDiv(kernel.getGridSteps()[i]));
    }
    return graph::product(context, counts);
  }

  LogicalResult emitHost(graph::HostOp host) {
    SmallVector<Value> inputs, outputs;
    SmallVector<Attribute> types;
    for (Value v : host.getXs()) {
      inputs.push_back(buffer(v));
      types.push_back(TypeAttr::get(v.getType()));
    }
    for (Value v : host.getYs()) {
      outputs.push_back(buffer(v));
      types.push_back(TypeAttr::get(v.getType()));
    }
    exec::HostOp::create(builder, host.getLoc(), host.getOpAttr(), inputs, outputs, builder.getArrayAttr(types),
                         host.getAttrsAttr(), host.getFattrsAttr(), host.getDefinesAttr());
    return success();
  }

  void emitOutputCopy(Value value, unsigned number) {
    Storage s;
    s.kind = exec::BufferKind::output;
    s.index = number;
    s.bytes = tensorBytes(cast<RankedTensorType>(value.getType()));
    Value from = buffer(value);
    Value to = makeBuffer(value.getLoc(), s);
    exec::CopyOp::create(builder, value.getLoc(), to, from, exprAttr(s.bytes));
  }

  ModuleOp module;
  StringRef target;
  WeightStore &weights;
  MLIRContext *context;
  graph::SymbolTable symbols;
  func::FuncOp main;
  OpBuilder builder{context};
  exec::ProgramOp program;
  Block::iterator bufferEnd;
  std::vector<Storage> storages;
  llvm::DenseMap<Value, size_t> storageNumber;
  llvm::DenseMap<Operation *, int64_t> steps;
  llvm::DenseMap<size_t, size_t> mergedInto;
  SmallVector<unsigned> outputCopies;
  ArenaPlan plan;
};

} // namespace

FailureOr<exec::ProgramOp> planProgram(ModuleOp module, StringRef target, WeightStore &weights) {
  return Planner(module, target, weights).run();
}

} // namespace adze
