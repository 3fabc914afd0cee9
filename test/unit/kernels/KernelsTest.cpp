// Kernels against plain loops: every form, sizes that divide nothing, dynamic and empty extents.
#include "test/unit/kernels/KernelsHarness.h"
#include <cmath>

using namespace adze;
using namespace adze::test;
using namespace mlir;

namespace {

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

//===-- pointwise and moves
//----------------------------------------------------------------------------------------===//

TEST_F(KernelsTest, PointwiseBroadcastsOverSixDynamicDims) {
  const char *text =
      R"(module attributes {graph.symbols = [{name = "n", kind = "input_dim", input = 0, axis = 0, min = 0, max = 9}]} {
  func.func @main(%a: tensor<?x2x1x2x1x3xf32, affine_map<()[s0] -> (s0, 2, 1, 2, 1, 3)>>, %b: tensor<2x1x2x1xf32>)
      -> tensor<?x2x2x2x2x3xf32, affine_map<()[s0] -> (s0, 2, 2, 2, 2, 3)>> {
    %0 = graph.sub %a, %b : (tensor<?x2x1x2x1x3xf32, affine_map<()[s0] -> (s0, 2, 1, 2, 1, 3)>>, tensor<2x1x2x1xf32>)
      -> tensor<?x2x2x2x2x3xf32, affine_map<()[s0] -> (s0, 2, 2, 2, 2, 3)>>
    return %0 : tensor<?x2x2x2x2x3xf32, affine_map<()[s0] -> (s0, 2, 2, 2, 2, 3)>>
  }})";
  for (int64_t n : {0, 1, 3}) {
    Values a = integers(n * 12, 1), b = integers(4, 2);
    Values y = run1(text, {host(DType::F32, {n, 2, 1, 2, 1, 3}, a), host(DType::F32, {2, 1, 2, 1}, b)}, "BM=2 BN=2");
    ASSERT_EQ(y.size(), size_t(n) * 48);
    for (int64_t i = 0; i < n * 48; ++i) {
      int64_t f = i % 3, e = i / 3 % 2, d = i / 6 % 2, c = i / 12 % 2, outer = i / 24;
      EXPECT_EQ(y[i], a[(outer * 2 + d) * 3 + f] - b[c * 2 + e]) << i;
    }
  }
}

TEST_F(KernelsTest, IntegerDivisionHasNoUndefinedCases) {
  const char *text =
      R"(func.func @main(%a: tensor<5xi32>, %b: tensor<5xi32>) -> (tensor<5xi32>, tensor<5xi32>, tensor<5xi32>) {
    %0 = graph.div %a, %b : (tensor<5xi32>, tensor<5xi32>) -> tensor<5xi32>
    %1 = graph.rem %a, %b : (tensor<5xi32>, tensor<5xi32>) -> tensor<5xi32>
    %2 = graph.mod %a, %b : (tensor<5xi32>, tensor<5xi32>) -> tensor<5xi32>
    return %0, %1, %2 : tensor<5xi32>, tensor<5xi32>, tensor<5xi32>
  })";
  double low = -2147483648.0;
  auto y =
      run(text, {host(DType::I32, {5}, {7, -7, 5, low, -7}), host(DType::I32, {5}, {-2, 2, 0, -1, -2})}, PlainTarget());
  ASSERT_EQ(y.size(), 3u);
  EXPECT_EQ(y[0], (Values{-3, -3, 0, low, 3}));
  EXPECT_EQ(y[1], (Values{1, -1, 0, 0, -1}));
  EXPECT_EQ(y[2], (Values{-1, 1, 0, 0, -1}));
}

TEST_F(KernelsTest, FusedEdgesRoundOnlyWhenAsked) {
  const char *text = R"(func.func @main(%a: tensor<1xf16>) -> tensor<1xf16> {
    %y = graph.region "pointwise"(%a) : (tensor<1xf16>) -> tensor<1xf16> {
    ^bb0(%x: tensor<1xf16>):
      %0 = graph.constant {value = dense<2048.0> : tensor<f16>} : () -> tensor<f16>
      %1 = graph.add %x, %0 : (tensor<1xf16>, tensor<f16>) -> tensor<1xf16>
      %2 = graph.sub %1, %0 : (tensor<1xf16>, tensor<f16>) -> tensor<1xf16>
      graph.yield %2 : tensor<1xf16>
    }
    return %y : tensor<1xf16>
  })";
  HostTensor x = host(DType::F16, {1}, {0.5});
  EXPECT_EQ(run1(text, {x}), Values{0.5});
  options.roundFusedEdges = true;
  EXPECT_EQ(run1(text, {x}), Values{0});
}

TEST_F(KernelsTest, ReflectPadAndNegativeSteps) {
  const char *text = R"(func.func @main(%a: tensor<2x4xf32>, %v: tensor<f32>) -> (tensor<2x9xf32>, tensor<2x2xf32>) {
    %0 = graph.pad %a, %v {low = affine_map<() -> (0, 3)>, mode = #graph<pad_mode reflect>} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x9xf32>
    %1 = graph.slice %a {starts = affine_map<() -> (1, 3)>, steps = array<i64: -1, -2>} : (tensor<2x4xf32>) -> tensor<2x2xf32>
    return %0, %1 : tensor<2x9xf32>, tensor<2x2xf32>
  })";
  auto y = run(text, {host(DType::F32, {2, 4}, {0, 1, 2, 3, 4, 5, 6, 7}), host(DType::F32, {}, {9})}, PlainTarget());
  ASSERT_EQ(y.size(), 2u);
  EXPECT_EQ(y[0], (Values{3, 2, 1, 0, 1, 2, 3, 2, 1, 7, 6, 5, 4, 5, 6, 7, 6, 5}));
  EXPECT_EQ(y[1], (Values{7, 5, 3, 1}));
}

//===-- products
//---------------------------------------------------------------------------------------------------===//

TEST_F(KernelsTest, MatmulFormsAgreeWithLoops) {
  const char *base = R"(func.func @main(%a: tensor<3x1x5x7xELEM>, %b: tensor<2x7x6xELEM>) -> tensor<3x2x5x6xELEM> {
    %0 = graph.matmul %a, %b {trans_a = false, trans_b = false} : (tensor<3x1x5x7xELEM>, tensor<2x7x6xELEM>) -> tensor<3x2x5x6xELEM>
    return %0 : tensor<3x2x5x6xELEM>
  })";
  Values a = integers(3 * 5 * 7, 1), b = integers(2 * 7 * 6, 2), want(3 * 2 * 5 * 6);
  for (int p = 0; p < 3; ++p)
    for (int q = 0; q < 2; ++q)
      for (int i = 0; i < 5; ++i)
        for (int j = 0; j < 6; ++j)
          for (int k = 0; k < 7; ++k)
            want[((p * 2 + q) * 5 + i) * 6 + j] += a[(p * 5 + i) * 7 + k] * b[(q * 7 + k) * 6 + j];
  for (auto [elem, type] : {std::pair{"f32", DType::F32}, {"f64", DType::F64}, {"i32", DType::I32}})
    for (const char *plan : {"", "BM=2 BN=4 BK=3", "BM=3 BN=5 BK=2 split=3", "form=gemv BM=2 BN=3 BK=4",
                             "swap=1 BM=2 BN=4 BK=3", "swap=1 BM=3 BN=5 BK=2 split=2"})
      EXPECT_EQ(run1(replaced(base, "ELEM", elem), {host(type, {3, 1, 5, 7}, a), host(type, {2, 7, 6}, b)}, plan), want)
          << elem << " " << plan;
}

/// Plans with a packing for the operand of one family.
class PackingTarget : public PlainTarget {
public:
  PackingTarget(Plan plan, std::string operand, Attribute pack)
      : PlainTarget(std::move(plan)), operand(operand), attr(pack) {}
  Plan plan(const Problem &p, ArrayRef<TargetArch> archs) const override {
    Plan plan = PlainTarget::plan(p, archs);
    plan.packing[operand] = attr;
    return plan;
  }
  std::string operand;
  Attribute attr;
};

TEST_F(KernelsTest, PackedWeightsGiveTheSameProduct) {
  Values a = integers(3 * 10, 1), b = integers(10 * 7, 2), want(3 * 7);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 7; ++j)
      for (int k = 0; k < 10; ++k)
        want[i * 7 + j] += a[i * 10 + k] * b[j * 10 + k];
  auto id = weights.addInline(DType::F32, {7, 10}, host(DType::F32, {7, 10}, b).bytes, "w");
  ASSERT_EQ(*id, 0u);
  const char *text = R"(func.func @main(%a: tensor<3x10xf32>) -> tensor<3x7xf32> {
    %b = graph.weight {id = 0, name = "w"} : () -> tensor<7x10xf32>
    %0 = graph.matmul %a, %b {trans_a = false, trans_b = true} : (tensor<3x10xf32>, tensor<7x10xf32>) -> tensor<3x7xf32>
    return %0 : tensor<3x7xf32>
  })";
  AffineExpr k = getAffineDimExpr(0, &context), n = getAffineDimExpr(1, &context);
  auto map = AffineMap::get(2, 0, {n.floorDiv(4), k.floorDiv(2), n % 4, k % 2}, &context);
  PackingTarget target(parsePlan("BM=2 BN=8 BK=4"), "b", tile::PackAttr::get(&context, map, {2, 4}, ""));
  auto y = run(text, {host(DType::F32, {3, 10}, a)}, target);
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0], want);
  ASSERT_EQ(weights.size(), 2u) << "one packed copy";
  EXPECT_EQ(weights.dims(1), (ArrayRef<int64_t>{2, 5, 4, 2}));
  // Rows along k of whole blocks.
  map = AffineMap::get(2, 0, {n, k.floorDiv(4), k % 4}, &context);
  for (const char *plan : {"BM=2 BN=3 BK=4", "BM=2 BN=8 BK=8 swap=1"}) {
    PackingTarget rows(parsePlan(plan), "b", tile::PackAttr::get(&context, map, {4, 1}, ""));
    y = run(text, {host(DType::F32, {3, 10}, a)}, rows);
    ASSERT_EQ(y.size(), 1u) << plan;
    EXPECT_EQ(y[0], want) << plan;
    EXPECT_EQ(weights.dims(weights.size() - 1), (ArrayRef<int64_t>{7, 3, 4})) << plan;
  }
}

/// Direct convolution over [N, C, H, W].
Values convolve(const Values &x, const Values &w, int n, int c, int h, int wd, int f, int r, int s, int group, int sh,
                int sw, int dh, int dw, int ph, int pw, int oh, int ow) {
  Values y(n * f * oh * ow);
  int cg = c / group, fg = f / group;
  for (int in = 0; in < n; ++in)
    for (int of = 0; of < f; ++of)
      for (int p = 0; p < oh; ++p)
        for (int q = 0; q < ow; ++q)
          for (int ic = 0; ic < cg; ++ic)
            for (int i = 0; i < r; ++i)
              for (int j = 0; j < s; ++j) {
                int a = p * sh - ph + i * dh, b = q * sw - pw + j * dw;
                if (a >= 0 && a < h && b >= 0 && b < wd)
                  y[((in * f + of) * oh + p) * ow + q] +=
                      x[((in * c + of / fg * cg + ic) * h + a) * wd + b] * w[((of * cg + ic) * r + i) * s + j];
              }
  return y;
}

TEST_F(KernelsTest, ConvolutionFormsAgreeWithLoops) {
  const char *text =
      R"(func.func @main(%x: tensor<2x6x7x8xf32>, %w: tensor<4x3x3x2xf32>, %b: tensor<4xf32>) -> tensor<2x4x3x7xf32> {
    %0 = graph.conv %x, %w, %b {strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, pads = array<i64: 1, 0, 0, 1>, group = 2 : i64} : (tensor<2x6x7x8xf32>, tensor<4x3x3x2xf32>, tensor<4xf32>) -> tensor<2x4x3x7xf32>
    return %0 : tensor<2x4x3x7xf32>
  })";
  Values x = integers(2 * 6 * 7 * 8, 1), w = integers(4 * 3 * 3 * 2, 2), b = integers(4, 3);
  Values want = convolve(x, w, 2, 6, 7, 8, 4, 3, 2, 2, 2, 1, 1, 2, 1, 0, 3, 7);
  for (size_t i = 0; i < want.size(); ++i)
    want[i] += b[i / 21 % 4];
  HostTensor inputs[] = {host(DType::F32, {2, 6, 7, 8}, x), host(DType::F32, {4, 3, 3, 2}, w),
                         host(DType::F32, {4}, b)};
  for (const char *plan : {"", "merge=0", "merge=0 BF=3 BP=5 BC=2", "merge=0 form=row BF=2 BP=4 BC=3", "swap=0 BP=5",
                           "merge=0 swap=0 form=row BP=3 BC=2", "merge=1 form=row BP=4", "merge=0 BC=2 split=4",
                           "merge=0 swap=0 form=row BP=3 BC=1 split=20"})
    EXPECT_EQ(run1(text, inputs, plan), want) << plan;
}

TEST_F(KernelsTest, PackedConvolutionWeights) {
  Values x = integers(5 * 6 * 6, 1), w = integers(7 * 5 * 3 * 3, 2);
  Values want = convolve(x, w, 1, 5, 6, 6, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 6, 6);
  ASSERT_EQ(*weights.addInline(DType::F32, {7, 5, 3, 3}, host(DType::F32, {7, 5, 3, 3}, w).bytes, "w"), 0u);
  const char *text = R"(func.func @main(%x: tensor<1x5x6x6xf32>) -> tensor<1x7x6x6xf32> {
    %w = graph.weight {id = 0, name = "w"} : () -> tensor<7x5x3x3xf32>
    %0 = graph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 1 : i64} : (tensor<1x5x6x6xf32>, tensor<7x5x3x3xf32>) -> tensor<1x7x6x6xf32>
    return %0 : tensor<1x7x6x6xf32>
  })";
  SmallVector<AffineExpr> d;
  for (unsigned i = 0; i < 5; ++i)
    d.push_back(getAffineDimExpr(i, &context));
  auto map = AffineMap::get(5, 0, {d[0], d[4].floorDiv(4), d[1], d[2], d[3], d[4] % 4}, &context);
  auto pack = tile::PackAttr::get(&context, map, {1, 1, 1, 1, 4}, "");
  for (const char *plan : {"BF=8 BP=5 BC=2 merge=0", "BF=4 BP=7 merge=1", "BF=8 swap=0 merge=0"}) {
    auto y = run(text, {host(DType::F32, {1, 5, 6, 6}, x)}, PackingTarget(parsePlan(plan), "w", pack));
    ASSERT_EQ(y.size(), 1u) << plan;
    EXPECT_EQ(y[0], want) << plan;
  }
  EXPECT_EQ(weights.size(), 4u) << "each run packed once";
}

TEST_F(KernelsTest, DepthwiseAndPooling) {
  const char *text =
      R"(func.func @main(%x: tensor<1x3x5x6xf32>, %w: tensor<3x1x3x3xf32>) -> (tensor<1x3x3x3xf32>, tensor<1x3x3x3xf32>) {
    %0 = graph.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 3 : i64} : (tensor<1x3x5x6xf32>, tensor<3x1x3x3xf32>) -> tensor<1x3x3x3xf32>
    %1 = graph.pool %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, count_pads = array<i64: 1, 1, 1, 1>, kind = #graph<pool_kind maxpool>} : (tensor<1x3x5x6xf32>) -> tensor<1x3x3x3xf32>
    return %0, %1 : tensor<1x3x3x3xf32>, tensor<1x3x3x3xf32>
  })";
  Values x = integers(90, 1, -9, -1), w = integers(27, 2),
         sum = convolve(x, w, 1, 3, 5, 6, 3, 3, 3, 3, 2, 2, 1, 1, 1, 1, 3, 3);
  Values largest(27, -INFINITY);
  for (int c = 0; c < 3; ++c)
    for (int p = 0; p < 3; ++p)
      for (int q = 0; q < 3; ++q)
        for (int i = std::max(0, 2 * p - 1); i < std::min(5, 2 * p + 2); ++i)
          for (int j = std::max(0, 2 * q - 1); j < std::min(6, 2 * q + 2); ++j)
            largest[(c * 3 + p) * 3 + q] = std::max(largest[(c * 3 + p) * 3 + q], x[(c * 5 + i) * 6 + j]);
  for (const char *plan : {"", "BF=2 BC=2 BP=4", "form=row BP=2"}) {
    auto y =
        run(text, {host(DType::F32, {1, 3, 5, 6}, x), host(DType::F32, {3, 1, 3, 3}, w)}, PlainTarget(parsePlan(plan)));
    ASSERT_EQ(y.size(), 2u);
    EXPECT_EQ(y[0], sum) << plan;
    EXPECT_EQ(y[1], largest) << plan;
  }
}

//===-- rows
//-------------------------------------------------------------------------------------------------------===//

TEST_F(KernelsTest, ReductionsOverMixedAxesAndEmptyOnes) {
  const char *text =
      R"(module attributes {graph.symbols = [{name = "n", kind = "input_dim", input = 0, axis = 1, min = 0, max = 9}]} {
  func.func @main(%a: tensor<2x?x3x4xf32, affine_map<()[s0] -> (2, s0, 3, 4)>>) -> (tensor<2x1x3x1xf32>, tensor<2x1x3x1xf32>) {
    %0 = graph.reduce %a {axes = array<i64: 1, 3>, kind = #graph<reduce_kind sum>} : (tensor<2x?x3x4xf32, affine_map<()[s0] -> (2, s0, 3, 4)>>) -> tensor<2x1x3x1xf32>
    %1 = graph.reduce %a {axes = array<i64: 1, 3>, kind = #graph<reduce_kind max>} : (tensor<2x?x3x4xf32, affine_map<()[s0] -> (2, s0, 3, 4)>>) -> tensor<2x1x3x1xf32>
    return %0, %1 : tensor<2x1x3x1xf32>, tensor<2x1x3x1xf32>
  }})";
  for (int64_t n : {0, 1, 5})
    for (const char *plan : {"", "BM=2 BK=3", "BM=2 BK=3 split=2", "BM=2 BK=1 share=2"}) {
      Values a = integers(24 * n, 4), sum(6, 0), most(6, -INFINITY);
      for (int64_t i = 0; i < 24 * n; ++i) {
        int64_t at = i / (12 * n) * 3 + i / 4 % 3;
        sum[at] += a[i];
        most[at] = std::max(most[at], a[i]);
      }
      auto y = run(text, {host(DType::F32, {2, n, 3, 4}, a)}, PlainTarget(parsePlan(plan)));
      ASSERT_EQ(y.size(), 2u);
      EXPECT_EQ(y[0], sum) << n << " " << plan;
      EXPECT_EQ(y[1], most) << n << " " << plan;
    }
}

TEST_F(KernelsTest, SoftmaxWithoutAnyFiniteStartIsNotPoisoned) {
  // The first chunk of the walk holds only -inf.
  const char *text = R"(func.func @main(%a: tensor<1x4xf32>) -> tensor<1x4xf32> {
    %0 = graph.softmax %a {axis = 1 : i64, log = false} : (tensor<1x4xf32>) -> tensor<1x4xf32>
    return %0 : tensor<1x4xf32>
  })";
  HostTensor x = host(DType::F32, {1, 4}, {-INFINITY, -INFINITY, 1, 1});
  for (const char *plan : {"", "form=two_pass BK=2", "form=two_pass BK=3"})
    EXPECT_EQ(run1(text, {x}, plan), (Values{0, 0, 0.5, 0.5})) << plan;
}

TEST_F(KernelsTest, RowOfAttentionWithoutVisibleKeys) {
  const char *text =
      R"(func.func @main(%q: tensor<1x1x2x2xf32>, %k: tensor<1x1x3x2xf32>, %m: tensor<2x3xf32>) -> (tensor<1x1x2x2xf32>, tensor<1x1x2x2xf32>) {
    %0 = graph.attention %q, %k, %k, %m {scale = 1.0 : f32, causal = false} : (tensor<1x1x2x2xf32>, tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>, tensor<2x3xf32>) -> tensor<1x1x2x2xf32>
    %1 = graph.attention %q, %k, %k, %m {scale = 1.0 : f32, causal = false, nan_masked} : (tensor<1x1x2x2xf32>, tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>, tensor<2x3xf32>) -> tensor<1x1x2x2xf32>
    return %0, %1 : tensor<1x1x2x2xf32>, tensor<1x1x2x2xf32>
  })";
  HostTensor inputs[] = {host(DType::F32, {1, 1, 2, 2}, integers(4, 1)), host(DType::F32, {1, 1, 3, 2}, integers(6, 2)),
                         host(DType::F32, {2, 3}, {-INFINITY, -INFINITY, -INFINITY, 0, -INFINITY, -INFINITY})};
  for (const char *plan : {"", "BN=1 split=2", "BN=1 split=5", "BN=1 share=1"}) {
    SCOPED_TRACE(plan);
    auto got = run(text, inputs, PlainTarget(parsePlan(plan)));
    ASSERT_EQ(got.size(), 2u);
    Values key = integers(6, 2); // the second query sees the first key only
    EXPECT_EQ(got[0], (Values{0, 0, key[0], key[1]}));
    EXPECT_TRUE(std::isnan(got[1][0]) && std::isnan(got[1][1]));
    EXPECT_EQ(got[1][2], key[0]);
  }
}

TEST_F(KernelsTest, IntegerDataDoesNotDependOnThePlan) {
  const char *text =
      R"(func.func @main(%q: tensor<1x2x5x4xf32>, %k: tensor<1x1x7x4xf32>, %s: tensor<4xf32>) -> (tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) {
    %0 = graph.attention %q, %k, %k {scale = 1.0 : f32, causal = true} : (tensor<1x2x5x4xf32>, tensor<1x1x7x4xf32>, tensor<1x1x7x4xf32>) -> tensor<1x2x5x4xf32>
    %1 = graph.softmax %q {axis = 2 : i64, log = false} : (tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32>
    %2 = graph.layer_norm %q scale %s {axis = 3 : i64, eps = 1.0e-5 : f32, rms = false} : (tensor<1x2x5x4xf32>, tensor<4xf32>) -> tensor<1x2x5x4xf32>
    return %0, %1, %2 : tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>
  })";
  options.integerData = true;
  HostTensor inputs[] = {host(DType::F32, {1, 2, 5, 4}, integers(40, 1)),
                         host(DType::F32, {1, 1, 7, 4}, integers(28, 2)), host(DType::F32, {4}, integers(4, 3))};
  auto want = run(text, inputs, PlainTarget());
  ASSERT_EQ(want.size(), 3u);
  for (const char *plan : {"BM=2 BN=3 BK=2", "BM=3 BN=2 BK=3 form=two_pass", "BM=2 BN=2 split=3", "BM=3 BN=3 share=2"})
    EXPECT_EQ(run(text, inputs, PlainTarget(parsePlan(plan))), want) << plan;
}

//===-- the driver
//-------------------------------------------------------------------------------------------------===//

TEST_F(KernelsTest, EqualKernelsAreBuiltOnce) {
  const char *text = R"(func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
    %0 = graph.exp %a : (tensor<4xf32>) -> tensor<4xf32>
    %1 = graph.exp %0 : (tensor<4xf32>) -> tensor<4xf32>
    %2 = graph.neg %1 : (tensor<4xf32>) -> tensor<4xf32>
    return %2 : tensor<4xf32>
  })";
  auto module = build(text, PlainTarget());
  std::vector<std::string> names;
  module->walk([&](tile::KernelOp kernel) { names.push_back(kernel.getSymName().str()); });
  EXPECT_EQ(names, (std::vector<std::string>{"pointwise_flat_0", "pointwise_flat_1"}));
}

TEST_F(KernelsTest, ConstantOperandsOfAnchors) {
  const char *text = R"(func.func @main(%i: tensor<2xi64>, %u: tensor<2xf32>) -> tensor<4xf32> {
    %z = graph.constant {value = dense<1.0> : tensor<4xf32>} : () -> tensor<4xf32>
    %0 = graph.scatter_elements %z, %i, %u {axis = 0 : i64, kind = #graph<scatter_kind add>} : (tensor<4xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<4xf32>
    return %0 : tensor<4xf32>
  })";
  EXPECT_EQ(run1(text, {host(DType::I64, {2}, {-1, 3}), host(DType::F32, {2}, {5, 7})}), (Values{1, 1, 1, 13}));
}

TEST_F(KernelsTest, ProductsReadOperandsThroughViews) {
  const char *text = R"(func.func @main(%a: tensor<6x3x8xf32>, %b: tensor<5x8xf32>) -> tensor<3x4x5xf32> {
    %y = graph.region "matmul"(%a, %b) : (tensor<6x3x8xf32>, tensor<5x8xf32>) -> tensor<3x4x5xf32> {
    ^bb0(%x: tensor<6x3x8xf32>, %w: tensor<5x8xf32>):
      %0 = graph.slice %x {starts = affine_map<() -> (1, 0, 0)>, steps = array<i64: 1, 1, 1>} : (tensor<6x3x8xf32>) -> tensor<4x3x8xf32>
      %1 = graph.transpose %0 {perm = array<i64: 1, 0, 2>} : (tensor<4x3x8xf32>) -> tensor<3x4x8xf32>
      %2 = graph.transpose %w {perm = array<i64: 1, 0>} : (tensor<5x8xf32>) -> tensor<8x5xf32>
      %3 = graph.matmul %1, %2 {trans_a = false, trans_b = false} : (tensor<3x4x8xf32>, tensor<8x5xf32>) -> tensor<3x4x5xf32>
      graph.yield %3 : tensor<3x4x5xf32>
    }
    return %y : tensor<3x4x5xf32>
  })";
  Values a = integers(6 * 3 * 8, 1), b = integers(40, 2), want(60);
  for (int h = 0; h < 3; ++h)
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 5; ++j)
        for (int k = 0; k < 8; ++k)
          want[(h * 4 + i) * 5 + j] += a[((i + 1) * 3 + h) * 8 + k] * b[j * 8 + k];
  for (const char *plan : {"", "BM=3 BN=2 BK=3"})
    EXPECT_EQ(run1(text, {host(DType::F32, {6, 3, 8}, a), host(DType::F32, {5, 8}, b)}, plan), want) << plan;
}

TEST_F(KernelsTest, ResultsMayTakeOverOperandsReadInPlace) {
  const char *text =
      R"(func.func @main(%a: tensor<4x6xf32>, %b: tensor<6xf32>, %w: tensor<6x6xf32>) -> (tensor<4x6xf32>, tensor<6x4xf32>, tensor<4x6xf32>, tensor<4x6xi1>) {
    %0 = graph.add %b, %a : (tensor<6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
    %1 = graph.transpose %a {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
    %2 = graph.region "matmul"(%a, %w, %0) : (tensor<4x6xf32>, tensor<6x6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32> {
    ^bb0(%x: tensor<4x6xf32>, %y: tensor<6x6xf32>, %r: tensor<4x6xf32>):
      %5 = graph.matmul %x, %y {trans_a = false, trans_b = false} : (tensor<4x6xf32>, tensor<6x6xf32>) -> tensor<4x6xf32>
      %6 = graph.add %x, %5 : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
      %7 = graph.add %6, %r : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
      graph.yield %7 : tensor<4x6xf32>
    }
    %3 = graph.isnan %a : (tensor<4x6xf32>) -> tensor<4x6xi1>
    return %0, %1, %2, %3 : tensor<4x6xf32>, tensor<6x4xf32>, tensor<4x6xf32>, tensor<4x6xi1>
  })";
  auto module = build(text, PlainTarget());
  std::vector<int64_t> aliases;
  module->walk([&](exec::LaunchOp launch) { aliases.push_back(launch.getAliases() ? (*launch.getAliases())[0] : -1); });
  // The broadcast operand, the transposed one, the product's own operand and the wider elements do not qualify.
  EXPECT_EQ(aliases, (std::vector<int64_t>{1, -1, 2, -1}));
}

TEST_F(KernelsTest, RefusesWhatHasNoBuilder) {
  const char *text =
      R"(module attributes {graph.symbols = [{name = "d", kind = "input_dim", input = 0, axis = 3, min = 1, max = 9}]} {
  func.func @main(%q: tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>) -> tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>> {
    %0 = graph.attention %q, %q, %q {scale = 1.0 : f32, causal = false} : (tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>, tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>, tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>) -> tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>
    return %0 : tensor<1x2x5x?xf32, affine_map<()[s0] -> (1, 2, 5, s0)>>
  }})";
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << message;
  EXPECT_TRUE(failed(buildKernels(*module, PlainTarget(), {}, &weights, options)));
  EXPECT_NE(message.find("head size"), std::string::npos) << message;
}

} // namespace
