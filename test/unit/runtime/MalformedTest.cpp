// Damaged and hostile packages: every flipped byte and every truncation is refused, and metadata that lies, with
// digests that are right, is refused or runs without leaving its buffers.
#include "TestPackage.h"

#include "runtime/src/package/Format.h"

#include <cstring>
#include <random>
#include <sodium/crypto_hash_sha256.h>
#include <thread>
#include <xxhash.h>

using namespace adze;
using namespace adze::test;

namespace {

/// 64-byte aligned bytes.
class Bytes {
public:
  explicit Bytes(const std::string &from)
      : size_(from.size()),
        data_(static_cast<uint8_t *>(std::aligned_alloc(64, (from.size() + 127) / 64 * 64)), &std::free) {
    std::memcpy(data_.get(), from.data(), size_);
  }
  uint8_t *data() { return data_.get(); }
  size_t size() const { return size_; }
  adze_status_t open(size_t size, PackagePtr *out = nullptr) {
    adze_package_t *package = nullptr;
    adze_status_t status = adze_package_open_memory(data(), size, &package);
    PackagePtr owner(package);
    if (out)
      *out = std::move(owner);
    return status;
  }
  adze_status_t open(PackagePtr *out = nullptr) { return open(size_, out); }

  format::Header &header() { return *reinterpret_cast<format::Header *>(data()); }
  format::SectionEntry &entry(size_t i) {
    return reinterpret_cast<format::SectionEntry *>(data() + header().tableOffset)[i];
  }
  /// Makes all digests right again.
  void seal() {
    for (size_t i = 0; i < header().sectionCount; ++i) {
      format::SectionEntry &e = entry(i);
      std::memset(e.digest, 0, sizeof(e.digest));
      if (e.digestKind == uint32_t(format::DigestKind::sha256)) {
        crypto_hash_sha256(e.digest, data() + e.offset, e.size);
      } else {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits(data() + e.offset, e.size));
        std::memcpy(e.digest, canonical.digest, 16);
      }
    }
    sealTable();
  }
  void sealTable() {
    format::Header plain = header();
    std::memset(plain.digest, 0, sizeof(plain) - offsetof(format::Header, digest));
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, reinterpret_cast<const uint8_t *>(&plain), sizeof(plain));
    crypto_hash_sha256_update(&state, data() + header().tableOffset,
                              header().sectionCount * sizeof(format::SectionEntry));
    crypto_hash_sha256_final(&state, header().digest);
  }

private:
  size_t size_;
  std::unique_ptr<uint8_t, void (*)(void *)> data_;
};

Bytes affineBytes() {
  TempFile file("malformed.adze");
  writeAffine(file.path());
  return Bytes(readFile(file.path()));
}

TEST(Malformed, EveryFlippedByteIsRefused) {
  Bytes bytes = affineBytes();
  ASSERT_EQ(bytes.open(), ADZE_OK) << adze_last_error();
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint8_t mask = uint8_t(1u << (i % 8));
    bytes.data()[i] ^= mask;
    ASSERT_EQ(bytes.open(), ADZE_BAD_PACKAGE) << "byte " << i;
    ASSERT_NE(std::string(adze_last_error()).find("byte"), std::string::npos) << adze_last_error();
    bytes.data()[i] ^= mask;
  }
  EXPECT_EQ(bytes.open(), ADZE_OK);
}

TEST(Malformed, EveryTruncationIsRefused) {
  Bytes bytes = affineBytes();
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_EQ(bytes.open(size), ADZE_BAD_PACKAGE) << size;
  // Appended bytes too.
  std::string more(reinterpret_cast<char *>(bytes.data()), bytes.size());
  Bytes longer(more + '\0');
  expectError(longer.open(), ADZE_BAD_PACKAGE, "should have");
}

TEST(Malformed, ErrorsNameTheSection) {
  Bytes bytes = affineBytes();
  size_t code = bytes.entry(1).offset;
  bytes.data()[code + 5] ^= 1;
  expectError(bytes.open(), ADZE_BAD_PACKAGE, "section 1 (code 0), byte " + std::to_string(code));
}

TEST(Malformed, SectionTablesThatLie) {
  auto refused = [](const char *text, auto &&change) {
    Bytes bytes = affineBytes();
    change(bytes);
    bytes.sealTable();
    SCOPED_TRACE(text);
    expectError(bytes.open(), ADZE_BAD_PACKAGE, text);
  };
  refused("expected 4096", [](Bytes &b) { b.entry(0).offset = 0; });
  refused("run into the table", [](Bytes &b) { b.entry(0).size = ~uint64_t(0); });
  refused("run into the table", [](Bytes &b) { b.entry(2).size += 1 << 20; });
  refused("expected", [](Bytes &b) { b.entry(1).offset -= 64; });
  refused("expected", [](Bytes &b) { b.entry(1).offset = ~uint64_t(4095); });
  refused("required", [](Bytes &b) { b.entry(1).kind = 77; });
  refused("digest kind", [](Bytes &b) { b.entry(1).digestKind = 2; });
  refused("unknown digest kind", [](Bytes &b) { b.entry(1).digestKind = 9; });
  refused("reserved", [](Bytes &b) { b.entry(1).reserved = 1; });
  refused("exactly one metadata", [](Bytes &b) { b.entry(1).kind = 1; });
  refused("no metadata", [](Bytes &b) { b.entry(2).kind = 2; });
  refused("version 2", [](Bytes &b) { b.header().version = 2; });
  refused("signature", [](Bytes &b) { b.header().signatureKind = 1; });
  refused("flag", [](Bytes &b) { b.header().flags = 1; });
  refused("does not end the file", [](Bytes &b) { b.header().sectionCount = 2; });
}

TEST(Malformed, UnknownOptionalSectionsAreSkipped) {
  Bytes bytes = affineBytes();
  bytes.entry(0).kind = 77;
  bytes.entry(0).flags = 0;
  bytes.sealTable();
  // The section itself is accepted; the metadata then misses its weights.
  expectError(bytes.open(), ADZE_BAD_PACKAGE, "weight_sections");
}

TEST(Malformed, MetadataThatLies) {
  auto refused = [](const std::string &text, auto &&change) {
    TempFile file("lies.adze");
    TestPackage package;
    uint32_t n = package.inputDim("n", 0, 0, 0, 100), four = package.constant(4);
    uint32_t bytes = package.expr(fb::ExprOp::mul, n, four);
    package.input("x", ADZE_F32, {n});
    package.output("y", ADZE_F32, {n});
    uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes), y = package.buffer(fb::BufferKind::output, 0, bytes);
    package.copy(y, x, bytes);
    change(package);
    package.write(file.path());
    adze_package_t *opened = nullptr;
    SCOPED_TRACE(text);
    expectError(adze_package_open(file.path().c_str(), &opened), ADZE_BAD_PACKAGE, text);
  };
  auto first = [](TestPackage &p) { return p.program->blocks[0]->commands[0]->op.AsCopy(); };
  refused("debug_section", [](TestPackage &p) { p.metadata.debug_section = 1; });
  refused("buffer 9 of 2", [&](TestPackage &p) { first(p)->to = 9; });
  refused("expression 99", [&](TestPackage &p) { first(p)->bytes = 99; });
  refused("expression 3 of 3", [](TestPackage &p) { p.metadata.exprs[3]->a = 3; });
  refused("symbol 1 of 1", [](TestPackage &p) { p.program->exprs[1]->a = 1; });
  refused("unknown operation", [](TestPackage &p) { p.program->exprs[1]->op = fb::ExprOp(99); });
  refused("range is empty", [](TestPackage &p) { p.program->symbols[0]->max = -1; });
  refused("input 5 of 1", [](TestPackage &p) { p.program->symbols[0]->input = 5; });
  refused("axis 5 of 1", [](TestPackage &p) { p.program->symbols[0]->axis = 5; });
  refused("unknown kind", [](TestPackage &p) { p.program->symbols[0]->kind = fb::SymbolKind(9); });
  refused("itself or a later", [](TestPackage &p) {
    p.program->symbols[0]->kind = fb::SymbolKind::derived;
    p.program->symbols[0]->expr = 1;
  });
  refused("dtype 200", [](TestPackage &p) { p.metadata.inputs[0]->dtype = 200; });
  refused("dtype 8", [](TestPackage &p) { p.metadata.inputs[0]->dtype = ADZE_STRING; });
  refused("16 dimensions", [](TestPackage &p) { p.metadata.inputs[0]->dims.assign(17, 0); });
  refused("dim is negative", [](TestPackage &p) { p.metadata.inputs[0]->dims[0] = p.constant(-1); });
  refused("no entry block", [](TestPackage &p) { p.program->blocks.clear(); });
  refused("outside its section", [](TestPackage &p) { p.weight({0, 64}); });
  refused("not constant", [](TestPackage &p) { p.buffer(fb::BufferKind::weight, 0, 3); });
  refused("without code", [](TestPackage &p) { p.dispatch(0, {}, {}, 0); });
  refused("section without code", [](TestPackage &p) { p.image("x86-64-v3", 0); });
  refused("section 7 of 2", [](TestPackage &p) { p.image("x86-64-v3", 7); });
  refused("itself or an earlier", [](TestPackage &p) {
    fb::LoopT loop;
    loop.body = 0;
    p.command(loop);
  });
  refused("nested more than 64", [](TestPackage &p) {
    for (int i = 0; i < 66; ++i) {
      fb::LoopT loop;
      loop.body = uint32_t(i + 1);
      p.block();
      p.command(loop, size_t(i));
    }
  });
  refused("no host operation", [](TestPackage &p) {
    fb::HostT host;
    host.op = "format_disk";
    p.command(host);
  });
  refused("pattern", [](TestPackage &p) {
    fb::FillT fill;
    fill.pattern_bytes = 3;
    p.command(fill);
  });
  refused("data symbol of the metadata is missing", [](TestPackage &p) {
    p.data("count", 10);
    p.program->symbols.back()->kind = fb::SymbolKind::input_dim;
  });
}

/// Sizes that only show at run time.
TEST(Malformed, RunsStayInsideTheirBuffers) {
  auto refused = [](const char *text, auto &&change) {
    TempFile file("inside.adze");
    TestPackage package;
    uint32_t n = package.inputDim("n", 0, 0, 0, 100), four = package.constant(4);
    uint32_t bytes = package.expr(fb::ExprOp::mul, n, four);
    package.input("x", ADZE_F32, {n});
    package.output("y", ADZE_F32, {n});
    package.arena(bytes);
    uint32_t x = package.buffer(fb::BufferKind::input, 0, bytes), y = package.buffer(fb::BufferKind::output, 0, bytes);
    change(package, x, y, bytes);
    package.write(file.path());
    PackagePtr opened = openPackage(file.path());
    SessionPtr session = createSession(opened);
    std::vector<float> values(10);
    adze_tensor_t in = tensor(values, {10}), out{};
    SCOPED_TRACE(text);
    expectError(adze_session_run(session.get(), &in, 1, &out, 1), ADZE_BAD_PACKAGE, text);
  };
  refused("beyond buffer", [](TestPackage &p, uint32_t x, uint32_t y, uint32_t) { p.copy(y, x, p.constant(41)); });
  refused("has the size -1", [](TestPackage &p, uint32_t x, uint32_t y, uint32_t) { p.copy(y, x, p.constant(-1)); });
  refused("needs 41 bytes",
          [](TestPackage &p, uint32_t, uint32_t, uint32_t) { p.buffer(fb::BufferKind::output, 0, p.constant(41)); });
  refused("needs 40 bytes where 39", [](TestPackage &p, uint32_t, uint32_t, uint32_t bytes) {
    p.buffer(fb::BufferKind::arena, 0, bytes, p.constant(1));
  });
  refused("has the size -8", [](TestPackage &p, uint32_t, uint32_t, uint32_t bytes) {
    p.buffer(fb::BufferKind::arena, 0, bytes, p.constant(-8));
  });
  refused("beyond buffer", [](TestPackage &p, uint32_t, uint32_t y, uint32_t) {
    fb::FillT fill;
    fill.to = y;
    fill.pattern_bytes = 4;
    fill.bytes = p.constant(44);
    p.command(fill);
  });
  refused("beyond buffer", [](TestPackage &p, uint32_t, uint32_t y, uint32_t) {
    fb::StoreExprsT store;
    store.to = y;
    store.dtype = ADZE_I64;
    store.exprs.assign(6, 0);
    p.command(std::move(store));
  });
}

TEST(Malformed, MutatedMetadataWithRightDigestsNeverCrashes) {
  TempFile file("commands.adze");
  writeCommands(file.path());
  std::string original = readFile(file.path());
  Bytes good(original);
  size_t offset = good.entry(1).offset, size = good.entry(1).size;
  ASSERT_EQ(good.entry(1).kind, uint32_t(format::SectionKind::metadata));
  // Other seeds: --gtest_shuffle --gtest_random_seed=N.
  std::mt19937 random(unsigned(1 + ::testing::UnitTest::GetInstance()->random_seed()));
  int opened = 0, ran = 0;
  for (int i = 0; i < 6000; ++i) {
    Bytes bytes(original);
    int changes = 1 + int(random() % 3);
    for (int c = 0; c < changes; ++c) {
      uint8_t *at = bytes.data() + offset + random() % size;
      switch (random() % 3) {
      case 0:
        *at = uint8_t(random());
        break;
      case 1:
        *at ^= uint8_t(1u << random() % 8);
        break;
      default:
        *at = uint8_t(*at + (random() % 2 ? 1 : 255));
      }
    }
    bytes.seal();
    PackagePtr package;
    adze_status_t status = bytes.open(&package);
    ASSERT_TRUE(status == ADZE_OK || status == ADZE_BAD_PACKAGE) << adze_last_error();
    if (status != ADZE_OK || adze_package_num_inputs(package.get()) != 1 ||
        adze_package_num_outputs(package.get()) != 2)
      continue;
    ++opened;
    adze_options_t options{};
    options.struct_size = sizeof(options);
    options.num_threads = 1;
    options.max_bytes = 1 << 20;
    adze_session_t *raw = nullptr;
    if (adze_session_create(package.get(), &options, &raw) != ADZE_OK)
      continue;
    SessionPtr session(raw);
    std::vector<int64_t> x{5, 0, 7, 0};
    adze_tensor_t in = tensor(x, ADZE_I64, {4}), out[2] = {};
    ran += adze_session_run(session.get(), &in, 1, out, 2) == ADZE_OK;
  }
  EXPECT_GT(opened, 500); // the mutations reach the executor
  EXPECT_GT(ran, 100);
}

/// With kernels: opened and asked for shapes, but not run, because kernels trust their arguments.
TEST(Malformed, MutatedProgramsWithKernelsNeverCrash) {
  Bytes good = affineBytes();
  std::string original(reinterpret_cast<char *>(good.data()), good.size());
  size_t offset = good.entry(2).offset, size = good.entry(2).size;
  std::mt19937 random(unsigned(1 + ::testing::UnitTest::GetInstance()->random_seed()));
  int opened = 0, sessions = 0;
  for (int i = 0; i < 4000; ++i) {
    Bytes bytes(original);
    for (int c = 0; c < 2; ++c)
      bytes.data()[offset + random() % size] ^= uint8_t(1u << random() % 8);
    bytes.seal();
    PackagePtr package;
    adze_status_t status = bytes.open(&package);
    ASSERT_TRUE(status == ADZE_OK || status == ADZE_BAD_PACKAGE) << adze_last_error();
    if (status != ADZE_OK)
      continue;
    ++opened;
    adze_session_t *raw = nullptr;
    if (adze_session_create(package.get(), nullptr, &raw) != ADZE_OK)
      continue;
    SessionPtr session(raw);
    ++sessions;
    std::vector<float> x(12);
    adze_tensor_t in = tensor(x, {3, 4}), out{};
    (void)adze_session_output_shapes(session.get(), &in, adze_package_num_inputs(package.get()) == 1, &out,
                                     adze_package_num_outputs(package.get()) == 1);
  }
  EXPECT_GT(opened, 300);
  EXPECT_GT(sessions, 200);
}

} // namespace
