// The loader: order, independence of threads, resuming, errors, shutting down, and speed.
#include "io/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>

#include "engine/rng.h"
#include "fixtures.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::TempDir;

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    for (int i = 0; i < 23; ++i) {
      dir_.add_image((i % 3 == 0 ? "a/" : "b/") + std::to_string(i) + ".png", i);
    }
    preprocess_.height = preprocess_.width = 6;
    preprocess_.margin = 2;
    options_.batch = 5;
    options_.augment = {true, true, true, true, 1};
    options_.seed = 11;
  }

  Loader make() const { return {read_dataset(dir_.path()), preprocess_, options_}; }

  static std::vector<Batch> epoch(Loader& loader, std::int64_t number, std::int64_t first = 0) {
    std::vector<Batch> batches;
    loader.start(number, first);
    Batch batch;
    while (loader.next(batch)) batches.push_back(batch);
    return batches;
  }

  static void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].indices, b[i].indices);
      EXPECT_EQ(a[i].labels, b[i].labels);
      EXPECT_EQ(a[i].pixels, b[i].pixels);
    }
  }

  TempDir dir_;
  Preprocess preprocess_;
  LoaderOptions options_;
};

// 8 images of class a and 15 of b: of each as often as asked, none twice before all came once,
// other ones in the next epoch, and what comes again looks otherwise.
TEST_F(LoaderTest, ABalancedEpochHasAsManyOfEveryClass) {
  options_.per_class = 11;
  Loader loader = make();
  EXPECT_EQ(loader.images(), 22);
  std::vector<std::vector<std::int64_t>> seen;
  for (const std::int64_t number : {0, 1}) {
    std::map<std::int64_t, std::vector<std::vector<float>>> pixels;  // of each image, as it came
    std::vector<std::int64_t> per_label(2, 0);
    auto& indices = seen.emplace_back();
    for (const Batch& batch : epoch(loader, number)) {
      for (std::size_t i = 0; i < batch.indices.size(); ++i) {
        const auto begin = batch.pixels.begin() + static_cast<std::ptrdiff_t>(36 * i);
        pixels[batch.indices[i]].emplace_back(begin, begin + 36);
        indices.push_back(batch.indices[i]);
        ++per_label[static_cast<std::size_t>(batch.labels[i])];
      }
    }
    EXPECT_EQ(per_label, (std::vector<std::int64_t>{11, 11}));
    int once = 0, twice = 0, alike = 0;
    for (const auto& [index, looks] : pixels) {
      if (looks.size() == 1) ++once;
      if (looks.size() != 2) continue;
      ++twice;
      alike += looks[0] == looks[1] ? 1 : 0;
    }
    EXPECT_EQ(twice, 3);
    EXPECT_EQ(once, 5 + 11);
    EXPECT_LT(alike, 3);
  }
  EXPECT_NE(std::set(seen[0].begin(), seen[0].end()), std::set(seen[1].begin(), seen[1].end()));
  Loader again = make();
  expect_same(epoch(loader, 1), epoch(again, 1));
  options_.threads = 1;
  Loader alone = make();
  expect_same(epoch(loader, 1, 2), epoch(alone, 1, 2));
}

TEST_F(LoaderTest, AnEpochIsAPermutation) {
  Loader loader = make();
  EXPECT_EQ(loader.images(), 23);
  EXPECT_EQ(loader.batches(), 5);
  for (const std::int64_t number : {0, 1, 7}) {
    const auto expected =
        permutation(23, Rng(11, RngStream::Shuffle, static_cast<std::uint32_t>(number)));
    std::vector<std::int64_t> seen;
    for (const Batch& batch : epoch(loader, number)) {
      EXPECT_EQ(batch.pixels.size(), static_cast<std::size_t>(batch.N * 36));
      for (std::size_t i = 0; i < batch.indices.size(); ++i) {
        seen.push_back(batch.indices[i]);
        const auto& sample = loader.dataset().samples[static_cast<std::size_t>(batch.indices[i])];
        EXPECT_EQ(batch.labels[i], sample.label);
      }
    }
    EXPECT_EQ(seen, expected);
  }
}

TEST_F(LoaderTest, DoesNotDependOnThreadsAheadOrCache) {
  Loader first = make();
  const auto expected = epoch(first, 3);
  for (const int threads : {1, 3, 8}) {
    for (const int ahead : {1, 2, 9}) {
      options_.threads = threads;
      options_.ahead = ahead;
      options_.cache_bytes = threads == 3 ? 0 : 1000;  // none, or room for a few images only
      Loader loader = make();
      epoch(loader, 2);
      expect_same(epoch(loader, 3), expected);
      EXPECT_LE(loader.cached_bytes(), options_.cache_bytes);
    }
  }
}

TEST_F(LoaderTest, ResumesInTheMiddle) {
  Loader loader = make();
  auto expected = epoch(loader, 4);
  expected.erase(expected.begin(), expected.begin() + 3);
  expect_same(epoch(loader, 4, 3), expected);
  loader.start(5, 0);  // left half-way
  Batch batch;
  EXPECT_TRUE(loader.next(batch));
  expect_same(epoch(loader, 4, 3), expected);
  EXPECT_TRUE(epoch(loader, 4, 5).empty());
  EXPECT_EQ(error_of([&] { loader.start(0, 6); }), "loader: epoch 0 cannot begin at batch 6 of 5");
}

TEST_F(LoaderTest, PixelsAreThePreparedImages) {
  options_.augment = {};
  options_.shuffle = false;
  Loader loader = make();
  std::int64_t position = 0;
  for (const Batch& batch : epoch(loader, 0)) {
    for (std::int64_t i = 0; i < batch.N; ++i, ++position) {
      ASSERT_EQ(batch.indices[static_cast<std::size_t>(i)], position);
      const auto& dataset = loader.dataset();
      const auto& sample = dataset.samples[static_cast<std::size_t>(position)];
      const auto expected = prepare_image(read_image(dataset.file(sample)), preprocess_);
      const auto begin = batch.pixels.begin() + i * 36;
      EXPECT_EQ(std::vector<float>(begin, begin + 36), expected);
    }
  }
  EXPECT_EQ(position, 23);
}

TEST_F(LoaderTest, AugmentationChangesWithTheEpoch) {
  options_.shuffle = false;
  Loader loader = make();
  EXPECT_NE(epoch(loader, 0)[0].pixels, epoch(loader, 1)[0].pixels);
}

TEST_F(LoaderTest, ABadImageIsAnErrorThatNamesIt) {
  options_.shuffle = false;
  const Dataset dataset = read_dataset(dir_.path());
  fixtures::write_text(dataset.file(dataset.samples[12]), "broken");
  Loader loader = make();
  loader.start(0, 0);
  Batch batch;
  EXPECT_TRUE(loader.next(batch));
  EXPECT_TRUE(loader.next(batch));
  const std::string message = error_of([&] { loader.next(batch); });
  EXPECT_EQ(message.rfind(dataset.file(dataset.samples[12]) + ": ", 0), 0U) << message;
  EXPECT_FALSE(loader.next(batch));
  loader.start(0, 3);  // usable again
  EXPECT_TRUE(loader.next(batch));
}

TEST_F(LoaderTest, StopsAtAnyMoment) {
  for (int i = 0; i < 60; ++i) {
    options_.threads = 1 + i % 4;
    options_.ahead = 1 + i % 3;
    Loader loader = make();
    if (i % 5 == 0) continue;
    loader.start(i, i % 6);
    Batch batch;
    for (int n = i % 4; n > 0; --n) loader.next(batch);
  }
}

TEST_F(LoaderTest, RefusesInSentences) {
  options_.batch = 0;
  EXPECT_EQ(error_of([&] { make(); }),
            "loader: batch is 0, threads 2, ahead 4; each must be at least 1");
  EXPECT_EQ(error_of([&] { Loader(Dataset{}, preprocess_, LoaderOptions{}); }),
            "loader: the data set  has no images");
}

// --- speed ---------------------------------------------------------------------------------------

// A fixed amount of work on this thread, as a training step would be.
double work(const Batch& batch, int rounds) {
  double sum = 0.0;
  for (int round = 0; round < rounds; ++round) {
    for (const float pixel : batch.pixels) sum = 0.5 * sum + pixel;
  }
  return sum;
}

template <class Action>
double seconds_of(Action action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Least time per step over several epochs, loader and memory in turn: the least, because other work
// on the machine only ever adds.
TEST(LoaderSlow, AStepCostsAsMuchAsOneFedFromMemory) {
  const TempDir dir;
  const Image image = fixtures::pattern(256, 256, 1, 8);
  for (int i = 0; i < 64; ++i) {
    std::filesystem::create_directories(dir.path("a"));
    write_png(dir.path("a/" + std::to_string(i) + ".png"), image);
  }
  LoaderOptions options;
  options.batch = 8;
  options.augment = {true, true, true, true, 8};
  Loader loader(read_dataset(dir.path()), Preprocess{}, options);
  std::vector<Batch> memory;
  Batch batch;
  volatile double sink = 0.0;
  loader.start(0, 0);
  while (loader.next(batch)) memory.push_back(batch);
  const double once = seconds_of([&] { sink = work(memory[0], 10); }) / 10.0;
  const int rounds = std::max(1, static_cast<int>(0.05 / once));

  double from_memory = 1e9, from_loader = 1e9;
  const auto steps = static_cast<double>(memory.size());
  for (int epoch = 1; epoch <= 9; ++epoch) {
    const double memory_seconds = seconds_of([&] {
      for (const Batch& held : memory) sink = work(held, rounds);
    });
    const double loader_seconds = seconds_of([&] {
      loader.start(epoch, 0);
      while (loader.next(batch)) sink = work(batch, rounds);
    });
    from_memory = std::min(from_memory, memory_seconds / steps);
    from_loader = std::min(from_loader, loader_seconds / steps);
  }
  std::printf("step fed from memory %.2f ms, by the loader %.2f ms, ratio %.3f\n",
              1e3 * from_memory, 1e3 * from_loader, from_memory / from_loader);
  EXPECT_GE(from_memory / from_loader, 0.95);
}

}  // namespace
}  // namespace lamella
