// The machine code of one kernel of a CPU image, as text.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace adze::cli {

/// Disassembles function `symbol` of the ELF object `code`. Nullopt with `why` when it is not there or cannot be read.
std::optional<std::string> disassemble(llvm::ArrayRef<char> code, llvm::StringRef symbol, std::string &why);

} // namespace adze::cli
