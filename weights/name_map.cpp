#include "weights/name_map.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "engine/errors.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

struct Named {
  const char* name;
  const char* rules;
};

constexpr Named kMaps[] = {
    {"densenet_bc_cifar", R"(
conv1.weight -> features.conv0.weight
block*.layer.*.bn1.* -> features.denseblock*.denselayer*+1.norm1.*
block*.layer.*.conv1.weight -> features.denseblock*.denselayer*+1.conv1.weight
block*.layer.*.bn2.* -> features.denseblock*.denselayer*+1.norm2.*
block*.layer.*.conv2.weight -> features.denseblock*.denselayer*+1.conv2.weight
trans*.bn1.* -> features.transition*.norm.*
trans*.conv1.weight -> features.transition*.conv.weight
bn1.* -> features.norm5.*
fc.* -> classifier.*
)"},
    {"drop_background", "** -> ** without row 0 of 1001"},
};

// https://github.com/pytorch/vision/blob/main/torchvision/models/densenet.py renames the same.
constexpr std::pair<std::string_view, std::string_view> kOldDenseNet[] = {
    {"**.denselayer*.norm.1.*", "**.denselayer*.norm1.*"},
    {"**.denselayer*.norm.2.*", "**.denselayer*.norm2.*"},
    {"**.denselayer*.conv.1.*", "**.denselayer*.conv1.*"},
    {"**.denselayer*.conv.2.*", "**.denselayer*.conv2.*"},
};

constexpr std::size_t kMostWildcards = 6;  // these two keep matching quick
constexpr std::size_t kLongestName = 4096;
constexpr const char* kNothing = "-";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::size_t wildcards(std::string_view pattern) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '*') continue;
    ++count;
    if (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
  }
  return count;
}

// Wildcards found, and bytes of the name that are left, from where on nothing fits.
using DeadEnds = std::set<std::pair<std::size_t, std::size_t>>;

// Whether the pattern is for the whole name; `found` gets what its wildcards stand for. Recursion
// goes as deep as there are wildcards, and once from every place.
bool fits(std::string_view pattern, std::string_view name, std::vector<std::string_view>& found,
          DeadEnds& dead_ends) {
  const std::size_t plain = std::min(pattern.find('*'), pattern.size());
  if (name.substr(0, plain) != pattern.substr(0, plain)) return false;
  pattern.remove_prefix(plain);
  name.remove_prefix(plain);
  if (pattern.empty()) return name.empty();
  const std::pair here(found.size(), name.size());
  if (dead_ends.contains(here)) return false;
  const bool any = pattern.starts_with("**");
  pattern.remove_prefix(any ? 2 : 1);
  for (std::size_t length = 1; length <= name.size(); ++length) {
    if (!any && name[length - 1] == '.') break;
    found.push_back(name.substr(0, length));
    if (fits(pattern, name.substr(length), found, dead_ends)) return true;
    found.pop_back();
  }
  dead_ends.insert(here);
  return false;
}

bool fits(std::string_view pattern, std::string_view name, std::vector<std::string_view>& found) {
  DeadEnds dead_ends;
  return fits(pattern, name, found, dead_ends);
}

// Reads "+12" off the front of the text; 0 where there is none.
std::int64_t take_addend(std::string_view& text) {
  std::int64_t addend = 0;
  if (text.size() < 2 || text[0] != '+') return 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), addend);
  if (error != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return addend;
}

std::string sum(std::string_view digits, std::int64_t addend, const std::string& context) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  constexpr std::int64_t kMost = 1'000'000'000;
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0 ||
      number > kMost || addend > kMost) {
    fail(context, " adds ", addend, " to '", digits, "', which is no number");
  }
  return std::to_string(number + addend);
}

std::string filled_in(std::string_view to, const std::vector<std::string_view>& found,
                      const std::string& context) {
  std::string name;
  for (const std::string_view piece : found) {
    const std::size_t plain = to.find('*');
    name += to.substr(0, plain);
    to.remove_prefix(plain + (to.substr(plain).starts_with("**") ? 2 : 1));
    const std::int64_t addend = take_addend(to);
    name += addend == 0 ? std::string(piece) : sum(piece, addend, context);
  }
  return name + std::string(to);
}

}  // namespace

NameMap::Rule NameMap::parse_rule(const std::string& line, const std::string& where) {
  Rule rule;
  rule.line = line;
  const std::size_t arrow = line.find("->");
  if (arrow == std::string::npos) fail(where, ": '", line, "' is no rule: it has no '->'");
  rule.from = trimmed(std::string_view(line).substr(0, arrow));
  std::string_view right = trimmed(std::string_view(line).substr(arrow + 2));
  constexpr std::string_view kWithout = " without row 0 of ";
  if (const std::size_t at = right.find(kWithout); at != std::string_view::npos) {
    const std::string_view digits = trimmed(right.substr(at + kWithout.size()));
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), rule.rows);
    if (error != std::errc() || end != digits.data() + digits.size() || rule.rows < 1) {
      fail(where, ": '", line, "' does not say of how many rows");
    }
    right = trimmed(right.substr(0, at));
  }
  rule.to = right;
  if (rule.from.empty() || rule.to.empty() || rule.from.find(' ') != std::string::npos ||
      rule.to.find(' ') != std::string::npos) {
    fail(where, ": '", line, "' is no rule; write: from -> to");
  }
  const std::size_t count = wildcards(rule.from);
  if (count > kMostWildcards) {
    fail(where, ": '", line, "' has ", count, " wildcards; at most ", kMostWildcards);
  }
  if (rule.to != kNothing && wildcards(rule.to) != count) {
    fail(where, ": '", line, "' has ", count, " wildcards on the left, ", wildcards(rule.to),
         " on the right");
  }
  return rule;
}

NameMap NameMap::parse(const std::string& rules, const std::string& name) {
  NameMap map;
  map.name_ = name;
  std::istringstream lines(rules);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string content(trimmed(line.substr(0, line.find('#'))));
    if (!content.empty()) map.rules_.push_back(parse_rule(content, text(name, ":", number)));
  }
  return map;
}

NameMap NameMap::open(const std::string& name_or_path) {
  for (const Named& map : kMaps) {
    if (name_or_path == map.name) return parse(map.rules, map.name);
  }
  return parse(read_text_file(name_or_path), name_or_path);
}

std::vector<std::string> NameMap::names() {
  std::vector<std::string> names;
  for (const Named& map : kMaps) names.emplace_back(map.name);
  return names;
}

struct NameMap::Step {
  std::string from, to;  // `to` is empty for a tensor that is left out
  bool shortened = false;
};

std::vector<NameMap::Step> NameMap::plan(const TensorFile& file,
                                         const std::string& file_name) const {
  std::vector<Step> steps;
  std::set<std::string> taken;
  std::vector<bool> used(rules_.size(), false);
  for (const auto& [name, tensor] : file.tensors) {
    if (name.size() > kLongestName) {
      fail(file_name, ": a tensor's name has ", name.size(),
           " bytes; rules are for names of at most ", kLongestName);
    }
    Step step{name, name};
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      const Rule& rule = rules_[r];
      std::vector<std::string_view> found;
      const bool long_enough =
          rule.rows == 0 || (!tensor.shape.empty() && tensor.shape[0] == rule.rows);
      if (!long_enough || !fits(rule.from, name, found)) continue;
      used[r] = true;
      step.to = rule.to == kNothing
                    ? ""
                    : filled_in(rule.to, found, text(file_name, ": the rule '", rule.line, "'"));
      step.shortened = rule.rows != 0;
      break;
    }
    if (!step.to.empty() && !taken.insert(step.to).second) {
      fail(file_name, ": by the rules of ", name_, " two tensors would be called '", step.to, "'");
    }
    steps.push_back(std::move(step));
  }
  for (std::size_t r = 0; r < rules_.size(); ++r) {
    if (!used[r]) fail(file_name, ": no tensor fits the rule '", rules_[r].line, "' of ", name_);
  }
  return steps;
}

NameMap::Changes NameMap::apply(TensorFile& file, const std::string& file_name) const {
  Changes changes;
  std::map<std::string, StoredTensor> tensors;
  for (const Step& step : plan(file, file_name)) {
    if (step.to.empty()) {
      changes.dropped.push_back(step.from);
      continue;
    }
    auto node = file.tensors.extract(step.from);
    StoredTensor& tensor = node.mapped();
    if (step.shortened) {
      const std::size_t row = tensor.data.size() / static_cast<std::size_t>(tensor.shape[0]);
      tensor.data.erase(tensor.data.begin(),
                        tensor.data.begin() + static_cast<std::ptrdiff_t>(row));
      --tensor.shape[0];
      ++changes.shortened;
    }
    if (step.to != step.from) ++changes.renamed;
    node.key() = step.to;
    tensors.insert(std::move(node));
  }
  file.tensors = std::move(tensors);
  return changes;
}

std::string todays_densenet_name(std::string_view name) {
  for (const auto& [old, today] : kOldDenseNet) {
    std::vector<std::string_view> found;
    if (fits(old, name, found)) return filled_in(today, found, "");
  }
  return std::string(name);
}

}  // namespace lamella
