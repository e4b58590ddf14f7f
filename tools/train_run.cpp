#include "tools/train_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "engine/errors.h"
#include "io/data_check.h"
#include "io/loader.h"
#include "tools/arguments.h"
#include "tools/interrupt.h"
#include "tools/picture.h"
#include "tools/progress.h"
#include "train/format.h"
#include "train/run_folder.h"
#include "train/run_lock.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

// Everything a run is made of, in the order it is built.
struct Session {
  OpenData data;
  std::vector<Sample> held_out;               // the validation images
  std::unique_ptr<Loader> train, validation;  // validation: null where there are no such images
  std::unique_ptr<Context> ctx;
  Model model;
  RunInfo info;
  TrainOptions options;
  std::optional<RunFolder> run;  // comes last: what is refused leaves no folder
  std::optional<RunLock> lock;
};

LoaderOptions loader_options(const TrainArguments& args, bool training) {
  LoaderOptions options;
  options.batch = args.batch;
  options.seed = args.train.seed;
  options.shuffle = training;
  if (training) {
    options.augment = parse_augment(args.augment, args.image.size);
    options.per_class = args.per_class;
  }
  return options;
}

RunInfo describe(const TrainArguments& args, const Session& s, const Preprocess& preprocess) {
  RunInfo info;
  info.status = "running";
  info.build = build_info(*s.ctx);
  info.card = {s.model.spec(), s.data.dataset.classes, to_metadata(preprocess)};
  info.data = {std::filesystem::absolute(args.data).lexically_normal().string(), s.data.fingerprint,
               s.data.split, s.train->images(), s.validation ? s.validation->images() : 0};
  return info;
}

void check_same_data(const RunInfo& then, const RunInfo& now) {
  if (then.data.fingerprint != now.data.fingerprint) {
    fail("the images in ", now.data.path, " are not those the run began with (fingerprint ",
         now.data.fingerprint, ", was ", then.data.fingerprint,
         "); point --data at the same data set");
  }
}

// The look at every image that --strict and --skip-bad ask for.
void look_through(const TrainArguments& args, OpenData& data) {
  Dataset& dataset = data.dataset;
  for (const std::string& note : dataset.notes) std::fprintf(stderr, "%s\n", note.c_str());
  if (!args.strict && !args.skip_bad) return;
  Progress progress("look", static_cast<std::int64_t>(dataset.samples.size()), "images");
  DataCheck check = check_data(dataset, {}, [&](std::int64_t done) { progress.update(done); });
  if (args.skip_bad && !check.unreadable.empty()) {
    for (const auto& [index, reason] : check.unreadable) {
      std::fprintf(stderr, "left out: %s\n", reason.c_str());
    }
    data.split += text("; ", check.unreadable.size(), " unreadable images left out");
  }
  if (args.strict) {
    DataCheck rest = check;
    if (args.skip_bad) rest.unreadable.clear();
    std::vector<std::string> doubts = doubts_of(dataset, rest);
    doubts.insert(doubts.end(), dataset.notes.begin(), dataset.notes.end());
    if (!doubts.empty()) {
      fail("--strict stops: ", doubts.front(), " (the first of ", doubts.size(),
           " doubts; lamella inspect ", shell_quoted(args.data), " lists them)");
    }
  }
  if (args.skip_bad) drop_unreadable(dataset, check);
}

Session open_session(const TrainArguments& args) {
  const Preprocess preprocess = args.image.preprocess();
  OpenData data = training_data(args);
  Dataset training = data.dataset.subset(Split::Train);
  if (args.train_fraction < 1) {
    keep_fraction(training, Split::Train, args.train_fraction, args.train.seed);
    data.split += text("; ", args.train_fraction, " of the training images of each class");
  }
  auto train =
      std::make_unique<Loader>(std::move(training), preprocess, loader_options(args, true));
  const Dataset held_out = data.dataset.subset(Split::Validation);
  std::unique_ptr<Loader> validation;
  if (!held_out.samples.empty()) {
    validation = std::make_unique<Loader>(held_out, preprocess, loader_options(args, false));
  }
  auto ctx = make_context(args.device, args.train.seed);
  ModelSpec spec{args.model, args.image.size, args.image.size, args.image.channels,
                 static_cast<std::int64_t>(data.dataset.classes.size())};
  args.transfer.add_to(spec);
  Model model = make_model(*ctx, spec);
  TrainOptions options = args.train;
  options.loss.class_weights = parse_class_weights(args.class_weight, train->dataset());
  Session session{std::move(data),
                  held_out.samples,
                  std::move(train),
                  std::move(validation),
                  std::move(ctx),
                  std::move(model),
                  {},
                  std::move(options),
                  {},
                  {}};
  session.info = describe(args, session, preprocess);
  return session;
}

void open_folder(const TrainArguments& args, Session& s) {
  s.run = args.resume.empty() ? RunFolder::create(args.out) : RunFolder::open(args.resume);
  s.lock.emplace(s.run->path());
  s.run->remove_leftovers();
  s.info.next_command = program_name() + " train --resume " + shell_quoted(s.run->path());
}

void start_fresh(const TrainArguments& args, const CLI::App& parser, Session& s) {
  start_weights(*s.ctx, s.model, args.transfer, args.image.preprocess(), args.train.seed);
  Recipe fixed = {{"threads", std::to_string(s.ctx->threads())},
                  {"dtype", name_of(s.ctx->dtype)},
                  {"data", s.info.data.path},
                  {"from", args.transfer.from}};
  if (args.split.folds > 0) {
    fixed.emplace_back("fold", std::to_string(args.split.fold));
    fixed.emplace_back("repeat", std::to_string(args.split.repeat));
    fixed.emplace_back("repeats", "");
  }
  s.run->write_recipe(format_recipe(recipe_of(parser, fixed)));
}

void start_again(const TrainArguments& args, Session& s, Trainer& trainer) {
  const RunInfo then = s.run->info();
  check_same_data(then, s.info);
  if (!has_checkpoint(s.run->path())) {
    std::fprintf(stderr, "nothing was saved yet: beginning anew\n");
    start_weights(*s.ctx, s.model, args.transfer, args.image.preprocess(), args.train.seed);
    s.run->rewind_logs(trainer.state());
    return;
  }
  const NewestCheckpoint newest = read_newest_checkpoint(s.run->path());
  if (!newest.note.empty()) std::fprintf(stderr, "%s\n", newest.note.c_str());
  for (const std::string& difference : bit_differences(newest.file, s.info.build)) {
    std::fprintf(stderr, "the resumed run cannot give the same bits: %s\n", difference.c_str());
  }
  trainer.resume(newest.file, newest.path);
  discard_damaged(s.run->path(), newest);
  s.run->rewind_logs(trainer.state());
  s.info.best_epoch = then.best_epoch;
  s.info.best_confusion = then.best_confusion;
  const TrainState& state = trainer.state();
  std::fprintf(stderr, "going on after %lld epochs and %lld batches (step %lld)\n",
               static_cast<long long>(state.epoch), static_cast<long long>(state.batch),
               static_cast<long long>(state.step));
}

std::string sentence(const EpochRecord& record, std::int64_t epochs) {
  std::string line =
      text("epoch ", record.epoch, "/", epochs, "  loss ", fixed(record.train_loss, 4));
  if (!record.validation.empty()) {
    line += text("  validation: loss ", fixed(record.validation.at("loss"), 4), " accuracy ",
                 fixed(record.validation.at("accuracy"), 4), " balanced ",
                 fixed(record.validation.at("balanced_accuracy"), 4));
  }
  return line + text("  ", fixed(record.images_per_s, 1), " images/s", record.best ? "  best" : "");
}

std::vector<ValidationImage> validation_images(const std::vector<Sample>& samples,
                                               const Evaluation& made) {
  std::vector<ValidationImage> images;
  for (const Prediction& prediction : made.predictions) {
    const Sample& sample = samples[static_cast<std::size_t>(prediction.index)];
    images.push_back({sample.path, sample.group, prediction});
  }
  return images;
}

PictureOf pictures_of(const Session& s) {
  return [&dataset = s.data.dataset](const std::string& path) {
    return picture_address(dataset, path);
  };
}

TrainHooks make_hooks(const TrainArguments& args, Session& s, Progress& progress) {
  TrainHooks hooks;
  const std::int64_t images = s.train->images();
  hooks.step = [&, images](const StepRecord& record) {
    if (args.log_steps) s.run->append(record);
    const std::int64_t done = std::min(record.batch * args.batch, images);
    progress.update(
        (record.epoch - 1) * images + done,
        text("epoch ", record.epoch, "/", args.train.epochs, " loss ", fixed(record.loss, 4)));
  };
  hooks.best = [&](const TensorFile& weights, const EpochRecord& record, const Evaluation& made) {
    Confusion confusion = made.confusion;  // a copy that fails must not leave half of one in s.info
    s.run->write_best(weights);
    s.run->write_validation(validation_images(s.held_out, made));
    s.info.best_epoch = record.epoch;
    s.info.best_confusion = std::move(confusion);
    s.run->write_info(s.info);
  };
  hooks.epoch = [&](const EpochRecord& record) {
    s.run->append(record);
    s.run->write_report(pictures_of(s));
    progress.line(sentence(record, args.train.epochs));
  };
  hooks.checkpoint = [&](const TensorFile& file) { write_checkpoint(s.run->path(), file); };
  hooks.cancel = interrupted;
  return hooks;
}

void finish(Session& s, const std::string& status, const std::string& reason) {
  s.info.status = status;
  s.info.reason = reason;
  if (status == "finished") {
    // Images that had no part in training, nor in the choice of the best epoch, come first.
    const bool has_test = !s.data.dataset.subset(Split::Test).samples.empty();
    s.info.next_command = program_name() + (has_test || s.validation ? " eval " : " predict ") +
                          shell_quoted(s.run->path()) + (has_test ? " --split test" : "") +
                          (has_test || s.validation ? "" : " IMAGES");
  }
  s.run->write_info(s.info);
  s.run->write_report(pictures_of(s));
}

int report(const TrainArguments& args, const Session& s) {
  if (args.quiet) return 0;
  if (!args.json.empty()) {
    put_json(args.json, parse_json(read_text_file(s.run->file("run.json")), "run.json"));
    if (args.json == "-") return 0;
  }
  if (s.info.best_epoch > 0 && s.validation) {
    const Metrics m = metrics_of(s.info.best_confusion);
    std::printf(
        "best epoch %lld: validation accuracy %.4f (95 %% interval %.4f to %.4f), "
        "balanced %.4f, macro F1 %.4f\n",
        static_cast<long long>(s.info.best_epoch), m.accuracy, m.accuracy_low, m.accuracy_high,
        m.balanced_accuracy, m.macro.f1);
  }
  std::printf("run folder: %s\nnext: %s\n", s.run->path().c_str(), s.info.next_command.c_str());
  return 0;
}

[[noreturn]] void give_up(Session& s, const std::string& reason) {
  try {
    finish(s, "failed", reason);
  } catch (const std::exception& error) {  // on a full disk, likely for the same reason
    std::fprintf(stderr, "%s\n", error.what());
  }
  fail(reason, has_checkpoint(s.run->path())
                   ? "; the last checkpoint is kept in " + s.run->path()
                   : "; nothing was saved yet: remove " + s.run->path() + " to use the name again");
}

int train(const TrainArguments& args, Session& s, Trainer& trainer) {
  const std::int64_t images = s.train->images();
  Progress progress("train", args.train.epochs * images, "images");
  progress.start_from(trainer.state().epoch * images + trainer.state().batch * args.batch);
  watch_interrupts();
  TrainOutcome outcome{};
  try {
    outcome = trainer.run(make_hooks(args, s, progress));
    print_profile(args.device);
  } catch (const std::bad_alloc&) {
    give_up(s, "out of memory: use a smaller --batch or --size");
  } catch (const std::exception& error) {
    give_up(s, error.what());
  }
  if (outcome == TrainOutcome::Cancelled) {
    finish(s, "interrupted", "");
    progress.line("interrupted; everything is saved. To go on:");
    std::fprintf(stderr, "%s\n", s.info.next_command.c_str());
    return 1;
  }
  finish(s, "finished", "");
  const std::string why = trainer.why_ended();
  if (!why.empty()) {
    std::fprintf(stderr, "ended after %lld epochs: %s\n",
                 static_cast<long long>(trainer.state().epoch), why.c_str());
  }
  return report(args, s);
}

// The classes of the run that --from names, in their order.
std::vector<std::string> known_classes(const TrainArguments& args) {
  const bool again = std::filesystem::exists(args.resume + "/run.json");
  const RunInfo info = RunFolder::open(again ? args.resume : args.transfer.from).info();
  if (!again && info.status != "finished") {
    fail(args.transfer.from, " is not finished (", info.status, "); finish it with --resume, or ",
         "start from its weights as they are with --weights");
  }
  if (info.card.spec.name != args.model) {
    fail(args.transfer.from, " is of ", info.card.spec.name, ", and --model says ", args.model,
         "; leave it out");
  }
  return info.card.labels;
}

void add_known_classes(const TrainArguments& args, Dataset& dataset) {
  const std::vector<std::string> own = dataset.classes, known = known_classes(args);
  extend_classes(dataset, known);
  const auto lacks = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) == list.end();
  };
  for (const std::string& name : dataset.classes) {
    if (lacks(known, name)) std::fprintf(stderr, "new class: %s\n", name.c_str());
    if (lacks(own, name)) {
      std::fprintf(stderr, "class %s stays, though %s has no images of it\n", name.c_str(),
                   args.data.c_str());
    }
  }
}

}  // namespace

OpenData training_data(const TrainArguments& args) {
  OpenData data = open_data(args.data, args.groups, args.split);
  data.fingerprint = fingerprint(data.dataset);  // with the images that are left out
  if (!args.transfer.from.empty()) add_known_classes(args, data.dataset);
  look_through(args, data);
  return data;
}

int train_run(const TrainArguments& args, const CLI::App& parser) {
  Session s = open_session(args);
  Trainer trainer(*s.ctx, s.model, *s.train, s.validation.get(), s.options, s.info.card);
  open_folder(args, s);
  if (args.resume.empty()) {
    start_fresh(args, parser, s);
  } else {
    start_again(args, s, trainer);
  }
  s.run->write_info(s.info);
  std::fprintf(stderr,
               "%s on %s with %d threads: %lld training and %lld validation images, %zu "
               "classes\n",
               args.model.c_str(), s.ctx->backend().name, s.ctx->threads(),
               static_cast<long long>(s.info.data.train_images),
               static_cast<long long>(s.info.data.validation_images), s.info.card.labels.size());
  return train(args, s, trainer);
}

}  // namespace lamella::tool
