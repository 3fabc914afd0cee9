// A simulated driver whose modules lack one synchronising instruction: see run.py.
//
// ADZE_SIM_MUTANT=list     prints every such instruction of every module loaded, as "mutant N <tab> kernel <tab> text"
// ADZE_SIM_MUTANT=N        leaves out number N (a wait for an mbarrier answers "done" instead)
// ADZE_SIM_MUTANT=trap:N   puts `trap` in its place: does anybody execute it?
//
// ApiModule.cpp is compiled with loadModule renamed to loadMutant; this is loadMutant.
#include "tools/sim/cuda/exec/Program.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace adze::sim {

namespace {

/// One instruction in the text: where it begins (behind label and guard), and where its semicolon is.
struct Found {
  size_t begin, end;
  std::string kernel;
};

bool startsWith(const std::string &text, size_t at, const char *what) {
  return text.compare(at, std::string(what).size(), what) == 0;
}

/// The barriers, waits, fences, commits and arrivals whose absence must be noticed.
bool synchronises(const std::string &text, size_t at) {
  for (const char *prefix : {"bar.", "barrier.", "membar.", "fence.", "wgmma.fence", "wgmma.commit_group",
                             "wgmma.wait_group", "cp.async.commit_group", "cp.async.wait_", "cp.async.mbarrier.arrive",
                             "cp.async.bulk.commit_group", "cp.async.bulk.wait_group", "mbarrier.arrive",
                             "mbarrier.try_wait", "mbarrier.test_wait", "griddepcontrol.wait"})
    if (startsWith(text, at, prefix))
      return !startsWith(text, at, "bar.red") && !startsWith(text, at, "barrier.red");
  return false;
}

size_t skipSpace(const std::string &text, size_t at) {
  while (at < text.size()) {
    if (std::isspace(static_cast<unsigned char>(text[at])))
      ++at;
    else if (startsWith(text, at, "//"))
      at = text.find('\n', at);
    else
      break;
  }
  return at < text.size() ? at : text.size();
}

bool isName(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}

std::vector<Found> findAll(const std::string &text) {
  std::vector<Found> found;
  std::string kernel;
  for (size_t at = skipSpace(text, 0); at < text.size(); at = skipSpace(text, at)) {
    if (text[at] == '{' || text[at] == '}' || text[at] == ';') {
      ++at;
      continue;
    }
    if (text[at] == '@') { // a guard
      ++at;
      if (at < text.size() && text[at] == '!')
        ++at;
      while (at < text.size() && isName(text[at]))
        ++at;
      continue;
    }
    size_t word = at;
    while (at < text.size() && isName(text[at]))
      ++at;
    if (at + 1 < text.size() && text[at] == ':' && text[at + 1] != ':') { // a label, not shared::cta
      ++at;
      continue;
    }
    if (text.compare(word, at - word, ".entry") == 0 || text.compare(word, at - word, ".func") == 0) {
      size_t name = skipSpace(text, at), end = name;
      while (end < text.size() && isName(text[end]))
        ++end;
      kernel = text.substr(name, end - name);
      at = text.find('{', end);
      continue;
    }
    if (word != at && text[word] == '.' &&
        (startsWith(text, word, ".visible") || startsWith(text, word, ".extern") || startsWith(text, word, ".weak")))
      continue;
    size_t end = text.find(';', at);
    size_t lineEnd = text.find('\n', at);
    // Directives like .version and .target end with their line.
    if (text[word] == '.' && (end == std::string::npos || lineEnd < end)) {
      at = lineEnd == std::string::npos ? text.size() : lineEnd;
      continue;
    }
    if (end == std::string::npos)
      break;
    if (synchronises(text, word))
      found.push_back({word, end + 1, kernel});
    at = end + 1;
  }
  return found;
}

/// What stands in the place of a removed instruction.
std::string replacement(const std::string &instruction) {
  std::string first; // operand; commits and fences have none
  if (size_t space = instruction.find_first_of(" \t"); space != std::string::npos) {
    size_t operand = instruction.find_first_not_of(" \t", space);
    first = instruction.substr(operand, instruction.find_first_of(", \t;", operand) - operand);
  }
  if (instruction.find("_wait") != std::string::npos && instruction.compare(0, 8, "mbarrier") == 0)
    return "setp.eq.u32 " + first + ", 0, 0;";
  if (instruction.compare(0, 8, "mbarrier") == 0 && first[0] != '_' && first[0] != '[')
    return "mov.b64 " + first + ", 0;";
  return "pmevent 0;"; // does nothing; a guard before it needs an instruction
}

std::string oneLine(std::string text) {
  for (char &c : text)
    if (std::isspace(static_cast<unsigned char>(c)))
      c = ' ';
  return text;
}

std::string mutated(std::string text) {
  static size_t before = 0; // instructions in the modules loaded so far
  const char *wanted = std::getenv("ADZE_SIM_MUTANT");
  if (!wanted)
    return text;
  std::vector<Found> found = findAll(text);
  size_t first = before;
  before += found.size();
  if (std::string(wanted) == "list") {
    for (size_t i = 0; i != found.size(); ++i)
      std::fprintf(stderr, "mutant %zu\t%s\t%s\n", first + i, found[i].kernel.c_str(),
                   oneLine(text.substr(found[i].begin, found[i].end - found[i].begin)).c_str());
    return text;
  }
  bool trap = std::string(wanted).compare(0, 5, "trap:") == 0;
  size_t number = std::strtoull(wanted + (trap ? 5 : 0), nullptr, 10);
  if (number < first || number >= first + found.size())
    return text;
  const Found &one = found[number - first];
  std::string instruction = text.substr(one.begin, one.end - one.begin);
  return text.replace(one.begin, instruction.size(), trap ? "trap;" : replacement(instruction));
}

} // namespace

LoadResult loadMutant(const std::string &text, const Architecture &device, DeviceMemory &memory) {
  return loadModule(mutated(text), device, memory);
}

} // namespace adze::sim
