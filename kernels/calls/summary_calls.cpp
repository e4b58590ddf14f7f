// argmax, top-k hits, sum, all_finite.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

CallOperand integers(const char* name, std::int64_t count, Use use) {
  return {name, DType::I32, 1, count, count, use, 0};
}

KernelCall argmax(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const SoftmaxShape s{line.get("N"), C, line.get("x_pitch", C), line.dtype()};
  KernelCall call;
  call.operands = {matrix("x", s.dtype, s.N, C, s.x_pitch, Use::In),
                   integers("index", s.N, Use::Out)};
  call.flops = static_cast<double>(s.N * C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.argmax(ctx, s, data[0], as<std::int32_t>(data[1]));
  };
  return call;
}

// Extra key: k, 5 where left out.
KernelCall top_k_hits(const KernelLine& line) {
  const std::int64_t C = line.get("C"), k = line.get("k", 5);
  const SoftmaxShape s{line.get("N"), C, line.get("x_pitch", C), line.dtype()};
  KernelCall call;
  call.operands = {matrix("x", s.dtype, s.N, C, s.x_pitch, Use::In),
                   integers("labels", s.N, Use::In), integers("hits", 1, Use::Out)};
  call.flops = static_cast<double>(s.N * C);
  call.run = [s, k](const KernelTable& table, const KernelContext& ctx,
                    const std::vector<void*>& data) {
    table.top_k_hits(ctx, s, k, data[0], as<const std::int32_t>(data[1]),
                     as<std::int32_t>(data[2]));
  };
  return call;
}

KernelCall sum(const KernelLine& line) {
  const FlatShape s{line.get("count"), line.dtype()};
  KernelCall call;
  call.operands = {matrix("x", s.dtype, 1, s.count, s.count, Use::In), vector("sum", 1, Use::Out)};
  call.flops = static_cast<double>(s.count);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.sum(ctx, s, data[0], as<float>(data[1]));
  };
  return call;
}

KernelCall all_finite(const KernelLine& line) {
  const FlatShape s{line.get("count"), line.dtype()};
  KernelCall call;
  call.operands = {matrix("x", s.dtype, 1, s.count, s.count, Use::In),
                   integers("finite", 1, Use::Out)};
  call.flops = static_cast<double>(s.count);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.all_finite(ctx, s, data[0], as<std::int32_t>(data[1]));
  };
  return call;
}

}  // namespace

const std::vector<Entry>& summary_entries() {
  static const std::vector<Entry> entries = {
      {"argmax", argmax}, {"top_k_hits", top_k_hits}, {"sum", sum}, {"all_finite", all_finite}};
  return entries;
}

}  // namespace lamella::calls
