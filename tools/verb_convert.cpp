// lamella convert: a weight file of any form becomes safetensors that PyTorch and lamella load.
#include <cstdio>
#include <filesystem>

#include "engine/errors.h"
#include "tools/common.h"
#include "weights/filter_layout.h"
#include "weights/name_map.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

struct ConvertArguments {
  std::string in, out, entry, json;
  std::vector<std::string> maps;
};

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string line;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) line += " " + names[i];
  if (names.size() > kShown) line += text(" and ", names.size() - kShown, " more");
  return line;
}

void print(const Json& json) {
  std::printf("%s: %s", json.at("in").get<std::string>().c_str(),
              json.at("form").get<std::string>().c_str());
  const std::string entry = json.at("entry");
  if (!entry.empty()) std::printf(", entry %s", entry.c_str());
  std::printf("\n%s: %lld tensors, %lld elements, %lld renamed\n",
              json.at("out").get<std::string>().c_str(), json.at("tensors").get<long long>(),
              json.at("elements").get<long long>(), json.at("renamed").get<long long>());
  for (const char* kind : {"dropped", "skipped"}) {
    const auto names = json.at(kind).get<std::vector<std::string>>();
    if (!names.empty()) std::printf("%s:%s\n", kind, joined(names).c_str());
  }
}

int run(const ConvertArguments& args) {
  if (!args.out.ends_with(".safetensors")) {
    throw UsageError("--out " + args.out + " must end in .safetensors, the form that is written");
  }
  const std::string in = weight_file(args.in);
  std::error_code absent;
  if (std::filesystem::equivalent(in, args.out, absent)) {
    throw UsageError("--out " + args.out + " is the file that is read; give it another name");
  }
  ReadReport report;
  TensorFile file = read_weights(in, args.entry, &report);
  to_pytorch(file);
  Json json = {{"schema", "lamella.convert/1"},
               {"in", in},
               {"form", report.form},
               {"entry", report.entry},
               {"out", args.out},
               {"renamed", 0},
               {"shortened", 0},
               {"dropped", Json::array()},
               {"skipped", report.skipped}};
  for (const std::string& map : args.maps) {
    const NameMap::Changes changes = NameMap::open(map).apply(file, in);
    json["renamed"] = json["renamed"].get<std::int64_t>() + changes.renamed;
    json["shortened"] = json["shortened"].get<std::int64_t>() + changes.shortened;
    for (const std::string& name : changes.dropped) json["dropped"].push_back(name);
  }
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : file.tensors) elements += tensor.count();
  json["tensors"] = file.tensors.size();
  json["elements"] = elements;
  write_safetensors(args.out, file);
  if (!args.json.empty()) put_json(args.json, json);
  if (args.json != "-") print(json);
  return 0;
}

}  // namespace

Verb add_convert(CLI::App& app) {
  CLI::App* parser = app.add_subcommand(
      "convert", "make safetensors of any weight file, with PyTorch's names and layout");
  auto args = std::make_shared<ConvertArguments>();
  parser->add_option("in", args->in, "PyTorch checkpoint, safetensors file or run folder")
      ->required();
  parser->add_option("--out", args->out, "file to write; ends in .safetensors")->required();
  std::string maps;
  for (const std::string& name : NameMap::names()) maps += name + ", ";
  parser
      ->add_option(
          "--map", args->maps,
          "changes of names: " + maps +
              "or a file of rules, one `from -> to` per line "
              "(weights/name_map.h); may be given again, each for what the one before left")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  parser->add_option("--entry", args->entry,
                     "entry of the checkpoint that holds the weights; default: state_dict and the "
                     "like, where it is plain which");
  add_json_option(*parser, args->json);
  parser->footer(
      "Example:\n  lamella convert model_best.pth.tar --out model.safetensors --map "
      "densenet_bc_cifar");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
