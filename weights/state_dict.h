// Finds the weights among everything else a checkpoint holds. Private to weights/.
#pragma once

#include <string>
#include <vector>

#include "weights/read_weights.h"
#include "weights/torch_tensors.h"

namespace lamella {

// Copies the state dictionary that `root` is or holds, as read_weights.h describes.
TensorFile copy_state_dict(const ByteSource& source, const PickleHeap& heap,
                           const PickleValue& root, const TensorValues& values,
                           const std::string& entry, ReadReport& report);

}  // namespace lamella
