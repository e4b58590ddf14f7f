// Models to and from files: strict by name and shape.
#include "weights/model_io.h"

#include <gtest/gtest.h>

#include <span>

#include "engine/errors.h"
#include "tests/support/temporary_folder.h"
#include "weights/filter_layout.h"
#include "weights/json.h"
#include "weights/known_answer.h"

namespace lamella {
namespace {

const ModelSpec kSpec{"cbr_tiny", 32, 32, 1, 3};

ModelCard card() {
  return {kSpec, {"A", "B \"quoted\"", "Ç"}, {{"preprocess.height", "32"}}};
}

Model make(Context& ctx, std::uint64_t seed) {
  Model model = make_model(ctx, kSpec);
  model.initialise(ctx, seed);
  return model;
}

std::string refusal(Context& ctx, const Model& model, const TensorFile& file) {
  try {
    load_parameters(ctx, model, file, "f.safetensors");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ModelIo, ComesBackBitForBit) {
  const TemporaryFolder folder;
  Context ctx;
  const Model model = make(ctx, 5);
  const std::string path = folder.file("m.safetensors");
  write_safetensors(path, model_file(ctx, model, card()));
  const TensorFile file = read_safetensors(path);
  const ModelCard read = read_card(file, path);
  EXPECT_EQ(read.labels, card().labels);
  EXPECT_EQ(read.preprocessing, card().preprocessing);
  EXPECT_EQ(read.spec.name, kSpec.name);
  const Model loaded = load_model(ctx, file, path);
  EXPECT_EQ(weights_hash(ctx, loaded), weights_hash(ctx, model));
  EXPECT_NE(weights_hash(ctx, make(ctx, 6)), weights_hash(ctx, model));
}

TEST(ModelIo, ChecksTheKnownAnswer) {
  Context ctx;
  const Model model = make(ctx, 5);
  TensorFile file = model_file(ctx, model, card());
  const auto refused = [&](const Model& loaded) -> std::string {
    try {
      check_known_answer(ctx, loaded, file, "f.safetensors");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refused(make(ctx, 6)), "") << "a file without an answer";
  put_known_answer(ctx, model, file);
  EXPECT_EQ(parse_json(file.metadata.at(kKnownAnswer), "").size(), 3U);
  EXPECT_EQ(refused(load_model(ctx, file, "f").inference_form(ctx, 1)), "");
  EXPECT_NE(refused(make(ctx, 6)).find("f.safetensors does not give its known answer"),
            std::string::npos);
  for (const char* damage : {"", "{}", "[1]", "[1,2,3,4]", "[null,0,0]", "[0,0,0]"}) {
    file.metadata[kKnownAnswer] = damage;
    EXPECT_NE(refused(model), "") << damage;
  }
}

// Of any layer: its numbers with the other sign.
TEST(ModelIo, AChangedLayerChangesTheAnswer) {
  Context ctx;
  const Model model = make(ctx, 5);
  TensorFile file = model_file(ctx, model, card());
  put_known_answer(ctx, model, file);
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.name.ends_with("weight")) continue;
    TensorFile tampered = file;
    std::vector<std::byte>& data = tampered.tensors.at(parameter.name).data;
    for (std::size_t i = 3; i < data.size(); i += 4) data[i] ^= std::byte{0x80};
    EXPECT_THROW(check_known_answer(ctx, load_model(ctx, tampered, "f"), tampered, "f"), Error)
        << parameter.name;
  }
}

TEST(ModelIo, ListsWhatDoesNotFitAndLeavesTheModelAlone) {
  Context ctx;
  const Model model = make(ctx, 5);
  const std::string before = weights_hash(ctx, model);
  TensorFile file = model_file(ctx, make(ctx, 6), card());
  const std::string missing = model.parameters().front().name;
  const std::string misshapen = model.parameters().back().name;
  file.tensors.erase(missing);
  file.tensors[misshapen] = StoredTensor::from_f32({1, 2}, {2, 1});
  file.tensors["stranger"] = StoredTensor::from_f32({1}, {1});
  const std::string sentence = refusal(ctx, model, file);
  EXPECT_NE(sentence.find("1 missing: '" + missing + "'"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("'" + misshapen + "' is 2x1, not"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("1 not in the model: 'stranger'"), std::string::npos) << sentence;
  EXPECT_EQ(weights_hash(ctx, model), before);
}

TEST(ModelIo, ShowsTheFirstFewOfEachKindAndCountsTheRest) {
  Context ctx;
  const Model model = make(ctx, 5);
  TensorFile file = model_file(ctx, model, card());
  file.tensors.clear();
  for (int i = 0; i < 9; ++i) file.tensors[text("x", i)] = StoredTensor::from_f32({1}, {1});
  const std::string sentence = refusal(ctx, model, file);
  EXPECT_NE(sentence.find(text(model.parameters().size(), " missing: '")), std::string::npos)
      << sentence;
  EXPECT_NE(sentence.find("9 not in the model: 'x0', 'x1', 'x2', 'x3', 'x4', 'x5', ..."),
            std::string::npos)
      << sentence;
  EXPECT_NE(sentence.find("--map"), std::string::npos) << sentence;
}

TEST(ModelIo, SaysHowAClassOfTheBackgroundIsTakenAway) {
  Context ctx;
  ModelSpec spec = kSpec;
  spec.classes = 1001;
  const Model larger = make_model(ctx, spec);
  larger.initialise(ctx, 1);
  spec.classes = 1000;
  const Model model = make_model(ctx, spec);
  const std::string sentence = refusal(ctx, model, model_file(ctx, larger, card()));
  EXPECT_NE(sentence.find("2 of another shape"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("--map drop_background"), std::string::npos) << sentence;
}

TEST(ModelIo, LoadsFilesOfPyTorch) {
  Context ctx;
  const Model model = make(ctx, 5), loaded = make(ctx, 6);
  TensorFile file = model_file(ctx, model, card());
  file.tensors[std::string(kOptimiserPrefix) + "m"] = StoredTensor::from_f32({1}, {1});
  to_pytorch(file, "f");
  EXPECT_EQ(file.tensors.size(), model.parameters().size());
  file.tensors["bn.num_batches_tracked"] = {"I64", {}, std::vector<std::byte>(8)};
  // One of them in doubles.
  StoredTensor& bias = file.tensors.at(model.parameters().back().name);
  const std::vector<float> values = bias.to_f32();
  const std::vector<double> wide(values.begin(), values.end());
  const auto bytes = std::as_bytes(std::span(wide));
  bias.dtype = "F64";
  bias.data.assign(bytes.begin(), bytes.end());
  EXPECT_EQ(refusal(ctx, loaded, file), "");
  EXPECT_EQ(weights_hash(ctx, loaded), weights_hash(ctx, model));
  // Without its schema the same file's filters would be taken for PyTorch's.
  TensorFile native = model_file(ctx, model, card());
  native.metadata.clear();
  EXPECT_NE(refusal(ctx, loaded, native).find("of another shape"), std::string::npos);
}

// The layout is the file's own word; a card alone means [K,R,S,C], as before there was that word.
TEST(ModelIo, TheLayoutOfFiltersIsTheFilesOwnWord) {
  Context ctx;
  const Model model = make(ctx, 5), loaded = make(ctx, 6);
  TensorFile older = model_file(ctx, model, card());
  EXPECT_EQ(older.metadata.at("filters"), "KRSC");
  older.metadata.erase("filters");
  EXPECT_EQ(refusal(ctx, loaded, older), "");
  EXPECT_EQ(weights_hash(ctx, loaded), weights_hash(ctx, model));
  TensorFile file = model_file(ctx, model, card());
  EXPECT_EQ(channels_in(file, model, "f"), 1);
  to_pytorch(file, "f");
  put_card(file, card());
  file.metadata["filters"] = "KCRS";
  EXPECT_EQ(channels_in(file, model, "f"), 1);
  EXPECT_EQ(read_card(file, "f").labels, card().labels);
  EXPECT_EQ(weights_hash(ctx, load_model(ctx, file, "f")), weights_hash(ctx, model));
  file.metadata["filters"] = "CRSK";
  EXPECT_EQ(refusal(ctx, loaded, file),
            "f.safetensors: its metadata has filters 'CRSK'; KRSC and KCRS can be read");
  EXPECT_THROW(to_pytorch(file, "f"), Error);
}

// torchvision's googlenet and inception_v3 come with classifiers that only training has.
TEST(ModelIo, AuxiliaryClassifiersMayBeThere) {
  Context ctx;
  const Model model = make(ctx, 5);
  TensorFile file = model_file(ctx, model, card());
  for (const char* name : {"aux1.fc1.weight", "aux2.fc2.bias", "AuxLogits.conv0.bn.bias"}) {
    file.tensors[name] = StoredTensor::from_f32({1}, {1});
  }
  EXPECT_EQ(refusal(ctx, model, file), "");
  file.tensors["aux.bias"] = StoredTensor::from_f32({1}, {1});
  EXPECT_NE(refusal(ctx, model, file), "");
}

// GoogLeNet's aux1.fc1 is a filter over a whole map here and a linear layer in PyTorch, whose
// columns are in order C, H, W.
TEST(ModelIo, AFilterOverAWholeMapIsALinearLayerInPyTorch) {
  Context ctx;
  ModelSpec spec{"googlenet", 32, 32, 3, 3};
  spec.auxiliary = true;
  const ModelCard card{spec, {"A", "B", "C"}, {}};
  const Model model = make_model(ctx, spec);
  model.initialise(ctx, 5);
  const TensorFile own = model_file(ctx, model, card);
  EXPECT_TRUE(read_card(own, "f").spec.auxiliary);
  TensorFile torch = own;
  to_pytorch(torch, "f");
  const StoredTensor &flat = torch.tensors.at("aux1.fc1.weight"),
                     &filter = own.tensors.at("aux1.fc1.weight");
  ASSERT_EQ(flat.shape, (std::vector<std::int64_t>{1024, 2048}));
  ASSERT_EQ(filter.shape, (std::vector<std::int64_t>{1024, 4, 4, 128}));
  const std::vector<float> columns = flat.to_f32(), taps = filter.to_f32();
  for (const std::size_t k : {0U, 1023U}) {
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t s = 0; s < 4; ++s) {
        for (std::size_t c = 0; c < 128; ++c) {
          ASSERT_EQ(columns[k * 2048 + (c * 4 + r) * 4 + s], taps[((k * 4 + r) * 4 + s) * 128 + c]);
        }
      }
    }
  }
  const Model again = make_model(ctx, spec);
  load_parameters(ctx, again, torch, "f");
  EXPECT_EQ(weights_hash(ctx, again), weights_hash(ctx, model));
  // A card beside it, as `convert --model` puts there, changes nothing of that.
  put_card(torch, card);
  torch.metadata[kFiltersKey] = "KCRS";
  again.initialise(ctx, 6);
  load_parameters(ctx, again, torch, "f");
  EXPECT_EQ(weights_hash(ctx, again), weights_hash(ctx, model));
  EXPECT_TRUE(load_model(ctx, torch, "f").auxiliary().empty());
}

TEST(ModelIo, ReadsHalfWeights) {
  Context ctx;
  const Model model = make(ctx, 5);
  TensorFile file = model_file(ctx, model, card());
  const std::string name = model.parameters().front().name;
  StoredTensor& tensor = file.tensors.at(name);
  tensor.dtype = "BF16";
  tensor.data.resize(tensor.data.size() / 2);
  std::fill(tensor.data.begin(), tensor.data.end(), std::byte{0});
  EXPECT_EQ(refusal(ctx, model, file), "");
  for (const float value : ctx.to_host(model.parameters().front().tensor)) EXPECT_EQ(value, 0.0F);
}

TEST(ModelIo, RefusesCardsThatMakeNoSense) {
  Context ctx;
  const TensorFile good = model_file(ctx, make(ctx, 5), card());
  const std::pair<const char*, const char*> damages[] = {
      {"schema", "other/1"}, {"input", "{"},
      {"input", "[1]"},      {"input", R"({"height":1e99,"width":1,"channels":1,"classes":1})"},
      {"labels", "{}"},      {"labels", R"(["A"])"},
      {"labels", "[1,2,3]"}, {"input", R"({"height":32,"width":-1,"channels":1,"classes":3})"}};
  for (const auto& [key, value] : damages) {
    TensorFile file = good;
    file.metadata[key] = value;
    EXPECT_THROW(read_card(file, "f"), Error) << key << " = " << value;
  }
  for (const char* key : {"schema", "architecture", "input", "labels"}) {
    TensorFile file = good;
    file.metadata.erase(key);
    EXPECT_THROW(read_card(file, "f"), Error) << "without " << key;
  }
  TensorFile unknown = good;
  unknown.metadata["architecture"] = "no_such_net";
  EXPECT_THROW(load_model(ctx, unknown, "f"), Error);
}

}  // namespace
}  // namespace lamella
