#include "ops/build.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"

namespace phintys {

void DimShuffle::check_attributes() const {
  check_rank(*this, static_cast<int64_t>(order.size()));
  uint64_t seen = 0;
  for (int64_t axis : order) {
    if (axis < -1 || axis >= kMaxRank) {
      fail(ErrorKind::value, "dimshuffle: there is no axis ", axis);
    }
    if (axis < 0) continue;
    if (seen >> axis & 1) fail(ErrorKind::value, "dimshuffle: axis ", axis, " appears twice");
    seen |= uint64_t{1} << axis;
  }
}

bool DimShuffle::is_permutation(int input_ndim) const {
  return static_cast<int>(order.size()) == input_ndim &&
         std::find(order.begin(), order.end(), -1) == order.end();
}

std::string DimShuffle::str() const {
  std::string text = "InplaceDimShuffle{";
  for (size_t i = 0; i < order.size(); ++i) {
    if (i) text += ",";
    text += order[i] < 0 ? "x" : std::to_string(order[i]);
  }
  return text + "}";
}

std::vector<Type> DimShuffle::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_attributes();
  const Type& t = inputs[0].type();
  Dims shape;
  uint64_t used = 0;
  for (int64_t axis : order) {
    if (axis >= t.ndim()) {
      fail(ErrorKind::value, str(), ": there is no axis ", axis, " in ", t.str());
    }
    if (axis >= 0) used |= uint64_t{1} << axis;
    shape.push_back(axis < 0 ? 1 : t.dim(static_cast<int>(axis)));
  }
  for (int i = 0; i < t.ndim(); ++i) {
    if (!(used >> i & 1) && !t.broadcastable(i)) {
      fail(ErrorKind::value, "You cannot drop a non-broadcastable dimension. (axis ", i, " of ",
           t.str(), ", ", str(), ")");
    }
  }
  return {t.with_shape(std::move(shape))};
}

std::vector<Var> DimShuffle::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  std::vector<int64_t> back(static_cast<size_t>(x.ndim()), -1);
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] >= 0) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  return {cast(dimshuffle(g, std::move(back)), grad_dtype(*x))};
}

std::vector<std::vector<Var>> DimShuffle::infer_shape(const Apply& node) const {
  std::vector<Var> dims;
  for (int64_t axis : order) {
    dims.push_back(axis < 0 ? constant_int(1) : shape_i(node.inputs()[0], static_cast<int>(axis)));
  }
  return {dims};
}

void DimShuffle::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  Layout& out = outputs[0];
  out.alias = 0;
  out.offset = 0;
  out.shape.clear();
  out.strides.clear();
  uint64_t used = 0;
  for (int64_t axis : order) {
    out.shape.push_back(axis < 0 ? 1 : x.shape[axis]);
    out.strides.push_back(axis < 0 ? 0 : x.strides[axis]);
    if (axis >= 0) used |= uint64_t{1} << axis;
  }
  for (int i = 0; i < x.ndim; ++i) {
    if (!(used >> i & 1) && x.shape[i] != 1) {
      fail(ErrorKind::value, "dimshuffle drops axis ", i, ", which must have length 1, not ",
           x.shape[i]);
    }
  }
}

}  // namespace phintys
