#include "runtime/src/executor/Context.h"

#include "runtime/src/cpu/CpuDriver.h"
#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <tuple>
#include <unistd.h>

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

/// The file that holds this code: the shared library, or the program that it is linked into.
std::string ownFile() {
  Dl_info self{};
  if (!dladdr(reinterpret_cast<const void *>(&adze_abi_version), &self) || !self.dli_fname)
    return {};
  std::string file = self.dli_fname;
  if (file.find('/') != std::string::npos)
    return file;
  // A program that was found on PATH goes by its bare name.
  char buffer[4096];
  ssize_t length = readlink("/proc/self/exe", buffer, sizeof(buffer));
  return length > 0 && size_t(length) < sizeof(buffer) ? std::string(buffer, size_t(length)) : std::string();
}

/// Where driver libraries are looked for before the loader looks.
std::vector<std::string> driverFolders() {
  std::vector<std::string> out;
  if (const char *listed = std::getenv("ADZE_DRIVER_PATH")) {
    std::string list = listed;
    for (size_t begin = 0; begin < list.size();) {
      size_t end = std::min(list.find(':', begin), list.size());
      if (end > begin)
        out.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  std::string file = ownFile();
  if (size_t slash = file.rfind('/'); slash != std::string::npos) {
    std::string folder = file.substr(0, slash);
    out.push_back(folder);
    out.push_back(cat(folder, "/../", ADZE_LIBRARY_FOLDER));
  }
  return out;
}

} // namespace

bool ContextKey::operator==(const ContextKey &other) const {
  auto tie = [](const ContextKey &key) {
    return std::tie(key.device, key.options.num_threads, key.options.user, key.options.allocate, key.options.release,
                    key.options.log, key.options.flags);
  };
  return tie(*this) == tie(other);
}

DeviceContext::DeviceContext(std::shared_ptr<const Package> package, const ContextKey &key)
    : package_(std::move(package)), key_(key) {
  key_.options.device = nullptr; // the caller's string
  try {
    auto [name, ordinal] = parseDevice(key.device);
    openDriver(name);
    checkTarget(name);
    check(driver_.open(ordinal, &key_.options, &device_), "cannot open the device", key.device);
    info_.struct_size = sizeof(info_);
    check(driver_.query(device_, &info_), "cannot query the device", key.device);
    selectProgram(name);
    loadWeights();
  } catch (...) {
    close();
    throw;
  }
}

DeviceContext::~DeviceContext() { close(); }

void DeviceContext::close() {
  for (auto [address, bytes] : uploads_)
    driver_.release(device_, address, bytes);
  if (code_)
    driver_.unload(device_, code_);
  if (device_)
    driver_.close(device_);
  if (library_)
    dlclose(library_);
}

void DeviceContext::check(adze_status_t status, const char *what, const std::string &where) const {
  if (status == ADZE_OK)
    return;
  const char *text = driver_.last_error ? driver_.last_error(device_) : nullptr;
  std::string message = text ? text : "";
  // A driver of this project reports four parts already.
  if (message.find("\n  remedy: ") != std::string::npos)
    throw Error{status, message};
  fail(status, what, where, message.empty() ? std::string("the driver gives no reason") : message,
       "check the device and its driver");
}

/// The third part of the driver's last error, if it has four.
std::string DeviceContext::driverReason() const {
  const char *text = driver_.last_error ? driver_.last_error(device_) : nullptr;
  std::string message = text ? text : "";
  constexpr std::string_view begin = "\n  why: ", end = "\n  remedy: ";
  size_t from = message.find(begin), to = message.find(end);
  return from == std::string::npos || to == std::string::npos || to < from
             ? std::string()
             : message.substr(from + begin.size(), to - from - begin.size());
}

void DeviceContext::log(adze_log_level_t level, const std::string &message) const {
  if (key_.options.log)
    key_.options.log(key_.options.user, level, message.c_str());
}

void DeviceContext::checkTarget(const std::string &name) const {
  std::string targets;
  for (const Program &program : package_->programs) {
    if (program.target == name)
      return;
    if (targets.find(program.target) == std::string::npos)
      targets += cat(targets.empty() ? "" : ", ", program.target);
  }
  fail(ADZE_DEVICE, cat("the package has no code for device '", name, "'"), cat("'", package_->reader->name(), "'"),
       cat("it was compiled for: ", targets.empty() ? "nothing" : targets),
       cat("compile the model with --target=", name, " or run on another device"));
}

void DeviceContext::openDriver(const std::string &name) {
  const adze_driver_t *table = nullptr;
  if (name == "cpu") {
    table = cpuDriver();
  } else {
    openLibrary(name);
    auto get = reinterpret_cast<adze_driver_get_fn>(dlsym(library_, "adze_driver_get"));
    table = get ? get(ADZE_DRIVER_VERSION) : nullptr;
  }
  constexpr size_t required = offsetof(adze_driver_t, wrap_queue);
  if (!table || table->struct_size < required || table->version != ADZE_DRIVER_VERSION)
    fail(ADZE_DEVICE, cat("the driver of device '", name, "' does not fit this runtime"), cat("libadze_", name, ".so"),
         cat("this runtime speaks driver version ", ADZE_DRIVER_VERSION), "install the driver of the same release");
  std::memcpy(&driver_, table, std::min(table->struct_size, sizeof(driver_)));
}

/// The first of: the folders of ADZE_DRIVER_PATH, the folder of this library (or of the program that it is linked into)
/// and the lib folder beside that, the loader's own search.
void DeviceContext::openLibrary(const std::string &name) {
  std::string file = cat("libadze_", name, ".so"), reasons;
  for (const std::string &folder : driverFolders()) {
    std::string path = cat(folder, "/", file);
    if (access(path.c_str(), F_OK) != 0)
      continue;
    if ((library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)))
      return;
    const char *why = dlerror();
    reasons += cat(why ? why : "it cannot be loaded", "; ");
  }
  if ((library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)))
    return;
  const char *why = dlerror();
  reasons += why ? why : "it cannot be loaded";
  fail(ADZE_DEVICE, cat("no driver for device '", name, "'"), file, reasons,
       "install the driver library beside the runtime, or name its folder in ADZE_DRIVER_PATH");
}

/// Programs of one target are alternatives, and so are the images of one program: the last one that the device can run
/// wins.
void DeviceContext::selectProgram(const std::string &name) {
  std::string reasons;
  const auto &programs = package_->programs;
  for (auto program = programs.rbegin(); program != programs.rend(); ++program) {
    if (program->target != name)
      continue;
    program_ = &*program;
    if (program->images.empty() || loadImage(reasons))
      return;
  }
  fail(ADZE_DEVICE, "the package has no code for this device's architecture", cat("device '", key_.device, "'"),
       cat("it provides ", info_.arch, ", the package has images for ", reasons),
       "compile the model for this architecture");
}

/// Loads the last image of the program that the device can run. Otherwise false, with the architectures in `tried`.
bool DeviceContext::loadImage(std::string &tried) {
  for (size_t i = program_->images.size(); i-- > 0;) {
    const Image &image = program_->images[i];
    const Section &section = package_->reader->sections()[image.section];
    adze_status_t status = driver_.load(device_, section.data, section.size, image.arch.c_str(), &code_);
    if (status == ADZE_OK) {
      image_ = &image;
      for (const Kernel &kernel : image.kernels)
        maxScratch_ = std::max(maxScratch_, kernel.scratch);
      log(ADZE_LOG_INFO, cat("adze: using the image for ", image.arch));
      return true;
    }
    code_ = nullptr;
    if (status != ADZE_UNSUPPORTED)
      check(status, "cannot load code", cat("the image for ", image.arch));
    tried += cat(tried.empty() ? "" : ", ", image.arch);
    if (std::string why = driverReason(); !why.empty())
      tried += cat(" (", why, ")");
  }
  return false;
}

void DeviceContext::loadWeights() {
  const auto &buffers = program_->buffers;
  weights_.assign(buffers.size(), 0);
  if (!hostMemory()) {
    adze_queue_t *queue = nullptr;
    check(driver_.queue_create(device_, &queue), "cannot create a queue", key_.device);
    try {
      upload(queue);
    } catch (...) {
      driver_.synchronize(queue);
      driver_.queue_destroy(device_, queue);
      throw;
    }
    driver_.queue_destroy(device_, queue);
    return;
  }
  for (size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].kind == BufferKind::weight)
      weights_[i] =
          reinterpret_cast<uintptr_t>(package_->reader->sections()[buffers[i].index].data) + buffers[i].weightOffset;
}

/// Copies each weight to the device once, however many buffers name it.
void DeviceContext::upload(adze_queue_t *queue) {
  const auto &buffers = program_->buffers;
  std::map<std::tuple<uint32_t, uint64_t, int64_t>, adze_address_t> loaded;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].kind != BufferKind::weight)
      continue;
    const uint8_t *data = package_->reader->sections()[buffers[i].index].data + buffers[i].weightOffset;
    int64_t size = program_->table.constantValue(buffers[i].size);
    adze_address_t &address = loaded[{buffers[i].index, buffers[i].weightOffset, size}];
    if (!address && size > 0) {
      uploads_.reserve(uploads_.size() + 1); // nothing may fail between the allocation and its entry
      check(driver_.allocate(device_, size_t(size), &address), "cannot allocate memory for weights", key_.device);
      uploads_.emplace_back(address, size_t(size));
      check(driver_.copy(queue, address, reinterpret_cast<uintptr_t>(data), size_t(size), 0), "cannot copy weights",
            key_.device);
    }
    weights_[i] = address;
  }
  check(driver_.synchronize(queue), "cannot copy weights", key_.device);
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
