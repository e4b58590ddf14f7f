// Tables of the reports that are made of a confusion matrix. Private to train/.
#pragma once

#include <string>
#include <vector>

#include "train/metrics.h"
#include "train/ranking.h"

namespace lamella {

// The style of these tables and of the pictures of mistakes, for html_page.
extern const char* const kReportStyle;

std::string percent(double fraction);  // "12.3 %"

// The confusion matrix, and scores class by class.
std::string confusion_table(const std::vector<std::string>& labels, const Confusion& confusion);
std::string class_table(const std::vector<std::string>& labels, const Confusion& confusion,
                        const RankingMetrics& ranking);

}  // namespace lamella
