// Sentences for what the CPU kernels cannot do; compiled once, for the baseline instruction set.
#pragma once

namespace lamella::cpu {

[[noreturn]] void refuse_dtype(const char* kernel, int dtype);
[[noreturn]] void refuse_cast(int from, int to);
[[noreturn]] void refuse_window(const char* kernel, long long rows, long long columns);

}  // namespace lamella::cpu
