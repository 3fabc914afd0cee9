// The page that `compile --report=FILE.html` writes: one file, no scripts, readable offline.
#pragma once
#include "llvm/Support/JSON.h"
#include <string>

namespace adze::cli {

std::string reportPage(const llvm::json::Object &report);

} // namespace adze::cli
