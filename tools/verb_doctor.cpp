// lamella doctor: what this build is and what works on this machine, by trying it.
#include <cmath>
#include <cstdio>

#include "engine/errors.h"
#include "engine/ops.h"
#include "engine/rng.h"
#include "tools/common.h"
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
  std::string detail;  // the error measured, or the reason why it does not work
};

std::vector<float> noise(std::int64_t count, std::uint32_t substream) {
  Rng rng(1, RngStream::Test, substream);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(rng.uniform(-1, 1));
  return values;
}

// A convolution of odd sizes, with stride and padding.
std::vector<float> convolve(Context& ctx) {
  const Tensor x = ctx.from_host(noise(2 * 17 * 19 * 5, 0), {2, 17, 19, 5});
  const Tensor w = ctx.from_host(noise(7 * 3 * 3 * 5, 1), {7, 3, 3, 5});
  const Tensor bias = ctx.from_host(noise(7, 2), {7});
  return ctx.to_host(
      conv2d(ctx, x, w, bias, {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}));
}

double relative_error(const std::vector<float>& y, const std::vector<float>& expected) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    difference += std::pow(double{y[i]} - double{expected[i]}, 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(difference / norm);
}

Check check(const std::string& device, int threads, const std::vector<float>& expected) {
  Check result{device, "", false, why_unavailable(device)};
  if (!result.detail.empty()) return result;
  try {
    Context::Options options;
    options.device = device;
    options.threads = threads;
    Context ctx(options);
    result.description = ctx.backend().description;
    const double error = relative_error(convolve(ctx), expected);
    result.works = error < 1e-5;
    char digits[80];
    std::snprintf(digits, sizeof digits, "a convolution differs from cpu by %.1e%s", error,
                  result.works ? "" : ", which is wrong");
    result.detail = digits;
  } catch (const std::exception& error) {
    result.detail = error.what();
  }
  return result;
}

int run(const DoctorArguments& args) {
  Context::Options options;
  options.threads = args.threads;
  Context cpu(options);
  const BuildInfo build = build_info(cpu);
  const std::vector<float> expected = convolve(cpu);
  std::vector<Check> checks;
  for (const char* device : {"cpu", "cuda", "simt"}) {
    checks.push_back(check(device, args.threads, expected));
  }
  if (!args.json.empty()) {
    Json json = {
        {"schema", "lamella.doctor/1"}, {"version", build.version}, {"compiler", build.compiler},
        {"build", build.build_id},      {"cpu", build.cpu},         {"isa", build.isa},
        {"threads", build.threads},     {"devices", Json::array()}};
    for (const Check& c : checks) {
      json["devices"].push_back({{"device", c.device},
                                 {"works", c.works},
                                 {"description", c.description},
                                 {"detail", c.detail}});
    }
    put_json(args.json, json);
  }
  if (args.json != "-") {
    std::printf("lamella %s, %s, build %s\n%s, instruction set %s, %d threads\n",
                build.version.c_str(), build.compiler.c_str(), build.build_id.c_str(),
                build.cpu.c_str(), build.isa.c_str(), build.threads);
    for (const Check& c : checks) {
      std::printf("%-5s %-14s %s%s%s\n", c.device.c_str(), c.works ? "works" : "not available",
                  c.description.c_str(), c.description.empty() ? "" : "; ", c.detail.c_str());
    }
  }
  return checks.front().works ? 0 : 1;
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
