#include "compiler/pipeline/Pipeline.h"
#include "compiler/canonicalize/GraphCanonicalize.h"
#include "compiler/fuse/GraphFuse.h"
#include "compiler/fuse/patterns/GraphRecognize.h"
#include "compiler/kernels/Kernels.h"
#include "compiler/layout/ChannelsLast.h"
#include "compiler/oracle/GraphOracle.h"
#include "compiler/pipeline/WritePackage.h"
#include "compiler/plan/Planner.h"
#include "compiler/support/NodeLoc.h"
#include "compiler/verify/TileVerify.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/graph/GraphDialect.h"
#include "dialects/tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <thread>

using namespace mlir;

namespace adze {

void registerCompilerDialects(DialectRegistry &registry) {
  registry.insert<graph::GraphDialect, tile::TileDialect, exec::ExecDialect, func::FuncDialect, arith::ArithDialect,
                  math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
}

namespace {

/// Constants of more elements than this are computed by the package, not by the compiler: folding must not make a model
/// larger or its compilation slower than running it.
constexpr int64_t kMaxFoldedElements = 65536;

/// Turns MLIR diagnostics of one compilation into errors of the sink: our own bugs, unless a kind was reported already.
class DiagnosticsToErrors {
public:
  DiagnosticsToErrors(MLIRContext &context, ErrorSink &errors)
      : handler(&context, [&errors](Diagnostic &d) {
          if (d.getSeverity() != DiagnosticSeverity::Error)
            return success();
          ErrorPlace where;
          for (const NodeRef &ref : nodesOf(d.getLocation())) {
            where.node = ref.node;
            where.op = ref.op;
            where.index = ref.index;
            break;
          }
          errors.add(ErrorKind::Internal, "the compiler failed", d.str(),
                     "this is a bug in adze: please report it with the model", where);
          return success();
        }) {}

private:
  ScopedDiagnosticHandler handler;
};

/// Writes the IR after a tier to --dump-ir-dir. The tier's number orders the files.
void dump(const CompileOptions &options, int tier, StringRef name, ModuleOp module) {
  if (options.dumpDir.empty())
    return;
  (void)llvm::sys::fs::create_directories(options.dumpDir); // the file cannot be opened either, then
  std::error_code ec;
  llvm::raw_fd_ostream os(llvm::formatv("{0}/{1}-{2}.mlir", options.dumpDir, tier, name).str(), ec);
  if (!ec)
    module->print(os);
}

void step(const CompileOptions &options, StringRef name, size_t done = 0, size_t total = 0) {
  if (options.progress)
    options.progress(name, done, total);
}
bool cancelled(const CompileOptions &options) { return options.cancelled && options.cancelled->load(); }

/// A target asked for on the command line, with the architectures that one program serves.
struct Choice {
  const Target *target;
  std::vector<TargetArch> archs;
};

/// What dumps and reports call a program: the target, and the architecture where each has a program of its own.
std::string programName(const Target &target, ArrayRef<TargetArch> archs) {
  return target.name().str() + (target.sharesProgram() ? "" : "-" + archs.front().arch);
}

/// The runtime takes the last architecture that a device can run, so better ones come later, however they were asked
/// for. Then a program each where the target wants it.
std::vector<Choice> splitPrograms(std::vector<Choice> choices) {
  std::vector<Choice> programs;
  for (Choice &c : choices) {
    auto known = c.target->architectures();
    auto rank = [&](const TargetArch &a) {
      return llvm::find_if(known, [&](const auto &k) { return k.first == a.arch; }) - known.begin();
    };
    llvm::stable_sort(c.archs, [&](const TargetArch &a, const TargetArch &b) { return rank(a) < rank(b); });
    if (c.target->sharesProgram())
      programs.push_back(std::move(c));
    else
      for (TargetArch &a : c.archs)
        programs.push_back({c.target, {std::move(a)}});
  }
  return programs;
}

bool chooseTargets(const TargetRegistry &registry, const CompileOptions &options, std::vector<Choice> &choices,
                   ErrorSink &errors) {
  for (const std::string &text : options.targets) {
    auto [name, arch] = StringRef(text).split(':');
    const Target *target = registry.find(name);
    if (!target) {
      errors.add(ErrorKind::Unsupported, "unknown target '" + text + "'",
                 "this build has no code generator of that name", "run `adze targets` for the list");
      return false;
    }
    llvm::Expected<std::vector<TargetArch>> archs = target->resolve(arch);
    if (!archs) {
      errors.add(ErrorKind::Unsupported, "unknown architecture '" + text + "'", llvm::toString(archs.takeError()),
                 "run `adze targets` for the list");
      return false;
    }
    auto same = llvm::find_if(choices, [&](const Choice &c) { return c.target == target; });
    if (same == choices.end())
      choices.push_back({target, std::move(*archs)});
    else
      for (TargetArch &a : *archs)
        if (llvm::none_of(same->archs, [&](const TargetArch &b) { return b.arch == a.arch; }))
          same->archs.push_back(std::move(a));
  }
  choices = splitPrograms(std::move(choices));
  return true;
}

/// The images of one target, one thread an architecture.
bool compileImages(ModuleOp module, const Choice &choice, const CompileOptions &options, std::vector<Image> &images) {
  std::vector<FailureOr<Image>> results(choice.archs.size(), failure());
  SerializeOptions serialize;
  serialize.optLevel = options.optLevel;
  unsigned cores = options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  serialize.threads = std::max<unsigned>(1, cores / choice.archs.size());
  serialize.dumpDir = options.dumpDir;
  serialize.programs = options.programs;
  auto one = [&](size_t i) { results[i] = choice.target->compile(module, choice.archs[i], serialize); };
  if (cores > 1) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < results.size(); ++i)
      threads.emplace_back(one, i);
    for (std::thread &t : threads)
      t.join();
  } else {
    for (size_t i = 0; i < results.size(); ++i)
      one(i);
  }
  for (FailureOr<Image> &r : results) {
    if (failed(r))
      return false;
    images.push_back(std::move(*r));
  }
  return true;
}

llvm::json::Object targetReport(const CompiledTarget &t) {
  llvm::json::Object o;
  o["target"] = t.name;
  auto constant = [](std::optional<AffineMap> map) -> llvm::json::Value {
    if (!map)
      return nullptr;
    if (auto c = graph::constantOf(map->getResult(0)))
      return *c;
    std::string text;
    llvm::raw_string_ostream(text) << map->getResult(0);
    return text;
  };
  exec::ProgramOp program = t.program;
  o["arena_bytes"] = constant(program.getArena());
  o["arena_lower_bound"] = constant(program.getLowerBound());
  int64_t kernels = 0, dispatches = 0;
  t.module.get().walk([&](tile::KernelOp) { ++kernels; });
  program.walk([&](exec::DispatchOp) { ++dispatches; });
  o["kernels"] = kernels;
  o["dispatches"] = dispatches;
  llvm::json::Array images;
  for (const Image &image : t.images)
    images.push_back(llvm::json::Object{{"arch", image.arch}, {"bytes", int64_t(image.code.size())}});
  o["images"] = std::move(images);
  return o;
}

llvm::json::Object fusionReport(const FuseReport &fuse) {
  llvm::json::Array regions, cuts;
  for (const FuseReport::Region &r : fuse.regions) {
    llvm::json::Array ops;
    for (const std::string &op : r.ops)
      ops.push_back(utf8(op));
    regions.push_back(llvm::json::Object{
        {"family", r.family}, {"ops", std::move(ops)}, {"inputs", r.inputs}, {"outputs", r.outputs}});
  }
  for (const FuseReport::Cut &c : fuse.cuts)
    cuts.push_back(
        llvm::json::Object{{"producer", utf8(c.producer)}, {"consumer", utf8(c.consumer)}, {"reason", utf8(c.reason)}});
  return llvm::json::Object{{"regions", std::move(regions)}, {"cuts", std::move(cuts)}};
}

llvm::json::Object layoutJson(const LayoutReport &layout) {
  llvm::json::Array moved, kept;
  for (const std::string &value : layout.channelsLast)
    moved.push_back(utf8(value));
  for (const LayoutReport::Kept &k : layout.kept)
    kept.push_back(llvm::json::Object{{"value", utf8(k.value)}, {"reason", utf8(k.reason)}});
  return llvm::json::Object{{"channels_last", std::move(moved)}, {"kept", std::move(kept)}};
}

} // namespace

//===-- tier 1: ONNX to graph
//--------------------------------------------------------------------------------------===//

FailureOr<ImportedModel> importToGraph(MLIRContext &context, StringRef modelPath, const CompileOptions &options,
                                       ErrorSink &errors) {
  ImportedModel model;
  model.weights = std::make_unique<WeightStore>();
  step(options, "import");
  model.module = importModel(context, modelPath, options.import, *model.weights, errors);
  if (!model.module)
    return failure();
  PassManager passes(&context);
  passes.addPass(createGraphCanonicalizePass(model.weights.get()));
  passes.addPass(createCSEPass());
  if (failed(passes.run(*model.module)))
    return failure();
  step(options, "fold constants");
  FailureOr<unsigned> folded = oracle::foldConstants(*model.module, *model.weights, kMaxFoldedElements);
  if (failed(folded) || (*folded > 0 && failed(passes.run(*model.module))))
    return failure();
  return model;
}

/// Lists every node that a target cannot run, all in one go, in `errors` (kind Unsupported).
static void checkSupport(ModuleOp module, ArrayRef<Choice> choices, ErrorSink &errors) {
  module.lookupSymbol<func::FuncOp>(graph::kMainFunction).walk([&](Operation *op) {
    if (!isa<graph::GraphDialect>(op->getDialect()))
      return;
    for (const Choice &choice : choices) {
      std::string reason = unsupportedReason(op);
      if (reason.empty()) {
        Support s = choice.target->support(op, choice.archs.front());
        if (s.level == SupportLevel::Unsupported)
          reason = s.reason;
      }
      if (reason.empty())
        continue;
      ErrorPlace where;
      for (const NodeRef &ref : nodesOf(op->getLoc())) {
        where.node = ref.node;
        where.op = ref.op;
        where.domain = ref.domain;
        where.index = ref.index;
        break;
      }
      errors.add(ErrorKind::Unsupported, "not supported on target " + choice.target->name().str(), reason,
                 "use another formulation of the node, or another target", where);
    }
  });
}

//===-- tier 2: graph to kernels
//-----------------------------------------------------------------------------------===//

LogicalResult graphToKernels(ModuleOp module, const Target &target, ArrayRef<TargetArch> archs, WeightStore &weights,
                             const CompileOptions &options, CompileReport *report) {
  FuseOptions fuse;
  fuse.fuse = options.fuse;
  FuseReport fuseReport;
  PassManager passes(module.getContext());
  if (options.fuse) {
    bool narrow = llvm::all_of(archs, [](const TargetArch &a) { return a.machine.value("narrow_products"); });
    passes.addPass(createGraphRecognizePass(&weights, narrow));
    passes.addPass(createGraphCanonicalizePass(&weights));
    passes.addPass(createCSEPass());
  }
  passes.addPass(createGraphFusePass(fuse, &fuseReport));
  LayoutReport layoutReport;
  bool channelsLast = llvm::all_of(archs, [](const TargetArch &a) { return a.machine.value("channels_last"); });
  if (channelsLast)
    passes.addPass(createChannelsLastPass(&layoutReport));
  if (failed(passes.run(module)))
    return failure();
  std::string name = programName(target, archs);
  if (report) {
    report->json["fusion_" + name] = fusionReport(fuseReport);
    if (channelsLast)
      report->json["layout_" + name] = layoutJson(layoutReport);
  }
  dump(options, 2, name + "-fused", module);
  KernelOptions kernels;
  kernels.integerData = options.integerData;
  kernels.dotPrecision = options.tf32 ? tile::DotPrecision::tf32 : tile::DotPrecision::ieee;
  if (failed(buildKernels(module, target, archs, &weights, kernels)))
    return failure();
  dump(options, 3, name + "-kernels", module);
  PassManager verify(module.getContext());
  verify.addPass(createTileVerify());
  return verify.run(module);
}

//===-- the whole way
//----------------------------------------------------------------------------------------------===//

static bool compileChoices(ImportedModel &model, StringRef outputPath, ArrayRef<Choice> choices,
                           const CompileOptions &options, CompileReport &report, ErrorSink &errors) {
  ModuleOp graph = *model.module;
  dump(options, 1, "graph", graph);
  checkSupport(graph, choices, errors);
  if (!errors.empty())
    return false;
  if (outputPath.empty())
    return true; // --check

  std::vector<CompiledTarget> compiled;
  llvm::json::Array reports;
  for (const Choice &choice : choices) {
    CompiledTarget t;
    t.name = choice.target->name().str();
    t.module = graph.clone();
    step(options, "fuse and plan");
    if (failed(graphToKernels(*t.module, *choice.target, choice.archs, *model.weights, options, &report)))
      return false;
    FailureOr<exec::ProgramOp> program = planProgram(*t.module, choice.target->name(), *model.weights);
    if (failed(program) || cancelled(options))
      return false;
    t.program = *program;
    dump(options, 4, programName(*choice.target, choice.archs) + "-program", *t.module);
    step(options, "generate code");
    if (!compileImages(*t.module, choice, options, t.images) || cancelled(options))
      return false;
    reports.push_back(targetReport(t));
    compiled.push_back(std::move(t));
  }
  report.json["targets"] = std::move(reports);
  step(options, "write package");
  return writePackage(outputPath, graph, *model.weights, compiled, options, report, errors) && errors.empty();
}

bool compileModel(StringRef modelPath, StringRef outputPath, const TargetRegistry &registry,
                  const CompileOptions &options, CompileReport &report, ErrorSink &errors) {
  std::vector<Choice> choices;
  if (!chooseTargets(registry, options, choices, errors))
    return false;
  DialectRegistry dialects;
  registerCompilerDialects(dialects);
  for (const Choice &c : choices)
    c.target->registerDialects(dialects);
  MLIRContext context(dialects,
                      options.threads == 1 ? MLIRContext::Threading::DISABLED : MLIRContext::Threading::ENABLED);
  context.loadAllAvailableDialects();
  DiagnosticsToErrors diagnostics(context, errors);

  FailureOr<ImportedModel> model = importToGraph(context, modelPath, options, errors);
  if (failed(model) || cancelled(options))
    return false;
  return compileChoices(*model, outputPath, choices, options, report, errors);
}

bool compileGraph(ImportedModel &model, StringRef outputPath, const TargetRegistry &registry,
                  const CompileOptions &options, CompileReport &report, ErrorSink &errors) {
  std::vector<Choice> choices;
  if (!chooseTargets(registry, options, choices, errors))
    return false;
  DiagnosticsToErrors diagnostics(*model.module.get()->getContext(), errors);
  return compileChoices(model, outputPath, choices, options, report, errors);
}

} // namespace adze
