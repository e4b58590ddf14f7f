// Lists in the value of an option: words with commas between.
#pragma once

#include <string>
#include <vector>

namespace lamella::tool {

std::vector<std::string> split_list(const std::string& list);
// The word as a number; NaN where it is none, or more than one.
double number_in(const std::string& word);

}  // namespace lamella::tool
