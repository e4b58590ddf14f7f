#include "train/report.h"

#include <algorithm>
#include <cmath>

#include "train/format.h"
#include "train/html_page.h"
#include "train/metrics.h"
#include "train/report_validation.h"
#include "train/svg_plot.h"

namespace lamella {
namespace {

const char* const kStyle = R"(
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

std::string headline(const RunInfo& info, const std::vector<EpochRecord>& epochs) {
  std::string html = "<h1>" + escape_html(info.card.spec.name) + " on " +
                     escape_html(info.data.path) + "</h1>\n<p>Run " + escape_html(info.status) +
                     (info.reason.empty() ? "" : ": " + escape_html(info.reason)) + ", " +
                     std::to_string(epochs.size()) + " epochs.</p>\n";
  if (info.best_epoch == 0) return html;
  const Metrics metrics = metrics_of(info.best_confusion);
  html += "<div class=\"figures\">\n";
  html += html_figure(percent(metrics.accuracy), "accuracy (95 % interval " +
                                                     fixed(100 * metrics.accuracy_low, 1) + " to " +
                                                     percent(metrics.accuracy_high) + ")");
  html += html_figure(percent(metrics.balanced_accuracy), "balanced accuracy");
  html += html_figure(fixed(metrics.macro.f1, 3), "macro F1");
  html += html_figure(std::to_string(info.best_epoch), "best epoch");
  return html + "</div>\n<p>Figures of the " + std::to_string(metrics.n) +
         " validation images, at the epoch of best validation accuracy. That epoch was chosen on "
         "these same images: use <code>lamella eval</code> on images never seen for an unbiased "
         "figure. The interval takes images as independent.</p>\n";
}

std::string curves(const std::vector<EpochRecord>& epochs) {
  if (epochs.empty()) return "";
  std::vector<double> train, loss, accuracy, balanced;
  for (const EpochRecord& record : epochs) {
    train.push_back(record.train_loss);
    const auto& val = record.validation;
    if (val.contains("loss")) loss.push_back(val.at("loss"));
    if (val.contains("accuracy")) accuracy.push_back(val.at("accuracy"));
    if (val.contains("balanced_accuracy")) balanced.push_back(val.at("balanced_accuracy"));
  }
  std::string html = "<h2>Curves</h2>\n<div class=\"plots\">\n";
  const PlotAxis epoch{"epoch", 0, 0, true};
  std::vector<Curve> losses{epoch_curve("training", "#1f5fa8", train)};
  if (!loss.empty()) losses.push_back(epoch_curve("validation", "#b4541a", loss));
  html += svg_plot("Loss", losses, epoch, {"loss"});
  if (!accuracy.empty()) {
    html += svg_plot("Validation accuracy",
                     {epoch_curve("accuracy", "#b4541a", accuracy),
                      epoch_curve("balanced", "#2d7a46", balanced)},
                     epoch, {"accuracy", 0, 1});
  }
  return html + "</div>\n";
}

// Shade by share of the row; dark cells get light text.
std::string matrix_cell(std::int64_t count, std::int64_t row_total, bool diagonal) {
  const double share =
      row_total > 0 ? static_cast<double>(count) / static_cast<double>(row_total) : 0;
  const std::string alpha = fixed(0.85 * share, 3);
  const std::string colour = diagonal ? "rgba(31,95,168," : "rgba(180,84,26,";
  return "<td style=\"background:" + colour + alpha + ")" + (share > 0.6 ? ";color:#fff" : "") +
         "\">" + (count == 0 ? "" : std::to_string(count)) + "</td>";
}

std::string matrix(const RunInfo& info) {
  const Confusion& confusion = info.best_confusion;
  std::string html =
      "<h2>Confusion matrix</h2>\n<p>Rows: true class. Columns: predicted class, by number. Shade: "
      "share of the row.</p>\n<div class=\"wide\"><table class=\"matrix\">\n<tr><th></th>";
  for (std::int64_t c = 0; c < confusion.classes(); ++c) {
    html += "<th title=\"" + escape_html(info.card.labels[static_cast<std::size_t>(c)]) + "\">" +
            std::to_string(c) + "</th>";
  }
  html += "</tr>\n";
  const Metrics metrics = metrics_of(confusion);
  for (std::int64_t truth = 0; truth < confusion.classes(); ++truth) {
    const auto t = static_cast<std::size_t>(truth);
    html += "<tr><th>" + std::to_string(truth) + " " + escape_html(info.card.labels[t]) + "</th>";
    for (std::int64_t p = 0; p < confusion.classes(); ++p) {
      html += matrix_cell(confusion.at(truth, p), metrics.per_class[t].n, p == truth);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
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

std::string per_class(const RunInfo& info, const RankingMetrics& ranking) {
  const Metrics metrics = metrics_of(info.best_confusion);
  std::string html =
      "<h2>Per class</h2>\n<div class=\"wide\"><table>\n<tr><th>class</th><th>images</th>"
      "<th>precision</th><th>recall</th><th>F1</th><th>specificity</th><th>AUROC</th>"
      "<th>AUPRC</th></tr>\n";
  for (std::size_t c = 0; c < metrics.per_class.size(); ++c) {
    html += score_row(info.card.labels[c], metrics.per_class[c], metrics.per_class[c].n,
                      ranking.auroc[c], ranking.auprc[c]);
  }
  html +=
      score_row("macro mean", metrics.macro, metrics.n, ranking.macro_auroc, ranking.macro_auprc);
  html += score_row("weighted mean", metrics.weighted, metrics.n, NAN, NAN);
  return html + "</table></div>\n";
}

std::string facts(const RunInfo& info, const std::vector<EpochRecord>& epochs) {
  double seconds = 0, rate = 0;
  for (const EpochRecord& record : epochs) {
    seconds += record.seconds;
    rate = std::max(rate, record.images_per_s);
  }
  const ModelSpec& spec = info.card.spec;
  std::string html = "<h2>Data, machine, time</h2>\n<table class=\"facts\">\n";
  html += html_row({"images", std::to_string(info.data.train_images) + " for training, " +
                                  std::to_string(info.data.validation_images) + " for validation"});
  html += html_row({"split", escape_html(info.data.split)});
  html += html_row({"fingerprint", escape_html(info.data.fingerprint)});
  html += html_row({"input", std::to_string(spec.height) + " x " + std::to_string(spec.width) +
                                 " x " + std::to_string(spec.channels)});
  html += html_row({"lamella", escape_html(info.build.version + ", " + info.build.compiler +
                                           ", build " + info.build.build_id)});
  html += html_row({"machine", escape_html(info.build.cpu + ", " + info.build.isa + ", " +
                                           std::to_string(info.build.threads) + " threads")});
  html += html_row({"device", escape_html(info.build.backend)});
  html += html_row({"training time", fixed(seconds, 1) + " s, best epoch rate " + fixed(rate, 1) +
                                         " images per second"});
  html += html_row({"next", "<code>" + escape_html(info.next_command) + "</code>"});
  return html + "</table>\n";
}

}  // namespace

std::string report_html(const RunInfo& info, const std::vector<EpochRecord>& epochs,
                        const std::string& recipe, const std::vector<ValidationImage>& validation,
                        const PictureOf& picture_of) {
  std::string html = headline(info, epochs) + curves(epochs);
  if (info.best_epoch > 0 && info.best_confusion.images() > 0) {
    const std::vector<Prediction> predictions = predictions_of(validation);
    const RankingMetrics ranking = ranking_metrics_of(predictions, info.best_confusion.classes());
    if (!validation.empty()) {
      html += validation_plots(metrics_of(info.best_confusion), predictions, ranking);
    }
    html += matrix(info) + per_class(info, ranking);
    html += worst_mistakes(info.card.labels, validation, picture_of);
  }
  html += facts(info, epochs);
  html += "<h2>Recipe</h2>\n<pre>" + escape_html(recipe) + "</pre>\n";
  return html_page("lamella: " + info.card.spec.name, kStyle, html);
}

}  // namespace lamella
