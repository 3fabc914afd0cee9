#include "tools/sim/cuda/memory/Clocks.h"

#include <algorithm>
#include <stdexcept>

using namespace adze::sim;

void Knowledge::join(const Knowledge &other) {
  generic.join(other.generic);
  for (unsigned space = 0; space != 2; ++space)
    if (!other.proxy[space].empty())
      proxy[space].join(other.proxy[space]);
  if (!other.foreign || other.foreign == foreign)
    return;
  if (!foreign) {
    foreign = other.foreign;
    return;
  }
  for (const auto &[unit, knowledge] : *other.foreign)
    joinForeign(unit, knowledge);
}

void Knowledge::joinForeign(unsigned unit, std::shared_ptr<const Knowledge> knowledge) {
  auto merged = foreign ? std::make_shared<ForeignMap>(*foreign) : std::make_shared<ForeignMap>();
  std::shared_ptr<const Knowledge> &entry = (*merged)[unit];
  if (entry == knowledge)
    return;
  if (!entry) {
    entry = knowledge;
  } else {
    auto joined = std::make_shared<Knowledge>(*entry);
    joined->generic.join(knowledge->generic);
    for (unsigned space = 0; space != 2; ++space)
      joined->proxy[space].join(knowledge->proxy[space]);
    entry = joined;
  }
  // What the other unit knew of third ones is known through it.
  std::shared_ptr<const ForeignMap> further = knowledge->foreign;
  foreign = merged;
  if (further)
    for (const auto &[third, its] : *further)
      joinForeign(third, its);
}

bool WarpClocks::orderedSlowly(Tag tag, unsigned lane) const {
  auto knows = [&](const Knowledge &knowledge) {
    if (tag.unit() == unitId)
      return knowledge.generic.covers(tag.actor(), tag.lane(), tag.clock());
    if (!knowledge.foreign)
      return false;
    auto it = knowledge.foreign->find(tag.unit());
    return it != knowledge.foreign->end() && it->second->generic.covers(tag.actor(), tag.lane(), tag.clock());
  };
  return knows(base) || (lane < 32 && (overlays >> lane & 1) && knows(*overlayOf[lane]));
}

bool WarpClocks::visibleToAsync(Tag tag, unsigned lane, ProxySpace space) const {
  unsigned s = unsigned(space);
  if (tag.unit() == unitId && tag.actor() == self) {
    if (tag.lane() < 32 && (tag.lane() == lane || lane >= 32))
      if (tag.clock() <= fencedClock[s][tag.lane()])
        return true;
    if (tag.lane() == Tag::severalLanes && tag.clock() <= ownFenced(live, s).all)
      return true;
  }
  auto knows = [&](const Knowledge &knowledge) {
    if (tag.unit() == unitId)
      return knowledge.proxy[s].covers(tag.actor(), tag.lane(), tag.clock());
    if (!knowledge.foreign)
      return false;
    auto it = knowledge.foreign->find(tag.unit());
    return it != knowledge.foreign->end() && it->second->proxy[s].covers(tag.actor(), tag.lane(), tag.clock());
  };
  return knows(base) || (lane < 32 && (overlays >> lane & 1) && knows(*overlayOf[lane]));
}

bool WarpClocks::knowsUnit(unsigned unit, unsigned lane) const {
  if (unit == unitId)
    return true;
  auto knows = [&](const Knowledge &knowledge) {
    return knowledge.foreign && (unit == Tag::everyUnit || knowledge.foreign->count(unit));
  };
  return knows(base) || (lane < 32 && (overlays >> lane & 1) && knows(*overlayOf[lane]));
}

bool WarpClocks::knowsActor(unsigned actor, unsigned lane) const {
  auto knows = [&](const Knowledge &knowledge) {
    const Known *known = knowledge.generic.find(actor);
    return known && (known->all || known->maskClock);
  };
  return knows(base) || (lane < 32 && (overlays >> lane & 1) && knows(*overlayOf[lane]));
}

void WarpClocks::collect(Knowledge &to) const {
  to.join(base);
  for (uint32_t rest = overlays; rest; rest &= rest - 1)
    to.join(*overlayOf[__builtin_ctz(rest)]);
  joinOwn(live, to);
}

void WarpClocks::advance() {
  if (++now > 0xfffff0)
    throw std::runtime_error("a warp synchronised more than 16 million times: the race checker's clock is exhausted");
}

/// The lanes of `mask` after their last proxy fences, as an entry about this warp.
Known WarpClocks::ownFenced(uint32_t mask, unsigned space) const {
  Known known;
  const auto &clocks = fencedClock[space];
  uint32_t low = ~0u, high = 0;
  for (unsigned lane = 0; lane != 32; ++lane)
    if (live >> lane & 1) {
      low = std::min(low, clocks[lane]);
      high = std::max(high, clocks[lane]);
    }
  known.all = live ? low : 0;
  if (high == known.all)
    return known;
  for (unsigned lane = 0; lane != 32; ++lane)
    if ((mask & live) >> lane & 1 && clocks[lane] > known.all) {
      known.mask |= 1u << lane;
      known.maskClock = std::max(known.maskClock, clocks[lane]);
    }
  return known;
}

void WarpClocks::joinOwn(uint32_t mask, Knowledge &to) const {
  Known own;
  if (isAll(mask)) {
    own.all = now;
  } else {
    own.mask = mask;
    own.maskClock = now;
  }
  to.generic.at(self).join(own);
  if (anyProxyFence)
    for (unsigned space = 0; space != 2; ++space) {
      Known fencedOwn = ownFenced(mask, space);
      // Other lanes' fenced writes are passed on only as far as they are known (a full barrier published them).
      if (!isAll(mask)) {
        const Known *known = base.generic.find(self);
        fencedOwn.all = std::min(fencedOwn.all, known ? known->all : 0);
      }
      if (fencedOwn.all || fencedOwn.mask)
        to.proxy[space].at(self).join(fencedOwn);
    }
}

void WarpClocks::release(uint32_t mask, Knowledge &to) {
  to.join(base);
  for (uint32_t rest = overlays & mask; rest; rest &= rest - 1)
    to.join(*overlayOf[__builtin_ctz(rest)]);
  joinOwn(mask, to);
  advance();
}

Knowledge &WarpClocks::overlay(unsigned lane) {
  if (!overlayOf[lane])
    overlayOf[lane] = std::make_unique<Knowledge>();
  overlays |= 1u << lane;
  return *overlayOf[lane];
}

void WarpClocks::acquire(uint32_t mask, const Knowledge &from) {
  if (isAll(mask)) {
    base.join(from);
    return;
  }
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    overlay(__builtin_ctz(rest)).join(from);
}

void WarpClocks::acquireForeign(uint32_t mask, unsigned unit, std::shared_ptr<const Knowledge> from) {
  if (unit == unitId)
    return acquire(mask, *from);
  auto into = [&](Knowledge &knowledge) {
    knowledge.joinForeign(unit, from);
    // What the other unit knew of this one counts too.
    if (from->foreign)
      if (auto it = from->foreign->find(unitId); it != from->foreign->end())
        knowledge.generic.join(it->second->generic);
  };
  if (isAll(mask))
    return into(base);
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    into(overlay(__builtin_ctz(rest)));
}

void WarpClocks::foldOverlays() {
  for (uint32_t rest = overlays; rest; rest &= rest - 1) {
    unsigned lane = __builtin_ctz(rest);
    base.join(*overlayOf[lane]);
    overlayOf[lane]->clear();
  }
  overlays = 0;
}

void WarpClocks::syncWarp(uint32_t mask) {
  if (isAll(mask)) {
    if (overlays)
      foldOverlays();
    joinOwn(mask, base);
    advance();
    return;
  }
  Knowledge shared;
  release(mask, shared);
  acquire(mask, shared);
}

void WarpClocks::proxyFence(uint32_t mask, bool shared, bool global) {
  anyProxyFence = true;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    unsigned lane = __builtin_ctz(rest);
    if (shared)
      fencedClock[0][lane] = now;
    if (global)
      fencedClock[1][lane] = now;
  }
  advance();
}

uint32_t ReaderSets::intern(Members members) {
  std::sort(members.begin(), members.end(), [](Tag a, Tag b) { return a.bits < b.bits; });
  members.erase(std::unique(members.begin(), members.end()), members.end());
  std::vector<uint64_t> key;
  key.reserve(members.size());
  for (Tag tag : members)
    key.push_back(tag.bits);
  auto [it, isNew] = byBits.try_emplace(std::move(key), uint32_t(sets.size()));
  if (isNew) {
    if (sets.size() >= 0xfffff0)
      throw std::runtime_error("the race checker ran out of reader sets");
    sets.push_back(std::make_unique<Members>(std::move(members)));
  }
  return it->second;
}
