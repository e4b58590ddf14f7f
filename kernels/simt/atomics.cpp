// Integer atomics. Threads run one at a time, so plain arithmetic is atomic.
#include "kernels/simt/atomics.h"

#include <algorithm>
#include <cstring>

#include "kernels/simt/observer.h"
#include "kernels/simt/steps.h"

namespace lamella::simt {
namespace {

std::int64_t result_of(const AtomicCall& call, std::int64_t before) {
  const auto unsigned_less = [](std::int64_t a, std::int64_t b) {
    return static_cast<std::uint64_t>(a) < static_cast<std::uint64_t>(b);
  };
  const bool less = call.is_signed ? before < call.value : unsigned_less(before, call.value);
  switch (call.op) {
    case AtomicOp::Add:  // wraps
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(before) +
                                       static_cast<std::uint64_t>(call.value));
    case AtomicOp::Min:
      return less ? before : call.value;
    case AtomicOp::Max:
      return less ? call.value : before;
    case AtomicOp::And:
      return before & call.value;
    case AtomicOp::Or:
      return before | call.value;
    case AtomicOp::Xor:
      return before ^ call.value;
    case AtomicOp::Exchange:
      return call.value;
    case AtomicOp::CompareExchange:
      return before == call.expected ? call.value : before;
  }
  return before;
}

template <class T>
std::int64_t update(void* address, const AtomicCall& call) {
  T before;
  std::memcpy(&before, address, sizeof(T));
  const auto after = static_cast<T>(result_of(call, static_cast<std::int64_t>(before)));
  std::memcpy(address, &after, sizeof(T));
  return static_cast<std::int64_t>(before);
}

}  // namespace

__attribute__((noinline)) std::int64_t atomic_update(void* address, const AtomicCall& call) {
  count_step(__builtin_return_address(0));
  observe_atomic(__builtin_return_address(0), address, call.bytes);
  if (call.bytes == 4) {
    return call.is_signed ? update<std::int32_t>(address, call)
                          : update<std::uint32_t>(address, call);
  }
  return update<std::int64_t>(address, call);
}

}  // namespace lamella::simt
