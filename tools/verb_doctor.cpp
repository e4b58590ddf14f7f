// lamella doctor: what this build is and what works on this machine, by trying it.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/common.h"
#include "tools/doctor_step.h"
#include "train/build_info.h"

namespace lamella::tool {
namespace {

struct DoctorArguments {
  std::string json;
  int threads = 0;
};

struct Check {
  std::string device, description;
  bool works = false;
  std::string reason;  // why it does not work; empty: it was tried
  double descent = 0;
  StepDifferences step;  // from the processor
};

Check check(const std::string& device, int threads, const StepResult& expected) {
  Check result;
  result.device = device;
  result.reason = why_unavailable(device);
  if (!result.reason.empty()) return result;
  try {
    Context::Options options;
    options.device = device;
    options.threads = threads;
    Context ctx(options);
    result.description = ctx.backend().description;
    const StepResult step = training_step(ctx);
    result.descent = step.descent;
    result.step = differences(step, expected);
    result.works =
        result.step.within(kStepTolerance) && std::abs(step.descent - 1) <= kDescentTolerance;
  } catch (const std::exception& error) {
    result.reason = error.what();
  }
  return result;
}

Json to_json(const StepDifference& difference) {
  return {{"error", difference.error}, {"where", difference.where}};
}

Json to_json(const Check& c) {
  Json json = {{"device", c.device},
               {"works", c.works},
               {"description", c.description},
               {"reason", c.reason}};
  if (!c.reason.empty()) return json;
  json["step"] = {{"loss", to_json(c.step.loss)},
                  {"logits", to_json(c.step.logits)},
                  {"gradients", to_json(c.step.gradients)},
                  {"weights", to_json(c.step.weights)},
                  {"tolerance", kStepTolerance},
                  {"descent", c.descent},
                  {"descent_tolerance", kDescentTolerance}};
  return json;
}

void print(const Check& c) {
  const char* verdict = c.works ? "works" : c.reason.empty() ? "WRONG" : "not available";
  std::printf("%-5s %-14s %s%s%s\n", c.device.c_str(), verdict, c.description.c_str(),
              c.description.empty() || c.reason.empty() ? "" : "; ", c.reason.c_str());
  if (!c.reason.empty()) return;
  std::printf(
      "      a training step of cbr_tiny lowers the loss %.3f times as far as its gradient "
      "says (1 +-%.1f)\n",
      c.descent, kDescentTolerance);
  if (c.device == "cpu") return;  // the others are compared with it
  std::printf(
      "      and differs from cpu's, relative, by %.1e in the loss, %.1e in the logits, "
      "%.1e in gradients%s, %.1e in new weights (at most %.0e)\n",
      c.step.loss.error, c.step.logits.error, c.step.gradients.error,
      (c.step.gradients.where.empty() ? "" : " (" + c.step.gradients.where + ")").c_str(),
      c.step.weights.error, kStepTolerance);
}

int run(const DoctorArguments& args) {
  Context::Options options;
  options.threads = args.threads;
  Context cpu(options);
  const BuildInfo build = build_info(cpu);
  const StepResult expected = training_step(cpu);
  std::vector<Check> checks;
  for (const char* device : {"cpu", "cuda", "simt"}) {
    checks.push_back(check(device, args.threads, expected));
  }
  if (!args.json.empty()) {
    Json json = {
        {"schema", "lamella.doctor/2"}, {"version", build.version}, {"compiler", build.compiler},
        {"build", build.build_id},      {"cpu", build.cpu},         {"isa", build.isa},
        {"threads", build.threads},     {"devices", Json::array()}};
    for (const Check& c : checks) json["devices"].push_back(to_json(c));
    put_json(args.json, json);
  }
  if (args.json != "-") {
    std::printf("lamella %s, %s, build %s\n%s, instruction set %s, %d threads\n",
                build.version.c_str(), build.compiler.c_str(), build.build_id.c_str(),
                build.cpu.c_str(), build.isa.c_str(), build.threads);
    for (const Check& c : checks) print(c);
  }
  const auto wrong = [](const Check& c) { return c.reason.empty() && !c.works; };
  return !checks.front().works || std::any_of(checks.begin(), checks.end(), wrong) ? 1 : 0;
}

}  // namespace

Verb add_doctor(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("doctor", "say what works on this machine and why not");
  auto args = std::make_shared<DoctorArguments>();
  parser->add_option("--threads", args->threads, "CPU threads; 0: all processors")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  add_json_option(*parser, args->json);
  parser->footer("Example:\n  lamella doctor");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
