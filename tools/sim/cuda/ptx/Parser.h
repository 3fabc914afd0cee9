// PTX text to a tree. Source: PTX ISA, "Syntax", "Directives", "Instruction Operands".
#ifndef ADZE_TOOLS_SIM_CUDA_PTX_PARSER_H
#define ADZE_TOOLS_SIM_CUDA_PTX_PARSER_H

#include "Lexer.h"
#include "Syntax.h"

namespace adze::sim::ptx {

/// Parses a module. Debug sections, .loc, .file and pragmas are skipped. Throws SyntaxError.
Module parse(const std::string &text);

} // namespace adze::sim::ptx
#endif
