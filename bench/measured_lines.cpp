// Which lines are measured, and what the command line says of it.
#include <algorithm>
#include <filesystem>

#include "bench/measured_call.h"
#include "engine/errors.h"
#include "tools/kernel_rows.h"

namespace lamella::bench {
namespace {

std::vector<std::string> shapes_files(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) fail("--shapes=", path, " has no .txt file");
  return files;
}

}  // namespace

Arguments parse_arguments(const std::string& program, const std::vector<std::string>& words) {
  Arguments arguments;
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    const std::string value = name.size() == word.size() ? "" : word.substr(name.size() + 1);
    if (word == "--backward") {
      arguments.backward = true;
    } else if (name == "--device") {
      arguments.device = value;
    } else if (name == "--shapes") {
      arguments.shapes = value;
    } else if (name == "--dtype" && (value == "f32" || value == "bf16" || value == "f16")) {
      arguments.dtype = value;
    } else if (name == "--threads" && !value.empty() && value.size() <= 4 &&
               value.find_first_not_of("0123456789") == std::string::npos) {
      arguments.threads = std::stoi(value);
    } else {
      fail(program, " does not know ", word,
           "; it takes --device=cpu|cuda --threads=N --shapes=FILE|FOLDER --backward "
           "--dtype=f32|bf16|f16");
    }
  }
  return arguments;
}

Context::Options context_options(const Arguments& arguments) {
  Context::Options options;
  options.device = arguments.device;
  options.threads = arguments.threads;
  return options;
}

std::vector<MeasuredLine> measured_lines(const Arguments& arguments) {
  tool::RowChoice choice;
  choice.shapes = shapes_files(arguments.shapes);
  choice.dtype = arguments.dtype;
  choice.backward = arguments.backward;
  std::vector<MeasuredLine> lines;
  for (const tool::Row& row : tool::choose_rows(choice)) {
    const std::string& entry = row.line.kernel();
    lines.push_back({row.name + "/" + entry, row.line});
    if (entry != "batch_norm_apply" || !arguments.backward) continue;
    for (const std::string whole : {"batch_norm_fwd", "batch_norm_bwd"}) {
      lines.push_back(
          {row.name + "/" + whole, KernelLine(whole + row.line.text().substr(entry.size()))});
    }
  }
  return lines;
}

}  // namespace lamella::bench
