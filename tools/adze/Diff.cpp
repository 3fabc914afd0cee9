// adze diff: what changed between two packages, and which decision caused it.
#include "tools/adze/Engine.h"
#include "tools/adze/PackageView.h"
#include "tools/adze/Verb.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace adze;
using namespace adze::cli;
using llvm::json::Array;
using llvm::json::Object;

namespace {
struct Change {
  std::string what, before, after;
};
/// Causes come before effects: provenance, interface, plan, bytes.
struct Changes {
  std::vector<Change> causes, effects;
};
} // namespace

static std::string plain(const llvm::json::Value *value) {
  if (!value)
    return "(absent)";
  if (std::optional<llvm::StringRef> text = value->getAsString())
    return text->str();
  return llvm::formatv("{0}", *value).str();
}

/// Items of an array by the value of a key; later ones with the same key get a number.
static std::map<std::string, const Object *> byKey(const Array *array, llvm::StringRef key) {
  std::map<std::string, const Object *> out;
  if (!array)
    return out;
  for (const llvm::json::Value &value : *array)
    if (const Object *object = value.getAsObject()) {
      std::string name = plain(object->get(key));
      std::string unique = name;
      for (int n = 2; out.count(unique); ++n)
        unique = name + " #" + std::to_string(n);
      out[unique] = object;
    }
  return out;
}

static void compareFields(const Object &a, const Object &b, llvm::StringRef what, llvm::ArrayRef<const char *> keys,
                          std::vector<Change> &out) {
  for (const char *key : keys) {
    std::string before = plain(a.get(key)), after = plain(b.get(key));
    if (before != after)
      out.push_back({(what + " " + key).str(), before, after});
  }
}

/// Pairs items by `key`, reports those on one side only and compares the rest by `fields`.
static void compareLists(const Array *a, const Array *b, llvm::StringRef what, llvm::StringRef key,
                         llvm::ArrayRef<const char *> fields, std::vector<Change> &out) {
  auto left = byKey(a, key), right = byKey(b, key);
  for (const auto &[name, object] : left) {
    auto other = right.find(name);
    if (other == right.end())
      out.push_back({(what + " " + name).str(), "present", "(absent)"});
    else
      compareFields(*object, *other->second, (what + " " + name).str(), fields, out);
  }
  for (const auto &[name, object] : right)
    if (!left.count(name))
      out.push_back({(what + " " + name).str(), "(absent)", "present"});
}

static void compareProvenance(const Object *a, const Object *b, std::vector<Change> &out) {
  static const Object none;
  a = a ? a : &none;
  b = b ? b : &none;
  std::set<std::string> keys;
  for (const Object *side : {a, b})
    for (const auto &entry : *side)
      keys.insert(entry.first.str());
  for (const std::string &key : keys) {
    std::string before = plain(a->get(key)), after = plain(b->get(key));
    if (before != after)
      out.push_back({key, before, after});
  }
}

static Changes compare(const Object &a, const Object &b) {
  Changes out;
  compareProvenance(a.getObject("provenance"), b.getObject("provenance"), out.causes);
  for (const char *list : {"inputs", "outputs"})
    compareLists(a.getArray(list), b.getArray(list), llvm::StringRef(list).drop_back(), "name", {"dtype", "shape"},
                 out.effects);
  compareLists(a.getArray("programs"), b.getArray("programs"), "program", "target",
               {"arena_bytes", "dispatches", "host_ops", "checks"}, out.effects);
  auto left = byKey(a.getArray("programs"), "target"), right = byKey(b.getArray("programs"), "target");
  for (const auto &[target, program] : left) {
    auto other = right.find(target);
    if (other == right.end())
      continue;
    compareLists(program->getArray("images"), other->second->getArray("images"), target + " image", "arch", {"bytes"},
                 out.effects);
    compareLists(program->getArray("kernels"), other->second->getArray("kernels"), target + " kernel for nodes",
                 "nodes", {"key", "launches", "scratch"}, out.effects);
  }
  compareLists(a.getArray("sections"), b.getArray("sections"), "section", "name", {"bytes", "digest"}, out.effects);
  return out;
}

static Array toJSON(const std::vector<Change> &changes) {
  Array out;
  for (const Change &change : changes)
    out.push_back(Object{{"what", utf8(change.what)}, {"before", utf8(change.before)}, {"after", utf8(change.after)}});
  return out;
}

static void print(llvm::StringRef title, const std::vector<Change> &changes, llvm::raw_ostream &os) {
  if (changes.empty())
    return;
  os << title << "\n";
  for (const Change &change : changes)
    os << "  " << printable(change.what, 200) << ": " << printable(change.before, 200) << " -> "
       << printable(change.after, 200) << "\n";
}

static int diff(const Flags &flags, Console &console) {
  std::optional<Object> packages[2];
  for (size_t i = 0; i < 2; ++i) {
    adze_status_t status = ADZE_OK;
    std::string message;
    packages[i] = describePackage(flags.positional[i], status, message);
    if (!packages[i])
      return console.failText(status, message);
  }
  Changes changes = compare(*packages[0], *packages[1]);
  bool same = changes.causes.empty() && changes.effects.empty();
  if (console.json) {
    console.result(
        Object{{"ok", true}, {"same", same}, {"causes", toJSON(changes.causes)}, {"effects", toJSON(changes.effects)}});
    return kOk;
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  if (same)
    os << "the packages hold the same\n";
  print("what was decided differently:", changes.causes, os);
  print(changes.causes.empty() ? "what differs although model, compiler and flags are the same:" : "what follows:",
        changes.effects, os);
  console.print(text);
  return kOk;
}

Verb adze::cli::diffVerb() {
  static const FlagSpec own[] = {kFormatFlag};
  return {"diff",
          "says what changed between two packages and which decision caused it",
          "A.adze B.adze",
          2,
          2,
          joinFlags({own}),
          {"adze diff old.adze new.adze", "adze diff fused.adze plain.adze --format=json",
           "adze diff a.adze b.adze | head                 the causes come first"},
          diff};
}
