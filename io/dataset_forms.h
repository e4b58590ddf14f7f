// The forms of data sets beside class folders. Private to io/.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "io/csv.h"
#include "io/dataset.h"

namespace lamella::forms {

// How ready-made splits are called, as folders and in lists.
inline constexpr std::array kSplitWords{
    std::pair{"train", Split::Train}, std::pair{"validation", Split::Validation},
    std::pair{"val", Split::Validation}, std::pair{"test", Split::Test}};

// Each adds the samples to a data set whose root is set, and says where classes and splits are
// from.
void read_list(Dataset& dataset, const CsvTable& list);
void read_idx_files(Dataset& dataset);

// Whether the folder holds IDX files of images in the layout of MNIST.
bool holds_idx_files(const std::string& folder);

}  // namespace lamella::forms
