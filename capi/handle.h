// What a handle of the C interface holds. Private to capi/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capi/lamella.h"
#include "engine/context.h"
#include "io/preprocess.h"
#include "weights/model_io.h"

struct lamella_model {
  std::unique_ptr<lamella::Context> ctx;
  lamella::TensorFile file;  // as it was read, or made: what is saved
  lamella::ModelCard card;
  lamella::Preprocess preprocess;
  lamella::Model ready;  // the inference form, for `batch` images
  std::int64_t batch;
};

namespace lamella::capi {

std::unique_ptr<Context> make_context(const lamella_device_options& options, std::uint64_t seed);
lamella_device_options default_device();

// Loads the weights and makes them ready on the device. `name` is what errors call the file.
std::unique_ptr<lamella_model> make_handle(TensorFile file, const std::string& name,
                                           const lamella_device_options& options);

}  // namespace lamella::capi
