// One instruction on given operands: rows of text, operand bits and the expected bits.
#ifndef ADZE_TEST_UNIT_SIM_INSTRUCTIONTABLE_H
#define ADZE_TEST_UNIT_SIM_INSTRUCTIONTABLE_H

#include "KernelHarness.h"

namespace adze::sim::test {

/// `text` uses the registers %d (result), %a, %b, %c, %e (operands) and the predicates %p, %q (result) and %s, %t
/// (operands, bit 0 of `c` and of `e`). `widths`: bits of d, a, b, c, e; shorter lists repeat their last entry.
struct Row {
  const char *text;
  std::vector<unsigned> widths;
  uint64_t a, b, c, e;
  uint64_t expected;
  bool predicate = false; ///< the result is %p in bit 0 and %q in bit 1
};

inline std::string rowKernel(const Row &row) {
  auto width = [&](size_t i) { return std::to_string(row.widths[std::min(i, row.widths.size() - 1)]); };
  std::string text =
      ".visible .entry k(.param .b64 pa, .param .b64 pb, .param .b64 pc, .param .b64 pe, .param .b64 po)\n"
      "{ .reg .pred %p, %q, %s, %t; .reg .b32 %x, %y, %i; .reg .b64 %o, %r, %z;\n"
      ".reg .b" +
      width(0) + " %d; .reg .b" + width(1) + " %a; .reg .b" + width(2) +
      " %b;\n"
      ".reg .b" +
      width(3) + " %c; .reg .b" + width(4) + " %e;\n";
  const char *names = "abce";
  for (size_t i = 0; i != 4; ++i)
    text += std::string("ld.param.b") + width(i + 1) + " %" + names[i] + ", [p" + names[i] + "];\n";
  text += "ld.param.b32 %x, [pc]; and.b32 %x, %x, 1; setp.ne.u32 %s, %x, 0;\n"
          "ld.param.b32 %x, [pe]; and.b32 %x, %x, 1; setp.ne.u32 %t, %x, 0;\n"
          "mov.pred %p, 0; mov.pred %q, 0; mov.b" +
          width(0) + " %d, 0;\n";
  text += std::string(row.text) + "\n";
  text += "ld.param.b64 %o, [po]; mov.u32 %i, %tid.x; mul.wide.u32 %r, %i, 8; add.s64 %o, %o, %r;\n";
  if (row.predicate)
    text += "selp.u32 %x, 1, 0, %p; selp.u32 %y, 2, 0, %q; or.b32 %x, %x, %y; cvt.u64.u32 %z, %x;\n";
  else
    text += "cvt.u64.u" + width(0) + " %z, %d;\n";
  return text + "st.global.b64 [%o], %z; ret; }";
}

/// Runs every row with a full warp and with a warp of 3 threads: the two ways through a handler.
inline void checkRows(const std::vector<Row> &rows, unsigned number = 90, const char *version = "8.6") {
  for (const Row &row : rows)
    for (unsigned threads : {32u, 3u}) {
      Kernels kernels(number, number == 90 ? 'a' : 0);
      kernels.block = {threads, 1, 1};
      kernels.options.threads = 1;
      uint64_t out = kernels.buffer(std::vector<uint64_t>(threads, 0x1111));
      for (uint64_t value : {row.a, row.b, row.c, row.e, out})
        kernels.param(value);
      LaunchResult result = kernels.run(rowKernel(row), "k", version);
      ASSERT_EQ(result.code, 0) << row.text << "\n" << result.text;
      for (uint64_t value : kernels.read<uint64_t>(out, threads))
        EXPECT_EQ(value, row.expected) << row.text << std::hex << " a=" << row.a << " b=" << row.b << " c=" << row.c
                                       << " e=" << row.e << " gives " << value << ", expected " << row.expected;
    }
}

/// The module must be refused with a text that contains `report`.
inline void checkRefused(const std::string &instruction, const std::string &report, unsigned number = 90,
                         const char *version = "8.6") {
  Kernels kernels(number, number == 90 ? 'a' : 0);
  LaunchResult result = kernels.run(
      ".entry k() { .reg .pred %p, %q; .reg .b16 %h; .reg .b32 %r<9>; .reg .b64 %d<9>;\n" + instruction + "\nret; }",
      "k", version);
  EXPECT_EQ(result.code, 218) << instruction;
  EXPECT_NE(result.text.find(report), std::string::npos) << instruction << ": " << result.text;
  EXPECT_NE(result.text.find("PTX line 2"), std::string::npos) << instruction << ": " << result.text;
}

} // namespace adze::sim::test
#endif
