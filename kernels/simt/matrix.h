// The warp's matrix instructions (ldmatrix, mma m16n8k16) for the host, with the meaning they have
// on the device: kernels/cuda/device/matrix.h.
#pragma once

#include "kernels/cuda/device/memory.h"
#include "kernels/half.h"
#include "kernels/simt/collectives.h"

namespace lamella {

// Four 8 x 8 matrices of 16-bit elements across a warp: of each, lane l holds elements 2 (l % 4)
// and 2 (l % 4) + 1 of row l / 4 in one register.
struct Matrices {
  unsigned v[4];
};

namespace simt {

// What a lane brings to the instructions.
struct LoadLane {
  unsigned char row[16];
  Matrices matrices;
};
struct MultiplyLane {
  unsigned a[4], b[2];
  float* d;
};

// Actions of collectives.h, in matrix.cpp: they touch the stacks of all lanes.
void load_action(void* const* lanes);
void load_transposed_action(void* const* lanes);
template <class T>
void multiply_action(void* const* lanes);

template <class T>
Matrices load_matrices(void (*action)(void* const*), const T* row, SourceLine line) {
  const Vec16<T> mine = load16(row);
  LoadLane lane{};
  std::memcpy(lane.row, &mine, sizeof(lane.row));
  together(action, lane, line);
  return lane.matrices;
}

}  // namespace simt

#define LAMELLA_SIMT_LINE const char *file = __builtin_FILE(), int line = __builtin_LINE()

template <class T>
Matrices load_matrices(const T* row, LAMELLA_SIMT_LINE) {
  return simt::load_matrices(simt::load_action, row, {file, line});
}

template <class T>
Matrices load_matrices_transposed(const T* row, LAMELLA_SIMT_LINE) {
  return simt::load_matrices(simt::load_transposed_action, row, {file, line});
}

template <class T>
void multiply_add(const Matrices& a, unsigned b0, unsigned b1, float (&d)[4], LAMELLA_SIMT_LINE) {
  simt::MultiplyLane lane{{a.v[0], a.v[1], a.v[2], a.v[3]}, {b0, b1}, d};
  simt::together(simt::multiply_action<T>, lane, {file, line});
}

#undef LAMELLA_SIMT_LINE

}  // namespace lamella
