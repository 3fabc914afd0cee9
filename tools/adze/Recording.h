// What one verification gave, in a file: a later one runs on the same inputs and compares with the same values.
#pragma once
#include "tools/adze/Engine.h"
#include "tools/adze/Oracle.h"

namespace adze::cli {

struct RecordedTensor {
  std::string
      name; ///< the model's name of it; for a node "node 3: conv1 (Conv) as conv", as Oracle::exposeNodes() says
  HostTensor tensor;
};

/// docs/cli.md, "Recordings", describes the file.
struct Recording {
  std::string model;             ///< Oracle::digest()
  std::string device;            ///< what computed the values
  std::string against;           ///< what they were judged by: "oracle", "data", "recording"
  bool ok = false;               ///< and the verdict
  llvm::json::Object provenance; ///< of the package
  std::vector<RecordedTensor> inputs, outputs, nodes;
};

/// Where a recording will be written. Made before the work, so that a folder that cannot be written is told at once.
class RecordingFile {
public:
  /// Null on failure, with `exit` set and the error printed.
  static std::unique_ptr<RecordingFile> create(const std::string &path, Console &console, int &exit);
  /// Replaces the file in one step. Returns the exit status.
  int write(const Recording &recording, Console &console);

private:
  RecordingFile() = default;
  std::string path;
  std::unique_ptr<TemporaryDirectory> scratch; ///< null for devices and pipes, which are written to directly
};

/// Null on failure, with `exit` set and the error printed.
std::unique_ptr<Recording> readRecording(const std::string &path, Console &console, int &exit);

} // namespace adze::cli
