// The command line's own flag table: every verb lists its flags, and help, parsing and "did you mean" come from that
// list.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace adze::cli {

class Console;

struct FlagSpec {
  const char *name;        ///< with its dashes: "--threads", "-o"
  const char *value;       ///< what the value is called in the help; null: a switch without a value
  const char *help;        ///< one line
  bool repeatable = false; ///< may stand more than once
  bool attached = false;   ///< the value follows the name directly: -O2
};

/// A parsed command line: what was given, in order.
class Flags {
public:
  /// Accepts `--flag=value`, `--flag value`, `-o value`; `--` ends the flags. On a mistake prints a usage error that
  /// names the nearest flag and returns nullopt (exit status 2).
  static std::optional<Flags> parse(llvm::ArrayRef<const char *> args, llvm::ArrayRef<FlagSpec> specs,
                                    llvm::StringRef verb, Console &console);

  bool has(llvm::StringRef name) const { return given.count(name.str()) != 0; }
  /// The last value; `otherwise` when the flag is absent.
  std::string value(llvm::StringRef name, llvm::StringRef otherwise = "") const;
  /// All values in the order given; empty when the flag is absent.
  llvm::ArrayRef<std::string> values(llvm::StringRef name) const;
  /// A whole number within [min, max]; `otherwise` when absent. Prints the usage error and returns nullopt when wrong.
  std::optional<int64_t> integer(llvm::StringRef name, int64_t otherwise, int64_t min, int64_t max,
                                 Console &console) const;
  std::optional<double> number(llvm::StringRef name, double otherwise, double min, double max, Console &console) const;

  std::vector<std::string> positional;

private:
  std::map<std::string, std::vector<std::string>> given;
};

/// The candidate nearest to `word` by edit distance, when it is near enough to be a slip of the hand; otherwise "".
std::string nearest(llvm::StringRef word, llvm::ArrayRef<std::string> candidates);

} // namespace adze::cli
