#include "runtime/src/executor/Session.h"

#include "runtime/src/executor/Bind.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <algorithm>

namespace adze::rt {

Session::Session(std::shared_ptr<DeviceContext> context, uint64_t maxBytes)
    : context_(std::move(context)), memory_(*context_, maxBytes), outputAreas_(context_->package().outputs.size()),
      executor_(*context_, memory_) {}

Session::~Session() {
  cancel();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !busy_ && !pending_; });
    stop_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable())
    worker_.join();
  if (wrapped_)
    context_->driver().queue_destroy(context_->device(), wrapped_);
  for (SessionMemory::Area &area : outputAreas_)
    memory_.releaseHost(area);
}

void Session::begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (busy_)
    fail(ADZE_BUSY, "the session is running", "the session", "a session runs one request at a time",
         "wait for it, or create a session for each thread");
  busy_ = true;
  cancel_.store(false);
}

void Session::end() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    busy_ = false;
    events_ = executor_.events();
    arenaBytes_ = executor_.arenaBytes();
  }
  changed_.notify_all();
}

void Session::run(Request request, void *nativeQueue) {
  begin();
  try {
    request.queue = wrapQueue(nativeQueue);
    execute(request);
  } catch (...) {
    end();
    throw;
  }
  end();
}

void Session::outputShapes(const adze_tensor_t *inputs, size_t numInputs, adze_tensor_t *outputs,
                           size_t numOutputs) const {
  const Package &package = context_->package();
  if (numOutputs != package.outputs.size() || (numOutputs && !outputs))
    fail(ADZE_INVALID_ARGUMENT, "wrong number of outputs", "the outputs of the request",
         cat(numOutputs, " given, the model has ", package.outputs.size()), "pass room for every output");
  Evaluator symbols(package.table);
  bindInputs(package, inputs, numInputs, symbols);
  for (size_t i = 0; i < numOutputs; ++i)
    outputs[i].size_bytes = outputShape(package, symbols, i, outputs[i]);
}

void Session::execute(const Request &request) {
  const Package &package = context_->package();
  checkInputs(package, request.inputs, request.numInputs);
  readLocations(request);
  Evaluator symbols(package.table);
  try {
    const adze_tensor_t *inputs = steeringInputs(request);
    bindInputs(package, inputs, request.numInputs, symbols);
    checkInputData(package, request.inputs);
    bindOutputs(request, symbols);
    RunTensors tensors{request.inputs, boundOutputs_.data(), outputBytes_.data(), inputOnDevice_.data(),
                       outputOnDevice_.data()};
    executor_.run(tensors, inputs, request.queue, cancel_, profiling_);
  } catch (...) {
    // Nothing may touch the caller's buffers, or what the next run frees, after this returns.
    executor_.drain(request.queue);
    throw;
  }
  takeDataSymbols(package, context_->program(), executor_.symbols(), symbols);
  for (size_t i = 0; i < request.numOutputs; ++i) {
    adze_tensor_t &out = request.outputs[i];
    bool own = ownsOutput(i);
    out.data = own && outputOnDevice_[i] ? reinterpret_cast<void *>(uintptr_t(executor_.outputAddress(i)))
                                         : boundOutputs_[i].data;
    uint64_t bytes = outputShape(package, symbols, i, out);
    if (std::find(out.dims, out.dims + out.rank, -1) != out.dims + out.rank)
      fail(ADZE_BAD_PACKAGE, "the package's program is not consistent", cat("output '", package.outputs[i].name, "'"),
           "the run did not determine its shape", "compile the package again and report this");
    if (own)
      out.size_bytes = bytes;
  }
}

/// Where the tensors are; on a device that uses host memory it makes no difference.
void Session::readLocations(const Request &request) {
  auto read = [this](const uint8_t *locations, size_t count, const char *what, std::vector<uint8_t> &onDevice) {
    onDevice.assign(count, 0);
    for (size_t i = 0; locations && i < count; ++i) {
      if (locations[i] > ADZE_IN_DEVICE_MEMORY)
        fail(ADZE_INVALID_ARGUMENT, "unknown location of a tensor", cat(what, " ", i),
             cat("its location is ", unsigned(locations[i])), "use ADZE_IN_HOST_MEMORY or ADZE_IN_DEVICE_MEMORY");
      onDevice[i] = locations[i] == ADZE_IN_DEVICE_MEMORY && !context_->hostMemory();
    }
  };
  read(request.inputLocations, request.numInputs, "input", inputOnDevice_);
  read(request.outputLocations, request.numOutputs, "output", outputOnDevice_);
}

/// The inputs, with host copies of those on the device whose values steer shapes.
const adze_tensor_t *Session::steeringInputs(const Request &request) {
  steeringData_.clear();
  bool any = false;
  for (const SymbolTable *table : {&context_->package().table, &context_->program().table})
    for (const Symbol &symbol : table->symbols) {
      if (symbol.kind != SymbolKind::inputValue || !inputOnDevice_[symbol.input])
        continue;
      if (!any) {
        checkInputData(context_->package(), request.inputs);
        steering_.assign(request.inputs, request.inputs + request.numInputs);
      }
      any = true;
      adze_tensor_t &input = steering_[symbol.input];
      const adze_tensor_t &given = request.inputs[symbol.input];
      if (input.data != given.data)
        continue; // copied already
      uint64_t bytes = tensorBytes(given.dtype, given.dims, size_t(given.rank), "an input that steers a shape");
      if (!bytes)
        continue;
      steeringData_.emplace_back(bytes);
      executor_.download(request.queue, steeringData_.back().data(), given.data, bytes);
      input.data = steeringData_.back().data();
    }
  return any ? steering_.data() : request.inputs;
}

bool Session::ownsOutput(size_t index) const {
  const void *data = boundOutputs_[index].data;
  return outputOnDevice_[index] ? !data : data == reinterpret_cast<void *>(uintptr_t(outputAreas_[index].address));
}

void Session::bindOutputs(const Request &request, const Evaluator &symbols) {
  const Package &package = context_->package();
  if (request.numOutputs != package.outputs.size() || (request.numOutputs && !request.outputs))
    fail(ADZE_INVALID_ARGUMENT, "wrong number of outputs", "the outputs of the request",
         cat(request.outputs ? request.numOutputs : 0, " given, the model has ", package.outputs.size()),
         "pass every output, in the package's order");
  outputBytes_.assign(request.numOutputs, 0);
  boundOutputs_.assign(request.outputs, request.outputs + request.numOutputs);
  for (size_t i = 0; i < request.numOutputs; ++i) {
    adze_tensor_t &out = boundOutputs_[i];
    const TensorDef &def = package.outputs[i];
    outputBytes_[i] = outputShape(package, symbols, i, out);
    std::string where = cat("output ", i, " '", def.name, "'");
    // An output of an earlier run that comes back is still the session's.
    if (outputOnDevice_[i]) {
      if (out.data == reinterpret_cast<void *>(uintptr_t(executor_.outputAddress(i))))
        out.data = nullptr;
      if (!out.data)
        continue;
    } else if (!out.data || out.data == reinterpret_cast<void *>(uintptr_t(outputAreas_[i].address))) {
      memory_.growHost(outputAreas_[i], outputBytes_[i], "an output that the session allocates");
      out.data = reinterpret_cast<void *>(uintptr_t(outputAreas_[i].address));
      continue;
    }
    if (out.size_bytes < outputBytes_[i])
      fail(ADZE_INVALID_ARGUMENT, "an output's buffer is too small", where,
           cat("it needs ", outputBytes_[i], " bytes, size_bytes is ", out.size_bytes),
           "ask adze_session_output_shapes for the size, or pass data = null");
    size_t alignment = std::min<size_t>(dtypeBytes(def.dtype), 8);
    if (reinterpret_cast<uintptr_t>(out.data) % alignment)
      fail(ADZE_INVALID_ARGUMENT, "an output is not aligned", where,
           cat("its address is not a multiple of ", alignment, " bytes"), "align the buffer, best to 64 bytes");
  }
  checkOverlap(request);
}

/// Kernels read inputs while they write outputs, so the buffers must be apart.
void Session::checkOverlap(const Request &request) const {
  auto overlap = [](const void *a, uint64_t aBytes, const void *b, uint64_t bBytes) {
    auto x = reinterpret_cast<uintptr_t>(a), y = reinterpret_cast<uintptr_t>(b);
    return a && b && aBytes && bBytes && x < y + bBytes && y < x + aBytes;
  };
  const Package &package = context_->package();
  for (size_t i = 0; i < boundOutputs_.size(); ++i) {
    auto refuse = [&](const char *kind, const std::string &name) {
      fail(ADZE_INVALID_ARGUMENT, "buffers overlap",
           cat("output '", package.outputs[i].name, "' and ", kind, " '", name, "'"), "they share memory",
           "pass separate buffers");
    };
    for (size_t j = 0; j < request.numInputs; ++j) {
      const TensorDef &def = package.inputs[j];
      uint64_t bytes = tensorBytes(def.dtype, request.inputs[j].dims, def.dims.size(), def.name);
      if (overlap(boundOutputs_[i].data, outputBytes_[i], request.inputs[j].data, bytes))
        refuse("input", def.name);
    }
    for (size_t j = 0; j < i; ++j)
      if (overlap(boundOutputs_[i].data, outputBytes_[i], boundOutputs_[j].data, outputBytes_[j]))
        refuse("output", package.outputs[j].name);
  }
}

/// The driver's queue for the caller's stream; the last one is kept, for it comes again.
adze_queue_t *Session::wrapQueue(void *nativeQueue) {
  if (!nativeQueue)
    return nullptr;
  const adze_driver_t &driver = context_->driver();
  if (!driver.wrap_queue)
    fail(ADZE_INVALID_ARGUMENT, "the device takes no queue", "the queue of a run",
         "this device's driver has no native queues", "pass queue = null");
  if (wrappedNative_ != nativeQueue) {
    if (wrapped_)
      driver.queue_destroy(context_->device(), wrapped_);
    wrapped_ = nullptr;
    wrappedNative_ = nullptr;
    context_->check(driver.wrap_queue(context_->device(), nativeQueue, &wrapped_), "cannot use the queue",
                    "the queue of a run");
    wrappedNative_ = nativeQueue;
  }
  return wrapped_;
}

// --- asynchronous runs ---

void Session::runAsync(Request request, void *nativeQueue) {
  begin();
  try {
    request.queue = wrapQueue(nativeQueue);
    std::lock_guard<std::mutex> lock(mutex_);
    if (!worker_.joinable())
      worker_ = std::thread(&Session::work, this);
    request_ = request;
    pending_ = queued_ = true;
  } catch (...) {
    end();
    throw;
  }
  changed_.notify_all();
}

void Session::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return queued_ || stop_; });
    if (stop_)
      return;
    queued_ = false;
    Request request = request_;
    lock.unlock();
    Error error{ADZE_OK, {}};
    try {
      execute(request);
    } catch (...) {
      error = currentError();
    }
    lock.lock();
    lastError_ = error;
    lock.unlock();
    end(); // done() may start the next run
    if (request.done)
      request.done(request.user, error.status, error.message.c_str());
    lock.lock();
    if (!queued_)
      pending_ = false;
    changed_.notify_all();
  }
}

void Session::wait() {
  Error error{ADZE_OK, {}};
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (worker_.get_id() != std::this_thread::get_id()) // inside done(): it has ended
      changed_.wait(lock, [this] { return !pending_; });
    error = lastError_;
  }
  if (error.status != ADZE_OK)
    throw error;
}

// --- the rest ---

void Session::cancel() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (busy_)
    cancel_.store(true);
}

void Session::setProfiling(bool on) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (busy_)
    fail(ADZE_BUSY, "the session is running", "adze_session_set_profiling", "it can only change between runs",
         "wait for the run");
  profiling_ = on;
}

uint64_t Session::arenaBytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return arenaBytes_;
}

size_t Session::numEvents() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return events_.size();
}

adze_event_t Session::event(size_t index) const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (index >= events_.size())
    fail(ADZE_INVALID_ARGUMENT, "no such event", "adze_session_event",
         cat("index ", index, ", the last run recorded ", events_.size()), "set profiling before the run");
  return events_[index];
}

} // namespace adze::rt
