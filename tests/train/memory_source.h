// A BatchSource in memory: images of two kinds, stripes that lie and stripes that stand, in noise.
#pragma once

#include <algorithm>

#include "engine/rng.h"
#include "models/model.h"
#include "train/batch_source.h"

namespace lamella {

inline const ModelSpec kStripesNet{"cbr_tiny", 32, 32, 1, 2};

class StripesSource : public BatchSource {
 public:
  StripesSource(std::int64_t images, std::int64_t batch, std::uint64_t seed, bool shuffle = true)
      : images_(images), batch_(batch), seed_(seed), shuffle_(shuffle) {}

  std::int64_t images() const override { return images_; }
  std::int64_t batches() const override { return (images_ + batch_ - 1) / batch_; }
  void start(std::int64_t epoch, std::int64_t first_batch) override {
    order_ = permutation(
        images_, Rng(seed_, RngStream::Shuffle, static_cast<std::uint32_t>(shuffle_ ? epoch : 0)));
    next_ = first_batch * batch_;
  }
  bool next(Batch& batch) override {
    if (next_ >= images_) return false;
    const std::int64_t end = std::min(images_, next_ + batch_);
    batch = {end - next_, 32, 32, 1, {}, {}, {}};
    for (; next_ < end; ++next_) append(batch, order_[static_cast<std::size_t>(next_)]);
    return true;
  }

 private:
  void append(Batch& batch, std::int64_t image) const {
    const auto label = static_cast<std::int32_t>(image % 2);
    Rng rng(seed_, RngStream::Test, static_cast<std::uint32_t>(image));
    for (std::int64_t i = 0; i < 32 * 32; ++i) {
      const std::int64_t along = label == 0 ? i / 32 : i % 32;
      batch.pixels.push_back((along / 4 % 2 == 0 ? 1.0F : -1.0F) +
                             0.5F * static_cast<float>(rng.normal()));
    }
    batch.labels.push_back(label);
    batch.indices.push_back(image);
  }

  std::int64_t images_, batch_;
  std::uint64_t seed_;
  bool shuffle_;
  std::vector<std::int64_t> order_;
  std::int64_t next_ = 0;
};

}  // namespace lamella
