// Flips of batches, pixel by pixel.
#include "train/flips.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/error_of.h"

namespace lamella {
namespace {

TEST(Flips, MoveEveryPixelWhereTheySay) {
  // Two images of 2 x 3 x 1:  0 1 2 / 3 4 5  and  6 7 8 / 9 10 11.
  Batch wide{2, 2, 3, 1, {}, {4, 5}, {6, 7}};
  for (int i = 0; i < 12; ++i) wide.pixels.push_back(static_cast<float>(i));
  EXPECT_EQ(flipped(wide, 0).pixels, wide.pixels);
  EXPECT_EQ(flipped(wide, 1).pixels, (std::vector<float>{2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9}));
  EXPECT_EQ(flipped(wide, 2).pixels, (std::vector<float>{3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8}));
  EXPECT_EQ(flipped(wide, 3).pixels, (std::vector<float>{5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6}));
  EXPECT_EQ(flipped(wide, 3).labels, wide.labels);
  EXPECT_EQ(flipped(wide, 3).indices, wide.indices);
  EXPECT_NE(error_of([&] { flipped(wide, 4); }).find("need square images"), std::string::npos);
}

TEST(Flips, AreAllEightOfASquare) {
  Batch square{1, 2, 2, 2, {1, 10, 2, 20, 3, 30, 4, 40}, {0}, {0}};
  EXPECT_EQ(flipped(square, 4).pixels, (std::vector<float>{1, 10, 3, 30, 2, 20, 4, 40}));
  EXPECT_EQ(flipped(square, 5).pixels, (std::vector<float>{3, 30, 1, 10, 4, 40, 2, 20}))
      << "a quarter turn clockwise";
  std::set<std::vector<float>> all;
  for (int flip = 0; flip < 8; ++flip) all.insert(flipped(square, flip).pixels);
  EXPECT_EQ(all.size(), 8U);
}

}  // namespace
}  // namespace lamella
