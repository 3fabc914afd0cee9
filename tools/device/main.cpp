// Checks and measures a device where no compiler is.
//
// usage: adze-device-check STAGE CASES OUTDIR [--device=cuda[:N]] [--only=TEXT] [--seconds=S] [--rounds=N]
//
// STAGE: node and network (are the numbers right?) or a benchmark stage of cases.tsv (matmul, attention, memory, ...).
// Writes OUTDIR/STAGE.json and OUTDIR/STAGE.md. Exit: 0 all right, 1 something is wrong, 2 usage, 6 no device.
#include "tools/device/Bench.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

using namespace adze::device;

namespace {

struct Options {
  std::string stage, cases, out, device = "cuda:0", only;
  double seconds = 440; // no case is begun after that
  int rounds = 9;
  int ordinal() const {
    size_t colon = device.find(':');
    return colon == std::string::npos ? 0 : std::stoi(device.substr(colon + 1));
  }
};

bool readOptions(int argc, char **argv, Options &o) {
  if (argc < 4)
    return false;
  o.stage = argv[1];
  o.cases = argv[2];
  o.out = argv[3];
  for (int i = 4; i < argc; ++i) {
    auto value = [&](const char *flag) {
      return std::strncmp(argv[i], flag, std::strlen(flag)) ? nullptr : argv[i] + std::strlen(flag);
    };
    if (const char *v = value("--device="))
      o.device = v;
    else if (const char *v = value("--only="))
      o.only = v;
    else if (const char *v = value("--seconds="))
      o.seconds = std::stod(v);
    else if (const char *v = value("--rounds="))
      o.rounds = std::stoi(v);
    else
      return false;
  }
  return true;
}

std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c < 32 ? ' ' : char(c);
  }
  return out + '"';
}

std::string oneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '|', '/');
  return text.substr(0, 300);
}

/// Whether the stage's time is used up.
class Clock {
public:
  explicit Clock(double seconds) : end(std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds)) {}
  bool over() const { return std::chrono::steady_clock::now() > end; }

private:
  std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>> end;
};

int conformance(const Options &o, const std::vector<Case> &cases) {
  std::ofstream json(o.out + "/" + o.stage + ".json"), md(o.out + "/" + o.stage + ".md");
  Clock clock(o.seconds);
  int passed = 0, failed = 0, left = 0;
  std::ostringstream rows;
  json << "{\"stage\": " << quoted(o.stage) << ", \"cases\": [";
  for (const Case &c : cases) {
    if (clock.over()) {
      ++left;
      continue;
    }
    Verdict v = runCase(c, o.cases + "/" + c.kind, o.device);
    bool ok = v.result == "pass";
    json << (passed + failed ? ",\n" : "\n") << "{\"name\": " << quoted(c.name) << ", \"result\": " << quoted(v.result)
         << ", \"reason\": " << quoted(v.reason) << ", \"seconds\": " << v.seconds << "}";
    (ok ? passed : failed)++;
    if (!ok) {
      rows << "| " << c.name << " | " << v.result << " | " << oneLine(v.reason) << " |\n";
      std::cerr << c.name << ": " << v.result << ": " << v.reason << "\n";
    }
  }
  json << "],\n\"passed\": " << passed << ", \"failed\": " << failed << ", \"left_out\": " << left << "}\n";
  md << "## " << o.stage << "\n\n"
     << passed << " passed, " << failed << " failed, " << left
     << " not run for want of time. Each ran twice with equal bits.\n";
  if (failed)
    md << "\n| case | result | reason |\n|---|---|---|\n" << rows.str();
  std::cout << passed << " passed, " << failed << " failed, " << left << " skipped\n";
  return failed ? 1 : 0;
}

int benchmarks(const Options &o, const std::vector<Case> &cases) {
  Gpu gpu(o.ordinal());
  std::string why;
  std::unique_ptr<Cublas> cublas = Cublas::load(gpu, why);
  double copy = copyBandwidth(gpu);
  std::ofstream json(o.out + "/" + o.stage + ".json"), md(o.out + "/" + o.stage + ".md");
  json << "{\"stage\": " << quoted(o.stage) << ", \"device\": " << quoted(gpu.name())
       << ", \"driver\": " << quoted(gpu.driverVersion()) << ", \"copy_gb_s\": " << copy
       << ", \"cublas\": " << quoted(cublas ? cublas->version() : "") << ", \"cases\": [";
  md << "## " << o.stage << "\n\nCopy: " << copy
     << " GB/s (read + written). Peer: " << (cublas ? "cuBLAS " + cublas->version() : "none, " + why)
     << ". Kernel time on the device; medians of " << o.rounds
     << " rounds of alternating runs on normal random data.\n\n"
     << "| case | us | latency us | TFLOP/s | GB/s | of copy | peer us | peer / ours "
        "|\n|---|---|---|---|---|---|---|---|\n";
  Clock clock(o.seconds);
  int measured = 0, failed = 0, left = 0;
  for (const Case &c : cases) {
    if (clock.over()) {
      ++left;
      continue;
    }
    Timing t = measure(c, o.cases, o.device, gpu, cublas.get(), o.rounds);
    json << (measured + failed ? ",\n" : "\n") << "{\"name\": " << quoted(c.name) << ", \"error\": " << quoted(t.error)
         << ", \"kernel_us\": " << t.kernelUs << ", \"latency_us\": " << t.latencyUs << ", \"peer_us\": " << t.peerUs
         << ", \"ratio\": " << t.ratio << ", \"flops\": " << t.flops << ", \"bytes\": " << t.bytes << "}";
    if (!t.error.empty()) {
      ++failed;
      md << "| " << c.name << " | not measured: " << oneLine(t.error) << " | | | | | | |\n";
      continue;
    }
    ++measured;
    double gbs = t.bytes / t.kernelUs / 1000;
    md << "| " << c.name << " | " << t.kernelUs << " | " << t.latencyUs << " | " << t.flops / t.kernelUs / 1e6 << " | "
       << gbs << " | " << gbs / copy << " | " << t.peerUs << " | " << t.ratio << " |\n";
  }
  json << "],\n\"measured\": " << measured << ", \"failed\": " << failed << ", \"left_out\": " << left << "}\n";
  if (left)
    md << "\n" << left << " cases not measured for want of time.\n";
  std::cout << measured << " measured, " << failed << " failed, " << left << " left out\n";
  return failed ? 1 : 0;
}

} // namespace

int main(int argc, char **argv) {
  Options o;
  if (!readOptions(argc, argv, o)) {
    std::cerr << "usage: adze-device-check STAGE CASES OUTDIR [--device=cuda[:N]] [--only=TEXT] [--seconds=S] "
                 "[--rounds=N]\n";
    return 2;
  }
  try {
    bool judged = o.stage == "node" || o.stage == "network";
    std::vector<Case> chosen;
    for (Case &c : readCases(o.cases))
      if ((judged ? c.kind == o.stage : c.kind == "bench" && c.text("stage") == o.stage) &&
          c.name.find(o.only) != std::string::npos)
        chosen.push_back(std::move(c));
    if (chosen.empty()) {
      std::cerr << "error: no case of stage '" << o.stage << "' in " << o.cases << "/cases.tsv\n";
      return 2;
    }
    return judged ? conformance(o, chosen) : benchmarks(o, chosen);
  } catch (const std::exception &e) {
    std::cerr << "error: " << e.what() << "\n";
    return 6;
  }
}
