// numpy files: what numpy writes, and what nobody should.
#include "tools/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/errors.h"
#include "engine/rng.h"
#include "tests/support/temporary_folder.h"

namespace lamella::tool {
namespace {

std::string file_of(const std::string& header, std::size_t data, char version = 1) {
  std::string file = std::string("\x93NUMPY") + version + '\0';
  const auto length = static_cast<std::uint32_t>(header.size());
  const auto* bytes = reinterpret_cast<const char*>(&length);
  file.append(bytes, version == 1 ? 2 : 4);
  return file + header + std::string(data, '\0');
}

NpyArray parse(const std::string& file) {
  return parse_npy(reinterpret_cast<const std::byte*>(file.data()), file.size(), "x.npy");
}

TEST(Npy, ReadsWhatItWrote) {
  const TemporaryFolder folder;
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{}, {3}, {2, 3}, {1, 2, 1, 3}, {0, 5}}) {
    NpyArray array{shape, {}};
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) count *= dim;
    for (std::int64_t i = 0; i < count; ++i) array.values.push_back(static_cast<float>(i) / 3);
    write_npy(folder.file("a.npy"), array);
    const NpyArray read = read_npy(folder.file("a.npy"));
    EXPECT_EQ(read.shape, array.shape);
    EXPECT_EQ(read.values, array.values);
  }
}

TEST(Npy, ReadsBothVersions) {
  const char* header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";
  EXPECT_EQ(parse(file_of(header, 24, 1)).shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(parse(file_of(header, 24, 2)).values.size(), 6U);
}

TEST(Npy, RefusesAnythingElse) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const std::string cases[] = {
      "",
      "\x93NUMPY",
      file_of(good, 8, 3),
      file_of(good, 7),
      file_of(good, 9),
      file_of(good, 8).substr(0, 30),
      file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8),
      file_of("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8),
      file_of("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", 8),
      file_of("{'descr': '<f4', 'fortran_order': False, "
              "'shape': (4294967296, 4294967296, 4294967296), }",
              8),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 8),
      file_of("{'descr': '<f4'", 8),
  };
  for (const std::string& file : cases) EXPECT_THROW(parse(file), Error) << file;
}

TEST(Npy, SurvivesRandomDamage) {
  const std::string whole =
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
  Rng rng(2, RngStream::Test);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = whole;
    damaged[rng.below(static_cast<std::uint32_t>(damaged.size()))] =
        static_cast<char>(rng.below(256));
    try {
      EXPECT_LE(parse(damaged).values.size(), 6U);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace lamella::tool
