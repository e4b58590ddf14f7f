#include "layers/concat.h"

#include "engine/errors.h"

namespace lamella {

Shape Concat::output_shape(const Shape& x) const {
  Shape joined;
  for (const auto& [name, branch] : branches_) {
    const Shape part = branch->output_shape(x);
    if (joined.rank() == 0) {
      joined = part;
    } else if (part[1] != joined[1] || part[2] != joined[2]) {
      fail("concat: branch ", name, " gives ", part.str(), " beside ", joined.str(), " for x (",
           x.str(), "); branches may differ in channels only");
    } else {
      joined = {joined[0], joined[1], joined[2], joined[3] + part[3]};
    }
  }
  return joined;
}

Tensor Concat::forward(Context& ctx, const Tensor& x, Tensor out) const {
  const Tensor joined =
      out.defined() ? std::move(out) : ctx.empty_with_grad(output_shape(x.shape()), x.dtype());
  std::int64_t begin = 0;
  bool recorded = false;
  for (const auto& [name, branch] : branches_) {
    const std::int64_t end = begin + branch->output_shape(x.shape()).channels();
    recorded |= branch->forward(ctx, x, joined.slice(begin, end)).requires_grad();
    begin = end;
  }
  return recorded ? joined : joined.detach();
}

void Concat::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  for (const auto& [name, branch] : branches_) branch->collect(join_names(prefix, name), into);
}

}  // namespace lamella
