// The two forms of PyTorch checkpoints that were written since 2017: a zip archive, and before it a
// row of pickles behind a magic number, followed by the storages. Private to weights/;
// read_weights.h reads either. https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
#pragma once

#include <string>

#include "weights/read_weights.h"
#include "weights/zip_archive.h"

namespace lamella {

TensorFile read_torch_zip(const ByteSource& source, const std::string& entry, ReadReport& report);

// Whether the file begins as a pickle does.
bool looks_like_pickle(const ByteSource& source);
TensorFile read_torch_legacy(const ByteSource& source, const std::string& entry,
                             ReadReport& report);

}  // namespace lamella
