// The files of tests/shapes: every line is a case that can be made, with a name used once.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

TEST(Shapes, EveryLineIsACase) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LAMELLA_SHAPES_FOLDER)) {
    if (entry.path().extension() != ".txt") continue;
    ++files;
    std::ifstream file(entry.path());
    std::set<std::string> names;
    const std::string network = entry.path().stem().string();
    for (const auto& [name, line] : read_shapes(file)) {
      EXPECT_NO_THROW(make_case(line.text())) << name << " " << line.text();
      EXPECT_EQ(name.rfind(network + ":", 0), 0U) << name << " in " << entry.path();
      EXPECT_TRUE(names.insert(name + " " + line.kernel()).second) << name << " is there twice";
    }
    EXPECT_GT(names.size(), 10U) << entry.path();
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace lamella::test
