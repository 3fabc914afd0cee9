// Integer, logic, shift and bit-field instructions against values worked out from their definitions in the PTX ISA.
#include "InstructionTable.h"

using namespace adze::sim::test;

TEST(Integer, AddAndSubtract) {
  checkRows({
      {"add.s32 %d, %a, %b;", {32}, 0x7fffffff, 1, 0, 0, 0x80000000},
      {"add.sat.s32 %d, %a, %b;", {32}, 0x7fffffff, 1, 0, 0, 0x7fffffff},
      {"add.sat.s32 %d, %a, %b;", {32}, 0x80000000, 0xffffffff, 0, 0, 0x80000000},
      {"sub.sat.s32 %d, %a, %b;", {32}, 0x80000000, 1, 0, 0, 0x80000000},
      {"sub.sat.s32 %d, %a, %b;", {32}, 0, 0x80000000, 0, 0, 0x7fffffff},
      {"add.u16 %d, %a, %b;", {16}, 0xffff, 2, 0, 0, 1},
      {"sub.u16 %d, %a, %b;", {16}, 1, 2, 0, 0, 0xffff},
      {"add.u64 %d, %a, %b;", {64}, 0xffffffff, 1, 0, 0, 0x100000000},
      {"add.s64 %d, %a, %b;", {64}, 0x8000000012345678, 0x0000000fedcba988, 0, 0, 0x8000001000000000},
      {"sub.s64 %d, %a, %b;", {64}, 0, 1, 0, 0, 0xffffffffffffffff},
      {"add.u16x2 %d, %a, %b;", {32}, 0xffff0001, 0x0001ffff, 0, 0, 0},
      {"add.s32 %d, %a, -5;", {32}, 3, 0, 0, 0, 0xfffffffe},
  });
}

TEST(Integer, Multiply) {
  checkRows({
      {"mul.lo.s32 %d, %a, %b;", {32}, 0x10001, 0x10001, 0, 0, 0x20001},
      {"mul.hi.s32 %d, %a, %b;", {32}, 0xffffffff, 2, 0, 0, 0xffffffff},
      {"mul.hi.u32 %d, %a, %b;", {32}, 0xffffffff, 2, 0, 0, 1},
      {"mul.wide.s32 %d, %a, %b;", {64, 32, 32}, 0xffffffff, 2, 0, 0, 0xfffffffffffffffe},
      {"mul.wide.u32 %d, %a, %b;", {64, 32, 32}, 0xffffffff, 0xffffffff, 0, 0, 0xfffffffe00000001},
      {"mul.wide.s16 %d, %a, %b;", {32, 16, 16}, 0x8000, 0x8000, 0, 0, 0x40000000},
      {"mul.wide.u16 %d, %a, %b;", {32, 16, 16}, 0xffff, 0xffff, 0, 0, 0xfffe0001},
      {"mul.lo.u16 %d, %a, %b;", {16}, 0xffff, 0xffff, 0, 0, 1},
      {"mul.hi.u16 %d, %a, %b;", {16}, 0xffff, 0xffff, 0, 0, 0xfffe},
      {"mul.hi.s64 %d, %a, %b;", {64}, 0x8000000000000000, 2, 0, 0, 0xffffffffffffffff},
      {"mul.hi.u64 %d, %a, %b;", {64}, 0x8000000000000000, 6, 0, 0, 3},
      {"mul.lo.s64 %d, %a, %b;", {64}, 0x100000001, 0x100000001, 0, 0, 0x200000001},
      {"mad.lo.s32 %d, %a, %b, %c;", {32}, 7, 6, 0xfffffff6, 0, 32},
      // mad.hi adds c to the high half; an emulator once added it before the shift (gpgpu-sim issue 164).
      {"mad.hi.u32 %d, %a, %b, %c;", {32}, 0x80000000, 4, 5, 0, 7},
      {"mad.hi.s32 %d, %a, %b, %c;", {32}, 0xffffffff, 1, 10, 0, 9},
      {"mad.hi.sat.s32 %d, %a, %b, %c;", {32}, 0x40000000, 0x40000000, 0x7fffffff, 0, 0x7fffffff},
      {"mad.wide.s32 %d, %a, %b, %c;", {64, 32, 32, 64}, 0xfffffffe, 3, 5, 0, 0xffffffffffffffff},
      {"mad.wide.u16 %d, %a, %b, %c;", {32, 16, 16, 32}, 0xffff, 2, 3, 0, 0x20001},
      {"mad.lo.s64 %d, %a, %b, %c;", {64}, 0x100000000, 3, 4, 0, 0x300000004},
      {"mul24.lo.s32 %d, %a, %b;", {32}, 0x00ffffff, 3, 0, 0, 0xfffffffd},
      {"mul24.lo.u32 %d, %a, %b;", {32}, 0xffffffff, 3, 0, 0, 0x2fffffd},
      {"mul24.hi.u32 %d, %a, %b;", {32}, 0x00ffffff, 0x00ffffff, 0, 0, 0xfffffe00},
      {"mad24.lo.u32 %d, %a, %b, %c;", {32}, 0x01000002, 3, 4, 0, 10},
      {"sad.s32 %d, %a, %b, %c;", {32}, 0xfffffffe, 3, 10, 0, 15},
      {"sad.u32 %d, %a, %b, %c;", {32}, 0xfffffffe, 3, 10, 0, 5},
      {"dp4a.u32.u32 %d, %a, %b, %c;", {32}, 0x01020304, 0x01010101, 5, 0, 15},
      {"dp4a.s32.s32 %d, %a, %b, %c;", {32}, 0xff020304, 0x05010101, 5, 0, 9},
      {"dp4a.u32.s32 %d, %a, %b, %c;", {32}, 0xff000000, 0xff000000, 0, 0, 0xffffff01},
      {"dp2a.lo.s32.s32 %d, %a, %b, %c;", {32}, 0xffff0003, 0x09090204, 1, 0, 11},
      {"dp2a.hi.u32.u32 %d, %a, %b, %c;", {32}, 0x00020003, 0x05070909, 1, 0, 32},
  });
}

TEST(Integer, DivideAndCompare) {
  checkRows({
      {"div.s32 %d, %a, %b;", {32}, 0xfffffff9, 2, 0, 0, 0xfffffffd}, // towards zero
      {"rem.s32 %d, %a, %b;", {32}, 0xfffffff9, 2, 0, 0, 0xffffffff},
      {"div.u32 %d, %a, %b;", {32}, 0xfffffff9, 2, 0, 0, 0x7ffffffc},
      {"rem.u64 %d, %a, %b;", {64}, 0xffffffffffffffff, 10, 0, 0, 5},
      {"div.s64 %d, %a, %b;", {64}, 0x8000000000000000, 0xffffffffffffffff, 0, 0, 0x8000000000000000},
      {"div.s16 %d, %a, %b;", {16}, 0xfff9, 2, 0, 0, 0xfffd},
      {"abs.s32 %d, %a;", {32}, 0xfffffffb, 0, 0, 0, 5},
      {"abs.s64 %d, %a;", {64}, 0xfffffffffffffffb, 0, 0, 0, 5},
      {"neg.s32 %d, %a;", {32}, 5, 0, 0, 0, 0xfffffffb},
      {"neg.s16 %d, %a;", {16}, 0x8000, 0, 0, 0, 0x8000},
      {"min.s32 %d, %a, %b;", {32}, 0xffffffff, 1, 0, 0, 0xffffffff},
      {"min.u32 %d, %a, %b;", {32}, 0xffffffff, 1, 0, 0, 1},
      {"max.s64 %d, %a, %b;", {64}, 0xffffffffffffffff, 1, 0, 0, 1},
      {"max.u16 %d, %a, %b;", {16}, 0xffff, 1, 0, 0, 0xffff},
      {"min.s16x2 %d, %a, %b;", {32}, 0x0001ffff, 0xfffe0001, 0, 0, 0xfffeffff},
      {"max.u16x2 %d, %a, %b;", {32}, 0x0001ffff, 0xfffe0001, 0, 0, 0xfffeffff},
      {"max.relu.s32 %d, %a, %b;", {32}, 0xfffffffe, 0xffffffff, 0, 0, 0},
  });
}

TEST(Integer, ExtendedPrecision) {
  checkRows({
      {"add.cc.u32 %d, %a, %b; addc.u32 %d, %c, %e;", {32}, 0xffffffff, 1, 2, 3, 6},
      {"add.cc.u32 %d, %a, %b; addc.u32 %d, %c, %e;", {32}, 0xfffffffe, 1, 2, 3, 5},
      {"sub.cc.u32 %d, %a, %b; subc.u32 %d, %c, %e;", {32}, 0, 1, 5, 3, 1},
      {"sub.cc.u32 %d, %a, %b; subc.u32 %d, %c, %e;", {32}, 1, 1, 5, 3, 2},
      {"sub.cc.u32 %d, %a, %b; subc.cc.u32 %d, %c, %e; subc.u32 %d, 9, 0;", {32}, 0, 1, 0, 0, 8},
      {"add.cc.u64 %d, %a, %b; addc.u64 %d, %c, %e;", {64}, 0xffffffffffffffff, 1, 2, 3, 6},
      {"mad.lo.cc.u32 %d, %a, %b, %c; madc.hi.u32 %d, %a, %b, %e;", {32}, 0xffffffff, 0xffffffff, 0xffffffff, 1, 0},
      {"add.cc.u32 %d, %a, %b; addc.cc.u32 %d, %c, %e; addc.u32 %d, 0, 0;", {32}, 0xffffffff, 1, 0xffffffff, 0, 1},
  });
}

TEST(Logic, Bitwise) {
  checkRows({
      {"and.b32 %d, %a, %b;", {32}, 0xff00ff00, 0x0ff00ff0, 0, 0, 0x0f000f00},
      {"or.b64 %d, %a, %b;", {64}, 0xff00000000000000, 1, 0, 0, 0xff00000000000001},
      {"xor.b16 %d, %a, %b;", {16}, 0xff00, 0x0ff0, 0, 0, 0xf0f0},
      {"not.b32 %d, %a;", {32}, 0xff00ff00, 0, 0, 0, 0x00ff00ff},
      {"not.b16 %d, %a;", {16}, 0xff00, 0, 0, 0, 0x00ff},
      {"cnot.b32 %d, %a;", {32}, 0, 0, 0, 0, 1},
      {"cnot.b32 %d, %a;", {32}, 7, 0, 0, 0, 0},
      // The look-up table of f(a, b, c) is f(0xf0, 0xcc, 0xaa).
      {"lop3.b32 %d, %a, %b, %c, 0xb8;", {32}, 0xffff0000, 0x12345678, 0x9abcdef0, 0, 0xffff5670},
      {"lop3.b32 %d, %a, %b, %c, 0x96;",
       {32},
       0xff00ff00,
       0x0ff00ff0,
       0x12345678,
       0,
       0xff00ff00 ^ 0x0ff00ff0 ^ 0x12345678},
      {"lop3.b32 %d, %a, %b, %c, 0xea;",
       {32},
       0xff00ff00,
       0x0ff00ff0,
       0x12345678,
       0,
       (0xff00ff00 & 0x0ff00ff0) | 0x12345678},
      {"lop3.and.b32 %d|%p, %a, %b, %c, 0x80, %t;", {32}, 1, 1, 1, 1, 1, true},
      {"lop3.and.b32 %d|%p, %a, %b, %c, 0x80, !%t; setp.eq.u32 %q, %d, 1;", {32}, 1, 1, 1, 1, 2, true},
      {"lop3.or.b32 _|%p, %a, %b, %c, 0x80, %t;", {32}, 1, 1, 0, 1, 1, true},
  });
}

TEST(Logic, Predicates) {
  checkRows({
      {"and.pred %p, %s, %t; or.pred %q, %s, %t;", {32}, 0, 0, 1, 0, 2, true},
      {"xor.pred %p, %s, %t; not.pred %q, %t;", {32}, 0, 0, 1, 1, 0, true},
      {"mov.pred %p, %s; mov.pred %q, 1;", {32}, 0, 0, 1, 0, 3, true},
  });
}

TEST(Logic, Shifts) {
  checkRows({
      {"shl.b32 %d, %a, %b;", {32}, 0x80000001, 1, 0, 0, 2},
      {"shl.b32 %d, %a, %b;", {32}, 1, 32, 0, 0, 0},
      {"shl.b64 %d, %a, %b;", {64, 64, 32}, 1, 63, 0, 0, 0x8000000000000000},
      {"shl.b64 %d, %a, %b;", {64, 64, 32}, 1, 64, 0, 0, 0},
      {"shl.b16 %d, %a, %b;", {16, 16, 32}, 0xffff, 15, 0, 0, 0x8000},
      {"shr.u32 %d, %a, %b;", {32}, 0x80000000, 31, 0, 0, 1},
      {"shr.u32 %d, %a, %b;", {32}, 0x80000000, 0xffffffff, 0, 0, 0},
      {"shr.s32 %d, %a, %b;", {32}, 0x80000000, 31, 0, 0, 0xffffffff},
      {"shr.s32 %d, %a, %b;", {32}, 0x80000000, 99, 0, 0, 0xffffffff},
      {"shr.s16 %d, %a, %b;", {16, 16, 32}, 0x8000, 4, 0, 0, 0xf800},
      {"shr.b64 %d, %a, %b;", {64, 64, 32}, 0x8000000000000000, 63, 0, 0, 1},
      {"shf.l.wrap.b32 %d, %a, %b, %c;", {32}, 0x80000000, 1, 1, 0, 3},
      {"shf.l.wrap.b32 %d, %a, %b, %c;", {32}, 0x80000000, 1, 33, 0, 3},
      {"shf.l.clamp.b32 %d, %a, %b, %c;", {32}, 0x12345678, 1, 33, 0, 0x12345678},
      {"shf.r.wrap.b32 %d, %a, %b, %c;", {32}, 0x80000000, 3, 31, 0, 7},
      {"shf.r.wrap.b32 %d, %a, %b, %c;", {32}, 0x12345678, 3, 32, 0, 0x12345678},
      {"shf.r.clamp.b32 %d, %a, %b, %c;", {32}, 0x12345678, 3, 40, 0, 3},
  });
}

TEST(Logic, BytePermutation) {
  checkRows({
      {"prmt.b32 %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 0x7531, 0, 0x77553311},
      {"prmt.b32 %d, %a, %b, 0x0123;", {32}, 0x33221100, 0x77665544, 0, 0, 0x00112233},
      {"prmt.b32 %d, %a, %b, %c;", {32}, 0x33228100, 0x77665544, 0x9998, 0, 0xffffff00}, // sign of the byte
      {"prmt.b32.f4e %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 1, 0, 0x44332211},
      {"prmt.b32.b4e %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 1, 0, 0x66770011},
      {"prmt.b32.rc8 %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 2, 0, 0x22222222},
      {"prmt.b32.ecl %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 2, 0, 0x33222222},
      {"prmt.b32.ecr %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 1, 0, 0x11111100},
      {"prmt.b32.rc16 %d, %a, %b, %c;", {32}, 0x33221100, 0x77665544, 3, 0, 0x33223322},
  });
}

TEST(Logic, BitFields) {
  checkRows({
      {"bfe.u32 %d, %a, %b, %c;", {32}, 0x12345678, 8, 8, 0, 0x56},
      {"bfe.s32 %d, %a, %b, %c;", {32}, 0x0000f600, 8, 8, 0, 0xfffffff6},
      {"bfe.u32 %d, %a, %b, %c;", {32}, 0xffffffff, 28, 8, 0, 0xf},
      {"bfe.s32 %d, %a, %b, %c;", {32}, 0x80000000, 28, 8, 0, 0xfffffff8},
      // Positions beyond the operand (a known emulator fault): zeros, or the sign bit.
      {"bfe.u32 %d, %a, %b, %c;", {32}, 0xffffffff, 32, 4, 0, 0},
      {"bfe.s32 %d, %a, %b, %c;", {32}, 0x80000000, 40, 4, 0, 0xffffffff},
      {"bfe.s32 %d, %a, %b, %c;", {32}, 0x80000000, 40, 0, 0, 0},
      {"bfe.u32 %d, %a, %b, %c;", {32}, 0x12345678, 0, 255, 0, 0x12345678},
      {"bfe.u32 %d, %a, %b, %c;", {32}, 0x12345678, 0x104, 0x104, 0, 7}, // only the low 8 bits count
      {"bfe.u64 %d, %a, %b, %c;", {64, 64, 32, 32}, 0x123456789abcdef0, 60, 4, 0, 1},
      {"bfe.s64 %d, %a, %b, %c;", {64, 64, 32, 32}, 0xf000000000000000, 60, 2, 0, 0xffffffffffffffff},
      {"bfi.b32 %d, %a, %b, %c, %e;", {32}, 0xff, 0x11111111, 8, 4, 0x11111f11},
      {"bfi.b32 %d, %a, %b, %c, %e;", {32}, 0xff, 0x11111111, 32, 4, 0x11111111},
      {"bfi.b32 %d, %a, %b, %c, %e;", {32}, 0xff, 0x11111111, 28, 99, 0xf1111111},
      {"bfi.b32 %d, %a, %b, %c, %e;", {32}, 0xff, 0x11111111, 4, 0, 0x11111111},
      {"bfi.b64 %d, %a, %b, %c, %e;", {64, 64, 64, 32, 32}, 0xf, 0, 60, 4, 0xf000000000000000},
      {"popc.b32 %d, %a;", {32}, 0xf0f0f0f1, 0, 0, 0, 17},
      {"popc.b64 %d, %a;", {32, 64}, 0xffffffffffffffff, 0, 0, 0, 64},
      {"clz.b32 %d, %a;", {32}, 0x00010000, 0, 0, 0, 15},
      {"clz.b32 %d, %a;", {32}, 0, 0, 0, 0, 32},
      {"clz.b64 %d, %a;", {32, 64}, 1, 0, 0, 0, 63},
      {"bfind.u32 %d, %a;", {32}, 0x00010000, 0, 0, 0, 16},
      {"bfind.u32 %d, %a;", {32}, 0, 0, 0, 0, 0xffffffff},
      {"bfind.s32 %d, %a;", {32}, 0xffffff7f, 0, 0, 0, 7},
      {"bfind.s32 %d, %a;", {32}, 0xffffffff, 0, 0, 0, 0xffffffff},
      {"bfind.shiftamt.u32 %d, %a;", {32}, 0x00010000, 0, 0, 0, 15},
      {"bfind.u64 %d, %a;", {32, 64}, 0x8000000000000000, 0, 0, 0, 63},
      {"brev.b32 %d, %a;", {32}, 0x80000001, 0, 0, 0, 0x80000001},
      {"brev.b32 %d, %a;", {32}, 0x00000003, 0, 0, 0, 0xc0000000},
      {"brev.b64 %d, %a;", {64}, 1, 0, 0, 0, 0x8000000000000000},
      {"fns.b32 %d, %a, %b, %c;", {32}, 0xaaaaaaaa, 3, 1, 0, 3},
      {"fns.b32 %d, %a, %b, %c;", {32}, 0xaaaaaaaa, 3, 0xffffffff, 0, 3},
      {"fns.b32 %d, %a, %b, %c;", {32}, 0xaaaaaaaa, 3, 2, 0, 5},
      {"fns.b32 %d, %a, %b, %c;", {32}, 0xaaaaaaaa, 2, 0, 0, 0xffffffff},
      {"fns.b32 %d, %a, %b, %c;", {32}, 0xaaaaaaaa, 3, 0xfffffffd, 0, 0xffffffff},
      {"szext.clamp.s32 %d, %a, %b;", {32}, 0x1f8, 8, 0, 0, 0xfffffff8},
      {"szext.wrap.u32 %d, %a, %b;", {32}, 0x1f8, 40, 0, 0, 0xf8},
      {"szext.clamp.u32 %d, %a, %b;", {32}, 0x1f8, 40, 0, 0, 0x1f8},
      {"bmsk.clamp.b32 %d, %a, %b;", {32}, 4, 8, 0, 0, 0xff0},
      {"bmsk.clamp.b32 %d, %a, %b;", {32}, 28, 8, 0, 0, 0xf0000000},
      {"bmsk.clamp.b32 %d, %a, %b;", {32}, 32, 8, 0, 0, 0},
      {"bmsk.wrap.b32 %d, %a, %b;", {32}, 36, 8, 0, 0, 0xff0},
  });
}

TEST(Select, SelpAndSlct) {
  checkRows({
      {"selp.b32 %d, %a, %b, %s;", {32}, 11, 22, 1, 0, 11},
      {"selp.b32 %d, %a, %b, %s;", {32}, 11, 22, 0, 0, 22},
      // A negated predicate was ignored by an emulator.
      {"selp.b32 %d, %a, %b, !%s;", {32}, 11, 22, 1, 0, 22},
      {"selp.b64 %d, %a, %b, !%s;", {64}, 11, 22, 0, 0, 11},
      {"selp.b16 %d, %a, 7, %s;", {16}, 11, 22, 0, 0, 7},
      {"slct.u32.s32 %d, %a, %b, %c;", {32}, 11, 22, 0, 0, 11},
      {"slct.u32.s32 %d, %a, %b, %c;", {32}, 11, 22, 0xffffffff, 0, 22},
      {"slct.f32.f32 %d, %a, %b, %c;", {32}, 11, 22, 0x80000000, 0, 11}, // -0 >= 0
      {"slct.f32.f32 %d, %a, %b, %c;", {32}, 11, 22, 0x7fc00000, 0, 22}, // NaN
      {"slct.ftz.b64.f32 %d, %a, %b, %c;", {64, 64, 64, 32}, 11, 22, 0x80000001, 0, 11},
      {"slct.b64.f32 %d, %a, %b, %c;", {64, 64, 64, 32}, 11, 22, 0x80000001, 0, 22},
  });
}

TEST(Compare, SetpIntegers) {
  checkRows({
      {"setp.lt.s32 %p|%q, %a, %b;", {32}, 0xffffffff, 0, 0, 0, 1, true},
      {"setp.lt.u32 %p|%q, %a, %b;", {32}, 0xffffffff, 0, 0, 0, 2, true},
      {"setp.lo.u32 %p|%q, %a, %b;", {32}, 1, 2, 0, 0, 1, true},
      {"setp.hs.u64 %p|%q, %a, %b;", {64}, 2, 2, 0, 0, 1, true},
      {"setp.hi.u64 %p|%q, %a, %b;", {64}, 2, 2, 0, 0, 2, true},
      {"setp.ls.u16 %p|%q, %a, %b;", {16}, 2, 2, 0, 0, 1, true},
      {"setp.eq.b64 %p|%q, %a, %b;", {64}, 0x100000000, 0, 0, 0, 2, true},
      {"setp.ne.b16 %p|%q, %a, %b;", {16}, 1, 0, 0, 0, 1, true},
      {"setp.ge.s64 %p|%q, %a, %b;", {64}, 0, 0xffffffffffffffff, 0, 0, 1, true},
      {"setp.gt.s16 %p|%q, %a, %b;", {16}, 0x8000, 0x7fff, 0, 0, 2, true},
      // p = t BoolOp c, q = !t BoolOp c
      {"setp.eq.and.u32 %p|%q, %a, %b, %t;", {32}, 1, 1, 0, 1, 1, true},
      {"setp.eq.and.u32 %p|%q, %a, %b, %t;", {32}, 1, 2, 0, 1, 2, true},
      {"setp.eq.and.u32 %p|%q, %a, %b, !%t;", {32}, 1, 1, 0, 1, 0, true},
      {"setp.eq.or.u32 %p|%q, %a, %b, %t;", {32}, 1, 2, 0, 1, 3, true},
      {"setp.eq.xor.u32 %p|%q, %a, %b, %t;", {32}, 1, 1, 0, 1, 2, true},
      {"mov.pred %p, %t; setp.eq.xor.u32 %p|%q, %a, %b, %p;", {32}, 1, 1, 0, 1, 2, true},
      {"mov.pred %q, 0; setp.eq.u32 %p|_, %a, %b;", {32}, 1, 1, 0, 1, 1, true},
  });
}

TEST(Compare, SetpFloats) {
  const uint64_t one = 0x3f800000, nan = 0x7fc00000, minusZero = 0x80000000, tiny = 1;
  checkRows({
      {"setp.lt.f32 %p|%q, %a, %b;", {32}, minusZero, one, 0, 0, 1, true},
      {"setp.eq.f32 %p|%q, %a, %b;", {32}, minusZero, 0, 0, 0, 1, true},
      {"setp.eq.f32 %p|%q, %a, %b;", {32}, nan, nan, 0, 0, 2, true},
      {"setp.ne.f32 %p|%q, %a, %b;", {32}, nan, one, 0, 0, 2, true}, // ordered: false on NaN
      {"setp.neu.f32 %p|%q, %a, %b;", {32}, nan, one, 0, 0, 1, true},
      {"setp.ltu.f32 %p|%q, %a, %b;", {32}, nan, one, 0, 0, 1, true},
      {"setp.geu.f32 %p|%q, %a, %b;", {32}, one, one, 0, 0, 1, true},
      {"setp.num.f32 %p|%q, %a, %b;", {32}, one, nan, 0, 0, 2, true},
      {"setp.nan.f32 %p|%q, %a, %b;", {32}, one, nan, 0, 0, 1, true},
      {"setp.gt.f32 %p|%q, %a, %b;", {32}, tiny, 0, 0, 0, 1, true},
      {"setp.gt.ftz.f32 %p|%q, %a, %b;", {32}, tiny, 0, 0, 0, 2, true},
      {"setp.gt.f64 %p|%q, %a, %b;", {64}, 0x3ff0000000000000, 0xbff0000000000000, 0, 0, 1, true},
      {"setp.lt.f16 %p|%q, %a, %b;", {16}, 0xbc00, 0x3c00, 0, 0, 1, true},
      {"setp.lt.bf16 %p|%q, %a, %b;", {16}, 0x3f80, 0xbf80, 0, 0, 2, true},
      // Packed: p for the low halves, q for the high ones.
      {"setp.lt.f16x2 %p|%q, %a, %b;", {32}, 0x3c00bc00, 0xbc003c00, 0, 0, 1, true},
      {"setp.lt.f16x2 %p|%q, %a, %b;", {32}, 0xbc003c00, 0x3c00bc00, 0, 0, 2, true},
  });
}

TEST(Compare, Set) {
  checkRows({
      {"set.lt.u32.s32 %d, %a, %b;", {32}, 0xffffffff, 0, 0, 0, 0xffffffff},
      {"set.lt.f32.s32 %d, %a, %b;", {32}, 0xffffffff, 0, 0, 0, 0x3f800000},
      {"set.eq.s32.f32 %d, %a, %b;", {32}, 0x7fc00000, 0, 0, 0, 0},
      {"set.eq.and.u32.u32 %d, %a, %b, %s;", {32}, 1, 1, 0, 0, 0},
      {"set.lt.f16.f16 %d, %a, %b;", {16}, 0xbc00, 0, 0, 0, 0x3c00},
  });
}

TEST(Move, PackAndUnpack) {
  checkRows({
      {"mov.b64 %d, {%a, %b};", {64, 32, 32}, 0x11111111, 0x22222222, 0, 0, 0x2222222211111111},
      {"mov.b32 %d, {%a, %b};", {32, 16, 16}, 0x1111, 0x2222, 0, 0, 0x22221111},
      {"mov.b64 {%x, %y}, %a; sub.u32 %d, %y, %x;", {32, 64}, 0x0000000500000003, 0, 0, 0, 2},
      {"mov.b64 {_, %d}, %a;", {32, 64}, 0x0000000500000003, 0, 0, 0, 5},
      {"mov.b64 %d, {%a, %b, %c, %e};", {64, 16, 16, 16, 16}, 1, 2, 3, 4, 0x0004000300020001},
      {".reg .b128 %w; mov.b128 %w, {%a, %b}; mov.b128 {%d, _}, %w; mov.b128 {_, %d}, %w;", {64}, 3, 4, 0, 0, 4},
      {"mov.b32 %d, 0f40000000;", {32}, 0, 0, 0, 0, 0x40000000},
      {"mov.b64 %d, 0d4000000000000000;", {64}, 0, 0, 0, 0, 0x4000000000000000},
      {"mov.u32 %d, WARP_SZ;", {32}, 0, 0, 0, 0, 32},
  });
}
