// One line per instruction set that own/ is compiled for.
#include "kernels/cpu/isa.h"

namespace lamella::cpu {

namespace v2 {
KernelTable kernel_table();
FusedConvolution fused_convolution();
}  // namespace v2
#if defined(LAMELLA_CPU_LEVELS)
namespace v3 {
KernelTable kernel_table();
FusedConvolution fused_convolution();
}  // namespace v3
namespace v4 {
KernelTable kernel_table();
FusedConvolution fused_convolution();
}  // namespace v4
#endif

std::span<const Isa> instruction_sets() {
  static const Isa kSets[] = {
#if defined(LAMELLA_CPU_LEVELS)
    {"v2", "SSE4.2", [] { return true; }, v2::kernel_table, v2::fused_convolution},
    {"v3", "AVX2",
     [] { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; },
     v3::kernel_table, v3::fused_convolution},
    {"v4", "AVX-512",
     [] {
       return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
              __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
     },
     v4::kernel_table, v4::fused_convolution},
#else
    {"v2", "the baseline of this processor family", [] { return true; }, v2::kernel_table,
     v2::fused_convolution},
#endif
  };
  return kSets;
}

}  // namespace lamella::cpu
