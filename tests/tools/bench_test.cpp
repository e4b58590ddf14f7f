// lamella bench kernels: its files, limits, and what it says of faults.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "engine/errors.h"
#include "tests/tools/tool_process.h"
#include "tools/sarif.h"

namespace lamella {
namespace {

const char* const kCall = "softmax_fwd N=16 C=200";

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class BenchTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = why_unavailable("simt-counted");
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  static Answer bench(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"bench", "kernels", kCall};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_tool(arguments);
  }

  TemporaryFolder folder_;
};

TEST_F(BenchTest, ACountHoldsItself) {
  ASSERT_EQ(bench({"--json", file("count.json")}).status, 0);
  const Answer again = bench({"--assert", file("count.json")});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.err.find("1 of 1 calls held to limits: 0 figures exceed them"), std::string::npos)
      << again.err;
}

TEST_F(BenchTest, AGrownFigureFailsAndIsNamedAtItsLine) {
  ASSERT_EQ(bench({"--json", file("count.json")}).status, 0);
  Json count = read_json(file("count.json"));
  for (Json& row : count["rows"]) row["bytes_requested"] = 1;
  const Answer answer =
      bench({"--assert", write("less.json", count.dump()), "--sarif", file("out.sarif")});
  EXPECT_EQ(answer.status, 1);
  EXPECT_NE(answer.err.find("bytes_requested"), std::string::npos) << answer.err;
  const Json sarif = read_json(file("out.sarif"));
  EXPECT_EQ(sarif["version"], "2.1.0");
  const Json& results = sarif["runs"][0]["results"];
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0]["ruleId"], "bytes-requested");
  const Json& place = results[0]["locations"][0]["physicalLocation"];
  EXPECT_EQ(place["artifactLocation"]["uri"], "kernels/cuda/softmax.cu");
  EXPECT_GT(place["region"]["startLine"].get<int>(), 0);
}

TEST_F(BenchTest, LimitsMayBeGivenOutright) {
  const auto limits = [](const std::string& figures) {
    return R"({"schema": "lamella.limits/1", "limits": [{"kernel": "*", )" + figures + "}]}";
  };
  EXPECT_EQ(bench({"--assert", write("wide.json", limits(R"("distinct": 2)"))}).status, 0);
  EXPECT_EQ(bench({"--assert", write("tight.json", limits(R"("distinct": 0.5)"))}).status, 1);
}

TEST_F(BenchTest, WrongLimitsAreASentence) {
  const std::pair<const char*, const char*> wrong[] = {
      {"{", "wrong.json"},
      {"[]", "schema"},
      {R"({"schema": "lamella.run/1"})", "schema"},
      {R"({"schema": "lamella.simt/1"})", "is not what --json writes"},
      {R"({"schema": "lamella.simt/1", "rows": [{"op": 3}]})", "is not what --json writes"},
      {R"({"schema": "lamella.limits/1", "limits": 3})", "holds a list"},
      {R"({"schema": "lamella.limits/1", "limits": [{"kernel": "*", "speed": 3}]})", "speed"},
      {R"({"schema": "lamella.limits/1", "limits": [{"kernel": "*", "distinct": "x"}]})",
       "not a number"},
      {R"({"schema": "lamella.limits/1", "limits": [{"kernel": "relu_fwd", "distinct": 1}]})",
       "says nothing"}};
  for (const auto& [text, part] : wrong) {
    const Answer answer = bench({"--assert", write("wrong.json", text)});
    EXPECT_EQ(answer.status, 1) << text;
    EXPECT_NE(answer.err.find(part), std::string::npos) << text << ": " << answer.err;
  }
  EXPECT_EQ(bench({"--assert", file("none.json")}).status, 1);
  EXPECT_EQ(bench({"--html", file("no/such/folder.html")}).status, 1);
}

TEST_F(BenchTest, ThePageStandsAlone) {
  ASSERT_EQ(bench({"--html", file("page.html"), "--roofline", "a100"}).status, 0);
  const std::string page = read_file(file("page.html"));
  for (const char* part : {"<!DOCTYPE html>", "<svg", "softmax_fwd", "softmax.cu", "a100"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  for (const char* part : {"<script", "src=", "href=\"http", "@import", "url("}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
}

TEST(Sarif, AFindingHasBothLinesAndTheWayToReplayIt) {
  tool::Row row{"",
                KernelLine("relu_fwd pixels=3 C=8"),
                {make_call(KernelLine("relu_fwd pixels=3 C=8")), {}, {}}};
  simt::Finding race;
  race.kind = "race";
  race.sentence = "two threads";
  race.kernel = "relu_fwd";
  race.order_seed = 7;
  race.file = "kernels/cuda/a file.cu", race.line = 12;
  race.other_file = "kernels/cuda/b.cu", race.other_line = 34;
  race.block = "(1,0,0)", race.threads = "thread 3, thread 4";
  row.counted.findings = {race};
  const Json sarif = tool::sarif_of({row}, {});
  const Json& result = sarif["runs"][0]["results"][0];
  EXPECT_EQ(result["ruleId"], "race");
  EXPECT_EQ(result["message"]["text"], "two threads");
  const Json& place = result["locations"][0]["physicalLocation"];
  EXPECT_EQ(place["artifactLocation"]["uri"], "kernels/cuda/a%20file.cu");
  EXPECT_EQ(place["region"]["startLine"], 12);
  const Json& other = result["relatedLocations"][0]["physicalLocation"];
  EXPECT_EQ(other["region"]["startLine"], 34);
  EXPECT_EQ(result["properties"]["block"], "(1,0,0)");
  EXPECT_EQ(result["properties"]["orderSeed"], 7);
  EXPECT_NE(result["properties"]["replay"].get<std::string>().find("--simt-seed 7"),
            std::string::npos)
      << result["properties"]["replay"];
  // Each rule that a result names is declared.
  bool declared = false;
  for (const Json& rule : sarif["runs"][0]["tool"]["driver"]["rules"]) {
    declared |= rule["id"] == "race";
  }
  EXPECT_TRUE(declared);
}

}  // namespace
}  // namespace lamella
