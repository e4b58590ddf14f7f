// The asynchronous copy for the host, with the meaning it has on the device:
// kernels/cuda/device/async_copy.h.
#pragma once

#include <cstring>

#include "kernels/cuda/device/memory.h"
#include "kernels/simt/async_copies.h"

namespace lamella {

template <class T>
void copy16_async(T* to, const T* from, bool there) {
  Vec16<T> value{}, not_there_yet;
  if (there) value = load16(from);
  std::memset(&not_there_yet, 0xFF, sizeof(not_there_yet));
  store16(to, not_there_yet);
  simt::Bytes16 bytes;
  std::memcpy(bytes.data(), &value, sizeof(value));
  simt::start_copy(to, bytes);
}

inline void commit_copies() {
  simt::commit_copies();
}

template <int kGroups>
void wait_for_copies() {
  simt::wait_for_copies(kGroups);
}

}  // namespace lamella
