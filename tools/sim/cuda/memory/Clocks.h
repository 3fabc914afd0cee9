// Happens-before between the threads of a launch: vector clocks that a warp's 32 lanes share as long as they can.
//
// A *unit* is what is scheduled together: a block, or a cluster of blocks. Its *actors* are its warps and, beyond them,
// its mbarriers (the asynchronous copies that complete on an mbarrier have no thread; the barrier's phases are their
// clock). Every access is stamped with (unit, actor, lane, clock). A warp's clock advances whenever it publishes
// something, so that what a lane does afterwards is not taken for published.
//
// What a thread knows is, for every actor of its unit, up to which clock that actor's accesses happened before now.
// The common case is one row for the warp; a lane that alone waits on something (an elected producer) gets an overlay
// that the next full warp barrier folds into the row. Knowledge about other units (semaphores in global memory) is rare
// and kept beside.
//
// The async proxy has its own rows: what a thread wrote through the generic proxy is visible to bulk copies and wgmma
// only if the writer executed fence.proxy.async after it. PTX ISA, "Memory Consistency Model", "Async proxy".
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_CLOCKS_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_CLOCKS_H

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace adze::sim {

/// Who touched a byte last, and how, in 64 bits.
struct Tag {
  uint64_t bits = 0;

  static constexpr unsigned severalLanes = 32;   ///< lane(): several lanes of the warp, at the same clock
  static constexpr unsigned noLane = 33;         ///< lane(): an asynchronous unit
  static constexpr unsigned someLane = 34;       ///< lane(): one lane, not known which (taken for the luckiest)
  static constexpr unsigned everyUnit = 0xfffff; ///< unit(): several units, for knowsUnit() any
  enum Flag : uint64_t {
    Async = uint64_t(1) << 60,   ///< async proxy
    Strong = uint64_t(1) << 61,  ///< an atomic or other strong operation of a scope that covers the launch
    Pending = uint64_t(1) << 62, ///< a write in flight: nobody may touch the byte
    Set = uint64_t(1) << 63      ///< readers only: clock() is an index into the unit's reader sets
  };
  static Tag make(unsigned unit, unsigned actor, unsigned lane, uint32_t clock, uint64_t flags = 0) {
    return {(uint64_t(unit & 0xfffff) << 40) | (uint64_t(actor & 0x3ff) << 30) | (uint64_t(lane & 0x3f) << 24) |
            (clock & 0xffffff) | flags};
  }
  explicit operator bool() const { return bits != 0; }
  bool operator==(Tag other) const { return bits == other.bits; }
  bool operator!=(Tag other) const { return bits != other.bits; }
  unsigned unit() const { return (bits >> 40) & 0xfffff; }
  unsigned actor() const { return (bits >> 30) & 0x3ff; }
  unsigned lane() const { return (bits >> 24) & 0x3f; }
  uint32_t clock() const { return bits & 0xffffff; }
  bool is(Flag flag) const { return bits & flag; }
  Tag with(Flag flag) const { return {bits | flag}; }
  Tag without(Flag flag) const { return {bits & ~uint64_t(flag)}; }
  Tag withLane(unsigned lane) const { return {(bits & ~(uint64_t(0x3f) << 24)) | (uint64_t(lane) << 24)}; }
};

/// What is known of one actor: all lanes up to `all`, and the lanes of `mask` up to `maskClock`.
struct Known {
  uint32_t all = 0, maskClock = 0, mask = 0;

  bool covers(unsigned lane, uint32_t clock) const {
    if (clock <= all)
      return true;
    if (clock > maskClock)
      return false;
    return lane < 32 ? (mask >> lane) & 1 : lane == Tag::someLane || (lane == Tag::severalLanes && (mask & (mask - 1)));
  }
  /// Lanes released at different clocks between two warp barriers are taken as released at the later one: this may
  /// miss a race inside a warp, and never invents one.
  void join(const Known &other) {
    if (other.all > all)
      all = other.all;
    if (other.maskClock > all) {
      mask = maskClock > all ? mask | other.mask : other.mask;
      if (other.maskClock > maskClock)
        maskClock = other.maskClock;
    }
    if (maskClock <= all)
      mask = maskClock = 0;
  }
};

/// Rows of Known by actor; a missing entry knows nothing.
class Row {
public:
  const Known *find(unsigned actor) const { return actor < entries.size() ? &entries[actor] : nullptr; }
  Known &at(unsigned actor) {
    if (actor >= entries.size())
      entries.resize(actor + 1);
    return entries[actor];
  }
  void join(const Row &other) {
    if (entries.size() < other.entries.size())
      entries.resize(other.entries.size());
    for (size_t i = 0, e = other.entries.size(); i != e; ++i)
      entries[i].join(other.entries[i]);
  }
  bool covers(unsigned actor, unsigned lane, uint32_t clock) const {
    return actor < entries.size() && entries[actor].covers(lane, clock);
  }
  bool empty() const { return entries.empty(); }
  void clear() { entries.clear(); }

private:
  std::vector<Known> entries;
};

/// The state spaces that a proxy fence distinguishes.
enum class ProxySpace : uint8_t { Shared = 0, Global = 1 };

struct Knowledge;
using ForeignMap = std::map<unsigned, std::shared_ptr<const Knowledge>>;

/// What a thread (or a barrier, for those who wait on it) knows.
struct Knowledge {
  Row generic;
  std::array<Row, 2> proxy; ///< by ProxySpace: generic writes that their writers fenced for the async proxy
  std::shared_ptr<const ForeignMap> foreign; ///< by unit; null: nothing known of other units

  void join(const Knowledge &other);
  void joinForeign(unsigned unit, std::shared_ptr<const Knowledge> knowledge);
  void clear() {
    generic.clear();
    proxy[0].clear();
    proxy[1].clear();
    foreign.reset();
  }
};

/// The clocks of one warp.
class WarpClocks {
public:
  WarpClocks(unsigned unit, unsigned actor) : unitId(unit), self(actor) {}

  unsigned unit() const { return unitId; }
  unsigned actor() const { return self; }
  uint32_t clock() const { return now; }
  Tag tag(unsigned lane, uint64_t flags = 0) const { return Tag::make(unitId, self, lane, now, flags); }
  void setLive(uint32_t mask) { live = mask; }
  uint32_t liveLanes() const { return live; }

  /// Did the access behind `tag` happen before what `lane` does now?
  bool ordered(Tag tag, unsigned lane) const {
    if (tag.unit() == unitId) {
      // An operand read of the warp's asynchronous unit is stamped at the wait that every lane executed.
      if (tag.actor() == self && (tag.lane() == lane || (tag.lane() == Tag::severalLanes && tag.is(Tag::Async))))
        return true;
      const Known *known = base.generic.find(tag.actor());
      if (known && known->covers(tag.lane(), tag.clock()))
        return true;
    }
    return (overlays || base.foreign) && orderedSlowly(tag, lane);
  }
  /// Is the generic write behind `tag` visible to an async-proxy access that `lane` issues now? (Besides ordered().)
  bool visibleToAsync(Tag tag, unsigned lane, ProxySpace space) const;
  /// Does `lane` know that `actor` of the own unit has started (published anything)?
  bool knowsActor(unsigned actor, unsigned lane) const;
  /// Everything that any lane knows.
  void collect(Knowledge &to) const;
  /// Does `lane` know anything of `unit`?
  bool knowsUnit(unsigned unit, unsigned lane) const;

  /// The lanes of `mask` publish what they did and know: joined into `to`. Advances the clock.
  void release(uint32_t mask, Knowledge &to);
  void acquire(uint32_t mask, const Knowledge &from);
  void acquireForeign(uint32_t mask, unsigned unit, std::shared_ptr<const Knowledge> from);
  /// bar.warp.sync.
  void syncWarp(uint32_t mask);
  /// fence.proxy.async by the lanes of `mask`.
  void proxyFence(uint32_t mask, bool shared, bool global);

private:
  bool isAll(uint32_t mask) const { return (mask & live) == live; }
  bool orderedSlowly(Tag tag, unsigned lane) const;
  Knowledge &overlay(unsigned lane);
  void foldOverlays();
  Known ownFenced(uint32_t mask, unsigned space) const;
  void joinOwn(uint32_t mask, Knowledge &to) const;
  void advance();

  unsigned unitId, self;
  uint32_t now = 1, live = ~0u;
  Knowledge base;
  uint32_t overlays = 0; ///< lanes that have one
  std::array<std::unique_ptr<Knowledge>, 32> overlayOf;
  bool anyProxyFence = false;
  std::array<std::array<uint32_t, 32>, 2> fencedClock{}; ///< by space and lane: own accesses up to it are fenced
};

/// Sets of readers that are not ordered with each other, hash-consed per unit: a cell holds an index.
class ReaderSets {
public:
  using Members = std::vector<Tag>;
  const Members &members(uint32_t index) const { return *sets[index]; }
  uint32_t intern(Members members);
  size_t size() const { return sets.size(); }

  /// A small memory of "this set and one more reader gave that set"; none if it is not remembered.
  static constexpr uint32_t none = ~uint32_t(0);
  uint32_t memo(uint32_t set, Tag reader) const {
    const Step &step = steps[slotOf(set, reader)];
    return step.set == set && step.reader == reader ? step.result : none;
  }
  void remember(uint32_t set, Tag reader, uint32_t result) { steps[slotOf(set, reader)] = {set, result, reader}; }

private:
  struct Step {
    uint32_t set = none, result = none;
    Tag reader;
  };
  static size_t slotOf(uint32_t set, Tag reader) {
    return ((set * 0x9e3779b9u) ^ uint32_t(reader.bits >> 24) ^ uint32_t(reader.bits)) & 63;
  }
  std::array<Step, 64> steps;
  std::map<std::vector<uint64_t>, uint32_t> byBits;
  std::vector<std::unique_ptr<Members>> sets;
};

} // namespace adze::sim
#endif
