#include "weights/known_answer.h"

#include <algorithm>
#include <cmath>

#include "engine/errors.h"
#include "weights/json.h"
#include "weights/model_io.h"

namespace lamella {
namespace {

std::vector<float> answer_of(Context& ctx, const Model& model) {
  const GradScope no_gradients(ctx, false);
  ctx.training = false;
  const ModelSpec& spec = model.spec();
  std::vector<float> pixels(static_cast<std::size_t>(spec.height * spec.width * spec.channels));
  std::uint32_t value = 0;
  for (float& pixel : pixels) {
    pixel = static_cast<float>(static_cast<double>(value) / 2147483648.0 - 1);
    value += 2654435761U;
  }
  return ctx.to_host(
      model.forward(ctx, ctx.from_host(pixels, {1, spec.height, spec.width, spec.channels})));
}

// The answer in f32, whatever the model computes in: of a twin made from the file.
std::vector<float> exact_answer_of(Context& ctx, const Model& model, const TensorFile& file,
                                   const std::string& name) {
  if (ctx.dtype == DType::F32) return answer_of(ctx, model);
  const DTypeScope exact(ctx, DType::F32);
  ModelSpec spec = model.spec();
  spec.auxiliary = false;
  const Model twin = make_model(ctx, spec);
  load_parameters(ctx, twin, file, name);
  return answer_of(ctx, twin);
}

bool is_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

void put_known_answer(Context& ctx, const Model& model, TensorFile& file) {
  const std::vector<float> answer = exact_answer_of(ctx, model, file, "the model to be kept");
  if (is_finite(answer)) file.metadata[kKnownAnswer] = dump_json(Json(answer));
}

void check_known_answer(Context& ctx, const Model& model, const TensorFile& file,
                        const std::string& name) {
  const auto found = file.metadata.find(kKnownAnswer);
  if (found == file.metadata.end()) return;
  std::vector<float> known;
  try {
    known = parse_json(found->second, name).get<std::vector<float>>();
  } catch (const Json::exception& error) {
    fail(name, ": its known answer makes no sense (", error.what(), ")");
  }
  const std::vector<float> answer = exact_answer_of(ctx, model, file, name);
  if (known.size() != answer.size()) {
    fail(name, ": its known answer has ", known.size(), " logits, and the network ", answer.size());
  }
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < known.size(); ++i) {
    largest = std::max(largest, std::abs(double{known[i]}));
    off = std::max(off, std::abs(double{known[i]} - double{answer[i]}));
  }
  if (off <= kKnownAnswerTolerance * largest && is_finite(answer)) return;
  fail(name, " does not give its known answer on ", ctx.backend().name, ": a logit is off by ", off,
       " where the largest is ", largest,
       "; the file was changed, or this machine computes wrongly: take the file "
       "anew from where it was made, or try another device");
}

}  // namespace lamella
