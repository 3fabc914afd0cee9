/* adze runtime, C interface.
 *
 * Opens a package written by `adze compile`, and runs it on the CPU or on a device whose driver library is installed.
 * No function throws, exits or writes to the standard streams. Every function that can fail returns an adze_status_t;
 * the text of the last failure on the calling thread is adze_last_error().
 *
 * Threads: a package and its queries may be used from any number of threads. A session runs one request at a time
 * (ADZE_BUSY otherwise); sessions of one package share its weights and run concurrently.
 */
#ifndef ADZE_ADZE_H
#define ADZE_ADZE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ADZE_API
#else
#define ADZE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Grows by one with every incompatible change; adze_abi_version() returns the library's own. */
#define ADZE_ABI_VERSION 1u

/* The values are the exit codes of the command line, so a status travels unchanged. */
typedef enum adze_status {
  ADZE_OK = 0,
  ADZE_INTERNAL = 1,         /* a bug in adze */
  ADZE_INVALID_ARGUMENT = 2, /* the caller's mistake: null pointer, unknown name, wrong struct size */
  ADZE_BAD_INPUT = 3,        /* an input tensor's dtype or shape does not fit the model */
  ADZE_UNSUPPORTED = 4,      /* from a driver: this image is not for the device */
  ADZE_BAD_PACKAGE = 5,      /* corrupt, truncated, wrong version, wrong signature */
  ADZE_DEVICE = 6,           /* no such device, driver missing, no code for it in the package, device lost */
  ADZE_RESOURCE = 8,         /* memory, disk or a declared cap */
  ADZE_BUSY = 9,             /* the session is running */
  ADZE_CANCELLED = 10        /* adze_session_cancel() was called */
} adze_status_t;

/* ONNX TensorProto.DataType values, so that tools need no translation. */
typedef enum adze_dtype {
  ADZE_UNDEFINED = 0,
  ADZE_F32 = 1,
  ADZE_U8 = 2,
  ADZE_I8 = 3,
  ADZE_U16 = 4,
  ADZE_I16 = 5,
  ADZE_I32 = 6,
  ADZE_I64 = 7,
  ADZE_STRING = 8,
  ADZE_BOOL = 9,
  ADZE_F16 = 10,
  ADZE_F64 = 11,
  ADZE_U32 = 12,
  ADZE_U64 = 13,
  ADZE_C64 = 14,
  ADZE_C128 = 15,
  ADZE_BF16 = 16,
  ADZE_F8E4M3FN = 17,
  ADZE_F8E4M3FNUZ = 18,
  ADZE_F8E5M2 = 19,
  ADZE_F8E5M2FNUZ = 20,
  ADZE_U4 = 21,
  ADZE_I4 = 22,
  ADZE_F4E2M1 = 23,
  ADZE_F8E8M0 = 24,
  ADZE_U2 = 25,
  ADZE_I2 = 26
} adze_dtype_t;

#define ADZE_MAX_RANK 16

/* A dense row-major tensor, in host memory unless adze_run_options_t says otherwise. Types narrower than a byte are
 * stored one element a byte. bool is 0 or 1. */
typedef struct adze_tensor {
  void *data;        /* may be null only when a dim is 0; 64-byte alignment is best, the element's is required */
  size_t size_bytes; /* what the caller owns at data */
  adze_dtype_t dtype;
  int32_t rank;
  int64_t dims[ADZE_MAX_RANK];
} adze_tensor_t;

typedef struct adze_tensor_info {
  const char *name; /* the model's own name; lives as long as the package */
  adze_dtype_t dtype;
  int32_t rank;
  int64_t dims[ADZE_MAX_RANK];                            /* -1 where dynamic */
  const char *dim_names[ADZE_MAX_RANK];                   /* symbol name where dynamic, else null */
  int64_t dim_min[ADZE_MAX_RANK], dim_max[ADZE_MAX_RANK]; /* inclusive range of each dim; equal where static */
} adze_tensor_info_t;

typedef struct adze_package adze_package_t;
typedef struct adze_session adze_session_t;

typedef enum adze_log_level { ADZE_LOG_ERROR = 0, ADZE_LOG_WARNING = 1, ADZE_LOG_INFO = 2 } adze_log_level_t;

/* Zero-initialise, set struct_size = sizeof, then what is needed. Null callbacks mean the defaults. */
typedef struct adze_options {
  size_t struct_size;
  const char *device;  /* "cpu" (default) or "NAME[:N]", served by libadze_NAME.so: from ADZE_DRIVER_PATH, from beside
                        * this library, or from where the loader looks */
  int32_t num_threads; /* CPU threads for one session; 0 = all cores the process may use */
  uint64_t max_bytes;  /* refuse to allocate more than this in one session (ADZE_RESOURCE); 0 = no cap */
  void *user;          /* first argument of the callbacks */
  void *(*allocate)(void *user, size_t bytes, size_t alignment); /* host memory; null result = out of memory */
  void (*release)(void *user, void *pointer, size_t bytes);
  void (*log)(void *user, adze_log_level_t level, const char *message);
  uint32_t flags; /* ADZE_NO_REPLAY or 0 */
  uint32_t reserved;
} adze_options_t;

/* A device with memory of its own records the commands of a run and replays them when shapes and addresses come again.
 * This turns it off. */
#define ADZE_NO_REPLAY 1u

ADZE_API uint32_t adze_abi_version(void);
ADZE_API const char *adze_version(void); /* "0.1.0" */
ADZE_API const char *adze_status_name(adze_status_t status);
ADZE_API const char *adze_last_error(void);          /* four parts: what, where, why, remedy; "" after success */
ADZE_API size_t adze_dtype_bits(adze_dtype_t dtype); /* storage bits of one element (8 for narrower); 0 if unknown */
ADZE_API const char *adze_dtype_name(adze_dtype_t dtype); /* "float32", "bfloat16", ... */

/* --- packages: every byte is checked against its digest before any of it is used (ADZE_BAD_PACKAGE) --- */
/* The file may be replaced or removed while it is open, but not be written to or truncated in place. */
ADZE_API adze_status_t adze_package_open(const char *path, adze_package_t **out);
ADZE_API adze_status_t adze_package_open_fd(int fd, adze_package_t **out); /* fd stays the caller's */
/* The memory must stay valid and unchanged until the package is closed; 64-byte aligned, ADZE_INVALID_ARGUMENT
 * otherwise. */
ADZE_API adze_status_t adze_package_open_memory(const void *data, size_t size, adze_package_t **out);
ADZE_API void adze_package_close(adze_package_t *package); /* sessions keep what they need alive */

ADZE_API size_t adze_package_num_inputs(const adze_package_t *package);
ADZE_API size_t adze_package_num_outputs(const adze_package_t *package);
ADZE_API adze_status_t adze_package_input(const adze_package_t *package, size_t index, adze_tensor_info_t *out);
ADZE_API adze_status_t adze_package_output(const adze_package_t *package, size_t index, adze_tensor_info_t *out);

/* --- sessions --- */
ADZE_API adze_status_t adze_session_create(adze_package_t *package, const adze_options_t *options,
                                           adze_session_t **out);
ADZE_API void adze_session_destroy(adze_session_t *session); /* cancels and waits for a run in progress */

/* Output shapes and byte sizes for given inputs. Only dtype, rank and dims of the inputs are read, except for integer
 * inputs that steer a shape, whose data is read too. A dim that only the run can tell (NonZero and the like) comes back
 * as -1 with size_bytes = the upper bound. outputs[] has adze_package_num_outputs() entries; data stays untouched. */
ADZE_API adze_status_t adze_session_output_shapes(adze_session_t *session, const adze_tensor_t *inputs,
                                                  size_t num_inputs, adze_tensor_t *outputs, size_t num_outputs);

/* Runs once, synchronously. Inputs and outputs stand in the package's order. An output with data == null is allocated
 * by the session (valid until its next run or destroy); otherwise size_bytes must hold what
 * adze_session_output_shapes() says. dtype, rank and dims of the outputs are written. Outputs may not overlap inputs or
 * each other. On the CPU no input or output is copied. */
ADZE_API adze_status_t adze_session_run(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                        adze_tensor_t *outputs, size_t num_outputs);

/* As adze_session_run, but returns at once; done() is called on another thread when it ends. The arrays and the buffers
 * must stay valid until then. queue = null takes the session's own; a device driver accepts its native stream. done()
 * may be null; it may start the session's next run, but not destroy the session. */
ADZE_API adze_status_t adze_session_run_async(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                              adze_tensor_t *outputs, size_t num_outputs, void *queue,
                                              void (*done)(void *user, adze_status_t status, const char *message),
                                              void *user);

/* Where a tensor's data is. */
typedef enum adze_location {
  ADZE_IN_HOST_MEMORY = 0,
  /* An address of the session's device. Used in place, without a copy, where it is 64-byte aligned; copied on the
   * device otherwise. An output with data == null is allocated on the device by the session. On the CPU there is no
   * difference. */
  ADZE_IN_DEVICE_MEMORY = 1
} adze_location_t;

/* How one run is done. Zero-initialise, set struct_size = sizeof, then what is needed. */
typedef struct adze_run_options {
  size_t struct_size;
  /* The device's native stream (of the device's primary context): the run is ordered behind the work that the caller
   * put there. Null: the session's own; work that fills inputs on the device must then have ended. */
  void *queue;
  const uint8_t *input_locations, *output_locations; /* one adze_location_t a tensor; null: all in host memory */
  int32_t asynchronous;                              /* not 0: as adze_session_run_async, with done and user */
  int32_t reserved;
  void (*done)(void *user, adze_status_t status, const char *message);
  void *user;
} adze_run_options_t;

/* As adze_session_run, or adze_session_run_async if asynchronous; run may be null. When it ends, so has the work on the
 * queue. */
ADZE_API adze_status_t adze_session_run_with(adze_session_t *session, const adze_tensor_t *inputs, size_t num_inputs,
                                             adze_tensor_t *outputs, size_t num_outputs, const adze_run_options_t *run);

ADZE_API adze_status_t adze_session_wait(adze_session_t *session); /* status of the run that it waited for */
ADZE_API void adze_session_cancel(adze_session_t *session);        /* the run ends with ADZE_CANCELLED soon */

/* Planned memory of the last run in bytes: the arena's peak (offsets are fixed at compile time). */
ADZE_API uint64_t adze_session_arena_bytes(const adze_session_t *session);

/* Per-command timing of the last run, for profiles. name lives as long as the package. */
typedef struct adze_event {
  const char *kernel;        /* kernel or command name */
  const char *nodes;         /* the ONNX nodes it came from */
  uint64_t start_ns, end_ns; /* from the run's start */
} adze_event_t;
ADZE_API adze_status_t adze_session_set_profiling(adze_session_t *session, int on);
ADZE_API size_t adze_session_num_events(const adze_session_t *session);
ADZE_API adze_status_t adze_session_event(const adze_session_t *session, size_t index, adze_event_t *out);

#ifdef __cplusplus
}
#endif
#endif
