// The figures that describe a classifier, all from its confusion matrix. Definitions and the value
// where a denominator is zero (0) are scikit-learn's; the interval is Wilson's (1927).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lamella {

// Row: the true class. Column: the predicted one.
class Confusion {
 public:
  Confusion() = default;
  explicit Confusion(std::int64_t classes)
      : classes_(classes), counts_(static_cast<std::size_t>(classes * classes)) {}
  // Throws Error for an index outside [0, classes).
  void add(std::int64_t truth, std::int64_t predicted, std::int64_t images = 1);
  std::int64_t at(std::int64_t truth, std::int64_t predicted) const;
  std::int64_t classes() const { return classes_; }
  std::int64_t images() const;

 private:
  std::int64_t classes_ = 0;
  std::vector<std::int64_t> counts_;
};

struct Scores {
  double precision = 0, recall = 0, f1 = 0, f2 = 0, f0_5 = 0, specificity = 0;
};

struct ClassScores : Scores {
  std::int64_t n = 0;  // images of this class
};

struct Metrics {
  std::int64_t n = 0;
  double accuracy = 0;
  double accuracy_low = 0, accuracy_high = 0;  // Wilson, 95 %
  double balanced_accuracy = 0;                // mean recall of the classes that have images
  // Over the classes that occur as truth or as prediction, as scikit-learn counts them.
  Scores macro;     // plain mean
  Scores weighted;  // weighted by n
  std::vector<ClassScores> per_class;
};

// O(classes^2). All figures are 0 for an empty matrix; its interval is [0, 1].
Metrics metrics_of(const Confusion& confusion);

}  // namespace lamella
