/* Runs a package once, with every input filled by a small ramp, and prints its outputs.
 *
 *   cc run_model.c $(pkg-config --cflags --libs adze) -o run_model && ./run_model model.adze
 *
 * Dynamic dims get the smallest size of their range, but at least 1 where the range allows it.
 */
#include <adze/adze.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, adze_last_error());
  return 1;
}

static size_t bytes_of(const adze_tensor_t *tensor) {
  size_t bytes = adze_dtype_bits(tensor->dtype) / 8;
  for (int32_t i = 0; i < tensor->rank; ++i)
    bytes *= (size_t)tensor->dims[i];
  return bytes;
}

/* Allocates and fills one input: floats 0, 1/8, 2/8, ... and zeros for all other types. */
static int make_input(const adze_tensor_info_t *info, adze_tensor_t *out) {
  memset(out, 0, sizeof(*out));
  out->dtype = info->dtype;
  out->rank = info->rank;
  for (int32_t i = 0; i < info->rank; ++i) {
    out->dims[i] = info->dim_min[i];
    if (out->dims[i] == 0 && info->dim_max[i] > 0)
      out->dims[i] = 1;
  }
  out->size_bytes = bytes_of(out);
  out->data = aligned_alloc(64, (out->size_bytes + 64) / 64 * 64);
  if (!out->data)
    return 0;
  memset(out->data, 0, out->size_bytes);
  if (out->dtype == ADZE_F32)
    for (size_t i = 0; i < out->size_bytes / sizeof(float); ++i)
      ((float *)out->data)[i] = (float)(i % 64) / 8;
  return 1;
}

static void print_tensor(const char *name, const adze_tensor_t *tensor) {
  printf("%s: %s [", name, adze_dtype_name(tensor->dtype));
  for (int32_t i = 0; i < tensor->rank; ++i)
    printf("%s%lld", i ? ", " : "", (long long)tensor->dims[i]);
  printf("]");
  if (tensor->dtype == ADZE_F32)
    for (size_t i = 0; i < bytes_of(tensor) / sizeof(float) && i < 8; ++i)
      printf(" %g", ((const float *)tensor->data)[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL.adze\n", argv[0]);
    return 2;
  }
  adze_package_t *package = NULL;
  adze_session_t *session = NULL;
  if (adze_package_open(argv[1], &package) != ADZE_OK)
    return fail("open");

  adze_options_t options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.device = "cpu";
  if (adze_session_create(package, &options, &session) != ADZE_OK)
    return fail("session");

  size_t num_inputs = adze_package_num_inputs(package), num_outputs = adze_package_num_outputs(package);
  adze_tensor_t *inputs = calloc(num_inputs + 1, sizeof(*inputs));
  adze_tensor_t *outputs = calloc(num_outputs + 1, sizeof(*outputs)); /* data == NULL: the session allocates */
  if (!inputs || !outputs)
    return 1;
  for (size_t i = 0; i < num_inputs; ++i) {
    adze_tensor_info_t info;
    if (adze_package_input(package, i, &info) != ADZE_OK || !make_input(&info, &inputs[i]))
      return fail("input");
    print_tensor(info.name, &inputs[i]);
  }

  int status = 0;
  if (adze_session_run(session, inputs, num_inputs, outputs, num_outputs) != ADZE_OK) {
    status = fail("run");
  } else {
    for (size_t i = 0; i < num_outputs; ++i) {
      adze_tensor_info_t info;
      if (adze_package_output(package, i, &info) == ADZE_OK)
        print_tensor(info.name, &outputs[i]);
    }
  }

  for (size_t i = 0; i < num_inputs; ++i)
    free(inputs[i].data);
  free(inputs);
  free(outputs);
  adze_session_destroy(session);
  adze_package_close(package);
  return status;
}
