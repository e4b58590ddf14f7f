#include "tools/lists.h"

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace lamella::tool {

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

double number_in(const std::string& word) {
  std::size_t used = 0;
  try {
    const double value = std::stod(word, &used);
    return used == word.size() ? value : NAN;
  } catch (const std::logic_error&) {  // no number, or beyond the range of a double
    return NAN;
  }
}

}  // namespace lamella::tool
