#include "tools/train_options.h"

#include <algorithm>
#include <cmath>

#include "tools/lists.h"
#include "train/loss.h"

namespace lamella::tool {
namespace {

// Which images, and which of them for what.
void add_data_options(CLI::App& parser, TrainArguments& a) {
  parser.add_option("--data", a.data, kDataHelp);
  parser
      .add_option("--val-fraction", a.split.validation,
                  "share kept for validation where the data hold no such split")
      ->capture_default_str();
  parser.add_option("--test-fraction", a.split.test, "share kept away from training altogether")
      ->capture_default_str();
  parser
      .add_option("--folds", a.split.folds,
                  "cross-validation: so many folds of the training images, groups kept together; "
                  "a run without each of them, which judges it, and then all runs together")
      ->check(CLI::Range(2, 1000));
  parser.add_option("--repeats", a.repeats, "of the cross-validation, each with folds of its own")
      ->check(CLI::Range(1, 1000));
  parser.add_option("--fold", a.split.fold, "train only the run without this fold, from 1")
      ->check(CLI::Range(1, 1000));
  parser.add_option("--repeat", a.split.repeat, "of --fold: its repeat, from 1")
      ->check(CLI::Range(1, 1000));
  parser
      .add_option(
          "--per-class", a.per_class,
          "images of every class in an epoch, drawn anew each time, and repeated where there "
          "are fewer; 0: every image once")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  parser
      .add_option("--train-fraction", a.train_fraction,
                  "share of each class's training images to use, whole groups; smaller shares are "
                  "part of larger ones")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  parser.add_flag("--strict", a.strict,
                  "stop where lamella inspect has doubts about the images, such as the same one in "
                  "training and validation");
  parser.add_flag("--skip-bad", a.skip_bad, "leave out images that cannot be read, and count them");
  add_group_options(parser, a.groups);
}

// How the learning rate changes, and when the run ends.
void add_schedule_options(CLI::App& parser, TrainOptions& a) {
  parser.add_option("--schedule", a.schedule, "constant, step, cosine, restarts or plateau")
      ->capture_default_str();
  parser
      .add_option("--warmup-epochs", a.warmup_epochs,
                  "epochs of a learning rate that rises to --lr")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  parser.add_option("--restart-epochs", a.restart_epochs, "of restarts: epochs of the first cycle")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  parser
      .add_option("--restart-factor", a.restart_factor,
                  "of restarts: how many times as long each further cycle is")
      ->capture_default_str();
  parser
      .add_option(
          "--patience", a.patience,
          "of plateau: epochs without a lower validation loss, after which the learning rate "
          "falls to a tenth")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  parser
      .add_option("--stop-after", a.stop_after,
                  "epochs without a higher validation accuracy that end the run; 0: none do")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  parser
      .add_option("--time-budget", a.time_budget,
                  "seconds of training after which the run ends; 0: it goes on to the last epoch")
      ->capture_default_str();
}

// What is minimised, and by what steps.
void add_loss_options(CLI::App& parser, TrainArguments& a) {
  parser
      .add_option("--label-smoothing", a.train.loss.label_smoothing,
                  "share of each target spread over all classes")
      ->capture_default_str();
  parser
      .add_option("--class-weight", a.class_weight,
                  "of the loss: auto (every class has the same part), a power (0: every image, 1: "
                  "auto), or name=weight,...")
      ->capture_default_str();
  parser
      .add_option("--mixup", a.train.loss.mixup,
                  "mixes the images of a batch in pairs, by shares from Beta(this, this); 0: off")
      ->capture_default_str();
  parser
      .add_option("--ema", a.train.average_decay,
                  "decay of an average of the weights over the steps, which is validated and kept "
                  "in their place; 0: off")
      ->capture_default_str();
}

void add_optimiser_options(CLI::App& parser, TrainOptions& a) {
  parser.add_option("--lr", a.learning_rate, "learning rate")->capture_default_str();
  parser.add_option("--optimizer", a.optimiser.name, "adam, adamw or sgd")->capture_default_str();
  parser.add_option("--momentum", a.optimiser.momentum, "of sgd")->capture_default_str();
  parser
      .add_option("--weight-decay", a.optimiser.weight_decay,
                  "added to the gradient; adamw takes it off the weights")
      ->capture_default_str();
  parser
      .add_option("--clip-norm", a.optimiser.clip_norm,
                  "largest norm of all gradients together; larger ones are scaled to it; 0: off")
      ->capture_default_str();
}

}  // namespace

void add_train_options(CLI::App& parser, TrainArguments& a) {
  parser.add_option("--model", a.model, "network to train");
  add_transfer_options(parser, a.transfer);
  add_data_options(parser, a);
  add_image_options(parser, a.image);
  parser.add_option("--augment", a.augment, kAugmentHelp)->capture_default_str();
  parser.add_option("--batch", a.batch, "images per step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  parser.add_option("--epochs", a.train.epochs, "0 writes the initial weights and stops")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  add_optimiser_options(parser, a.train);
  add_loss_options(parser, a);
  add_schedule_options(parser, a.train);
  parser.add_option("--seed", a.train.seed, "of weights, order, augmentation, dropout and split")
      ->capture_default_str();
  parser
      .add_option("--checkpoint-every", a.train.checkpoint_every,
                  "steps between checkpoints inside an epoch; 0: at its end only")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  parser.add_flag("--log-steps", a.log_steps,
                  "write the loss of every step to steps.jsonl and for TensorBoard");
  add_device_options(parser, a.device);
  parser.add_option("--out", a.out, "run folder to make")->configurable(false);
  parser.add_option("--resume", a.resume, "run folder to go on with")->configurable(false);
  parser.add_option("--config", a.config, "recipe of options; what is typed wins")
      ->configurable(false);
  add_json_option(parser, a.json);
}

std::vector<float> parse_class_weights(const std::string& rule, const Dataset& training) {
  if (rule == "none") return {};
  std::vector<std::int64_t> images(training.classes.size());
  for (const Sample& sample : training.samples) ++images[static_cast<std::size_t>(sample.label)];
  if (rule == "auto") return balancing_weights(images);
  if (const double power = number_in(rule); !std::isnan(power)) {
    return balancing_weights(images, power);
  }
  std::vector<float> weights(training.classes.size(), 1.0F);
  for (const std::string& word : split_list(rule)) {
    const std::size_t equals = word.rfind('=');
    const double weight = equals == std::string::npos ? NAN : number_in(word.substr(equals + 1));
    if (std::isnan(weight)) {
      throw UsageError("--class-weight: '" + word +
                       "' is neither none, auto, a power nor name=weight");
    }
    const std::string name = word.substr(0, equals);
    const auto found = std::find(training.classes.begin(), training.classes.end(), name);
    if (found == training.classes.end()) {
      throw UsageError("--class-weight: there is no class '" + name + "' in " + training.root);
    }
    weights[static_cast<std::size_t>(found - training.classes.begin())] =
        static_cast<float>(weight);
  }
  return weights;
}

}  // namespace lamella::tool
