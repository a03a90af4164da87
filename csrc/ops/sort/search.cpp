#include "ops/sort/search.h"

#include "device/order.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/device_operands.h"
#include "ops/op_util.h"
#include "ops/sort/search_isa.h"

namespace phintys {

std::vector<Type> SearchSorted::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& a = inputs[0].type();
  const Type& v = inputs[1].type();
  if (a.ndim() != 1) fail(ErrorKind::type, "searchsorted: a must be a vector, got ", a.str());
  const DType d = a.dtype();
  if (v.dtype() != d || is_bool(d) || is_complex(d) || d == DType::f16) {
    fail(ErrorKind::type, "searchsorted: no search for ", v.str(), " in ", a.str());
  }
  return {v.with_dtype(DType::i64)};
}

std::vector<Var> SearchSorted::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var(), Var()};
  return {zero_grad_for(args.inputs[0]), zero_grad_for(args.inputs[1])};
}

std::vector<std::vector<Var>> SearchSorted::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void SearchSorted::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[1].shape, inputs[1].ndim);
}

size_t SearchSorted::scratch_bytes(std::span<const TensorView> inputs) const {
  // A vector of any stride is copied once; so are values that do not lie in order.
  return static_cast<size_t>(inputs[0].shape[0] + inputs[1].size()) * item_size(inputs[0].dtype) +
         64;
}

void SearchSorted::perform(PerformContext& context, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  TensorView a = inputs[0], v = inputs[1];
  const size_t item = item_size(a.dtype);
  const int64_t n = a.shape[0], count = v.size();
  if (count == 0) return;
  char* scratch = nullptr;
  const int64_t stride_a = static_cast<int64_t>(item);
  Dims strides(v.shape, v.shape + v.ndim);
  if (!a.contiguous() || !v.contiguous()) {
    scratch = static_cast<char*>(context.scratch(scratch_bytes(inputs)));
  }
  if (!a.contiguous()) {
    const TensorView copy{scratch, a.dtype, 1, a.shape, &stride_a};
    copy_parallel(copy, a);
    a = copy;
  }
  if (!v.contiguous()) {
    contiguous_strides(v.shape, v.ndim, item, strides.data());
    const TensorView copy{scratch + (static_cast<size_t>(n) * item + 15) / 16 * 16, v.dtype, v.ndim,
                          v.shape, strides.data()};
    copy_parallel(copy, v);
    v = copy;
  }
  int64_t* const places = outputs[0].as<int64_t>();
  parallel_ranges(count, 4096, [&](int64_t begin, int64_t end) {
    PHINTYS_ISA_CALL(search_sorted)
    (a.dtype, right, a.data, n, v.data + static_cast<size_t>(begin) * item, 1, end - begin,
     places + begin);
  });
}

bool SearchSorted::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  if (!queue.table.order) return false;
  const TensorView& v = inputs[1];
  const DeviceOperands operands(queue, inputs);
  if (!operands.there()) return false;
  const device::SearchWork work{v.dtype,     right,       inputs[0].shape[0],      v.size(),
                                operands[0], operands[1], outputs[0].as<int64_t>()};
  return queue.check(queue.table.order->search(queue.stream, work));
}

}  // namespace phintys
