// The seeded split and the fingerprint of a data set.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "engine/errors.h"
#include "engine/rng.h"
#include "io/dataset.h"

namespace lamella {
namespace {

constexpr std::array kSplits{Split::Train, Split::Validation, Split::Test};

struct Group {
  std::vector<std::size_t> samples;  // indices
  std::size_t split = 0;             // index into kSplits
};
using Shares = std::array<double, kSplits.size()>;

// The groups of each class, by name, of the samples that `wanted` says yes to.
template <class Wanted>
std::vector<std::vector<Group>> groups_by_class(const Dataset& dataset, Wanted wanted) {
  std::map<std::string, Group> groups;
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    if (wanted(dataset.samples[i])) groups[dataset.samples[i].group].samples.push_back(i);
  }
  std::vector<std::vector<Group>> by_class(dataset.classes.size());
  for (const auto& entry : groups) {
    std::vector<std::int64_t> votes(dataset.classes.size());
    for (const std::size_t i : entry.second.samples) {
      ++votes[static_cast<std::size_t>(dataset.samples[i].label)];
    }
    const auto winner = std::max_element(votes.begin(), votes.end()) - votes.begin();
    by_class[static_cast<std::size_t>(winner)].push_back(entry.second);
  }
  return by_class;
}

void assign(std::vector<Group>& groups, const Shares& fractions, const Rng& rng) {
  double total = 0.0;
  for (const Group& group : groups) total += static_cast<double>(group.samples.size());
  Shares lacking{};
  for (std::size_t s = 0; s < kSplits.size(); ++s) lacking[s] = fractions[s] * total;
  for (const std::int64_t i : permutation(static_cast<std::int64_t>(groups.size()), rng)) {
    Group& group = groups[static_cast<std::size_t>(i)];
    const auto neediest = std::max_element(lacking.begin(), lacking.end());
    group.split = static_cast<std::size_t>(neediest - lacking.begin());
    *neediest -= static_cast<double>(group.samples.size());
  }
}

// Gives each empty split that wants images the smallest group of the split with most groups.
void fill_empty_splits(std::vector<Group>& groups, const Shares& fractions) {
  for (std::size_t s = 0; s < kSplits.size(); ++s) {
    std::array<std::int64_t, kSplits.size()> counts{};
    for (const Group& group : groups) ++counts[group.split];
    if (fractions[s] == 0.0 || counts[s] > 0) continue;
    const auto richest = std::max_element(counts.begin(), counts.end());
    if (*richest < 2) return;
    const auto from = static_cast<std::size_t>(richest - counts.begin());
    Group* smallest = nullptr;
    for (Group& group : groups) {
      if (group.split != from) continue;
      if (smallest == nullptr || group.samples.size() < smallest->samples.size()) smallest = &group;
    }
    smallest->split = s;
  }
}

// Assigns the groups of every class to splits.
void draw(Dataset& dataset, std::vector<std::vector<Group>> by_class, const Shares& shares,
          std::uint64_t seed) {
  for (std::size_t label = 0; label < by_class.size(); ++label) {
    assign(by_class[label], shares, Rng(seed, RngStream::Split, static_cast<std::uint32_t>(label)));
    fill_empty_splits(by_class[label], shares);
    for (const Group& group : by_class[label]) {
      for (const std::size_t i : group.samples) dataset.samples[i].split = kSplits[group.split];
    }
  }
}

// How many groups, in this order, come nearest to `wanted` samples; at least one. Where two numbers
// are as near, the smaller.
std::size_t nearest_count(const std::vector<const Group*>& order, double wanted) {
  double samples = 0.0, best = INFINITY;
  std::size_t count = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    samples += static_cast<double>(order[i]->samples.size());
    if (std::abs(samples - wanted) >= best) break;
    best = std::abs(samples - wanted);
    count = i + 1;
  }
  return count;
}

class Fnv1a {
 public:
  void add(const char* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      hash_ = (hash_ ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3;
    }
  }
  void add(const std::string& bytes) { add(bytes.data(), bytes.size()); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

// Both return the number of bytes.
std::uint64_t add_file(Fnv1a& hash, const std::string& path) {
  std::array<char, 1U << 16U> buffer;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, ": the file cannot be read");
  std::uint64_t size = 0;
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount()) {
    hash.add(buffer.data(), static_cast<std::size_t>(file.gcount()));
    size += static_cast<std::uint64_t>(file.gcount());
  }
  return size;
}

std::uint64_t add_pixels(Fnv1a& hash, const Image& image) {
  const std::string bytes(image.samples.begin(), image.samples.end());
  hash.add(bytes);
  return bytes.size();
}

}  // namespace

void split(Dataset& dataset, const SplitFractions& fractions, std::uint64_t seed) {
  const Shares shares{fractions.train, fractions.validation, fractions.test};
  const double sum = shares[0] + shares[1] + shares[2];
  if (*std::min_element(shares.begin(), shares.end()) < 0.0 || !(std::abs(sum - 1.0) < 1e-6)) {
    fail("split: the fractions are train ", shares[0], ", validation ", shares[1], ", test ",
         shares[2], "; each must be at least 0 and their sum 1");
  }
  draw(dataset, groups_by_class(dataset, [](const Sample&) { return true; }), shares, seed);
  dataset.has_splits = true;
}

bool split_validation_off(Dataset& dataset, double fraction, std::uint64_t seed) {
  if (!(fraction >= 0.0 && fraction < 1.0)) {
    fail("a fraction of ", fraction, " of the training images for validation; use 0 to below 1");
  }
  const auto is_training = [](const Sample& sample) { return sample.split == Split::Train; };
  const auto holds = [&](Split split) {
    return std::any_of(dataset.samples.begin(), dataset.samples.end(),
                       [split](const Sample& sample) { return sample.split == split; });
  };
  if (fraction == 0.0 || holds(Split::Validation) || !holds(Split::Train)) return false;
  draw(dataset, groups_by_class(dataset, is_training), {1.0 - fraction, fraction, 0.0}, seed);
  return true;
}

void keep_fraction(Dataset& dataset, Split part, double fraction, std::uint64_t seed) {
  if (!(fraction > 0.0 && fraction <= 1.0)) {
    fail("a fraction of ", fraction, " of the ", name_of(part),
         " images; use one above 0, up to 1");
  }
  const auto by_class =
      groups_by_class(dataset, [part](const Sample& sample) { return sample.split == part; });
  std::vector<bool> leave_out(dataset.samples.size(), false);
  for (std::size_t label = 0; label < by_class.size(); ++label) {
    const std::vector<Group>& groups = by_class[label];
    const Rng rng(seed, RngStream::Subset, static_cast<std::uint32_t>(label));
    std::vector<const Group*> order;
    double total = 0.0;
    for (const std::int64_t i : permutation(static_cast<std::int64_t>(groups.size()), rng)) {
      order.push_back(&groups[static_cast<std::size_t>(i)]);
      total += static_cast<double>(order.back()->samples.size());
    }
    for (std::size_t i = nearest_count(order, fraction * total); i < order.size(); ++i) {
      for (const std::size_t sample : order[i]->samples) leave_out[sample] = true;
    }
  }
  std::vector<Sample> kept;
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    if (!leave_out[i]) kept.push_back(std::move(dataset.samples[i]));
  }
  dataset.samples = std::move(kept);
}

std::string fingerprint(const Dataset& dataset) {
  Fnv1a hash;
  for (const Sample& sample : dataset.samples) {
    hash.add(sample.path);
    const std::uint64_t size = is_idx_image_name(sample.path)
                                   ? add_pixels(hash, dataset.read(sample))
                                   : add_file(hash, dataset.file(sample));
    hash.add(" " + std::to_string(size) + "\n");
    if (dataset.classes_by_folder) continue;
    hash.add(dataset.classes[static_cast<std::size_t>(sample.label)] + "\n");
  }
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash.value()));
  return digits;
}

}  // namespace lamella
