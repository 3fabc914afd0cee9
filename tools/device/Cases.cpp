#include "tools/device/Cases.h"
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace adze::device {

double Case::number(const std::string &field, double otherwise) const {
  auto it = fields.find(field);
  return it == fields.end() ? otherwise : std::stod(it->second);
}
std::string Case::text(const std::string &field) const {
  auto it = fields.find(field);
  return it == fields.end() ? "" : it->second;
}

std::vector<Case> readCases(const std::string &folder) {
  std::ifstream in(folder + "/cases.tsv");
  if (!in)
    throw std::runtime_error("cannot read " + folder + "/cases.tsv: make the cases with tools/device/make_cases.py");
  std::vector<Case> out;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Case c;
    if (!(words >> c.kind >> c.name))
      continue;
    for (std::string word; words >> word;)
      c.fields[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
    out.push_back(std::move(c));
  }
  return out;
}

void check(adze_status_t status) {
  if (status != ADZE_OK)
    throw std::runtime_error(std::string(adze_status_name(status)) + ": " + adze_last_error());
}

Loaded::Loaded(const std::string &file, const std::string &device) {
  adze_package_t *p = nullptr;
  check(adze_package_open(file.c_str(), &p));
  package.reset(p);
  adze_options_t options{};
  options.struct_size = sizeof options;
  options.device = device.c_str();
  adze_session_t *s = nullptr;
  check(adze_session_create(p, &options, &s));
  session.reset(s);
}

namespace {

adze_tensor_t tensorOf(Array &array, adze_dtype_t dtype) {
  adze_tensor_t out{};
  out.data = array.bytes.data();
  out.size_bytes = array.bytes.size();
  out.dtype = dtype;
  out.rank = int32_t(array.dims.size());
  std::copy(array.dims.begin(), array.dims.end(), out.dims);
  return out;
}

std::vector<std::vector<char>> runOnce(Loaded &loaded, std::vector<adze_tensor_t> &inputs,
                                       std::vector<adze_tensor_t> &outputs) {
  check(adze_session_run(loaded.session.get(), inputs.data(), inputs.size(), outputs.data(), outputs.size()));
  std::vector<std::vector<char>> bytes;
  for (const adze_tensor_t &out : outputs) {
    auto *data = static_cast<const char *>(out.data);
    bytes.emplace_back(data, data + out.size_bytes);
  }
  return bytes;
}

std::string runSet(const Case &c, Loaded &loaded, const std::string &folder) {
  adze_package_t *package = loaded.package.get();
  std::vector<Array> arrays(adze_package_num_inputs(package));
  std::vector<adze_tensor_t> inputs, outputs(adze_package_num_outputs(package)), again(outputs);
  for (size_t i = 0; i < arrays.size(); ++i) {
    adze_tensor_info_t info;
    check(adze_package_input(package, i, &info));
    arrays[i] = readNpy(folder + "/input_" + std::to_string(i) + ".npy");
    inputs.push_back(tensorOf(arrays[i], info.dtype));
  }
  auto first = runOnce(loaded, inputs, outputs);
  Limits limits{c.number("rtol"), c.number("atol"), c.number("rms"), c.kind == "network"};
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string problem = difference(outputs[i], readNpy(folder + "/output_" + std::to_string(i) + ".npy"), limits);
    if (!problem.empty())
      return "output " + std::to_string(i) + ": " + problem;
  }
  if (first != runOnce(loaded, inputs, again))
    return "a second run gives other bits";
  return "";
}

} // namespace

Verdict runCase(const Case &c, const std::string &folder, const std::string &device) {
  auto started = std::chrono::steady_clock::now();
  Verdict v{"pass", "", 0};
  try {
    std::string place = folder + "/" + c.name;
    Loaded loaded(place + "/model.adze", device);
    for (int k = 0; k < int(c.number("sets", 1)) && v.reason.empty(); ++k) {
      v.reason = runSet(c, loaded, place + "/set_" + std::to_string(k));
      if (!v.reason.empty())
        v = {"wrong", "data set " + std::to_string(k) + ", " + v.reason, 0};
    }
  } catch (const std::exception &e) {
    v = {"error", e.what(), 0};
  }
  v.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return v;
}

} // namespace adze::device
