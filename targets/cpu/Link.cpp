// In-process lld: objects to one shared object. lld keeps global state and resets LLVM's options: the caller sees to it
// that nothing else of LLVM runs meanwhile.
#include "lld/Common/Driver.h"
#include "targets/cpu/CpuTarget.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace adze::cpu {
namespace {

llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes) {
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return llvm::createStringError(ec, "cannot write '" + path.str() + "': " + ec.message());
  os << bytes;
  os.close();
  if (os.has_error())
    return llvm::createStringError(os.error(), "cannot write '" + path.str() + "': " + os.error().message());
  return llvm::Error::success();
}

/// The runtime's loader resolves these four and nothing else (docs/package-format.md).
bool isProvided(llvm::StringRef symbol) {
  return symbol == "memcpy" || symbol == "memmove" || symbol == "memset" || symbol == "memcmp";
}

/// Refuses code that would call a library function: it is a defect of the lowering, found here and not by the user.
llvm::Error checkUndefined(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "part"));
  if (!file)
    return file.takeError();
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name)
      return llvm::joinErrors(flags ? llvm::Error::success() : flags.takeError(),
                              name ? llvm::Error::success() : name.takeError());
    if ((*flags & llvm::object::SymbolRef::SF_Undefined) && !name->empty() && !isProvided(*name))
      return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                     "the code calls the library function '" + name->str() + "'");
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::string> linkShared(llvm::ArrayRef<std::string> objects, llvm::ArrayRef<std::string> symbols) {
  llvm::SmallString<128> dir;
  if (std::error_code ec = llvm::sys::fs::createUniqueDirectory("adze-link", dir))
    return llvm::createStringError(ec, "cannot make a temporary directory: " + ec.message());
  auto cleanup = llvm::make_scope_exit([&] { (void)llvm::sys::fs::remove_directories(dir); });
  auto in = [&](const llvm::Twine &name) { return (dir + "/" + name).str(); };

  std::vector<std::string> args{"ld.lld",
                                "-shared",
                                "--build-id=none",
                                "--hash-style=sysv",
                                "-z",
                                "noexecstack",
                                "-z",
                                "relro",
                                "-z",
                                "now",
                                "--gc-sections",
                                "--strip-all",
                                "--threads=1",
                                "--no-rosegment",
                                "-o",
                                in("image.so")};
  std::string versions = "{ global:";
  for (const std::string &s : symbols)
    versions += " \"" + s + "\";";
  versions += symbols.empty() ? " local: *; };\n" : " local: *; };\n";
  if (symbols.empty())
    versions = "{ local: *; };\n";
  if (llvm::Error e = writeFile(in("exports"), versions))
    return std::move(e);
  args.push_back("--version-script=" + in("exports"));
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = in("part" + std::to_string(i) + ".o");
    if (llvm::Error e = checkUndefined(objects[i]))
      return std::move(e);
    if (llvm::Error e = writeFile(path, objects[i]))
      return std::move(e);
    args.push_back(path);
  }
  std::vector<const char *> argv;
  for (const std::string &a : args)
    argv.push_back(a.c_str());
  std::string errors;
  {
    llvm::raw_string_ostream err(errors);
    lld::Result r = lld::lldMain(argv, llvm::nulls(), err, {{lld::Gnu, &lld::elf::link}});
    if (r.retCode != 0)
      return llvm::createStringError(llvm::inconvertibleErrorCode(), errors.empty() ? "lld failed" : errors);
  }
  auto file = llvm::MemoryBuffer::getFile(in("image.so"), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createStringError(file.getError(), "cannot read the linked image: " + file.getError().message());
  return (*file)->getBuffer().str();
}

} // namespace adze::cpu
