#include "ops/control/branch.h"

#include "ops/op_util.h"

namespace phintys {

void Branch::visit(AttrVisitor& visitor) const {
  visitor.value("then_graph", graphs[0]);
  visitor.value("else_graph", graphs[1]);
  visitor.value("label", label);
}

bool Branch::equal(const Op& other) const {
  if (this == &other) return true;
  const Branch* o = dynamic_cast<const Branch*>(&other);
  if (!o || label != o->label) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (graphs[i] != o->graphs[i] && !graphs[i]->equal(*o->graphs[i])) return false;
  }
  return true;
}

uint64_t Branch::hash() const {
  return hash_combine(hash_combine(hash_string(kName), graphs[0]->hash()), graphs[1]->hash());
}

std::string Branch::str() const { return "branch{" + label + "}"; }

std::vector<Type> Branch::infer(std::span<const Var> inputs) const {
  const std::vector<Var>& inner = graphs[0]->inputs();
  PHINTYS_CHECK(inputs.size() == inner.size() + 1, "operands do not match a branch's inputs");
  std::vector<Type> types;
  for (size_t o = 0; o < graphs[0]->outputs().size(); ++o) {
    const Type &a = graphs[0]->outputs()[o].type(), &b = graphs[1]->outputs()[o].type();
    PHINTYS_CHECK(a.dtype() == b.dtype() && a.ndim() == b.ndim(), "branches of different types");
    Dims dims = a.shape();
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] != b.shape()[d]) dims[d] = kUnknownDim;
    }
    types.push_back(a.with_shape(std::move(dims)));
  }
  return types;
}

void Branch::layout(std::span<const TensorView>, std::span<Layout>) const {
  fail(ErrorKind::internal, "a branch is run by the runtime");
}

Ref<const Op> Branch::with_inner(std::vector<Ref<const InnerGraph>> inner) const {
  PHINTYS_CHECK(inner.size() == 2, "a choice has two branches");
  auto op = make_ref<Branch>();
  op->graphs = {std::move(inner[0]), std::move(inner[1])};
  op->label = label;
  op->depth = depth;
  return op;
}

}  // namespace phintys
