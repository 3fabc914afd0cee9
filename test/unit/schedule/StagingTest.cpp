// The staging probe: three texts on three machine tables. The staged form must give the bits of the unstaged text in
// every order of its units; flags, ring bytes and on-chip bytes are printed and held to the design's limits. Rings that
// are too shallow or too deep must be reported.
//
// `--table=FILE --stamp=TEXT` writes docs/results/staging.md; the stamp holds date and commit.
#include "compiler/schedule/Staging.h"
#include "compiler/oracle/Interpreter.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <fstream>
#include <set>

using namespace mlir;
using namespace adze;

namespace {

constexpr unsigned kSeeds = 12;

struct Buffers {
  std::vector<std::vector<char>> bytes;
  std::vector<oracle::HostBuffer> refs;
};

uint64_t nextRandom(uint64_t &state) {
  state += 0x9e3779b97f4a7c15ull;
  uint64_t z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 27);
}

struct Case {
  std::string text, machine, schedule;
  std::vector<int64_t> dims;
  std::vector<std::pair<int64_t, float>> sizes; // elements of each buffer, and the range of its random content
  std::vector<double> scalars;
  bool split = false; // the split dim has several shares: body, fold and finish stay apart
  std::string loop;   // whose steps the table counts flags by
  bool table = true;  // a row of the results table
};

/// The results table: one line a text, machine and schedule.
class Table {
public:
  void add(const Case &c, const schedule::Footprint &use) {
    std::string key = c.text + c.machine + c.schedule + (c.split ? "split" : "");
    if (!seen.insert(key).second)
      return;
    llvm::raw_string_ostream out(rows);
    out << "| " << c.text << (c.split ? ", split" : "") << (c.schedule.empty() && c.loop == "kv" ? ", no stages" : "")
        << " | " << c.machine << " | " << use.batch << " | " << use.crossFlags << " | " << use.coreFlags << " | "
        << use.ringBytes / 1024 << " | " << use.totalRingBytes / 1024 << " of " << use.l2Bytes / 1024 << " | ";
    const char *separator = "";
    for (const auto &[name, u] : use.memories)
      if (u.capacity && u.bytes) {
        out << separator << name << " " << (u.bytes + 1023) / 1024 << "/" << u.capacity / 1024;
        separator = ", ";
      }
    out << " |\n";
  }

  void write(const std::string &file, const std::string &stamp) const {
    std::ofstream(file)
        << "# Staging: flags and bytes\n\n"
           "Written by `build/release/test/bin/unit_schedule --table=FILE --stamp=TEXT` ("
        << stamp
        << ").\n\n"
           "Every row's staged form gave the bits of the unstaged text in "
        << kSeeds
        << " random orders of its units\n"
           "(typed interpreter, ragged extents). Machine tables: test/unit/schedule/machines. Flags are counted for "
           "each step\n"
           "of the innermost staged loop (a step is `batch` iterations); \"cross\" flags go between cores. Rings lie "
           "in\n"
           "device memory and are meant to stay in L2: KiB of one program, and of all that run at once. On-chip use is "
           "in\n"
           "KiB of the capacity: rings, carried tiles and scratch. Nothing here is a measurement on a device.\n\n"
           "| text | machine | batch | cross flags | in-core flags | rings, KiB | all rings of L2, KiB | on chip, KiB "
           "|\n"
           "|---|---|---|---|---|---|---|---|\n"
        << rows;
  }

private:
  std::set<std::string> seen;
  std::string rows;
};

Table &table() {
  static Table rows;
  return rows;
}

class Staging : public testing::Test {
protected:
  Staging() : context(registry(), MLIRContext::Threading::DISABLED) {
    context.getDiagEngine().registerHandler([this](Diagnostic &d) {
      messages += d.str() + "\n";
      return success();
    });
  }

  static DialectRegistry registry() {
    DialectRegistry r;
    r.insert<tile::TileDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect, affine::AffineDialect>();
    return r;
  }

  static Machine machine(const std::string &name) {
    auto m = schedule::readMachineFile(std::string(ADZE_STAGING_DATA "/machines/") + name + ".json");
    if (!m) {
      ADD_FAILURE() << llvm::toString(m.takeError());
      return {};
    }
    return *m;
  }

  OwningOpRef<ModuleOp> parse(const Case &c) {
    auto module = parseSourceFile<ModuleOp>(std::string(ADZE_STAGING_DATA "/texts/") + c.text + ".mlir", &context);
    if (!module) {
      ADD_FAILURE() << messages;
      return module;
    }
    tile::KernelOp kernel = kernelOf(*module);
    if (!c.schedule.empty())
      kernel.setScheduleAttr(cast<tile::ScheduleAttr>(parseAttribute(c.schedule, &context)));
    if (c.split)
      kernel.removeFactsAttr();
    return module;
  }
  static tile::KernelOp kernelOf(ModuleOp module) { return *module.getOps<tile::KernelOp>().begin(); }

  /// Buffers with seeded content: `in` of the case's range, `out` zero.
  Buffers buffers(const Case &c, tile::KernelOp kernel) {
    Buffers b;
    uint64_t state = 42;
    for (auto [i, size] : llvm::enumerate(c.sizes)) {
      auto ref = cast<tile::RefType>(cast<TypeAttr>(kernel.getArgTypes()[i]).getValue());
      auto storage = oracle::Storage::of(ref.getElementType());
      unsigned bytes = ref.getElementType().getIntOrFloatBitWidth() / 8;
      b.bytes.emplace_back(size.first * bytes);
      if (ref.getEffect() == tile::Effect::in) {
        std::vector<double> values(size.first);
        for (double &v : values)
          v = ((nextRandom(state) >> 11) * 0x1.0p-53 * 2 - 1) * size.second;
        storage->write(b.bytes.back().data(), 0, 1, size.first, values.data());
      }
      b.refs.push_back({ref.getElementType(), b.bytes.back().data(), b.bytes.back().size()});
    }
    for (auto [i, bytes] : llvm::enumerate(b.bytes)) // vectors may have moved
      b.refs[i].data = bytes.data();
    return b;
  }

  /// The bytes of all buffers after a run; empty on failure.
  std::vector<std::vector<char>> run(const Case &c, tile::KernelOp kernel, uint64_t seed) {
    Buffers b = buffers(c, kernel);
    oracle::InterpreterOptions options;
    options.mode = oracle::Mode::Typed;
    options.unitOrderSeed = seed;
    options.checkRaces = true;
    options.checkUnwritten = true;
    if (failed(oracle::runKernel(kernel, c.dims, b.refs, c.scalars, options)))
      return {};
    return b.bytes;
  }

  FailureOr<schedule::Footprint> stage(ModuleOp module, const Machine &m) {
    auto result = schedule::stageKernel(kernelOf(module), m);
    EXPECT_TRUE(succeeded(result)) << messages;
    EXPECT_TRUE(succeeded(verify(module))) << messages;
    return result;
  }

  /// Stages the case and compares every seed's bits; returns the footprint.
  FailureOr<schedule::Footprint> check(const Case &c) {
    auto module = parse(c), staged = parse(c);
    if (!module || !staged)
      return failure();
    auto expected = run(c, kernelOf(*module), 0);
    EXPECT_FALSE(expected.empty()) << messages;
    auto use = stage(*staged, machine(c.machine));
    if (failed(use) || expected.empty())
      return failure();
    bool unequal = false;
    for (uint64_t seed = 1; seed <= kSeeds && !unequal; ++seed) {
      auto got = run(c, kernelOf(*staged), seed);
      unequal = got != expected;
      EXPECT_FALSE(got.empty()) << messages;
      EXPECT_EQ(got == expected, true) << c.text << " on " << c.machine << ", seed " << seed << ": bits differ";
    }
    print(c, *use);
    return use;
  }

  static void print(const Case &c, const schedule::Footprint &use) {
    llvm::outs() << c.text << (c.split ? " (split)" : "") << " on " << c.machine << ": " << use.crossFlags
                 << " cross-core and " << use.coreFlags << " in-core flags per step of " << use.batch << "; rings "
                 << use.ringBytes << " B a program, " << use.totalRingBytes << " B in all";
    for (const auto &[name, u] : use.memories)
      if (u.capacity && u.bytes)
        llvm::outs() << "; " << name << " " << u.bytes << " of " << u.capacity;
    llvm::outs() << "\n";
    if (c.table)
      table().add(c, use);
  }

  static void expectFits(const schedule::Footprint &use) { EXPECT_EQ(use.overflow(), ""); }

  MLIRContext context;
  std::string messages;
};

const char *kSkewed =
    "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 2, upd = 3}}}, ops = {}>";
const char *kSkewedBy1 =
    "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 2, upd = 3}, batch = 1}}, ops = {}>";
const char *kFarAhead =
    "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 7, upd = 8}, batch = 1}}, ops = {}>";
const char *kRoles =
    "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 1, upd = 1}}}, ops = {}>";
const char *kLeads = "#tile.schedule<grid = {}, loops = {}, ops = {a = {lead = 2 : i64}, b = {lead = 2 : i64}}>";

/// 40 positions of 4 heads each (160 rows, two programs, the second ragged) over `keys` keys.
Case attention(const std::string &text, const std::string &machine, const char *schedule, int64_t keys,
               int64_t shares = 1) {
  int64_t positions = 40;
  Case c{text, machine, schedule, {1, 1, positions, keys, shares}, {}, {0.3}, shares > 1, "kv"};
  c.sizes = {{positions * 4 * 128, 2.0f}, {keys * 128, 2.0f}, {keys * 128, 1.0f}, {positions * 4 * 128, 0.0f}};
  return c;
}

Case matmul(const std::string &machine, int64_t m, int64_t n, int64_t k, int64_t shares = 1) {
  int64_t packed = (n + 255) / 256 * 256 * ((k + 63) / 64 * 64);
  Case c{"matmul", machine, kLeads, {1, m, n, k, shares}, {}, {}, shares > 1, "k"};
  c.sizes = {{m * k, 1.0f}, {packed, 1.0f}, {n, 1.0f}, {m * n, 1.0f}, {m * n, 0.0f}};
  return c;
}

Case softmax(const std::string &text, const std::string &machine, int64_t rows, int64_t columns) {
  return {text, machine, "", {rows, columns}, {{rows * columns, 20.0f}, {rows * columns, 0.0f}}, {}, false, ""};
}

const char *kMachines[] = {"sm_90a", "arch2201", "arch3510"};

TEST_F(Staging, SoftmaxGivesTheSameBits) {
  for (const char *m : kMachines) {
    for (auto [rows, columns] : {std::pair(4, 1024), std::pair(6, 1000), std::pair(1, 3)}) {
      auto use = check(softmax("softmax", m, rows, columns));
      ASSERT_TRUE(succeeded(use));
      expectFits(*use);
    }
  }
}

TEST_F(Staging, SoftmaxInTwoPassesGivesTheSameBits) {
  for (const char *m : kMachines) {
    auto use = check(softmax("softmax_two_pass", m, 19, 1111));
    ASSERT_TRUE(succeeded(use));
    expectFits(*use);
    EXPECT_EQ(use->ringBytes, 0u);
  }
}

TEST_F(Staging, MatmulGivesTheSameBits) {
  for (const char *m : kMachines) {
    auto use = check(matmul(m, 130, 257, 200));
    ASSERT_TRUE(succeeded(use));
    expectFits(*use);
  }
}

TEST_F(Staging, SplitMatmulGivesTheSameBits) {
  for (const char *m : kMachines) {
    auto use = check(matmul(m, 100, 250, 320, 3));
    ASSERT_TRUE(succeeded(use));
    expectFits(*use);
  }
}

TEST_F(Staging, AttentionGivesTheSameBits) {
  auto hopper = check(attention("attention_128", "sm_90a", kRoles, 700));
  ASSERT_TRUE(succeeded(hopper));
  expectFits(*hopper);
  EXPECT_EQ(hopper->crossFlags, 0);
  EXPECT_LE(hopper->coreFlags, 4); // full and empty for K and V

  // The table of the 2201 asks for two iterations a step.
  for (auto [text, keys] : {std::pair("attention_128", 900), std::pair("attention_512", 2100)}) {
    auto cube = check(attention(text, "arch2201", kSkewed, keys));
    ASSERT_TRUE(succeeded(cube));
    expectFits(*cube);
    EXPECT_EQ(cube->batch, 2);
    EXPECT_LE(cube->crossFlags, 4);
    EXPECT_LE(cube->totalRingBytes, cube->l2Bytes);
  }

  auto direct = check(attention("attention_128", "arch3510", kSkewed, 900));
  ASSERT_TRUE(succeeded(direct));
  expectFits(*direct);
  EXPECT_EQ(direct->ringBytes, 0u); // no ring in device memory
  EXPECT_LE(direct->crossFlags, 6);
}

TEST_F(Staging, BatchedStepsHalveTheFlags) {
  auto one = check(attention("attention_512", "arch2201", kSkewedBy1, 2700));
  auto two = check(attention("attention_512", "arch2201", kSkewed, 2700));
  ASSERT_TRUE(succeeded(one) && succeeded(two));
  EXPECT_EQ(one->batch, 1);
  EXPECT_EQ(two->batch, 2);
  EXPECT_LE(two->crossFlags, one->crossFlags); // of steps twice as long
}

TEST_F(Staging, AttentionWithoutScheduleGivesTheSameBits) {
  for (const char *m : kMachines)
    ASSERT_TRUE(succeeded(check(attention("attention_128", m, "", 300))));
}

TEST_F(Staging, UniformConditionsAreReplicated) {
  for (const char *m : kMachines) {
    Case c{"conditional", m, "", {100, 290}, {{100 * 290, 1.0f}, {290 * 64, 1.0f}, {100 * 64, 0.0f}}, {}, false, "k"};
    ASSERT_TRUE(succeeded(check(c)));
  }
}

TEST_F(Staging, OtherStagesAndLeadsGiveTheSameBits) {
  const char *apart =
      "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 2, pv = 3, upd = 5}}}, ops = {}>";
  const char *batched =
      "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 1, pv = 1, upd = 2}, batch = "
      "3}}, ops = {k = {lead = 0 : i64}, v = {lead = 0 : i64}}>";
  const char *together =
      "#tile.schedule<grid = {}, loops = {kv = {stages = {qk = 0, soft = 0, pv = 1, upd = 1}}}, ops = "
      "{k = {lead = 2 : i64}}>";
  for (auto [m, schedule] : {std::pair("arch2201", apart), std::pair("arch2201", batched),
                             std::pair("arch2201", together), std::pair("arch3510", together)}) {
    Case c = attention("attention_128", m, schedule, 1200);
    c.table = false;
    ASSERT_TRUE(succeeded(check(c)));
  }
}

TEST_F(Staging, LoopsWithoutTripsGiveTheSameBits) {
  // 5 keys for 40 positions: the first programs see none.
  for (const char *m : {"arch2201", "arch3510"}) {
    Case c = attention("attention_128", m, kSkewed, 5);
    c.table = false;
    ASSERT_TRUE(succeeded(check(c)));
  }
}

TEST_F(Staging, SplitAttentionGivesTheSameBits) {
  ASSERT_TRUE(succeeded(check(attention("attention_128", "arch2201", kSkewed, 600, 3))));
  ASSERT_TRUE(succeeded(check(attention("attention_128", "sm_90a", kRoles, 600, 3))));
  ASSERT_TRUE(succeeded(check(attention("attention_128", "arch3510", kSkewed, 600, 3))));
}

/// Channels of a staged kernel whose name begins with `name`.
SmallVector<tile::ChannelOp> channels(tile::KernelOp kernel, StringRef name) {
  SmallVector<tile::ChannelOp> found;
  kernel.walk([&](tile::ChannelOp c) {
    if (c.getName().starts_with(name))
      found.push_back(c);
  });
  return found;
}

TEST_F(Staging, ShallowRingsAreReportedAsDeadlock) {
  auto reports = [&](const char *schedule, llvm::function_ref<void(tile::ChannelOp)> change,
                     ArrayRef<StringRef> parts) {
    Case c = attention("attention_128", "arch2201", schedule, 1400);
    auto staged = parse(c);
    ASSERT_TRUE(succeeded(stage(*staged, machine(c.machine))));
    kernelOf(*staged).walk(change);
    messages.clear();
    for (uint64_t seed = 1; seed <= kSeeds; ++seed)
      EXPECT_TRUE(run(c, kernelOf(*staged), seed).empty()) << "seed " << seed;
    for (StringRef part : parts)
      EXPECT_NE(messages.find(part.str()), std::string::npos) << "no '" << part.str() << "' in " << messages;
    llvm::outs() << StringRef(messages).split('\n').first << "\n";
  };
  // The factor of iteration t waits for its update two iterations later, on the same unit.
  reports(kSkewedBy1,
          [](tile::ChannelOp channel) {
            if (channel.getLocal())
              channel.setDepth(2);
          },
          {"deadlock", "process vector[0] waits for a free slot of soft.1.ub", "2 full and 0 being written of 2"});
  // Scores and probabilities between the cores: with one slot everywhere the matrix unit cannot run six iterations
  // ahead.
  reports(kFarAhead,
          [](tile::ChannelOp channel) {
            if (!channel.getLocal())
              channel.setDepth(1);
            channel.setImplied(false);
          },
          {"deadlock", "process cube waits for", "qk.gm (gm, fix -> vmte2): 1 full"});
}

TEST_F(Staging, ImpliedFlagsNeedTheirDepth) {
  // With the flags dropped but one slot fewer, some order overwrites a slot before it is read; with the depth that
  // plan-memory chose, no order does (AttentionGivesTheSameBits).
  Case c = attention("attention_128", "arch2201", kSkewedBy1, 1500);
  for (StringRef name : {"qk.gm", "soft.3.gm", "pv.gm"}) {
    auto staged = parse(c);
    ASSERT_TRUE(succeeded(stage(*staged, machine(c.machine))));
    auto rings = channels(kernelOf(*staged), name);
    ASSERT_EQ(rings.size(), 1u) << name.str();
    ASSERT_TRUE(rings[0].getImplied());
    ASSERT_EQ(rings[0].getDepth(), 3u);
    rings[0].setDepth(2);
    messages.clear();
    bool caught = false;
    for (uint64_t seed = 1; seed <= 200 && !caught; ++seed)
      caught = run(c, kernelOf(*staged), seed).empty();
    EXPECT_TRUE(caught) << name.str();
    EXPECT_NE(messages.find("was overwritten"), std::string::npos) << name.str() << ": " << messages;
  }
}

TEST_F(Staging, ReleasedSlotsArePoison) {
  Case c = matmul("arch2201", 130, 257, 200);
  auto staged = parse(c);
  ASSERT_TRUE(succeeded(stage(*staged, machine(c.machine))));
  tile::ReleaseOp early;
  kernelOf(*staged).walk([&](tile::ReleaseOp release) {
    if (!early)
      early = release;
  });
  ASSERT_TRUE(early);
  early->moveAfter(early.getSlot().getDefiningOp());
  EXPECT_TRUE(run(c, kernelOf(*staged), 1).empty());
  EXPECT_NE(messages.find("is read after its release"), std::string::npos) << messages;
}

/// The text between the passes is still a kernel: strips alone change no bit.
TEST_F(Staging, StripsAloneGiveTheSameBits) {
  for (const char *m : kMachines) {
    Case c = attention("attention_128", m, std::string(m) == "sm_90a" ? kRoles : kSkewed, 300);
    auto module = parse(c), strips = parse(c);
    tile::KernelOp kernel = kernelOf(*strips);
    Machine table = machine(m);
    ASSERT_TRUE(succeeded(schedule::assignUnits(kernel, table))) << messages;
    ASSERT_TRUE(succeeded(schedule::formStrips(kernel, table, {16}))) << messages;
    auto expected = run(c, kernelOf(*module), 0);
    EXPECT_FALSE(expected.empty()) << messages;
    EXPECT_EQ(run(c, kernel, 0) == expected, true) << m;
  }
}

TEST_F(Staging, DeepRingsAreReportedAsOverflow) {
  Case c = attention("attention_512", "arch2201", kSkewedBy1, 900);
  auto staged = parse(c);
  Machine m = machine(c.machine);
  ASSERT_TRUE(succeeded(stage(*staged, m)));
  auto inL1 = channels(kernelOf(*staged), "k.l1"), inL2 = channels(kernelOf(*staged), "qk.gm");
  ASSERT_EQ(inL1.size(), 1u);
  ASSERT_EQ(inL2.size(), 1u);
  inL1[0].setDepth(4);
  std::string text = schedule::measure(kernelOf(*staged), m).overflow();
  EXPECT_NE(text.find("memory l1 needs 819200 bytes of 524032"), std::string::npos) << text;
  EXPECT_NE(text.find("k.l1 (4 slots of 131072) 524288"), std::string::npos) << text;
  llvm::outs() << text << "\n";
  inL1[0].setDepth(1);
  inL2[0].setDepth(40);
  text = schedule::measure(kernelOf(*staged), m).overflow();
  EXPECT_NE(text.find("bytes of L2 of 201326592"), std::string::npos) << text;
}

TEST_F(Staging, PlansThatDoNotFitAreRefusedWithTheNumbers) {
  Case c = attention("attention_512", "arch3510", kSkewed, 900); // S alone fills L0C
  auto module = parse(c);
  EXPECT_TRUE(failed(schedule::footprint(kernelOf(*module), machine(c.machine))));
  EXPECT_NE(messages.find("memory l0c needs"), std::string::npos) << messages;
  EXPECT_NE(messages.find("plan smaller tiles"), std::string::npos) << messages;
}

TEST_F(Staging, StagingIsDeterministic) {
  Case c = attention("attention_128", "arch2201", kSkewed, 900);
  std::string first, second;
  for (std::string *text : {&first, &second}) {
    auto staged = parse(c);
    ASSERT_TRUE(succeeded(stage(*staged, machine(c.machine))));
    llvm::raw_string_ostream(*text) << *staged;
  }
  EXPECT_EQ(first, second);
}

TEST(MachineTable, RefusesUnknownNames) {
  auto m = schedule::parseMachine(R"({"units": [{"name": "v", "does": ["vector", "load", "store"]}],
    "memories": [{"name": "gm"}], "paths": [{"from": "gm", "to": "ub", "unit": "v"}]})");
  ASSERT_FALSE(bool(m));
  EXPECT_NE(llvm::toString(m.takeError()).find("unknown memory 'ub'"), std::string::npos);
}

} // namespace

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string file, stamp = "no stamp given";
  for (int i = 1; i < argc; ++i) {
    StringRef arg = argv[i];
    if (arg.consume_front("--table="))
      file = arg.str();
    else if (arg.consume_front("--stamp="))
      stamp = arg.str();
  }
  int result = RUN_ALL_TESTS();
  if (result == 0 && !file.empty())
    table().write(file, stamp);
  return result;
}
