// Batch norm: statistics, normalisation, the two steps backward, the running statistics.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

CallOperand x_of(const BatchNormShape& s) {
  return matrix("x", s.dtype, s.pixels, s.C, s.x_pitch, Use::In);
}

// mean, var, gamma and beta, as operands `first` and the three after it.
void add_parameters(const BatchNormShape& s, std::vector<CallOperand>& operands) {
  operands.push_back(vector("mean", s.C, Use::In));
  operands.push_back(vector("var", s.C, Use::In, 1));
  operands.push_back(vector("gamma", s.C, Use::In, 1));
  operands.push_back(vector("beta", s.C, Use::In));
}

double per_element(const BatchNormShape& s, double flops) {
  return flops * static_cast<double>(s.pixels * s.C);
}

KernelCall batch_norm_stats(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  KernelCall call;
  call.operands = {x_of(s), vector("mean", s.C, Use::Out), vector("var", s.C, Use::Out)};
  call.flops = per_element(s, 8);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.batch_norm_stats(ctx, s, data[0], as<float>(data[1]), as<float>(data[2]));
  };
  return call;
}

KernelCall batch_norm_copy_stats(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("y", s.dtype, s.pixels, s.C, s.y_pitch, Use::Out),
                   vector("mean", s.C, Use::Out), vector("var", s.C, Use::Out)};
  call.flops = per_element(s, 8);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.batch_norm_copy_stats(ctx, s, data[0], data[1], as<float>(data[2]), as<float>(data[3]));
  };
  return call;
}

KernelCall batch_norm_apply(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("y", s.dtype, s.pixels, s.C, s.y_pitch, Use::Out)};
  add_parameters(s, call.operands);
  call.flops = per_element(s, 6);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.batch_norm_apply(ctx, s, data[0], as<float>(data[2]), as<float>(data[3]),
                           as<float>(data[4]), as<float>(data[5]), data[1]);
  };
  return call;
}

KernelCall batch_norm_bwd_reduce(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("dy", s.dtype, s.pixels, s.C, s.y_pitch, Use::In)};
  add_parameters(s, call.operands);
  call.operands.push_back(vector("sums", 2 * s.C, Use::Out));
  call.flops = per_element(s, 9);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.batch_norm_bwd_reduce(ctx, s, data[0], data[1], as<float>(data[2]), as<float>(data[3]),
                                as<float>(data[4]), as<float>(data[5]), as<float>(data[6]));
  };
  return call;
}

KernelCall batch_norm_bwd_apply(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  const std::int64_t dx_pitch = line.get("dx_pitch", s.x_pitch);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("dy", s.dtype, s.pixels, s.C, s.y_pitch, Use::In)};
  add_parameters(s, call.operands);
  call.operands.push_back(vector("sums", 2 * s.C, Use::In));
  call.operands.push_back(matrix("dx", s.dtype, s.pixels, s.C, dx_pitch, use_of(line)));
  call.flops = per_element(s, 12);
  call.run = [s, dx_pitch, write](const KernelTable& table, const KernelContext& ctx,
                                  const std::vector<void*>& data) {
    table.batch_norm_bwd_apply(ctx, s, data[0], data[1], as<float>(data[2]), as<float>(data[3]),
                               as<float>(data[4]), as<float>(data[5]), as<float>(data[6]), dx_pitch,
                               data[7], write);
  };
  return call;
}

KernelCall batch_norm_bwd_shared(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  const std::int64_t dx_pitch = line.get("dx_pitch", s.x_pitch);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("dy", s.dtype, s.pixels, s.C, s.y_pitch, Use::In)};
  add_parameters(s, call.operands);
  call.operands.push_back(vector("sums", 2 * s.C, Use::Out));
  call.operands.push_back(vector("shared", 2 * s.C, Use::InOut));
  call.operands.push_back(matrix("dx", s.dtype, s.pixels, s.C, dx_pitch, use_of(line)));
  call.flops = per_element(s, 11);
  call.run = [s, dx_pitch, write](const KernelTable& table, const KernelContext& ctx,
                                  const std::vector<void*>& data) {
    table.batch_norm_bwd_shared(ctx, s, data[0], data[1], as<float>(data[2]), as<float>(data[3]),
                                as<float>(data[4]), as<float>(data[5]), as<float>(data[6]), s.C,
                                as<float>(data[7]), dx_pitch, data[8], write);
  };
  return call;
}

KernelCall batch_norm_stats_bwd(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  const std::int64_t dx_pitch = line.get("dx_pitch", s.x_pitch);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {x_of(s), matrix("dy", s.dtype, s.pixels, s.C, s.y_pitch, Use::In),
                   vector("mean", s.C, Use::In), vector("shared", 2 * s.C, Use::In),
                   matrix("dx", s.dtype, s.pixels, s.C, dx_pitch, use_of(line))};
  call.flops = per_element(s, 4);
  call.run = [s, dx_pitch, write](const KernelTable& table, const KernelContext& ctx,
                                  const std::vector<void*>& data) {
    table.batch_norm_stats_bwd(ctx, s, data[0], data[1], as<float>(data[2]), s.C,
                               as<float>(data[3]), dx_pitch, data[4], write);
  };
  return call;
}

KernelCall batch_norm_update(const KernelLine& line) {
  const BatchNormShape s = batch_norm_shape(line);
  const auto momentum = static_cast<float>(line.number("momentum", 0.1));
  KernelCall call;
  call.operands = {vector("mean", s.C, Use::In), vector("var", s.C, Use::In, 1),
                   vector("running_mean", s.C, Use::InOut),
                   vector("running_var", s.C, Use::InOut, 1)};
  call.flops = 7 * static_cast<double>(s.C);
  call.run = [s, momentum](const KernelTable& table, const KernelContext& ctx,
                           const std::vector<void*>& data) {
    table.batch_norm_update(ctx, s, momentum, as<float>(data[0]), as<float>(data[1]),
                            as<float>(data[2]), as<float>(data[3]));
  };
  return call;
}

}  // namespace

const std::vector<Entry>& batch_norm_entries() {
  static const std::vector<Entry> entries = {{"batch_norm_stats", batch_norm_stats},
                                             {"batch_norm_copy_stats", batch_norm_copy_stats},
                                             {"batch_norm_apply", batch_norm_apply},
                                             {"batch_norm_bwd_reduce", batch_norm_bwd_reduce},
                                             {"batch_norm_bwd_apply", batch_norm_bwd_apply},
                                             {"batch_norm_bwd_shared", batch_norm_bwd_shared},
                                             {"batch_norm_stats_bwd", batch_norm_stats_bwd},
                                             {"batch_norm_update", batch_norm_update}};
  return entries;
}

}  // namespace lamella::calls
