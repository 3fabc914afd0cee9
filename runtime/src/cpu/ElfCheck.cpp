#include "runtime/src/cpu/ElfCheck.h"

#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <vector>

namespace adze::rt {

namespace {

constexpr const char *kAllowed[] = {"memcpy", "memmove", "memset", "memcmp"};

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
constexpr uint32_t kRelocations[] = {R_X86_64_RELATIVE, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, R_X86_64_64};
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
constexpr uint32_t kRelocations[] = {R_AARCH64_RELATIVE, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT, R_AARCH64_ABS64};
#else
constexpr uint16_t kMachine = EM_NONE;
constexpr uint32_t kRelocations[] = {0};
#endif

class ElfImage {
public:
  ElfImage(const void *bytes, size_t size) : bytes_(static_cast<const char *>(bytes)), size_(size) {}
  std::string check();

private:
  template <typename T>
  bool read(uint64_t offset, T &out) const {
    if (offset > size_ || size_ - offset < sizeof(T))
      return false;
    std::memcpy(&out, bytes_ + offset, sizeof(T));
    return true;
  }
  /// File offset of `bytes` bytes at a virtual address.
  bool locate(uint64_t address, uint64_t bytes, uint64_t &offset) const {
    for (const Elf64_Phdr &segment : loads_)
      if (address >= segment.p_vaddr && address - segment.p_vaddr <= segment.p_filesz &&
          bytes <= segment.p_filesz - (address - segment.p_vaddr)) {
        offset = segment.p_offset + (address - segment.p_vaddr);
        return true;
      }
    return false;
  }
  std::string checkHeader();
  std::string checkSegments();
  std::string checkDynamic();
  std::string checkEntry(const Elf64_Dyn &entry);
  std::string checkRelocations(uint64_t address, uint64_t bytes);
  std::string checkSymbol(uint64_t index);

  const char *bytes_;
  size_t size_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> loads_;
  Elf64_Phdr dynamic_{};
  bool haveDynamic_ = false;
  uint64_t strtab_ = 0, strsz_ = 0, symtab_ = 0, rela_ = 0, relasz_ = 0, jmprel_ = 0, pltrelsz_ = 0;
};

std::string ElfImage::check() {
  for (auto step : {&ElfImage::checkHeader, &ElfImage::checkSegments, &ElfImage::checkDynamic})
    if (std::string why = (this->*step)(); !why.empty())
      return why;
  if (std::string why = checkRelocations(rela_, relasz_); !why.empty())
    return why;
  return checkRelocations(jmprel_, pltrelsz_);
}

std::string ElfImage::checkHeader() {
  if (!read(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0)
    return "it is not an ELF file";
  if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB)
    return "it is not a 64-bit little-endian ELF file";
  if (header_.e_type != ET_DYN)
    return "it is not a shared object";
  if (header_.e_machine != kMachine)
    return cat("it is for ELF machine ", header_.e_machine, ", this process runs on ", kMachine);
  return {};
}

std::string ElfImage::checkSegments() {
  if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0)
    return "it has no program headers";
  for (unsigned i = 0; i < header_.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!read(header_.e_phoff + uint64_t(i) * sizeof(segment), segment))
      return "its program headers lie outside the file";
    if (segment.p_filesz > segment.p_memsz && segment.p_type == PT_LOAD)
      return "a segment is larger in the file than in memory";
    if (segment.p_offset > size_ || segment.p_filesz > size_ - segment.p_offset)
      return "a segment lies outside the file";
    switch (segment.p_type) {
    case PT_LOAD:
      if ((segment.p_flags & PF_W) && (segment.p_flags & PF_X))
        return "a segment is writable and executable";
      // Far above any real image; keeps the mapping's size in reason.
      if (segment.p_vaddr > (uint64_t(1) << 40) || segment.p_memsz > (uint64_t(1) << 32))
        return "a segment has an unreasonable address or size";
      if (segment.p_align > 1 && (segment.p_vaddr - segment.p_offset) % 4096 != 0)
        return "a segment is misaligned";
      loads_.push_back(segment);
      break;
    case PT_DYNAMIC:
      dynamic_ = segment;
      haveDynamic_ = true;
      break;
    case PT_INTERP:
      return "it asks for a program interpreter";
    case PT_TLS:
      return "it has thread-local data";
    case PT_GNU_STACK:
      if (segment.p_flags & PF_X)
        return "it asks for an executable stack";
      break;
    default:
      break;
    }
  }
  for (size_t i = 1; i < loads_.size(); ++i)
    if (loads_[i].p_vaddr < loads_[i - 1].p_vaddr + loads_[i - 1].p_memsz)
      return "its segments overlap or are out of order";
  return loads_.empty() || !haveDynamic_ ? "it has nothing to load" : std::string();
}

std::string ElfImage::checkEntry(const Elf64_Dyn &entry) {
  switch (entry.d_tag) {
  case DT_NEEDED:
    return "it needs another library";
  case DT_INIT:
  case DT_FINI:
  case DT_INIT_ARRAYSZ:
  case DT_FINI_ARRAYSZ:
  case DT_PREINIT_ARRAYSZ:
    return entry.d_un.d_val ? "it has code that would run at load time" : "";
  case DT_TEXTREL:
    return "it has relocations in its code";
  case DT_RPATH:
  case DT_RUNPATH:
  case DT_AUDIT:
  case DT_DEPAUDIT:
  case DT_FILTER:
  case DT_AUXILIARY:
    return "it refers to other libraries";
  case DT_REL:
    return "it has relocations of an unexpected form";
  case DT_STRTAB:
    strtab_ = entry.d_un.d_ptr;
    return {};
  case DT_STRSZ:
    strsz_ = entry.d_un.d_val;
    return {};
  case DT_SYMTAB:
    symtab_ = entry.d_un.d_ptr;
    return {};
  case DT_RELA:
    rela_ = entry.d_un.d_ptr;
    return {};
  case DT_RELASZ:
    relasz_ = entry.d_un.d_val;
    return {};
  case DT_JMPREL:
    jmprel_ = entry.d_un.d_ptr;
    return {};
  case DT_PLTRELSZ:
    pltrelsz_ = entry.d_un.d_val;
    return {};
  default:
    return {};
  }
}

std::string ElfImage::checkDynamic() {
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic_.p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    if (!read(dynamic_.p_offset + at, entry))
      return "its dynamic section lies outside the file";
    if (entry.d_tag == DT_NULL) {
      uint64_t offset;
      if (!locate(strtab_, strsz_, offset) || strsz_ == 0 || bytes_[offset + strsz_ - 1] != '\0' ||
          !locate(symtab_, sizeof(Elf64_Sym), offset))
        return "its symbol table lies outside the file";
      return {};
    }
    if (std::string why = checkEntry(entry); !why.empty())
      return why;
  }
  return "its dynamic section does not end";
}

/// Only relocations make the loader resolve symbols, so the undefined ones are looked for there.
std::string ElfImage::checkRelocations(uint64_t address, uint64_t bytes) {
  uint64_t offset;
  if (bytes == 0)
    return {};
  if (!locate(address, bytes, offset))
    return "its relocations lie outside the file";
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= bytes; at += sizeof(Elf64_Rela)) {
    Elf64_Rela rela;
    if (!read(offset + at, rela))
      return "its relocations lie outside the file";
    uint32_t type = ELF64_R_TYPE(rela.r_info);
    if (std::find(std::begin(kRelocations), std::end(kRelocations), type) == std::end(kRelocations))
      return cat("it has a relocation of type ", type, ", which an image may not have");
    bool inside = std::any_of(loads_.begin(), loads_.end(), [&](const Elf64_Phdr &segment) {
      return (segment.p_flags & PF_W) && rela.r_offset >= segment.p_vaddr && segment.p_memsz >= 8 &&
             rela.r_offset - segment.p_vaddr <= segment.p_memsz - 8;
    });
    if (!inside)
      return "a relocation lies outside the writable memory";
    if (uint32_t symbol = ELF64_R_SYM(rela.r_info))
      if (std::string why = checkSymbol(symbol); !why.empty())
        return why;
  }
  return {};
}

std::string ElfImage::checkSymbol(uint64_t index) {
  uint64_t offset;
  Elf64_Sym symbol;
  if (!locate(symtab_ + index * sizeof(symbol), sizeof(symbol), offset) || !read(offset, symbol) ||
      symbol.st_name >= strsz_)
    return "a symbol lies outside the file";
  if (ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC)
    return "it has code that would run at load time";
  if (symbol.st_shndx != SHN_UNDEF)
    return {};
  locate(strtab_, strsz_, offset);
  const char *name = bytes_ + offset + symbol.st_name;
  for (const char *allowed : kAllowed)
    if (std::strcmp(name, allowed) == 0)
      return {};
  return cat("it needs the symbol '", name, "', which the runtime does not provide");
}

} // namespace

std::string checkCpuImage(const void *bytes, size_t size) { return ElfImage(bytes, size).check(); }

} // namespace adze::rt
