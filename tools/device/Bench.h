// Timings of benchmark packages, interleaved with a peer.
#pragma once
#include "tools/device/Cases.h"
#include "tools/device/Cublas.h"

namespace adze::device {

struct Timing {
  std::string error;           // not empty: nothing was measured
  double kernelUs = 0;         // median device time of a run's kernels
  double latencyUs = 0;        // median time of a run as the caller sees it
  double peerUs = 0;           // median device time of the peer; 0: no peer
  double ratio = 0;            // median of peer / ours within a round: > 1 means faster than the peer
  double flops = 0, bytes = 0; // of one run
};

/// GB/s that a device-to-device copy moves, counting bytes read and written.
double copyBandwidth(Gpu &gpu);

/// One bench case. Inputs: `normal` fields are filled with normal random numbers made on the spot (never zeros: they
/// need less power and run faster), integers with small ones. `rounds`: of alternating runs.
Timing measure(const Case &c, const std::string &folder, const std::string &device, Gpu &gpu, Cublas *cublas,
               int rounds);

} // namespace adze::device
