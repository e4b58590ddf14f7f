// A weight file says what its network makes of one image, so that whoever loads it can tell whether
// weights and machine still do what they did when it was written. It is no checksum: a number that
// only matters behind a ReLU that this image leaves closed may change unseen.
#pragma once

#include <string>

#include "models/model.h"
#include "weights/safetensors.h"

namespace lamella {

// The key in __metadata__: a JSON list of the logits. The image is no part of the file: number i of
// its prepared pixels, in the order of memory, is ((2654435761 * i) mod 2^32) / 2^31 - 1.
inline constexpr const char* kKnownAnswer = "known_answer";
// How far a logit may be off, as a share of the largest magnitude among them: more than rounding
// does between instruction sets, devices and forms of the network.
inline constexpr double kKnownAnswerTolerance = 1e-3;

// Writes the answer of `model`, whose weights are in `file`, beside what is there; none where it is
// no finite number. It is given in f32: where the model computes in 16 bits, by a twin of it. Costs
// the inference of one image; leaves ctx.training false.
void put_known_answer(Context& ctx, const Model& model, TensorFile& file);
// Throws Error that names `name` unless `model`, loaded from `file` and built for the card's input,
// gives the answer again. Does nothing where the file has none, as those of before.
void check_known_answer(Context& ctx, const Model& model, const TensorFile& file,
                        const std::string& name);

}  // namespace lamella
