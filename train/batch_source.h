// Where the trainer's images come from. The trainer knows this interface only; the loader of io/
// implements it, and so may an instrument that has its pixels in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace lamella {

struct Batch {
  std::int64_t N = 0, H = 0, W = 0, C = 0;
  std::vector<float> pixels;          // N*H*W*C, NHWC, preprocessed
  std::vector<std::int32_t> labels;   // N
  std::vector<std::int64_t> indices;  // N: position of each image in the data set
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual std::int64_t images() const = 0;   // per epoch
  virtual std::int64_t batches() const = 0;  // per epoch; the last one may be smaller
  // Begins an epoch at one of its batches. The order and the augmentation of an epoch depend only
  // on the source's seed and the epoch's number.
  virtual void start(std::int64_t epoch, std::int64_t first_batch) = 0;
  // The next batch, or false after the last.
  virtual bool next(Batch& batch) = 0;
};

}  // namespace lamella
