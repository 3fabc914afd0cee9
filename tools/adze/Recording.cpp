#include "tools/adze/Recording.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using namespace adze::cli;
using llvm::json::Array;
using llvm::json::Object;

static constexpr llvm::StringLiteral kManifest = "recording.json", kFormat = "adze-recording";
static constexpr int64_t kVersion = 1;
/// The manifest's nesting is 4 at most; the JSON reader recurses, so a hostile file must not choose the depth.
static constexpr int kMaxNesting = 16;

//===- Writing ----------------------------------------------------------------------------------------------------===//

static int cannotWrite(const std::string &path, llvm::StringRef why, Console &console) {
  return console.fail(kResource, "cannot write the recording", path, why, "choose a folder that can be written");
}

std::unique_ptr<RecordingFile> RecordingFile::create(const std::string &path, Console &console, int &exit) {
  if (path.empty() || llvm::sys::fs::is_directory(path)) {
    exit = console.usage("--record names no file",
                         path.empty() ? "the name is empty" : "'" + printable(path, 400) + "' is a directory",
                         "--record=FILE");
    return nullptr;
  }
  std::unique_ptr<RecordingFile> file(new RecordingFile);
  file->path = path;
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return file;
  file->scratch = std::make_unique<TemporaryDirectory>(path);
  if (file->scratch->path().empty()) {
    exit = cannotWrite(path, file->scratch->parent() + ": " + file->scratch->error(), console);
    return nullptr;
  }
  return file;
}

/// Adds the arrays of `list` as PREFIX.0.npy, ... and returns what the manifest says of them.
static Array addTensors(const std::vector<RecordedTensor> &list, llvm::StringRef prefix, ZipMembers &members) {
  Array entries;
  for (auto [index, recorded] : llvm::enumerate(list)) {
    std::string member = (prefix + "." + llvm::Twine(index) + ".npy").str();
    Array shape;
    for (int64_t dim : recorded.tensor.dims)
      shape.push_back(dim);
    entries.push_back(Object{{"name", utf8(recorded.name)},
                             {"dtype", dtypeName(recorded.tensor.dtype)},
                             {"shape", std::move(shape)},
                             {"member", member}});
    members.emplace_back(std::move(member), toNpy(recorded.tensor));
  }
  return entries;
}

int RecordingFile::write(const Recording &recording, Console &console) {
  ZipMembers members;
  members.emplace_back(kManifest.str(), "");
  Object manifest{{"format", kFormat},
                  {"version", kVersion},
                  {"model_sha256", recording.model},
                  {"device", utf8(recording.device)},
                  {"against", recording.against},
                  {"ok", recording.ok},
                  {"package", Object(recording.provenance)},
                  {"inputs", addTensors(recording.inputs, "input", members)},
                  {"outputs", addTensors(recording.outputs, "output", members)},
                  {"nodes", addTensors(recording.nodes, "node", members)}};
  members.front().second = llvm::formatv("{0:2}\n", llvm::json::Value(std::move(manifest))).str();
  std::optional<std::string> bytes = toZip(members);
  if (!bytes)
    return console.fail(kResource, "the recording would be too large", path, "a recording holds less than 4 GiB",
                        "leave out --per-op, or choose smaller inputs");
  std::string target = scratch ? scratch->path() + "/recording" : path;
  std::error_code error;
  llvm::raw_fd_ostream out(target, error);
  if (!error) {
    out << *bytes;
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (!error && interrupted())
    return kInterrupted;
  if (!error && scratch)
    error = llvm::sys::fs::rename(target, path);
  return error ? cannotWrite(path, error.message(), console) : static_cast<int>(kOk);
}

//===- Reading ----------------------------------------------------------------------------------------------------===//

static std::optional<DType> dtypeFromName(llvm::StringRef name) {
  for (int number = 1; std::optional<DType> type = dtypeFromOnnx(number); ++number)
    if (dtypeName(*type) == name)
      return type;
  return std::nullopt;
}

static bool tooDeep(llvm::StringRef json) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == '[' || c == '{') && ++depth > kMaxNesting)
      return true;
    else if (!inString && (c == ']' || c == '}'))
      --depth;
  }
  return false;
}

/// The arrays that the manifest lists under `key`. False with `why` set when one is missing or not what it says.
static bool takeTensors(const Object &manifest, llvm::StringRef key, const std::map<std::string, std::string> &members,
                        std::vector<RecordedTensor> &out, std::string &why) {
  const Array *list = manifest.getArray(key);
  if (!list) {
    why = ("the manifest has no list '" + key + "'").str();
    return false;
  }
  for (auto [index, value] : llvm::enumerate(*list)) {
    std::string where = (key + "[" + llvm::Twine(index) + "]").str();
    const Object *entry = value.getAsObject();
    auto text = [&](const char *field) { return entry ? entry->getString(field) : std::nullopt; };
    auto name = text("name"), dtype = text("dtype"), member = text("member");
    std::optional<DType> type = dtype ? dtypeFromName(*dtype) : std::nullopt;
    auto found = member ? members.find(member->str()) : members.end();
    if (!name || !type || found == members.end()) {
      why = where + " lacks a name, a known dtype or its array";
      return false;
    }
    ErrorSink errors;
    std::optional<HostTensor> tensor = parseNpy(found->second, found->first, errors);
    if (!tensor || !retype(*tensor, *type)) {
      why = where + ": " +
            (tensor ? "the array is " + dtypeName(tensor->dtype).str() + ", the manifest says " + dtype->str()
                    : errors.errors().front().why);
      return false;
    }
    out.push_back({name->str(), std::move(*tensor)});
  }
  return true;
}

std::unique_ptr<Recording> adze::cli::readRecording(const std::string &path, Console &console, int &exit) {
  auto fail = [&](llvm::StringRef why, int status = kMalformed) {
    exit = console.fail(status, "not a usable recording", path, why, "write it with `adze verify --record=FILE`");
    return nullptr;
  };
  ErrorSink errors;
  std::optional<ZipMembers> archive = readZip(path, errors);
  if (!archive)
    return fail(errors.empty() ? "it cannot be read" : errors.errors().front().why, errors.exitCode());
  std::map<std::string, std::string> members;
  for (auto &[name, bytes] : *archive)
    members[name] = std::move(bytes);
  auto text = members.find(kManifest.str());
  if (text == members.end())
    return fail(("it has no member " + kManifest).str());
  if (tooDeep(text->second))
    return fail("its manifest is nested too deeply");
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text->second);
  if (!parsed)
    return fail("its manifest is not JSON: " + llvm::toString(parsed.takeError()));
  const Object *manifest = parsed->getAsObject();
  if (!manifest || manifest->getString("format").value_or("") != kFormat)
    return fail(("its manifest does not say \"format\": \"" + kFormat + "\"").str());
  if (std::optional<int64_t> version = manifest->getInteger("version"); version.value_or(0) != kVersion)
    return fail("its version is " + (version ? std::to_string(*version) : "missing") + ", this build reads " +
                std::to_string(kVersion));
  auto recording = std::make_unique<Recording>();
  recording->model = manifest->getString("model_sha256").value_or("").str();
  recording->device = manifest->getString("device").value_or("").str();
  recording->against = manifest->getString("against").value_or("").str();
  recording->ok = manifest->getBoolean("ok").value_or(false);
  std::string why;
  if (!takeTensors(*manifest, "inputs", members, recording->inputs, why) ||
      !takeTensors(*manifest, "outputs", members, recording->outputs, why) ||
      !takeTensors(*manifest, "nodes", members, recording->nodes, why))
    return fail(why);
  return recording;
}
