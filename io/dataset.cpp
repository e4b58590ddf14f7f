// Finds the images of a data set, their classes, ready-made splits and groups.
#include "io/dataset.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <regex>
#include <set>

#include "engine/errors.h"
#include "io/csv.h"
#include "io/dataset_forms.h"
#include "io/image.h"

namespace lamella {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 16;  // of folders in a class folder: ends circles of links

bool is_skipped_folder(const std::string& name) {
  return name.starts_with('.') || name.starts_with('_') || name == "crop_outlines";
}

struct Listing {
  std::vector<std::string> folders, images;  // names, sorted
};

// With opendir: where memory is short, std::filesystem::directory_iterator ends the program.
std::vector<std::string> names_in(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  std::vector<std::string> names;
  errno = folder ? 0 : errno;
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) fail(path, ": the folder cannot be read (", std::strerror(errno), ")");
  return names;
}

Listing list_folder(const std::string& path) {
  Listing listing;
  for (const std::string& name : names_in(path)) {
    std::error_code ignored;
    if (fs::is_directory(path + "/" + name, ignored)) {
      if (!is_skipped_folder(name)) listing.folders.push_back(name);
    } else if (!name.starts_with('.') && is_image_name(name)) {
      listing.images.push_back(name);
    }
  }
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  return listing;
}

void collect_images(const std::string& root, const std::string& folder, int depth,
                    std::vector<std::string>& paths) {
  if (depth > kMaxDepth) fail(root, "/", folder, ": folders are nested too deeply");
  const Listing listing = list_folder(root + "/" + folder);
  for (const auto& name : listing.images) paths.push_back(folder + "/" + name);
  for (const auto& name : listing.folders) {
    collect_images(root, folder + "/" + name, depth + 1, paths);
  }
}

// Adds DIR/<prefix><Class>/*; the classes of the first call hold for later ones.
void read_classes(Dataset& dataset, const std::string& prefix, Split split) {
  const std::string where = dataset.root + "/" + prefix;
  const std::vector<std::string> classes = list_folder(where).folders;
  if (classes.empty()) {
    fail(where, ": there are no class folders; put the images of each class into one folder");
  }
  if (dataset.classes.empty()) dataset.classes = classes;
  if (dataset.classes != classes) {
    std::vector<std::string> differing;
    std::set_symmetric_difference(classes.begin(), classes.end(), dataset.classes.begin(),
                                  dataset.classes.end(), std::back_inserter(differing));
    fail(where, ": class ", differing.front(), " is in one split and not in another");
  }
  for (std::size_t label = 0; label < classes.size(); ++label) {
    std::vector<std::string> paths;
    collect_images(dataset.root, prefix + classes[label], 0, paths);
    if (paths.empty()) {
      fail(where, classes[label], ": the class has no images (.png, .jpg, .jpeg, .tif, .tiff)");
    }
    for (const auto& path : paths) {
      dataset.samples.push_back({path, static_cast<std::int32_t>(label), path, split});
    }
  }
}

void read_folders(Dataset& dataset) {
  const std::vector<std::string> folders = list_folder(dataset.root).folders;
  std::set<Split> seen;
  for (const auto& [name, split] : forms::kSplitWords) {
    if (!std::binary_search(folders.begin(), folders.end(), name)) continue;
    if (!seen.insert(split).second) {
      fail(dataset.root, ": there are both a folder validation and a folder val; keep one");
    }
    read_classes(dataset, name + std::string("/"), split);
  }
  dataset.has_splits = !seen.empty();
  dataset.split_source = "folder";
  if (!dataset.has_splits) read_classes(dataset, "", Split::None);
  std::sort(dataset.samples.begin(), dataset.samples.end(),
            [](const Sample& a, const Sample& b) { return a.path < b.path; });
}

void groups_from_manifest(Dataset& dataset, const CsvTable& table, const std::string& column) {
  const auto path_cell = static_cast<std::size_t>(table.require("path"));
  const int class_cell = table.find("class");
  const int group_cell = column.empty() ? -1 : table.require(column);
  std::map<std::string, const CsvTable::Row*> rows;
  for (const auto& row : table.rows) {
    const std::string path = fs::path(row.cells[path_cell]).lexically_normal().generic_string();
    if (!rows.emplace(path, &row).second) {
      fail(table.name, " line ", row.line, ": ", path, " is named twice");
    }
  }
  for (Sample& sample : dataset.samples) {
    const auto found = rows.find(sample.path);
    if (found == rows.end()) fail(table.name, " does not name the image ", sample.path);
    const CsvTable::Row& row = *found->second;
    const std::string& folder = dataset.classes[static_cast<std::size_t>(sample.label)];
    if (class_cell >= 0 && row.cells[static_cast<std::size_t>(class_cell)] != folder) {
      fail(table.name, " line ", row.line, ": ", sample.path, " is called ",
           row.cells[static_cast<std::size_t>(class_cell)], " but lies in the folder of ", folder);
    }
    if (group_cell < 0) continue;
    sample.group = row.cells[static_cast<std::size_t>(group_cell)];
    if (sample.group.empty()) fail(table.name, " line ", row.line, ": ", column, " is empty");
  }
  if (group_cell >= 0) {
    dataset.group_source = "column " + column + " of " + fs::path(table.name).filename().string();
  }
}

void groups_from_pattern(Dataset& dataset, const std::string& pattern) {
  std::regex regex;
  try {
    regex = std::regex(pattern);
  } catch (const std::regex_error& error) {
    fail("group pattern '", pattern, "' is no regular expression (", error.what(), ")");
  }
  for (Sample& sample : dataset.samples) {
    std::smatch match;
    const std::string path = sample.path;
    if (!std::regex_search(path, match, regex)) {
      fail("group pattern '", pattern, "' does not match ", path);
    }
    sample.group = match[match.size() > 1 ? 1 : 0].str();
    if (sample.group.empty()) fail("group pattern '", pattern, "' finds no text in ", path);
  }
  dataset.group_source = "pattern " + pattern;
}

void read_groups(Dataset& dataset, const DatasetOptions& options) {
  dataset.group_source = "each image alone";
  std::error_code ignored;
  std::string manifest = options.manifest;
  if (manifest.empty() && fs::exists(dataset.root + "/manifest.csv", ignored)) {
    manifest = dataset.root + "/manifest.csv";
  }
  if (!options.group_column.empty() && manifest.empty()) {
    fail("group column ", options.group_column,
         " was asked for, but there is no manifest: ", dataset.root, "/manifest.csv");
  }
  if (!manifest.empty()) {
    const CsvTable table = read_csv(manifest);
    std::string column = options.group_column;
    for (const char* usual : {"micrograph", "group"}) {
      if (column.empty() && options.group_pattern.empty() && table.find(usual) >= 0) column = usual;
    }
    groups_from_manifest(dataset, table, column);
  }
  if (options.group_column.empty() && !options.group_pattern.empty()) {
    groups_from_pattern(dataset, options.group_pattern);
  }
}

void note_straddling_groups(Dataset& dataset) {
  std::map<std::string, std::set<Split>> splits_of;
  for (const Sample& sample : dataset.samples) splits_of[sample.group].insert(sample.split);
  std::vector<std::string> straddling;
  for (const auto& [group, splits] : splits_of) {
    if (splits.size() > 1) straddling.push_back(group);
  }
  if (straddling.empty()) return;
  dataset.notes.push_back(text(straddling.size(), " of ", splits_of.size(),
                               " groups have images in more than one split, so results may look "
                               "better than they are; the first is ",
                               straddling.front()));
}

void note_classes_without_training(Dataset& dataset) {
  const Dataset training = dataset.subset(Split::Train);
  if (training.samples.empty()) return;
  const std::vector<std::int64_t> counts = training.class_counts();
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (counts[label] > 0) continue;
    dataset.notes.push_back("class " + dataset.classes[label] + " has no training images");
  }
}

}  // namespace

const char* name_of(Split split) {
  constexpr std::array kNames{"none", "train", "validation", "test"};
  return kNames[static_cast<std::size_t>(split)];
}

bool is_list_name(const std::string& path) {
  std::error_code ignored;
  return path.ends_with(".csv") && !fs::is_directory(path, ignored);
}

Split split_from_name(const std::string& name) {
  if (name == "val") return Split::Validation;
  for (const Split split : {Split::None, Split::Train, Split::Validation, Split::Test}) {
    if (name == name_of(split)) return split;
  }
  fail("there is no split called ", name, "; there are train, validation (val) and test");
}

Dataset Dataset::subset(Split split) const {
  Dataset part = *this;
  std::erase_if(part.samples, [split](const Sample& sample) { return sample.split != split; });
  return part;
}

std::vector<std::int64_t> Dataset::class_counts() const {
  std::vector<std::int64_t> counts(classes.size());
  for (const Sample& sample : samples) ++counts[static_cast<std::size_t>(sample.label)];
  return counts;
}

Dataset read_dataset(const std::string& path, const DatasetOptions& options) {
  std::error_code ignored;
  Dataset dataset;
  DatasetOptions chosen = options;
  if (is_list_name(path)) {
    dataset.root = path.find('/') == std::string::npos ? "." : fs::path(path).parent_path();
    forms::read_list(dataset, read_csv(path));
    if (chosen.manifest.empty()) chosen.manifest = path;
  } else if (!fs::is_directory(path, ignored)) {
    fail(path, fs::exists(path, ignored) ? ": this is neither a folder nor a list (.csv)"
                                         : ": there is no such folder");
  } else {
    dataset.root = path;
    forms::holds_idx_files(path) ? forms::read_idx_files(dataset) : read_folders(dataset);
  }
  read_groups(dataset, chosen);
  if (dataset.has_splits) {
    note_straddling_groups(dataset);
    note_classes_without_training(dataset);
  }
  return dataset;
}

void use_classes(Dataset& dataset, const std::vector<std::string>& labels) {
  std::vector<std::int32_t> number;
  for (const std::string& name : dataset.classes) {
    const auto found = std::find(labels.begin(), labels.end(), name);
    if (found == labels.end()) fail("the model has no class '", name, "', which the data has");
    number.push_back(static_cast<std::int32_t>(found - labels.begin()));
  }
  for (Sample& sample : dataset.samples) {
    sample.label = number[static_cast<std::size_t>(sample.label)];
  }
  dataset.classes = labels;
}

void extend_classes(Dataset& dataset, std::vector<std::string> labels) {
  for (const std::string& name : dataset.classes) {
    if (std::find(labels.begin(), labels.end(), name) == labels.end()) labels.push_back(name);
  }
  use_classes(dataset, labels);
}

}  // namespace lamella
