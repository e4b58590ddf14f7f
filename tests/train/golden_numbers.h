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
  while (words >> word) values.push_back(std::stod(word));  // which reads nan, too
  return values;
}

}  // namespace lamella
