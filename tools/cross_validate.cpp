#include "tools/cross_validate.h"

#include <cstdio>
#include <filesystem>

#include "engine/errors.h"
#include "io/loader.h"
#include "tools/arguments.h"
#include "tools/interrupt.h"
#include "tools/picture.h"
#include "tools/train_run.h"
#include "train/cross_validation.h"
#include "train/format.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

std::string summary_file(const std::string& folder) {
  return folder + "/crossval.json";
}

std::string run_name(std::int64_t repeat, std::int64_t fold) {
  return text("repeat-", repeat, "-fold-", fold);
}

// Makes the folder with the recipe of all its runs.
void begin(const TrainArguments& args, const CLI::App& parser) {
  if (is_cross_validation(args.out) || std::filesystem::exists(args.out + "/run.json")) {
    fail(args.out, " already holds runs; choose another --out, or go on with --resume ", args.out);
  }
  SplitOptions first = args.split;
  first.fold = 1;
  open_data(args.data, args.groups, first);  // refuses what cannot be before anything is made
  std::filesystem::create_directories(args.out);
  const std::string data = std::filesystem::absolute(args.data).lexically_normal().string();
  write_file_durably(
      args.out + "/recipe.toml",
      format_recipe(recipe_of(parser, {{"data", data}, {"from", args.transfer.from}})));
  const Json json = {{"schema", "lamella.crossval/1"}, {"status", "running"}};
  write_file_durably(summary_file(args.out), dump_json(json, 2) + "\n");
}

// Takes back what begin() made, where nothing else was made since: a refusal leaves no folder.
void undo_begin(const std::string& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_directory()) return;
  }
  std::filesystem::remove(folder + "/recipe.toml");
  std::filesystem::remove(summary_file(folder));
  std::filesystem::remove(folder);  // does so only where it is empty
}

// The exit status of one run, which may be finished or begun.
int train_fold(const TrainArguments& args, const CLI::App& parser, const std::string& folder,
               std::int64_t repeat, std::int64_t fold) {
  TrainArguments one = args;
  one.split.repeat = repeat;
  one.split.fold = fold;
  one.train.seed += static_cast<std::uint64_t>(repeat - 1);
  one.json.clear();
  one.quiet = true;
  one.resume.clear();
  one.out = folder + "/" + run_name(repeat, fold);
  const auto has = [&](const char* name) { return std::filesystem::exists(one.out + "/" + name); };
  if (has("run.json")) {
    if (RunFolder::open(one.out).info().status == "finished") return 0;
    if (has("checkpoint-last.safetensors") || has("checkpoint-prev.safetensors")) {
      one.resume = one.out;
    } else {
      std::filesystem::remove(one.out + "/run.json");  // stopped before its first checkpoint
    }
  }
  std::fprintf(stderr, "fold %lld of %lld, repeat %lld of %lld\n", static_cast<long long>(fold),
               static_cast<long long>(args.split.folds), static_cast<long long>(repeat),
               static_cast<long long>(args.repeats));
  return train_run(one, parser);
}

int train_all(const TrainArguments& args, const CLI::App& parser, const std::string& folder) {
  for (std::int64_t repeat = 1; repeat <= args.repeats; ++repeat) {
    for (std::int64_t fold = 1; fold <= args.split.folds; ++fold) {
      const int status = train_fold(args, parser, folder, repeat, fold);
      if (status == 0) continue;
      std::fprintf(stderr, "for the whole cross-validation: %s train --resume %s\n",
                   program_name().c_str(), shell_quoted(folder).c_str());
      return status;
    }
  }
  return 0;
}

FoldRun read_run(const std::string& folder, std::int64_t repeat, std::int64_t fold) {
  const RunFolder run = RunFolder::open(folder + "/" + run_name(repeat, fold));
  const RunInfo info = run.info();
  FoldRun made{run_name(repeat, fold), repeat, fold,
               info.best_epoch,        0,      run.validation(info.card.labels.size())};
  for (const EpochRecord& record : run.epochs()) made.seconds += record.seconds;
  return made;
}

// What all runs make of the images that none of them was given; none where there are no such.
std::optional<HeldOut> judge_held_out(const TrainArguments& args, const std::string& folder,
                                      const CrossValidation& made) {
  const OpenData data = training_data(args);
  Dataset held_out = data.dataset;
  std::erase_if(held_out.samples, [](const Sample& s) { return s.split == Split::Train; });
  if (held_out.samples.empty()) return std::nullopt;
  const auto ctx = make_context(args.device);
  LoaderOptions options;
  options.batch = args.batch;
  options.shuffle = false;
  Loader loader(held_out, args.image.preprocess(), options);
  HeldOut judged;
  judged.split = text(held_out.samples.size(), " images kept out of all runs (", data.split, ")");
  std::vector<Evaluation> members;
  for (const FoldRun& run : made.runs) {
    OpenModel opened = open_model(*ctx, folder + "/" + run.folder);
    make_ready(*ctx, opened.model, loader.images(), args.batch);
    members.push_back(evaluate(*ctx, opened.model, loader, interrupted));
    if (interrupted()) fail("interrupted; go on with --resume ", folder);
    judged.each.push_back(metrics_of(members.back().confusion));
  }
  for (const Prediction& prediction : mean_of(members).predictions) {
    const Sample& sample = held_out.samples[static_cast<std::size_t>(prediction.index)];
    judged.mean.push_back({sample.path, sample.group, prediction});
  }
  judged.majority = majority_of(members);
  return judged;
}

CrossValidation gather(const TrainArguments& args, const std::string& folder) {
  CrossValidation made;
  made.folds = args.split.folds;
  made.repeats = args.repeats;
  for (std::int64_t repeat = 1; repeat <= args.repeats; ++repeat) {
    for (std::int64_t fold = 1; fold <= args.split.folds; ++fold) {
      made.runs.push_back(read_run(folder, repeat, fold));
    }
  }
  const RunInfo info = RunFolder::open(folder + "/" + made.runs.front().folder).info();
  made.model = info.card.spec.name;
  made.data = info.data.path;
  made.fingerprint = info.data.fingerprint;
  made.labels = info.card.labels;
  made.split = text(args.split.folds, " folds of the training images, ", args.repeats,
                    args.repeats == 1 ? " time" : " times", "; the first: ", info.data.split);
  made.recipe = read_text_file(folder + "/recipe.toml");
  made.held_out = judge_held_out(args, folder, made);
  return made;
}

void print(const Json& json, const std::string& folder) {
  const auto line = [](const char* what, const Json& m) {
    std::printf("%s: accuracy %.4f (95 %% interval %.4f to %.4f), balanced %.4f, macro F1 %.4f\n",
                what, m.at("accuracy").get<double>(), m.at("accuracy_ci").at(0).get<double>(),
                m.at("accuracy_ci").at(1).get<double>(), m.at("balanced_accuracy").get<double>(),
                m.at("macro_f1").get<double>());
  };
  const Json& over = json.at("over_runs");
  std::printf("over %zu runs: accuracy %.4f +- %.4f, balanced %.4f +- %.4f\n",
              json.at("runs").size(), over.at("accuracy").at("mean").get<double>(),
              over.at("accuracy").at("sd").get<double>(),
              over.at("balanced_accuracy").at("mean").get<double>(),
              over.at("balanced_accuracy").at("sd").get<double>());
  line("all folds together", json.at("pooled"));
  if (const Json& held_out = json.at("held_out"); !held_out.is_null()) {
    std::printf("held out, one model: accuracy %.4f +- %.4f\n",
                held_out.at("each").at("mean").get<double>(),
                held_out.at("each").at("sd").get<double>());
    line("held out, mean probability", held_out.at("mean_probability"));
    line("held out, majority vote", held_out.at("majority_vote"));
  }
  std::printf("report: %s/report.html\nnext: %s predict %s IMAGES\n", folder.c_str(),
              program_name().c_str(), shell_quoted(folder).c_str());
}

}  // namespace

bool is_cross_validation(const std::string& path) {
  return std::filesystem::exists(summary_file(path));
}

Json read_cross_validation(const std::string& path) {
  const std::string file = summary_file(path);
  const Json json = parse_json(read_text_file(file), file);
  try {
    if (json.at("schema") != "lamella.crossval/1") {
      fail(file, " is not of schema lamella.crossval/1");
    }
    if (json.at("status") != "finished") {
      fail("the cross-validation in ", path, " is not finished; go on with lamella train --resume ",
           path);
    }
    json.at("fingerprint").get_ref<const std::string&>();
    for (const Json& run : json.at("runs")) run.at("folder").get_ref<const std::string&>();
  } catch (const Json::exception& error) {
    fail(file, " makes no sense (", error.what(), ")");
  }
  return json;
}

int cross_validate(const TrainArguments& args, const CLI::App& parser) {
  if (args.resume.empty()) begin(args, parser);
  const std::string& folder = args.resume.empty() ? args.out : args.resume;
  try {
    if (const int status = train_all(args, parser, folder); status != 0) return status;
  } catch (...) {
    if (args.resume.empty()) undo_begin(folder);
    throw;
  }
  const CrossValidation made = gather(args, folder);
  const std::string summary = cross_validation_json(made);
  const auto picture = [images = read_dataset(args.data)](const std::string& path) {
    return picture_address(images, path);
  };
  write_file_durably(folder + "/report.html", cross_validation_html(made, picture));
  write_file_durably(summary_file(folder), summary);
  const Json json = parse_json(summary, "crossval.json");
  if (!args.json.empty()) put_json(args.json, json);
  if (args.json != "-") print(json, folder);
  return 0;
}

}  // namespace lamella::tool
