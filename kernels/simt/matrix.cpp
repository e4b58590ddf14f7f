// PTX ISA 9.0, "ldmatrix" and "Matrix Fragments for mma.m16n8k16 with floating point type".
#include "kernels/simt/matrix.h"

#include <cstdint>
#include <cstring>

namespace lamella::simt {
namespace {

constexpr int kLanes = 32, kRows = 8;

// Element [row, column] of matrix m: lanes 8 m .. 8 m + 7 brought its rows.
std::uint16_t element(void* const* lanes, int m, int row, int column) {
  std::uint16_t value = 0;
  std::memcpy(&value, static_cast<LoadLane*>(lanes[m * kRows + row])->row + 2 * column,
              sizeof(value));
  return value;
}

void load(void* const* lanes, bool transposed) {
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int m = 0; m < 4; ++m) {
      const int row = lane / 4, column = lane % 4 * 2;
      const unsigned low =
          transposed ? element(lanes, m, column, row) : element(lanes, m, row, column);
      const unsigned high =
          transposed ? element(lanes, m, column + 1, row) : element(lanes, m, row, column + 1);
      static_cast<LoadLane*>(lanes[lane])->matrices.v[m] = low | high << 16U;
    }
  }
}

template <class T>
float value(unsigned pair, int half) {
  T narrow;
  narrow.bits = static_cast<std::uint16_t>(pair >> (16 * half));
  return static_cast<float>(narrow);
}

}  // namespace

void load_action(void* const* lanes) {
  load(lanes, false);
}

void load_transposed_action(void* const* lanes) {
  load(lanes, true);
}

template <class T>
void multiply_action(void* const* lanes) {
  float a[16][16], b[16][8], sum[16][8];  // a[row][depth], b[depth][column]
  for (int l = 0; l < kLanes; ++l) {
    const auto& lane = *static_cast<MultiplyLane*>(lanes[l]);
    const int group = l / 4, pair = l % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i) {
        a[group + i % 2 * 8][pair + half + i / 2 * 8] = value<T>(lane.a[i], half);
      }
      for (int i = 0; i < 2; ++i) b[pair + half + i * 8][group] = value<T>(lane.b[i], half);
      for (int i = 0; i < 2; ++i) sum[group + i * 8][pair + half] = lane.d[2 * i + half];
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int depth = 0; depth < 16; ++depth) {
      for (int column = 0; column < 8; ++column)
        sum[row][column] += a[row][depth] * b[depth][column];
    }
  }
  for (int l = 0; l < kLanes; ++l) {
    const auto& lane = *static_cast<MultiplyLane*>(lanes[l]);
    for (int i = 0; i < 4; ++i) lane.d[i] = sum[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
  }
}

template void multiply_action<Bf16>(void* const* lanes);
template void multiply_action<F16>(void* const* lanes);

}  // namespace lamella::simt
