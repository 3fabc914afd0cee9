// The race checker's memory of a memory: for every byte the last write and the reads since.
//
// One cell stands for a granule of 16, 8, 4, 2 or 1 bytes; a page of 1 KB starts with 16-byte granules and is split for
// good when an access does not fill whole granules, so that the checks are exact to the byte while wide accesses cost
// one cell per 16 bytes. The rules are FastTrack's (Flanagan, Freund, PLDI 2009): a write keeps one stamp, reads keep
// the stamps of those that are not ordered with each other: a few in the cell, more in a hash-consed set.
#ifndef ADZE_TOOLS_SIM_CUDA_MEMORY_SHADOW_H
#define ADZE_TOOLS_SIM_CUDA_MEMORY_SHADOW_H

#include "tools/sim/cuda/memory/Clocks.h"

#include <atomic>
#include <cstring>

namespace adze::sim {

/// One access of one thread (or of an asynchronous unit on behalf of one).
struct Access {
  const WarpClocks *clocks = nullptr;
  ReaderSets *sets = nullptr; ///< of the accessor's unit
  Tag tag;                    ///< what is left in the cells; its flags say Async, Strong, Pending
  unsigned lane = 0;          ///< whose knowledge counts
  uint32_t line = 0;          ///< in the PTX text, for the report
  bool write = false;
  bool sameValue = false;   ///< writes only: the bytes do not change, so an unordered earlier write is not reported
  bool nonCoherent = false; ///< reads only: bytes written during this launch are an error
  ProxySpace space = ProxySpace::Shared;
};

/// Two accesses that nothing orders.
struct Conflict {
  enum Kind : uint8_t {
    None,
    WriteAfterWrite,
    ReadAfterWrite,
    WriteAfterRead,
    InFlight, ///< the byte is the destination of a copy that has not completed
    MissingProxyFence,
    NonCoherent, ///< ld.global.nc of what this launch wrote
    Predecessor  ///< before griddepcontrol.wait: the preceding grid may still be at it
  } kind = None;
  Tag previous;
  uint32_t line = 0; ///< of the previous access
  uint64_t offset = 0;
  explicit operator bool() const { return kind != None; }
};

class Shadow {
public:
  static constexpr unsigned pageBits = 10;
  static constexpr unsigned pageBytes = 1 << pageBits;

  /// `shared` between host threads: pages are locked, and cells are small (one reader, before they need a set).
  Shadow(uint64_t bytes, bool shared)
      : locked(shared), readers(shared ? 1 : 4), pages((bytes + pageBytes - 1) >> pageBits) {}

  /// Checks and records an access to [offset, offset + size), which lies inside. `launch` > 0: pages of earlier
  /// launches are taken for untouched.
  Conflict access(const Access &access, uint64_t offset, uint64_t size, uint32_t launch) {
    while (size) {
      Page &page = pages[offset >> pageBits];
      unsigned begin = offset & (pageBytes - 1);
      unsigned count = unsigned(size < pageBytes - begin ? size : pageBytes - begin);
      Conflict conflict = accessPage(page, access, begin, count, launch);
      if (conflict) {
        conflict.offset += offset - begin;
        return conflict;
      }
      offset += count;
      size -= count;
    }
    return {};
  }
  /// The accesses of the lanes of `lanes` at offset[lane], `size` bytes each. `first` is the access of lane 0: lanes
  /// differ in tag and lane only. False if any lane conflicts or needs more than the common case; access() then tells
  /// (doing a lane twice changes nothing).
  bool accessWarp(const Access &first, uint32_t lanes, const uint64_t *offset, unsigned size, uint32_t launch);
  /// A copy has completed: the cells that are in flight carry `now` instead.
  void land(uint64_t offset, uint64_t size, Tag now);
  /// Before griddepcontrol.wait: does the previous launch write here (or read, if `write`)?
  bool touchedByPredecessor(uint64_t offset, uint64_t size, bool write, uint32_t launch);
  /// Forgets everything (a new block in the same shared memory).
  void reset();
  /// Gives back the cells of pages that neither `launch` nor the one before it touched, if they are many or all.
  void trim(uint32_t launch);
  uint32_t pagesWithCells() const { return pagesInUse; }

private:
  /// `2 + readers` words: the last write; its line and that of a read; unordered reads, a zero ends the list.
  struct Cell {
    Tag *words;
    Tag &write() const { return words[0]; }
    Tag *reads() const { return words + 2; }
    uint32_t writeLine() const { return uint32_t(words[1].bits); }
    uint32_t readLine() const { return uint32_t(words[1].bits >> 32); }
    void setWriteLine(uint32_t line) const { words[1].bits = (words[1].bits & ~uint64_t(0xffffffff)) | line; }
    void setReadLine(uint32_t line) const { words[1].bits = (words[1].bits & 0xffffffff) | uint64_t(line) << 32; }
  };
  struct Page {
    std::unique_ptr<Tag[]> cells;
    uint64_t writtenBefore = 0, readBefore = 0; ///< by the launch before, a bit per 16 bytes
    uint32_t launch = 0;
    uint8_t shift = 4;
    std::atomic<bool> lock{false};
    Page() = default;
    Page(Page &&other) noexcept : cells(std::move(other.cells)) {}
  };
  class Guard;

  unsigned stride() const { return 2 + readers; }
  Cell cellOf(const Page &page, unsigned index) const { return {&page.cells[index * stride()]}; }
  Conflict accessPage(Page &page, const Access &access, unsigned begin, unsigned count, uint32_t launch);
  void prepare(Page &page, uint32_t launch);
  void clear(Page &page);
  void split(Page &page, unsigned shift);
  Conflict checkWriter(Cell cell, const Access &access) const;
  Conflict checkReaders(Cell cell, const Access &access) const;
  void addReader(Cell cell, const Access &access) const;
  void addToSet(Cell cell, const Access &access) const;
  template <bool isWrite>
  bool accessLanes(Access access, uint32_t lanes, const uint64_t *offset, unsigned size, uint32_t launch);
  template <typename Predicate>
  uint64_t piecesWhere(const Page &page, Predicate predicate) const;

  const bool locked;
  const unsigned readers;               ///< in a cell
  std::atomic<uint32_t> lastTouched{0}; ///< the last launch that touched any page
  std::atomic<uint32_t> pagesInUse{0};  ///< that have cells
  std::vector<Page> pages;
};

} // namespace adze::sim
#endif
