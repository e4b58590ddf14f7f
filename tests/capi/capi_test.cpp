// The C interface as a program sees it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capi/lamella.h"
#include "io/dataset.h"
#include "io/image.h"
#include "io/synth_tem.h"
#include "tests/support/temporary_folder.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

class CapiTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    SynthTemOptions options;
    options.classes = 2;
    options.per_class = 12;
    options.size = 32;
    options.per_micrograph = 3;
    options.format = SynthFormat::Png;
    write_synth_tem(data(), options);
    const Dataset dataset = read_dataset(data());
    image_ = new Image(read_image(dataset.file(dataset.samples.front())));
    for (std::uint16_t& sample : image_->samples) sample = static_cast<std::uint16_t>(sample >> 8);
    image_->bit_depth = 8;
    write_png(an_image(), *image_);
    ASSERT_EQ(lamella_train(training().get(), nullptr, nullptr, &model_), LAMELLA_OK)
        << lamella_last_error();
    ASSERT_EQ(lamella_save(model_, saved().c_str()), LAMELLA_OK) << lamella_last_error();
  }
  static void TearDownTestSuite() {
    lamella_close(model_);
    delete image_;
    delete folder_;
  }

  static std::unique_ptr<lamella_train_options> training() {
    auto options = std::make_unique<lamella_train_options>();
    lamella_train_options_init(options.get(), sizeof *options);
    static std::string folder;
    folder = data();
    options->data = folder.c_str();
    options->image_size = 32;
    options->epochs = 2;
    return options;
  }
  static std::string data() { return folder_->file("data"); }
  static std::string saved() { return folder_->file("model.safetensors"); }
  static std::string file(const std::string& name) { return folder_->file(name); }
  // In 8 bits, as a file and in memory.
  static std::string an_image() { return folder_->file("image.png"); }
  static lamella_model* model() { return model_; }
  static const Image& image() { return *image_; }
  static std::vector<std::uint8_t> bytes() {
    return {image().samples.begin(), image().samples.end()};
  }
  static lamella_image pixels(const void* samples, int depth = 8, std::size_t row_bytes = 0) {
    return {samples,
            static_cast<int32_t>(image().height),
            static_cast<int32_t>(image().width),
            1,
            depth,
            row_bytes};
  }
  static std::vector<float> prediction() {
    std::vector<float> p(2);
    EXPECT_EQ(lamella_predict_file(model(), an_image().c_str(), p.data()), LAMELLA_OK)
        << lamella_last_error();
    return p;
  }

 private:
  static inline TemporaryFolder* folder_ = nullptr;
  static inline lamella_model* model_ = nullptr;
  static inline Image* image_ = nullptr;
};

TEST_F(CapiTest, SaysWhatItIs) {
  EXPECT_EQ(lamella_api_version(), LAMELLA_API_VERSION);
  EXPECT_STREQ(lamella_version(), "0.1.0");
  EXPECT_EQ(lamella_class_count(model()), 2);
  EXPECT_EQ(lamella_class_count(nullptr), 0);
  EXPECT_EQ(lamella_class_name(model(), 1), read_dataset(data()).classes[1]);
  EXPECT_EQ(lamella_class_name(model(), 2), nullptr);
  EXPECT_EQ(lamella_class_name(model(), -1), nullptr);
  EXPECT_EQ(lamella_class_name(nullptr, 0), nullptr);
}

TEST_F(CapiTest, PixelsAndFilesGiveTheSame) {
  const std::vector<float> expected = prediction();
  EXPECT_NEAR(expected[0] + expected[1], 1, 1e-6);
  const std::vector<std::uint8_t> dense = bytes();
  // Rows with a gap, at an odd address.
  const auto width = static_cast<std::size_t>(image().width);
  const auto height = static_cast<std::size_t>(image().height);
  std::vector<std::uint8_t> gaps(1 + height * (width + 5), 77);
  for (std::size_t y = 0; y < height; ++y) {
    std::copy_n(dense.begin() + static_cast<std::ptrdiff_t>(y * width), width,
                gaps.begin() + static_cast<std::ptrdiff_t>(1 + y * (width + 5)));
  }
  const lamella_image images[] = {pixels(dense.data()), pixels(gaps.data() + 1, 8, width + 5)};
  std::vector<float> found(4);
  ASSERT_EQ(lamella_predict(model(), images, 2, found.data()), LAMELLA_OK) << lamella_last_error();
  EXPECT_EQ(std::vector<float>(found.begin(), found.begin() + 2), expected);
  EXPECT_EQ(std::vector<float>(found.begin() + 2, found.end()), expected);
  EXPECT_EQ(lamella_predict(model(), nullptr, 0, nullptr), LAMELLA_OK);
}

// 16 bits of which every image is 257 times the one of 8: the same shades, but for rounding in the
// resize, which there is none of here.
TEST_F(CapiTest, TakesSixteenBitsAndColours) {
  std::vector<std::uint16_t> deep;
  std::vector<std::uint8_t> grey_as_rgb;
  for (const std::uint16_t sample : image().samples) {
    deep.push_back(static_cast<std::uint16_t>(sample * 257));
    grey_as_rgb.insert(grey_as_rgb.end(), 3, static_cast<std::uint8_t>(sample));
  }
  lamella_image images[] = {pixels(deep.data(), 16), pixels(grey_as_rgb.data())};
  images[1].channels = 3;
  std::vector<float> found(4);
  ASSERT_EQ(lamella_predict(model(), images, 2, found.data()), LAMELLA_OK) << lamella_last_error();
  EXPECT_NEAR(found[0], prediction()[0], 1e-5);
  EXPECT_NEAR(found[2], prediction()[0], 1e-5);
}

TEST_F(CapiTest, SavedModelsAreTheSame) {
  lamella_model* opened = nullptr;
  ASSERT_EQ(lamella_open(saved().c_str(), nullptr, &opened), LAMELLA_OK) << lamella_last_error();
  std::vector<float> found(2);
  EXPECT_EQ(lamella_predict_file(opened, an_image().c_str(), found.data()), LAMELLA_OK);
  EXPECT_EQ(found, prediction());
  lamella_close(opened);
}

TEST_F(CapiTest, RefusesAFileThatDoesNotGiveItsKnownAnswer) {
  TensorFile file = read_safetensors(saved());
  ASSERT_EQ(file.metadata.count("known_answer"), 1U);
  file.tensors.begin()->second.data[3] ^= std::byte{0x40};
  const std::string path = CapiTest::file("tampered.safetensors");
  write_safetensors(path, file);
  lamella_model* opened = nullptr;
  EXPECT_EQ(lamella_open(path.c_str(), nullptr, &opened), LAMELLA_FAILED);
  EXPECT_NE(std::string(lamella_last_error()).find("known answer"), std::string::npos)
      << lamella_last_error();
  file.metadata.erase("known_answer");  // as older versions wrote them
  write_safetensors(path, file);
  EXPECT_EQ(lamella_open(path.c_str(), nullptr, &opened), LAMELLA_OK) << lamella_last_error();
  lamella_close(opened);
}

TEST_F(CapiTest, Evaluates) {
  lamella_scores scores{};
  scores.size = sizeof scores;
  ASSERT_EQ(lamella_evaluate(model(), data().c_str(), nullptr, &scores), LAMELLA_OK)
      << lamella_last_error();
  EXPECT_EQ(scores.images, 24);
  EXPECT_LE(scores.accuracy_low, scores.accuracy);
  EXPECT_GE(scores.accuracy_high, scores.accuracy);
  // A program that knows the first two fields only: nothing is written behind them.
  lamella_scores old{};
  old.size = offsetof(lamella_scores, accuracy);
  old.accuracy = -5;
  EXPECT_EQ(lamella_evaluate(model(), data().c_str(), nullptr, &old), LAMELLA_OK);
  EXPECT_EQ(old.images, 24);
  EXPECT_EQ(old.accuracy, -5);
  EXPECT_EQ(lamella_evaluate(model(), data().c_str(), "test", &scores), LAMELLA_FAILED);
  EXPECT_NE(std::string(lamella_last_error()).find("ready-made splits"), std::string::npos);
}

TEST_F(CapiTest, OlderProgramsGoOnWorking) {
  lamella_train_options options;
  std::memset(&options, 0x55, sizeof options);
  const std::size_t known = offsetof(lamella_train_options, epochs);
  lamella_train_options_init(&options, known);
  EXPECT_EQ(options.size, known);
  EXPECT_EQ(options.image_size, 128);
  EXPECT_EQ(options.epochs, 0x55555555) << "written behind what the program knows";
  options = *training();
  options.size = offsetof(lamella_train_options, learning_rate);
  options.learning_rate = -1;  // not seen
  lamella_model* made = nullptr;
  EXPECT_EQ(lamella_train(&options, nullptr, nullptr, &made), LAMELLA_OK) << lamella_last_error();
  lamella_close(made);
}

// Every refusal: a status, a sentence, and nothing written.
TEST_F(CapiTest, FailuresLeaveOutputsAlone) {
  auto* const untouched = reinterpret_cast<lamella_model*>(0x10);
  lamella_model* handle = untouched;
  std::vector<float> p = {7, 7};
  const std::vector<std::uint8_t> dense = bytes();
  const auto refused = [&](lamella_status status, lamella_status expected, const char* words) {
    EXPECT_EQ(status, expected) << lamella_last_error();
    EXPECT_NE(std::string(lamella_last_error()).find(words), std::string::npos)
        << lamella_last_error();
    EXPECT_EQ(handle, untouched);
    EXPECT_EQ(p, (std::vector<float>{7, 7}));
  };
  refused(lamella_open(nullptr, nullptr, &handle), LAMELLA_BAD_ARGUMENT, "NULL");
  refused(lamella_open(saved().c_str(), nullptr, nullptr), LAMELLA_BAD_ARGUMENT, "NULL");
  refused(lamella_open(file("absent").c_str(), nullptr, &handle), LAMELLA_FAILED, "absent");
  refused(lamella_open(an_image().c_str(), nullptr, &handle), LAMELLA_FAILED, ".png");
  lamella_device_options device{};
  refused(lamella_open(saved().c_str(), &device, &handle), LAMELLA_BAD_ARGUMENT, "size");
  lamella_device_options_init(&device, sizeof device);
  device.device = "abacus";
  refused(lamella_open(saved().c_str(), &device, &handle), LAMELLA_FAILED, "abacus");
  lamella_device_options_init(&device, sizeof device);
  device.memory_limit = 1 << 16;
  refused(lamella_open(saved().c_str(), &device, &handle), LAMELLA_OUT_OF_MEMORY, "cap");
  refused(lamella_predict_file(model(), file("absent.png").c_str(), p.data()), LAMELLA_FAILED,
          "absent.png");
  refused(lamella_predict_file(nullptr, an_image().c_str(), p.data()), LAMELLA_BAD_ARGUMENT,
          "NULL");
  const lamella_image wrong[] = {pixels(nullptr),
                                 pixels(dense.data(), 12),
                                 pixels(dense.data(), 8, 3),
                                 {dense.data(), 0, 32, 1, 8, 0},
                                 {dense.data(), 1 << 30, 1 << 30, 1, 8, 0},
                                 {dense.data(), 32, 32, 2, 8, 0},
                                 {dense.data(), 32, 32, 1, 8, SIZE_MAX}};
  for (const lamella_image& image : wrong) {
    // Also where a good image comes first.
    const lamella_image images[] = {pixels(dense.data()), image};
    refused(lamella_predict(model(), images, 2, p.data()), LAMELLA_BAD_ARGUMENT, "lamella_image");
  }
  refused(lamella_save(model(), file("no/such/folder").c_str()), LAMELLA_FAILED, "no/such/folder");
}

TEST_F(CapiTest, TrainingIsRefusedStoppedAndLimited) {
  auto* const untouched = reinterpret_cast<lamella_model*>(0x10);
  lamella_model* handle = untouched;
  auto options = training();
  options->data = nullptr;
  EXPECT_EQ(lamella_train(options.get(), nullptr, nullptr, &handle), LAMELLA_BAD_ARGUMENT);
  options = training();
  options->network = "no_net";
  EXPECT_EQ(lamella_train(options.get(), nullptr, nullptr, &handle), LAMELLA_FAILED);
  options = training();
  options->learning_rate = -1;
  EXPECT_EQ(lamella_train(options.get(), nullptr, nullptr, &handle), LAMELLA_FAILED);
  options = training();
  lamella_device_options device;
  lamella_device_options_init(&device, sizeof device);
  device.memory_limit = 1 << 16;
  options->device = &device;
  EXPECT_EQ(lamella_train(options.get(), nullptr, nullptr, &handle), LAMELLA_OUT_OF_MEMORY)
      << lamella_last_error();
  options = training();
  int calls = 0;
  const auto stop_at_third = [](const lamella_progress* progress, void* user) -> int {
    EXPECT_EQ(progress->size, sizeof(lamella_progress));
    EXPECT_EQ(progress->epochs, 2);
    EXPECT_LE(progress->images, progress->all_images);
    return ++*static_cast<int*>(user) == 3 ? 1 : 0;
  };
  EXPECT_EQ(lamella_train(options.get(), stop_at_third, &calls, &handle), LAMELLA_CANCELLED);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(handle, untouched);
  // From weights of before.
  options->weights = nullptr;
  const std::string weights = saved();
  options->weights = weights.c_str();
  ASSERT_EQ(lamella_train(options.get(), nullptr, nullptr, &handle), LAMELLA_OK)
      << lamella_last_error();
  lamella_close(handle);
}

TEST_F(CapiTest, ErrorsBelongToTheirThread) {
  EXPECT_EQ(lamella_open(nullptr, nullptr, nullptr), LAMELLA_BAD_ARGUMENT);
  std::string other = "not asked";
  std::thread([&] { other = lamella_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_NE(std::string(lamella_last_error()), "");
  lamella_close(nullptr);
}

// A prediction takes nothing lasting: a thousand of them leave the memory limit as it was.
// What lamella_set_log() is handed, level and sentence by line.
void note(lamella_log_level level, const char* sentence, void* lines) {
  *static_cast<std::string*>(lines) +=
      (level == LAMELLA_WARNING ? "! " : "") + std::string(sentence) + "\n";
}

TEST_F(CapiTest, SaysToItsLogWhatItChoseAndWhatLooksDoubtful) {
  std::string lines;
  lamella_set_log(note, &lines);
  lamella_model* opened = nullptr;
  ASSERT_EQ(lamella_open(saved().c_str(), nullptr, &opened), LAMELLA_OK) << lamella_last_error();
  lamella_close(opened);
  EXPECT_NE(lines.find(": cbr_tiny for 2 classes on cpu"), std::string::npos) << lines;
  EXPECT_EQ(lines.find("! "), std::string::npos) << lines;

  TensorFile without = read_safetensors(saved());
  without.metadata.erase("known_answer");
  write_safetensors(file("without.safetensors"), without);
  lines.clear();
  ASSERT_EQ(lamella_open(file("without.safetensors").c_str(), nullptr, &opened), LAMELLA_OK);
  lamella_close(opened);
  EXPECT_NE(lines.find("without.safetensors holds no known answer"), std::string::npos) << lines;
  EXPECT_NE(lines.find("! "), std::string::npos) << lines;

  lines.clear();
  ASSERT_EQ(lamella_train(training().get(), nullptr, nullptr, &opened), LAMELLA_OK);
  lamella_close(opened);
  EXPECT_NE(lines.find("epoch 2 of 2: mean loss "), std::string::npos) << lines;
  EXPECT_NE(lines.find(", validation accuracy "), std::string::npos) << lines;

  lamella_set_log(nullptr, nullptr);
  lines.clear();
  ASSERT_EQ(lamella_open(saved().c_str(), nullptr, &opened), LAMELLA_OK);
  lamella_close(opened);
  EXPECT_EQ(lines, "");
}

TEST_F(CapiTest, BatchesGiveWhatSingleImagesGive) {
  lamella_device_options device;
  lamella_device_options_init(&device, sizeof device);
  EXPECT_EQ(device.batch, 1);
  lamella_model* opened = nullptr;
  device.batch = 0;
  EXPECT_EQ(lamella_open(saved().c_str(), &device, &opened), LAMELLA_BAD_ARGUMENT);
  device.batch = 3;
  ASSERT_EQ(lamella_open(saved().c_str(), &device, &opened), LAMELLA_OK) << lamella_last_error();
  const std::vector<std::uint8_t> dense = bytes(), black(dense.size());
  const lamella_image a = pixels(dense.data()), b = pixels(black.data());
  const std::vector<lamella_image> images = {a, b, b, b, a, b, a};
  std::vector<float> single(14), together(14), file(2);
  ASSERT_EQ(lamella_predict(model(), images.data(), 7, single.data()), LAMELLA_OK);
  ASSERT_EQ(lamella_predict(opened, images.data(), 7, together.data()), LAMELLA_OK);
  for (std::size_t i = 0; i < 14; ++i) EXPECT_NEAR(together[i], single[i], 1e-5) << i;
  EXPECT_GT(std::abs(single[0] - single[2]), 1e-4) << "images that cannot be told apart";
  ASSERT_EQ(lamella_predict_file(opened, an_image().c_str(), file.data()), LAMELLA_OK);
  EXPECT_NEAR(file[0], single[0], 1e-5);
  lamella_close(opened);
}

TEST_F(CapiTest, PredictsForEverWithinItsLimit) {
  lamella_device_options device;
  lamella_device_options_init(&device, sizeof device);
  // The least that will do, within a tenth.
  lamella_model* opened = nullptr;
  lamella_status status = LAMELLA_OUT_OF_MEMORY;
  for (double limit = 1 << 16; status == LAMELLA_OUT_OF_MEMORY; limit *= 1.1) {
    device.memory_limit = static_cast<std::uint64_t>(limit);
    status = lamella_open(saved().c_str(), &device, &opened);
  }
  ASSERT_EQ(status, LAMELLA_OK) << lamella_last_error();
  const std::vector<std::uint8_t> dense = bytes();
  const lamella_image one = pixels(dense.data());
  std::vector<float> p(2);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(lamella_predict(opened, &one, 1, p.data()), LAMELLA_OK) << lamella_last_error();
  }
  EXPECT_EQ(p, prediction());
  lamella_close(opened);
}

}  // namespace
}  // namespace lamella
