// Opens the files that tensors with data_location = EXTERNAL name, without letting a model reach outside its directory.
#pragma once
#include "compiler/support/Status.h"
#include "compiler/weights/MappedFile.h"
#include "llvm/ADT/StringMap.h"

namespace adze {

class ExternalFiles {
public:
  /// `modelPath`: the model; its directory is the only one reachable. `allowedRoot`, when not empty, is a directory
  /// beneath which symbolic and hard links may also lead (model caches are made of links).
  ExternalFiles(llvm::StringRef modelPath, llvm::StringRef allowedRoot);
  /// Maps `location` (relative to the model). Errors go to `sink` with `place`; null then. Files are opened once.
  std::shared_ptr<MappedFile> open(llvm::StringRef location, const ErrorPlace &place, ErrorSink &sink);

private:
  int openBeneath(llvm::StringRef directory, llvm::StringRef relative, std::string &why) const;
  int openInRoot(llvm::StringRef location, std::string &why) const;
  std::string directory, allowedRoot;
  bool usable;
  llvm::StringMap<std::shared_ptr<MappedFile>> files;
};

} // namespace adze
