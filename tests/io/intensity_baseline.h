// How well a linear model on intensities alone tells the classes of a data set apart. A network
// that beats it has seen shapes. Multinomial logistic regression on a histogram and image
// statistics.
#pragma once

#include <vector>

#include "io/dataset.h"
#include "io/image.h"

namespace lamella {

// 32 histogram bins over the sample range (shares of the pixels), mean, standard deviation,
// skewness, kurtosis, entropy of the histogram, mean squared gradient and mean squared Laplacian,
// each of these two also divided by the variance. Colour images are read as gray.
std::vector<double> intensity_features(const Image& image);

struct IntensityBaseline {
  double accuracy = 0.0;  // on the test samples; the best of the strengths tried
  double chance = 0.0;    // share of the largest class of the test samples
  double l2 = 0.0;        // the strength that gave it
};

// Trains on one part, tests on the other (of equal classes), features standardised on the first.
// Tries three strengths of L2 and reports the best on the test part: an upper bound, if anything.
// Deterministic. About a second for 1000 images and 6 classes.
IntensityBaseline intensity_baseline(const Dataset& train, const Dataset& test);

}  // namespace lamella
