// The CSV reader: what it accepts and what it refuses, by line.
#include "io/csv.h"

#include <gtest/gtest.h>

#include "engine/rng.h"
#include "fixtures.h"

namespace lamella {
namespace {

using fixtures::error_of;

TEST(Csv, ReadsQuotesLineEndsAndTheByteOrderMark) {
  const CsvTable table =
      parse_csv("\xEF\xBB\xBFpath,class\r\n\"a,\"\"b\"\"\nc\",X\r\n\r\nd,\n\"\",Y", "t.csv");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"path", "class"}));
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[0].cells, (std::vector<std::string>{"a,\"b\"\nc", "X"}));
  EXPECT_EQ(table.rows[1].cells, (std::vector<std::string>{"d", ""}));
  EXPECT_EQ(table.rows[1].line, 5);
  EXPECT_EQ(table.rows[2].cells, (std::vector<std::string>{"", "Y"}));
  EXPECT_EQ(table.find("class"), 1);
  EXPECT_EQ(table.find("group"), -1);
}

TEST(Csv, RefusesInSentences) {
  const auto error = [](const std::string& text) {
    return error_of([&] { parse_csv(text, "t.csv"); });
  };
  EXPECT_EQ(error(""), "t.csv is empty; its first line must name the columns");
  EXPECT_EQ(error("a,b\n1,2\n3\n"), "t.csv line 3 has 1 cells but the header names 2 columns");
  EXPECT_EQ(error("a\n\"b"), "t.csv line 2: a quote is opened and never closed");
  EXPECT_EQ(error("a\n\"b\"c"), "t.csv line 2: text follows a closing quote; quote the whole cell");
  EXPECT_EQ(error("a,b,a\n"), "t.csv names a column twice: a, b, a");
  const CsvTable table = parse_csv("a,b\n", "t.csv");
  EXPECT_EQ(error_of([&] { table.require("c"); }), "t.csv has no column c; its columns are a, b");
  EXPECT_EQ(error_of([] { read_csv("/no/such.csv"); }),
            "cannot read /no/such.csv: No such file or directory");
}

TEST(Csv, AnyBytesAreReadOrRefused) {
  Rng rng(1, RngStream::Test, 4);
  int read = 0, refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::uint32_t n = rng.below(24); n > 0; --n) text += "a,\"\r\n\0x"[rng.below(7)];
    const std::string error = error_of([&] { parse_csv(text, "t.csv"); });
    if (error.empty()) {
      ++read;
    } else {
      ++refused;
      EXPECT_EQ(error.rfind("t.csv ", 0), 0U) << error;
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace lamella
