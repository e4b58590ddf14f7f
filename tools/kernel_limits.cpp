#include "tools/kernel_limits.h"

#include <algorithm>
#include <functional>
#include <map>

#include "engine/errors.h"
#include "train/format.h"

namespace lamella::tool {
namespace {

constexpr double kRounding = 1 + 1e-9;  // of ratios that went through text

// What is compared: bytes of all lanes, of each byte once, and the worst line.
struct Figures {
  double requested = 0, distinct = 0, by_block = 0, sectors = 0, ways = 0;
};

struct Figure {
  const char* name;
  const char* limit_name;  // in lamella.limits/1
  double Figures::*value;
  bool in_least;  // its limit is a multiple of the least bytes
};
const Figure kFigures[] = {{"bytes_requested", "requested", &Figures::requested, true},
                           {"bytes_distinct", "distinct", &Figures::distinct, true},
                           {"bytes_distinct_by_block", "by_block", &Figures::by_block, true},
                           {"sectors_per_request", "sectors_per_request", &Figures::sectors, false},
                           {"conflict_ways", "conflict_ways", &Figures::ways, false}};

Figures figures_of(const Row& row) {
  Figures figures;
  for (const simt::KernelCounts& kernel : row.counted.counts) {
    figures.requested += static_cast<double>(kernel.bytes_requested);
    figures.distinct += static_cast<double>(kernel.bytes_distinct);
    figures.by_block += static_cast<double>(kernel.bytes_distinct_by_block);
    for (const simt::LineCounts& line : kernel.lines) {
      figures.sectors = std::max(figures.sectors, line.sectors_per_request);
      figures.ways = std::max(figures.ways, line.conflict_ways);
    }
  }
  return figures;
}

// The same, of one row of an earlier count; a call has a row for each of its kernels.
void add_figures(const Json& row, Figures& figures) {
  figures.requested += row.at("bytes_requested").get<double>();
  figures.distinct += row.at("bytes_distinct").get<double>();
  figures.by_block += row.at("bytes_distinct_by_block").get<double>();
  for (const Json& line : row.at("lines")) {
    figures.sectors = std::max(figures.sectors, line.at("sectors_per_request").get<double>());
    figures.ways = std::max(figures.ways, line.at("conflict_ways").get<double>());
  }
}

// How much of a figure a line makes up.
double share(const Figure& figure, const simt::LineCounts& line) {
  if (figure.value == &Figures::sectors) return line.sectors_per_request;
  if (figure.value == &Figures::ways) return line.conflict_ways;
  return line.space == "global" ? static_cast<double>(line.accesses) * line.bytes : 0;
}

Excess excess_of(const Row& row, const Figure& figure, double limit, double value) {
  Excess excess{&row, figure.name, limit, value, "", 0};
  double most = -1;
  for (const simt::KernelCounts& kernel : row.counted.counts) {
    for (const simt::LineCounts& line : kernel.lines) {
      if (share(figure, line) <= most) continue;
      most = share(figure, line);
      excess.file = line.file;
      excess.line = line.line;
    }
  }
  return excess;
}

void check(const Row& row, const Figure& figure, double limit, Verdict& verdict) {
  const double value = figures_of(row).*figure.value;
  if (value > limit * kRounding) verdict.excesses.push_back(excess_of(row, figure, limit, value));
}

// By the text of the call and its type, which --dtype may have changed.
std::string key_of(const std::string& text, const std::string& dtype) {
  const std::size_t at = text.find(" dtype=");
  return text.substr(0, at) + " dtype=" + dtype;
}

Verdict against_count(const Json& count, const std::string& path, const std::vector<Row>& rows) {
  std::map<std::string, Figures> before;
  try {
    for (const Json& row : count.at("rows")) {
      const auto text = row.at("op").get<std::string>() + row.at("shape").get<std::string>();
      add_figures(row, before[key_of(text, row.at("dtype").get<std::string>())]);
    }
  } catch (const Json::exception& error) {
    fail(path, " is not what --json writes: ", error.what());
  }
  Verdict verdict;
  for (const Row& row : rows) {
    const auto found = before.find(key_of(row.line.text(), name_of(row.line.dtype())));
    if (found == before.end()) continue;
    ++verdict.held;
    for (const Figure& figure : kFigures) check(row, figure, found->second.*figure.value, verdict);
  }
  return verdict;
}

void require_limit(const Json& limit, const std::string& path) {
  if (!limit.is_object() || !limit.contains("kernel") || !limit.at("kernel").is_string()) {
    fail(path, ": each of \"limits\" needs a \"kernel\": an entry of the table, or \"*\"");
  }
  for (const auto& item : limit.items()) {
    const std::string& key = item.key();
    const Json& value = item.value();
    const bool known = key == "kernel" ||
                       std::any_of(std::begin(kFigures), std::end(kFigures),
                                   [&](const Figure& figure) { return figure.limit_name == key; });
    if (!known) {
      fail(path, ": there is no limit \"", key,
           "\"; use requested, distinct, by_block, "
           "sectors_per_request or conflict_ways");
    }
    if (key != "kernel" && !value.is_number()) fail(path, ": \"", key, "\" is not a number");
  }
}

Verdict against_limits(const Json& file, const std::string& path, const std::vector<Row>& rows) {
  if (!file.contains("limits") || !file.at("limits").is_array()) {
    fail(path, ": lamella.limits/1 holds a list \"limits\"");
  }
  for (const Json& limit : file.at("limits")) require_limit(limit, path);
  Verdict verdict;
  for (const Row& row : rows) {
    bool held = false;
    for (const Json& limit : file.at("limits")) {
      const auto kernel = limit.at("kernel").get<std::string>();
      if (kernel != "*" && kernel != row.line.kernel()) continue;
      held = true;
      for (const Figure& figure : kFigures) {
        if (!limit.contains(figure.limit_name)) continue;
        const double most = limit.at(figure.limit_name).get<double>();
        check(row, figure, figure.in_least ? most * row.least() : most, verdict);
      }
    }
    verdict.held += held;
  }
  return verdict;
}

std::string value_text(const std::string& figure, double value) {
  return figure.starts_with("bytes") ? fixed(value, 0) : fixed(value, 2);
}

}  // namespace

std::string Excess::sentence() const {
  return row->title() + ": " + figure + " is " + value_text(figure, value) + ", at most " +
         value_text(figure, limit) + " may be (" +
         (limit > 0 ? "+" + fixed(100 * (value / limit - 1), 1) + " %; " : "") + row->line.text() +
         ")";
}

Verdict check_limits(const Json& limits, const std::string& path, const std::vector<Row>& rows) {
  const std::string schema =
      limits.is_object() && limits.contains("schema") && limits.at("schema").is_string()
          ? limits.at("schema").get<std::string>()
          : "";
  Verdict verdict;
  if (schema == "lamella.simt/1") {
    verdict = against_count(limits, path, rows);
  } else if (schema == "lamella.limits/1") {
    verdict = against_limits(limits, path, rows);
  } else {
    fail("--assert ", path,
         ": its \"schema\" must be lamella.simt/1, as --json writes, or "
         "lamella.limits/1");
  }
  if (verdict.held == 0) {
    fail("--assert ", path, " says nothing of any of the ", rows.size(), " calls counted");
  }
  return verdict;
}

}  // namespace lamella::tool
