// adze targets: what this build can compile for, and what it can run on here.
#include "tools/adze/Engine.h"
#include "tools/adze/Verb.h"
#include "llvm/ADT/StringExtras.h"

using namespace adze;
using namespace adze::cli;

static int targets(const Flags &, Console &console) {
  TargetRegistry registry = allTargets();
  llvm::json::Array list;
  std::string text;
  for (const std::unique_ptr<Target> &target : registry.all()) {
    llvm::json::Array archs;
    for (const auto &[name, about] : target->architectures()) {
      std::string spec = target->name().str() + (name.empty() ? "" : ":" + name);
      text += spec + std::string(spec.size() < 18 ? 18 - spec.size() : 1, ' ') + about + "\n";
      archs.push_back(llvm::json::Object{{"target", spec}, {"about", about}});
    }
    llvm::json::Object entry{{"name", target->name()}, {"architectures", std::move(archs)}};
    if (llvm::Expected<std::vector<TargetArch>> host = target->resolve("host")) {
      llvm::json::Array names;
      for (const TargetArch &arch : *host)
        names.push_back(arch.arch);
      entry["host"] = std::move(names);
      if (!host->empty())
        text += "this machine runs " + target->name().str() + ":" + host->back().arch + "\n";
    } else {
      llvm::consumeError(host.takeError());
    }
    list.push_back(std::move(entry));
  }
  if (console.json)
    console.result(llvm::json::Object{{"ok", true}, {"targets", std::move(list)}});
  else
    console.print(text);
  return kOk;
}

Verb adze::cli::targetsVerb() {
  static const FlagSpec own[] = {kFormatFlag};
  return {"targets",
          "lists what this build can compile for and run on",
          "",
          0,
          0,
          joinFlags({own}),
          {"adze targets", "adze targets --format=json", "adze compile model.onnx -o m.adze --target=cpu:host"},
          targets};
}
