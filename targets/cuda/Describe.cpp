#include "targets/cuda/Describe.h"
#include "targets/cuda/driver/Image.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"
#include <cstring>

using namespace llvm;

namespace adze::cuda {

bool isImage(ArrayRef<char> section) {
  return section.size() >= sizeof(kImageMagic) && !std::memcmp(section.data(), kImageMagic, sizeof(kImageMagic));
}

StringRef entryText(StringRef ptx, StringRef kernel) {
  for (size_t at = ptx.find(".entry "); at != StringRef::npos; at = ptx.find(".entry ", at + 1)) {
    StringRef name = ptx.substr(at + 7).ltrim();
    if (!name.consume_front(kernel) || name.empty() || !(name.front() == '(' || isspace(name.front())))
      continue;
    size_t start = ptx.rfind('\n', at);
    start = start == StringRef::npos ? 0 : start + 1;
    unsigned depth = 0;
    for (size_t i = at; i < ptx.size(); ++i) {
      if (ptx[i] == '{')
        ++depth;
      else if (ptx[i] == '}' && --depth == 0)
        return ptx.slice(start, i + 1);
    }
  }
  return {};
}

/// Registers from section .nv.info, static shared memory from the size of .nv.shared.KERNEL: what ptxas 12 and 13 write
/// (compared with the text of ptxas -v). .nv.info is a list of {format, attribute, size, payload}; attribute 0x2f holds
/// pairs of a symbol's index and its registers.
static std::string resourcesIn(StringRef cubin, StringRef kernel) {
  auto object = object::ELFFile<object::ELF64LE>::create(cubin);
  if (!object) {
    consumeError(object.takeError());
    return "";
  }
  auto sections = object->sections();
  if (!sections) {
    consumeError(sections.takeError());
    return "";
  }
  std::string registers, shared = "0";
  auto nameOfSymbol = [&](uint32_t index) -> std::string {
    for (const auto &section : *sections) {
      if (section.sh_type != ELF::SHT_SYMTAB)
        continue;
      auto symbol = object->getSymbol(&section, index);
      auto strings = object->getStringTableForSymtab(section);
      if (symbol && strings)
        if (Expected<StringRef> name = (*symbol)->getName(*strings))
          return name->str();
        else
          consumeError(name.takeError());
      else
        consumeError(joinErrors(symbol.takeError(), strings.takeError()));
    }
    return "";
  };
  for (const auto &section : *sections) {
    Expected<StringRef> name = object->getSectionName(section);
    if (!name) {
      consumeError(name.takeError());
      continue;
    }
    if (*name == (".nv.shared." + kernel).str())
      shared = std::to_string(section.sh_size);
    if (*name != ".nv.info")
      continue;
    Expected<ArrayRef<uint8_t>> info = object->getSectionContents(section);
    if (!info) {
      consumeError(info.takeError());
      continue;
    }
    constexpr uint8_t kSized = 4, kRegisterCount = 0x2f;
    for (ArrayRef<uint8_t> rest = *info; rest.size() >= 4;) {
      size_t size = rest[0] == kSized ? support::endian::read16le(&rest[2]) : 0;
      if (rest.size() < 4 + size)
        break;
      if (rest[0] == kSized && rest[1] == kRegisterCount && size == 8 &&
          nameOfSymbol(support::endian::read32le(&rest[4])) == kernel)
        registers = std::to_string(support::endian::read32le(&rest[8]));
      rest = rest.drop_front(4 + size);
    }
  }
  return registers.empty() ? "" : registers + " registers, " + shared + " bytes of static shared memory";
}

std::optional<std::string> describeKernel(ArrayRef<char> section, StringRef kernel, std::string &why) {
  std::vector<ImageCode> codes;
  why = readImage(section.data(), section.size(), codes);
  if (!why.empty())
    return std::nullopt;
  std::string out;
  bool found = false;
  for (const ImageCode &code : codes) {
    if (code.entry.kind == ImageKind::cubin) {
      std::string resources = resourcesIn(StringRef(code.data, code.entry.size), kernel);
      if (!resources.empty())
        out += "// " + code.name() + ": " + resources + "\n";
      continue;
    }
    StringRef text = entryText(StringRef(code.data, code.entry.size - 1), kernel);
    if (text.empty())
      continue;
    found = true;
    out += ("// " + code.name() + ", version " + Twine(code.entry.ptxVersion / 10) + "." +
            Twine(code.entry.ptxVersion % 10) + "\n" + text + "\n")
               .str();
  }
  if (found)
    return out;
  why = "no such kernel in the image";
  return std::nullopt;
}

} // namespace adze::cuda
