#include "tools/sim/cuda/memory/NamedBarrier.h"

#include "tools/sim/cuda/memory/Fault.h"

using namespace adze::sim;

std::string NamedBarrier::describe() const {
  return "barrier " + std::to_string(id) + ": " + std::to_string(arrived) + " of " + std::to_string(expected) +
         " threads have arrived (the first at line " + std::to_string(firstLine) + ")";
}

void NamedBarrier::reset() {
  expected = arrived = arrivedWarps = waitingWarps = 0;
  wholeBlock = reduces = false;
  reducedCount = reducedThreads = 0;
  published.clear();
}

bool NamedBarrier::arrive(const Arrival &arrival, unsigned blockThreads) {
  uint32_t count = arrival.count ? arrival.count : blockThreads;
  if (arrival.count % 32 || (arrival.use == Use::Arrive && arrival.count == 0))
    throw protocolFault("barrier " + std::to_string(id) + " with a thread count of " + std::to_string(arrival.count) +
                        ": it must be a multiple of 32");
  if (arrived == 0) {
    expected = count;
    wholeBlock = arrival.count == 0;
    reduces = arrival.use == Use::Reduce;
    firstLine = arrival.line;
  } else if (wholeBlock && arrival.count == 0) {
    expected = count; // fewer when threads have exited
  } else if (expected != count) {
    throw protocolFault("threads disagree on the count of barrier " + std::to_string(id) + ": " +
                        std::to_string(count) + " here, " + describe());
  }
  if (reduces != (arrival.use == Use::Reduce)) {
    throw protocolFault("barrier.red is mixed with barrier.sync or .arrive on " + describe());
  }
  if (arrivedWarps >> arrival.warp & 1)
    throw protocolFault("warp " + std::to_string(arrival.warp) + " uses barrier " + std::to_string(id) +
                        " again before it completed: " + describe());
  arrivedWarps |= 1u << arrival.warp;
  if (arrival.use != Use::Arrive)
    waitingWarps |= 1u << arrival.warp;
  reducedCount += unsigned(__builtin_popcount(arrival.truth & arrival.lanes));
  reducedThreads += unsigned(__builtin_popcount(arrival.lanes));
  arrived += arrival.threads;
  if (arrived > expected)
    throw protocolFault("more threads than expected arrive: " + describe());
  return arrived == expected;
}
