#include "runtime/src/package/Decoder.h"

#include "runtime/src/executor/Evaluator.h"
#include "runtime/src/host/HostOps.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>

namespace adze::rt {

namespace {
constexpr unsigned kMaxNesting = 64; // If and Loop inside each other
constexpr uint64_t kMaxScratch = uint64_t(1) << 40;
constexpr int64_t kMaxArguments = 1 << 20;
constexpr uint32_t kMaxCluster = 1024, kMaxPersistent = 1024;
} // namespace

void Decoder::decodeProgram(const fb::Program &program, Program &out) {
  out.target = text(program.target());
  decodeTable(program.symbols(), program.exprs(), out.table);
  size_t numExprs = out.table.exprs.size();
  each(program.checks(), "checks", [&](const fb::Check &check, size_t) {
    out.checks.push_back({index(check.expr(), numExprs, "expression"), text(check.message())});
  });
  each(program.buffers(), "buffers",
       [&](const fb::Buffer &buffer, size_t) { decodeBuffer(buffer, out, out.buffers.emplace_back()); });
  each(program.recipes(), "recipes",
       [&](const fb::Recipe &recipe, size_t) { out.recipes.push_back(numbers(recipe.words())); });
  each(program.images(), "images",
       [&](const fb::Image &image, size_t) { decodeImage(image, out.images.emplace_back()); });
  checkImages(out);
  out.arenaBytes = index(program.arena_bytes(), numExprs, "expression");
  require(program.blocks() && program.blocks()->size() > 0, "there is no entry block");
  each(program.blocks(), "blocks", [&](const fb::Block &block, size_t i) {
    std::vector<Command> &commands = out.blocks.emplace_back();
    each(block.commands(), "commands", [&](const fb::Command &command, size_t) {
      commands.push_back(decodeCommand(command, out, i, program.blocks()->size()));
    });
  });
  checkNesting(out);
}

void Decoder::decodeBuffer(const fb::Buffer &buffer, const Program &program, Buffer &out) {
  const SymbolTable &table = program.table;
  out = {static_cast<BufferKind>(buffer.kind()), buffer.index(), buffer.offset(),
         index(buffer.size(), table.exprs.size(), "expression"), buffer.weight_offset()};
  switch (out.kind) {
  case BufferKind::input:
    index(out.index, package_.inputs.size(), "input");
    return;
  case BufferKind::output:
    index(out.index, package_.outputs.size(), "output");
    return;
  case BufferKind::arena:
    index(out.offset, table.exprs.size(), "expression");
    return;
  case BufferKind::weight: {
    out.index = weightSections_[index(out.index, weightSections_.size(), "weight section")];
    require(table.isConstant(out.size), "the size of a weight is not constant");
    int64_t size = table.constantValue(out.size);
    uint64_t sectionSize = reader_.sections()[out.index].size;
    require(size >= 0 && out.weightOffset <= sectionSize && uint64_t(size) <= sectionSize - out.weightOffset,
            "a weight lies outside its section");
    require(out.weightOffset % format::kTensorAlignment == 0, "a weight is not 64-byte aligned");
    return;
  }
  }
  bad("unknown kind of buffer");
}

void Decoder::decodeImage(const fb::Image &image, Image &out) {
  out.arch = text(image.arch());
  out.section = index(image.section(), reader_.sections().size(), "section");
  require(reader_.sections()[out.section].kind == format::SectionKind::code, "an image names a section without code");
  each(image.kernels(), "kernels",
       [&](const fb::Kernel &kernel, size_t) { decodeKernel(kernel, out.kernels.emplace_back()); });
}

void Decoder::decodeKernel(const fb::Kernel &kernel, Kernel &out) {
  out.symbol = text(kernel.symbol());
  out.key = text(kernel.key());
  out.nodes = text(kernel.nodes());
  out.scratch = kernel.scratch();
  out.partial = kernel.partial();
  out.shares = decodeLaunchCode(kernel.shares());
  require(!out.symbol.empty(), "a kernel has no symbol");
  require(out.scratch <= kMaxScratch, "a kernel asks for more than 1 TiB of scratch");
  require(out.partial <= kMaxScratch, "a share asks for more than 1 TiB of workspace");
  require(out.shares.numBuffers == 0, "a number of shares depends on addresses");
  decodeBlock(kernel.block(), out.block);
  each(kernel.variants(), "variants",
       [&](const fb::Variant &variant, size_t) { decodeVariant(variant, out.variants.emplace_back()); });
}

void Decoder::decodeBlock(const flatbuffers::Vector<uint32_t> *block, int64_t (&out)[3]) {
  if (!block)
    return;
  require(block->size() <= 3, "a block has more than 3 dimensions");
  for (uint32_t i = 0; i < 3; ++i)
    out[i] = i < block->size() ? block->Get(i) : 1;
}

void Decoder::decodeVariant(const fb::Variant &variant, Variant &out) {
  out = {text(variant.symbol()), variant.scratch(), {0, 0, 0}, decodeLaunchCode(variant.facts()), {},
         variant.persistent(),   variant.cluster()};
  require(!out.symbol.empty(), "a variant has no symbol");
  require(out.scratch <= kMaxScratch, "a variant asks for more than 1 TiB of scratch");
  require(out.cluster <= kMaxCluster && out.persistent <= kMaxPersistent, "a variant has an impossible grid");
  decodeBlock(variant.block(), out.block);
  each(variant.descriptors(), "descriptors",
       [&](const fb::Recipe &recipe, size_t) { out.descriptors.push_back(decodeLaunchCode(recipe.words())); });
}

LaunchCode Decoder::decodeLaunchCode(const flatbuffers::Vector<int64_t> *list) {
  std::vector<int64_t> words = numbers(list);
  require(words.size() % 2 == 0, "launch code is a list of pairs");
  LaunchCode out;
  size_t depth = 0;
  for (size_t i = 0; i < words.size(); i += 2) {
    LaunchCode::Step step{words[i], words[i + 1]};
    require(step.op >= 0 && step.op <= LaunchCode::kAddress, "launch code has an unknown operation");
    size_t taken = 2;
    if (step.op == LaunchCode::kAddress || step.op == int64_t(ExprOp::symbol)) {
      require(step.operand >= 0 && step.operand < kMaxArguments, "launch code names an impossible argument");
      size_t &needed = step.op == LaunchCode::kAddress ? out.numBuffers : out.numScalars;
      needed = std::max(needed, size_t(step.operand) + 1);
      taken = 0;
    } else if (step.op == int64_t(ExprOp::constant)) {
      taken = 0;
    } else if (step.op == int64_t(ExprOp::select)) {
      taken = 3;
    }
    require(taken <= depth, "launch code takes from an empty stack");
    depth = depth - taken + 1;
    require(depth <= LaunchCode::kMaxStack, "launch code needs more than 64 stack entries");
    out.steps.push_back(step);
  }
  return out;
}

/// The launch code of a kernel reads arguments of the launch: each dispatch must have them.
void Decoder::checkLaunchCode(const DispatchCommand &dispatch, const Program &program) {
  auto check = [&](const LaunchCode &code) {
    require(code.numBuffers <= dispatch.buffers.size() && code.numScalars <= dispatch.scalars.size(),
            "launch code names an argument that the dispatch does not have");
  };
  for (const Image &image : program.images) {
    check(image.kernels[dispatch.kernel].shares);
    for (const Variant &variant : image.kernels[dispatch.kernel].variants) {
      check(variant.facts);
      for (const LaunchCode &descriptor : variant.descriptors)
        check(descriptor);
    }
  }
}

/// Images are alternatives: commands name kernels by position, so each image must have them all.
void Decoder::checkImages(const Program &program) {
  for (const Image &image : program.images)
    require(image.kernels.size() == program.images.front().kernels.size(),
            "the images of a program have different numbers of kernels");
}

Command Decoder::decodeCommand(const fb::Command &command, const Program &program, size_t block, size_t numBlocks) {
  size_t numExprs = program.table.exprs.size(), numBuffers = program.buffers.size();
  require(command.op() != nullptr, "the command is empty");
  // Blocks only name later ones: no recursion.
  auto laterBlock = [&](uint32_t value) {
    require(index(value, numBlocks, "block") > block, "a block runs itself or an earlier one");
    return value;
  };
  switch (command.op_type()) {
  case fb::Op::Dispatch:
    return decodeDispatch(*command.op_as_Dispatch(), program);
  case fb::Op::Copy: {
    const fb::Copy &copy = *command.op_as_Copy();
    return CopyCommand{index(copy.to(), numBuffers, "buffer"), index(copy.from(), numBuffers, "buffer"),
                       index(copy.bytes(), numExprs, "expression")};
  }
  case fb::Op::Fill: {
    const fb::Fill &fill = *command.op_as_Fill();
    uint32_t width = fill.pattern_bytes();
    require(width == 1 || width == 2 || width == 4 || width == 8, "a fill pattern has 1, 2, 4 or 8 bytes");
    return FillCommand{index(fill.to(), numBuffers, "buffer"), fill.pattern(), width,
                       index(fill.bytes(), numExprs, "expression")};
  }
  case fb::Op::StoreExprs: {
    const fb::StoreExprs &store = *command.op_as_StoreExprs();
    StoreCommand out{index(store.to(), numBuffers, "buffer"), dtype(store.dtype()),
                     indices(store.exprs(), numExprs, "expression")};
    require(isInteger(out.dtype), "expressions are stored as integers only");
    return out;
  }
  case fb::Op::Host:
    return decodeHost(*command.op_as_Host(), program);
  case fb::Op::If: {
    const fb::If &branch = *command.op_as_If();
    return IfCommand{index(branch.condition(), numBuffers, "buffer"), laterBlock(branch.then_program()),
                     laterBlock(branch.else_program())};
  }
  case fb::Op::Loop: {
    const fb::Loop &loop = *command.op_as_Loop();
    LoopCommand out{index(loop.trip(), numExprs, "expression"),
                    loop.condition(),
                    loop.iteration(),
                    loop.has_condition(),
                    loop.has_iteration(),
                    laterBlock(loop.body())};
    if (out.hasCondition)
      index(out.condition, numBuffers, "buffer");
    if (out.hasIteration)
      index(out.iteration, numBuffers, "buffer");
    return out;
  }
  default:
    bad("unknown command");
  }
}

DispatchCommand Decoder::decodeDispatch(const fb::Dispatch &dispatch, const Program &program) {
  size_t numExprs = program.table.exprs.size();
  DispatchCommand out;
  require(!program.images.empty(), "a dispatch in a program without code");
  out.kernel = index(dispatch.kernel(), program.images.front().kernels.size(), "kernel");
  out.buffers = indices(dispatch.buffers(), program.buffers.size(), "buffer");
  out.scalars = indices(dispatch.scalars(), numExprs, "expression");
  out.grid = indices(dispatch.grid(), numExprs, "expression");
  require(!out.grid.empty() && out.grid.size() <= 3, "a grid has 1 to 3 dimensions");
  out.descriptors = indices(dispatch.descriptors(), program.recipes.size(), "recipe");
  checkLaunchCode(out, program);
  return out;
}

HostCommand Decoder::decodeHost(const fb::Host &host, const Program &program) {
  const SymbolTable &table = program.table;
  HostCommand out;
  std::string name = text(host.op());
  Scope scope(*this, cat("host '", name, "'"));
  out.op = findHostOp(name);
  require(out.op != nullptr, "this runtime has no host operation of that name");
  std::vector<uint32_t> inputs = indices(host.inputs(), program.buffers.size(), "buffer");
  std::vector<uint32_t> outputs = indices(host.outputs(), program.buffers.size(), "buffer");
  std::vector<uint8_t> dtypes = numbers(host.dtypes());
  std::vector<uint32_t> shapes = indices(host.shapes(), table.exprs.size(), "expression");
  require(dtypes.size() == inputs.size() + outputs.size(), "it does not give one dtype an operand");
  size_t cursor = 0;
  for (size_t i = 0; i < dtypes.size(); ++i) {
    bool isInput = i < inputs.size();
    HostOperand operand{isInput ? inputs[i] : outputs[i - inputs.size()], dtype(dtypes[i]), {}};
    require(cursor < shapes.size() && table.isConstant(shapes[cursor]), "the rank of an operand is missing");
    int64_t rank = table.constantValue(shapes[cursor++]);
    require(rank >= 0 && rank <= ADZE_MAX_RANK && size_t(rank) <= shapes.size() - cursor,
            "the shape of an operand is incomplete");
    operand.dims.assign(shapes.begin() + cursor, shapes.begin() + cursor + rank);
    cursor += rank;
    (isInput ? out.inputs : out.outputs).push_back(std::move(operand));
  }
  require(cursor == shapes.size(), "it gives more shapes than operands");
  out.attrs = numbers(host.attrs());
  out.fattrs = numbers(host.fattrs());
  out.defines = indices(host.defines(), table.symbols.size(), "symbol");
  for (uint32_t symbol : out.defines)
    require(table.symbols[symbol].kind == SymbolKind::data, "it defines a symbol that is not of kind 'data'");
  out.nodes = text(host.nodes());
  if (std::string why = checkHostCommand(out); !why.empty())
    bad(why);
  return out;
}

void Decoder::checkNesting(const Program &program) {
  std::vector<unsigned> depth(program.blocks.size(), 0);
  for (size_t i = program.blocks.size(); i-- > 0;)
    for (const Command &command : program.blocks[i]) {
      unsigned inner = 0;
      if (const auto *branch = std::get_if<IfCommand>(&command))
        inner = 1 + std::max(depth[branch->thenBlock], depth[branch->elseBlock]);
      else if (const auto *loop = std::get_if<LoopCommand>(&command))
        inner = 1 + depth[loop->body];
      depth[i] = std::max(depth[i], inner);
    }
  require(depth[0] <= kMaxNesting, "If and Loop are nested more than 64 deep");
}

} // namespace adze::rt
