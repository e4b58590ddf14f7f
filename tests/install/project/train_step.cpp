// Trains cbr_tiny for a few steps on two images in memory; the loss must fall. Exit 0 when it does.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <lamella.hpp>
#include <span>
#include <vector>

namespace {

// A bright disc on the left (label 0) or on the right (label 1), as the loader would hand it over.
lamella::Image disc(int label) {
  lamella::Image image;
  image.height = image.width = 64;
  image.channels = 1;
  image.bit_depth = 8;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const int dx = x - (label == 0 ? 20 : 44), dy = y - 32;
      image.samples.push_back(static_cast<std::uint16_t>(dx * dx + dy * dy < 100 ? 200 : 60));
    }
  }
  return image;
}

int run() {
  lamella::Context ctx;
  const lamella::Model model = lamella::make_model(ctx, {"cbr_tiny", 64, 64, 1, 2});
  model.initialise(ctx, 7);
  lamella::OptimiserOptions options;
  options.name = "sgd";
  const auto optimiser = lamella::make_optimiser(ctx, model, options);

  lamella::Preprocess preprocess;
  preprocess.height = preprocess.width = 64;
  preprocess.channels = 1;
  std::vector<float> pixels;
  const std::vector<std::int32_t> labels{0, 1};
  for (const std::int32_t label : labels) {
    const std::vector<float> image = lamella::prepare_image(disc(label), preprocess);
    pixels.insert(pixels.end(), image.begin(), image.end());
  }
  const lamella::Tensor x = ctx.from_host(std::span<const float>(pixels), {2, 64, 64, 1});
  const lamella::Tensor y = ctx.from_host(std::span<const std::int32_t>(labels), {2});

  float first = 0, last = 0;
  ctx.training = true;
  for (int step = 0; step < 4; ++step) {
    const lamella::GradScope record(ctx, true);
    const lamella::Tensor loss = lamella::softmax_cross_entropy(ctx, model.forward(ctx, x), y);
    last = ctx.item(loss);
    if (step == 0) first = last;
    ctx.tape.backward(ctx, loss);
    optimiser->step(ctx, 1e-2);
    model.zero_grad();
  }
  std::printf("loss %.4f, then %.4f\n", static_cast<double>(first), static_cast<double>(last));
  return last < first ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
