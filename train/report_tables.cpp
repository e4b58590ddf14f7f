#include "train/report_tables.h"

#include <cmath>

#include "train/format.h"
#include "train/html_page.h"

namespace lamella {
namespace {

// Shade by share of the row; dark cells get light text.
std::string matrix_cell(std::int64_t count, std::int64_t row_total, bool diagonal) {
  const double share =
      row_total > 0 ? static_cast<double>(count) / static_cast<double>(row_total) : 0;
  const std::string alpha = fixed(0.85 * share, 3);
  const std::string colour = diagonal ? "rgba(31,95,168," : "rgba(180,84,26,";
  return "<td style=\"background:" + colour + alpha + ")" + (share > 0.6 ? ";color:#fff" : "") +
         "\">" + (count == 0 ? "" : std::to_string(count)) + "</td>";
}

std::string figure(double value) {
  return std::isnan(value) ? "" : fixed(value, 3);
}

std::string score_row(const std::string& name, const Scores& scores, std::int64_t n, double auroc,
                      double auprc) {
  return html_row({escape_html(name), std::to_string(n), fixed(scores.precision, 3),
                   fixed(scores.recall, 3), fixed(scores.f1, 3), fixed(scores.specificity, 3),
                   figure(auroc), figure(auprc)});
}

}  // namespace

const char* const kReportStyle = R"(
.matrix td { text-align: center; min-width: 34px; border: 1px solid var(--paper); }
.matrix th { font-size: 12px; } .facts td { text-align: left; overflow-wrap: anywhere; }
.facts { width: 100%; table-layout: fixed; }
.facts td:first-child { width: 150px; color: var(--soft); }
.mistakes { display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.mistakes figure { margin: 0; overflow-wrap: anywhere; line-height: 1.35; }
.mistakes img { display: block; width: 112px; height: 112px; margin-bottom: 4px; }
.mistakes small { font-size: 11px; color: var(--soft); }
)";

std::string percent(double fraction) {
  return fixed(100 * fraction, 1) + " %";
}

std::string confusion_table(const std::vector<std::string>& labels, const Confusion& confusion) {
  std::string html =
      "<h2>Confusion matrix</h2>\n<p>Rows: true class. Columns: predicted class, by number. Shade: "
      "share of the row.</p>\n<div class=\"wide\"><table class=\"matrix\">\n<tr><th></th>";
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    html += "<th title=\"" + escape_html(labels[static_cast<std::size_t>(c)]) + "\">" +
            std::to_string(c) + "</th>";
  }
  html += "</tr>\n";
  const Metrics metrics = metrics_of(confusion);
  for (std::int64_t truth = 0; truth < confusion.classes(); ++truth) {
    const auto t = static_cast<std::size_t>(truth);
    html += "<tr><th>" + std::to_string(truth) + " " + escape_html(labels[t]) + "</th>";
    for (std::int64_t p = 0; p < confusion.classes(); ++p) {
      html += matrix_cell(confusion.at(truth, p), metrics.per_class[t].n, p == truth);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string class_table(const std::vector<std::string>& labels, const Confusion& confusion,
                        const RankingMetrics& ranking) {
  const Metrics metrics = metrics_of(confusion);
  std::string html =
      "<h2>Per class</h2>\n<div class=\"wide\"><table>\n<tr><th>class</th><th>images</th>"
      "<th>precision</th><th>recall</th><th>F1</th><th>specificity</th><th>AUROC</th>"
      "<th>AUPRC</th></tr>\n";
  for (std::size_t c = 0; c < metrics.per_class.size(); ++c) {
    html += score_row(labels[c], metrics.per_class[c], metrics.per_class[c].n, ranking.auroc[c],
                      ranking.auprc[c]);
  }
  html +=
      score_row("macro mean", metrics.macro, metrics.n, ranking.macro_auroc, ranking.macro_auprc);
  html += score_row("weighted mean", metrics.weighted, metrics.n, NAN, NAN);
  return html + "</table></div>\n";
}

}  // namespace lamella
