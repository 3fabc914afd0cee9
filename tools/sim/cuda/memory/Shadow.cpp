#include "tools/sim/cuda/memory/Shadow.h"

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
template <typename Cell, typename Predicate>
static uint64_t piecesWhere(const Cell *cells, unsigned shift, Predicate predicate) {
  uint64_t pieces = 0;
  for (unsigned i = 0; i != Shadow::pageBytes >> shift; ++i)
    if (predicate(cells[i]))
      pieces |= uint64_t(1) << ((i << shift) >> 4);
  return pieces;
}

void Shadow::prepare(Page &page, uint32_t launch) {
  if (!page.cells) {
    page.cells = std::make_unique<Cell[]>(pageBytes >> page.shift);
    page.launch = launch;
    page.writtenBefore = page.readBefore = 0;
    lastTouched = launch;
    return;
  }
  if (page.launch == launch)
    return;
  bool follows = page.launch + 1 == launch;
  page.writtenBefore =
      follows ? piecesWhere(page.cells.get(), page.shift, [](const Cell &cell) { return bool(cell.write); }) : 0;
  page.readBefore =
      follows ? piecesWhere(page.cells.get(), page.shift, [](const Cell &cell) { return bool(cell.read); }) : 0;
  page.launch = lastTouched = launch;
  std::fill(page.cells.get(), page.cells.get() + (pageBytes >> page.shift), Cell());
}

void Shadow::split(Page &page, unsigned shift) {
  unsigned copies = 1u << (page.shift - shift), old = pageBytes >> page.shift;
  auto cells = std::make_unique<Cell[]>(pageBytes >> shift);
  for (unsigned i = 0; i != old; ++i)
    std::fill(cells.get() + i * copies, cells.get() + (i + 1) * copies, page.cells[i]);
  page.cells = std::move(cells);
  page.shift = uint8_t(shift);
}

Conflict Shadow::checkWriter(const Cell &cell, const Access &access) const {
  Tag was = cell.write;
  Conflict conflict;
  conflict.previous = was;
  conflict.line = cell.writeLine;
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

Conflict Shadow::checkReaders(const Cell &cell, const Access &access) const {
  Tag was = cell.read;
  Conflict conflict;
  conflict.line = cell.readLine;
  auto check = [&](Tag reader) {
    if (conflict || (reader.is(Tag::Strong) && access.tag.is(Tag::Strong)) ||
        access.clocks->ordered(reader, access.lane))
      return;
    conflict.kind = Conflict::WriteAfterRead;
    conflict.previous = reader;
  };
  if (was.unit() == everyUnit || (was.is(Tag::Set) && was.unit() != access.clocks->unit())) {
    // Readers in other blocks, one by one unknown: ordered if the writer synchronised with other blocks at all.
    if (!access.clocks->knowsUnit(was.unit(), access.lane) && !access.sameValue)
      check(Tag::make(was.unit(), 0, Tag::severalLanes, 0xffffff));
  } else if (was.is(Tag::Set)) {
    for (Tag reader : access.sets->members(was.clock()))
      check(reader);
  } else {
    check(was);
  }
  if (access.sameValue && conflict.kind == Conflict::WriteAfterRead)
    conflict.kind = Conflict::None;
  return conflict;
}

void Shadow::addReader(Cell &cell, const Access &access) const {
  Tag was = cell.read, now = access.tag;
  if (was == now)
    return;
  if (!was) {
    cell.read = now;
    cell.readLine = access.line;
    return;
  }
  if (was.unit() == everyUnit)
    return;
  if (was.unit() != now.unit()) {
    if (was.is(Tag::Set) || !access.clocks->ordered(was, access.lane))
      cell.read = Tag::make(everyUnit, 0, Tag::severalLanes, 1);
    else
      cell.read = now;
    cell.readLine = access.line;
    return;
  }
  auto sameWarp = [&](Tag reader) { return reader.actor() == now.actor() && reader.clock() == now.clock(); };
  auto several = [&](Tag reader) {
    return reader.lane() == now.lane() ? reader : now.withLane(Tag::severalLanes).without(Tag::Strong);
  };
  if (!was.is(Tag::Set)) {
    if (sameWarp(was)) {
      cell.read = several(was);
      return;
    }
    if (access.clocks->ordered(was, access.lane)) {
      cell.read = now;
      cell.readLine = access.line;
      return;
    }
    cell.read = Tag::make(now.unit(), 0, 0, access.sets->intern({was, now}), Tag::Set);
    return;
  }
  ReaderSets::Members members;
  bool merged = false;
  for (Tag reader : access.sets->members(was.clock())) {
    if (sameWarp(reader)) {
      if (reader == now || reader.lane() == Tag::severalLanes)
        return;
      members.push_back(several(reader));
      merged = true;
    } else if (!access.clocks->ordered(reader, access.lane)) {
      members.push_back(reader);
    }
  }
  if (!merged)
    members.push_back(now);
  cell.readLine = access.line;
  if (members.size() == 1)
    cell.read = members.front();
  else
    cell.read = Tag::make(now.unit(), 0, 0, access.sets->intern(std::move(members)), Tag::Set);
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
    Cell &cell = page.cells[i];
    Conflict conflict;
    if (cell.write && cell.write != fine) {
      conflict = checkWriter(cell, access);
      fine = cell.write;
    }
    if (!conflict) {
      if (!access.write) {
        addReader(cell, access);
        continue;
      }
      if (cell.read)
        conflict = checkReaders(cell, access);
    }
    if (conflict) {
      conflict.offset = i << page.shift;
      return conflict;
    }
    cell.write = access.tag;
    cell.writeLine = access.line;
    cell.read = Tag();
  }
  return {};
}

void Shadow::land(uint64_t offset, uint64_t size, Tag now) {
  while (size) {
    Page &page = pages[offset >> pageBits];
    Guard guard(page, locked);
    unsigned begin = offset & (pageBytes - 1);
    unsigned count = unsigned(size < pageBytes - begin ? size : pageBytes - begin);
    if (page.cells)
      for (unsigned i = begin >> page.shift, e = (begin + count + (1u << page.shift) - 1) >> page.shift; i != e; ++i)
        if (page.cells[i].write.is(Tag::Pending))
          page.cells[i].write = now;
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
      touched = piecesWhere(page.cells.get(), page.shift,
                            [&](const Cell &cell) { return cell.write || (write && cell.read); });
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
      std::fill(page.cells.get(), page.cells.get() + (pageBytes >> page.shift), Cell());
}

void Shadow::trim(uint32_t launch) {
  if (launch < lastTouched + 2 || lastTouched == 0)
    return;
  for (Page &page : pages)
    page.cells.reset();
  lastTouched = 0;
}
