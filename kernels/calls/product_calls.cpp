// Convolution, linear, and the bias gradient of both.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

CallOperand image(const Conv2dShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N * s.H * s.W, s.C, s.x_pitch, use);
}
CallOperand result(const Conv2dShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N * s.P * s.Q, s.K, s.y_pitch, use);
}
CallOperand filters(const Conv2dShape& s, const char* name, Use use) {
  const std::int64_t taps = s.R * s.S * s.C;
  return matrix(name, s.dtype, s.K, taps, taps, use);
}
double flops(const Conv2dShape& s) {
  return 2.0 * static_cast<double>(s.N * s.P * s.Q) * static_cast<double>(s.K) *
         static_cast<double>(s.R * s.S * s.C);
}

KernelCall conv2d_fwd(const KernelLine& line) {
  const Conv2dShape s = conv2d_shape(line);
  const bool bias = line.get("bias", 0) != 0;
  KernelCall call;
  call.operands = {image(s, "x", Use::In), filters(s, "w", Use::In), result(s, "y", Use::Out)};
  if (bias) call.operands.push_back(vector("bias", s.K, Use::In));
  call.flops = flops(s);
  call.run = [s, bias](const KernelTable& table, const KernelContext& ctx,
                       const std::vector<void*>& data) {
    table.conv2d_fwd(ctx, s, data[0], data[1], bias ? as<const float>(data[3]) : nullptr, data[2]);
  };
  return call;
}

KernelCall conv2d_bwd_data(const KernelLine& line) {
  const Conv2dShape s = conv2d_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {result(s, "dy", Use::In), filters(s, "w", Use::In),
                   image(s, "dx", use_of(line))};
  call.flops = flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.conv2d_bwd_data(ctx, s, data[0], data[1], data[2], write);
  };
  return call;
}

KernelCall conv2d_bwd_weight(const KernelLine& line) {
  const Conv2dShape s = conv2d_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {image(s, "x", Use::In), result(s, "dy", Use::In),
                   filters(s, "dw", use_of(line))};
  call.flops = flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.conv2d_bwd_weight(ctx, s, data[0], data[1], data[2], write);
  };
  return call;
}

void add_norm(const Conv2dShape& s, std::vector<CallOperand>& operands) {
  operands.push_back(vector("mean", s.C, Use::In));
  operands.push_back(vector("var", s.C, Use::In, 1));
  operands.push_back(vector("gamma", s.C, Use::In, 1));
  operands.push_back(vector("beta", s.C, Use::In));
}

KernelCall norm_conv2d_fwd(const KernelLine& line) {
  const NormConv2dShape s = norm_conv2d_shape(line);
  KernelCall call;
  call.operands = {image(s.conv, "x", Use::In), filters(s.conv, "w", Use::In),
                   result(s.conv, "y", Use::Out)};
  add_norm(s.conv, call.operands);
  call.flops = flops(s.conv);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.norm_conv2d_fwd(ctx, s, data[0], as<float>(data[3]), as<float>(data[4]),
                          as<float>(data[5]), as<float>(data[6]), data[1], data[2]);
  };
  return call;
}

KernelCall norm_conv2d_bwd_weight(const KernelLine& line) {
  const NormConv2dShape s = norm_conv2d_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {image(s.conv, "x", Use::In), result(s.conv, "dy", Use::In),
                   filters(s.conv, "dw", use_of(line))};
  add_norm(s.conv, call.operands);
  call.flops = flops(s.conv);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.norm_conv2d_bwd_weight(ctx, s, data[0], as<float>(data[3]), as<float>(data[4]),
                                 as<float>(data[5]), as<float>(data[6]), data[1], data[2], write);
  };
  return call;
}

CallOperand rows_in(const LinearShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N, s.C, s.x_pitch, use);
}
CallOperand rows_out(const LinearShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N, s.K, s.y_pitch, use);
}
CallOperand weights(const LinearShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.K, s.C, s.C, use);
}
double flops(const LinearShape& s) {
  return 2.0 * static_cast<double>(s.N) * static_cast<double>(s.C * s.K);
}

KernelCall linear_fwd(const KernelLine& line) {
  const LinearShape s = linear_shape(line);
  const bool bias = line.get("bias", 0) != 0;
  KernelCall call;
  call.operands = {rows_in(s, "x", Use::In), weights(s, "w", Use::In), rows_out(s, "y", Use::Out)};
  if (bias) call.operands.push_back(vector("bias", s.K, Use::In));
  call.flops = flops(s);
  call.run = [s, bias](const KernelTable& table, const KernelContext& ctx,
                       const std::vector<void*>& data) {
    table.linear_fwd(ctx, s, data[0], data[1], bias ? as<const float>(data[3]) : nullptr, data[2]);
  };
  return call;
}

KernelCall linear_bwd_data(const KernelLine& line) {
  const LinearShape s = linear_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {rows_out(s, "dy", Use::In), weights(s, "w", Use::In),
                   rows_in(s, "dx", use_of(line))};
  call.flops = flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.linear_bwd_data(ctx, s, data[0], data[1], data[2], write);
  };
  return call;
}

KernelCall linear_bwd_weight(const KernelLine& line) {
  const LinearShape s = linear_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {rows_in(s, "x", Use::In), rows_out(s, "dy", Use::In),
                   weights(s, "dw", use_of(line))};
  call.flops = flops(s);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.linear_bwd_weight(ctx, s, data[0], data[1], data[2], write);
  };
  return call;
}

KernelCall bias_bwd(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const SliceShape s{line.get("pixels"), C, line.get("x_pitch", C), C, line.dtype()};
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {matrix("dy", s.dtype, s.pixels, C, s.x_pitch, Use::In),
                   vector("db", C, use_of(line))};
  call.flops = static_cast<double>(s.pixels * C);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.bias_bwd(ctx, s, data[0], as<float>(data[1]), write);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& product_entries() {
  static const std::vector<Entry> entries = {{"conv2d_fwd", conv2d_fwd},
                                             {"conv2d_bwd_data", conv2d_bwd_data},
                                             {"conv2d_bwd_weight", conv2d_bwd_weight},
                                             {"norm_conv2d_fwd", norm_conv2d_fwd},
                                             {"norm_conv2d_bwd_weight", norm_conv2d_bwd_weight},
                                             {"bias_bwd", bias_bwd},
                                             {"linear_fwd", linear_fwd},
                                             {"linear_bwd_data", linear_bwd_data},
                                             {"linear_bwd_weight", linear_bwd_weight}};
  return entries;
}

}  // namespace lamella::calls
