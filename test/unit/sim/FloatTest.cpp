// Floating-point instructions and cvt against values worked out from their definitions. The number library has its own
// tests of rounding; these hold the decoding of modifiers and operands.
#include "InstructionTable.h"

using namespace adze::sim::test;

namespace {
constexpr uint64_t one = 0x3f800000, two = 0x40000000, three = 0x40400000, minusOne = 0xbf800000, nan32 = 0x7fffffff;
constexpr uint64_t infinity = 0x7f800000, tiny = 1, half1 = 0x3c00, bf1 = 0x3f80;
} // namespace

TEST(Float, Rounding) {
  // 1 + 2^-24 lies halfway to the next f32 above 1; 1 + 2^-25 below the middle.
  const uint64_t ulpHalf = 0x33800000, next = one + 1;
  checkRows({
      {"add.f32 %d, %a, %b;", {32}, one, ulpHalf, 0, 0, one},
      {"add.rn.f32 %d, %a, %b;", {32}, next, ulpHalf, 0, 0, next + 1},
      {"add.rz.f32 %d, %a, %b;", {32}, next, ulpHalf, 0, 0, next},
      {"add.rp.f32 %d, %a, %b;", {32}, one, ulpHalf, 0, 0, next},
      {"add.rm.f32 %d, %a, %b;", {32}, minusOne, ulpHalf | 0x80000000, 0, 0, 0xbf800001},
      {"add.rp.f32 %d, %a, %b;", {32}, minusOne, ulpHalf | 0x80000000, 0, 0, minusOne},
      {"sub.rz.f32 %d, %a, %b;", {32}, one, 0x33000000, 0, 0, 0x3f7fffff},
      {"mul.rz.f32 %d, %a, %b;", {32}, 0x3f800001, 0x3f800001, 0, 0, 0x3f800002},
      {"mul.rp.f32 %d, %a, %b;", {32}, 0x3f800001, 0x3f800001, 0, 0, 0x3f800003},
      {"fma.rn.f32 %d, %a, %b, %c;", {32}, 0x3f800001, 0x3f800001, 0xbf800002, 0, 0x28800000}, // 2^-46
      {"mad.rn.f32 %d, %a, %b, %c;", {32}, two, three, one, 0, 0x40e00000},
      {"fma.rz.f32 %d, %a, %b, %c;", {32}, one, one, 0xb3000000, 0, 0x3f7fffff},
      {"div.rn.f32 %d, %a, %b;", {32}, one, three, 0, 0, 0x3eaaaaab},
      {"div.rz.f32 %d, %a, %b;", {32}, one, three, 0, 0, 0x3eaaaaaa},
      {"div.rp.f32 %d, %a, %b;", {32}, minusOne, three, 0, 0, 0xbeaaaaaa},
      {"rcp.rn.f32 %d, %a;", {32}, three, 0, 0, 0, 0x3eaaaaab},
      {"rcp.rm.f32 %d, %a;", {32}, three, 0, 0, 0, 0x3eaaaaaa},
      {"sqrt.rn.f32 %d, %a;", {32}, two, 0, 0, 0, 0x3fb504f3},
      {"sqrt.rp.f32 %d, %a;", {32}, two, 0, 0, 0, 0x3fb504f4},
      {"sqrt.rn.f32 %d, %a;", {32}, minusOne, 0, 0, 0, nan32},
      {"add.rz.f64 %d, %a, %b;", {64}, 0x3ff0000000000001, 0x3ca0000000000000, 0, 0, 0x3ff0000000000001},
      {"add.rp.f64 %d, %a, %b;", {64}, 0x3ff0000000000000, 0x3ca0000000000000, 0, 0, 0x3ff0000000000001},
      {"fma.rn.f64 %d, %a, %b, %c;",
       {64},
       0x4000000000000000,
       0x4008000000000000,
       0x3ff0000000000000,
       0,
       0x401c000000000000},
      {"div.rn.f64 %d, %a, %b;", {64}, 0x3ff0000000000000, 0x4008000000000000, 0, 0, 0x3fd5555555555555},
      {"sqrt.rn.f64 %d, %a;", {64}, 0x4010000000000000, 0, 0, 0, 0x4000000000000000},
      {"rcp.rn.f64 %d, %a;", {64}, 0x4000000000000000, 0, 0, 0, 0x3fe0000000000000},
  });
}

TEST(Float, Modifiers) {
  checkRows({
      {"add.ftz.f32 %d, %a, %b;", {32}, tiny, tiny, 0, 0, 0},
      {"add.f32 %d, %a, %b;", {32}, tiny, tiny, 0, 0, 2},
      {"mul.ftz.f32 %d, %a, %b;", {32}, 0x80000001, one, 0, 0, 0x80000000},
      {"add.sat.f32 %d, %a, %b;", {32}, one, one, 0, 0, one},
      {"add.sat.f32 %d, %a, %b;", {32}, nan32, one, 0, 0, 0},
      {"sub.sat.f32 %d, %a, %b;", {32}, one, two, 0, 0, 0},
      {"add.rn.ftz.sat.f32 %d, %a, %b;", {32}, tiny, minusOne, 0, 0, 0},
      {"add.f32 %d, %a, %b;", {32}, infinity, 0xff800000, 0, 0, nan32},
      {"add.f32 %d, %a, %b;", {32}, 0x7f812345, one, 0, 0, nan32},
      {"min.f32 %d, %a, %b;", {32}, nan32, one, 0, 0, one},
      {"min.f32 %d, %a, %b;", {32}, nan32, 0xffc00000, 0, 0, nan32},
      {"min.NaN.f32 %d, %a, %b;", {32}, 0x7fc00000, one, 0, 0, nan32},
      {"min.f32 %d, %a, %b;", {32}, 0, 0x80000000, 0, 0, 0x80000000},
      {"max.f32 %d, %a, %b;", {32}, 0x80000000, 0, 0, 0, 0},
      {"max.f32 %d, %a, %b;", {32}, minusOne, 0xc0000000, 0, 0, minusOne},
      {"max.xorsign.abs.f32 %d, %a, %b;", {32}, minusOne, two, 0, 0, 0xc0000000},
      {"min.ftz.f32 %d, %a, %b;", {32}, tiny, one, 0, 0, 0},
      {"min.f64 %d, %a, %b;", {64}, 0x7ff8000000000000, 0x3ff0000000000000, 0, 0, 0x3ff0000000000000},
      {"abs.f32 %d, %a;", {32}, minusOne, 0, 0, 0, one},
      {"neg.f32 %d, %a;", {32}, one, 0, 0, 0, minusOne},
      {"abs.ftz.f32 %d, %a;", {32}, 0x80000001, 0, 0, 0, 0},
      {"neg.f64 %d, %a;", {64}, 0x3ff0000000000000, 0, 0, 0, 0xbff0000000000000},
      {"copysign.f32 %d, %a, %b;", {32}, minusOne, two, 0, 0, 0xc0000000},
      {"copysign.f64 %d, %a, %b;", {64}, 0x3ff0000000000000, 0xc000000000000000, 0, 0, 0x4000000000000000},
      {"testp.notanumber.f32 %p, %a; testp.number.f32 %q, %a;", {32}, nan32, 0, 0, 0, 1, true},
      {"testp.infinite.f32 %p, %a; testp.finite.f32 %q, %a;", {32}, infinity, 0, 0, 0, 1, true},
      {"testp.subnormal.f32 %p, %a; testp.normal.f32 %q, %a;", {32}, tiny, 0, 0, 0, 1, true},
  });
}

TEST(Float, Halves) {
  checkRows({
      {"add.f16 %d, %a, %b;", {16}, half1, half1, 0, 0, 0x4000},
      {"add.sat.f16 %d, %a, %b;", {16}, half1, half1, 0, 0, half1},
      {"mul.f16x2 %d, %a, %b;", {32}, 0x40003c00, 0x40004000, 0, 0, 0x44004000},
      {"sub.f16x2 %d, %a, %b;", {32}, 0x40003c00, 0x3c003c00, 0, 0, 0x3c000000},
      {"fma.rn.f16 %d, %a, %b, %c;", {16}, 0x4000, 0x4200, half1, 0, 0x4700},
      {"fma.rn.relu.f16 %d, %a, %b, %c;", {16}, 0xc000, 0x4200, half1, 0, 0},
      {"fma.rn.f16x2 %d, %a, %b, %c;", {32}, 0x40003c00, 0x40004000, 0x3c003c00, 0, 0x45004200},
      {"fma.rn.bf16 %d, %a, %b, %c;", {16}, 0x4000, 0x4040, bf1, 0, 0x40e0},
      {"fma.rn.bf16x2 %d, %a, %b, %c;", {32}, 0x40003f80, 0x40003f80, 0x3f803f80, 0, 0x40a04000},
      {"add.bf16 %d, %a, %b;", {16}, bf1, bf1, 0, 0, 0x4000},
      {"mul.bf16x2 %d, %a, %b;", {32}, 0x40003f80, 0x40004000, 0, 0, 0x40804000},
      {"min.f16x2 %d, %a, %b;", {32}, 0x3c00bc00, 0x40007e00, 0, 0, 0x3c00bc00},
      {"max.NaN.bf16x2 %d, %a, %b;", {32}, 0x3f807fc0, 0x40003f80, 0, 0, 0x40007fff},
      {"neg.f16x2 %d, %a;", {32}, 0x3c00bc00, 0, 0, 0, 0xbc003c00},
      {"abs.bf16x2 %d, %a;", {32}, 0x3f80bf80, 0, 0, 0, 0x3f803f80},
  });
}

TEST(Float, BlackwellForms) {
  checkRows(
      {
          {"fma.rn.f32x2 %d, %a, %b, %c;",
           {64},
           0x4000000040400000,
           0x4040000040000000,
           0x3f8000003f800000,
           0,
           0x40e0000040e00000},
          {"add.rz.ftz.f32x2 %d, %a, %b;", {64}, 0x3f80000000000001, 0x3f80000000000001, 0, 0, 0x4000000000000000},
          {"mul.f32x2 %d, %a, %b;", {64}, 0x4000000040400000, 0x4040000040000000, 0, 0, 0x40c0000040c00000},
          {"min.f32 %d, %a, %b, %c;", {32}, two, minusOne, three, 0, minusOne},
          {"max.NaN.f32 %d, %a, %b, %c;", {32}, two, nan32, three, 0, nan32},
          {"max.f32 %d, %a, %b, %c;", {32}, two, nan32, three, 0, three},
      },
      100, "8.8");
  checkRefused("add.f32x2 %d1, %d2, %d3;", "needs .target sm_100");
  checkRefused("max.f32 %r1, %r2, %r3, %r4;", "needs .target sm_100");
}

TEST(Float, Approximations) {
  checkRows({
      {"ex2.approx.f32 %d, %a;", {32}, three, 0, 0, 0, 0x41000000},
      {"ex2.approx.ftz.f32 %d, %a;", {32}, 0xc3020000, 0, 0, 0, 0}, // 2^-130
      {"ex2.approx.f32 %d, %a;", {32}, 0xc3020000, 0, 0, 0, 0x00080000},
      {"lg2.approx.f32 %d, %a;", {32}, 0x41000000, 0, 0, 0, three},
      {"lg2.approx.f32 %d, %a;", {32}, 0, 0, 0, 0, 0xff800000},
      {"rcp.approx.f32 %d, %a;", {32}, two, 0, 0, 0, 0x3f000000},
      {"rcp.approx.ftz.f32 %d, %a;", {32}, 0, 0, 0, 0, infinity},
      {"rsqrt.approx.f32 %d, %a;", {32}, 0x40800000, 0, 0, 0, 0x3f000000},
      {"sqrt.approx.f32 %d, %a;", {32}, 0x40800000, 0, 0, 0, two},
      {"sin.approx.f32 %d, %a;", {32}, 0, 0, 0, 0, 0},
      {"cos.approx.f32 %d, %a;", {32}, 0, 0, 0, 0, one},
      {"tanh.approx.f32 %d, %a;", {32}, infinity, 0, 0, 0, one},
      {"div.approx.f32 %d, %a, %b;", {32}, 0x40c00000, two, 0, 0, three},
      {"div.full.f32 %d, %a, %b;", {32}, 0x40c00000, three, 0, 0, two},
      {"ex2.approx.f16 %d, %a;", {16}, half1, 0, 0, 0, 0x4000},
      {"ex2.approx.f16x2 %d, %a;", {32}, 0x3c000000, 0, 0, 0, 0x40003c00},
      {"ex2.approx.ftz.bf16x2 %d, %a;", {32}, 0x3f800000, 0, 0, 0, 0x40003f80},
      {"rcp.approx.ftz.f64 %d, %a;", {64}, 0x4000000000000000, 0, 0, 0, 0x3fe0000000000000},
  });
}

TEST(Float, ConvertIntegers) {
  checkRows({
      {"cvt.u64.u32 %d, %a;", {64, 32}, 0x80000000, 0, 0, 0, 0x80000000},
      {"cvt.s64.s32 %d, %a;", {64, 32}, 0x80000000, 0, 0, 0, 0xffffffff80000000},
      {"cvt.u32.u64 %d, %a;", {32, 64}, 0x1234567890abcdef, 0, 0, 0, 0x90abcdef},
      {"cvt.s32.s8 %d, %a;", {32, 32}, 0x12345680, 0, 0, 0, 0xffffff80},
      {"cvt.u32.u8 %d, %a;", {32, 16}, 0x1280, 0, 0, 0, 0x80},
      {"cvt.u16.u8 %d, %a;", {16, 16}, 0x1280, 0, 0, 0, 0x80},
      {"cvt.s16.s8 %d, %a;", {16, 16}, 0x1280, 0, 0, 0, 0xff80},
      {"cvt.s8.s32 %d, %a;", {32, 32}, 0x00000180, 0, 0, 0, 0xffffff80},
      {"cvt.u16.u32 %d, %a;", {16, 32}, 0x12345678, 0, 0, 0, 0x5678},
      {"cvt.sat.s8.s32 %d, %a;", {32, 32}, 200, 0, 0, 0, 127},
      {"cvt.sat.u8.s32 %d, %a;", {32, 32}, 0xffffffff, 0, 0, 0, 0},
      {"cvt.sat.s32.s64 %d, %a;", {32, 64}, 0x8000000000000000, 0, 0, 0, 0x80000000},
  });
}

TEST(Float, ConvertFloats) {
  checkRows({
      {"cvt.rn.f32.s32 %d, %a;", {32}, 16777217, 0, 0, 0, 0x4b800000},
      {"cvt.rz.f32.s32 %d, %a;", {32}, 16777219, 0, 0, 0, 0x4b800001}, // nearest even would be ...02
      {"cvt.rp.f32.s32 %d, %a;", {32}, 16777217, 0, 0, 0, 0x4b800001},
      {"cvt.rm.f32.s32 %d, %a;", {32}, 0xfeffffff, 0, 0, 0, 0xcb800001},
      {"cvt.rz.f32.u32 %d, %a;", {32}, 0xffffffff, 0, 0, 0, 0x4f7fffff},
      {"cvt.rn.f32.u64 %d, %a;", {32, 64}, 0xffffffffffffffff, 0, 0, 0, 0x5f800000},
      {"cvt.rzi.s32.f32 %d, %a;", {32}, 0xc0200000, 0, 0, 0, 0xfffffffe}, // -2.5
      {"cvt.rni.s32.f32 %d, %a;", {32}, 0x40200000, 0, 0, 0, 2},
      {"cvt.rmi.s32.f32 %d, %a;", {32}, 0xc0200000, 0, 0, 0, 0xfffffffd},
      {"cvt.rpi.s32.f32 %d, %a;", {32}, 0x40200000, 0, 0, 0, 3},
      {"cvt.rzi.s32.f32 %d, %a;", {32}, nan32, 0, 0, 0, 0},
      {"cvt.rzi.s32.f32 %d, %a;", {32}, infinity, 0, 0, 0, 0x7fffffff},
      {"cvt.rzi.u32.f32 %d, %a;", {32}, minusOne, 0, 0, 0, 0},
      {"cvt.rzi.u8.f32 %d, %a;", {32}, 0x43960000, 0, 0, 0, 255}, // 300 clamps
      {"cvt.rzi.s64.f32 %d, %a;", {64, 32}, 0xdf000000, 0, 0, 0, 0x8000000000000000},
      {"cvt.rzi.f32.f32 %d, %a;", {32}, 0xc0200000, 0, 0, 0, 0xc0000000},
      {"cvt.rni.f32.f32 %d, %a;", {32}, 0x40600000, 0, 0, 0, 0x40800000},
      {"cvt.sat.f32.f32 %d, %a;", {32}, two, 0, 0, 0, one},
      {"cvt.f64.f32 %d, %a;", {64, 32}, one, 0, 0, 0, 0x3ff0000000000000},
      {"cvt.rn.f32.f64 %d, %a;", {32, 64}, 0x3ff0000010000000, 0, 0, 0, one},
      {"cvt.rp.f32.f64 %d, %a;", {32, 64}, 0x3ff0000010000000, 0, 0, 0, one + 1},
      {"cvt.f32.f16 %d, %a;", {32, 16}, half1, 0, 0, 0, one},
      {"cvt.f32.f16 %d, %a;", {32, 16}, 0x0001, 0, 0, 0, 0x33800000},
      {"cvt.f32.bf16 %d, %a;", {32, 16}, 0xbf80, 0, 0, 0, minusOne},
      {"cvt.rn.f16.f32 %d, %a;", {16, 32}, 0x477ff000, 0, 0, 0, 0x7c00}, // 65520
      {"cvt.rz.f16.f32 %d, %a;", {16, 32}, 0x477ff000, 0, 0, 0, 0x7bff},
      {"cvt.rn.bf16.f32 %d, %a;", {16, 32}, 0x3f808000, 0, 0, 0, 0x3f80},
      {"cvt.rn.bf16.f32 %d, %a;", {16, 32}, 0x3f818000, 0, 0, 0, 0x3f82},
      {"cvt.rn.relu.bf16.f32 %d, %a;", {16, 32}, minusOne, 0, 0, 0, 0},
      // The first operand goes into the upper half.
      {"cvt.rn.f16x2.f32 %d, %a, %b;", {32}, one, two, 0, 0, 0x3c004000},
      {"cvt.rn.bf16x2.f32 %d, %a, %b;", {32}, one, two, 0, 0, 0x3f804000},
      {"cvt.rz.bf16x2.f32 %d, %a, %b;", {32}, 0x3f81ffff, two, 0, 0, 0x3f814000},
      {"cvt.rna.tf32.f32 %d, %a;", {32}, 0x3f801000, 0, 0, 0, 0x3f802000},
      {"cvt.rn.satfinite.e4m3x2.f32 %d, %a, %b;", {16, 32}, one, infinity, 0, 0, 0x387e},
      {"cvt.rn.satfinite.e5m2x2.f32 %d, %a, %b;", {16, 32}, one, minusOne, 0, 0, 0x3cbc},
      {"cvt.rn.f16x2.e4m3x2 %d, %a;", {32, 16}, 0x38b8, 0, 0, 0, 0x3c00bc00},
      {"cvt.rn.f16.s32 %d, %a;", {16, 32}, 3, 0, 0, 0, 0x4200},
      {"cvt.rzi.s32.f16 %d, %a;", {32, 16}, 0xc200, 0, 0, 0, 0xfffffffd},
      {"cvt.rni.f16.f16 %d, %a;", {16}, 0x4100, 0, 0, 0, 0x4000},
      {"cvt.ftz.f64.f32 %d, %a;", {64, 32}, tiny, 0, 0, 0, 0},
  });
}

TEST(Float, Refusals) {
  checkRefused("add.rn.f32 %r1, %r2;", "operand 3 is missing");
  checkRefused("add.rq.f32 %r1, %r2, %r3;", "unknown modifier .rq");
  checkRefused("fma.f32 %r1, %r2, %r3, %r4;", "the rounding is missing");
  checkRefused("add.f32 %r1, %r2, %r3, %r4;", "operand 4 is not expected");
  checkRefused("add.f32 %r1, %d2, %r3;", "register %d2 has 64 bits, the instruction takes 32 bits");
  checkRefused("add.rz.f16 %h, %h, %h;", "round to nearest only");
  checkRefused("ex2.f32 %r1, %r2;", "needs .approx");
  checkRefused("cvt.f16.f32 %h, %r1;", "");
  checkRefused("add.bf16 %h, %h, %h;", "needs .target sm_90", 80);
  checkRefused("rcp.f32 %r1, %r2;", "the rounding is missing");
  checkRefused("sqrt.approx.f64 %d1, %d2;", "sqrt.approx is for .f32");
  checkRefused("frob.b32 %r1, %r2;", "unknown instruction frob.b32");
  checkRefused("mov.b32 %r1, 0d3ff0000000000000; mov.b64 %d1, 0f3f800000;", "a 0f constant is 32 bits wide");
}
