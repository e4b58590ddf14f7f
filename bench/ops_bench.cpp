// Google Benchmark over the kernel calls of tests/shapes/*.txt, each entry of the kernel table by
// itself, on one device.
//   ops_bench [--device=cpu|cuda] [--threads=2] [--shapes=FILE|FOLDER] [--backward]
//             [--dtype=f32|bf16|f16] [Google Benchmark flags: --benchmark_filter=REGEX ...]
// Names are <network>:<layer>/<entry>, to which Google Benchmark adds /real_time. bytes_per_second
// counts the least bytes: each operand once. The op suite checks the same entries against double
// references; here they are only timed.
#include <benchmark/benchmark.h>

#include <iostream>

#include "bench/measured_call.h"

namespace lamella::bench {
namespace {

// Calls that a kernel refused: the program says so in its exit code too.
int refused = 0;

void time_line(benchmark::State& state, const KernelLine& line, const Arguments& arguments) {
  try {
    Context ctx(context_options(arguments));
    MeasuredCall call(ctx, line);
    call.seconds_of_a_call(0);  // memory is touched for the first time, plans are made
    const std::int64_t calls = call.calls_of_a_batch();
    while (state.KeepRunningBatch(calls)) call.run_batch(calls);
    const auto done = static_cast<double>(state.iterations());
    state.SetBytesProcessed(static_cast<std::int64_t>(done * call.least_bytes()));
    state.counters["flop/s"] =
        benchmark::Counter(call.flops(), benchmark::Counter::kIsIterationInvariantRate);
  } catch (const std::exception& error) {
    ++refused;
    state.SkipWithError(error.what());
  }
}

void run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const Arguments arguments = parse_arguments("ops_bench", {argv + 1, argv + argc});
  const Context checked(context_options(arguments));  // the device is there
  for (const MeasuredLine& measured : measured_lines(arguments)) {
    const KernelLine line = measured.line;
    benchmark::RegisterBenchmark(measured.name.c_str(), [line, arguments](benchmark::State& state) {
      time_line(state, line, arguments);
    })->UseRealTime();
  }
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace lamella::bench

int main(int argc, char** argv) {
  try {
    lamella::bench::run(argc, argv);
    return lamella::bench::refused == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "ops_bench: " << error.what() << '\n';
    return 1;
  }
}
