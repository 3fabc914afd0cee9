// Machine tables: lookups, routes, and the JSON form used by tests and tools.
#include "compiler/schedule/Staging.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <deque>

using namespace llvm;

namespace adze::schedule {

const Unit *MachineView::unit(StringRef name) const {
  auto it = find_if(machine.units, [&](const Unit &u) { return u.name == name; });
  return it == machine.units.end() ? nullptr : &*it;
}
const Unit *MachineView::unitFor(StringRef what) const {
  auto it = find_if(machine.units, [&](const Unit &u) { return is_contained(u.does, what); });
  return it == machine.units.end() ? nullptr : &*it;
}
const Memory *MachineView::memory(StringRef name) const {
  auto it = find_if(machine.memories, [&](const Memory &m) { return m.name == name; });
  return it == machine.memories.end() ? nullptr : &*it;
}
unsigned MachineView::instances(StringRef name) const {
  const Unit *u = unit(name);
  return u ? u->instances : 1;
}

Route MachineView::route(StringRef from, StringRef to) const {
  // Breadth first; the few paths of a machine need no index.
  std::map<std::string, const Path *> reachedBy;
  std::deque<std::string> queue{from.str()};
  while (!queue.empty()) {
    std::string node = queue.front();
    queue.pop_front();
    if (node != from && !memory(node))
      continue; // a port ends a route
    for (const Path &p : machine.paths)
      if (p.from == node && p.to != from && reachedBy.emplace(p.to, &p).second)
        queue.push_back(p.to);
  }
  Route result;
  for (auto it = reachedBy.find(to.str()); it != reachedBy.end(); it = reachedBy.find(result.front()->from)) {
    result.insert(result.begin(), it->second);
    if (it->second->from == from)
      return result;
  }
  return {};
}

namespace {
std::vector<std::string> strings(const json::Object &object, StringRef key) {
  std::vector<std::string> result;
  if (const json::Array *array = object.getArray(key))
    for (const json::Value &v : *array)
      result.push_back(v.getAsString().value_or("").str());
  return result;
}
std::string text(const json::Object &object, StringRef key) { return object.getString(key).value_or("").str(); }

Error bad(const Twine &what) {
  return createStringError("machine table: " + what + "; see the comment of parseMachine for the format");
}

/// Every name that a path uses must be declared or be a port.
Error check(const Machine &machine) {
  MachineView view(machine);
  static constexpr StringLiteral ports[] = {"matrix.a", "matrix.b", "matrix.acc", "vector"};
  for (const Path &p : machine.paths) {
    if (!view.unit(p.unit))
      return bad("path " + p.from + " -> " + p.to + " uses the unknown unit '" + p.unit + "'");
    for (const std::string &node : {p.from, p.to})
      if (!view.memory(node) && !is_contained(ports, node))
        return bad("path " + p.from + " -> " + p.to + " uses the unknown memory '" + node + "'");
  }
  if (!view.memory(kDeviceMemory))
    return bad("there is no memory 'gm'");
  for (StringRef need : {"vector", "load", "store"})
    if (!view.unitFor(need))
      return bad("no unit does '" + need + "'");
  return Error::success();
}
} // namespace

Expected<Machine> parseMachine(StringRef source) {
  Expected<json::Value> value = json::parse(source);
  if (!value)
    return value.takeError();
  const json::Object *root = value->getAsObject();
  if (!root || !root->getArray("units") || !root->getArray("memories") || !root->getArray("paths"))
    return bad("needs the arrays units, memories and paths");
  Machine machine;
  machine.name = text(*root, "name");
  for (const json::Value &v : *root->getArray("units"))
    if (const json::Object *o = v.getAsObject())
      machine.units.push_back({text(*o, "name"), strings(*o, "does"),
                               static_cast<uint32_t>(o->getInteger("instances").value_or(1)),
                               o->getBoolean("async").value_or(false), text(*o, "core")});
  for (const json::Value &v : *root->getArray("memories"))
    if (const json::Object *o = v.getAsObject())
      machine.memories.push_back({text(*o, "name"), static_cast<uint64_t>(o->getInteger("bytes").value_or(0)),
                                  static_cast<uint32_t>(o->getInteger("align").value_or(1)),
                                  static_cast<uint32_t>(o->getInteger("granule").value_or(1)),
                                  o->getBoolean("per_instance").value_or(false), o->getBoolean("ring").value_or(true)});
  for (const json::Value &v : *root->getArray("paths"))
    if (const json::Object *o = v.getAsObject())
      machine.paths.push_back({text(*o, "from"), text(*o, "to"), text(*o, "unit"), strings(*o, "features")});
  if (const json::Object *values = root->getObject("values"))
    for (const auto &[key, v] : *values)
      machine.values[key.str()] = v.getAsInteger().value_or(0);
  if (Error e = check(machine))
    return std::move(e);
  return machine;
}

Expected<Machine> readMachineFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return createStringError("cannot read the machine table " + path + ": " + buffer.getError().message());
  return parseMachine((*buffer)->getBuffer());
}

} // namespace adze::schedule
