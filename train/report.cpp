#include "train/report.h"

#include <algorithm>

#include "train/format.h"
#include "train/html_page.h"
#include "train/metrics.h"
#include "train/report_tables.h"
#include "train/report_validation.h"
#include "train/svg_plot.h"

namespace lamella {
namespace {

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
    html += confusion_table(info.card.labels, info.best_confusion) +
            class_table(info.card.labels, info.best_confusion, ranking);
    html += worst_mistakes(info.card.labels, validation, picture_of);
  }
  html += facts(info, epochs);
  html += "<h2>Recipe</h2>\n<pre>" + escape_html(recipe) + "</pre>\n";
  return html_page("lamella: " + info.card.spec.name, kReportStyle, html);
}

}  // namespace lamella
