#include "tools/adze/Judge.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace adze;
using namespace adze::cli;

Verdict adze::cli::judge(llvm::StringRef name, const HostTensor &got, const HostTensor &expected, ContractClass row) {
  Verdict out;
  out.name = name.str();
  out.dtype = expected.dtype;
  out.shape = shapeText(expected.dims);
  out.limits = tolerance(row, expected.dtype);
  if (got.dtype != expected.dtype)
    out.comparison.reason = ("the type is " + dtypeName(got.dtype) + ", expected " + dtypeName(expected.dtype)).str();
  else if (got.dims != expected.dims)
    out.comparison.reason = "the shape is " + shapeText(got.dims) + ", expected " + shapeText(expected.dims);
  else
    out.comparison = compareTensors(expected.dtype, got.bytes, expected.bytes, out.limits);
  return out;
}

void adze::cli::judgeByTypedError(Verdict &verdict, const HostTensor &got, const HostTensor &expected,
                                  llvm::ArrayRef<double> exact, llvm::ArrayRef<double> typed) {
  if (verdict.comparison.ok || got.dtype != expected.dtype || got.dims != expected.dims || !isFloat(expected.dtype))
    return;
  Comparison gate = compareToTyped(expected.dtype, got.bytes, {expected.bytes, exact, typed});
  if (gate.ok)
    verdict.comparison = std::move(gate);
  else if (gate.typedRms >= 0) { // both limits are missed: the reason says by how much
    verdict.comparison.reason += ", and " + gate.reason;
    verdict.comparison.typedRms = gate.typedRms;
  }
}

/// JSON has no NaN and no infinity.
static llvm::json::Value number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

llvm::json::Object adze::cli::toJSON(const Verdict &v) {
  const Comparison &c = v.comparison;
  llvm::json::Object out{
      {"name", utf8(v.name)},        {"dtype", dtypeName(v.dtype)}, {"shape", v.shape},     {"ok", c.ok},
      {"max_abs", number(c.maxAbs)}, {"max_rel", number(c.maxRel)}, {"rms", number(c.rms)}, {"rtol", v.limits.rtol},
      {"atol", v.limits.atol},       {"rms_limit", v.limits.rms}};
  if (c.typedRms >= 0)
    out["typed_rms"] = number(c.typedRms);
  if (!c.ok) {
    out["reason"] = c.reason;
    out["worst_index"] = c.worstIndex;
    out["got"] = number(c.got);
    out["expected"] = number(c.expected);
  }
  return out;
}

std::string adze::cli::toText(const Verdict &v) {
  const Comparison &c = v.comparison;
  std::string line = llvm::formatv("{0}: {1} {2}: ", printable(v.name), dtypeName(v.dtype), v.shape).str();
  if (!c.ok)
    line += "DIFFERS: " + c.reason;
  else
    line += c.typedRms >= 0 ? "ok within the model's own rounding" : "ok";
  if (v.limits.rtol > 0 && (c.ok || c.maxAbs > 0))
    line += llvm::formatv(", max error {0:e2}, relative {1:e2}, rms {2:e2} (limit {3:e2})", c.maxAbs, c.maxRel, c.rms,
                          v.limits.rms)
                .str();
  if (c.typedRms >= 0)
    line += llvm::formatv(", rms of the model's own rounding {0:e2}", c.typedRms).str();
  if (!c.ok && c.worstIndex >= 0)
    line += llvm::formatv("; element {0} is {1}, expected {2}", c.worstIndex, c.got, c.expected).str();
  return line;
}
