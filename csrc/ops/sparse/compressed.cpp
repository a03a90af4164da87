#include "ops/sparse/compressed.h"

#include <limits>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/sparse/product_isa.h"

namespace phintys {

namespace {

constexpr int64_t kTask = 32768;  // multiplications that a thread takes at a time

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

bool is_index(DType d) { return d == DType::i32 || d == DType::i64; }

}  // namespace

void check_pattern_types(const Op& op, std::span<const Var> inputs, size_t first) {
  const Type& indices = inputs[first].type();
  const Type& indptr = inputs[first + 1].type();
  if (indices.ndim() != 1 || indptr.ndim() != 1 || !is_index(indices.dtype()) ||
      indices.dtype() != indptr.dtype()) {
    fail(ErrorKind::type, op.str(),
         ": indices and indptr must be two int32 or two int64 vectors, got ", indices.str(),
         " and ", indptr.str());
  }
}

void check_values(const Op& op, const Var& values) {
  const DType d = values.dtype();
  if (d == DType::b8 || d == DType::f16) {
    fail(ErrorKind::type, op.str(), ": there is no arithmetic of sparse matrices of ",
         dtype_name(d), "; cast them");
  }
}

Var major_length(const Var& indptr) { return shape_i(indptr, 0) - constant_int(1); }

Type vector_of(DType dtype) { return Type::tensor(dtype, Dims{kUnknownDim}); }

int64_t major_length(const Op& op, const TensorView& indptr) {
  if (indptr.shape[0] > 0) return indptr.shape[0] - 1;
  fail(ErrorKind::value, op.str(), ": indptr is empty; it needs one element more than there are ",
       "rows (csr) or columns (csc)");
}

int64_t length_value(const Op& op, const TensorView& scalar, const char* what) {
  const int64_t n = load_int(scalar.data, scalar.dtype);
  if (n < 0) fail(ErrorKind::value, op.str(), ": ", what, " is negative: ", n);
  // Room for one more, as indptr has.
  if (n >= int64_t{1} << 48) fail(ErrorKind::value, op.str(), ": ", what, " is too large: ", n);
  return n;
}

ContiguousInputs::ContiguousInputs(PerformContext& context, std::span<const TensorView> inputs,
                                   size_t extra_bytes) {
  size_t total = aligned(extra_bytes);
  auto bytes = [](const TensorView& v) {
    return v.contiguous() ? 0 : aligned(static_cast<size_t>(v.size()) * item_size(v.dtype));
  };
  for (const TensorView& v : inputs) total += bytes(v);
  char* block = total > 0 ? static_cast<char*>(context.scratch(total)) : nullptr;
  extra_ = block;
  block += aligned(extra_bytes);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorView& v = inputs[i];
    data_[i] = v.data;
    if (v.contiguous()) continue;
    const Dims shape(v.shape, v.shape + v.ndim);
    const Dims strides = contiguous_strides(shape, item_size(v.dtype));
    copy_parallel({block, v.dtype, v.ndim, v.shape, strides.data()}, v);
    data_[i] = block;
    block += bytes(v);
  }
}

template <class I>
void Pattern<I>::check_indptr(const Op& op) const {
  if (indptr[0] != 0 || static_cast<int64_t>(indptr[major]) != count) {
    fail(ErrorKind::value, op.str(), ": indptr must start at 0 and end at the number of entries, ",
         count, "; it starts at ", indptr[0], " and ends at ", indptr[major]);
  }
  parallel_ranges(major, 2 * kTask, [&](int64_t begin, int64_t end) {
    bool falls = false;
    for (int64_t i = begin; i < end; ++i) falls |= indptr[i + 1] < indptr[i];
    if (!falls) return;
    int64_t at = begin;
    while (indptr[at + 1] >= indptr[at]) ++at;
    fail(ErrorKind::value, op.str(), ": indptr falls from ", indptr[at], " to ", indptr[at + 1],
         " at position ", at + 1);
  });
}

template <class I>
void Pattern<I>::check_indices(const Op& op, int64_t begin, int64_t end) const {
  using U = std::make_unsigned_t<I>;
  // No index can be above the largest I.
  const int64_t most = std::min(minor, static_cast<int64_t>(std::numeric_limits<I>::max()));
  const U limit = static_cast<U>(most);
  bool good;
  if constexpr (sizeof(I) == 4) {
    good = PHINTYS_ISA_CALL(sparse_below_i32)(indices + begin, end - begin, most);
  } else {
    good = PHINTYS_ISA_CALL(sparse_below_i64)(indices + begin, end - begin, most);
  }
  if (good) return;
  int64_t at = begin;
  while (static_cast<U>(indices[at]) < limit) ++at;
  fail(ErrorKind::index, op.str(), ": index ", indices[at], " of entry ", at,
       " is out of range for a sparse matrix with ", major, " compressed rows of length ", minor);
}

template <class I>
void Pattern<I>::check(const Op& op) const {
  check_indptr(op);
  parallel_ranges(count, 2 * kTask,
                  [&](int64_t begin, int64_t end) { check_indices(op, begin, end); });
}

template <class I>
int64_t Pattern<I>::grain(int64_t cost) const {
  const double work =
      static_cast<double>(count) * static_cast<double>(cost) + static_cast<double>(major);
  const double each = work / static_cast<double>(std::max<int64_t>(1, major));
  return std::max<int64_t>(1, static_cast<int64_t>(kTask / each));
}

template struct Pattern<int32_t>;
template struct Pattern<int64_t>;

}  // namespace phintys
