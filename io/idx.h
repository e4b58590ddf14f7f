// IDX files, the form of MNIST and of data sets made after it: a header of big-endian integers,
// then bytes (http://yann.lecun.com/exdb/mnist). Gzipped or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/image.h"

namespace lamella {

struct IdxFile {
  std::vector<std::int64_t> shape;   // images: [N, H, W]; labels: [N]
  std::vector<std::uint8_t> values;  // row by row
};

// Reads a file of unsigned bytes in so many dimensions. Throws Error naming the file and the reason
// where it is no such file, is damaged, ends early, goes on behind what its header says, or is
// larger than limits.file_bytes as it lies there, or than limits.bytes unpacked. Memory is taken as
// values come, at most about twice what the file holds, whatever its header says.
IdxFile read_idx(const std::string& path, std::size_t dimensions, const ImageLimits& limits = {});

}  // namespace lamella
