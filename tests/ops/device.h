// The device that the op tests run on, and what only some devices offer: seeds for the order of
// threads, and findings of the counting emulator.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/backend.h"

namespace lamella::test {

struct Device {
  std::string name = "cpu";      // cpu, simt, simt-counted, cuda
  std::uint64_t order_seed = 0;  // simt: of the order of threads
  int order_seeds = 2;           // simt: how many reruns, each with the next seed
  double most_work = 1e300;      // cases with more multiply-adds are left out
  bool guards = true;            // lay guard zones around every allocation
  int threads = 2;
  std::string convolution = "own";       // cuda: own or cudnn
  std::string product = "own";           // cuda: own or cublaslt
  const KernelTable* kernels = nullptr;  // run these instead of the device's own

  bool emulated() const { return name.rfind("simt", 0) == 0; }
};

// The backend to run on: the device's own, guarded unless `guards` is off. Throws where it has no
// such convolution or product.
const Backend& backend_of(const Device& device);
// Why the device, or its choice of kernels, cannot be used; empty where it can.
std::string problem_of(const Device& device);
// Chooses the order of threads of what runs next; nothing on devices that have none.
void set_order_seed(const Device& device, std::uint64_t seed);
// What the emulator has found since the last call, one sentence a line; empty when nothing.
std::string findings(const Device& device);

}  // namespace lamella::test
