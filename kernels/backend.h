// What a device is to the engine: a kernel table, memory, and copies. The CPU backend is part of
// liblamella; `cuda` and `simt` are shared libraries loaded at run time, each exporting one symbol.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/fused_conv.h"
#include "kernels/kernel_table.h"

namespace lamella {

constexpr std::uint32_t kBackendAbi = 6;

// Who does what a backend leaves a choice of; empty: its default. On cuda convolutions are made by
// "cudnn" or "own" kernels, products (linear layers) by "cublaslt" or "own".
struct KernelChoice {
  const char* convolution = "";
  const char* product = "";
};

struct Backend {
  std::uint32_t abi = kBackendAbi;
  const char* name = "";         // "cpu", "cuda", "simt"
  const char* description = "";  // one line for `lamella doctor`
  const KernelTable* kernels = nullptr;

  // Device memory, at least 256-byte aligned. allocate returns null when there is none left.
  void* (*allocate)(std::size_t bytes) = nullptr;
  void (*release)(void* data, std::size_t bytes) = nullptr;

  // All copies are ordered after earlier work on the stream. They return when done: the memory of
  // the host may then be freed, or read.
  void (*copy_to_device)(void* dst, const void* src, std::size_t bytes, void* stream) = nullptr;
  void (*copy_to_host)(void* dst, const void* src, std::size_t bytes, void* stream) = nullptr;
  void (*synchronize)(void* stream) = nullptr;

  // Null when the device can be used, else a sentence that says what is missing.
  const char* (*unavailable)() = nullptr;

  // Null where the device cannot. Moves the memory behind `from` to the address `to`, both within
  // what allocate returned, whose own memory there goes back to the device; `from` is no address
  // any more. False: nothing was done. `bytes` and addresses are multiples of 2 MiB from the start
  // of their allocation. Only for devices that spend memory when it is first touched, not in
  // allocate, and that let release take any part of an allocation.
  bool (*move_pages)(void* from, void* to, std::size_t bytes) = nullptr;

  // Null where the backend has none.
  const FusedConvolution* fused = nullptr;

  // The table of a choice. Null where the backend leaves none. Throws std::runtime_error where the
  // choice is none of the backend's, or what it needs is missing.
  const KernelTable& (*kernels_with)(const KernelChoice& choice) = nullptr;
};

}  // namespace lamella

// The one symbol of a backend library.
using LamellaBackendFunction = const lamella::Backend*();
inline constexpr const char* kLamellaBackendSymbol = "lamella_backend";
