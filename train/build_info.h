// What decides the bits of a run besides data and options: build, instruction set, device, threads.
#pragma once

#include <string>

#include "engine/context.h"

namespace lamella {

struct BuildInfo {
  std::string version;   // "0.1.0"
  std::string compiler;  // "g++ 12.2.0"
  std::string build_id;  // the linker's hash of liblamella; "unknown" where it has none
  std::string isa;       // of the CPU kernels, "v2", "v3" or "v4", and the limits set on oneDNN
  std::string backend;   // name and description of the context's backend
  std::string cpu;       // the processor's own name
  int threads = 0;
};

BuildInfo build_info(const Context& ctx);

}  // namespace lamella
