// The table of verbs. Each verb is one file; adding one takes a line in main.cpp's table.
#pragma once
#include "tools/adze/Console.h"
#include "tools/adze/Flags.h"

namespace adze::cli {

struct Verb {
  const char *name;
  const char *summary;   ///< one line
  const char *arguments; ///< positional arguments, for the usage line
  unsigned minPositional, maxPositional;
  std::vector<FlagSpec> flags;
  const char *examples[3]; ///< command line, two spaces, what it does
  int (*run)(const Flags &, Console &);
  const char *more = ""; ///< further help text, whole lines
};

Verb compileVerb();
Verb runVerb();
Verb benchVerb();
Verb verifyVerb();
Verb inspectVerb();
Verb diffVerb();
Verb targetsVerb();

/// The flag that every verb with a result takes.
inline constexpr FlagSpec kFormatFlag = {"--format", "text|json", "how the result is printed on stdout"};

/// The list of flags of a verb: its own, then shared groups.
std::vector<FlagSpec> joinFlags(std::initializer_list<llvm::ArrayRef<FlagSpec>> groups);

} // namespace adze::cli
