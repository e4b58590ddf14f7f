// Real weights: what lamella makes of them is what PyTorch made of them, as stored beside them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "io/preprocess.h"
#include "tools/npy.h"
#include "weights/model_io.h"
#include "weights/published.h"
#include "weights/read_weights.h"

namespace lamella {
namespace {

class RealWeights : public testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("LAMELLA_TEST_DATA");
    if (data == nullptr) GTEST_SKIP() << "LAMELLA_TEST_DATA is not set";
    data_ = data;
  }

  // `x` through the network up to `layer`; what that leaves out need not be in the file.
  std::vector<float> run(const ModelSpec& spec, const std::string& file, const Tensor& x,
                         const std::string& layer = "") {
    Model model = make_model(ctx_, spec);
    if (!layer.empty()) model.cut_behind(layer);
    const std::string path = data_ + "/weights/" + file;
    load_parameters(ctx_, model, read_weights(path), path);
    return ctx_.to_host(model.forward(ctx_, x));
  }

  std::vector<float> stored(const std::string& file) const {
    return tool::read_npy(data_ + "/weights/" + file).values;
  }

  Context ctx_;
  std::string data_;
};

// The largest difference, relative to the largest value.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0, value = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
    value = std::max(value, std::abs(double{b[i]}));
  }
  return largest / value;
}

std::vector<std::string> sorted_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST_F(RealWeights, SqueezeNetHasTorchsLogits) {
  const std::vector<float> nchw = stored("squeezenet1_1_imagenet.input.npy");
  std::vector<float> nhwc(nchw.size());
  constexpr std::size_t kPixels = 224 * 224;
  ASSERT_EQ(nchw.size(), 3 * kPixels);
  for (std::size_t i = 0; i < nchw.size(); ++i) nhwc[i % kPixels * 3 + i / kPixels] = nchw[i];
  const Tensor x = ctx_.from_host(nhwc, {1, 224, 224, 3});
  const std::vector<float> logits =
      run({"squeezenet1_1", 224, 224, 3, 1000}, "squeezenet1_1_imagenet.safetensors", x);
  EXPECT_LE(difference(logits, stored("squeezenet1_1_imagenet.logits.npy")), 1e-5);
}

// bench/results/imagenet_squeezenet1_1.json: torch's count and the command that made it.
constexpr int kTorchIsRight = 31;

TEST_F(RealWeights, SqueezeNetIsAsOftenRightAsTorch) {
  const std::string path = data_ + "/weights/squeezenet1_1_imagenet.safetensors";
  const ModelCard card = published_card("squeezenet1_1").value();
  const Preprocess preprocess = preprocess_from_metadata(card.preprocessing);
  const Model model = load_model(ctx_, read_weights(path), path, card);
  int right = 0, images = 0;
  for (const std::string& file : sorted_files(data_ + "/images/imagenet")) {
    const Tensor x = ctx_.from_host(prepare_image(read_image(file), preprocess), {1, 224, 224, 3});
    const std::vector<float> logits = ctx_.to_host(model.forward(ctx_, x));
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    right += best == std::stol(std::filesystem::path(file).filename().string());
    ++images;
  }
  EXPECT_EQ(images, 50);
  EXPECT_EQ(right, kTorchIsRight);
}

TEST_F(RealWeights, InceptionHasTorchsFeatures) {
  std::ifstream file(data_ + "/weights/inception_v3_backbone.input8.u8.npy", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const Shape shape{8, 299, 299, 3};
  ASSERT_GT(bytes.size(), static_cast<std::size_t>(shape.count()));
  std::vector<float> pixels;  // behind a header of any length
  for (auto byte = bytes.end() - shape.count(); byte != bytes.end(); ++byte) {
    pixels.push_back(static_cast<float>(static_cast<unsigned char>(*byte)) / 255.0F);
  }
  const std::vector<float> features =
      run({"inception_v3_tf", 299, 299, 3, 14}, "inception_v3_backbone.safetensors",
          ctx_.from_host(pixels, shape), "features");
  EXPECT_LE(difference(features, stored("inception_v3_backbone.features8.npy")), 1e-5);
}

// Read from the checkpoint that its training left.
TEST_F(RealWeights, DenseNetHasTorchsLogitsAndIsRight) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = 32;
  preprocess.channels = 3;
  preprocess.normalise = Normalise::Fixed;
  preprocess.mean = {0.4914F, 0.4822F, 0.4465F};
  preprocess.std = {0.2023F, 0.1994F, 0.2010F};
  std::vector<float> pixels;
  std::vector<char> labels;
  for (const std::string& path : sorted_files(data_ + "/images/cifar10")) {
    const std::vector<float> image = prepare_image(read_image(path), preprocess);
    pixels.insert(pixels.end(), image.begin(), image.end());
    labels.push_back(std::filesystem::path(path).stem().string().back());
  }
  ASSERT_EQ(labels.size(), 20U);
  const std::vector<float> logits =
      run({"densenet_bc_100_12", 32, 32, 3, 10}, "densenet_bc_100_12_cifar10.pth.tar",
          ctx_.from_host(pixels, {20, 32, 32, 3}));
  EXPECT_LE(difference(logits, stored("densenet_bc_100_12_cifar10.logits20.npy")), 1e-5);
  for (std::ptrdiff_t i = 0; i < 20; ++i) {
    const auto row = logits.begin() + 10 * i;
    EXPECT_EQ(std::max_element(row, row + 10) - row, labels[static_cast<std::size_t>(i)] - '0');
  }
}

}  // namespace
}  // namespace lamella
