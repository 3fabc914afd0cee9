#include "tools/adze/Flags.h"
#include "tools/adze/Console.h"

using namespace adze;
using namespace adze::cli;

std::string adze::cli::nearest(llvm::StringRef word, llvm::ArrayRef<std::string> candidates) {
  std::string best;
  unsigned bestDistance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string &candidate : candidates) {
    unsigned distance = word.edit_distance(candidate, /*AllowReplacements=*/true, bestDistance);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

static const FlagSpec *find(llvm::ArrayRef<FlagSpec> specs, llvm::StringRef name) {
  for (const FlagSpec &spec : specs)
    if (name == spec.name || (spec.attached && name.starts_with(spec.name)))
      return &spec;
  return nullptr;
}

static int unknownFlag(llvm::StringRef name, llvm::ArrayRef<FlagSpec> specs, llvm::StringRef verb, Console &console) {
  std::vector<std::string> names;
  for (const FlagSpec &spec : specs)
    names.push_back(spec.name);
  std::string near = nearest(name, names);
  std::string remedy = near.empty() ? "see `adze help " + verb.str() + "`" : "did you mean " + near + "?";
  return console.usage("unknown flag " + printable(name), "adze " + verb.str() + " has no such flag", remedy);
}

std::optional<Flags> Flags::parse(llvm::ArrayRef<const char *> args, llvm::ArrayRef<FlagSpec> specs,
                                  llvm::StringRef verb, Console &console) {
  Flags out;
  for (size_t i = 0; i < args.size(); ++i) {
    llvm::StringRef arg = args[i];
    if (arg == "--") {
      out.positional.insert(out.positional.end(), args.begin() + i + 1, args.end());
      break;
    }
    if (arg.size() < 2 || arg[0] != '-') {
      out.positional.push_back(arg.str());
      continue;
    }
    bool isLong = arg.starts_with("--");
    auto [name, value] = isLong ? arg.split('=') : std::pair(arg, llvm::StringRef());
    bool hasValue = isLong && arg.contains('=');
    const FlagSpec *spec = find(specs, name);
    if (!spec) {
      unknownFlag(name, specs, verb, console);
      return std::nullopt;
    }
    if (spec->attached && name.size() > llvm::StringRef(spec->name).size()) {
      value = name.drop_front(llvm::StringRef(spec->name).size());
      hasValue = true;
    }
    if (!spec->value && hasValue) {
      console.usage(std::string(spec->name) + " takes no value", "'" + printable(value) + "' was given",
                    "leave the value out");
      return std::nullopt;
    }
    if (spec->value && !hasValue) {
      if (i + 1 == args.size()) {
        console.usage(std::string(spec->name) + " needs a value", "the command line ends after it",
                      std::string(spec->name) + (isLong ? "=" : " ") + spec->value);
        return std::nullopt;
      }
      value = args[++i];
    }
    std::vector<std::string> &values = out.given[spec->name];
    if (!values.empty() && !spec->repeatable) {
      console.usage(std::string(spec->name) + " is given twice", "it takes one value", "give it once");
      return std::nullopt;
    }
    values.push_back(value.str());
  }
  return out;
}

std::string Flags::value(llvm::StringRef name, llvm::StringRef otherwise) const {
  auto it = given.find(name.str());
  return it == given.end() ? otherwise.str() : it->second.back();
}

llvm::ArrayRef<std::string> Flags::values(llvm::StringRef name) const {
  auto it = given.find(name.str());
  return it == given.end() ? llvm::ArrayRef<std::string>() : llvm::ArrayRef<std::string>(it->second);
}

std::optional<int64_t> Flags::integer(llvm::StringRef name, int64_t otherwise, int64_t min, int64_t max,
                                      Console &console) const {
  if (!has(name))
    return otherwise;
  std::string text = value(name);
  int64_t result = 0;
  if (llvm::StringRef(text).getAsInteger(10, result) || result < min || result > max) {
    console.usage(name.str() + " is out of range",
                  "'" + printable(text) + "' is not a whole number from " + std::to_string(min) + " to " +
                      std::to_string(max),
                  "give such a number");
    return std::nullopt;
  }
  return result;
}

std::optional<double> Flags::number(llvm::StringRef name, double otherwise, double min, double max,
                                    Console &console) const {
  if (!has(name))
    return otherwise;
  std::string text = value(name);
  double result = 0;
  if (llvm::StringRef(text).getAsDouble(result) || !(result >= min && result <= max)) {
    console.usage(name.str() + " is out of range", "'" + printable(text) + "' is not a number in the allowed range",
                  "give a number from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }
  return result;
}
