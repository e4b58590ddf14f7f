// lamella train: one run, or those of a cross-validation.
#include <filesystem>

#include "engine/errors.h"
#include "tools/cross_validate.h"
#include "tools/train_run.h"

namespace lamella::tool {
namespace {

int run(const TrainArguments& args, const CLI::App& parser) {
  if (args.model.empty()) throw UsageError("train needs --model; lamella inspect lists the names");
  if (args.data.empty()) throw UsageError(std::string("train needs --data: a ") + kDataHelp);
  if (args.out.empty() && args.resume.empty()) throw UsageError("train needs --out, a new folder");
  args.transfer.check();
  if (args.split.folds == 0 && (args.split.fold > 0 || args.repeats > 1)) {
    throw UsageError("--fold and --repeats need --folds");
  }
  if (args.split.fold > args.split.folds) {
    throw UsageError(text("--fold ", args.split.fold, " of ", args.split.folds, " folds"));
  }
  const bool all_folds = args.split.folds > 0 && args.split.fold == 0;
  return all_folds ? cross_validate(args, parser) : train_run(args, parser);
}

}  // namespace

Verb add_train(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("train", "train a network on a folder of images");
  auto args = std::make_shared<TrainArguments>();
  add_train_options(*parser, *args);
  parser->footer(
      "Example:\n  lamella train --model cbr_small --data crops --size 128 --epochs 14 "
      "--augment flips,turns --out run1\n  lamella train --resume run1\n  lamella train --model "
      "cbr_small --data crops --size 128 --epochs 14 --folds 5 --out crossval1\n  lamella train "
      "--from run1 --data more_crops --lr 0.0001 --out run2");
  return {parser, [args, parser] {
            std::string& from = args->transfer.from;
            if (!from.empty()) from = std::filesystem::absolute(from).lexically_normal().string();
            args->split.seed = args->train.seed;
            args->train.seed += static_cast<std::uint64_t>(args->split.repeat - 1);
            args->transfer.add_to(args->train);
            return run(*args, *parser);
          }};
}

}  // namespace lamella::tool
