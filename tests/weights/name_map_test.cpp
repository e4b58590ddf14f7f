// Names of tensors by rules.
#include "weights/name_map.h"

#include <gtest/gtest.h>

#include "engine/errors.h"
#include "weights/filter_layout.h"

namespace lamella {
namespace {

// A file of such tensors, each of shape [rows, 2] with its rows numbered from 0.
TensorFile file_of(const std::vector<std::string>& names, std::int64_t rows = 1) {
  TensorFile file;
  std::vector<float> values;
  for (std::int64_t i = 0; i < 2 * rows; ++i) values.push_back(static_cast<float>(i / 2));
  for (const std::string& name : names) {
    file.tensors[name] = StoredTensor::from_f32(values, {rows, 2});
  }
  return file;
}

std::vector<std::string> names_of(const TensorFile& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  return names;
}

// The name the rules make of `name`; "unfit" where they do not fit it.
std::string renamed(const std::string& rules, const std::string& name) {
  TensorFile file = file_of({name});
  try {
    NameMap::parse(rules, "rules").apply(file, "f");
  } catch (const Error&) {
    return "unfit";
  }
  return file.tensors.empty() ? "" : file.tensors.begin()->first;
}

std::string refusal(const std::string& rules, TensorFile file) {
  const std::vector<std::string> before = names_of(file);
  try {
    NameMap::parse(rules, "rules").apply(file, "f");
  } catch (const Error& error) {
    EXPECT_EQ(names_of(file), before) << "a refused map must change nothing";
    return error.what();
  }
  return "";
}

TEST(NameMap, WildcardsStandForWhatTheyMatched) {
  EXPECT_EQ(renamed("a.*.w -> b.*.weight", "a.x1.w"), "b.x1.weight");
  EXPECT_EQ(renamed("a.*.w -> b.*.weight", "a.x.y.w"), "unfit") << "* does not cross a dot";
  EXPECT_EQ(renamed("a.** -> b.**", "a.x.y.w"), "b.x.y.w");
  EXPECT_EQ(renamed("a* -> b*", "a"), "unfit") << "a wildcard stands for at least one character";
  EXPECT_EQ(renamed("l*.* -> *.m*", "l1.2"), "1.m2") << "in order of appearance";
  EXPECT_EQ(renamed("l.* -> l*+1", "l.9"), "l10");
  EXPECT_EQ(renamed("l.*.w -> l*+100.w", "l.0.w"), "l100.w");
  EXPECT_EQ(renamed("a.b -> c", "a.b.c"), "unfit") << "a rule is for whole names";
  EXPECT_EQ(renamed("**.w -> x.**", "a.w.w"), "x.a.w");
  EXPECT_EQ(renamed("a -> b\na -> c", "a"), "unfit") << "the second rule is never reached";
  EXPECT_EQ(renamed("a -> -", "a"), "");
  EXPECT_EQ(renamed(" # nothing\n\n a -> b  # said\r\n", "a"), "b");
}

TEST(NameMap, RefusesRulesThatAreNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"\nab", "rules:2: 'ab' is no rule"},
      {"-> b", "is no rule"},
      {"a ->", "is no rule"},
      {"a b -> c", "is no rule"},
      {"a.* -> b", "1 wildcards on the left, 0 on the right"},
      {"a -> *", "0 wildcards on the left, 1 on the right"},
      {"*.*.*.*.*.*.* -> -", "7 wildcards; at most 6"},
      {"a -> b without row 0 of x", "does not say of how many rows"},
      {"a -> b without row 0 of 0", "does not say of how many rows"},
  };
  for (const auto& [rules, words] : cases) {
    const std::string sentence = refusal(rules, file_of({"a"}));
    EXPECT_NE(sentence.find(words), std::string::npos) << rules << ": " << sentence;
  }
}

TEST(NameMap, RefusesWhatDoesNotFitTheFile) {
  EXPECT_NE(refusal("b -> c", file_of({"a"})).find("f: no tensor fits the rule 'b -> c' of rules"),
            std::string::npos);
  EXPECT_NE(refusal("a -> b", file_of({"a", "b"})).find("two tensors would be called 'b'"),
            std::string::npos);
  EXPECT_NE(refusal("a.* -> b*+1", file_of({"a.x"})).find("adds 1 to 'x', which is no number"),
            std::string::npos);
}

TEST(NameMap, TakesTheBackgroundAway) {
  TensorFile file = file_of({"last_linear.weight"}, 1001);
  file.tensors["conv.weight"] = file_of({"x"}, 1000).tensors.at("x");
  const NameMap::Changes changes = NameMap::open("drop_background").apply(file, "f");
  EXPECT_EQ(changes.shortened, 1);
  EXPECT_EQ(changes.renamed, 0);
  const StoredTensor& tensor = file.tensors.at("last_linear.weight");
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{1000, 2}));
  const std::vector<float> values = tensor.to_f32();
  ASSERT_EQ(values.size(), 2000U);
  EXPECT_EQ(values.front(), 1);
  EXPECT_EQ(values.back(), 1000);
  EXPECT_EQ(file.tensors.at("conv.weight").shape[0], 1000);
}

TEST(NameMap, KnowsTheNamesOfDenseNetsCheckpoints) {
  TensorFile file = file_of({"conv1.weight", "block2.layer.9.bn1.bias", "block2.layer.9.bn2.bias",
                             "block2.layer.9.conv1.weight", "block2.layer.9.conv2.weight",
                             "trans1.bn1.weight", "trans1.conv1.weight", "bn1.weight", "fc.bias"});
  NameMap::open("densenet_bc_cifar").apply(file, "f");
  EXPECT_EQ(names_of(file),
            (std::vector<std::string>{"classifier.bias", "features.conv0.weight",
                                      "features.denseblock2.denselayer10.conv1.weight",
                                      "features.denseblock2.denselayer10.conv2.weight",
                                      "features.denseblock2.denselayer10.norm1.bias",
                                      "features.denseblock2.denselayer10.norm2.bias",
                                      "features.norm5.weight", "features.transition1.conv.weight",
                                      "features.transition1.norm.weight"}));
}

TEST(NameMap, OldNamesOfTorchvisionBecomeTodays) {
  const std::pair<const char*, const char*> cases[] = {
      {"features.denseblock1.denselayer2.norm.1.running_mean",
       "features.denseblock1.denselayer2.norm1.running_mean"},
      {"features.denseblock4.denselayer16.conv.2.weight",
       "features.denseblock4.denselayer16.conv2.weight"},
      {"features.denseblock1.denselayer2.norm2.bias",
       "features.denseblock1.denselayer2.norm2.bias"},
      {"features.norm.1.weight", "features.norm.1.weight"},
      {"", ""}};
  for (const auto& [old, today] : cases) EXPECT_EQ(todays_densenet_name(old), today);
}

TEST(NameMap, TheFirstRuleThatFitsCounts) {
  TensorFile file = file_of({"a", "x"});
  NameMap::parse("a -> b\n* -> c.*", "rules").apply(file, "f");
  EXPECT_EQ(names_of(file), (std::vector<std::string>{"b", "c.x"}));
}

TEST(FilterLayout, GoesBothWays) {
  std::vector<float> values(2 * 3 * 2 * 2);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const StoredTensor kcrs = StoredTensor::from_f32(values, {2, 3, 2, 2});
  const StoredTensor krsc = kcrs_to_krsc(kcrs);
  EXPECT_EQ(krsc.shape, (std::vector<std::int64_t>{2, 2, 2, 3}));
  // [k=1, c=2, r=0, s=1] is element ((1*3+2)*2+0)*2+1 = 21; [1,0,1,2] is ((1*2+0)*2+1)*3+2 = 17.
  EXPECT_EQ(krsc.to_f32()[17], 21);
  EXPECT_EQ(krsc_to_kcrs(krsc).data, kcrs.data);
  EXPECT_EQ(krsc_to_kcrs(krsc).shape, kcrs.shape);
  EXPECT_THROW(kcrs_to_krsc(StoredTensor::from_f32({1}, {1})), Error);
}

}  // namespace
}  // namespace lamella
