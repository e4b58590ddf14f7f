// Trains a small network on a folder of images, one folder per class, and names the class of one
// image:  train_and_predict FOLDER IMAGE
#include <cstdio>
#include <lamella.hpp>

using namespace lamella;

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  const Dataset images = read_dataset(argv[1]);
  Preprocess preprocess;
  preprocess.height = preprocess.width = 32;
  LoaderOptions options;
  options.batch = 8;
  options.augment.flip_horizontal = true;
  Loader loader(images, preprocess, options);

  Context ctx;
  const auto classes = static_cast<std::int64_t>(images.classes.size());
  const Model model = make_model(ctx, {"cbr_tiny", 32, 32, 1, classes});
  model.initialise(ctx, /*seed=*/1);
  const auto optimiser = make_optimiser(ctx, model, OptimiserOptions());
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    loader.start(epoch, 0);
    for (Batch batch; loader.next(batch);) train_step(ctx, model, *optimiser, batch, 1e-3);
  }

  ctx.training = false;
  const Tensor x = ctx.from_host(prepare_image(read_image(argv[2]), preprocess), {1, 32, 32, 1});
  const std::vector<float> p = ctx.to_host(softmax(ctx, model.forward(ctx, x)));
  const auto best = static_cast<std::size_t>(top_class(p));
  std::printf("%s: %.3f\n", images.classes[best].c_str(), static_cast<double>(p[best]));
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
