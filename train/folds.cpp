#include "train/folds.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/errors.h"
#include "engine/rng.h"

namespace lamella {
namespace {

struct Group {
  std::vector<std::size_t> samples;
  std::int32_t label = 0;  // of most of them; the lowest of equals
};

// In order of name.
std::vector<Group> collect(const std::vector<std::int32_t>& labels,
                           const std::vector<std::string>& groups) {
  std::map<std::string, Group> by_name;
  for (std::size_t i = 0; i < groups.size(); ++i) by_name[groups[i]].samples.push_back(i);
  std::vector<Group> all;
  for (auto& [name, group] : by_name) {
    std::map<std::int32_t, std::int64_t> votes;
    for (const std::size_t i : group.samples) ++votes[labels[i]];
    const auto winner =
        std::max_element(votes.begin(), votes.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    group.label = winner->first;
    all.push_back(std::move(group));
  }
  return all;
}

constexpr std::uint32_t kFoldStream = 0xFFFFFFFF;  // no class has this number

}  // namespace

std::vector<int> grouped_folds(const std::vector<std::int32_t>& labels,
                               const std::vector<std::string>& groups, int folds,
                               std::uint64_t seed) {
  const std::vector<Group> all = collect(labels, groups);
  const auto count = static_cast<std::int64_t>(all.size());
  if (folds < 2 || count < folds) {
    fail("cross-validation with ", folds, " folds of ", count,
         " groups; there must be at least 2 folds and a group for each");
  }
  std::vector<const Group*> order;
  for (const std::int64_t i : permutation(count, Rng(seed, RngStream::Split, kFoldStream))) {
    order.push_back(&all[static_cast<std::size_t>(i)]);
  }
  std::stable_sort(order.begin(), order.end(), [](const Group* a, const Group* b) {
    return a->samples.size() > b->samples.size();
  });
  std::vector<std::map<std::int32_t, std::size_t>> of_class(static_cast<std::size_t>(folds));
  std::vector<std::size_t> sizes(of_class.size());
  std::vector<int> fold(labels.size());
  for (const Group* group : order) {
    std::size_t best = 0;
    for (std::size_t f = 1; f < sizes.size(); ++f) {
      if (std::tuple(of_class[f][group->label], sizes[f]) <
          std::tuple(of_class[best][group->label], sizes[best])) {
        best = f;
      }
    }
    of_class[best][group->label] += group->samples.size();
    sizes[best] += group->samples.size();
    for (const std::size_t i : group->samples) fold[i] = static_cast<int>(best);
  }
  return fold;
}

}  // namespace lamella
