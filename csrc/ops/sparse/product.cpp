#include "ops/sparse/product.h"

#include <cstring>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/device_moves.h"
#include "ops/sparse/product_isa.h"

namespace phintys {

namespace {

constexpr int64_t kColumnBytes = 512;  // of a row that one thread adds up

// The kernels of a type: compiled per instruction set for the usual ones, plain loops for others.
template <class T, class I>
struct Kernels {
  static void rows(const SparseWork<T, I>& w, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* out = w.out + i * w.columns;
      std::fill(out, out + w.columns, T(0));
      for (int64_t p = w.indptr[i]; p < w.indptr[i + 1]; ++p) {
        const T* row = w.dense + static_cast<int64_t>(w.indices[p]) * w.columns;
        for (int64_t c = 0; c < w.columns; ++c) out[c] = multiply_add(w.values[p], row[c], out[c]);
      }
    }
  }
  static void scatter(const SparseWork<T, I>& w, int64_t major, int64_t begin, int64_t end) {
    for (int64_t i = 0; i < major; ++i) {
      const T* row = w.dense + i * w.columns;
      for (int64_t p = w.indptr[i]; p < w.indptr[i + 1]; ++p) {
        T* out = w.out + static_cast<int64_t>(w.indices[p]) * w.columns;
        for (int64_t c = begin; c < end; ++c) out[c] = multiply_add(w.values[p], row[c], out[c]);
      }
    }
  }
  static void sample(const SampleWork<T, I>& w, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* left = w.left + i * w.columns;
      for (int64_t p = w.indptr[i]; p < w.indptr[i + 1]; ++p) {
        const T* right = w.right + static_cast<int64_t>(w.indices[p]) * w.columns;
        T sum(0);
        for (int64_t c = 0; c < w.columns; ++c) sum = multiply_add(left[c], right[c], sum);
        w.out[p] = sum;
      }
    }
  }
};
#define PHINTYS_KERNELS(T, I, suffix)                                                     \
  template <>                                                                             \
  struct Kernels<T, I> {                                                                  \
    static void rows(const SparseWork<T, I>& w, int64_t begin, int64_t end) {             \
      PHINTYS_ISA_CALL(sparse_rows_##suffix)(w, begin, end);                              \
    }                                                                                     \
    static void scatter(const SparseWork<T, I>& w, int64_t major, int64_t b, int64_t e) { \
      PHINTYS_ISA_CALL(sparse_scatter_##suffix)(w, major, b, e);                          \
    }                                                                                     \
    static void sample(const SampleWork<T, I>& w, int64_t begin, int64_t end) {           \
      PHINTYS_ISA_CALL(sparse_sample_##suffix)(w, begin, end);                            \
    }                                                                                     \
  };
PHINTYS_SPARSE_TYPES(PHINTYS_KERNELS)
#undef PHINTYS_KERNELS

int64_t columns_of(const TensorView& dense) { return dense.ndim == 2 ? dense.shape[1] : 1; }

void check_dense(const Op& op, const Var& dense, DType dtype) {
  if (dense.ndim() != 1 && dense.ndim() != 2) {
    fail(ErrorKind::type, op.str(), ": the dense operand must be a vector or a matrix, got ",
         dense.type().str());
  }
  if (dense.dtype() == dtype) return;
  fail(ErrorKind::type, op.str(), ": operands must have one dtype, got ", dtype_name(dtype),
       " and ", dtype_name(dense.dtype()));
}

void check_vector(const Op& op, const Var& v, const char* what) {
  if (v.ndim() == 1) return;
  fail(ErrorKind::type, op.str(), ": ", what, " must be a vector, got ", v.type().str());
}

// Fails unless there is a value for each entry.
void check_counts(const Op& op, const TensorView& values, const TensorView& indices) {
  if (values.shape[0] == indices.shape[0]) return;
  fail(ErrorKind::value, op.str(), ": ", values.shape[0], " values for ", indices.shape[0],
       " indices");
}

// Inputs of an op on a device, in one piece each: copies where they are not.
class DeviceInputs {
 public:
  DeviceInputs(device::Queue& queue, std::span<const TensorView* const> inputs, size_t extra = 0) {
    auto aligned = [](size_t bytes) { return (bytes + 255) / 256 * 256; };
    auto bytes = [&](const TensorView& v) {
      return v.contiguous() ? 0 : aligned(static_cast<size_t>(v.size()) * item_size(v.dtype));
    };
    size_t total = aligned(extra);
    for (const TensorView* v : inputs) total += bytes(*v);
    char* block = total ? static_cast<char*>(queue.scratch(total)) : nullptr;
    extra_ = block;
    block += aligned(extra);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const TensorView& v = *inputs[i];
      data_[i] = v.data;
      if (v.contiguous()) continue;
      const Dims shape(v.shape, v.shape + v.ndim);
      const Dims strides = contiguous_strides(shape, item_size(v.dtype));
      queue_copy(queue, {block, v.dtype, v.ndim, v.shape, strides.data()}, v);
      data_[i] = block;
      block += bytes(v);
    }
  }
  const char* data(size_t i) const { return data_[i]; }
  void* extra() const { return extra_; }

 private:
  std::array<char*, 4> data_{};
  char* extra_ = nullptr;
};

// What all kernels need to know; `minor` is the caller's.
void describe(const TensorView& indices, const TensorView& indptr, const char* indices_data,
              const char* indptr_data, const TensorView& out, device::Sparse* work) {
  work->dtype = out.dtype;
  work->index = indices.dtype;
  work->indices = indices_data;
  work->indptr = indptr_data;
  work->major = indptr.shape[0] - 1;
  work->count = indices.shape[0];
  work->out = out.data;
}

Var conjugate(const Var& v) { return is_complex(v.dtype()) ? conj(v) : v; }

}  // namespace

// --- SparseDot ----------------------------------------------------------------------------------

std::vector<Type> SparseDot::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 5);
  check_vector(*this, inputs[0], "the values");
  check_values(*this, inputs[0]);
  check_pattern_types(*this, inputs, 1);
  check_int_scalar(*this, inputs[3], "the length of the minor dimension");
  check_dense(*this, inputs[4], inputs[0].dtype());
  Dims shape{kUnknownDim};
  if (inputs[4].ndim() == 2) shape.push_back(inputs[4].type().dim(1));
  return {Type::tensor(inputs[0].dtype(), shape)};
}

std::vector<Var> SparseDot::grad(const GradArgs& args) const {
  std::vector<Var> result(5);
  const Var& values = args.inputs[0];
  const Var& indices = args.inputs[1];
  const Var& indptr = args.inputs[2];
  const Var& minor = args.inputs[3];
  const Var& dense = args.inputs[4];
  const Var& g = args.grads[0];
  if (!g) return result;
  if (is_discrete(values.dtype())) {
    result[0] = zero_grad_for(values);
    result[4] = zero_grad_for(dense);
    return result;
  }
  const Var other = conjugate(dense);
  result[0] = transposed ? sparse_sampled_dot(indices, indptr, minor, other, g)
                         : sparse_sampled_dot(indices, indptr, minor, g, other);
  result[4] = sparse_dot(conjugate(values), indices, indptr, minor, g, !transposed);
  return result;
}

std::vector<std::vector<Var>> SparseDot::infer_shape(const Apply& node) const {
  std::vector<Var> dims = {transposed ? cast(node.inputs()[3], DType::i64)
                                      : major_length(node.inputs()[2])};
  if (node.input(4)->ndim() == 2) dims.push_back(shape_i(node.inputs()[4], 1));
  return {dims};
}

void SparseDot::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& dense = inputs[4];
  const int64_t major = major_length(*this, inputs[2]);
  check_counts(*this, inputs[0], inputs[1]);
  if (transposed && dense.shape[0] != major) {
    fail(ErrorKind::value, str(), ": a sparse matrix with ", major,
         " compressed rows, transposed, and a dense one of shape ", shape_text(dense),
         " are not aligned");
  }
  const int64_t rows = transposed ? length_value(*this, inputs[3], "a length") : major;
  const int64_t shape[2] = {rows, columns_of(dense)};
  own_layout(outputs[0], shape, dense.ndim);
}

void SparseDot::perform(PerformContext& context, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& dense = inputs[4];
  const int64_t minor = length_value(*this, inputs[3], "a length");
  if (!transposed && dense.shape[0] != minor) {
    fail(ErrorKind::value, "shapes (", inputs[2].shape[0] - 1, ", ", minor, ") and ",
         shape_text(dense), " not aligned: ", minor, " (dim 1) != ", dense.shape[0], " (dim 0)");
  }
  const ContiguousInputs in(context, inputs);
  const int64_t columns = columns_of(dense);
  dispatch_index(inputs[1].dtype, [&]<class I>() {
    const auto pattern = Pattern<I>::of(in, inputs, 1, minor);
    pattern.check_indptr(*this);
    if (transposed || columns == 0) pattern.check_indices(*this, 0, pattern.count);
    dispatch_values(inputs[0].dtype, [&]<class T>() {
      const SparseWork<T, I> work{
          in.as<T>(0), pattern.indices, pattern.indptr, in.as<T>(4), outputs[0].template as<T>(),
          columns};
      if (columns == 0) return;
      if (!transposed) {
        parallel_ranges(pattern.major, pattern.grain(columns), [&](int64_t begin, int64_t end) {
          pattern.check_indices(*this, pattern.indptr[begin], pattern.indptr[end]);
          Kernels<T, I>::rows(work, begin, end);
        });
        return;
      }
      std::memset(static_cast<void*>(work.out), 0,
                  static_cast<size_t>(outputs[0].size()) * sizeof(T));
      const int64_t wide = kColumnBytes / static_cast<int64_t>(sizeof(T));
      parallel_ranges(columns, wide, [&](int64_t begin, int64_t end) {
        Kernels<T, I>::scatter(work, pattern.major, begin, end);
      });
    });
  });
}
bool SparseDot::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& dense = inputs[4];
  device::Sparse work{};
  work.minor = transposed ? outputs[0].shape[0] : dense.shape[0];
  work.columns = columns_of(dense);
  const std::array<const TensorView*, 4> needed{&inputs[0], &inputs[1], &inputs[2], &dense};
  const device::IndexKernels* kernels = index_kernels(queue);
  if (!kernels) return false;
  work.count = inputs[1].shape[0];
  DeviceInputs in(queue, needed, transposed ? kernels->sparse_scratch(work) : 0);
  describe(inputs[1], inputs[2], in.data(1), in.data(2), outputs[0], &work);
  work.values = in.data(0);
  work.right = in.data(3);
  if (transposed) {
    return queue.check(
        kernels->sparse_dot_transposed(queue.stream, work, in.extra(), queue.failed));
  }
  device::to_tensor_plain(inputs[3], &work.minor_value);
  return queue.check(kernels->sparse_dot(queue.stream, work, queue.failed));
}

// --- SparseSampledDot ---------------------------------------------------------------------------

std::vector<Type> SparseSampledDot::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 5);
  check_pattern_types(*this, inputs, 0);
  check_int_scalar(*this, inputs[2], "the length of the minor dimension");
  check_values(*this, inputs[3]);
  check_dense(*this, inputs[3], inputs[4].dtype());
  check_dense(*this, inputs[4], inputs[3].dtype());
  if (inputs[3].ndim() != inputs[4].ndim()) {
    fail(ErrorKind::type, str(), ": two vectors or two matrices are needed, got ",
         inputs[3].type().str(), " and ", inputs[4].type().str());
  }
  return {vector_of(inputs[3].dtype())};
}

std::vector<Var> SparseSampledDot::grad(const GradArgs& args) const {
  std::vector<Var> result(5);
  const Var& left = args.inputs[3];
  const Var& right = args.inputs[4];
  const Var& g = args.grads[0];
  if (!g) return result;
  if (is_discrete(left.dtype())) {
    result[3] = zero_grad_for(left);
    result[4] = zero_grad_for(right);
    return result;
  }
  const Var &indices = args.inputs[0], &indptr = args.inputs[1], &minor = args.inputs[2];
  result[3] = sparse_dot(g, indices, indptr, minor, conjugate(right), false);
  result[4] = sparse_dot(g, indices, indptr, minor, conjugate(left), true);
  return result;
}

std::vector<std::vector<Var>> SparseSampledDot::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void SparseSampledDot::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& left = inputs[3];
  const TensorView& right = inputs[4];
  const int64_t major = major_length(*this, inputs[1]);
  if (left.shape[0] != major || columns_of(left) != columns_of(right)) {
    fail(ErrorKind::value, str(), ": operands of shapes ", shape_text(left), " and ",
         shape_text(right), " do not fit a sparse matrix with ", major, " compressed rows");
  }
  own_layout(outputs[0], inputs[0].shape, 1);
}

void SparseSampledDot::perform(PerformContext& context, std::span<const TensorView> inputs,
                               std::span<const TensorView> outputs) const {
  const int64_t minor = length_value(*this, inputs[2], "a length");
  if (inputs[4].shape[0] != minor) {
    fail(ErrorKind::value, str(), ": the second operand of shape ", shape_text(inputs[4]),
         " does not fit compressed rows of length ", minor);
  }
  const ContiguousInputs in(context, inputs);
  const int64_t columns = columns_of(inputs[3]);
  dispatch_index(inputs[0].dtype, [&]<class I>() {
    const auto pattern = Pattern<I>::of(in, inputs, 0, minor);
    pattern.check(*this);
    dispatch_values(inputs[3].dtype, [&]<class T>() {
      const SampleWork<T, I> work{
          pattern.indices, pattern.indptr, in.as<T>(3), in.as<T>(4), outputs[0].template as<T>(),
          columns};
      parallel_ranges(pattern.major, pattern.grain(columns),
                      [&](int64_t begin, int64_t end) { Kernels<T, I>::sample(work, begin, end); });
    });
  });
}
bool SparseSampledDot::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                               std::span<const TensorView> outputs) const {
  const device::IndexKernels* kernels = index_kernels(queue);
  if (!kernels) return false;
  device::Sparse work{};
  work.minor = inputs[4].shape[0];
  work.columns = columns_of(inputs[4]);
  const std::array<const TensorView*, 4> needed{&inputs[0], &inputs[1], &inputs[3], &inputs[4]};
  const DeviceInputs in(queue, needed);
  describe(inputs[0], inputs[1], in.data(0), in.data(1), outputs[0], &work);
  device::to_tensor_plain(inputs[2], &work.minor_value);
  work.left = in.data(2);
  work.right = in.data(3);
  return queue.check(kernels->sparse_sample(queue.stream, work, queue.failed));
}

// --- SparseToDense ------------------------------------------------------------------------------

std::vector<Type> SparseToDense::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 4);
  check_vector(*this, inputs[0], "the values");
  check_values(*this, inputs[0]);
  check_pattern_types(*this, inputs, 1);
  check_int_scalar(*this, inputs[3], "the length of the minor dimension");
  return {Type::tensor(inputs[0].dtype(), Dims{kUnknownDim, kUnknownDim})};
}

std::vector<Var> SparseToDense::grad(const GradArgs& args) const {
  std::vector<Var> result(4);
  const Var& g = args.grads[0];
  if (!g) return result;
  result[0] = is_discrete(args.inputs[0].dtype())
                  ? zero_grad_for(args.inputs[0])
                  : sparse_gather(g, args.inputs[1], args.inputs[2]);
  return result;
}

std::vector<std::vector<Var>> SparseToDense::infer_shape(const Apply& node) const {
  return {{major_length(node.inputs()[2]), cast(node.inputs()[3], DType::i64)}};
}

void SparseToDense::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_counts(*this, inputs[0], inputs[1]);
  const int64_t shape[2] = {major_length(*this, inputs[2]),
                            length_value(*this, inputs[3], "a length")};
  own_layout(outputs[0], shape, 2);
}

void SparseToDense::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const int64_t minor = outputs[0].shape[1];
  const ContiguousInputs in(context, inputs);
  dispatch_index(inputs[1].dtype, [&]<class I>() {
    const auto pattern = Pattern<I>::of(in, inputs, 1, minor);
    pattern.check(*this);
    dispatch_values(inputs[0].dtype, [&]<class T>() {
      const T* values = in.as<T>(0);
      T* out = outputs[0].template as<T>();
      const int64_t grain =
          std::min(pattern.grain(), std::max<int64_t>(1, (1 << 18) / (minor + 1)));
      parallel_ranges(pattern.major, grain, [&](int64_t begin, int64_t end) {
        std::memset(static_cast<void*>(out + begin * minor), 0,
                    static_cast<size_t>((end - begin) * minor) * sizeof(T));
        for (int64_t i = begin; i < end; ++i) {
          T* row = out + i * minor;
          for (int64_t p = pattern.indptr[i]; p < pattern.indptr[i + 1]; ++p) {
            T& to = row[pattern.indices[p]];
            to = add_wrapping(to, values[p]);
          }
        }
      });
    });
  });
}
bool SparseToDense::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const device::IndexKernels* kernels = index_kernels(queue);
  if (!kernels) return false;
  device::Sparse work{};
  work.minor = outputs[0].shape[1];
  const std::array<const TensorView*, 3> needed{&inputs[0], &inputs[1], &inputs[2]};
  const DeviceInputs in(queue, needed);
  describe(inputs[1], inputs[2], in.data(1), in.data(2), outputs[0], &work);
  work.values = in.data(0);
  return queue.check(kernels->sparse_to_dense(queue.stream, work, queue.failed));
}

// --- SparseGather -------------------------------------------------------------------------------

std::vector<Type> SparseGather::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_values(*this, inputs[0]);
  check_pattern_types(*this, inputs, 1);
  if (inputs[0].ndim() != 2) {
    fail(ErrorKind::type, str(), ": a matrix is needed, got ", inputs[0].type().str());
  }
  return {vector_of(inputs[0].dtype())};
}

std::vector<Var> SparseGather::grad(const GradArgs& args) const {
  std::vector<Var> result(3);
  const Var& dense = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return result;
  result[0] = is_discrete(dense.dtype())
                  ? zero_grad_for(dense)
                  : sparse_to_dense(g, args.inputs[1], args.inputs[2], shape_i(dense, 1));
  return result;
}

std::vector<std::vector<Var>> SparseGather::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[1])};
}

void SparseGather::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t major = major_length(*this, inputs[2]);
  if (inputs[0].shape[0] != major) {
    fail(ErrorKind::value, str(), ": a dense matrix of shape ", shape_text(inputs[0]),
         " does not fit a sparse one with ", major, " compressed rows");
  }
  own_layout(outputs[0], inputs[1].shape, 1);
}

void SparseGather::perform(PerformContext& context, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& dense = inputs[0];
  // The matrix is read where it lies.
  const ContiguousInputs in(context, inputs.subspan(1));
  dispatch_index(inputs[1].dtype, [&]<class I>() {
    const auto pattern = Pattern<I>::of(in, inputs.subspan(1), 0, dense.shape[1]);
    pattern.check(*this);
    dispatch_values(dense.dtype, [&]<class T>() {
      T* out = outputs[0].template as<T>();
      parallel_ranges(pattern.major, pattern.grain(), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const char* row = dense.data + i * dense.strides[0];
          for (int64_t p = pattern.indptr[i]; p < pattern.indptr[i + 1]; ++p) {
            const char* at = row + static_cast<int64_t>(pattern.indices[p]) * dense.strides[1];
            out[p] = *reinterpret_cast<const T*>(at);
          }
        }
      });
    });
  });
}
bool SparseGather::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const device::IndexKernels* kernels = index_kernels(queue);
  if (!kernels) return false;
  device::Sparse work{};
  work.minor = inputs[0].shape[1];
  const std::array<const TensorView*, 2> needed{&inputs[1], &inputs[2]};
  const DeviceInputs in(queue, needed);
  describe(inputs[1], inputs[2], in.data(0), in.data(1), outputs[0], &work);
  device::Tensor dense;
  device::to_tensor_plain(inputs[0], &dense);
  return queue.check(kernels->sparse_gather(queue.stream, work, dense, queue.failed));
}

// --- building -----------------------------------------------------------------------------------

Var sparse_dot(const Var& values, const Var& indices, const Var& indptr, const Var& minor,
               const Var& dense, bool transposed) {
  auto op = make_ref<SparseDot>();
  op->transposed = transposed;
  return apply(op, {values, indices, indptr, minor, dense});
}
Var sparse_sampled_dot(const Var& indices, const Var& indptr, const Var& minor, const Var& left,
                       const Var& right) {
  return apply(make_ref<SparseSampledDot>(), {indices, indptr, minor, left, right});
}
Var sparse_to_dense(const Var& values, const Var& indices, const Var& indptr, const Var& minor) {
  return apply(make_ref<SparseToDense>(), {values, indices, indptr, minor});
}
Var sparse_gather(const Var& dense, const Var& indices, const Var& indptr) {
  return apply(make_ref<SparseGather>(), {dense, indices, indptr});
}

}  // namespace phintys
