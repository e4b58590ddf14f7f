// The same bytes as each of the small formats: a CSV table, a recipe, rules for names, a file of
// kernel calls, an .npy array.
#include <algorithm>
#include <cstdlib>
#include <span>
#include <sstream>

#include "engine/errors.h"
#include "io/csv.h"
#include "kernels/calls/kernel_call.h"
#include "tools/npy.h"
#include "tools/recipe.h"
#include "weights/name_map.h"

using namespace lamella;

namespace {

// Runs one reader; an Error, or for kernel calls its base, is the only thing that may come.
template <class Allowed = Error, class Read>
void attempt(Read read) {
  try {
    read();
  } catch (const Allowed&) {
  }
}

void read_recipe(const std::string& text) {
  const tool::Recipe recipe = tool::parse_recipe(text, "fuzz");
  if (tool::parse_recipe(tool::format_recipe(recipe), "again") != recipe) std::abort();
}

// The first line is also the name of a tensor; 64 bytes are enough for a rule to be slow.
void rename_tensors(const std::string& text) {
  const NameMap map = NameMap::parse(text, "fuzz");
  TensorFile file;
  for (const std::string& name : {std::string("block1.layer.0.bn1.weight"), std::string("fc.bias"),
                                  text.substr(0, std::min<std::size_t>(text.find('\n'), 64))}) {
    file.tensors[name] = StoredTensor::from_f32({1, 2, 3, 4}, {2, 2});
  }
  map.apply(file, "fuzz");
}

void read_calls(const std::string& text) {
  std::istringstream lines(text);
  for (const auto& [name, line] : read_shapes(lines)) {
    for (const KernelLine& call : with_backward(line)) make_call(call).least_bytes();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  attempt([&] { parse_csv(text, "fuzz"); });
  attempt([&] { read_recipe(text); });
  attempt([&] { rename_tensors(text); });
  attempt<std::runtime_error>([&] { read_calls(text); });
  attempt([&] { tool::parse_npy(std::as_bytes(std::span(data, size)).data(), size, "fuzz"); });
  return 0;
}
