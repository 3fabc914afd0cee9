/* What a device must provide to the adze executor: one table of functions.
 *
 * The CPU's table is part of libadze_rt.so; every other device is a shared library libadze_NAME.so that exports
 * adze_driver_get(). A driver sees only the headers of this folder. All functions are called from one thread at a time
 * per queue; different queues may be driven from different threads. No function may throw.
 *
 * Queues run their work in order, and not before they have to: the host memory of a copy must stay as it is until
 * synchronize(). The arrays and descriptors of a launch are read before launch() returns. A status of ADZE_DEVICE from
 * a call after open() means that the device is lost: what it held is gone, and only close() is of use.
 */
#ifndef ADZE_DRIVER_H
#define ADZE_DRIVER_H

#include "adze/adze.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ADZE_DRIVER_VERSION 1u

typedef struct adze_device adze_device_t;   /* one opened device */
typedef struct adze_image adze_image_t;     /* loaded code */
typedef struct adze_queue adze_queue_t;     /* in-order work */
typedef struct adze_capture adze_capture_t; /* a recorded command list */

/* A device address. On the CPU it is the host pointer. */
typedef uint64_t adze_address_t;

typedef struct adze_device_info {
  size_t struct_size;
  char name[64]; /* e.g. the chip's marketing name */
  char arch[32]; /* as in the target list, e.g. "x86-64-v4" */
  uint64_t total_bytes, free_bytes;
  int32_t num_units;   /* cores, SMs, CUs */
  int32_t host_memory; /* 1: device addresses are host pointers, nothing is copied */
} adze_device_info_t;

/* One launch. A kernel's arguments are buffers, then 64-bit scalars (dims, strides and scalar arguments in the order in
 * which the kernel declares them), then descriptors that build_descriptor() made. */
typedef struct adze_launch {
  size_t struct_size;
  adze_image_t *image;
  const char *symbol;
  uint32_t num_buffers, num_scalars, num_descriptors;
  const adze_address_t *buffers;
  const int64_t *scalars;
  void *const *descriptors;
  int64_t grid[3];       /* physical launch size; on the CPU grid[0] is the number of programs */
  int64_t block[3];      /* threads per block; 0 on the CPU */
  uint64_t shared_bytes; /* dynamic on-chip memory; on the CPU: scratch bytes per thread */
  const char *nodes;     /* the ONNX nodes, for errors */
} adze_launch_t;

typedef struct adze_driver {
  size_t struct_size;
  uint32_t version; /* ADZE_DRIVER_VERSION */
  const char *name;
  adze_status_t (*open)(int ordinal, const adze_options_t *options, adze_device_t **out);
  void (*close)(adze_device_t *device);
  adze_status_t (*query)(adze_device_t *device, adze_device_info_t *out);
  adze_status_t (*allocate)(adze_device_t *device, size_t bytes, adze_address_t *out); /* at least 256-byte aligned */
  void (*release)(adze_device_t *device, adze_address_t address, size_t bytes);
  /* code is the package's image section, already checked; arch as in the package. ADZE_UNSUPPORTED: this device cannot
   * run that arch, and the next alternative is tried */
  adze_status_t (*load)(adze_device_t *device, const void *code, size_t bytes, const char *arch, adze_image_t **out);
  void (*unload)(adze_device_t *device, adze_image_t *image);
  adze_status_t (*queue_create)(adze_device_t *device, adze_queue_t **out);
  void (*queue_destroy)(adze_device_t *device, adze_queue_t *queue);
  adze_status_t (*launch)(adze_queue_t *queue, const adze_launch_t *launch);
  adze_status_t (*copy)(adze_queue_t *queue, adze_address_t to, adze_address_t from, size_t bytes,
                        int kind); /* 0 h2d 1 d2h 2 d2d */
  adze_status_t (*fill)(adze_queue_t *queue, adze_address_t to, uint64_t pattern, uint32_t pattern_bytes, size_t bytes);
  adze_status_t (*signal)(adze_queue_t *queue, uint64_t *ticket);
  adze_status_t (*wait)(adze_queue_t *queue, uint64_t ticket);
  adze_status_t (*synchronize)(adze_queue_t *queue);
  const char *(*last_error)(adze_device_t *device); /* device is null after a failed open() */
  /* optional, may be null */
  adze_status_t (*wrap_queue)(adze_device_t *device, void *native, adze_queue_t **out);
  /* the descriptor lives until release_descriptor(), or as long as the device */
  adze_status_t (*build_descriptor)(adze_device_t *device, const int64_t *recipe, size_t words, void **out);
  /* begin 1: launches, copies on the device and fills of this queue are recorded instead of done; 0: the recording
   * ends. out is null if the commands are to be dropped. A capture may be replayed on any queue of the device */
  adze_status_t (*capture)(adze_queue_t *queue, int begin, adze_capture_t **out);
  adze_status_t (*replay)(adze_queue_t *queue, adze_capture_t *capture);
  void (*release_descriptor)(adze_device_t *device, void *descriptor);
  void (*release_capture)(adze_device_t *device, adze_capture_t *capture);
  /* time between two signals of the queue; both must have been reached, and be among its last 1024 */
  adze_status_t (*elapsed)(adze_queue_t *queue, uint64_t from, uint64_t to, uint64_t *nanoseconds);
} adze_driver_t;

/* The one symbol that a driver library exports. abi is the caller's ADZE_DRIVER_VERSION; null if it cannot serve it. */
typedef const adze_driver_t *(*adze_driver_get_fn)(uint32_t abi);

/* --- CPU images ---
 * A CPU image is a position-independent ELF shared object without NEEDED entries. Each kernel is one function: it runs
 * the programs [begin, end) of the grid in order. scratch is a private, 64-byte aligned area of the kernel's size. */
typedef void (*adze_cpu_kernel_fn)(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end,
                                   void *scratch);

#ifdef __cplusplus
}
#endif
#endif
