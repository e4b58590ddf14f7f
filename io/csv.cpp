// A one-pass CSV reader that keeps count of lines for its errors.
#include "io/csv.h"

#include <algorithm>
#include <set>

#include "engine/errors.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

// Walks over the text once, cell by cell.
class CsvReader {
 public:
  CsvReader(const std::string& text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // byte-order mark
  }

  // The next row that is not an empty line; false at the end.
  bool next(CsvTable::Row& row) {
    while (at_ < text_.size() && skip_line_end()) {
    }
    if (at_ >= text_.size()) return false;
    row.line = line_;
    row.cells.clear();
    do {
      row.cells.push_back(cell());
    } while (skip(','));
    if (at_ < text_.size() && !skip_line_end()) {
      fail(name_, " line ", line_, ": text follows a closing quote; quote the whole cell");
    }
    return true;
  }

 private:
  bool skip(char expected) {
    if (at_ >= text_.size() || text_[at_] != expected) return false;
    ++at_;
    return true;
  }

  bool skip_line_end() {
    const std::size_t before = at_;
    skip('\r');
    if (skip('\n') || at_ != before) {
      ++line_;
      return true;
    }
    return false;
  }

  std::string cell() {
    if (skip('"')) return quoted_cell();
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    return text_.substr(begin, at_ - begin);
  }

  std::string quoted_cell() {
    const std::int64_t opened = line_;
    std::string cell;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"' && !skip('"')) return cell;  // two quotes stand for one
      if (c == '\n') ++line_;
      cell += c;
    }
    fail(name_, " line ", opened, ": a quote is opened and never closed");
  }

  const std::string& text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

std::string join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : ", ") + part;
  return joined;
}

}  // namespace

int CsvTable::find(const std::string& column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

int CsvTable::require(const std::string& column) const {
  const int index = find(column);
  if (index < 0) fail(name, " has no column ", column, "; its columns are ", join(columns));
  return index;
}

CsvTable parse_csv(const std::string& text, const std::string& name) {
  CsvTable table;
  table.name = name;
  CsvReader reader(text, name);
  CsvTable::Row row;
  if (!reader.next(row)) fail(name, " is empty; its first line must name the columns");
  table.columns = row.cells;
  const std::set<std::string> distinct(table.columns.begin(), table.columns.end());
  if (distinct.size() != table.columns.size()) {
    fail(name, " names a column twice: ", join(table.columns));
  }
  while (reader.next(row)) {
    if (row.cells.size() != table.columns.size()) {
      fail(name, " line ", row.line, " has ", row.cells.size(), " cells but the header names ",
           table.columns.size(), " columns");
    }
    table.rows.push_back(row);
  }
  return table;
}

CsvTable read_csv(const std::string& path) {
  return parse_csv(read_text_file(path), path);
}

}  // namespace lamella
