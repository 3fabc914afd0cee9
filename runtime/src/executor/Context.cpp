#include "runtime/src/executor/Context.h"

#include "runtime/src/cpu/CpuDriver.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <dlfcn.h>
#include <map>
#include <tuple>

namespace adze::rt {

namespace {

/// "NAME[:N]" -> NAME, N.
std::pair<std::string, int> parseDevice(const std::string &device) {
  size_t colon = std::min(device.find(':'), device.size());
  std::string name = device.substr(0, colon), ordinal = colon < device.size() ? device.substr(colon + 1) : "0";
  auto isNameChar = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || name.size() > 32 || !std::all_of(name.begin(), name.end(), isNameChar) || ordinal.empty() ||
      ordinal.size() > 4 || !std::all_of(ordinal.begin(), ordinal.end(), isDigit))
    fail(ADZE_INVALID_ARGUMENT, "bad device name", cat("device '", device, "'"),
         "a device is written NAME or NAME:N, NAME in lower-case letters and digits", "use for example 'cpu'");
  return {name, std::stoi(ordinal)};
}

} // namespace

bool ContextKey::operator==(const ContextKey &other) const {
  auto tie = [](const ContextKey &key) {
    return std::tie(key.device, key.options.num_threads, key.options.user, key.options.allocate, key.options.release,
                    key.options.log);
  };
  return tie(*this) == tie(other);
}

DeviceContext::DeviceContext(std::shared_ptr<const Package> package, const ContextKey &key)
    : package_(std::move(package)), key_(key) {
  key_.options.device = nullptr; // the caller's string
  try {
    auto [name, ordinal] = parseDevice(key.device);
    openDriver(name);
    selectProgram(name);
    check(driver_->open(ordinal, &key_.options, &device_), "cannot open the device", key.device);
    info_.struct_size = sizeof(info_);
    check(driver_->query(device_, &info_), "cannot query the device", key.device);
    loadImage();
    loadWeights();
  } catch (...) {
    close();
    throw;
  }
}

DeviceContext::~DeviceContext() { close(); }

void DeviceContext::close() {
  for (auto [address, bytes] : uploads_)
    driver_->release(device_, address, bytes);
  if (code_)
    driver_->unload(device_, code_);
  if (device_)
    driver_->close(device_);
  if (library_)
    dlclose(library_);
}

void DeviceContext::check(adze_status_t status, const char *what, const std::string &where) const {
  if (status == ADZE_OK)
    return;
  const char *text = driver_->last_error ? driver_->last_error(device_) : nullptr;
  std::string message = text ? text : "";
  // A driver of this project reports four parts already.
  if (message.find("\n  remedy: ") != std::string::npos)
    throw Error{status, message};
  fail(status, what, where, message.empty() ? std::string("the driver gives no reason") : message,
       "check the device and its driver");
}

void DeviceContext::log(adze_log_level_t level, const std::string &message) const {
  if (key_.options.log)
    key_.options.log(key_.options.user, level, message.c_str());
}

void DeviceContext::selectProgram(const std::string &name) {
  std::string targets;
  for (const Program &program : package_->programs) {
    if (program.target == name) {
      program_ = &program;
      return;
    }
    targets += cat(targets.empty() ? "" : ", ", program.target);
  }
  fail(ADZE_DEVICE, cat("the package has no code for device '", name, "'"), cat("'", package_->reader->name(), "'"),
       cat("it was compiled for: ", targets.empty() ? "nothing" : targets),
       cat("compile the model with --target=", name, " or run on another device"));
}

void DeviceContext::openDriver(const std::string &name) {
  if (name == "cpu") {
    driver_ = cpuDriver();
    return;
  }
  std::string file = cat("libadze_", name, ".so");
  library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library_) {
    const char *why = dlerror();
    fail(ADZE_DEVICE, cat("no driver for device '", name, "'"), file, why ? why : "it cannot be loaded",
         "install the driver library or add its folder to LD_LIBRARY_PATH");
  }
  auto get = reinterpret_cast<adze_driver_get_fn>(dlsym(library_, "adze_driver_get"));
  driver_ = get ? get(ADZE_DRIVER_VERSION) : nullptr;
  constexpr size_t required = offsetof(adze_driver_t, wrap_queue);
  if (!driver_ || driver_->struct_size < required || driver_->version != ADZE_DRIVER_VERSION)
    fail(ADZE_DEVICE, cat("the driver of device '", name, "' does not fit this runtime"), file,
         cat("this runtime speaks driver version ", ADZE_DRIVER_VERSION), "install the driver of the same release");
}

/// Images are alternatives: the last one that the device can run wins.
void DeviceContext::loadImage() {
  std::string reasons;
  for (size_t i = program_->images.size(); i-- > 0;) {
    const Image &image = program_->images[i];
    const Section &section = package_->reader->sections()[image.section];
    adze_status_t status = driver_->load(device_, section.data, section.size, image.arch.c_str(), &code_);
    if (status == ADZE_OK) {
      image_ = &image;
      for (const Kernel &kernel : image.kernels)
        maxScratch_ = std::max(maxScratch_, kernel.scratch);
      log(ADZE_LOG_INFO, cat("adze: using the image for ", image.arch));
      return;
    }
    code_ = nullptr;
    if (status != ADZE_UNSUPPORTED)
      check(status, "cannot load code", cat("the image for ", image.arch));
    reasons += cat(reasons.empty() ? "" : ", ", image.arch);
  }
  if (!program_->images.empty())
    fail(ADZE_DEVICE, "the package has no code for this device's architecture", cat("device '", key_.device, "'"),
         cat("it provides ", info_.arch, ", the package has images for ", reasons),
         "compile the model for this architecture");
}

void DeviceContext::loadWeights() {
  const auto &buffers = program_->buffers;
  weights_.assign(buffers.size(), 0);
  adze_queue_t *queue = nullptr;
  std::map<std::tuple<uint32_t, uint64_t, int64_t>, adze_address_t> loaded;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].kind != BufferKind::weight)
      continue;
    const uint8_t *data = package_->reader->sections()[buffers[i].index].data + buffers[i].weightOffset;
    if (hostMemory()) {
      weights_[i] = reinterpret_cast<uintptr_t>(data);
      continue;
    }
    int64_t size = program_->table.constantValue(buffers[i].size);
    adze_address_t &address = loaded[{buffers[i].index, buffers[i].weightOffset, size}];
    if (!address && size > 0) {
      if (!queue)
        check(driver_->queue_create(device_, &queue), "cannot create a queue", key_.device);
      check(driver_->allocate(device_, size_t(size), &address), "cannot allocate memory for weights", key_.device);
      uploads_.emplace_back(address, size_t(size));
      check(driver_->copy(queue, address, reinterpret_cast<uintptr_t>(data), size_t(size), 0), "cannot copy weights",
            key_.device);
    }
    weights_[i] = address;
  }
  if (queue) {
    adze_status_t status = driver_->synchronize(queue);
    driver_->queue_destroy(device_, queue);
    check(status, "cannot copy weights", key_.device);
  }
}

} // namespace adze::rt

std::shared_ptr<adze::rt::DeviceContext> adze_package::context(const adze::rt::ContextKey &key) {
  std::lock_guard<std::mutex> lock(mutex);
  contexts.erase(
      std::remove_if(contexts.begin(), contexts.end(), [](const auto &entry) { return entry.second.expired(); }),
      contexts.end());
  for (auto &[other, weak] : contexts)
    if (other == key)
      if (auto context = weak.lock())
        return context;
  auto context = std::make_shared<adze::rt::DeviceContext>(package, key);
  contexts.emplace_back(key, context);
  contexts.back().first.options.device = nullptr;
  return context;
}
