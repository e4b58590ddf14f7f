// lamella synth: made-up images for demonstrations and tests.
#include <cstdio>

#include "io/synth_tem.h"
#include "tools/common.h"

namespace lamella::tool {
namespace {

struct SynthArguments {
  std::string out, format = "tiff", json;
  SynthTemOptions options;
};

int run(SynthArguments args) {
  args.options.format = args.format == "png" ? SynthFormat::Png : SynthFormat::Tiff;
  const std::vector<std::string> files = write_synth_tem(args.out, args.options);
  if (!args.json.empty()) {
    put_json(args.json, {{"schema", "lamella.synth/1"}, {"out", args.out}, {"files", files}});
  }
  if (args.json != "-") {
    std::printf("%zu synthetic images of %d classes in %s\n", files.size(), args.options.classes,
                args.out.c_str());
  }
  return 0;
}

}  // namespace

Verb add_synth(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("synth", "make synthetic images");
  parser->require_subcommand(1);
  CLI::App* tem = parser->add_subcommand("tem", "crops that look like electron micrographs");
  auto args = std::make_shared<SynthArguments>();
  SynthTemOptions& o = args->options;
  const int most = static_cast<int>(synth_tem_classes().size());
  tem->add_option("--out", args->out, "folder to make; must be empty or absent")->required();
  tem->add_option("--classes", o.classes, "particle shapes")
      ->check(CLI::Range(2, most))
      ->capture_default_str();
  tem->add_option("--per-class", o.per_class, "crops per class")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  tem->add_option("--size", o.size, "pixels of a side")
      ->check(CLI::Range(32, 1024))
      ->capture_default_str();
  tem->add_option("--per-micrograph", o.per_micrograph,
                  "crops that share stain, noise and illumination")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  tem->add_option("--seed", o.seed, "equal seeds give equal images")->capture_default_str();
  tem->add_option("--format", args->format, "tiff or png, both 16-bit")
      ->check(CLI::IsMember({"tiff", "png"}))
      ->capture_default_str();
  add_json_option(*tem, args->json);
  const char* example =
      "Example:\n  lamella synth tem --out synthetic --classes 6 --per-class 200 --size 64 --seed "
      "1";
  parser->footer(example);
  tem->footer(example);
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
