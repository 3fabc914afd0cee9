// The list that tools/device/make_cases.py writes, and the runs of one case.
#pragma once
#include "tools/device/Judge.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace adze::device {

/// One line of cases.tsv: kind, name, then KEY=VALUE fields.
/// kinds: node, network (conformance: FOLDER/NAME holds model.adze and set_K/{input,output}_J.npy) and bench
/// (FOLDER/bench/NAME.adze).
struct Case {
  std::string kind, name;
  std::map<std::string, std::string> fields;
  double number(const std::string &field, double otherwise = 0) const;
  std::string text(const std::string &field) const;
};

/// Throws std::runtime_error.
std::vector<Case> readCases(const std::string &folder);

struct PackageCloser {
  void operator()(adze_package_t *p) const { adze_package_close(p); }
};
struct SessionDestroyer {
  void operator()(adze_session_t *s) const { adze_session_destroy(s); }
};
/// A package on a device. Throws std::runtime_error with the runtime's error text.
struct Loaded {
  Loaded(const std::string &file, const std::string &device);
  std::unique_ptr<adze_package_t, PackageCloser> package;
  std::unique_ptr<adze_session_t, SessionDestroyer> session;
};
/// adze_last_error() as an exception unless status is ADZE_OK.
void check(adze_status_t status);

struct Verdict {
  std::string result; // pass, wrong, error
  std::string reason;
  double seconds = 0;
};
/// Every data set of a conformance case, twice: results must agree with the expected ones, and bit for bit with each
/// other.
Verdict runCase(const Case &c, const std::string &folder, const std::string &device);

} // namespace adze::device
