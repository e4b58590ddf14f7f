// The prefetching loader: worker threads decode, resize and augment ahead of the trainer, and the
// resized images stay in memory as far as a budget allows, so that later epochs cost little.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "io/augment.h"
#include "io/dataset.h"
#include "io/image.h"
#include "io/preprocess.h"
#include "train/batch_source.h"

namespace lamella {

struct LoaderOptions {
  std::int64_t batch = 32;
  std::uint64_t seed = 0;
  bool shuffle = true;                             // false: in the order of the data set
  std::int64_t per_class = 0;                      // > 0: so many images of every class an epoch
  AugmentOptions augment;                          // default: none
  int threads = 2;                                 // workers, >= 1; the batches do not depend on it
  int ahead = 4;                                   // batches prepared in advance, >= 1
  std::size_t cache_bytes = std::size_t{1} << 30;  // of resized images; 0: decode every time
  ImageLimits limits;
};

// Order of an epoch: permutation(images, Rng(seed, RngStream::Shuffle, epoch)). With `per_class` an
// epoch takes every image of a class as often as that number holds them all, and for the rest the
// first of permutation(images of the class, Rng(seed + (label + 1) * 0x9E3779B97F4A7C15,
// RngStream::Balance, epoch)); what comes again is augmented as the image whose number is higher by
// the number of images. Classes without images are left out. An image that
// cannot be read is an Error from next(), naming the file, in the batch it belongs to; the loader
// then wants start() before it is used again. Not for use by several threads at once.
class Loader : public BatchSource {
 public:
  Loader(Dataset dataset, const Preprocess& preprocess, const LoaderOptions& options);
  ~Loader() override;  // stops the workers, also in the middle of an epoch

  std::int64_t images() const override;  // of an epoch
  std::int64_t batches() const override;
  void start(std::int64_t epoch, std::int64_t first_batch) override;
  bool next(Batch& batch) override;

  const Dataset& dataset() const;
  std::size_t cached_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lamella
