#include "engine/profile.h"

#include <algorithm>

namespace lamella {

void Profile::add(const std::string& line, double seconds) {
  Sum& sum = sums_[line];
  ++sum.calls;
  sum.seconds += seconds;
}

std::vector<Profile::Entry> Profile::entries() const {
  std::vector<Entry> entries;
  for (const auto& [line, sum] : sums_) entries.push_back({line, sum.calls, sum.seconds});
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.seconds > b.seconds; });
  return entries;
}

double Profile::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace lamella
