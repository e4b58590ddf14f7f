// Google Benchmark over the layers of tests/shapes/*.txt: the public op, forward, on one device.
//   ops_bench [--device=cpu] [--threads=2] [--shapes=tests/shapes/tem_small.txt]
//             [Google Benchmark flags: --benchmark_filter=REGEX --benchmark_format=json ...]
// The op suite checks the same cases against the double references; here they are only timed.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "engine/errors.h"
#include "tests/ops/fill.h"
#include "tests/ops/op_case.h"
#include "tests/ops/precision.h"

namespace lamella::bench {
namespace {

struct Arguments {
  std::string device = "cpu", shapes = LAMELLA_SHAPES_FOLDER;
  int threads = 2;
};

// A tensor of `shape`, or that many of the first channels of a buffer `pitch` channels wide.
Tensor make(Context& ctx, const Shape& shape, std::int64_t pitch, DType dtype) {
  if (pitch == 0) return ctx.empty(shape, dtype);
  const Shape wide =
      shape.rank() == 4 ? Shape{shape[0], shape[1], shape[2], pitch} : Shape{shape.pixels(), pitch};
  return ctx.empty(wide, dtype).slice(0, shape.channels());
}

Tensor place(Context& ctx, const test::Operand& operand, DType dtype, const test::Values& values) {
  if (operand.fill == test::Fill::Labels) {
    return ctx.from_host(std::vector<std::int32_t>(values.begin(), values.end()), operand.shape);
  }
  if (operand.fill == test::Fill::Bytes) {
    return ctx.from_host(std::vector<std::uint8_t>(values.begin(), values.end()), operand.shape);
  }
  const Tensor tensor = make(ctx, operand.shape, operand.pitch, dtype);
  ctx.copy_from_host(std::vector<float>(values.begin(), values.end()), tensor);
  return tensor;
}

void time_case(benchmark::State& state, const std::string& line, const Arguments& arguments) {
  const test::OpCase test_case = test::make_case(line);
  Context::Options options;
  options.device = arguments.device;
  options.threads = arguments.threads;
  Context ctx(options);
  const std::vector<test::Values> values = test::make_operands(test_case);
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const test::Operand& operand = test_case.operands[i];
    operands.push_back(place(ctx, operand, test::dtype_of(test_case, operand), values[i]));
  }
  ctx.training = true;
  Tensor out;
  if (test_case.y_pitch != 0) out = make(ctx, test_case.y, test_case.y_pitch, test_case.dtype);
  const auto once = [&] {
    benchmark::DoNotOptimize(test_case.apply(ctx, operands, out));
    ctx.synchronize();
  };
  once();  // memory is touched for the first time, plans are made
  for (auto _ : state) once();
  state.counters["multiply_adds"] =
      benchmark::Counter(test_case.work, benchmark::Counter::kIsIterationInvariantRate);
}

void register_file(const std::string& path, const Arguments& arguments) {
  std::ifstream file(path);
  if (!file) fail("cannot read ", path);
  for (const auto& [name, line] : read_shapes(file)) {
    const std::string text = line.text();
    benchmark::RegisterBenchmark(name.c_str(), [text, arguments](benchmark::State& state) {
      time_case(state, text, arguments);
    })->UseRealTime();
  }
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = argument.substr(argument.find('=') + 1);
    if (argument.starts_with("--device=")) {
      arguments.device = value;
    } else if (argument.starts_with("--threads=")) {
      arguments.threads = std::stoi(value);
    } else if (argument.starts_with("--shapes=")) {
      arguments.shapes = value;
    } else {
      fail("ops_bench does not know ", argument, "; see its first lines");
    }
  }
  return arguments;
}

void run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const Arguments arguments = parse(argc, argv);
  if (std::filesystem::is_directory(arguments.shapes)) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments.shapes)) {
      if (entry.path().extension() == ".txt") register_file(entry.path().string(), arguments);
    }
  } else {
    register_file(arguments.shapes, arguments);
  }
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace lamella::bench

int main(int argc, char** argv) {
  try {
    lamella::bench::run(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "ops_bench: " << error.what() << '\n';
    return 1;
  }
}
