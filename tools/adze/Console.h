// What the user sees: results on stdout, messages on stderr. Every error has four parts.
#pragma once
#include "compiler/support/Status.h"
#include "llvm/Support/JSON.h"
#include <chrono>
#include <mutex>
#include <string>

namespace adze::cli {

/// Exit statuses beyond those of ErrorKind.
enum Exit : int {
  kOk = 0,
  kInternal = 1,
  kUsage = 2,
  kMalformed = 3,
  kUnsupported = 4,
  kBadPackage = 5,
  kDevice = 6,
  kVerification = 7,
  kResource = 8,
  kInterrupted = 130
};

class Console {
public:
  Console();

  /// Set from --format=json: failures are then printed as one JSON object on stdout as well.
  bool json = false;

  /// Prints one error and returns `exit`.
  int fail(int exit, llvm::StringRef what, llvm::StringRef where, llvm::StringRef why, llvm::StringRef remedy);
  int usage(llvm::StringRef what, llvm::StringRef why, llvm::StringRef remedy) {
    return fail(kUsage, what, "the command line", why, remedy);
  }
  /// A message whose parts are already joined by newlines, as the runtime gives them.
  int failText(int exit, llvm::StringRef text);
  /// Prints every error of a compilation; returns the exit status that they call for.
  int fail(const ErrorSink &errors);

  /// Prints the result of a verb that was asked for JSON.
  void result(llvm::json::Object object);
  /// Prints text to stdout.
  void print(llvm::StringRef text);
  /// One line on stderr.
  void note(llvm::StringRef text);

  /// Progress of a step; appears on stderr once the whole work has taken over a second.
  void progress(llvm::StringRef step, size_t done, size_t total);
  /// Removes the progress line, if there is one.
  void endProgress();

private:
  using Clock = std::chrono::steady_clock;
  void printError(llvm::StringRef text);

  bool colour = false, terminal = false, lineShown = false;
  std::mutex mutex;
  std::string currentStep;
  Clock::time_point started, stepStarted, lastShown;
};

} // namespace adze::cli
