#include "runtime/src/executor/Executor.h"

#include "runtime/src/executor/Bind.h"
#include "runtime/src/executor/LaunchCode.h"
#include "runtime/src/host/HostOps.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace adze::rt {

namespace {
// Zero-sized tensors may come without memory; kernels still get an address.
alignas(64) unsigned char emptyTensor[64];

enum CopyKind { kHostToDevice = 0, kDeviceToHost = 1, kDeviceToDevice = 2 };

// What kernels may rely on: packages plan the arena and the weights by it (adze::format::kTensorAlignment).
constexpr uintptr_t kDeviceAlignment = 64;
} // namespace

// --- set-up of a run ---

Executor::Executor(const DeviceContext &context, SessionMemory &memory)
    : context_(context), program_(context.program()), memory_(memory), symbols_(context.program().table),
      replays_(context), deviceInputs_(context.package().inputs.size()),
      deviceOutputs_(context.package().outputs.size()), descriptors_(context) {
  uint64_t scratch;
  if (__builtin_mul_overflow(context.maxScratch(), uint64_t(std::max(context.info().num_units, 1)), &scratch))
    bad("the kernels' scratch memory has no valid size");
  if (context.hostMemory())
    memory_.reserve(scratch, "the kernels' scratch memory");
  findSplitWork();
  context.check(context.driver().queue_create(context.device(), &ownQueue_), "cannot create a queue", "the device");
}

Executor::~Executor() {
  drain(nullptr);
  memory_.releaseDevice(arena_);
  memory_.releaseDevice(workspace_);
  memory_.releaseDevice(counters_);
  for (SessionMemory::Area &area : deviceInputs_)
    memory_.releaseDevice(area);
  for (SessionMemory::Area &area : deviceOutputs_)
    memory_.releaseDevice(area);
  context_.driver().queue_destroy(context_.device(), ownQueue_);
}

void Executor::run(const RunTensors &tensors, const adze_tensor_t *steering, adze_queue_t *queue,
                   const std::atomic<bool> &cancel, bool profile) {
  queue_ = queue ? queue : ownQueue_;
  cancel_ = &cancel;
  profile_ = profile;
  events_.clear();
  timer_.start(context_, profile, queue_);
  symbols_.bind(context_.package(), steering);
  runChecks();
  placeBuffers(tensors);
  for (const Transfer &transfer : uploads_)
    copy(transfer, "cannot copy an input");
  runProgram();
  for (const Transfer &transfer : downloads_)
    copy(transfer, "cannot copy an output");
  synchronize();
  timer_.finish(events_);
}

void Executor::drain(adze_queue_t *queue) noexcept {
  if (queue)
    context_.driver().synchronize(queue);
  if (!context_.hostMemory())
    context_.driver().synchronize(ownQueue_);
}

void Executor::download(adze_queue_t *queue, void *to, const void *from, uint64_t bytes) {
  queue_ = queue ? queue : ownQueue_;
  copy({reinterpret_cast<uintptr_t>(to), reinterpret_cast<uintptr_t>(from), bytes, kDeviceToHost},
       "cannot read an input that steers a shape");
  synchronize();
}

void Executor::copy(const Transfer &transfer, const char *what) {
  context_.check(context_.driver().copy(queue_, transfer.to, transfer.from, transfer.bytes, transfer.kind), what,
                 "the device");
}

/// Those that rest on symbols of the data run after the host operations that define them.
void Executor::runChecks() {
  for (const Check &check : program_.checks) {
    if (symbols_.isProvisional(check.expr))
      continue;
    if (symbols_.value(check.expr) == 0)
      fail(ADZE_BAD_INPUT, "the inputs do not fit the model", "a condition checked at launch", check.message,
           "pass inputs whose shapes and values agree with the model");
  }
}

/// Where the program finds an input: the caller's memory if the device can use it, else an area that it is copied to.
adze_address_t Executor::placeInput(const adze_tensor_t &tensor, uint64_t bytes, bool onDevice,
                                    SessionMemory::Area &area) {
  auto given = reinterpret_cast<uintptr_t>(tensor.data);
  if (context_.hostMemory())
    return reinterpret_cast<uintptr_t>(tensor.data ? tensor.data : emptyTensor);
  if (onDevice && given && given % kDeviceAlignment == 0)
    return given;
  memory_.growDevice(area, bytes, "an input on the device");
  if (bytes)
    uploads_.push_back({area.address, given, bytes, onDevice ? kDeviceToDevice : kHostToDevice});
  return area.address;
}

adze_address_t Executor::placeOutput(const adze_tensor_t &tensor, uint64_t bytes, bool onDevice,
                                     SessionMemory::Area &area) {
  auto given = reinterpret_cast<uintptr_t>(tensor.data);
  if (context_.hostMemory())
    return reinterpret_cast<uintptr_t>(tensor.data ? tensor.data : emptyTensor);
  if (onDevice && given && given % kDeviceAlignment == 0)
    return given;
  memory_.growDevice(area, bytes, "an output on the device");
  if (bytes && given)
    downloads_.push_back({given, area.address, bytes, onDevice ? kDeviceToDevice : kDeviceToHost});
  return area.address;
}

void Executor::placeBuffers(const RunTensors &tensors) {
  const Package &package = context_.package();
  arenaBytes_ = size(program_.arenaBytes, "the arena");
  memory_.growDevice(arena_, arenaBytes_, "the arena for intermediate tensors");
  uploads_.clear();
  downloads_.clear();
  std::vector<Place> in, out;
  for (size_t i = 0; i < package.inputs.size(); ++i) {
    const adze_tensor_t &tensor = tensors.inputs[i];
    uint64_t bytes = tensorBytes(package.inputs[i].dtype, tensor.dims, package.inputs[i].dims.size(), "an input");
    in.push_back({placeInput(tensor, bytes, tensors.inputOnDevice[i], deviceInputs_[i]), bytes});
  }
  for (size_t i = 0; i < package.outputs.size(); ++i)
    out.push_back(
        {placeOutput(tensors.outputs[i], tensors.outputBytes[i], tensors.outputOnDevice[i], deviceOutputs_[i]),
         tensors.outputBytes[i]});

  places_.resize(program_.buffers.size());
  for (size_t i = 0; i < places_.size(); ++i) {
    const Buffer &buffer = program_.buffers[i];
    uint64_t bytes = size(buffer.size, "a buffer"), room = bytes;
    adze_address_t address = 0;
    switch (buffer.kind) {
    case BufferKind::input:
      address = in[buffer.index].address;
      room = in[buffer.index].size;
      break;
    case BufferKind::output:
      address = out[buffer.index].address;
      room = out[buffer.index].size;
      break;
    case BufferKind::weight:
      address = context_.weight(i);
      break;
    case BufferKind::arena: {
      uint64_t offset = size(buffer.offset, "an offset in the arena");
      room = offset <= arenaBytes_ ? arenaBytes_ - offset : 0;
      address = arena_.address + std::min(offset, arenaBytes_);
      break;
    }
    }
    if (bytes > room)
      bad(cat("buffer ", i, " needs ", bytes, " bytes where ", room, " are planned"));
    places_[i] = {address, bytes};
  }
  placeWorkspace();
}

void Executor::findSplitWork() {
  if (!context_.image())
    return;
  for (const auto &block : program_.blocks)
    for (const Command &command : block)
      if (const auto *dispatch = std::get_if<DispatchCommand>(&command))
        if (!context_.image()->kernels[dispatch->kernel].shares.steps.empty())
          splitDispatches_.push_back(dispatch);
}

/// Room for the largest launch of work that several blocks share. Launches run one after the other, so all use the
/// same.
void Executor::placeWorkspace() {
  uint64_t bytes = 0, counters = 0;
  for (const DispatchCommand *dispatch : splitDispatches_) {
    const Kernel &kernel = context_.image()->kernels[dispatch->kernel];
    launchScalars_.clear();
    for (uint32_t expr : dispatch->scalars)
      launchScalars_.push_back(symbols_.value(expr));
    int64_t shares = sharesOf(kernel, launchScalars_);
    if (shares == 1)
      continue;
    uint64_t programs = 1, needed;
    bool overflows = false;
    for (uint32_t expr : dispatch->grid)
      overflows |= __builtin_mul_overflow(programs, size(expr, "a grid"), &programs);
    overflows |= __builtin_mul_overflow(programs, uint64_t(shares), &needed);
    overflows |= __builtin_mul_overflow(needed, kernel.partial, &needed);
    if (overflows || programs > (uint64_t(1) << 60))
      bad(cat("kernel '", kernel.symbol, "' has an invalid grid"));
    bytes = std::max(bytes, needed);
    counters = std::max(counters, programs * sizeof(uint32_t));
  }
  if (!counters)
    return;
  memory_.growDevice(workspace_, bytes, "the workspace of kernels whose work several blocks share");
  if (counters <= counters_.bytes)
    return;
  memory_.growDevice(counters_, counters, "the counters of kernels whose work several blocks share");
  if (adze_status_t status = context_.driver().fill(queue_, counters_.address, 0, 1, counters); status != ADZE_OK) {
    memory_.releaseDevice(counters_); // they are not 0
    context_.check(status, "a fill failed", "the device");
  }
}

// --- commands ---

/// The same request a second time is recorded, and replayed from then on.
void Executor::runProgram() {
  if (profile_ || !replays_.enabled()) {
    runBlock(0);
    return;
  }
  replayKey_.clear();
  for (uint32_t symbol = 0; symbol < program_.table.symbols.size(); ++symbol)
    replayKey_.push_back(symbols_.symbolValue(symbol));
  for (const SessionMemory::Area *area : {&workspace_, &counters_})
    replayKey_.push_back(static_cast<int64_t>(area->address));
  for (const Place &place : places_) {
    replayKey_.push_back(static_cast<int64_t>(place.address));
    replayKey_.push_back(static_cast<int64_t>(place.size));
  }
  bool known = false;
  ReplayCache::Entry &entry = replays_.find(replayKey_, known);
  if (!known || !record(entry)) {
    runBlock(0);
    return;
  }
  checkCancel();
  context_.check(context_.driver().replay(queue_, entry.capture), "a recorded run failed", "the device");
}

/// False if there is no recording and none can be made.
bool Executor::record(ReplayCache::Entry &entry) {
  if (entry.capture)
    return true;
  const adze_driver_t &driver = context_.driver();
  adze_queue_t *queue = std::exchange(queue_, ownQueue_); // the caller's may be in the middle of something else
  bool ok = driver.capture(ownQueue_, 1, nullptr) == ADZE_OK;
  if (ok) {
    adze_status_t failed = ADZE_OK;
    try {
      runBlock(0);
    } catch (const Error &error) {
      failed = error.status;
    }
    ok = driver.capture(ownQueue_, 0, failed == ADZE_OK ? &entry.capture : nullptr) == ADZE_OK && failed == ADZE_OK;
  }
  queue_ = queue;
  checkCancel();
  if (!ok)
    replays_.disable(); // entry is gone
  return ok;
}

void Executor::runBlock(size_t block) {
  for (const Command &command : program_.blocks[block]) {
    checkCancel();
    // Control flow counts through the commands inside it.
    bool timed =
        profile_ && !std::holds_alternative<IfCommand>(command) && !std::holds_alternative<LoopCommand>(command);
    if (timed)
      timer_.begin();
    runCommand(command);
    if (timed)
      timer_.end(commandName(command), commandNodes(command), events_);
  }
}

void Executor::runCommand(const Command &command) {
  std::visit([this](const auto &specific) { run(specific); }, command);
}

void Executor::run(const DispatchCommand &command) {
  const Kernel &kernel = context_.image()->kernels[command.kernel];
  adze_launch_t launch{};
  launch.struct_size = sizeof(launch);
  int64_t programs = 1;
  for (size_t i = 0; i < 3; ++i) {
    launch.grid[i] = i < command.grid.size() ? known(command.grid[i]) : 1;
    if (launch.grid[i] < 0 || __builtin_mul_overflow(programs, launch.grid[i], &programs))
      bad(cat("kernel '", kernel.symbol, "' has an invalid grid"));
  }
  if (programs == 0)
    return;
  if (context_.hostMemory()) {
    launch.grid[0] = programs;
    launch.grid[1] = launch.grid[2] = 1;
  }
  launchBuffers_.clear();
  for (uint32_t buffer : command.buffers)
    launchBuffers_.push_back(places_[buffer].address);
  launchScalars_.clear();
  for (uint32_t expr : command.scalars)
    launchScalars_.push_back(known(expr));
  launchDescriptors_.clear();
  descriptors_.trim();
  for (uint32_t recipe : command.descriptors)
    launchDescriptors_.push_back(descriptors_.get(program_.recipes[recipe], kernel));
  launch.image = context_.code();
  launch.symbol = kernel.symbol.c_str();
  std::copy(kernel.block, kernel.block + 3, launch.block);
  launch.shared_bytes = kernel.scratch;
  launch.nodes = kernel.nodes.c_str();
  bool isVariant = !context_.hostMemory() &&
                   std::any_of(kernel.variants.begin(), kernel.variants.end(),
                               [&](const Variant &variant) { return useVariant(variant, kernel, programs, launch); });
  if (!isVariant && !kernel.shares.steps.empty())
    splitWork(kernel, programs, launch);
  launch.num_buffers = uint32_t(launchBuffers_.size());
  launch.num_scalars = uint32_t(launchScalars_.size());
  launch.num_descriptors = uint32_t(launchDescriptors_.size());
  launch.buffers = launchBuffers_.data();
  launch.scalars = launchScalars_.data();
  launch.descriptors = launchDescriptors_.data();
  context_.check(context_.driver().launch(queue_, &launch), "a kernel failed", kernel.nodes);
}

/// How many blocks share the work of a program.
int64_t Executor::sharesOf(const Kernel &kernel, const std::vector<int64_t> &scalars) {
  launchValues_.clear();
  if (!evaluate(kernel.shares, {}, scalars, launchValues_) || launchValues_.size() != 1)
    bad(cat("kernel '", kernel.symbol, "' has no number of shares"));
  return std::max<int64_t>(launchValues_[0], 1);
}

/// The blocks of a program follow each other; the kernel's last buffers are the workspace and the counters.
void Executor::splitWork(const Kernel &kernel, int64_t programs, adze_launch_t &launch) {
  int64_t shares = sharesOf(kernel, launchScalars_);
  uint64_t blocks, bytes;
  if (__builtin_mul_overflow(uint64_t(programs), uint64_t(shares), &blocks) || blocks > INT64_MAX ||
      __builtin_mul_overflow(blocks, kernel.partial, &bytes))
    bad(cat("kernel '", kernel.symbol, "' has an invalid grid"));
  if (shares > 1 && (bytes > workspace_.bytes || uint64_t(programs) > counters_.bytes / sizeof(uint32_t)))
    bad(cat("kernel '", kernel.symbol, "' needs a workspace of ", bytes, " bytes where ", workspace_.bytes,
            " are planned"));
  launch.grid[0] = int64_t(blocks);
  launch.grid[1] = launch.grid[2] = 1;
  launchBuffers_.push_back(workspace_.address);
  launchBuffers_.push_back(counters_.address);
}

/// Changes the launch to that of the variant if its facts hold.
bool Executor::useVariant(const Variant &variant, const Kernel &kernel, int64_t programs, adze_launch_t &launch) {
  std::vector<int64_t> &values = launchValues_;
  values.clear();
  if (!evaluate(variant.facts, launchBuffers_, launchScalars_, values) ||
      std::find(values.begin(), values.end(), 0) != values.end())
    return false;
  std::vector<void *> built;
  for (const LaunchCode &descriptor : variant.descriptors) {
    values.clear();
    if (!evaluate(descriptor, launchBuffers_, launchScalars_, values))
      return false;
    built.push_back(descriptors_.get(values, kernel));
  }
  launchDescriptors_.insert(launchDescriptors_.end(), built.begin(), built.end());
  launch.symbol = variant.symbol.c_str();
  std::copy(variant.block, variant.block + 3, launch.block);
  launch.shared_bytes = variant.scratch;
  int64_t cluster = std::max<int64_t>(variant.cluster, 1);
  if (variant.persistent || cluster > 1) {
    int64_t blocks = (programs + cluster - 1) / cluster * cluster; // a grid holds whole clusters
    if (variant.persistent) {
      int64_t room = int64_t(variant.persistent) * std::max(context_.info().num_units, 1) / cluster * cluster;
      blocks = std::min(blocks, std::max(room, cluster));
    }
    launch.grid[0] = blocks;
    launch.grid[1] = launch.grid[2] = 1;
  }
  return true;
}

void Executor::run(const CopyCommand &command) {
  uint64_t bytes = size(command.bytes, "a copy");
  within(command.to, bytes, "a copy");
  within(command.from, bytes, "a copy");
  if (bytes)
    context_.check(context_.driver().copy(queue_, places_[command.to].address, places_[command.from].address, bytes,
                                          kDeviceToDevice),
                   "a copy failed", "the device");
}

void Executor::run(const FillCommand &command) {
  uint64_t bytes = size(command.bytes, "a fill");
  within(command.to, bytes, "a fill");
  if (bytes)
    context_.check(
        context_.driver().fill(queue_, places_[command.to].address, command.pattern, command.patternBytes, bytes),
        "a fill failed", "the device");
}

void Executor::run(const StoreCommand &command) {
  size_t width = dtypeBytes(command.dtype);
  std::vector<unsigned char> values(width * command.exprs.size());
  for (size_t i = 0; i < command.exprs.size(); ++i)
    if (int64_t value = known(command.exprs[i]); !storeInteger(values.data(), command.dtype, i, value))
      fail(ADZE_BAD_INPUT, "a size does not fit its type", "a shape computed at launch",
           cat(value, " is not a value of ", dtypeName(command.dtype)), "use smaller inputs");
  if (context_.hostMemory() || values.size() > kMaxFilledStore)
    write(command.to, values.data(), values.size());
  else
    fillWith(command.to, values.data(), values.size());
}

/// Writes a few bytes without host memory that would have to stay: 8 at a time, as patterns.
void Executor::fillWith(uint32_t buffer, const unsigned char *data, uint64_t bytes) {
  within(buffer, bytes, "a store");
  for (uint64_t at = 0; at < bytes;) {
    uint64_t width = 8;
    while (width > bytes - at)
      width /= 2;
    uint64_t pattern = 0;
    std::memcpy(&pattern, data + at, width); // little-endian
    context_.check(context_.driver().fill(queue_, places_[buffer].address + at, pattern, uint32_t(width), width),
                   "a store failed", "the device");
    at += width;
  }
}

void Executor::run(const HostCommand &command) {
  HostCall call;
  call.command = &command;
  call.defined.assign(command.defines.size(), 0);
  std::vector<std::vector<unsigned char>> staging; // copies where the device has its own memory
  staging.reserve(command.inputs.size() + command.outputs.size());
  auto operand = [&](const HostOperand &from, bool isInput) {
    HostTensor tensor{nullptr, from.dtype, {}, 1, dtypeBytes(from.dtype)};
    for (uint32_t dim : from.dims)
      tensor.dims.push_back(isInput ? known(dim) : symbols_.value(dim));
    uint64_t bytes = tensorBytes(from.dtype, tensor.dims.data(), tensor.dims.size(),
                                 cat("an operand of host operation '", command.op->name, "' (", command.nodes, ")"));
    tensor.count = int64_t(bytes / tensor.elementBytes);
    within(from.buffer, bytes, "a host operation");
    if (context_.hostMemory()) {
      tensor.data = reinterpret_cast<void *>(uintptr_t(places_[from.buffer].address));
    } else {
      staging.emplace_back(std::max<uint64_t>(bytes, 1));
      tensor.data = staging.back().data();
      if (isInput)
        read(from.buffer, tensor.data, bytes);
    }
    return tensor;
  };
  for (const HostOperand &input : command.inputs)
    call.inputs.push_back(operand(input, true));
  symbols_.undefine(command.defines.data(), command.defines.size());
  for (const HostOperand &output : command.outputs)
    call.outputs.push_back(operand(output, false));
  command.op->run(call);
  if (!context_.hostMemory())
    for (size_t i = 0; i < command.outputs.size(); ++i)
      write(command.outputs[i].buffer, call.outputs[i].data,
            uint64_t(call.outputs[i].count) * call.outputs[i].elementBytes);
  if (!command.defines.empty()) {
    symbols_.define(command.defines.data(), call.defined.data(), call.defined.size());
    runChecks();
  }
}

void Executor::run(const IfCommand &command) {
  runBlock(readFlag(command.condition) ? command.thenBlock : command.elseBlock);
}

void Executor::run(const LoopCommand &command) {
  int64_t trip = known(command.trip);
  for (int64_t i = 0; i < trip; ++i) {
    checkCancel();
    if (command.hasCondition && !readFlag(command.condition))
      return;
    if (command.hasIteration)
      write(command.iteration, &i, sizeof(i));
    runBlock(command.body);
  }
}

// --- helpers ---

bool Executor::readFlag(uint32_t buffer) {
  unsigned char flag = 0;
  read(buffer, &flag, 1);
  return flag != 0;
}

void Executor::write(uint32_t buffer, const void *data, uint64_t bytes) {
  within(buffer, bytes, "a store");
  if (!bytes)
    return;
  context_.check(
      context_.driver().copy(queue_, places_[buffer].address, reinterpret_cast<uintptr_t>(data), bytes, kHostToDevice),
      "a store failed", "the device");
  if (!context_.hostMemory())
    synchronize(); // data is the caller's for no longer than this call
}

void Executor::read(uint32_t buffer, void *data, uint64_t bytes) {
  within(buffer, bytes, "a read");
  if (!bytes)
    return;
  context_.check(
      context_.driver().copy(queue_, reinterpret_cast<uintptr_t>(data), places_[buffer].address, bytes, kDeviceToHost),
      "a read failed", "the device");
  synchronize();
}

int64_t Executor::known(uint32_t expr) const {
  if (symbols_.isProvisional(expr))
    bad(cat("expression ", expr, " is used before the host operation that defines its symbols"));
  return symbols_.value(expr);
}

uint64_t Executor::size(uint32_t expr, const char *what) const {
  int64_t value = symbols_.value(expr);
  if (value < 0 || value > (int64_t(1) << 62))
    bad(cat(what, " has the size ", value));
  return uint64_t(value);
}

void Executor::within(uint32_t buffer, uint64_t bytes, const char *what) const {
  if (bytes > places_[buffer].size)
    bad(cat(what, " of ", bytes, " bytes goes beyond buffer ", buffer, " of ", places_[buffer].size, " bytes"));
}

void Executor::checkCancel() const {
  if (cancel_->load(std::memory_order_relaxed))
    fail(ADZE_CANCELLED, "the run was cancelled", "the session", "adze_session_cancel was called", "run it again");
}

void Executor::bad(const std::string &why) const {
  fail(ADZE_BAD_PACKAGE, "the package's program is not consistent", cat("program for ", program_.target), why,
       "compile the package again and report this");
}

void Executor::synchronize() {
  context_.check(context_.driver().synchronize(queue_), "the device failed", "the end of a run");
}

const char *Executor::commandName(const Command &command) const {
  static const char *const names[] = {"", "copy", "fill", "store", "", "if", "loop"};
  if (const auto *dispatch = std::get_if<DispatchCommand>(&command)) {
    const Kernel &kernel = context_.image()->kernels[dispatch->kernel];
    return kernel.key.empty() ? kernel.symbol.c_str() : kernel.key.c_str();
  }
  if (const auto *host = std::get_if<HostCommand>(&command))
    return host->op->name;
  return names[command.index()];
}

const char *Executor::commandNodes(const Command &command) const {
  if (const auto *dispatch = std::get_if<DispatchCommand>(&command))
    return context_.image()->kernels[dispatch->kernel].nodes.c_str();
  if (const auto *host = std::get_if<HostCommand>(&command))
    return host->nodes.c_str();
  return "";
}

} // namespace adze::rt
