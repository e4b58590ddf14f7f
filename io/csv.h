// A small reader of comma-separated tables with a header row (RFC 4180; also bare LF, a byte-order
// mark, and empty lines, which are skipped).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lamella {

struct CsvTable {
  std::string name;  // of the file, for errors
  std::vector<std::string> columns;
  struct Row {
    std::int64_t line = 0;  // where it begins in the file, from 1
    std::vector<std::string> cells;
  };
  std::vector<Row> rows;  // each as long as `columns`

  // Index of a column, or -1.
  int find(const std::string& column) const;
  // Index of a column. Throws Error listing those that exist.
  int require(const std::string& column) const;
};

// Throw Error naming file and line for: an open quote, text after a closing quote, a row with too
// many or too few cells, a missing header, a column named twice.
CsvTable parse_csv(const std::string& text, const std::string& name);
CsvTable read_csv(const std::string& path);

}  // namespace lamella
