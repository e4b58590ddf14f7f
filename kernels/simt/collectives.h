// Barriers and warp collectives, spelled as in CUDA. The last two parameters of each are the line
// of the call; nobody passes them.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/simt/place.h"

namespace lamella::simt {

enum class Collective : std::uint8_t {
  SyncWarp,
  Shuffle,
  ShuffleUp,
  ShuffleDown,
  ShuffleXor,
  Ballot,
  Any,
  All,
  Together
};

// What one lane brings to a collective. Lanes of the mask must agree in kind and mask.
struct CollectiveCall {
  Collective kind;
  unsigned mask;
  int operand, width;  // of shuffles: source lane, distance or lane mask; lanes of a group
  SourceLine line;
  void (*action)(void* const* lanes) = nullptr;  // of Together
};

// Waits for all threads of the block; a thread that ends instead is an error.
void block_barrier(SourceLine line);

// Waits for all lanes of the mask that have not ended. Returns what this lane gets: a lane's value
// for shuffles (all bits set where the source lane takes no part: undefined on a device), lanes for
// Ballot, 0 or 1 for Any and All.
std::uint64_t warp_collective(const CollectiveCall& call, std::uint64_t value);

template <class T>
T shuffle(const CollectiveCall& call, T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8,
                "shuffles move values of at most 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warp_collective(call, bits);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

// An instruction of the whole warp: the last of all 32 lanes to come calls action with what each
// brought, in the order of lanes, and no lane goes on before.
template <class T>
void together(void (*action)(void* const* lanes), T& mine, SourceLine line) {
  const CollectiveCall call{Collective::Together, 0xFFFFFFFFU, 0, 32, line, action};
  warp_collective(call, reinterpret_cast<std::uintptr_t>(&mine));
}

}  // namespace lamella::simt

#define LAMELLA_SIMT_LINE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(LAMELLA_SIMT_LINE) {
  lamella::simt::block_barrier({file, line});
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, LAMELLA_SIMT_LINE) {
  lamella::simt::warp_collective({lamella::simt::Collective::SyncWarp, mask, 0, 32, {file, line}},
                                 0);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return lamella::simt::shuffle({Collective::Shuffle, mask, source, width, {file, line}}, value);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return lamella::simt::shuffle(
      {Collective::ShuffleUp, mask, static_cast<int>(distance), width, {file, line}}, value);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return lamella::simt::shuffle(
      {Collective::ShuffleDown, mask, static_cast<int>(distance), width, {file, line}}, value);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return lamella::simt::shuffle({Collective::ShuffleXor, mask, lane_mask, width, {file, line}},
                                value);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return static_cast<unsigned>(lamella::simt::warp_collective(
      {Collective::Ballot, mask, 0, 32, {file, line}}, predicate != 0));
}

inline int __any_sync(unsigned mask, int predicate, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return static_cast<int>(
      lamella::simt::warp_collective({Collective::Any, mask, 0, 32, {file, line}}, predicate != 0));
}

inline int __all_sync(unsigned mask, int predicate, LAMELLA_SIMT_LINE) {
  using lamella::simt::Collective;
  return static_cast<int>(
      lamella::simt::warp_collective({Collective::All, mask, 0, 32, {file, line}}, predicate != 0));
}

#undef LAMELLA_SIMT_LINE

// Not modelled: which lanes are active together is the device's own choice.
unsigned __activemask() = delete;
int __syncthreads_count(int) = delete;
int __syncthreads_and(int) = delete;
int __syncthreads_or(int) = delete;
