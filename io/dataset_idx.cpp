// Data sets in the layout of MNIST: {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte.
#include <filesystem>
#include <map>

#include "engine/errors.h"
#include "io/dataset_forms.h"

namespace lamella::forms {
namespace {

constexpr std::array kParts{std::pair{"train", Split::Train}, std::pair{"t10k", Split::Test}};

// The name that the file has in the folder, gzipped or not; empty: it is not there.
std::string find_file(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  const bool plain = std::filesystem::is_regular_file(folder + "/" + name, ignored);
  const bool packed = std::filesystem::is_regular_file(folder + "/" + name + ".gz", ignored);
  if (plain && packed) fail(folder, ": there are both ", name, " and ", name, ".gz; keep one");
  return plain ? name : packed ? name + ".gz" : "";
}

std::string images_of(const std::string& folder, const std::string& part) {
  return find_file(folder, part + "-images-idx3-ubyte");
}

// The labels of the images in `images`, checked against their number.
std::vector<std::uint8_t> read_labels(const Dataset& dataset, const std::string& part,
                                      const std::string& images) {
  const std::string name = part + "-labels-idx1-ubyte";
  const std::string file = find_file(dataset.root, name);
  if (file.empty()) fail(dataset.root, ": there is ", images, ", but no ", name);
  IdxFile labels = read_idx(dataset.root + "/" + file, 1);
  const std::int64_t count = dataset.reader->images_in(dataset.root + "/" + images);
  if (labels.shape[0] != count) {
    fail(dataset.root, "/", file, " holds ", labels.shape[0], " labels for the ", count,
         " images of ", images);
  }
  return std::move(labels.values);
}

}  // namespace

bool holds_idx_files(const std::string& folder) {
  for (const auto& part : kParts) {
    if (!images_of(folder, part.first).empty()) return true;
  }
  return false;
}

void read_idx_files(Dataset& dataset) {
  std::map<std::uint8_t, std::int32_t> numbers;  // of the labels
  for (const auto& [part, split] : kParts) {
    const std::string images = images_of(dataset.root, part);
    if (images.empty()) continue;
    std::int64_t number = 0;
    for (const std::uint8_t label : read_labels(dataset, part, images)) {
      const std::string path = idx_image_name(images, number++);
      numbers.emplace(label, 0);
      dataset.samples.push_back({path, label, path, split});
    }
  }
  for (auto& [label, number] : numbers) {
    number = static_cast<std::int32_t>(dataset.classes.size());
    dataset.classes.push_back(std::to_string(label));
  }
  for (Sample& sample : dataset.samples) {
    sample.label = numbers.at(static_cast<std::uint8_t>(sample.label));
  }
  dataset.classes_by_folder = false;
  dataset.has_splits = true;
  dataset.split_source = "IDX file";
}

}  // namespace lamella::forms
