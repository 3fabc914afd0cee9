#include "tools/sim/cuda/async/MBarrier.h"

#include "tools/sim/cuda/memory/Fault.h"

#include <cstdio>

using namespace adze::sim;

std::string MBarrier::describe() const {
  char text[160];
  std::snprintf(text, sizeof text, "mbarrier at shared 0x%x: phase %u, pending %u of %u, tx-count %d", offset, phase,
                pending, expected, tx);
  return text;
}

void MBarrier::checkLive(const char *what) const {
  if (isLive)
    return;
  char text[120];
  std::snprintf(text, sizeof text, "%s on shared 0x%x, %s", what, offset,
                wasLive ? "after mbarrier.inval" : "which was not initialised by mbarrier.init");
  throw protocolFault(text);
}

void MBarrier::init(uint32_t count, Tag by, uint32_t line) {
  if (isLive)
    throw protocolFault("mbarrier.init of a live barrier: " + describe() + " (mbarrier.inval it first)");
  if (count == 0 || count > maxCount)
    throw protocolFault("mbarrier.init with count " + std::to_string(count) + ", allowed: 1-1048575");
  phasesBefore += wasLive ? phase + 2 : 0;
  isLive = wasLive = true;
  phase = 0;
  pending = expected = count;
  tx = 0;
  observedPhases = 0;
  initBy = by;
  lineOfInit = line;
  initFenced = false;
  expectedInPhase = landedInPhase = 0;
  publishing.clear();
  published[0].clear();
  published[1].clear();
  publishingCluster.clear();
  publishedCluster[0].clear();
  publishedCluster[1].clear();
}

void MBarrier::inval() {
  checkLive("mbarrier.inval");
  isLive = false;
}

void MBarrier::completePhaseIfDone() {
  if (pending != 0 || tx != 0)
    return;
  publishing.generic.at(actor).join({phase + 1 + phasesBefore, 0, 0});
  std::swap(published[phase & 1], publishing);
  publishing.clear();
  std::swap(publishedCluster[phase & 1], publishingCluster);
  publishingCluster.clear();
  ++phase;
  pending = expected;
  expectedInPhase = landedInPhase = 0;
}

void MBarrier::expectTx(uint32_t bytes) {
  checkLive("expect_tx");
  int64_t sum = int64_t(tx) + bytes;
  if (bytes > maxCount || sum > int64_t(maxCount))
    throw protocolFault("expect_tx of " + std::to_string(bytes) +
                        " bytes takes the tx-count out of range: " + describe());
  tx = int32_t(sum);
  expectedInPhase += bytes;
  // A phase whose arrivals are all there is closed by the bytes alone.
  completePhaseIfDone();
}

void MBarrier::completeTx(uint32_t bytes) {
  checkLive("complete_tx");
  int64_t difference = int64_t(tx) - bytes;
  if (difference < -int64_t(maxCount))
    throw protocolFault("complete_tx of " + std::to_string(bytes) +
                        " bytes takes the tx-count out of range: " + describe());
  tx = int32_t(difference);
  landedInPhase += bytes;
  completePhaseIfDone();
}

void MBarrier::takeArrival(uint32_t count, bool noComplete, const char *what) {
  checkLive(what);
  if (count == 0 || count > maxCount)
    throw protocolFault(std::string(what) + " with count " + std::to_string(count) + ": " + describe());
  if (count > pending)
    throw protocolFault(std::string(what) + " of " + std::to_string(count) +
                        " more than the phase still expects: " + describe());
  if (phase > observedPhases)
    throw protocolFault(std::string(what) + " in phase " + std::to_string(phase) +
                        " although nobody has waited for phase " + std::to_string(phase - 1) + ": " + describe());
  if (noComplete && count == pending)
    throw protocolFault(std::string(what) + ".noComplete would complete the phase: " + describe());
  everArrived = true;
  pending -= count;
}

uint64_t MBarrier::arrive(uint32_t count, bool noComplete) {
  uint64_t token = uint64_t(phase) << 20 | pending;
  takeArrival(count, noComplete, "mbarrier.arrive");
  completePhaseIfDone();
  return token;
}

uint64_t MBarrier::arriveDrop(uint32_t count, bool noComplete) {
  if (isLive && count > expected)
    throw protocolFault("mbarrier.arrive_drop of " + std::to_string(count) +
                        " lowers the expected count below 0: " + describe());
  uint64_t token = uint64_t(phase) << 20 | pending;
  takeArrival(count, noComplete, "mbarrier.arrive_drop");
  expected -= count;
  completePhaseIfDone();
  return token;
}

void MBarrier::raisePending() {
  checkLive("cp.async.mbarrier.arrive");
  if (pending == maxCount)
    throw protocolFault("cp.async.mbarrier.arrive takes the pending count out of range: " + describe());
  ++pending;
}

bool MBarrier::tokenCompleted(uint64_t token) const {
  checkLive("mbarrier.test_wait");
  token >>= 20;
  if (token == phase)
    return false;
  if (token + 1 == phase)
    return true;
  throw protocolFault("a wait with the state of phase " + std::to_string(token) +
                      ", which is neither the current nor the preceding one: " + describe());
}

const Knowledge &MBarrier::observe(unsigned parity) {
  checkLive("mbarrier wait");
  if (phase > observedPhases)
    observedPhases = phase;
  return published[parity & 1];
}
