// The report of a cross-validation.
#include "train/cross_validation.h"
#include "train/format.h"
#include "train/html_page.h"
#include "train/report_tables.h"
#include "train/report_validation.h"

namespace lamella {
namespace {

std::string with_deviation(const std::vector<double>& values) {
  const Spread spread = spread_of(values);
  return fixed(100 * spread.mean, 1) + " &plusmn; " + percent(spread.deviation);
}

std::string row_of(const std::string& name, const Metrics& m) {
  return html_row({name, std::to_string(m.n), percent(m.accuracy),
                   fixed(100 * m.accuracy_low, 1) + " to " + percent(m.accuracy_high),
                   percent(m.balanced_accuracy), fixed(m.macro.f1, 3)});
}

const char* const kHead =
    "<div class=\"wide\"><table>\n<tr><th></th><th>images</th><th>accuracy</th><th>95 % "
    "interval</th><th>balanced</th><th>macro F1</th></tr>\n";

std::string headline(const CrossValidation& made, const Metrics& pooled,
                     const std::vector<double>& accuracies, const std::vector<double>& balanced) {
  std::string html = "<h1>" + escape_html(made.model) + " on " + escape_html(made.data) +
                     "</h1>\n<p>Cross-validation: " + std::to_string(made.folds) + " folds" +
                     (made.repeats > 1 ? ", " + std::to_string(made.repeats) + " times" : "") +
                     ". Every image was judged by models that had not seen it";
  html += made.repeats > 1 ? ", by the mean of their probabilities.</p>\n" : ".</p>\n";
  html += "<div class=\"figures\">\n" +
          html_figure(percent(pooled.accuracy), "accuracy, all images (95 % interval " +
                                                    fixed(100 * pooled.accuracy_low, 1) + " to " +
                                                    percent(pooled.accuracy_high) + ")") +
          html_figure(with_deviation(accuracies), "accuracy, mean and deviation over runs") +
          html_figure(with_deviation(balanced), "balanced accuracy, over runs") +
          html_figure(fixed(pooled.macro.f1, 3), "macro F1, all images") + "</div>\n";
  return html +
         "<p>Each run kept the epoch of best accuracy on its own fold, which makes the "
         "figures a little too good; those of held-out images are not. The interval takes "
         "images as independent.</p>\n";
}

std::string held_out_table(const CrossValidation& made) {
  if (!made.held_out) return "";
  const HeldOut& held_out = *made.held_out;
  std::vector<double> each;
  for (const Metrics& m : held_out.each) each.push_back(m.accuracy);
  std::string html = "<h2>The ensemble on held-out images</h2>\n<p>" + escape_html(held_out.split) +
                     "; one model alone reaches " + with_deviation(each) + ".</p>\n" + kHead;
  html += row_of("mean probability", metrics_of(confusion_of(held_out.mean, made.labels.size())));
  html += row_of("majority vote", metrics_of(held_out.majority));
  return html + "</table></div>\n";
}

}  // namespace

std::string cross_validation_html(const CrossValidation& made, const PictureOf& picture_of) {
  const std::vector<ValidationImage> images = pooled_images(made);
  const Confusion confusion = confusion_of(images, made.labels.size());
  const Metrics metrics = metrics_of(confusion);
  const std::vector<Prediction> predictions = predictions_of(images);
  const RankingMetrics ranking = ranking_metrics_of(predictions, confusion.classes());
  std::vector<double> accuracies, balanced;
  std::string runs = "<h2>Runs</h2>\n" + std::string(kHead);
  double seconds = 0;
  for (const FoldRun& run : made.runs) {
    const Metrics m = metrics_of(confusion_of(run.images, made.labels.size()));
    accuracies.push_back(m.accuracy);
    balanced.push_back(m.balanced_accuracy);
    runs += row_of(escape_html(run.folder), m);
    seconds += run.seconds;
  }
  std::string html = headline(made, metrics, accuracies, balanced) + held_out_table(made);
  html += validation_plots(metrics, predictions, ranking) + runs + "</table></div>\n";
  html += confusion_table(made.labels, confusion) + class_table(made.labels, confusion, ranking);
  html += worst_mistakes(made.labels, images, picture_of);
  html += "<h2>Data, time</h2>\n<table class=\"facts\">\n" +
          html_row({"split", escape_html(made.split)}) +
          html_row({"fingerprint", escape_html(made.fingerprint)}) +
          html_row({"training time", fixed(seconds, 1) + " s"}) + "</table>\n";
  html += "<h2>Recipe</h2>\n<pre>" + escape_html(made.recipe) + "</pre>\n";
  return html_page("lamella: " + made.model + ", cross-validation", kReportStyle, html);
}

}  // namespace lamella
