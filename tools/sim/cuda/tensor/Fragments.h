// Which element of a matrix a register of a lane holds. PTX ISA, "Matrix Fragments for mma.m16n8k*" and "Register
// Fragments and Shared Memory Matrix Layouts" of wgmma. Elements of one register count from the low bits up.
#ifndef ADZE_TOOLS_SIM_CUDA_TENSOR_FRAGMENTS_H
#define ADZE_TOOLS_SIM_CUDA_TENSOR_FRAGMENTS_H

namespace adze::sim {

struct Coordinate {
  int row, column;
};

/// A, 16 rows: register `reg`, element `element` of elements of `width` bits; (row, k).
/// The lane's group is a row; within a row a lane owns one register's worth of neighbours, 4 lanes a stretch, and the
/// odd registers are 8 rows below, the upper half of the registers one stretch further.
inline Coordinate fragmentA(int width, int reg, int element, int lane) {
  int each = 32 / width;
  return {(lane >> 2) + 8 * (reg & 1), each * (lane & 3) + element + 4 * each * (reg >> 1)};
}

/// B, 8 columns: (k, column).
inline Coordinate fragmentB(int width, int reg, int element, int lane) {
  int each = 32 / width;
  return {each * (lane & 3) + element + 4 * each * reg, lane >> 2};
}

/// C and D of 16 rows and any number of columns: value `index` of the lane (f16: two values in one register).
inline Coordinate fragmentC(int index, int lane) {
  return {(lane >> 2) + 8 * ((index >> 1) & 1), 8 * (index >> 2) + 2 * (lane & 3) + (index & 1)};
}

} // namespace adze::sim

#endif
