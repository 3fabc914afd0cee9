/* Kernels of the test packages: adze_cpu_kernel_fn, 16 elements a program. */
#include <stdint.h>

#define PROGRAM 16

static int64_t last(int64_t program, int64_t total) {
  int64_t end = (program + 1) * PROGRAM;
  return end < total ? end : total;
}

/* y = 2 x; buffers x, y; scalars total */
void scale(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end, void *scratch) {
  const float *x = buffers[0];
  float *y = buffers[1];
  for (int64_t p = begin; p < end; ++p)
    for (int64_t i = p * PROGRAM; i < last(p, scalars[0]); ++i)
      y[i] = 2 * x[i];
}

/* y[i][j] = x[i][j] + w[j]; buffers x, w, y; scalars total, width; the sum goes through scratch */
void add_row(void *const *buffers, const int64_t *scalars, int64_t begin, int64_t end, void *scratch) {
  const float *x = buffers[0], *w = buffers[1];
  float *y = buffers[2], *sums = scratch;
  for (int64_t p = begin; p < end; ++p) {
    int64_t first = p * PROGRAM;
    for (int64_t i = first; i < last(p, scalars[0]); ++i)
      sums[i - first] = x[i] + w[i % scalars[1]];
    for (int64_t i = first; i < last(p, scalars[0]); ++i)
      y[i] = sums[i - first];
  }
}
