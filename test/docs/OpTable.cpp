// Prints the import handlers for op_table.py: one line "domain op since inputs outputs" each, where inputs is MIN..MAX
// and
// `*` stands for no upper bound.
#include "compiler/import/HandlerTable.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

int main() {
  adze::HandlerTable table;
  adze::registerAllHandlers(table);
  auto bound = [](int n) { return n >= adze::kVariadic ? std::string("*") : std::to_string(n); };
  for (const std::string &line : table.lines()) {
    auto [domain, rest] = llvm::StringRef(line).split(' ');
    auto [op, since] = rest.split(' ');
    int version = 0;
    since.getAsInteger(10, version);
    const adze::HandlerEntry *entry = table.find(domain == "ai.onnx" ? "" : domain, op, version);
    llvm::outs() << line << ' ' << entry->minInputs << ".." << bound(entry->maxInputs) << ' '
                 << bound(entry->maxOutputs) << '\n';
  }
  return 0;
}
