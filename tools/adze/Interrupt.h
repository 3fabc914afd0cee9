// Ctrl-C, crashes and temporary files: whatever ends the program, nothing half-written stays behind.
#pragma once
#include <atomic>
#include <string>

namespace adze::cli {

/// Starts the thread that waits for SIGINT, SIGTERM and SIGHUP, and the handler for crashes. The first signal sets
/// interrupted(); when the program has not ended two seconds later, it is ended (status 130). `commandLine` goes into
/// the reproducer that a crash leaves.
void installHandlers(const std::string &commandLine);

/// Set once the user wants the program to stop.
std::atomic<bool> &interrupted();

/// A directory that is removed with everything in it when the object or the program ends.
class TemporaryDirectory {
public:
  /// Beside `neighbour` when given, so that a file can be renamed into place; otherwise in $TMPDIR or /tmp.
  /// path() is empty on failure, error() tells why.
  explicit TemporaryDirectory(const std::string &neighbour = "");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;
  const std::string &path() const { return directory; }
  const std::string &error() const { return message; }
  /// The folder in which it was tried.
  const std::string &parent() const { return where; }

private:
  std::string directory, message, where;
};

/// Writes what is needed to report an internal error; returns the file's path, "" when it cannot be written.
std::string writeReproducer(const std::string &details);

} // namespace adze::cli
