// Tensors in NumPy's file format, as tools/device/make_cases.py writes them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace adze::device {

/// Row-major bytes and a shape. Element types are the package's business: NumPy has no name for most of them.
struct Array {
  std::vector<int64_t> dims;
  std::vector<char> bytes;
  int64_t elements() const;
};

/// Throws std::runtime_error if the file is missing, is not NumPy's format 1 or 2, or is in column-major order.
Array readNpy(const std::string &path);

} // namespace adze::device
