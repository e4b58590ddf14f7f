// Integer atomics, spelled as in CUDA; each returns the value before. Those of floating-point
// numbers are deleted: their result depends on the order of threads.
#pragma once

#include <concepts>
#include <cstdint>

namespace lamella::simt {

enum class AtomicOp : std::uint8_t { Add, Min, Max, And, Or, Xor, Exchange, CompareExchange };

// What an atomic does; `expected` is of CompareExchange. Values are sign- or zero-extended.
struct AtomicCall {
  AtomicOp op;
  std::uint8_t bytes;  // 4 or 8
  bool is_signed;
  std::int64_t value, expected;
};

std::int64_t atomic_update(void* address, const AtomicCall& call);

template <class T>
concept AtomicInteger = std::integral<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <AtomicInteger T>
T atomic(T* address, AtomicOp op, T value, T expected = T{}) {
  return static_cast<T>(
      atomic_update(address, {op, sizeof(T), std::is_signed_v<T>, static_cast<std::int64_t>(value),
                              static_cast<std::int64_t>(expected)}));
}

}  // namespace lamella::simt

template <lamella::simt::AtomicInteger T>
T atomicAdd(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Add, value);
}
template <lamella::simt::AtomicInteger T>
T atomicMin(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Min, value);
}
template <lamella::simt::AtomicInteger T>
T atomicMax(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Max, value);
}
template <lamella::simt::AtomicInteger T>
T atomicAnd(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::And, value);
}
template <lamella::simt::AtomicInteger T>
T atomicOr(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Or, value);
}
template <lamella::simt::AtomicInteger T>
T atomicXor(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Xor, value);
}
template <lamella::simt::AtomicInteger T>
T atomicExch(T* address, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::Exchange, value);
}
template <lamella::simt::AtomicInteger T>
T atomicCAS(T* address, T expected, T value) {
  return lamella::simt::atomic(address, lamella::simt::AtomicOp::CompareExchange, value, expected);
}

float atomicAdd(float*, float) = delete;
double atomicAdd(double*, double) = delete;
