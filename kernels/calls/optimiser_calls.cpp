// Optimiser steps, the gradients' norm and the average of weights: lists of tensors.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

enum class State { None, Momentum, Moments };

// A list of tensors whose arrays are operands of their own, one tensor after the other.
class ListOfLine {
 public:
  ListOfLine(const KernelLine& line, State state)
      : sizes_(tensor_sizes(line)),
        dtype_(line.dtype()),
        master_(line.get("master", 0) != 0),
        state_(state) {}

  DType dtype() const { return dtype_; }
  double elements() const {
    double sum = 0;
    for (const std::int64_t size : sizes_) sum += static_cast<double>(size);
    return sum;
  }

  std::vector<CallOperand> operands() const {
    std::vector<CallOperand> all;
    for (const std::int64_t size : sizes_) {
      all.push_back(matrix("g", dtype_, 1, size, size, Use::In, 1));
      if (state_ == State::None) continue;
      // Where there is a master, w is only written.
      all.push_back(matrix("w", dtype_, 1, size, size, master_ ? Use::Out : Use::InOut));
      if (master_) all.push_back(vector("master", size, Use::InOut));
      all.push_back(vector("m", size, Use::InOut));
      if (state_ == State::Moments) all.push_back(vector("v", size, Use::InOut));
    }
    return all;
  }

  // The tensors of operands(), from the front of `data`.
  std::vector<UpdateTensor> tensors(const std::vector<void*>& data) const {
    std::vector<UpdateTensor> all;
    std::size_t next = 0;
    for (const std::int64_t size : sizes_) {
      UpdateTensor& t = all.emplace_back();
      t.count = size, t.g = data[next++], t.weight_decay = 0.01F;
      if (state_ == State::None) continue;
      t.w = data[next++];
      if (master_) t.master = as<float>(data[next++]);
      t.m = as<float>(data[next++]);
      if (state_ == State::Moments) t.v = as<float>(data[next++]);
    }
    return all;
  }

 private:
  std::vector<std::int64_t> sizes_;
  DType dtype_;
  bool master_;
  State state_;
};

using Step = void (*)(const KernelTable&, const KernelContext&, const UpdateList&,
                      const float* control);

KernelCall step_call(const KernelLine& line, State state, double flops, Step step) {
  const ListOfLine list(line, state);
  const bool control = line.get("control", 0) != 0;
  KernelCall call;
  call.operands = list.operands();
  if (control) call.operands.push_back(vector("control", 4, Use::In, 1));
  call.flops = flops * list.elements();
  call.run = [list, control, step](const KernelTable& table, const KernelContext& ctx,
                                   const std::vector<void*>& data) {
    const std::vector<UpdateTensor> tensors = list.tensors(data);
    step(table, ctx, {tensors.data(), static_cast<std::int64_t>(tensors.size()), list.dtype()},
         control ? as<const float>(data.back()) : nullptr);
  };
  return call;
}

KernelCall sgd_step(const KernelLine& line) {
  return step_call(line, State::Momentum, 7,
                   [](const KernelTable& table, const KernelContext& ctx, const UpdateList& list,
                      const float* control) {
                     table.sgd_step(ctx, list, SgdParams{0.01F, 0.9F}, control);
                   });
}

KernelCall adam_step(const KernelLine& line) {
  return step_call(line, State::Moments, 17,
                   [](const KernelTable& table, const KernelContext& ctx, const UpdateList& list,
                      const float* control) {
                     AdamParams params;
                     params.lr = 1e-3F;
                     params.correction1 = 0.1F, params.correction2 = 1e-3F;  // the first step
                     table.adam_step(ctx, list, params, control);
                   });
}

// Key f32_count: so many elements in one more tensor, of f32.
KernelCall gradient_control(const KernelLine& line) {
  const ListOfLine list(line, State::None);
  const std::int64_t more = line.get("f32_count", 0);
  KernelCall call;
  call.operands = list.operands();
  call.operands.push_back(vector("g", more, Use::In));
  call.operands.push_back(vector("skipped", 1, Use::InOut));
  call.operands.push_back(vector("control", 4, Use::Out));
  call.flops = 2 * (list.elements() + static_cast<double>(more));
  call.run = [list, more](const KernelTable& table, const KernelContext& ctx,
                          const std::vector<void*>& data) {
    const std::vector<UpdateTensor> tensors = list.tensors(data);
    UpdateTensor last;
    last.count = more;
    last.g = data[data.size() - 3];
    const UpdateList lists[] = {
        {tensors.data(), static_cast<std::int64_t>(tensors.size()), list.dtype()},
        {&last, more == 0 ? 0 : 1, DType::F32}};
    GradientParams params;
    params.clip_norm = 1;
    table.gradient_control(ctx, {lists, 2}, params, as<float>(data[data.size() - 2]),
                           as<float>(data.back()));
  };
  return call;
}

KernelCall average_weights(const KernelLine& line) {
  const std::vector<std::int64_t> sizes = tensor_sizes(line);
  const DType dtype = line.dtype();
  KernelCall call;
  for (const std::int64_t size : sizes) {
    call.operands.push_back(matrix("w", dtype, 1, size, size, Use::In));
    call.operands.push_back(vector("average", size, Use::InOut));
    call.flops += 3 * static_cast<double>(size);
  }
  call.run = [sizes, dtype](const KernelTable& table, const KernelContext& ctx,
                            const std::vector<void*>& data) {
    std::vector<AverageTensor> tensors;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      tensors.push_back({sizes[i], data[2 * i], as<float>(data[2 * i + 1])});
    }
    table.average_weights(ctx, {tensors.data(), static_cast<std::int64_t>(tensors.size()), dtype},
                          0.999F);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& optimiser_entries() {
  static const std::vector<Entry> entries = {{"gradient_control", gradient_control},
                                             {"sgd_step", sgd_step},
                                             {"adam_step", adam_step},
                                             {"average_weights", average_weights}};
  return entries;
}

}  // namespace lamella::calls
