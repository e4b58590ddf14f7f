// Filters in files of PyTorch are [K,C,R,S], in those of lamella [K,R,S,C].
#pragma once

#include "weights/safetensors.h"

namespace lamella {

// Whether lamella wrote the file: its metadata says so, and its filters are [K,R,S,C].
bool is_lamella_file(const TensorFile& file);

// A tensor of four dimensions with its elements reordered; K C R S stand for the sizes of the one
// given. Linear in its size.
StoredTensor kcrs_to_krsc(const StoredTensor& filters);
StoredTensor krsc_to_kcrs(const StoredTensor& filters);

// Makes of a file read by read_weights one that PyTorch loads as it is: filters [K,C,R,S], no
// tensors of lamella's optimisers, no card. A file of PyTorch keeps its tensors. The rows of a
// linear layer behind a flattened map of more than one pixel (tem_small) stay in order H, W, C.
void to_pytorch(TensorFile& file);

}  // namespace lamella
