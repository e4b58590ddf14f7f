#include "layers/concat.h"

#include "engine/errors.h"

namespace lamella {
namespace {

Shape joined(const std::vector<Shape>& parts) {
  const Shape& first = parts.front();
  std::int64_t channels = 0;
  for (const Shape& part : parts) channels += part.channels();
  return {first[0], first[1], first[2], channels};
}

}  // namespace

std::vector<Shape> Concat::parts(const Shape& x) const {
  std::vector<Shape> shapes;
  for (const auto& [name, branch] : branches_) {
    shapes.push_back(branch->output_shape(x));
    const Shape &part = shapes.back(), &first = shapes.front();
    if (part[1] != first[1] || part[2] != first[2]) {
      fail("concat: branch ", name, " gives ", part.str(), " beside ", first.str(), " for x (",
           x.str(), "); branches may differ in channels only");
    }
  }
  return shapes;
}

Shape Concat::output_shape(const Shape& x) const {
  return joined(parts(x));
}

Tensor Concat::forward(Context& ctx, const Tensor& x, Tensor out) const {
  const std::vector<Shape> shapes = parts(x.shape());
  const Tensor all =
      out.defined() ? std::move(out) : ctx.empty_with_grad(joined(shapes), x.dtype());
  std::int64_t begin = 0;
  bool recorded = false;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    const std::int64_t end = begin + shapes[i].channels();
    recorded |= branches_[i].second->forward(ctx, x, all.slice(begin, end)).requires_grad();
    begin = end;
  }
  return recorded ? all : all.detach();
}

ModulePtr Concat::inference_form(Context& ctx, const Shape& x) const {
  Branches branches;
  for (const auto& [name, branch] : branches_) {
    branches.emplace_back(name, branch->inference_form(ctx, x));
  }
  return std::make_unique<Concat>(std::move(branches));
}

void Concat::collect(const std::string& prefix, std::vector<Parameter>& into) const {
  for (const auto& [name, branch] : branches_) branch->collect(join_names(prefix, name), into);
}

}  // namespace lamella
