// A package as JSON, read through the runtime's own checks. Serves `inspect` and `diff`.
#pragma once
#include "adze/adze.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <string>
#include <vector>

namespace adze::cli {

/// {"file_bytes", "version", "inputs", "outputs", "checks", "sections": [{"name", "kind", "offset", "bytes",
/// "digest"}],
///  "programs": [{"target", "arena_bytes", "dispatches", "host_ops", "images": [{"arch", "bytes"}],
///  "kernels": [{"symbol", "key", "nodes", "scratch", "launches"}]}], "provenance": {...}, "debug": bool}
/// Nullopt on failure, with the status and the four-part text.
std::optional<llvm::json::Object> describePackage(const std::string &path, adze_status_t &status, std::string &message);

/// The bytes of the section called `name` (as describePackage lists it). Nullopt when the package cannot be read; an
/// unknown name gives ADZE_INVALID_ARGUMENT and the list of names.
std::optional<std::vector<char>> readSection(const std::string &path, const std::string &name, adze_status_t &status,
                                             std::string &message);

} // namespace adze::cli
