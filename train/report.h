// report.html: what a run was and what it reached, on one page without scripts or outside files.
#pragma once

#include <string>
#include <vector>

#include "train/run_folder.h"

namespace lamella {

// Curves of loss and accuracy; of the validation images a chart of six figures, ROC, precision and
// recall, calibration, triage, confusion matrix, scores per class and the most confident mistakes;
// data, machine, recipe. What `validation` is empty for is left out. Every text from outside
// (labels, paths, options) is escaped.
std::string report_html(const RunInfo& info, const std::vector<EpochRecord>& epochs,
                        const std::string& recipe,
                        const std::vector<ValidationImage>& validation = {},
                        const PictureOf& picture_of = {});

}  // namespace lamella
