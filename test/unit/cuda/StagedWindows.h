// The text of a convolution over [N, spatial.., C] as the kernel builders write it, for the tests of staged kernels.
#ifndef ADZE_TEST_UNIT_CUDA_STAGEDWINDOWS_H
#define ADZE_TEST_UNIT_CUDA_STAGEDWINDOWS_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <string>
#include <vector>

namespace adze::test {

/// y[n, pixel, f] (f32) = sum over taps and c of x[n, ..., c] * w[taps.., f, c], one dim N for the images.
struct WindowText {
  std::vector<int64_t> in, kernel, stride, dilation, begin, end; // spatial
  int64_t channels = 64, filters = 64, bp = 64, bf = 64, bc = 64;

  int64_t out(size_t d) const {
    return (in[d] + begin[d] + end[d] - (kernel[d] - 1) * dilation[d] - 1) / stride[d] + 1;
  }
  int64_t pixels() const {
    int64_t n = 1;
    for (size_t d = 0; d < in.size(); ++d)
      n *= out(d);
    return n;
  }
  int64_t taps() const {
    int64_t n = 1;
    for (int64_t k : kernel)
      n *= k;
    return n;
  }
  int64_t elements() const { // of an image
    int64_t n = channels;
    for (int64_t d : in)
      n *= d;
    return n;
  }

  std::string text() const {
    auto dims = [](const std::vector<int64_t> &list) {
      std::string s;
      for (int64_t v : list)
        s += std::to_string(v) + "x";
      return s;
    };
    auto list = [](const std::vector<int64_t> &v) {
      return "array<i64: " + llvm::join(llvm::map_range(v, [](int64_t i) { return std::to_string(i); }), ", ") + ">";
    };
    auto constant = [](const std::string &name, int64_t v) {
      return "  %" + name + " = arith.constant " + std::to_string(v) + " : index\n";
    };
    size_t spatial = in.size();
    std::string P = std::to_string(pixels()), F = std::to_string(filters), C = std::to_string(channels),
                BP = std::to_string(bp), BF = std::to_string(bf), BC = std::to_string(bc);
    std::string x = "!tile.view<?x" + dims(in) + C + "xf16, in>",
                w = "!tile.view<" + dims(kernel) + F + "x" + C + "xf16, in>",
                v = "!tile.view<?x" + dims(kernel) + C + "xf16, in, #tile.windowed<" + std::to_string(spatial) + ">>",
                y = "!tile.view<?x" + P + "x" + F + "xf32, out>", acc = "tensor<" + BP + "x" + BF + "xf32>",
                a = "tensor<" + BP + "x" + BC + "xf16>", b = "tensor<" + BF + "x" + BC + "xf16>",
                a4 = "tensor<" + BP + "x" + dims(std::vector<int64_t>(spatial, 1)) + BC + "xf16>";
    std::string args = "%N: index, %x: !tile.ref<f16, in>, %w: !tile.ref<f16, in>, %y: !tile.ref<f32, out>, %i: index, "
                       "%p: index, %f: index";
    std::string outs, taps, basis;
    std::string s =
        "tile.kernel @cv attributes {key = \"cv\", dims = [\"N\"], arg_types = [!tile.ref<f16, in>, "
        "!tile.ref<f16, in>, !tile.ref<f32, out>], grid_extents = affine_map<(n) -> (n, " +
        P + ", " + F + ")>, grid_steps = array<i64: 1, " + BP + ", " + BF +
        ">, schedule = #tile.schedule<grid = {group = 2 : i64}, loops = {}, ops = {x = {lead = 2 : i64}, w = "
        "{lead = 2 : i64}}>} body {\n^bb0(" +
        args + "):\n";
    for (size_t d = 0; d < spatial; ++d) {
      s += constant("o" + std::to_string(d), out(d));
      outs += (d ? ", %o" : "%o") + std::to_string(d);
      taps += "%d#" + std::to_string(d) + ", ";
      basis += std::to_string(kernel[d]) + ", ";
    }
    int64_t blocks = (channels + bc - 1) / bc;
    s += constant("c0", 0) + constant("c1", 1) + constant("bc", bc) + constant("P", pixels()) +
         constant("steps", this->taps() * blocks);
    s += "  %X = tile.view %x[%N] : !tile.ref<f16, in> -> " + x + "\n  %W = tile.view %w[] : !tile.ref<f16, in> -> " +
         w + "\n  %V = tile.window %X[" + outs + "] {kernel = " + list(kernel) + ", stride = " + list(stride) +
         ", dilation = " + list(dilation) + ", pad = " + list(pads()) + "} : " + x + " -> " + v +
         "\n  %z = arith.constant dense<0.0> : " + acc +
         "\n  %acc = scf.for %t = %c0 to %steps step %c1 iter_args(%s = %z) -> (" + acc +
         ") {\n    %d:" + std::to_string(spatial + 1) + " = affine.delinearize_index %t into (" + basis +
         std::to_string(blocks) + ") : index" + repeated(", index", spatial) + "\n    %c = arith.muli %d#" +
         std::to_string(spatial) +
         ", %bc : index\n    %q0 = arith.muli %i, %P : index\n    %q = arith.addi %q0, %p : index\n    %a4 = tile.load "
         "%V[%q, " +
         taps + "%c] {tag = \"x\"} : " + v + " -> " + a4 + "\n    %a = tile.reshape %a4 : " + a4 + " -> " + a +
         "\n    %b = tile.load %W[" + taps + "%f, %c] {tag = \"w\"} : " + w + " -> " + b +
         "\n    %r = tile.dot %a, %b, %s {tag = \"mma\", trans_b} : " + a + ", " + b + " -> " + acc +
         "\n    scf.yield %r : " + acc + "\n  } {tile.loop = #tile.loop<\"rsc\", reduce>}\n  tile.yield %acc : " + acc +
         "\n} finish {\n^bb0(" + args + ", %acc: " + acc + "):\n  %Y = tile.view %y[%N] : !tile.ref<f32, out> -> " + y +
         "\n  tile.store %acc, %Y[%i, %p, %f] : " + acc + ", " + y + "\n  tile.yield\n}\n";
    return s;
  }

private:
  std::vector<int64_t> pads() const {
    std::vector<int64_t> all = begin;
    all.insert(all.end(), end.begin(), end.end());
    return all;
  }
  static std::string repeated(const std::string &what, size_t n) {
    std::string s;
    while (n--)
      s += what;
    return s;
  }
};

} // namespace adze::test

#endif
