// Filters in files of PyTorch are [K,C,R,S], in those of lamella [K,R,S,C].
#pragma once

#include "weights/safetensors.h"

namespace lamella {

// Which of the two a file's metadata says, under kFiltersKey: "KRSC" or "KCRS". Without that key
// they are [K,R,S,C] where the file has a card, as lamella's older files have. Throws Error that
// names `name` for any other value.
inline constexpr const char* kFiltersKey = "filters";
bool has_krsc_filters(const TensorFile& file, const std::string& name);

// A tensor of four dimensions with its elements reordered; K C R S stand for the sizes of the one
// given. Linear in its size.
StoredTensor kcrs_to_krsc(const StoredTensor& filters);
StoredTensor krsc_to_kcrs(const StoredTensor& filters);

// Makes of a file read by read_weights one that PyTorch loads as it is: filters [K,C,R,S], no
// tensors of lamella's optimisers, no metadata of lamella's. Otherwise it keeps its tensors. A
// filter of a layer fc* becomes the linear layer over a flattened map [C,R,S] that it is there
// (GoogLeNet's auxiliary classifiers). The rows of a linear layer that is one here, behind a
// flattened map of more than one pixel (tem_small), stay in order H, W, C.
void to_pytorch(TensorFile& file, const std::string& name);

}  // namespace lamella
