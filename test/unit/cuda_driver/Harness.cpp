#include "Harness.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace adze::test {

std::string codeSection(const std::vector<Code> &entries) {
  cuda::ImageHeader header{};
  std::memcpy(header.magic, cuda::kImageMagic, sizeof(header.magic));
  header.version = cuda::kImageVersion;
  header.count = uint32_t(entries.size());
  std::string table, payload;
  uint64_t begin = sizeof(header) + entries.size() * sizeof(cuda::ImageEntry);
  auto align = [](uint64_t value) {
    return (value + cuda::kImageAlignment - 1) / cuda::kImageAlignment * cuda::kImageAlignment;
  };
  uint64_t offset = align(begin);
  std::string out(offset, 0);
  for (size_t i = 0; i < entries.size(); ++i) {
    std::string bytes = entries[i].bytes;
    if (entries[i].kind == cuda::ImageKind::ptx)
      bytes.push_back(0);
    bool ptx = entries[i].kind == cuda::ImageKind::ptx;
    cuda::ImageEntry entry{entries[i].kind, entries[i].arch, entries[i].flags,
                           ptx ? 70u : 0u,  out.size(),      bytes.size()};
    std::memcpy(&out[sizeof(header) + i * sizeof(entry)], &entry, sizeof(entry));
    out += bytes;
    out.resize(align(out.size()), 0);
  }
  std::memcpy(&out[0], &header, sizeof(header));
  return out;
}

std::string codeSection(const std::string &arch, const std::string &ptx) {
  bool specific = arch.back() == 'a';
  return codeSection({{cuda::ImageKind::ptx, uint32_t(std::atoi(arch.c_str() + 3)),
                       specific ? uint32_t(cuda::kArchSpecific) : 0u, ptx}});
}

namespace {

/// One element a thread. `body` computes %f2 from %f1 = x[i]; %rd7 is the byte offset, %rd5 the index.
std::string elementKernel(const std::string &name, const std::string &parameters, const std::string &load,
                          const std::string &body, const std::string &shift) {
  return ".visible .entry " + name + "(" + parameters + ")\n.maxntid 128, 1, 1\n" +
         "{\n"
         "  .reg .pred %p<2>;\n"
         "  .reg .b32 %r<5>;\n"
         "  .reg .f32 %f<4>;\n"
         "  .reg .b64 %rd<16>;\n" +
         load +
         "  mov.u32 %r1, %ctaid.x;\n"
         "  mov.u32 %r2, %ntid.x;\n"
         "  mov.u32 %r3, %tid.x;\n"
         "  mad.lo.s32 %r4, %r1, %r2, %r3;\n"
         "  cvt.u64.u32 %rd5, %r4;\n"
         "  setp.ge.u64 %p1, %rd5, %rd3;\n"
         "  @%p1 bra $done;\n"
         "  shl.b64 %rd7, %rd5, 2;\n" +
         body + "  add.s64 %rd9, %rd2, %rd7;\n" + shift +
         "  st.global.f32 [%rd9], %f2;\n"
         "$done:\n"
         "  ret;\n"
         "}\n";
}

const char *kUnaryParameters = ".param .u64 px, .param .u64 py, .param .u64 pn";
const char *kUnaryLoad = "  ld.param.u64 %rd1, [px];\n"
                         "  cvta.to.global.u64 %rd1, %rd1;\n"
                         "  ld.param.u64 %rd2, [py];\n"
                         "  cvta.to.global.u64 %rd2, %rd2;\n"
                         "  ld.param.u64 %rd3, [pn];\n";
const char *kLoadElement = "  add.s64 %rd8, %rd1, %rd7;\n"
                           "  ld.global.f32 %f1, [%rd8];\n";

} // namespace

std::string &extraKernels() {
  static std::string text;
  return text;
}

std::string testKernels(const std::string &target, const std::string &version) {
  std::string element = kLoadElement;
  return ".version " + version + "\n.target " + target + "\n.address_size 64\n" +
         elementKernel("scale", kUnaryParameters, kUnaryLoad, element + "  add.rn.f32 %f2, %f1, %f1;\n", "") +
         elementKernel("triple", kUnaryParameters, kUnaryLoad,
                       element + "  add.rn.f32 %f2, %f1, %f1;\n  add.rn.f32 %f2, %f2, %f1;\n", "") +
         elementKernel("add_row", ".param .u64 px, .param .u64 pw, .param .u64 py, .param .u64 pn, .param .u64 pk",
                       std::string(kUnaryLoad) + "  ld.param.u64 %rd4, [pw];\n"
                                                 "  cvta.to.global.u64 %rd4, %rd4;\n"
                                                 "  ld.param.u64 %rd10, [pk];\n",
                       element + "  rem.u64 %rd11, %rd5, %rd10;\n"
                                 "  shl.b64 %rd11, %rd11, 2;\n"
                                 "  add.s64 %rd12, %rd4, %rd11;\n"
                                 "  ld.global.f32 %f3, [%rd12];\n"
                                 "  add.rn.f32 %f2, %f1, %f3;\n",
                       "") +
         elementKernel("beyond", kUnaryParameters, kUnaryLoad, element + "  mov.f32 %f2, %f1;\n",
                       "  shl.b64 %rd13, %rd3, 20;\n  add.s64 %rd9, %rd9, %rd13;\n") +
         extraKernels();
}

void writeCudaAffine(const std::string &path, const std::vector<std::string> &archs,
                     const std::function<void(TestPackage &)> &change) {
  std::unique_ptr<PackageWriter> writer;
  ASSERT_TRUE(PackageWriter::create(path, writer).ok());
  const float w[4] = {1, 2, 3, 4};
  WeightRef ref;
  ASSERT_TRUE(writer->addWeight(w, sizeof(w), ref).ok());
  TestPackage p;
  p.program->target = "cuda";
  for (const std::string &arch : archs) {
    std::string code = codeSection(arch, testKernels(arch, arch == "sm_80" ? "7.0" : "8.0"));
    uint32_t section = 0;
    ASSERT_TRUE(writer->addCode("cuda " + arch, code.data(), code.size(), section).ok());
    p.image(arch, section, 0);
    for (auto &kernel : p.program->images.back()->kernels)
      kernel->block = {128, 1, 1};
  }
  uint32_t n = p.inputDim("n", 0, 0, 1, 1000000), four = p.constant(4);
  p.input("x", ADZE_F32, {n, four});
  p.output("y", ADZE_F32, {n, four});
  uint32_t total = p.expr(fb::ExprOp::mul, n, four), bytes = p.expr(fb::ExprOp::mul, total, four);
  uint32_t grid = p.expr(fb::ExprOp::ceildiv, total, p.constant(128));
  p.arena(bytes);
  uint32_t x = p.buffer(fb::BufferKind::input, 0, bytes), y = p.buffer(fb::BufferKind::output, 0, bytes);
  uint32_t t = p.buffer(fb::BufferKind::arena, 0, bytes, p.constant(0)), row = p.weight(ref);
  p.dispatch(0, {x, t}, {total}, grid);
  p.dispatch(1, {t, row, y}, {total, four}, grid);
  if (change)
    change(p);
  std::string metadata = p.serialize();
  WriteStatus status = writer->finish(metadata.data(), metadata.size());
  ASSERT_TRUE(status.ok()) << status.message;
}

adze_options_t deviceOptions(const char *device, uint32_t flags) {
  adze_options_t out{};
  out.struct_size = sizeof(out);
  out.device = device;
  out.flags = flags;
  return out;
}

// --- the simulated driver ---

Simulated::Simulated() {
  std::string folder = ADZE_TEST_LIBRARIES;
  set("ADZE_DRIVER_PATH", folder);
  set("ADZE_CUDA_LIBRARY", folder + "/libcuda_sim.so");
  for (const char *name : {"ADZE_SIM_ARCH", "ADZE_SIM_MEMORY", "ADZE_SIM_OOM_AT", "ADZE_SIM_SEED", "ADZE_SIM_DEVICES",
                           "ADZE_SIM_MULTIPROCESSORS", "ADZE_SIM_INSTRUCTIONS", "ADZE_SIM_RACES", "ADZE_SIM_ACCURACY",
                           "ADZE_SIM_SUMS", "ADZE_CUDA_SYNC"})
    unset(name);
  library_ = dlopen((folder + "/libcuda_sim.so").c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  EXPECT_TRUE(library_) << dlerror();
  if (!library_)
    std::abort(); // nothing here can work
  restart();
  api = cuda::Api::load();
}

Simulated::~Simulated() {
  restart();
  dlclose(library_);
  for (auto it = saved_.rbegin(); it != saved_.rend(); ++it)
    it->second ? setenv(it->first.c_str(), it->second->c_str(), 1) : unsetenv(it->first.c_str());
}

void Simulated::set(const char *name, const std::string &value) {
  const char *old = std::getenv(name);
  saved_.emplace_back(name, old ? std::optional<std::string>(old) : std::nullopt);
  setenv(name, value.c_str(), 1);
}

void Simulated::unset(const char *name) {
  set(name, "");
  unsetenv(name);
}

void Simulated::restart() { symbol<void()>("adzeSimReset")(); }
int64_t Simulated::count(const char *what) const { return symbol<int64_t(const char *)>("adzeSimCount")(what); }
std::string Simulated::simError() const { return symbol<const char *()>("adzeSimLastError")(); }

void Simulated::expectNothingLeft() const {
  for (const char *what : {"contexts", "allocations", "pinned", "streams", "events", "pools", "modules", "graphs"})
    EXPECT_EQ(count(what), 0) << what;
}

void *Simulated::find(const char *name) const {
  void *out = dlsym(library_, name);
  EXPECT_TRUE(out) << name;
  return out;
}

} // namespace adze::test
