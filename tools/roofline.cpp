#include "tools/roofline.h"

#include <algorithm>
#include <filesystem>

#include "engine/errors.h"
#include "weights/durable_file.h"
#include "weights/json.h"

namespace lamella::tool {
namespace {

// The makers' data sheets: H100 SXM5, A100 SXM4 80 GB, GeForce RTX 4090, Jetson AGX Orin 64 GB.
const Roofline kKnown[] = {{"h100", 3350, 66.9, 989.4},
                           {"a100", 2039, 19.5, 312},
                           {"rtx4090", 1008, 82.6, 165.2},
                           {"orin", 204.8, 5.3, 42.5}};

double positive(const Json& json, const char* key, const std::string& file) {
  if (!json.contains(key) || !json.at(key).is_number() || !(json.at(key).get<double>() > 0)) {
    fail(file, ": \"", key, "\" must be a number above nought");
  }
  return json.at(key).get<double>();
}

}  // namespace

double Roofline::floor(double bytes, double flops, DType dtype) const {
  const double tflops = dtype == DType::F32 ? tflops_f32 : tflops_16bit;
  return std::max(bytes / (gigabytes_per_second * 1e9), flops / (tflops * 1e12));
}

Roofline find_roofline(const std::string& name) {
  std::string names;
  for (const Roofline& known : kKnown) {
    if (name == known.name) return known;
    names += known.name + ", ";
  }
  if (!std::filesystem::exists(name)) {
    fail("--roofline ", name, ": there is no such file; use ", names, "or a JSON file");
  }
  const Json json = parse_json(read_text_file(name), name);
  if (!json.is_object()) fail(name, ": a roofline is an object; see lamella bench --help");
  Roofline roofline;
  roofline.name = name;
  if (json.contains("name")) {
    if (!json.at("name").is_string()) fail(name, ": \"name\" must be text");
    roofline.name = json.at("name").get<std::string>();
  }
  roofline.gigabytes_per_second = positive(json, "gigabytes_per_second", name);
  roofline.tflops_f32 = positive(json, "tflops_f32", name);
  roofline.tflops_16bit = positive(json, "tflops_16bit", name);
  return roofline;
}

}  // namespace lamella::tool
