// Products of compressed sparse matrices with dense ones. Sums are in the order of the entries.
#include "indexing/support.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

using device::Sparse;

struct Complex32 {
  float re, im;
};
struct Complex64 {
  double re, im;
};

template <class T>
__device__ __forceinline__ T multiply_add(T a, T b, T sum) {
  return static_cast<T>(sum + a * b);
}
__device__ __forceinline__ Complex32 multiply_add(Complex32 a, Complex32 b, Complex32 sum) {
  return {sum.re + (a.re * b.re - a.im * b.im), sum.im + (a.re * b.im + a.im * b.re)};
}
__device__ __forceinline__ Complex64 multiply_add(Complex64 a, Complex64 b, Complex64 sum) {
  return {sum.re + (a.re * b.re - a.im * b.im), sum.im + (a.re * b.im + a.im * b.re)};
}

template <class T>
__device__ __forceinline__ T add(T a, T b) {
  return a + b;
}
__device__ __forceinline__ Complex32 add(Complex32 a, Complex32 b) {
  return {a.re + b.re, a.im + b.im};
}
__device__ __forceinline__ Complex64 add(Complex64 a, Complex64 b) {
  return {a.re + b.re, a.im + b.im};
}

// What kernels are given. Positions are checked by a kernel of their own, but nothing may be read
// outside in the meantime.
struct Work {
  Sparse s;
  int64_t size;
  const uint32_t *keys, *order;  // entries sorted by their minor index
  const int64_t* majors;         // of the entries

  __device__ __forceinline__ int64_t index(const char* list, int64_t i) const {
    return s.index == DType::i32 ? reinterpret_cast<const int32_t*>(list)[i]
                                 : reinterpret_cast<const int64_t*>(list)[i];
  }
  __device__ __forceinline__ int64_t start(int64_t i) const {
    const int64_t p = index(s.indptr, i);
    return p < 0 ? 0 : p > s.count ? s.count : p;
  }
  // Integers are computed with in 64 bits.
  template <class T>
  __device__ __forceinline__ T load(const char* list, int64_t i) const {
    if constexpr (std::is_same_v<T, uint64_t>) {
      return static_cast<uint64_t>(load_integer(list + i * item, s.dtype));
    } else {
      return reinterpret_cast<const T*>(list)[i];
    }
  }
  template <class T>
  __device__ __forceinline__ void store(int64_t i, T value) const {
    if constexpr (std::is_same_v<T, uint64_t>) {
      store_integer(s.out + i * item, s.dtype, static_cast<int64_t>(value));
    } else {
      reinterpret_cast<T*>(s.out)[i] = value;
    }
  }
  int32_t item;
};

__global__ void __launch_bounds__(kThreads) pattern_kernel(const Work work, int* failed) {
  const Sparse& s = work.s;
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  bool bad = false;
  const Tensor& minor = s.minor_value;
  if (i == 0 && minor.data) bad = load_integer(minor.data, minor.dtype) != s.minor;
  if (i == 0) bad = bad || work.index(s.indptr, 0) != 0 || work.index(s.indptr, s.major) != s.count;
  if (i < s.major) bad = bad || work.index(s.indptr, i + 1) < work.index(s.indptr, i);
  if (i < s.count) {
    const int64_t at = work.index(s.indices, i);
    bad = bad || at < 0 || at >= s.minor;
  }
  if (bad) *failed = 1;
}

// A thread for each element of the result.
template <class T>
__global__ void __launch_bounds__(kThreads) dot_kernel(const Work work) {
  const Sparse& s = work.s;
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= work.size) return;
  const int64_t row = i / s.columns, column = i - row * s.columns;
  const int64_t end = work.start(row + 1);
  T sum{};
  for (int64_t p = work.start(row); p < end; ++p) {
    const int64_t at = work.index(s.indices, p);
    if (at < 0 || at >= s.minor) continue;
    sum = multiply_add(work.load<T>(s.values, p), work.load<T>(s.right, at * s.columns + column),
                       sum);
  }
  work.store<T>(i, sum);
}

// The row that entry p is in.
__device__ __forceinline__ int64_t row_of(const Work& work, int64_t p) {
  int64_t low = 0, high = work.s.major - 1;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (work.start(middle) <= p) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

__global__ void __launch_bounds__(kThreads)
    major_kernel(const Work work, int64_t* majors, uint32_t* keys) {
  const Sparse& s = work.s;
  const int64_t p = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (p >= s.count) return;
  majors[p] = row_of(work, p);
  const int64_t at = work.index(s.indices, p);
  keys[p] = at >= 0 && at < s.minor ? static_cast<uint32_t>(at) : 0xffffffffu;
}

template <class T>
__global__ void __launch_bounds__(kThreads) transposed_kernel(const Work work) {
  const Sparse& s = work.s;
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= work.size) return;
  const int64_t row = i / s.columns, column = i - row * s.columns;
  const uint32_t key = static_cast<uint32_t>(row);
  int64_t low = 0, high = s.count;  // the first entry whose key is not below
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (work.keys[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  T sum{};
  for (; low < s.count && work.keys[low] == key; ++low) {
    const int64_t p = work.order[low];
    sum = multiply_add(work.load<T>(s.values, p),
                       work.load<T>(s.right, work.majors[p] * s.columns + column), sum);
  }
  work.store<T>(i, sum);
}

// A thread for each entry; of long rows a warp, whose lanes take every 32nd column.
template <class T>
__global__ void __launch_bounds__(kThreads) sample_kernel(const Work work) {
  const Sparse& s = work.s;
  const int64_t p = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (p >= s.count) return;
  const int64_t row = row_of(work, p), at = work.index(s.indices, p);
  T sum{};
  if (at >= 0 && at < s.minor) {
    for (int64_t c = 0; c < s.columns; ++c) {
      sum = multiply_add(work.load<T>(s.left, row * s.columns + c),
                         work.load<T>(s.right, at * s.columns + c), sum);
    }
  }
  work.store<T>(p, sum);
}

// A thread for each row, which is zero before.
template <class T>
__global__ void __launch_bounds__(kThreads) dense_kernel(const Work work) {
  const Sparse& s = work.s;
  const int64_t row = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (row >= s.major) return;
  const int64_t end = work.start(row + 1);
  for (int64_t p = work.start(row); p < end; ++p) {
    const int64_t at = work.index(s.indices, p);
    if (at < 0 || at >= s.minor) continue;
    const int64_t to = row * s.minor + at;
    work.store<T>(to, add(work.load<T>(s.out, to), work.load<T>(s.values, p)));
  }
}

__global__ void __launch_bounds__(kThreads) entries_kernel(const Work work, const Tensor dense) {
  const Sparse& s = work.s;
  const int64_t p = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (p >= s.count) return;
  const int64_t row = row_of(work, p), at = work.index(s.indices, p);
  if (at < 0 || at >= s.minor) return;
  move_item(s.out + p * work.item, dense.data + row * dense.strides[0] + at * dense.strides[1],
            work.item);
}

// f(a value of the type that is computed with)
template <class F>
Status with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::c64:
      return f(Complex32{});
    case DType::c128:
      return f(Complex64{});
    default:
      return f(uint64_t{});
  }
}

bool fits(int64_t threads) { return ceil_div(threads, kThreads) <= gpu::kMaxGridX; }

Work describe(const Sparse& sparse, int64_t size) {
  Work work{};
  work.s = sparse;
  work.size = size;
  work.item = static_cast<int32_t>(item_size_of(sparse.dtype));
  return work;
}

Status check_pattern(Stream* stream, const Work& work, int* failed) {
  const int64_t n = work.s.major > work.s.count ? work.s.major : work.s.count;
  if (!fits(n)) return kUnsupported;
  return gpu::launch(stream, pattern_kernel, blocks_for(n > 0 ? n : 1, kThreads), kThreads, 0, work,
                     failed);
}

size_t aligned(int64_t bytes) { return static_cast<size_t>((bytes + 255) / 256 * 256); }

}  // namespace

Status sparse_dot(Stream* stream, const Sparse& sparse, int* failed) {
  const Work work = describe(sparse, sparse.major * sparse.columns);
  if (!fits(work.size)) return kUnsupported;
  PHINTYS_TRY(check_pattern(stream, work, failed));
  if (work.size == 0) return kOk;
  return with_type(sparse.dtype, [&](auto type) {
    return gpu::launch(stream, dot_kernel<decltype(type)>, blocks_for(work.size, kThreads),
                       kThreads, 0, work);
  });
}

size_t sparse_scratch(const Sparse& sparse) {
  return aligned(sparse.count * 8) + sort_scratch(sparse.count);
}

Status sparse_dot_transposed(Stream* stream, const Sparse& sparse, void* scratch, int* failed) {
  Work work = describe(sparse, sparse.minor * sparse.columns);
  if (!fits(work.size) || sparse.count > launch_limit() || sparse.minor >= int64_t{0xffffffff})
    return kUnsupported;
  PHINTYS_TRY(check_pattern(stream, work, failed));
  if (work.size == 0) return kOk;
  if (sparse.count > 0) {
    int64_t* const majors = static_cast<int64_t*>(scratch);
    void* const sorting = static_cast<char*>(scratch) + aligned(sparse.count * 8);
    PHINTYS_TRY(gpu::launch(stream, major_kernel, blocks_for(sparse.count, kThreads), kThreads, 0,
                            work, majors, unsorted_keys(sorting)));
    SortedKeys sorted;
    PHINTYS_TRY(sort_keys(stream, sparse.count, sparse.minor, sorting, &sorted));
    work.keys = sorted.keys;
    work.order = sorted.positions;
    work.majors = majors;
  }
  return with_type(sparse.dtype, [&](auto type) {
    return gpu::launch(stream, transposed_kernel<decltype(type)>, blocks_for(work.size, kThreads),
                       kThreads, 0, work);
  });
}

Status sparse_sample(Stream* stream, const Sparse& sparse, int* failed) {
  const Work work = describe(sparse, sparse.count);
  PHINTYS_TRY(check_pattern(stream, work, failed));
  if (work.size == 0) return kOk;
  return with_type(sparse.dtype, [&](auto type) {
    return gpu::launch(stream, sample_kernel<decltype(type)>, blocks_for(work.size, kThreads),
                       kThreads, 0, work);
  });
}

Status sparse_to_dense(Stream* stream, const Sparse& sparse, int* failed) {
  const Work work = describe(sparse, sparse.major * sparse.minor);
  PHINTYS_TRY(check_pattern(stream, work, failed));
  if (work.size == 0) return kOk;
  const Tensor out{sparse.out, DType::b8, 1, {work.size * work.item}, {1}};
  PHINTYS_TRY(zero(stream, out));
  return with_type(sparse.dtype, [&](auto type) {
    return gpu::launch(stream, dense_kernel<decltype(type)>, blocks_for(sparse.major, kThreads),
                       kThreads, 0, work);
  });
}

Status sparse_gather(Stream* stream, const Sparse& sparse, const Tensor& dense, int* failed) {
  const Work work = describe(sparse, sparse.count);
  PHINTYS_TRY(check_pattern(stream, work, failed));
  if (work.size == 0) return kOk;
  return gpu::launch(stream, entries_kernel, blocks_for(work.size, kThreads), kThreads, 0, work,
                     dense);
}

}  // namespace phintys::cuda::indexing
