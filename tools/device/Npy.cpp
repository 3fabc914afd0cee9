#include "tools/device/Npy.h"
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace adze::device {

int64_t Array::elements() const {
  int64_t n = 1;
  for (int64_t d : dims)
    n *= d;
  return n;
}

// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
Array readNpy(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  std::string file((std::istreambuf_iterator<char>(in)), {});
  auto refuse = [&](const char *why) { throw std::runtime_error(path + ": " + why); };
  if (!in || file.size() < 12 || file.compare(0, 6, "\x93NUMPY") != 0)
    refuse("not a NumPy file");
  size_t prefix = file[6] == 1 ? 10 : 12;
  uint32_t header = 0;
  std::memcpy(&header, &file[8], prefix - 8);
  if (file.size() < prefix + header)
    refuse("truncated");
  std::string text = file.substr(prefix, header);
  if (text.find("'fortran_order': False") == std::string::npos)
    refuse("not in row-major order");
  size_t at = text.find("'shape': (");
  if (at == std::string::npos)
    refuse("has no shape");
  Array out;
  const char *p = text.c_str() + at + std::strlen("'shape': (");
  for (char *end = nullptr; *p && *p != ')'; p = *end == ',' ? end + 1 : end) {
    long long d = std::strtoll(p, &end, 10);
    if (end == p)
      break;
    out.dims.push_back(d);
  }
  out.bytes.assign(file.begin() + prefix + header, file.end());
  return out;
}

} // namespace adze::device
