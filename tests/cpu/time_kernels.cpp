// Times convolutions of a shapes file with the own kernels and with oneDNN: milliseconds and
// GFLOP/s per line; fused is the form of inference, with packed filters, bias and ReLU. Usage:
// cpu_time_kernels SHAPES [batch] [threads] [repeats]
//
// A line of the file is `conv2d NAME key=value ...` with the letters of Conv2dShape (N is replaced
// by batch when that is given). Times are the least of the repeats, in seconds of processor time
// per thread, which other programs on the machine disturb less than the clock on the wall.
#include <ctime>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/onednn.h"
#include "tests/cpu/harness.h"
#include "tests/cpu/shapes_file.h"

namespace lamella::test {
namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <class Body>
double least_seconds(int repeats, int threads, const Body& body) {
  body();
  double least = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const double before = processor_seconds();
    body();
    least = std::min(least, (processor_seconds() - before) / threads);
  }
  return least;
}

struct Timing {
  int threads, repeats;

  void time(const char* who, const KernelTable& table, const FusedConvolution& fused,
            const Conv2dShape& s) const {
    const KernelContext& ctx = workspace->context();
    const auto x = random_floats(s.N * s.H * s.W * s.x_pitch, 1);
    const auto w = random_floats(s.K * s.R * s.S * s.C, 2);
    const auto bias = random_floats(s.K, 3);
    auto y = random_floats(s.N * s.P * s.Q * s.y_pitch, 4);
    auto dx = x, dw = w;
    const double flops = 2e-9 * static_cast<double>(s.N * s.P * s.Q * s.K * s.R * s.S * s.C);
    const auto show = [&](const char* what, const auto& body) {
      const double seconds = least_seconds(repeats, threads, body);
      std::cout << "  " << who << ' ' << what << ' ' << seconds * 1e3 << " ms " << flops / seconds
                << " GFLOP/s";
    };
    show("fwd", [&] { table.conv2d_fwd(ctx, s, x.data(), w.data(), bias.data(), y.data()); });
    show("bwd_data",
         [&] { table.conv2d_bwd_data(ctx, s, y.data(), w.data(), dx.data(), Write::Set); });
    show("bwd_weight",
         [&] { table.conv2d_bwd_weight(ctx, s, x.data(), y.data(), dw.data(), Write::Set); });
    FusedConv2dShape packed_shape;
    packed_shape.norm.conv = s;
    packed_shape.relu = true;
    if (const std::uint64_t layout = fused.layout(ctx, packed_shape)) {
      std::vector<std::byte> packed(
          static_cast<std::size_t>(fused.packed_bytes(ctx, packed_shape)));
      fused.pack(ctx, packed_shape, w.data(), packed.data());
      show("fused", [&] {
        fused.run(ctx, packed_shape, x.data(), nullptr, nullptr, nullptr, nullptr, layout,
                  packed.data(), bias.data(), y.data());
      });
    }
    std::cout << std::endl;
  }

  Workspace* workspace;
};

int run(int argc, char** argv) {
  if (argc < 2)
    throw std::runtime_error("usage: cpu_time_kernels SHAPES [batch] [threads] [repeats]");
  const int batch = argc > 2 ? std::stoi(argv[2]) : 0, threads = argc > 3 ? std::stoi(argv[3]) : 1;
  Workspace workspace(threads, false);
  const Timing timing{threads, argc > 4 ? std::stoi(argv[4]) : 3, &workspace};
  std::cout << cpu_backend().description << ", " << threads << " thread(s)\n" << std::fixed;
  std::cout.precision(2);
  for (ConvCase& layer : read_conv_shapes(argv[1])) {
    if (batch > 0) layer.shape.N = batch;
    std::cout << layer.name << std::endl;
    timing.time("own   ", cpu_own_table(), cpu_own_fused(), layer.shape);
    if (cpu_onednn_table() == nullptr) continue;
    timing.time("oneDNN", *cpu_onednn_table(), *cpu::onednn_fused(), layer.shape);
  }
  return 0;
}

}  // namespace
}  // namespace lamella::test

int main(int argc, char** argv) {
  try {
    return lamella::test::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
