#include "train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "engine/errors.h"
#include "train/event_file.h"
#include "train/report.h"
#include "weights/durable_file.h"
#include "weights/json.h"

namespace lamella {
namespace {

const char* const kSchema = "lamella.run/1";
const char* const kEvents = "events.out.tfevents.lamella";  // "tfevents" is what TensorBoard needs
constexpr std::size_t kLogLimit = std::size_t{4} << 30;     // bytes of one log
const char* const kStepLoss = "train/step_loss";
const char* const kMoveAway = "move the file away to go on without what it logged";

Json to_json(const Confusion& confusion) {
  Json rows = Json::array();
  for (std::int64_t truth = 0; truth < confusion.classes(); ++truth) {
    Json& row = rows.emplace_back(Json::array());
    for (std::int64_t p = 0; p < confusion.classes(); ++p) row.push_back(confusion.at(truth, p));
  }
  return rows;
}

// Memory is taken when all counts are known to be there.
Confusion confusion_of(const Json& rows, std::size_t classes) {
  if (rows.size() != classes) {
    fail("run.json: ", classes, " labels and a confusion matrix of ", rows.size());
  }
  for (const Json& row : rows) {
    if (row.size() != classes) fail("run.json: the confusion matrix is not square");
  }
  constexpr std::int64_t kMostImages = std::int64_t{1} << 32;
  Confusion confusion(static_cast<std::int64_t>(classes));
  for (std::size_t truth = 0; truth < classes; ++truth) {
    for (std::size_t p = 0; p < classes; ++p) {
      const std::int64_t images = whole_number(rows.at(truth).at(p));
      if (images < 0 || images > kMostImages) fail("run.json: a count of ", images, " images");
      confusion.add(static_cast<std::int64_t>(truth), static_cast<std::int64_t>(p), images);
    }
  }
  return confusion;
}

Json to_json(const EpochRecord& record) {
  return {{"epoch", record.epoch},
          {"step", record.step},
          {"lr", record.learning_rate},
          {"train_loss", record.train_loss},
          {"val", record.validation},
          {"seconds", record.seconds},
          {"images_per_s", record.images_per_s},
          {"weights_hash", record.weights_hash},
          {"best", record.best}};
}

EpochRecord epoch_of(const Json& line) {
  EpochRecord record;
  record.epoch = whole_number(line.at("epoch"));
  record.step = whole_number(line.at("step"));
  record.learning_rate = line.at("lr").get<double>();
  record.train_loss = line.at("train_loss").get<double>();
  record.validation = line.at("val").get<std::map<std::string, double>>();
  record.seconds = line.at("seconds").get<double>();
  record.images_per_s = line.at("images_per_s").get<double>();
  record.weights_hash = line.at("weights_hash").get<std::string>();
  record.best = line.at("best").get<bool>();
  return record;
}

Json to_json(const StepRecord& record) {
  return {{"epoch", record.epoch},      {"batch", record.batch},   {"step", record.step},
          {"lr", record.learning_rate}, {"images", record.images}, {"loss", record.loss}};
}

// One write of the whole text, so that a killed run leaves whole lines or one cut-off last one.
void append_text(const std::string& path, const std::string& text, bool flush) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      (!flush || ::fsync(file) == 0);
  const std::string why = std::strerror(errno);
  if (file >= 0) ::close(file);
  if (!written) fail("cannot append to ", path, ": ", why);
}

// Scalars of one step, for TensorBoard.
void append_events(const std::string& path, std::int64_t step,
                   const std::map<std::string, double>& scalars, bool flush) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string records = std::filesystem::exists(path) ? "" : event_file_start(now.count());
  for (const auto& [tag, value] : scalars) {
    records += event_record({now.count(), step, tag, static_cast<float>(value)});
  }
  append_text(path, records, flush);
}

void rewind_events(const std::string& path, const TrainState& state) {
  if (!std::filesystem::exists(path)) return;
  const auto keep = [&](std::int64_t step, std::string_view tag) {
    // In the middle of an epoch, even behind its last batch, its own figures are still to come.
    const bool counted = tag.empty() || tag == kStepLoss || state.batch == 0;
    return step < state.step || (step == state.step && counted);
  };
  const std::string kept = kept_events(read_text_file(path, kLogLimit), keep);
  if (kept.empty()) {
    std::filesystem::remove(path);
  } else {
    write_file_durably(path, kept);
  }
}

// Calls take(line) for the whole lines of a log as JSON; for none where the file does not exist.
template <class Take>
void for_lines(const std::string& path, const char* way_out, Take take) {
  if (!std::filesystem::exists(path)) return;
  std::istringstream text(read_text_file(path, kLogLimit));
  try {
    for (std::string line; std::getline(text, line);) {
      if (text.eof()) break;  // no newline: the line was cut off
      take(parse_json(line, path));
    }
  } catch (const Json::exception& error) {
    fail(path, " makes no sense (", error.what(), "); ", way_out);
  }
}

// Keeps the lines whose number under `key` is at most `most`.
void rewind(const std::string& path, const char* key, std::int64_t most) {
  if (!std::filesystem::exists(path)) return;
  std::string kept;
  for_lines(path, kMoveAway, [&](const Json& line) {
    if (whole_number(line.at(key)) <= most) kept += dump_json(line) + "\n";
  });
  write_file_durably(path, kept);
}

Json to_json(const ValidationImage& image) {
  return {{"image", image.path},
          {"group", image.group},
          {"label", image.prediction.label},
          {"probabilities", image.prediction.probabilities}};
}

ValidationImage validation_image_of(const Json& line, std::size_t classes) {
  ValidationImage image;
  image.path = line.at("image").get<std::string>();
  image.group = line.at("group").get<std::string>();
  const std::int64_t label = whole_number(line.at("label"));
  for (const Json& p : line.at("probabilities")) {  // what is no number is null in JSON
    image.prediction.probabilities.push_back(p.is_null() ? NAN : p.get<float>());
  }
  if (image.prediction.probabilities.size() != classes ||
      static_cast<std::uint64_t>(label) >= classes) {
    fail("validation.jsonl: ", image.path, " has label ", label, " and ",
         image.prediction.probabilities.size(), " probabilities; there are ", classes, " classes");
  }
  image.prediction.label = static_cast<std::int32_t>(label);
  return image;
}

Json to_json(const RunInfo& info) {
  Json json = {{"schema", kSchema}, {"status", info.status}};
  if (!info.reason.empty()) json["reason"] = info.reason;
  json["version"] = info.build.version;
  json["build"] = {{"id", info.build.build_id}, {"compiler", info.build.compiler}};
  json["machine"] = {{"cpu", info.build.cpu},
                     {"isa", info.build.isa},
                     {"threads", info.build.threads},
                     {"backend", info.build.backend}};
  json["model"] = {{"name", info.card.spec.name},
                   {"height", info.card.spec.height},
                   {"width", info.card.spec.width},
                   {"channels", info.card.spec.channels},
                   {"classes", info.card.spec.classes}};
  json["data"] = {{"path", info.data.path},
                  {"fingerprint", info.data.fingerprint},
                  {"split", info.data.split},
                  {"train_images", info.data.train_images},
                  {"validation_images", info.data.validation_images}};
  json["labels"] = info.card.labels;
  json["preprocessing"] = info.card.preprocessing;
  json["best"] = nullptr;
  if (info.best_epoch > 0) {
    const Metrics metrics = metrics_of(info.best_confusion);
    json["best"] = {{"epoch", info.best_epoch},
                    {"accuracy", metrics.accuracy},
                    {"balanced_accuracy", metrics.balanced_accuracy},
                    {"macro_f1", metrics.macro.f1},
                    {"confusion", to_json(info.best_confusion)}};
  }
  json["next_command"] = info.next_command;
  return json;
}

RunInfo info_of(const Json& json) {
  RunInfo info;
  info.status = json.at("status").get<std::string>();
  info.reason = json.value("reason", "");
  info.build = {json.at("version").get<std::string>(),
                json.at("build").at("compiler").get<std::string>(),
                json.at("build").at("id").get<std::string>(),
                json.at("machine").at("isa").get<std::string>(),
                json.at("machine").at("backend").get<std::string>(),
                json.at("machine").at("cpu").get<std::string>(),
                static_cast<int>(whole_number(json.at("machine").at("threads")))};
  const Json& model = json.at("model");
  info.card.spec = {model.at("name").get<std::string>(), whole_number(model.at("height")),
                    whole_number(model.at("width")), whole_number(model.at("channels")),
                    whole_number(model.at("classes"))};
  info.card.labels = json.at("labels").get<std::vector<std::string>>();
  info.card.preprocessing = json.at("preprocessing").get<std::map<std::string, std::string>>();
  const Json& data = json.at("data");
  info.data = {data.at("path").get<std::string>(), data.at("fingerprint").get<std::string>(),
               data.at("split").get<std::string>(), whole_number(data.at("train_images")),
               whole_number(data.at("validation_images"))};
  if (!json.at("best").is_null()) {
    info.best_epoch = whole_number(json.at("best").at("epoch"));
    info.best_confusion = confusion_of(json.at("best").at("confusion"), info.card.labels.size());
  }
  info.next_command = json.at("next_command").get<std::string>();
  return info;
}

}  // namespace

RunFolder RunFolder::create(const std::string& path) {
  RunFolder run(path);
  if (std::filesystem::exists(run.file("run.json"))) {
    fail(path, " already holds a run; choose another --out, or go on with --resume ", path);
  }
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("cannot make folder ", path, ": ", error.message());
  return run;
}

RunFolder RunFolder::open(const std::string& path) {
  RunFolder run(path);
  if (!std::filesystem::exists(run.file("run.json"))) fail(path, " holds no run (no run.json)");
  return run;
}

void RunFolder::write_recipe(const std::string& toml) const {
  write_file_durably(file("recipe.toml"), toml);
}

std::string RunFolder::recipe() const {
  return read_text_file(file("recipe.toml"));
}

void RunFolder::write_info(const RunInfo& info) const {
  write_file_durably(file("run.json"), dump_json(to_json(info), 2) + "\n");
}

RunInfo RunFolder::info() const {
  const Json json = parse_json(read_text_file(file("run.json")), file("run.json"));
  try {
    if (json.at("schema") != kSchema) fail(file("run.json"), " is not of schema ", kSchema);
    return info_of(json);
  } catch (const Json::exception& error) {
    fail(file("run.json"), " makes no sense (", error.what(), ")");
  }
}

void RunFolder::append(const EpochRecord& record) const {
  append_text(file("log.jsonl"), dump_json(to_json(record)) + "\n", true);
  std::map<std::string, double> scalars = {{"epoch", static_cast<double>(record.epoch)},
                                           {"learning_rate", record.learning_rate},
                                           {"train/loss", record.train_loss}};
  for (const auto& [name, value] : record.validation) scalars["validation/" + name] = value;
  append_events(file(kEvents), record.step, scalars, true);
}

void RunFolder::append(const StepRecord& record) const {
  append_text(file("steps.jsonl"), dump_json(to_json(record)) + "\n", false);
  append_events(file(kEvents), record.step, {{kStepLoss, record.loss}}, false);
}

std::vector<EpochRecord> RunFolder::epochs() const {
  std::vector<EpochRecord> records;
  for_lines(file("log.jsonl"), kMoveAway,
            [&](const Json& line) { records.push_back(epoch_of(line)); });
  return records;
}

void RunFolder::rewind_logs(const TrainState& state) const {
  rewind(file("log.jsonl"), "epoch", state.epoch);
  rewind(file("steps.jsonl"), "step", state.step);
  rewind_events(file(kEvents), state);
}

void RunFolder::remove_leftovers() const {
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (is_temporary(entry.path().filename().string())) std::filesystem::remove(entry.path());
  }
}

void RunFolder::write_best(const TensorFile& weights) const {
  write_safetensors(file(kBestModel), weights);
}

void RunFolder::write_validation(const std::vector<ValidationImage>& images) const {
  std::string lines;
  for (const ValidationImage& image : images) lines += dump_json(to_json(image)) + "\n";
  write_file_durably(file("validation.jsonl"), lines);
}

std::vector<ValidationImage> RunFolder::validation(std::size_t classes) const {
  std::vector<ValidationImage> images;
  for_lines(file("validation.jsonl"),
            "without it the report leaves out what it draws from probabilities: remove the file",
            [&](const Json& line) { images.push_back(validation_image_of(line, classes)); });
  return images;
}

void RunFolder::write_report(const PictureOf& picture_of) const {
  const RunInfo run = info();
  const std::vector<ValidationImage> images = validation(run.card.labels.size());
  write_file_durably(file("report.html"), report_html(run, epochs(), recipe(), images, picture_of));
}

}  // namespace lamella
