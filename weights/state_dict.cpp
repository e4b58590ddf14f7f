#include "weights/state_dict.h"

#include <algorithm>
#include <array>

#include "engine/errors.h"
#include "weights/name_map.h"

namespace lamella {
namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::string_view, 10> kEntries = {
    "state_dict", "model_state_dict", "model",          "net",       "network",
    "weights",    "params",           "state_dict_ema", "model_ema", "ema",
};
constexpr const char* kWrappers[] = {"module.", "_orig_mod."};
constexpr int kDeepest = 4;  // dictionaries in dictionaries
constexpr std::size_t kMostTensors = 100'000, kLongestName = 4096;
constexpr std::size_t kMostSkipped = 1000;  // names of entries that are kept
// Bounds of the search, so that a dictionary full of dictionaries costs no time.
constexpr std::size_t kMostDicts = 1000, kMostItems = 20'000;

using Names = std::vector<std::string_view>;

class Finder {
 public:
  Finder(const PickleHeap& heap, const TensorValues& values, const std::string& file)
      : heap_(heap), values_(values), file_(file) {}

  // Replaces `dict` by the dictionary of weights in it, and adds the keys that lead there.
  void find(PickleValue& dict, const std::string& entry, std::string& path) const {
    if (!dict.is(Kind::Dict)) {
      fail(file_,
           ": holds no dictionary of tensors; save the weights with "
           "torch.save(model.state_dict(), FILE)");
    }
    if (!entry.empty()) descend(dict, entry, path);
    for (int depth = 0; depth < kDeepest; ++depth) {
      const std::string_view next = well_known(dict);
      if (next.empty()) break;
      descend(dict, next, path);
    }
    if (has_tensors(dict)) return;
    const Names candidates = dicts_with_tensors(dict);
    if (candidates.size() == 1) return descend(dict, candidates[0], path);
    if (candidates.empty()) {
      fail(file_, ": no dictionary of tensors among its entries:", listed(keys(dict)));
    }
    fail(file_, ": several of its entries hold tensors:", listed(candidates),
         "; say which (lamella convert has --entry for it)");
  }

 private:
  void descend(PickleValue& dict, std::string_view key, std::string& path) const {
    const auto items = heap_.items(dict);
    for (std::size_t i = 0; i < items.size(); i += 2) {
      if (!items[i].is(Kind::Text) || heap_.text(items[i]) != key) continue;
      if (!items[i + 1].is(Kind::Dict)) break;
      dict = items[i + 1];
      path += (path.empty() ? "" : "/") + std::string(key);
      return;
    }
    fail(file_, ": no dictionary '", key, "' among its entries:", listed(keys(dict)));
  }

  // The first name of kEntries under which there is a dictionary that has tensors or such a name.
  std::string_view well_known(const PickleValue& dict) const {
    std::size_t best = kEntries.size();
    each_dict(dict, [&](std::string_view key, const PickleValue& value) {
      const std::size_t rank = rank_of(key);
      if (rank < best && (has_tensors(value) || knows(value))) best = rank;
    });
    return best == kEntries.size() ? "" : kEntries[best];
  }
  static std::size_t rank_of(std::string_view key) {
    return static_cast<std::size_t>(std::find(kEntries.begin(), kEntries.end(), key) -
                                    kEntries.begin());
  }
  bool knows(const PickleValue& dict) const {
    bool found = false;
    each_dict(dict, [&](std::string_view key, const PickleValue&) {
      found |= rank_of(key) < kEntries.size();
    });
    return found;
  }
  Names dicts_with_tensors(const PickleValue& dict) const {
    Names names;
    each_dict(dict, [&](std::string_view key, const PickleValue& value) {
      if (has_tensors(value)) names.push_back(key);
    });
    return names;
  }
  bool has_tensors(const PickleValue& dict) const {
    const auto items = heap_.items(dict);
    for (std::size_t i = 1; i < std::min(items.size(), kMostItems); i += 2) {
      if (values_.is_tensor(items[i])) return true;
    }
    return false;
  }

  // Calls visit(key, value) for the first entries that are dictionaries with a name.
  template <class Visit>
  void each_dict(const PickleValue& dict, Visit visit) const {
    const auto items = heap_.items(dict);
    std::size_t seen = 0;
    for (std::size_t i = 0; i < items.size() && seen < kMostDicts; i += 2) {
      if (!items[i].is(Kind::Text) || !items[i + 1].is(Kind::Dict)) continue;
      visit(heap_.text(items[i]), items[i + 1]);
      ++seen;
    }
  }
  Names keys(const PickleValue& dict) const {
    Names names;
    const auto items = heap_.items(dict);
    for (std::size_t i = 0; i < std::min(items.size(), kMostDicts); i += 2) {
      if (items[i].is(Kind::Text)) names.push_back(heap_.text(items[i]));
    }
    return names;
  }
  static std::string listed(const Names& names) {
    constexpr std::size_t kShown = 20, kLongest = 80;
    std::string joined;
    for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
      joined += " '" + std::string(names[i].substr(0, kLongest)) + "'";
    }
    if (names.size() > kShown) joined += text(" and ", names.size() - kShown, " more");
    return joined.empty() ? " none with a name" : joined;
  }

  const PickleHeap& heap_;
  const TensorValues& values_;
  const std::string& file_;
};

// Takes a prefix off as long as all names begin with it.
void strip_wrappers(std::vector<std::pair<std::string_view, PickleValue>>& tensors) {
  for (bool again = !tensors.empty(); again;) {
    again = false;
    for (const std::string_view wrapper : kWrappers) {
      const bool all = std::all_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
        return tensor.first.starts_with(wrapper) && tensor.first.size() > wrapper.size();
      });
      if (!all) continue;
      for (auto& tensor : tensors) tensor.first.remove_prefix(wrapper.size());
      again = true;
    }
  }
}

}  // namespace

TensorFile copy_state_dict(const ByteSource& source, const PickleHeap& heap,
                           const PickleValue& root, const TensorValues& values,
                           const std::string& entry, ReadReport& report) {
  PickleValue dict = root;
  Finder(heap, values, source.name()).find(dict, entry, report.entry);
  std::vector<std::pair<std::string_view, PickleValue>> tensors;
  const auto items = heap.items(dict);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const bool named = items[i].is(Kind::Text);
    if (named && values.is_tensor(items[i + 1])) {
      if (items[i].length > kLongestName) {
        fail(source.name(), ": a tensor with a name of ", items[i].length, " bytes; at most ",
             kLongestName, " can be read");
      }
      heap.budget().push(tensors, {heap.text(items[i]), items[i + 1]});
    } else if (report.skipped.size() < kMostSkipped) {
      const std::string_view name = named ? heap.text(items[i]) : "(an entry without a name)";
      heap.budget().take(sizeof(std::string) + name.size());
      report.skipped.emplace_back(name);
    }
  }
  if (tensors.size() > kMostTensors) {
    fail(source.name(), ": ", tensors.size(), " tensors; at most ", kMostTensors, " can be read");
  }
  strip_wrappers(tensors);
  TensorFile file;
  for (const auto& [name, value] : tensors) {
    StoredTensor tensor = copy_tensor(source, values.view(value, name), name, heap.budget());
    if (!file.tensors.emplace(todays_densenet_name(name), std::move(tensor)).second) {
      fail(source.name(), ": damaged: tensor '", name, "' appears twice");
    }
  }
  return file;
}

}  // namespace lamella
