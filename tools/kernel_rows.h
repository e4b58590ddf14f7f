// The calls that `lamella bench kernels` counts: which ones, and what was counted, as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/count_call.h"
#include "tools/roofline.h"
#include "weights/json.h"

namespace lamella::tool {

struct RowChoice {
  std::vector<std::string> shapes, calls;  // files of lines, and lines
  std::string kernel, dtype;               // only this entry; instead of the lines' own
  bool backward = false;                   // also the backward calls of forward ones
};

struct Row {
  std::string name;  // of the layer, "tem_small:conv1"; empty for a call of the command line
  KernelLine line;
  CountedCall counted;

  std::string title() const;  // entry and layer, without the network
  double flops() const { return counted.call.flops; }
  double least() const { return static_cast<double>(counted.call.least_bytes()); }
};

// Each distinct call once, not yet counted. Throws UsageError where nothing is chosen.
std::vector<Row> choose_rows(const RowChoice& choice);

// The command that finds it again.
std::string replay_command(const Row& row, const simt::Finding& finding);

// lamella.simt/1.
Json json_of_rows(const std::vector<Row>& rows, const std::optional<Roofline>& roofline);

}  // namespace lamella::tool
