// The oldest form of PyTorch checkpoints (before 0.1.10): a tar archive of three members.
// `storages` has the raw elements, `tensors` the views of them, `pickle` the object that refers to
// these. Private to weights/; read_weights.h reads it.
#pragma once

#include <string>

#include "weights/byte_source.h"
#include "weights/read_weights.h"

namespace lamella {

bool looks_like_tar(const ByteSource& source);
TensorFile read_torch_tar(const ByteSource& source, const std::string& entry, ReadReport& report);

}  // namespace lamella
