#include "tools/sim/cuda/memory/Shadow.h"

#include <algorithm>

using namespace adze::sim;

class Shadow::Guard {
public:
  Guard(Page &page, bool locked) : lock(locked ? &page.lock : nullptr) {
    if (lock)
      while (lock->exchange(true, std::memory_order_acquire))
        ;
  }
  ~Guard() {
    if (lock)
      lock->store(false, std::memory_order_release);
  }

private:
  std::atomic<bool> *lock;
};

/// Which 16-byte pieces of the page a predicate on its cells holds for.
template <typename Predicate>
uint64_t Shadow::piecesWhere(const Page &page, Predicate predicate) const {
  uint64_t pieces = 0;
  for (unsigned i = 0; i != pageBytes >> page.shift; ++i)
    if (predicate(cellOf(page, i)))
      pieces |= uint64_t(1) << ((i << page.shift) >> 4);
  return pieces;
}

void Shadow::clear(Page &page) {
  std::fill(page.cells.get(), page.cells.get() + (pageBytes >> page.shift) * stride(), Tag());
}

void Shadow::prepare(Page &page, uint32_t launch) {
  if (!page.cells) {
    page.cells = std::make_unique<Tag[]>((pageBytes >> page.shift) * stride());
    page.launch = launch;
    page.writtenBefore = page.readBefore = 0;
    lastTouched = launch;
    ++pagesInUse;
    return;
  }
  bool follows = page.launch + 1 == launch;
  page.writtenBefore = follows ? piecesWhere(page, [](Cell cell) { return bool(cell.write()); }) : 0;
  page.readBefore = follows ? piecesWhere(page, [](Cell cell) { return bool(cell.reads()[0]); }) : 0;
  page.launch = launch;
  lastTouched = launch;
  clear(page);
}

void Shadow::split(Page &page, unsigned shift) {
  unsigned copies = 1u << (page.shift - shift), old = pageBytes >> page.shift;
  auto cells = std::make_unique<Tag[]>((pageBytes >> shift) * stride());
  Tag *to = cells.get();
  for (unsigned i = 0; i != old; ++i)
    for (unsigned copy = 0; copy != copies; ++copy, to += stride())
      std::copy_n(cellOf(page, i).words, stride(), to);
  page.cells = std::move(cells);
  page.shift = uint8_t(shift);
}

Conflict Shadow::checkWriter(Cell cell, const Access &access) const {
  Tag was = cell.write();
  Conflict conflict;
  conflict.previous = was;
  conflict.line = cell.writeLine();
  if (access.nonCoherent) {
    conflict.kind = Conflict::NonCoherent;
    return conflict;
  }
  bool bothStrong = was.is(Tag::Strong) && access.tag.is(Tag::Strong);
  if (was.is(Tag::Pending) && !bothStrong) {
    conflict.kind = Conflict::InFlight;
    return conflict;
  }
  if (!bothStrong && !access.clocks->ordered(was, access.lane)) {
    if (!access.write)
      conflict.kind = Conflict::ReadAfterWrite;
    else if (!access.sameValue)
      conflict.kind = Conflict::WriteAfterWrite;
    return conflict;
  }
  if (access.tag.is(Tag::Async) && !was.is(Tag::Async) && !bothStrong &&
      !access.clocks->visibleToAsync(was, access.lane, access.space))
    conflict.kind = Conflict::MissingProxyFence;
  return conflict;
}

Conflict Shadow::checkReaders(Cell cell, const Access &access) const {
  Conflict conflict;
  conflict.line = cell.readLine();
  auto check = [&](Tag reader) {
    if (conflict || (reader.is(Tag::Strong) && access.tag.is(Tag::Strong)) ||
        access.clocks->ordered(reader, access.lane))
      return;
    conflict.kind = Conflict::WriteAfterRead;
    conflict.previous = reader;
  };
  for (unsigned i = 0; i != readers && cell.reads()[i] && !conflict; ++i) {
    Tag was = cell.reads()[i];
    if (was.unit() == Tag::everyUnit || (was.is(Tag::Set) && was.unit() != access.clocks->unit())) {
      // Readers in other blocks, one by one unknown: ordered if the writer synchronised with other blocks at all.
      if (!access.clocks->knowsUnit(was.unit(), access.lane))
        check(Tag::make(was.unit(), 0, Tag::severalLanes, 0xffffff));
    } else if (was.is(Tag::Set)) {
      for (Tag reader : access.sets->members(was.clock()))
        check(reader);
    } else {
      check(was);
    }
  }
  if (access.sameValue && conflict.kind == Conflict::WriteAfterRead)
    conflict.kind = Conflict::None;
  return conflict;
}

/// Both read by lanes of one warp between the same two of its releases.
static inline bool sameMoment(Tag a, Tag b) {
  return !((a.bits ^ b.bits) & ~(uint64_t(0x3f) << 24) & ~(uint64_t(Tag::Strong) | Tag::Async));
}

static inline Tag merged(Tag reader, Tag now) {
  return reader.lane() == now.lane() ? reader : now.withLane(Tag::severalLanes).without(Tag::Strong);
}

void Shadow::addReader(Cell cell, const Access &access) const {
  Tag *reads = cell.reads();
  Tag now = access.tag;
  if (reads[0] == now)
    return;
  if (!reads[0]) {
    reads[0] = now;
    cell.setReadLine(access.line);
    return;
  }
  Tag first = reads[0];
  if (first.unit() == Tag::everyUnit)
    return;
  if (first.unit() != now.unit()) {
    bool known = !first.is(Tag::Set) && access.clocks->ordered(first, access.lane);
    reads[0] = known ? now : Tag::make(Tag::everyUnit, 0, Tag::severalLanes, 1);
    cell.setReadLine(access.line);
    return;
  }
  if (first.is(Tag::Set))
    return addToSet(cell, access);
  // Drop what is ordered before this read, merge with the own warp's, keep the rest.
  unsigned kept = 0;
  bool isIn = false;
  for (unsigned i = 0; i != readers && reads[i]; ++i) {
    Tag was = reads[i];
    if (!isIn && sameMoment(was, now)) {
      reads[kept++] = merged(was, now);
      isIn = true;
    } else if (!access.clocks->ordered(was, access.lane)) {
      reads[kept++] = was;
    }
  }
  if (!isIn && kept == readers) {
    ReaderSets::Members members(reads, reads + readers);
    // Which lane read is given up in sets, lest there be one for every word: see Tag::someLane.
    for (Tag &reader : members)
      reader = reader.lane() < 32 ? reader.withLane(Tag::someLane) : reader;
    std::fill_n(reads, readers, Tag());
    reads[0] = Tag::make(now.unit(), 0, 0, access.sets->intern(std::move(members)), Tag::Set);
    return addToSet(cell, access);
  }
  if (!isIn)
    reads[kept++] = now;
  std::fill(reads + kept, reads + readers, Tag());
  cell.setReadLine(access.line);
}

void Shadow::addToSet(Cell cell, const Access &access) const {
  Tag now = access.tag, was = cell.reads()[0];
  if (now.lane() < 32)
    now = now.withLane(Tag::someLane);
  uint32_t known = access.sets->memo(was.clock(), now);
  if (known != ReaderSets::none) {
    cell.reads()[0] = Tag::make(now.unit(), 0, 0, known, Tag::Set);
    return;
  }
  ReaderSets::Members members;
  bool isIn = false;
  for (Tag reader : access.sets->members(was.clock())) {
    if (sameMoment(reader, now)) {
      members.push_back(merged(reader, now));
      isIn = true;
    } else if (!access.clocks->ordered(reader, access.lane)) {
      members.push_back(reader);
    }
  }
  if (!isIn)
    members.push_back(now);
  uint32_t index = access.sets->intern(std::move(members));
  access.sets->remember(was.clock(), now, index);
  cell.reads()[0] = Tag::make(now.unit(), 0, 0, index, Tag::Set);
  cell.setReadLine(access.line);
}

Conflict Shadow::accessPage(Page &page, const Access &access, unsigned begin, unsigned count, uint32_t launch) {
  Guard guard(page, locked);
  if (page.launch != launch || !page.cells)
    prepare(page, launch);
  unsigned unaligned = (begin | count) & ((1u << page.shift) - 1);
  if (unaligned)
    split(page, __builtin_ctz(unaligned));
  unsigned first = begin >> page.shift, last = (begin + count) >> page.shift;
  Tag fine; // the last writer found in order
  for (unsigned i = first; i != last; ++i) {
    Cell cell = cellOf(page, i);
    Conflict conflict;
    if (Tag was = cell.write(); was && was != fine) {
      conflict = checkWriter(cell, access);
      fine = was;
    }
    if (!conflict) {
      if (!access.write) {
        addReader(cell, access);
        continue;
      }
      if (cell.reads()[0])
        conflict = checkReaders(cell, access);
    }
    if (conflict) {
      conflict.offset = i << page.shift;
      return conflict;
    }
    cell.write() = access.tag;
    cell.setWriteLine(access.line);
    std::fill_n(cell.reads(), readers, Tag());
  }
  return {};
}

template <bool isWrite>
bool Shadow::accessLanes(Access access, uint32_t lanes, const uint64_t *offset, unsigned size, uint32_t launch) {
  const WarpClocks &clocks = *access.clocks;
  const uint64_t tagOfLane0 = access.tag.bits;
  const unsigned words = stride(), inCell = readers;
  for (; lanes; lanes &= lanes - 1) {
    unsigned lane = unsigned(__builtin_ctz(lanes));
    uint64_t at = offset[lane];
    Page &page = pages[at >> pageBits];
    unsigned begin = at & (pageBytes - 1);
    Guard guard(page, locked);
    // Everything but the common case is left to access(): fresh pages, splits, accesses across pages.
    if (page.launch != launch || !page.cells || ((begin | size) & ((1u << page.shift) - 1)) || begin + size > pageBytes)
      return false;
    access.lane = lane;
    access.tag.bits = tagOfLane0 | uint64_t(lane) << 24;
    Tag *cell = &page.cells[(begin >> page.shift) * words];
    for (unsigned i = 0, e = size >> page.shift; i != e; ++i, cell += words) {
      Tag was = cell[0];
      if (was && was != access.tag && (was.is(Tag::Pending) || !clocks.ordered(was, lane)))
        return false;
      if (!isWrite) {
        if (cell[2] == access.tag)
          continue;
        if (!cell[2]) {
          cell[2] = access.tag;
          cell[1].bits = (cell[1].bits & 0xffffffff) | uint64_t(access.line) << 32;
        } else {
          addReader({cell}, access);
        }
        continue;
      }
      for (unsigned r = 0; r != inCell && cell[2 + r]; ++r) {
        Tag reader = cell[2 + r];
        if (reader.is(Tag::Set) || reader.unit() != clocks.unit() || !clocks.ordered(reader, lane))
          return false;
        cell[2 + r] = Tag();
      }
      cell[0] = access.tag;
      cell[1].bits = (cell[1].bits & ~uint64_t(0xffffffff)) | access.line;
    }
  }
  return true;
}

bool Shadow::accessWarp(const Access &first, uint32_t lanes, const uint64_t *offset, unsigned size, uint32_t launch) {
  return first.write ? accessLanes<true>(first, lanes, offset, size, launch)
                     : accessLanes<false>(first, lanes, offset, size, launch);
}

void Shadow::land(uint64_t offset, uint64_t size, Tag now) {
  while (size) {
    Page &page = pages[offset >> pageBits];
    Guard guard(page, locked);
    unsigned begin = offset & (pageBytes - 1);
    unsigned count = unsigned(size < pageBytes - begin ? size : pageBytes - begin);
    if (page.cells)
      for (unsigned i = begin >> page.shift, e = (begin + count + (1u << page.shift) - 1) >> page.shift; i != e; ++i)
        if (Cell cell = cellOf(page, i); cell.write().is(Tag::Pending))
          cell.write() = now;
    offset += count;
    size -= count;
  }
}

bool Shadow::touchedByPredecessor(uint64_t offset, uint64_t size, bool write, uint32_t launch) {
  while (size) {
    Page &page = pages[offset >> pageBits];
    Guard guard(page, locked);
    unsigned begin = offset & (pageBytes - 1);
    unsigned count = unsigned(size < pageBytes - begin ? size : pageBytes - begin);
    uint64_t touched = 0;
    if (page.cells && page.launch == launch) {
      touched = page.writtenBefore | (write ? page.readBefore : 0);
    } else if (page.cells && page.launch + 1 == launch) {
      touched = piecesWhere(page, [&](Cell cell) { return cell.write() || (write && cell.reads()[0]); });
    }
    unsigned first = begin >> 4, last = (begin + count - 1) >> 4;
    uint64_t mask = (last - first == 63 ? ~uint64_t(0) : (uint64_t(1) << (last - first + 1)) - 1) << first;
    if (touched & mask)
      return true;
    offset += count;
    size -= count;
  }
  return false;
}

void Shadow::reset() {
  for (Page &page : pages)
    if (page.cells)
      clear(page);
}

/// Pages (of 1 KB of data, 1.5 to 24 KB of cells) below which looking at every page is not worth it.
static constexpr uint32_t fewPages = 4096;

void Shadow::trim(uint32_t launch) {
  bool all = lastTouched != 0 && lastTouched + 2 <= launch;
  if (!all && pagesInUse < fewPages)
    return;
  for (Page &page : pages)
    if (page.cells && page.launch + 2 <= launch) {
      page.cells.reset();
      --pagesInUse;
    }
  if (all)
    lastTouched = 0;
}
