// report.html: what a run was and what it reached, on one page without scripts or outside files.
#pragma once

#include <string>
#include <vector>

#include "train/run_folder.h"

namespace lamella {

// Curves of loss and accuracy, confusion matrix, scores per class, data, machine, recipe. Every
// text from outside (labels, paths, options) is escaped.
std::string report_html(const RunInfo& info, const std::vector<EpochRecord>& epochs,
                        const std::string& recipe);

}  // namespace lamella
