// A line of a file of goldens: `name value value ...`.
#pragma once

#include <gtest/gtest.h>

#include <istream>
#include <sstream>
#include <string>
#include <vector>

namespace lamella {

inline std::vector<double> numbers(std::istream& in, const std::string& name) {
  std::string line, word;
  std::getline(in, line);
  std::istringstream words(line);
  words >> word;
  EXPECT_EQ(word, name);
  std::vector<double> values;
  for (double value = 0; words >> value;) values.push_back(value);
  return values;
}

}  // namespace lamella
