// No bytes crash, hang or exhaust the readers of weight files: all end in a sentence or in tensors.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/weights/hostile.h"
#include "weights/durable_file.h"

namespace lamella {
namespace {

struct Hostile {
  std::string bytes;
  const char* words;  // of the sentence; empty: it may be read
};

void expect_refusals(const std::vector<Hostile>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i) + ": " + cases[i].words);
    const std::string sentence = read_hostile(cases[i].bytes);
    EXPECT_FALSE(sentence.empty());
    EXPECT_NE(sentence.find(cases[i].words), std::string::npos) << sentence.substr(0, 400);
  }
}

// One tensor in the older form, with 2 elements behind it.
std::string file_of(const std::string& tensor, std::int64_t stored = 2) {
  return legacy_file(pickled_dict({{"w", tensor}}), {"0"}, raw(stored) + std::string(8, '\x01'));
}

TEST(Hostile, TheFilesTheOthersAreMadeFromAreGood) {
  EXPECT_EQ(read_hostile(file_of(pickled_tensor(0, {2}, {1}, 2))), "");
  EXPECT_EQ(read_hostile(good_zip().bytes()), "");
}

TEST(Hostile, Cut) {
  int files = 0;
  for (const char* name : {"zip_mixed.pt", "zip_protocol4.pt", "legacy_mixed.pt", "tar.pt",
                           "legacy_python2.pt", "legacy_protocol4.pt", "zip_mixed.safetensors"}) {
    const std::string whole = read_text_file(std::string(LAMELLA_WEIGHT_GOLDENS) + "/" + name);
    // Behind the last pickle of a tar archive there is nothing but zeros.
    const std::size_t needed = std::string(name) == "tar.pt" ? whole.rfind('.') + 1 : whole.size();
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const bool refused = !read_hostile(whole.substr(0, length)).empty();
      EXPECT_TRUE(refused || length >= needed) << name << " cut to " << length;
    }
    ++files;
  }
  EXPECT_EQ(files, 7);
}

TEST(Hostile, EveryByteChanged) {
  for (const char* name : {"zip_mixed.pt", "legacy_mixed.pt", "legacy_python2.pt", "tar.pt",
                           "refused/ambiguous.pt", "zip_mixed.safetensors"}) {
    std::string bytes = read_text_file(std::string(LAMELLA_WEIGHT_GOLDENS) + "/" + name);
    int refused = 0;
    const std::size_t size = std::min<std::size_t>(bytes.size(), 4096);
    for (std::size_t at = 0; at < size; ++at) {
      const char kept = bytes[at];
      for (int change = 0; change < 10; ++change) {
        bytes[at] = static_cast<char>(change < 8    ? kept ^ (1 << change)
                                      : change == 8 ? ~kept
                                                    : '.');
        refused += read_hostile(bytes).empty() ? 0 : 1;
      }
      bytes[at] = kept;
    }
    EXPECT_GT(refused, 100) << name;
  }
}

TEST(Hostile, LengthsBeyondTheFile) {
  const std::string huge = raw(std::uint64_t{1} << 63U), most(8, '\xff');
  std::vector<Hostile> cases;
  for (const std::string op : {"\x8d", "\x8e", "\x96"}) {
    cases.push_back({legacy_file("\x80\x04" + op + huge + "x."), "bytes expected"});
    cases.push_back({legacy_file("\x80\x04" + op + most + "x."), "bytes expected"});
  }
  for (const std::string op : {"X", "T", "B", "\x8b"}) {
    cases.push_back({legacy_file("\x80\x02" + op + "\xff\xff\xff\xff."), "bytes expected"});
  }
  cases.push_back({legacy_file("\x80\x02}r\xff\xff\xff\xff."), "numbers a value beyond"});
  cases.push_back({legacy_file("\x80\x02}j\xff\xff\xff\xff."), "refers to a value"});
  cases.push_back({legacy_file("\x80\x02L" + std::string(500, '9') + "L\n."), "38 digits"});
  cases.push_back({legacy_file("\x80\x02"
                               "c" +
                               std::string(2000, 'a') + "\nb\n."),
                   "a line of more"});
  cases.push_back({file_of(pickled_tensor(0, {2}, {1}, 2), std::int64_t{1} << 62), "elements"});
  cases.push_back({file_of(pickled_tensor(0, {2}, {1}, 3), 3), "bytes expected"});
  cases.push_back(
      {file_of(pickled_tensor(0, {2}, {1}, std::int64_t{1} << 62), std::int64_t{1} << 62),
       "bytes expected"});
  expect_refusals(cases);
}

TEST(Hostile, TensorsOutsideOfTheirStorage) {
  constexpr std::int64_t kMost = INT64_MAX, kHuge = std::int64_t{1} << 62;
  const std::vector<Hostile> cases = {
      {file_of(pickled_tensor(1, {2}, {1}, 2)), "reaches from element 1"},
      {file_of(pickled_tensor(kMost, {1}, {1}, 2)), "reaches from element"},
      {file_of(pickled_tensor(-1, {1}, {1}, 2)), "no natural number"},
      {file_of(pickled_tensor(0, {-1}, {1}, 2)), "no natural number"},
      {file_of(pickled_tensor(0, {2}, {-1}, 2)), "no natural number"},
      {file_of(pickled_tensor(0, {2}, {kMost}, 2)), "reaches"},
      {file_of(pickled_tensor(0, {kHuge, kHuge}, {kHuge, kHuge}, 2)), "reaches"},
      {file_of(pickled_tensor(0, {kMost, kMost}, {1, 1}, 2)), "reaches"},
      {file_of(pickled_tensor(0, {kMost, kMost}, {0, 0}, 2)), "more than"},
      {file_of(pickled_tensor(0, {kHuge}, {0}, 2)), "more than"},
      {file_of(pickled_tensor(0, {1 << 30}, {0}, 2)), "more than"},
      {file_of(pickled_tensor(0, {1, 2}, {1}, 2)), "is not made of"},
      {file_of(
           pickled_tensor(0, std::vector<std::int64_t>(9, 1), std::vector<std::int64_t>(9, 1), 2)),
       "more dimensions"},
      {legacy_file(pickled_dict({{"w", pickled_tensor(0, {1}, {1}, 2)},
                                 {"v", pickled_tensor(0, {1}, {1}, 1)}}),
                   {"0"}, raw(std::int64_t{1}) + std::string(4, '\x01')),
       "is not there"},
      {legacy_file(pickled_dict({{"w", pickled_tensor(0, {2}, {1}, 2)}})), "is not there"},
  };
  expect_refusals(cases);
  // Strides that are never stepped, and sizes of nothing, may be anything.
  EXPECT_EQ(read_hostile(file_of(pickled_tensor(0, {1, 1, 2}, {kMost, kHuge, 1}, 2))), "");
  EXPECT_EQ(read_hostile(file_of(pickled_tensor(kMost, {kMost, 0, kMost}, {1, kMost, kMost}, 2))),
            "");
}

TEST(Hostile, ManyTensorsOfOneStorage) {
  const std::string tensor = pickled_tensor(0, {1 << 16}, {1}, 1 << 16);
  std::vector<std::pair<std::string, std::string>> entries = {{"w", tensor + "q\x01"}};
  for (int i = 0; i < 1000; ++i) entries.emplace_back(std::to_string(i), "h\x01");
  const std::string storage = raw(std::int64_t{1} << 16) + std::string(4 << 16, '\0');
  EXPECT_NE(read_hostile(legacy_file(pickled_dict(entries), {"0"}, storage)).find("more than"),
            std::string::npos);
}

TEST(Hostile, NestingAndCyclesAndBombs) {
  constexpr std::size_t kDeep = 1 << 20;
  const std::string pair = pickled_text("k") + "N\x86";
  std::vector<Hostile> cases = {
      {legacy_file(repeated("]", kDeep) + repeated("a", kDeep - 1) + "."), ""},
      {legacy_file(")" + repeated("\x85", kDeep) + "."), ""},
      {legacy_file(repeated("(", kDeep) + "."), ""},
      {legacy_file(repeated("}" + pickled_text("model"), kDeep / 64) + "}" +
                   repeated("s", kDeep / 64) + "."),
       "no dictionary of tensors"},
      {legacy_file(repeated(")\x94", kDeep) + "."), "more than"},
      {legacy_file("]q\1h\1a."), "no dictionary"},
      {legacy_file("}q\1" + pickled_text("model") + "h\1s."), "no dictionary"},
      {legacy_file("}q\1(" + pickled_text("state_dict") + "h\1" + pickled_text("model") +
                   repeated("h\1", 1) + "u."),
       "no dictionary"},
      // A thousand pairs, made a dictionary again and again.
      {legacy_file("](" + repeated(pair, 1000) +
                   "eq\1"
                   "ccollections\nOrderedDict\nq\2" +
                   repeated("h\2h\1\x85R", 20'000) + "."),
       "more than"},
      // Doubling tuples: cheap as long as nothing walks them.
      {legacy_file("Nq\1" + repeated("h\1h\1\x86q\1", 10'000) + "."), "no dictionary"},
      {legacy_file("}q\1(" + repeated(pickled_text("a") + "h\1", 20'000) + "u."), "no dictionary"},
  };
  expect_refusals(cases);
}

TEST(Hostile, LongNames) {
  const std::string tensor = pickled_tensor(0, {2}, {1}, 2), name(4 << 20, 'x');
  const std::string one = raw(std::int64_t{2}) + std::string(8, '\x01'), named = pickled_text(name);
  const std::string no_storage =
      "ctorch._utils\n_rebuild_tensor_v2\n((" + named + "tQ" + pickled_int(0) + "))tR";
  expect_refusals({
      {legacy_file(pickled_dict({{name, tensor}}), {"0"}, one), "name of 4194304 bytes"},
      {legacy_file(pickled_dict({{name, "N"}, {name, "}"}})), "no dictionary of tensors"},
      {legacy_file("\x80\x04" + named + named + "\x93."), "Python object of xxx"},
      {legacy_file(pickled_dict({{"w", no_storage}})), "holds a whole xxx"},
  });
  std::vector<std::pair<std::string, std::string>> entries = {{"0", tensor + "q\1"}};
  const std::string old = ".denselayer1.norm.1." + std::string(3000, 'x');
  for (int i = 1; i < 2000; ++i) entries.emplace_back(old + std::to_string(i), "h\1");
  EXPECT_EQ(read_hostile(legacy_file(pickled_dict(entries), {"0"}, one)), "");
}

TEST(Hostile, PicklesThatMakeNoSense) {
  std::vector<Hostile> cases;
  for (const char* pickle : {".",
                             "a.",
                             "s.",
                             "e.",
                             "u.",
                             "t.",
                             "R.",
                             "b.",
                             "Q.",
                             "0.",
                             "1.",
                             "q\1.",
                             "\x85.",
                             "(a.",
                             "(s.",
                             "(u.",
                             "Na.",
                             "NN\x85s.",
                             "}(Nu.",
                             "NNs.",
                             "NbN.",
                             "NNR.",
                             "N)R.",
                             "NN\x93.",
                             "INaN\n.",
                             "ctorch\nFloatStorage\n)R.",
                             "ctorch\nSize\nNR.",
                             "ctorch\nSize\n)R.",
                             "i",
                             "o",
                             "P1\n.",
                             "ccollections\nOrderedDict\n](Ne\x85R.",
                             "ccollections\nOrderedDict\n](]e\x85R."}) {
    cases.push_back({legacy_file(std::string("\x80\x02") + pickle), ""});
  }
  cases.push_back({legacy_file("\x80\x09N."), "protocol 9"});
  cases.push_back({legacy_file("\x80\x02"
                               "cos\nsystem\n."),
                   "Python object of os.system"});
  cases.push_back({legacy_file("\x80\x04\x8c\x02os\x8c\x06system\x93."), "os.system"});
  cases.push_back({legacy_file(pickled_dict({{"w", "ctorch._utils\n_rebuild_tensor_v2\n)R"}})),
                   "is not made of"});
  cases.push_back({legacy_file(pickled_dict({{"w", "ctorch._utils\n_rebuild_parameter\n)R"}})),
                   "no dictionary of tensors"});
  expect_refusals(cases);
}

TEST(Hostile, Zip) {
  const std::string pickle = pickled_dict({{"w", pickled_tensor(0, {2}, {1}, 2)}});
  std::vector<Hostile> cases;
  const auto add = [&](const char* words, auto change) {
    ZipFile zip = good_zip();
    change(zip);
    cases.push_back({zip.bytes(), words});
  };
  add("two members are called", [](ZipFile& zip) { zip.add({"a/data/0", "x"}); });
  add("two data.pkl", [](ZipFile& zip) { zip.add({"b/data.pkl", "x"}); });
  add("is compressed", [](ZipFile& zip) { zip.add_row("c", 0, 0, 8); });
  add("is encrypted", [](ZipFile& zip) { zip.add_row("c", 0, 0, 0, 1); });
  add("begins at byte", [](ZipFile& zip) { zip.add_row("c", 1, 0x7fffffff); });
  add("no header of member", [](ZipFile& zip) { zip.add_row("c", 1, 0); });
  add("members in a zip directory", [](ZipFile& zip) { zip.members = 0xffff; });
  add("ends early", [](ZipFile& zip) { zip.directory.resize(zip.directory.size() - 1, 'x'); });
  add("the data ends at", [](ZipFile& zip) {
    zip.add({"c", "x"});
    zip.directory.replace(zip.directory.size() - 27, 8, 8, '\x7f');  // both of its sizes
  });
  // A member inside of another's data.
  ZipFile inner = good_zip();
  const std::string nested = "PK\x03\x04" + std::string(22, '\0') + raw<std::uint16_t>(1) +
                             raw<std::uint16_t>(0) + "dabcd";
  inner.add({"outer", nested});
  inner.add_row("d", 2, static_cast<std::uint32_t>(inner.data.size() - nested.size()));
  cases.push_back({inner.bytes(), "lies on the bytes of another"});
  ZipFile lacking;
  lacking.add({"a/data.pkl", pickle});
  cases.push_back({lacking.bytes(), "is not there"});
  cases.push_back({ZipFile{}.bytes(), "no data.pkl"});
  cases.push_back({"PK\x03\x04" + std::string(70'000, 'x'), "without an end"});
  expect_refusals(cases);
}

// The end record's values replaced by a zip64 record's.
std::string zip64(std::uint64_t members, std::uint64_t bytes, std::uint64_t offset) {
  const ZipFile zip = good_zip();
  const std::string whole = zip.bytes();
  const std::size_t end = zip.data.size() + zip.directory.size();
  const std::string record = "PK\x06\x06" + raw<std::uint64_t>(44) + std::string(12, '\0') +
                             raw(members) + raw(members) + raw(bytes) + raw(offset);
  const std::string locator = "PK\x06\x07" + raw<std::uint32_t>(0) +
                              raw(static_cast<std::uint64_t>(end)) + raw<std::uint32_t>(1);
  return whole.substr(0, end) + record + locator + whole.substr(end);
}

TEST(Hostile, Zip64) {
  const ZipFile zip = good_zip();
  EXPECT_EQ(read_hostile(zip64(2, zip.directory.size(), zip.data.size())), "");
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 63U, kMost = ~std::uint64_t{0};
  expect_refusals({{zip64(kHuge, zip.directory.size(), zip.data.size()), "members in a zip"},
                   {zip64(2, kMost, zip.data.size()), "does not end before"},
                   {zip64(2, kHuge, kHuge), "does not end before"},
                   {zip64(2, zip.directory.size(), kMost - 10), "does not end before"},
                   {zip64(2, zip.directory.size(), 0), "ends early"}});
}

}  // namespace
}  // namespace lamella
