#include "ops/join.h"

#include "ops/build.h"
#include "ops/device_moves.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

std::vector<Type> Join::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  const Type& first = inputs[0].type();
  const int ndim = first.ndim();
  if (axis < 0 || axis >= ndim) {
    fail(ErrorKind::value, "join: axis ", axis, " is out of range for arrays of ", ndim,
         " dimensions");
  }
  Dims shape = first.shape();
  for (size_t k = 1; k < inputs.size(); ++k) {
    const Type& t = inputs[k].type();
    if (t.ndim() != ndim || t.dtype() != first.dtype()) {
      fail(ErrorKind::type, "join: all parts must have one dtype and rank, got ", first.str(),
           " and ", t.str());
    }
    for (int i = 0; i < ndim; ++i) {
      int64_t& d = shape[static_cast<size_t>(i)];
      if (i != axis) {
        d = merge_known(*this, d, t.dim(i), i);
      } else {
        if (d < 0 || t.dim(i) < 0) {
          d = kUnknownDim;
        } else if (__builtin_add_overflow(d, t.dim(i), &d)) {
          fail(ErrorKind::value, "join: the joined axis is too long");
        }
      }
    }
  }
  return {first.with_shape(std::move(shape))};
}

std::vector<Var> Join::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  const Var& g = args.grads[0];
  if (!g) return result;
  Var start = constant_int(0);
  int64_t known = 0;  // start as a number while it is one
  for (size_t k = 0; k < result.size(); ++k) {
    const Var& part = args.inputs[k];
    if (is_discrete(part.dtype())) {
      result[k] = zero_grad_for(part);
      continue;
    }
    const int64_t length = part.type().dim(static_cast<int>(axis));
    Var stop;
    if (known >= 0 && length >= 0) {
      known += length;
      stop = constant_int(known);
    } else {
      const Var here = shape_i(part, static_cast<int>(axis));
      stop = known == 0 ? here : start + here;
      known = -1;
    }
    result[k] = slice_axis(g, static_cast<int>(axis), k ? start : Var(), stop);
    start = stop;
  }
  return result;
}

std::vector<std::vector<Var>> Join::infer_shape(const Apply& node) const {
  const Type& type = node.output()->type();
  std::vector<Var> dims;
  for (int i = 0; i < type.ndim(); ++i) {
    if (type.dim(i) >= 0) {
      dims.push_back(constant_int(type.dim(i)));
    } else if (i != axis) {
      dims.push_back(shape_i(node.inputs()[0], i));
    } else {
      Var total;
      for (const Var& v : node.inputs()) {
        const Var d = shape_i(v, i);
        total = total ? total + d : d;
      }
      dims.push_back(std::move(total));
    }
  }
  return {dims};
}

void Join::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& first = inputs[0];
  Layout& out = outputs[0];
  own_layout(out, first.shape, first.ndim);
  for (size_t k = 1; k < inputs.size(); ++k) {
    for (int i = 0; i < first.ndim; ++i) {
      const int64_t d = inputs[k].shape[i];
      if (i == axis) {
        out.shape[static_cast<size_t>(i)] += d;
      } else if (d != first.shape[i]) {
        fail(ErrorKind::value, "all the input array dimensions except for the concatenation axis (",
             axis, ") must match: part 0 has shape ", shape_text(first), ", part ", k, " shape ",
             shape_text(inputs[k]));
      }
    }
  }
}

void Join::perform(PerformContext&, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  char* at = out.data;
  for (const TensorView& part : inputs) {
    if (part.size() > 0) {
      copy_parallel({at, out.dtype, out.ndim, part.shape, out.strides}, part);
    }
    at += part.shape[axis] * out.strides[axis];
  }
}
bool Join::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (!index_kernels(queue) || out.ndim > device::kMaxRank) return false;
  char* at = out.data;
  for (const TensorView& part : inputs) {
    queue_copy(queue, {at, out.dtype, out.ndim, part.shape, out.strides}, part);
    at += part.shape[axis] * out.strides[axis];
  }
  return true;
}

}  // namespace phintys
