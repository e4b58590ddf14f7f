// How long a thread may still run, so that a kernel that never ends is ended. Counted are barriers,
// collectives and atomics, and in the counted build blocks of code too: a kernel that waits for
// ever ends everywhere, one that computes for ever in the counted build. Steps, not seconds: the
// same kernel is ended at the same place on every machine.
#pragma once

#include <cstdint>

namespace lamella::simt {

// What waiting at a barrier or a collective counts for.
constexpr std::int64_t kStepsOfWait = 16;

// Of the running thread; the scheduler keeps it up to date.
extern constinit thread_local std::int64_t steps_left __attribute__((tls_model("initial-exec")));

// Ends the launch, if there is one. `code` lies behind the call that counted.
void run_out_of_steps(const void* code);

inline void count_step(const void* code) {
  if (--steps_left < 0) run_out_of_steps(code);
}

}  // namespace lamella::simt
