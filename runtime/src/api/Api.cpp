// The C interface: argument checks, and the border that no exception crosses.
#include "adze/adze.h"
#include "adze/driver.h"

#include "runtime/src/executor/Session.h"
#include "runtime/src/status/Dtype.h"
#include "runtime/src/status/Status.h"

#include <cstring>

using namespace adze::rt;

struct adze_session {
  Session session;
  adze_session(std::shared_ptr<DeviceContext> context, uint64_t maxBytes) : session(std::move(context), maxBytes) {}
};

namespace {

void requirePointer(const void *pointer, const char *name, const char *function) {
  if (!pointer)
    fail(ADZE_INVALID_ARGUMENT, "a required pointer is null", function, cat("argument '", name, "' is null"),
         "pass a valid pointer");
}

template <typename Open>
adze_status_t openPackage(adze_package_t **out, const char *function, Open &&open) {
  return guard([&] {
    requirePointer(out, "out", function);
    *out = nullptr;
    auto handle = std::make_unique<adze_package_t>();
    handle->package = decodePackage(open());
    *out = handle.release();
  });
}

/// A struct of the caller's, who may know fewer members (they become 0) or more (they must be 0). `least` is the size
/// that every version has had.
template <typename Struct>
Struct readStruct(const Struct *from, size_t least, const char *what, const char *function) {
  Struct out{};
  if (from) {
    if (from->struct_size < least || from->struct_size > 4096)
      fail(ADZE_INVALID_ARGUMENT, what, function, cat("struct_size is ", from->struct_size),
           "zero-initialise the struct and set struct_size = sizeof");
    std::memcpy(static_cast<void *>(&out), from, std::min(from->struct_size, sizeof(out)));
    const auto *bytes = reinterpret_cast<const unsigned char *>(from);
    for (size_t i = sizeof(out); i < from->struct_size; ++i)
      if (bytes[i])
        fail(ADZE_INVALID_ARGUMENT, what, function, "an option is set that this version of the runtime does not know",
             "update the runtime");
  }
  out.struct_size = sizeof(out);
  return out;
}

adze_options_t readOptions(const adze_options_t *options) {
  const char *function = "adze_session_create";
  adze_options_t out = readStruct(options, offsetof(adze_options_t, num_threads), "wrong options", function);
  if ((out.allocate == nullptr) != (out.release == nullptr))
    fail(ADZE_INVALID_ARGUMENT, "wrong options", function, "only one of allocate and release is set",
         "set both or neither");
  if (out.num_threads < 0 || out.num_threads > 4096)
    fail(ADZE_INVALID_ARGUMENT, "wrong options", function, cat("num_threads is ", out.num_threads),
         "use 0 (all cores) to 4096");
  if (out.flags & ~ADZE_NO_REPLAY)
    fail(ADZE_INVALID_ARGUMENT, "wrong options", function, cat("flags are ", out.flags),
         "use the flags of this version's adze.h");
  return out;
}

adze_status_t tensorInfo(const adze_package_t *package, size_t index, adze_tensor_info_t *out, bool input) {
  const char *function = input ? "adze_package_input" : "adze_package_output";
  return guard([&] {
    requirePointer(package, "package", function);
    requirePointer(out, "out", function);
    const auto &tensors = input ? package->package->inputs : package->package->outputs;
    if (index >= tensors.size())
      fail(ADZE_INVALID_ARGUMENT, "no such tensor", function, cat("index ", index, " of ", tensors.size()),
           "use an index below the count");
    *out = tensors[index].info;
  });
}

} // namespace

extern "C" {

uint32_t adze_abi_version(void) { return ADZE_ABI_VERSION; }
const char *adze_version(void) { return ADZE_VERSION_STRING; }
const char *adze_last_error(void) { return lastError(); }
size_t adze_dtype_bits(adze_dtype_t dtype) { return 8 * dtypeBytes(dtype); }
const char *adze_dtype_name(adze_dtype_t dtype) { return dtypeName(dtype); }

const char *adze_status_name(adze_status_t status) {
  switch (status) {
  case ADZE_OK:
    return "ok";
  case ADZE_INTERNAL:
    return "internal error";
  case ADZE_INVALID_ARGUMENT:
    return "invalid argument";
  case ADZE_BAD_INPUT:
    return "bad input";
  case ADZE_UNSUPPORTED:
    return "unsupported";
  case ADZE_BAD_PACKAGE:
    return "bad package";
  case ADZE_DEVICE:
    return "device error";
  case ADZE_RESOURCE:
    return "resource limit";
  case ADZE_BUSY:
    return "busy";
  case ADZE_CANCELLED:
    return "cancelled";
  }
  return "unknown status";
}

adze_status_t adze_package_open(const char *path, adze_package_t **out) {
  return openPackage(out, "adze_package_open", [&] {
    requirePointer(path, "path", "adze_package_open");
    return PackageReader::openPath(path);
  });
}

adze_status_t adze_package_open_fd(int fd, adze_package_t **out) {
  return openPackage(out, "adze_package_open_fd",
                     [&] { return PackageReader::openFd(fd, cat("file descriptor ", fd)); });
}

adze_status_t adze_package_open_memory(const void *data, size_t size, adze_package_t **out) {
  return openPackage(out, "adze_package_open_memory", [&] {
    requirePointer(data, "data", "adze_package_open_memory");
    return PackageReader::openMemory(data, size);
  });
}

void adze_package_close(adze_package_t *package) { delete package; }

size_t adze_package_num_inputs(const adze_package_t *package) { return package ? package->package->inputs.size() : 0; }
size_t adze_package_num_outputs(const adze_package_t *package) {
  return package ? package->package->outputs.size() : 0;
}
adze_status_t adze_package_input(const adze_package_t *package, size_t index, adze_tensor_info_t *out) {
  return tensorInfo(package, index, out, true);
}
adze_status_t adze_package_output(const adze_package_t *package, size_t index, adze_tensor_info_t *out) {
  return tensorInfo(package, index, out, false);
}

adze_status_t adze_session_create(adze_package_t *package, const adze_options_t *options, adze_session_t **out) {
  return guard([&] {
    requirePointer(out, "out", "adze_session_create");
    *out = nullptr;
    requirePointer(package, "package", "adze_session_create");
    adze_options_t read = readOptions(options);
    ContextKey key{read.device ? read.device : "cpu", read};
    *out = new adze_session(package->context(key), read.max_bytes);
  });
}

void adze_session_destroy(adze_session_t *session) { delete session; }

adze_status_t adze_session_output_shapes(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                         adze_tensor_t *outputs, size_t num_outputs) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_output_shapes");
    session->session.outputShapes(inputs, num_inputs, outputs, num_outputs);
  });
}

adze_status_t adze_session_run(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                               adze_tensor_t *outputs, size_t num_outputs) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_run");
    session->session.run({inputs, num_inputs, outputs, num_outputs, nullptr, nullptr, nullptr, nullptr, nullptr},
                         nullptr);
  });
}

adze_status_t adze_session_run_async(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                     adze_tensor_t *outputs, size_t num_outputs, void *queue,
                                     void (*done)(void *user, adze_status_t status, const char *message), void *user) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_run_async");
    session->session.runAsync({inputs, num_inputs, outputs, num_outputs, nullptr, nullptr, nullptr, done, user}, queue);
  });
}

adze_status_t adze_session_run_with(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                    adze_tensor_t *outputs, size_t num_outputs, const adze_run_options_t *run) {
  return guard([&] {
    const char *function = "adze_session_run_with";
    requirePointer(session, "session", function);
    adze_run_options_t options =
        readStruct(run, offsetof(adze_run_options_t, input_locations), "wrong options of a run", function);
    Session::Request request{
        inputs,  num_inputs,   outputs,     num_outputs, options.input_locations, options.output_locations,
        nullptr, options.done, options.user};
    if (options.asynchronous)
      session->session.runAsync(request, options.queue);
    else
      session->session.run(request, options.queue);
  });
}

adze_status_t adze_session_wait(adze_session_t *session) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_wait");
    session->session.wait();
  });
}

void adze_session_cancel(adze_session_t *session) {
  if (session)
    session->session.cancel();
}

uint64_t adze_session_arena_bytes(const adze_session_t *session) { return session ? session->session.arenaBytes() : 0; }

adze_status_t adze_session_set_profiling(adze_session_t *session, int on) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_set_profiling");
    session->session.setProfiling(on != 0);
  });
}

size_t adze_session_num_events(const adze_session_t *session) { return session ? session->session.numEvents() : 0; }

adze_status_t adze_session_event(const adze_session_t *session, size_t index, adze_event_t *out) {
  return guard([&] {
    requirePointer(session, "session", "adze_session_event");
    requirePointer(out, "out", "adze_session_event");
    *out = session->session.event(index);
  });
}

} // extern "C"
