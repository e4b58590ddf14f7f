// The report of runs with 1, 2 and 50 classes: what is in it, that it stays small, and that it
// holds nothing from outside.
#include "train/report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/svg_plot.h"

namespace lamella {
namespace {

const std::string kPicture = "data:image/png;base64,iVBORw0KGgo=";

// Every class has `images` images; each is right but the first one of the class, which is taken for
// the next class with a confidence that grows with the class.
struct Made {
  Made(int classes, int images) {
    info.status = "finished";
    info.card.spec.name = "cbr_small";
    info.card.spec.classes = classes;
    info.best_epoch = 1;
    info.best_confusion = Confusion(classes);
    for (int c = 0; c < classes; ++c) {
      info.card.labels.push_back("Class <" + std::to_string(c) + ">");
      for (int i = 0; i < images; ++i) {
        const int said = i == 0 ? (c + 1) % classes : c;
        Prediction prediction{0, c, {}};
        for (int p = 0; p < classes; ++p) {
          const float confidence =
              0.6F + 0.3F * static_cast<float>(c) / static_cast<float>(classes);
          const auto others = static_cast<float>(std::max(1, classes - 1));
          prediction.probabilities.push_back(p == said ? confidence : (1 - confidence) / others);
        }
        validation.push_back(
            {"c" + std::to_string(c) + "/<" + std::to_string(i) + ">.png", "g", prediction});
        info.best_confusion.add(c, said);
      }
    }
    EpochRecord epoch;
    epoch.epoch = 1;
    epoch.validation = {{"loss", 1.0}, {"accuracy", 0.5}, {"balanced_accuracy", 0.5}};
    epochs = {epoch};
  }
  std::string html(const PictureOf& picture_of = {}) const {
    return report_html(info, epochs, "lr = 1", validation, picture_of);
  }

  RunInfo info;
  std::vector<EpochRecord> epochs;
  std::vector<ValidationImage> validation;
};

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

class ReportOf : public testing::TestWithParam<int> {};

TEST_P(ReportOf, HoldsEverythingAndNothingFromOutside) {
  const Made made(GetParam(), 8);
  const std::string html = made.html([](const std::string&) { return kPicture; });
  EXPECT_LT(html.size(), 3U << 20);
  for (const char* part : {"Six figures", "AUROC", "Calibration", "Triage", "Confusion matrix",
                           "Per class", "Recipe"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(html.find("Class <"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  for (const char* outside : {"http:", "https:", "href=", "@import", "url(", "<script"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  const bool several = GetParam() > 1;
  EXPECT_EQ(html.find("ROC, one class") != std::string::npos, several);
  EXPECT_EQ(count(html, "<img alt=\"\" src=\"" + kPicture), several ? std::min(12, GetParam()) : 0);
}

INSTANTIATE_TEST_SUITE_P(Classes, ReportOf, testing::Values(1, 2, 50));

TEST(ReportOfMistakes, ShowsTheSurestFirst) {
  const std::string html = Made(20, 2).html();
  const std::string mistakes = html.substr(html.find("most confident mistakes"));
  EXPECT_NE(mistakes.find("12 of 20 wrong"), std::string::npos);
  EXPECT_LT(mistakes.find("c19/&lt;0&gt;.png"), mistakes.find("c18/&lt;0&gt;.png"));
  EXPECT_EQ(mistakes.find("c3/"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
}

TEST(ReportOfMistakes, IsLeftOutWhereThereIsNone) {
  Made made(2, 3);
  for (ValidationImage& image : made.validation) {
    image.prediction.label = static_cast<std::int32_t>(top_class(image.prediction.probabilities));
  }
  EXPECT_EQ(made.html().find("mistakes\">"), std::string::npos);
}

TEST(SvgRadar, PutsFiguresOnTheirAxes) {
  const std::string svg = svg_radar("six", {{"a", 1}, {"b", 0.5}, {"c", NAN}, {"d", 0}});
  // Up, right, down, left of the centre (210, 132), 82 to the edge.
  EXPECT_NE(svg.find("points=\"210.0,50.0 251.0,132.0 210.0,132.0 210.0,132.0\""),
            std::string::npos)
      << svg;
  EXPECT_NE(svg.find(">c none<"), std::string::npos);
}

TEST(SvgPlot, MarksCountsAtWholeNumbers) {
  const PlotAxis epochs{"epoch", 0, 0, true}, share{"share", 0, 1};
  const std::string one = svg_plot("t", {epoch_curve("a", "#000", {0.5})}, epochs, share);
  EXPECT_EQ(count(one, ">1<"), 1) << one;
  const std::string many =
      svg_plot("t", {epoch_curve("a", "#000", std::vector<double>(50, 0.5))}, epochs, share);
  for (const char* mark : {">1<", ">10<", ">50<"}) EXPECT_EQ(count(many, mark), 1) << many;
  EXPECT_EQ(many.find(">0<"), std::string::npos) << "there is no epoch 0";
}

}  // namespace
}  // namespace lamella
