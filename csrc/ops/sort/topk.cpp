#include "ops/sort/topk.h"

#include <cstring>

#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/indexing/along_axis.h"
#include "ops/op_util.h"
#include "ops/sort/device_sort.h"
#include "ops/sort/keys_isa.h"
#include "ops/sort/row_sort.h"
#include "ops/sort/rows.h"
#include "ops/sort/sort.h"
#include "ops/sort/sort_isa.h"

namespace phintys {

namespace {

// What a row needs: its keys; indices, keys and order of what is chosen.
struct TopKSlot {
  char* keys;
  int64_t* found;
  int64_t* found_keys;
  int64_t* order;

  static size_t bytes(int64_t n, int64_t k) {
    return static_cast<size_t>(n + 3 * k) * sizeof(int64_t);
  }
  TopKSlot(char* memory, int64_t n, int64_t k)
      : keys(memory),
        found(reinterpret_cast<int64_t*>(memory) + n),
        found_keys(found + k),
        order(found_keys + k) {}
};

int64_t key_at(const char* keys, size_t item, int64_t i) {
  if (item <= 4) return reinterpret_cast<const int32_t*>(keys)[i];
  return reinterpret_cast<const int64_t*>(keys)[i];
}

// Indices of the k least keys of a row, in the order of the row.
void find_least(DType dtype, bool flip, const void* x, int64_t n, int64_t k, TopKSlot& slot) {
  if (k == n) {
    for (int64_t i = 0; i < n; ++i) slot.found[i] = i;
    return;
  }
  const size_t item = item_size(dtype);
  PHINTYS_ISA_CALL(order_keys)(dtype, flip, x, slot.keys, n);
  if (item <= 4) {
    PHINTYS_ISA_CALL(select_i32)(reinterpret_cast<int32_t*>(slot.keys), n, k - 1);
  } else {
    PHINTYS_ISA_CALL(select_i64)(reinterpret_cast<int64_t*>(slot.keys), n, k - 1);
  }
  const int64_t bound = key_at(slot.keys, item, k - 1);
  int64_t ties = 0;
  for (int64_t i = 0; i < k; ++i) ties += key_at(slot.keys, item, i) == bound;
  const int64_t count = PHINTYS_ISA_CALL(collect_below)(dtype, flip, x, n, bound, ties, slot.found);
  PHINTYS_CHECK(count == k);
}

void sort_found(DType dtype, bool flip, const char* x, int64_t k, TopKSlot& slot) {
  const size_t item = item_size(dtype);
  for (int64_t i = 0; i < k; ++i) {
    char* const key = reinterpret_cast<char*>(slot.found_keys + i);
    PHINTYS_ISA_CALL(order_keys)(dtype, flip, x + item * static_cast<size_t>(slot.found[i]), key,
                                 1);
    slot.found_keys[i] = key_at(key, item, 0);
  }
  argsort_row(DType::i64, slot.found_keys, slot.order, k, nullptr);
  for (int64_t i = 0; i < k; ++i) slot.found_keys[i] = slot.found[slot.order[i]];
  std::memcpy(slot.found, slot.found_keys, static_cast<size_t>(k) * sizeof(int64_t));
}

template <class T>
void copy_found(const char* x, const int64_t* found, int64_t k, char* out) {
  const T* const from = reinterpret_cast<const T*>(x);
  T* const to = reinterpret_cast<T*>(out);
  for (int64_t i = 0; i < k; ++i) to[i] = from[found[i]];
}

void copy_values(DType dtype, const char* x, const int64_t* found, int64_t k, char* out) {
  switch (item_size(dtype)) {
    case 1:
      return copy_found<uint8_t>(x, found, k, out);
    case 2:
      return copy_found<uint16_t>(x, found, k, out);
    case 4:
      return copy_found<uint32_t>(x, found, k, out);
    default:
      return copy_found<uint64_t>(x, found, k, out);
  }
}

template <class T>
void cast_indices(const int64_t* found, int64_t k, char* out) {
  for (int64_t i = 0; i < k; ++i) reinterpret_cast<T*>(out)[i] = static_cast<T>(found[i]);
}

void store_indices(DType dtype, const int64_t* found, int64_t k, char* out) {
  switch (item_size(dtype)) {
    case 1:
      return cast_indices<uint8_t>(found, k, out);
    case 2:
      return cast_indices<uint16_t>(found, k, out);
    case 4:
      return cast_indices<uint32_t>(found, k, out);
    default:
      return cast_indices<uint64_t>(found, k, out);
  }
}

}  // namespace

void TopK::check_attributes() const {
  if (!values && !indices) {
    fail(ErrorKind::value, "topk: neither return_values nor return_indices is true");
  }
  if (!is_int(idx_dtype)) {
    fail(ErrorKind::type, "topk: idx_dtype must be an integer dtype, not ", dtype_name(idx_dtype));
  }
}

std::vector<Type> TopK::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& t = inputs[0].type();
  if (is_complex(t.dtype())) {
    fail(ErrorKind::type, "topk: complex numbers (", t.str(), ") have no order");
  }
  if (axis < 0 || axis >= t.ndim()) {
    fail(ErrorKind::value, "topk: axis ", axis, " is out of range for ", t.str());
  }
  check_int_scalar(*this, inputs[1], "k");
  Dims shape = t.shape();
  int64_t k;
  const bool known = constant_int_value(inputs[1].get(), &k);
  if (known && k == 0) fail(ErrorKind::value, "topk: kth cannot be zero");
  shape[static_cast<size_t>(axis)] = known ? (k < 0 ? -k : k) : kUnknownDim;
  std::vector<Type> types;
  if (values) types.push_back(t.with_shape(shape));
  if (indices) types.push_back(Type::tensor(idx_dtype, shape));
  return types;
}

std::vector<Var> TopK::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  if (!values || !args.grads[0]) return {args.grads[0] ? zero_grad_for(x) : Var(), Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x), Var()};
  auto op = make_ref<TopK>(*this);
  op->values = false;
  op->indices = true;
  op->idx_dtype = DType::i64;
  const Var index = phintys::apply(op, {x, args.inputs[1]});
  return {put_along_axis(full_like(0.0, x, x.dtype()), args.grads[0], index, axis, false), Var()};
}

std::vector<std::vector<Var>> TopK::infer_shape(const Apply& node) const {
  std::vector<Var> dims = shape_list(node.inputs()[0]);
  dims[static_cast<size_t>(axis)] = cast(abs_(cast(node.inputs()[1], DType::i64)), DType::i64);
  return std::vector<std::vector<Var>>(static_cast<size_t>(node.nout()), dims);
}

void TopK::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  const int64_t k = element_as_int(inputs[1]);
  if (k == 0) fail(ErrorKind::value, "topk: kth cannot be zero");
  const int64_t n = x.shape[axis];
  if (k > n || k < -n) {
    fail(ErrorKind::value, "topk: kth cannot be larger than the size of specified axis ", axis,
         " (k ", k, ", shape ", shape_text(x), ")");
  }
  for (Layout& out : outputs) {
    own_layout(out, x.shape, x.ndim);
    out.shape[static_cast<size_t>(axis)] = k < 0 ? -k : k;
  }
}

void TopK::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const bool flip = element_as_int(inputs[1]) > 0;
  const int64_t n = x.shape[axis], k = outputs[0].shape[axis];
  if (outputs[0].size() == 0) return;
  const RowWork work(x, axis, outputs.data(), static_cast<int>(outputs.size()),
                     TopKSlot::bytes(n, k));
  char* const scratch = static_cast<char*>(context.scratch(work.scratch_bytes()));
  for_rows(work, scratch, [&](const char* row, char* const* out, char* memory) {
    TopKSlot slot(memory, n, k);
    find_least(x.dtype, flip, row, n, k, slot);
    if (sorted) sort_found(x.dtype, flip, row, k, slot);
    if (values) copy_values(x.dtype, row, slot.found, k, out[0]);
    if (indices) store_indices(idx_dtype, slot.found, k, out[values ? 1 : 0]);
  });
}

bool TopK::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  device::SortWork work{};
  work.axis = static_cast<int32_t>(axis);
  work.count = outputs[0].shape[axis];
  work.values = values ? outputs[0].data : nullptr;
  work.indices = indices ? outputs[values ? 1 : 0].data : nullptr;
  work.index_dtype = idx_dtype;
  work.sign = inputs[1].data;
  work.sign_dtype = inputs[1].dtype;
  work.sorted = sorted;
  return enqueue_sort(queue, inputs[0], work);
}

}  // namespace phintys
