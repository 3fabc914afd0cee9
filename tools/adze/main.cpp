// adze: the command line. The table of verbs is all that this file knows of them.
#include "adze/adze.h"
#include "tools/adze/Interrupt.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze::cli;

static std::vector<Verb> verbs() {
  return {compileVerb(), runVerb(), benchVerb(), verifyVerb(), inspectVerb(), diffVerb(), targetsVerb()};
}

static std::string overview(const std::vector<Verb> &table) {
  std::string out = "adze: compiles ONNX models ahead of time and runs the result\n\nusage: adze VERB ...\n\n";
  llvm::raw_string_ostream os(out);
  for (const Verb &verb : table)
    os << "  " << llvm::left_justify(verb.name, 9) << verb.summary << "\n";
  os << "  " << llvm::left_justify("help", 9) << "what a verb takes, with examples: adze help VERB\n";
  os << "  " << llvm::left_justify("version", 9) << "the version of this program\n\n";
  os << "exit status: 0 done, 1 internal error, 2 wrong usage, 3 malformed or unfit input, 4 not supported,\n"
        "5 bad package, 6 no such device, 7 numbers differ, 8 resource limit, 130 interrupted\n";
  return out;
}

static std::string helpText(const Verb &verb) {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << "adze " << verb.name << ": " << verb.summary << "\n\nusage: adze " << verb.name << " " << verb.arguments;
  if (!verb.flags.empty())
    os << " [flags]";
  os << "\n\n";
  for (const FlagSpec &flag : verb.flags) {
    std::string left = flag.name;
    if (flag.value)
      left += std::string(flag.attached ? "" : left[1] == '-' ? "=" : " ") + flag.value;
    os << "  " << llvm::left_justify(left, 31) << (left.size() > 30 ? "\n" + std::string(33, ' ') : "") << flag.help
       << (flag.repeatable ? " (repeatable)" : "") << "\n";
  }
  if (*verb.more)
    os << "\n" << verb.more;
  os << "\nexamples:\n";
  for (const char *example : verb.examples)
    os << "  " << example << "\n";
  return out;
}

static const Verb *findVerb(const std::vector<Verb> &table, llvm::StringRef name) {
  for (const Verb &verb : table)
    if (name == verb.name)
      return &verb;
  return nullptr;
}

static int unknownVerb(const std::vector<Verb> &table, llvm::StringRef name, Console &console) {
  std::vector<std::string> names = {"help", "version"};
  for (const Verb &verb : table)
    names.push_back(verb.name);
  std::string near = nearest(name, names);
  return console.usage("unknown verb '" + adze::printable(name) + "'", "adze has no such verb",
                       near.empty() ? "see `adze help`" : "did you mean `adze " + near + "`?");
}

static int help(const std::vector<Verb> &table, int argc, char **argv, Console &console) {
  if (argc < 3) {
    console.print(overview(table));
    return kOk;
  }
  const Verb *verb = findVerb(table, argv[2]);
  if (!verb)
    return unknownVerb(table, argv[2], console);
  console.print(helpText(*verb));
  return kOk;
}

static int runVerb(const Verb &verb, int argc, char **argv, Console &console) {
  llvm::ArrayRef<const char *> args(const_cast<const char **>(argv) + 2, static_cast<size_t>(argc) - 2);
  for (llvm::StringRef arg : args) {
    if (arg == "--help" || arg == "-h") {
      console.print(helpText(verb));
      return kOk;
    }
    if (arg == "--format=json")
      console.json = true; // already for errors in the flags
  }
  std::optional<Flags> flags = Flags::parse(args, verb.flags, verb.name, console);
  if (!flags)
    return kUsage;
  std::string format = flags->value("--format", "text");
  if (format != "text" && format != "json")
    return console.usage("--format=" + adze::printable(format), "the formats are text and json", "--format=json");
  console.json = format == "json";
  size_t count = flags->positional.size();
  if (count < verb.minPositional || count > verb.maxPositional)
    return console.usage(count < verb.minPositional ? "an argument is missing" : "too many arguments",
                         std::string("adze ") + verb.name + " takes " + verb.arguments + ", " + std::to_string(count) +
                             " given",
                         std::string("see `adze help ") + verb.name + "`");
  return verb.run(*flags, console);
}

int main(int argc, char **argv) {
  std::string commandLine;
  for (int i = 0; i < argc; ++i)
    commandLine += (i ? " " : "") + std::string(argv[i]);
  installHandlers(commandLine);
  Console console;
  std::vector<Verb> table = verbs();
  if (argc < 2) {
    llvm::errs() << overview(table);
    return kUsage;
  }
  llvm::StringRef name = argv[1];
  if (name == "help" || name == "--help" || name == "-h")
    return help(table, argc, argv, console);
  if (name == "version" || name == "--version") {
    console.print(std::string("adze ") + adze_version() + "\n");
    return kOk;
  }
  const Verb *verb = findVerb(table, name);
  if (!verb)
    return unknownVerb(table, name, console);
  int exit = runVerb(*verb, argc, argv, console);
  return interrupted() ? static_cast<int>(kInterrupted) : exit;
}
