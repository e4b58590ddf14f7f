// Data sets that are a list of images in a CSV file.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "engine/errors.h"
#include "io/dataset_forms.h"

namespace lamella::forms {
namespace {

namespace fs = std::filesystem;

// One row, and where to complain about it.
struct Row {
  const CsvTable& list;
  const CsvTable::Row& row;

  const std::string& cell(int column) const { return row.cells[static_cast<std::size_t>(column)]; }
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(list.name, " line ", row.line, ": ", parts...);
  }
};

std::string path_in(const Row& row, int column, const std::string& root) {
  const fs::path path = fs::path(row.cell(column)).lexically_normal();
  if (path.empty()) row.refuse("path is empty");
  if (path.is_absolute() || *path.begin() == "..") {
    row.refuse(row.cell(column), " lies outside the folder of the list; put the list above its ",
               "images and name them from there");
  }
  std::error_code ignored;
  if (!fs::is_regular_file(root / path, ignored)) {
    row.refuse("there is no file ", (root / path).generic_string());
  }
  return path.generic_string();
}

const std::string& class_in(const Row& row, int column) {
  const std::string& name = row.cell(column);
  if (name.empty()) row.refuse("class is empty");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  if (std::any_of(name.begin(), name.end(), is_control)) {
    row.refuse("class holds a line break or another control character");
  }
  return name;
}

Split split_in(const Row& row, int column) {
  if (column < 0) return Split::None;
  for (const auto& [word, split] : kSplitWords) {
    if (row.cell(column) == word) return split;
  }
  row.refuse("there is no split called '", row.cell(column),
             "'; there are train, validation (val) and test");
}

}  // namespace

void read_list(Dataset& dataset, const CsvTable& list) {
  const int path_cell = list.require("path"), class_cell = list.require("class");
  const int split_cell = list.find("split");
  std::map<std::string, std::int64_t> lines;  // of each path
  std::map<std::string, std::int32_t> labels;
  for (const CsvTable::Row& cells : list.rows) {
    const Row row{list, cells};
    const std::string path = path_in(row, path_cell, dataset.root);
    const auto [first, is_new] = lines.emplace(path, cells.line);
    if (!is_new) row.refuse(path, " is named twice, first in line ", first->second);
    labels.emplace(class_in(row, class_cell), 0);
    dataset.samples.push_back({path, 0, path, split_in(row, split_cell)});
  }
  if (list.rows.empty()) fail(list.name, " names no image");
  for (auto& [name, label] : labels) {
    label = static_cast<std::int32_t>(dataset.classes.size());
    dataset.classes.push_back(name);
  }
  for (std::size_t i = 0; i < list.rows.size(); ++i) {
    dataset.samples[i].label = labels.at(Row{list, list.rows[i]}.cell(class_cell));
  }
  std::sort(dataset.samples.begin(), dataset.samples.end(),
            [](const Sample& a, const Sample& b) { return a.path < b.path; });
  dataset.classes_by_folder = false;
  dataset.has_splits = split_cell >= 0;
  dataset.split_source = "column split of " + fs::path(list.name).filename().string();
}

}  // namespace lamella::forms
