#include "tools/adze/Disassemble.h"
#include "targets/cuda/Describe.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"

using namespace llvm;

namespace {
/// LLVM's disassembler for x86-64 with every extension on, so that it reads the code of any architecture.
struct Disassembler {
  Triple triple{"x86_64-unknown-linux-gnu"};
  std::unique_ptr<MCRegisterInfo> registers;
  std::unique_ptr<MCAsmInfo> asmInfo;
  std::unique_ptr<MCInstrInfo> instructions;
  std::unique_ptr<MCSubtargetInfo> subtarget;
  std::unique_ptr<MCContext> context;
  std::unique_ptr<MCDisassembler> decoder;
  std::unique_ptr<MCInstPrinter> printer;

  bool init() {
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    InitializeNativeTargetDisassembler();
    std::string error;
    const Target *target = TargetRegistry::lookupTarget(triple, error);
    if (!target)
      return false;
    registers.reset(target->createMCRegInfo(triple));
    asmInfo.reset(target->createMCAsmInfo(*registers, triple, MCTargetOptions()));
    instructions.reset(target->createMCInstrInfo());
    subtarget.reset(target->createMCSubtargetInfo(triple, "sapphirerapids", ""));
    context = std::make_unique<MCContext>(triple, asmInfo.get(), registers.get(), subtarget.get());
    decoder.reset(target->createMCDisassembler(*subtarget, *context));
    printer.reset(target->createMCInstPrinter(triple, /*intel*/ 1, *asmInfo, *instructions, *registers));
    return decoder && printer;
  }

  std::string text(ArrayRef<uint8_t> bytes, uint64_t address) {
    std::string out;
    raw_string_ostream os(out);
    for (uint64_t at = 0; at < bytes.size();) {
      MCInst instruction;
      uint64_t size = 0;
      auto status = decoder->getInstruction(instruction, size, bytes.slice(at), address + at, nulls());
      if (size == 0)
        size = 1;
      os << format_hex_no_prefix(address + at, 8) << ":";
      if (status == MCDisassembler::Success)
        printer->printInst(&instruction, address + at, "", *subtarget, os);
      else
        os << "\t(bad)";
      os << "\n";
      at += size;
    }
    return out;
  }
};
} // namespace

std::optional<std::string> adze::cli::disassemble(ArrayRef<char> code, StringRef symbol, std::string &why) {
  if (cuda::isImage(code))
    return cuda::describeKernel(code, symbol, why);
  auto object = object::ObjectFile::createELFObjectFile(MemoryBufferRef(StringRef(code.data(), code.size()), "image"));
  if (!object) {
    why = toString(object.takeError());
    return std::nullopt;
  }
  auto symbols = cast<object::ELFObjectFileBase>(**object).getDynamicSymbolIterators();
  for (const object::ELFSymbolRef &candidate : symbols) {
    Expected<StringRef> name = candidate.getName();
    Expected<uint64_t> address = candidate.getAddress();
    Expected<object::section_iterator> section = candidate.getSection();
    bool usable = name && address && section && *section != (*object)->section_end() && *name == symbol;
    if (!name || !address || !section) {
      consumeError(name.takeError());
      consumeError(address.takeError());
      consumeError(section.takeError());
    }
    if (!usable)
      continue;
    Expected<StringRef> contents = (*section)->getContents();
    if (!contents) {
      why = toString(contents.takeError());
      return std::nullopt;
    }
    uint64_t offset = *address - (*section)->getAddress();
    if (offset > contents->size() || candidate.getSize() > contents->size() - offset) {
      why = "the symbol lies outside its section";
      return std::nullopt;
    }
    Disassembler disassembler;
    if (!disassembler.init()) {
      why = "this build has no disassembler for x86-64";
      return std::nullopt;
    }
    auto bytes = arrayRefFromStringRef(contents->substr(offset, candidate.getSize()));
    return disassembler.text(bytes, *address);
  }
  why = "no such function in the image";
  return std::nullopt;
}
