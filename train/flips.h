// Flips when a model is used: the mean of what it makes of an image, its mirror images and turns.
#pragma once

#include <vector>

#include "train/batch_source.h"

namespace lamella {

// `flip` 0 to 7 by its bits: 1 mirrors left-right, 2 top-bottom, 4 about the main diagonal, which
// comes first. 0 to 3 are all flips, 0 to 7 all flips and quarter turns. Throws Error for 4 and
// more where the images are not square.
Batch flipped(const Batch& batch, int flip);

// The batches of another source, flipped.
class FlippedSource : public BatchSource {
 public:
  FlippedSource(BatchSource& source, int flip) : source_(source), flip_(flip) {}

  std::int64_t images() const override { return source_.images(); }
  std::int64_t batches() const override { return source_.batches(); }
  void start(std::int64_t epoch, std::int64_t first_batch) override {
    source_.start(epoch, first_batch);
  }
  bool next(Batch& batch) override {
    if (!source_.next(batch)) return false;
    if (flip_ != 0) batch = flipped(batch, flip_);
    return true;
  }

 private:
  BatchSource& source_;
  int flip_;
};

}  // namespace lamella
