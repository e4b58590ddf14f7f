// A CUDA runtime that stands in for the real one: device memory is the host's, a launch is written
// down and, where wanted, run by the emulator. The library of the tests exports one for tests to
// set and read.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.h"

namespace lamella::cuda_host {

struct Call {
  std::string text;  // "launch fill_kernel<float, 4> grid 1x1x1 block 256x1x1 shared 0"
  int stream;        // 0: the null stream; -1: not on a stream
};

struct StandIn {
  // --- for tests to set -------------------------------------------------------------------------
  bool executing = true;  // launches are run by the emulator
  // Of the calls that can fail, the one of this number, from 1, fails with this cudaError_t; with
  // failure_stays all behind it do too, as on a device whose context is lost.
  long failing_call = 0;
  int failure = 0;
  bool failure_stays = false;
  bool lost = false;    // it did
  int capability = 90;  // of the device: 10 * major + minor

  // --- for tests to read, and to clear ----------------------------------------------------------
  long calls = 0;                   // that can fail
  std::string failed;               // the function that was made to fail
  std::vector<Call> record;         // launches, copies, waits, and device memory taken and freed
  std::vector<std::string> misuse;  // what a device would refuse, or would not survive
  std::map<char*, std::size_t> live;
  std::array<int, 8> copies{};  // by stream: begun, and not waited for
  int last_error = 0;           // what cudaGetLastError would say

  // A stream of the stand-in, 1 to 7.
  void* stream(int number) { return &streams[static_cast<std::size_t>(number)]; }
  std::array<char, 8> streams{};

  // The launch door of the backend.
  void (*launch_kernel)(const cuda::KernelLaunch&) = nullptr;
};

inline constexpr const char* kStandInSymbol = "lamella_cuda_stand_in";
using StandInFunction = StandIn*();

// --- between the files of the stand-in ----------------------------------------------------------

// Runs the kernel of a launch that came in through run_grid, with its arguments.
void run_kernel(const cuda::KernelLaunch& launch);
// "fill_kernel<float, 4>", from the symbols of the file that the function is in.
std::string name_of_kernel(const void* kernel);

}  // namespace lamella::cuda_host
