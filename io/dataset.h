// Labelled images with groups and splits, in one of three forms: folders, one per class,
//
//   DIR/<Class>/*                        or, with ready-made splits,
//   DIR/{train,validation|val,test}/<Class>/*     as soon as one of these folders is there
//   DIR/manifest.csv                     optional: path, class and group of each image
//
// Hidden names, folders beginning with '_' and folders called crop_outlines are skipped, and so are
// files whose names are not those of images. Folders inside a class folder are searched too.
//
//   LIST.csv                             a list, with a row per image and these columns:
//     path                               from the folder of the list, and below it
//     class
//     split                              optional: train, validation (or val), test
//     micrograph, group or another       optional: the image's group, as in manifest.csv
//
//   DIR/{train,t10k}-images-idx3-ubyte   IDX files in the layout of MNIST, gzipped (.gz) or not:
//   DIR/{train,t10k}-labels-idx1-ubyte   t10k is the test split, classes are called by their
//   numbers
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/image_reader.h"

namespace lamella {

enum class Split { None, Train, Validation, Test };
const char* name_of(Split split);                // "none", "train", "validation", "test"
Split split_from_name(const std::string& name);  // also "val"; throws Error

struct Sample {
  std::string path;  // relative to Dataset::root, with '/'; FILE#N in an IDX file
  std::int32_t label = 0;
  std::string group;  // images of one group never straddle two splits; unique to the image if none
  Split split = Split::None;
};

struct Dataset {
  std::string root;                  // folder
  std::vector<std::string> classes;  // sorted by bytes, of IDX by number; a label is an index
  std::vector<Sample> samples;       // sorted by path, of IDX as in the files
  bool classes_by_folder = true;     // a path tells its class
  std::string group_source;  // in words: "column micrograph of manifest.csv", "each image alone"
  std::string split_source;  // of ready-made splits, in words: "folder", "column split of list.csv"
  bool has_splits = false;   // there are ready-made splits, or split() made them
  std::vector<std::string> notes;  // sentences the user should see, such as groups across splits
  std::shared_ptr<ImageReader> reader = std::make_shared<ImageReader>();  // shared by subsets

  std::string file(const Sample& sample) const { return root + "/" + sample.path; }
  Image read(const Sample& sample, const ImageLimits& limits = {}) const {
    return reader->read(file(sample), limits);
  }
  // The samples of one split, with the same classes; may be empty.
  Dataset subset(Split split) const;
  std::vector<std::int64_t> class_counts() const;  // one per class
};

struct DatasetOptions {
  // Where the group of an image is read, first that is given: a column of the manifest, or a
  // regular expression (ECMAScript) on the path, whose first bracket is the group (all of it where
  // it has none). Neither given: column `micrograph` or `group` of the manifest where there is one.
  std::string group_column;
  std::string group_pattern;
  std::string manifest;  // path; empty: DIR/manifest.csv where it exists, or the list
};

// O(n log n) in the number of files; no image is opened, but IDX files are read into memory. Throws
// Error for: no such folder or list, no image, an empty class, folders of splits whose classes
// differ, a manifest row that contradicts the folders, an image the manifest does not name. Rows of
// a manifest for images that are not there are ignored; in a list they are errors, and so are
// images named twice, paths that leave the folder of the list, unknown splits, and empty cells in
// these columns. A group that straddles ready-made splits is a note, and so is a class that has
// images, but none among those for training.
Dataset read_dataset(const std::string& path, const DatasetOptions& options = {});

// Whether read_dataset() takes this for a list: what ends in .csv and is no folder.
bool is_list_name(const std::string& path);

// Numbers the classes as in `labels`, of which the data may lack some. Throws Error for a class
// that is none of them.
void use_classes(Dataset& dataset, const std::vector<std::string>& labels);
// The same, but classes of the data that are none of `labels` follow behind them.
void extend_classes(Dataset& dataset, std::vector<std::string> labels);

struct SplitFractions {
  double train = 0.6, validation = 0.2, test = 0.2;  // >= 0, sum 1
};
// Assigns every sample to a split, whole groups at a time. Class by class, its groups are put in
// the order of a permutation by Rng(seed, RngStream::Split, label) and each goes to the split that
// is furthest below its share of the class's images (ties: train, validation, test). A split left
// empty although its fraction is not 0 then gets the smallest group of the split that has most
// groups, as long as that one keeps a group: a class of two groups is in train and in validation,
// one of three also in test. A group belongs to the class that most of its images have.
void split(Dataset& dataset, const SplitFractions& fractions, std::uint64_t seed);

// Where ready-made splits have training images and none for validation, `fraction`, in [0, 1), of
// the former become the latter, drawn as by split(). True where that happened.
bool split_validation_off(Dataset& dataset, double fraction, std::uint64_t seed);

// Leaves out samples of `part` so that of each class about `fraction`, in (0,1], stays. Class by
// class, its groups are put in the order of a permutation by Rng(seed, RngStream::Subset, label),
// and the first of them stay, as many as come nearest to the share, at least one. So a smaller
// fraction with the same seed is a part of a larger one.
void keep_fraction(Dataset& dataset, Split part, double fraction, std::uint64_t seed);

// 64-bit FNV-1a, 16 hex digits, over the relative path, size and content of every sample, in order,
// and over its class where the path does not tell it. Reads every file once. Splits and groups do
// not count.
std::string fingerprint(const Dataset& dataset);

}  // namespace lamella
