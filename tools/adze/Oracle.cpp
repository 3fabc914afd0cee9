#include "tools/adze/Oracle.h"
#include "compiler/support/NodeLoc.h"
#include "dialects/graph/GraphDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include <set>

using namespace adze;
using namespace adze::cli;
using namespace mlir;

/// More than this at once and the oracle refuses the model.
static constexpr uint64_t kMaxOracleBytes = uint64_t(8) << 30;

std::unique_ptr<Oracle> Oracle::open(const std::string &package, Console &console, int &exit) {
  std::unique_ptr<Oracle> oracle(new Oracle);
  oracle->name = package;
  oracle->targets = allTargets();
  DialectRegistry dialects;
  registerCompilerDialects(dialects);
  for (const std::unique_ptr<Target> &target : oracle->targets.all())
    target->registerDialects(dialects);
  oracle->context = std::make_unique<MLIRContext>(dialects);
  oracle->context->loadAllAvailableDialects();
  ErrorSink errors;
  FailureOr<ImportedModel> model = loadDebugGraph(*oracle->context, package, errors);
  if (failed(model)) {
    exit = console.fail(errors);
    return nullptr;
  }
  oracle->model = std::move(*model);
  return oracle;
}

int Oracle::run(ArrayRef<HostTensor> inputs, unsigned threads, oracle::Mode mode,
                std::vector<oracle::GraphTensor> &outputs, Console &console) {
  std::string why;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &d) {
    if (d.getSeverity() == DiagnosticSeverity::Error)
      why += (why.empty() ? "" : "; ") + nodesText(d.getLocation()) + ": " + d.str();
    return success();
  });
  auto fail = [&] {
    return console.fail(kInternal, "the oracle cannot run the graph", name, why.empty() ? "no message" : why,
                        "report this with the model; --against=DIR needs no oracle");
  };
  console.progress("build the oracle's kernels", 0, 0);
  FailureOr<OwningOpRef<ModuleOp>> kernels = oracle::toOracleKernels(*model.module);
  if (failed(kernels))
    return fail();
  size_t total = 0, done = 0;
  (*kernels)->walk([&](Operation *) { ++total; });
  oracle::GraphRunOptions options;
  options.interpreter.mode = mode;
  options.interpreter.threads = threads;
  options.maxBytes = kMaxOracleBytes;
  options.observe = [&](Operation *, ArrayRef<const oracle::GraphTensor *>) {
    console.progress("oracle, kernels done", ++done, 0);
  };
  FailureOr<oracle::GraphRunResult> result = oracle::runGraph(**kernels, *model.weights, inputs, options);
  if (failed(result))
    return fail();
  console.endProgress();
  outputs = std::move(result->outputs);
  return kOk;
}

/// Whether an op computes something: constants and weights do not.
static bool computes(Operation &op) {
  return isa<graph::GraphDialect>(op.getDialect()) && !op.hasTrait<OpTrait::ConstantLike>() &&
         !isa<graph::WeightOp, graph::ConstantOp>(op);
}

std::string Oracle::digest() const {
  // The store's numbers and what the module's attributes tell of places differ between packages of one model: weights
  // are numbered here in the order of their use.
  OwningOpRef<ModuleOp> copy = model.module.get().clone();
  std::vector<WeightStore::Id> order;
  llvm::DenseMap<WeightStore::Id, uint32_t> numbers;
  copy->walk([&](graph::WeightOp op) {
    auto id = static_cast<WeightStore::Id>(op.getId());
    auto [number, added] = numbers.try_emplace(id, static_cast<uint32_t>(order.size()));
    if (added)
      order.push_back(id);
    op.setId(number->second);
  });
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Operation &op : *copy->getBody())
    op.print(os);
  const WeightStore &weights = *model.weights;
  for (WeightStore::Id id : order) {
    std::optional<WeightStore::Digest> contents = weights.digest(id);
    if (!contents)
      return "";
    os << "\nweight " << dtypeName(weights.dtype(id)) << " " << shapeText(weights.dims(id)) << " " << (*contents)[0]
       << " " << (*contents)[1];
  }
  llvm::SHA256 hash;
  hash.update(llvm::StringRef(text));
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

std::vector<std::string> Oracle::exposeNodes() {
  auto main = model.module->lookupSymbol<func::FuncOp>(graph::kMainFunction);
  Operation *terminator = main.getBody().front().getTerminator();
  std::vector<std::string> names;
  SmallVector<Value> values;
  SmallVector<DictionaryAttr> attrs;
  llvm::DenseSet<Value> seen;
  Builder b(context.get());
  for (auto [index, value] : llvm::enumerate(terminator->getOperands())) {
    DictionaryAttr own = main.getResultAttrDict(static_cast<unsigned>(index));
    auto label = own ? own.getAs<StringAttr>(graph::kNameAttr) : StringAttr();
    names.push_back(label ? label.str() : "output " + std::to_string(index));
    values.push_back(value);
    attrs.push_back(own ? own : b.getDictionaryAttr({}));
    seen.insert(value);
  }
  for (Operation &op : main.getBody().front().without_terminator()) {
    if (!computes(op))
      continue;
    for (Value result : op.getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type || !seen.insert(result).second)
        continue;
      std::string node = nodesText(op.getLoc());
      std::string name =
          "node " + std::to_string(names.size()) + ": " +
          (node.empty() ? op.getName().getStringRef().str() : node + " as " + op.getName().stripDialect().str());
      SmallVector<Attribute> dims(static_cast<size_t>(type.getRank()), b.getStringAttr(""));
      attrs.push_back(b.getDictionaryAttr({b.getNamedAttr(graph::kNameAttr, b.getStringAttr(name)),
                                           b.getNamedAttr(graph::kDimNamesAttr, b.getArrayAttr(dims))}));
      names.push_back(std::move(name));
      values.push_back(result);
    }
  }
  terminator->setOperands(values);
  main.setType(b.getFunctionType(main.getArgumentTypes(), TypeRange(ValueRange(values))));
  main.setAllResultAttrs(attrs);
  return names;
}

int Oracle::compile(const std::string &package, const CompileOptions &options, Console &console) {
  CompileOptions unfused = options;
  unfused.fuse = false;
  unfused.stripDebug = true;
  ErrorSink errors;
  CompileReport report;
  bool ok = compileGraph(model, package, targets, unfused, report, errors);
  console.endProgress();
  if (interrupted())
    return kInterrupted;
  return ok ? static_cast<int>(kOk) : console.fail(errors);
}
