// One opened device with a package's code and weights on it; shared by the sessions with the same options.
#ifndef ADZE_RUNTIME_EXECUTOR_CONTEXT_H
#define ADZE_RUNTIME_EXECUTOR_CONTEXT_H

#include "adze/driver.h"
#include "runtime/src/package/Program.h"

#include <mutex>

namespace adze::rt {

/// What decides whether two sessions may share a context.
struct ContextKey {
  std::string device; // as in adze_options_t
  adze_options_t options;
  bool operator==(const ContextKey &other) const;
};

class DeviceContext {
public:
  DeviceContext(std::shared_ptr<const Package> package, const ContextKey &key);
  ~DeviceContext();
  DeviceContext(const DeviceContext &) = delete;
  DeviceContext &operator=(const DeviceContext &) = delete;

  const Package &package() const { return *package_; }
  const Program &program() const { return *program_; }
  /// What an older driver does not have is null.
  const adze_driver_t &driver() const { return driver_; }
  adze_device_t *device() const { return device_; }
  const adze_device_info_t &info() const { return info_; }
  const adze_options_t &options() const { return key_.options; }
  bool hostMemory() const { return info_.host_memory != 0; }
  /// The loaded alternative; null if the program has no kernels.
  const Image *image() const { return image_; }
  adze_image_t *code() const { return code_; }
  /// Address of a program's buffer of kind weight.
  adze_address_t weight(size_t buffer) const { return weights_[buffer]; }
  /// The most scratch bytes that a kernel of the loaded image asks for (on the CPU: per thread).
  uint64_t maxScratch() const { return maxScratch_; }

  /// Throws if the status is not ADZE_OK, with the driver's text.
  void check(adze_status_t status, const char *what, const std::string &where) const;
  void log(adze_log_level_t level, const std::string &message) const;

private:
  void checkTarget(const std::string &name) const;
  void selectProgram(const std::string &name);
  void openDriver(const std::string &name);
  void openLibrary(const std::string &name);
  bool loadImage(std::string &tried);
  std::string driverReason() const;
  void loadWeights();
  void upload(adze_queue_t *queue);
  void close();

  std::shared_ptr<const Package> package_;
  ContextKey key_;
  const Program *program_ = nullptr;
  void *library_ = nullptr;
  adze_driver_t driver_{};
  adze_device_t *device_ = nullptr;
  adze_device_info_t info_{};
  const Image *image_ = nullptr;
  adze_image_t *code_ = nullptr;
  std::vector<adze_address_t> weights_;
  std::vector<std::pair<adze_address_t, size_t>> uploads_;
  uint64_t maxScratch_ = 0;
};

} // namespace adze::rt

/// The handle behind the C interface.
struct adze_package {
  std::shared_ptr<const adze::rt::Package> package;
  std::mutex mutex;
  std::vector<std::pair<adze::rt::ContextKey, std::weak_ptr<adze::rt::DeviceContext>>> contexts;

  /// The context for these options, opened at the first use.
  std::shared_ptr<adze::rt::DeviceContext> context(const adze::rt::ContextKey &key);
};

#endif
