// What is filled by a formula, and checks of operands.
#include "indexing/support.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

constexpr int64_t kMost = int64_t{1} << 20;  // threads of these launches; each takes several steps

unsigned stride_blocks(int64_t n) { return blocks_for(n < kMost ? n : kMost, kThreads); }

#define PHINTYS_EACH(i, n)                                                               \
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < (n); \
       i += static_cast<int64_t>(gridDim.x) * blockDim.x)

__global__ void __launch_bounds__(kThreads)
    arange_kernel(char* to, DType dtype, int64_t n, int item, const char* start, DType start_dtype,
                  const char* step, DType step_dtype) {
  if (is_float(dtype)) {
    const double first = load_real(start, start_dtype), by = load_real(step, step_dtype);
    PHINTYS_EACH(i, n) store_real(to + i * item, dtype, first + static_cast<double>(i) * by);
    return;
  }
  auto integer = [](const char* p, DType of) {
    return static_cast<uint64_t>(is_float(of) ? static_cast<int64_t>(load_real(p, of))
                                              : load_integer(p, of));
  };
  const uint64_t first = integer(start, start_dtype), by = integer(step, step_dtype);
  PHINTYS_EACH(i, n) {
    store_integer(to + i * item, dtype,
                  static_cast<int64_t>(first + static_cast<uint64_t>(i) * by));
  }
}

__global__ void __launch_bounds__(kThreads)
    diagonal_kernel(char* to, DType dtype, int item, int64_t rows, int64_t columns, const char* k,
                    DType k_dtype) {
  const int64_t offset = load_integer(k, k_dtype);
  if (offset <= -rows || offset >= columns) return;
  PHINTYS_EACH(i, rows) {
    const int64_t column = i + offset;
    if (column < 0 || column >= columns) continue;
    char* p = to + (i * columns + column) * item;
    if (dtype == DType::c64 || dtype == DType::c128) {
      store_real(p, dtype == DType::c64 ? DType::f32 : DType::f64, 1.0);
    } else if (is_float(dtype)) {
      store_real(p, dtype, 1.0);
    } else {
      store_integer(p, dtype, 1);
    }
  }
}

__global__ void __launch_bounds__(kThreads) zero_kernel(char* to, int64_t words, int64_t bytes) {
  PHINTYS_EACH(i, words) reinterpret_cast<uint4*>(to)[i] = make_uint4(0, 0, 0, 0);
  PHINTYS_EACH(i, bytes - words * 16) to[words * 16 + i] = 0;
}

// Tensors of any size: coordinates in 64 bits, which here are not what time goes into.
struct Wide {
  int32_t ndim;
  int64_t shape[kMaxRank], strides[kMaxRank];
  explicit Wide(const Tensor& t) : ndim(t.ndim) {
    for (int d = 0; d < t.ndim; ++d) {
      shape[d] = t.shape[d];
      strides[d] = t.strides[d];
    }
  }
  __device__ __forceinline__ int64_t offset(int64_t i) const {
    int64_t sum = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      const int64_t q =
          (i >> 31) == 0 && (shape[d] >> 31) == 0
              ? static_cast<int64_t>(static_cast<uint32_t>(i) / static_cast<uint32_t>(shape[d]))
              : i / shape[d];
      sum += (i - q * shape[d]) * strides[d];
      i = q;
    }
    return sum;
  }
};

__global__ void __launch_bounds__(kThreads)
    check_kernel(const char* data, DType dtype, Wide view, int64_t n, int64_t length, int* failed) {
  bool bad = false;
  PHINTYS_EACH(i, n) {
    const int64_t index = load_integer(data + view.offset(i), dtype);
    bad = bad || index < -length || index >= length;
  }
  if (bad) *failed = 1;
}

__global__ void __launch_bounds__(kThreads)
    require_kernel(const char* data, DType dtype, Wide view, int64_t n, int* failed) {
  bool bad = false;
  PHINTYS_EACH(i, n) bad = bad || !is_true(data + view.offset(i), dtype);
  if (bad) *failed = 1;
}

__global__ void resolve_kernel(const device::Slice slice, int64_t* range, int* failed) {
  int64_t bounds[3];
  bool given[3];
  for (int b = 0; b < 3; ++b) {
    const char* p = static_cast<const char*>(slice.bounds[b]);
    bounds[b] = p ? load_integer(p, slice.dtypes[b]) : slice.constants[b];
    given[b] = p || slice.has_constant[b];
  }
  int64_t by = given[2] ? bounds[2] : 1;
  if (by == INT64_MIN) by = -INT64_MAX;
  range[0] = range[1] = range[2] = 0;
  if (by == 0) {
    *failed = 1;
    return;
  }
  const int64_t n = slice.length, least = by < 0 ? -1 : 0, most = by < 0 ? n - 1 : n;
  auto clamp = [&](int64_t v) {
    if (v < 0) v += n;
    return v < least ? least : v > most ? most : v;
  };
  const int64_t start = given[0] ? clamp(bounds[0]) : by < 0 ? most : least;
  const int64_t stop = given[1] ? clamp(bounds[1]) : by < 0 ? least : most;
  int64_t length = 0;
  if (by > 0 && start < stop) length = (stop - start - 1) / by + 1;
  if (by < 0 && stop < start) length = (start - stop - 1) / -by + 1;
  if (slice.expected >= 0 && slice.expected != length) {
    *failed = 1;
    return;
  }
  range[0] = start;
  range[1] = by;
  range[2] = length;
}

struct ChooseWork {
  Wide which;
  const char* numbers;
  DType dtype;
  char* to;
  const Tensor* choices;
  int64_t n, size;
  int32_t mode, item;
  int* failed;
};

__global__ void __launch_bounds__(kThreads) choose_kernel(const ChooseWork work) {
  const int ndim = work.which.ndim;
  PHINTYS_EACH(i, work.size) {
    int64_t k = load_integer(work.numbers + work.which.offset(i), work.dtype);
    if (k < 0 || k >= work.n) {
      if (work.mode == 0) {
        *work.failed = 1;
        continue;
      }
      k = work.mode == 1 ? (k % work.n + work.n) % work.n : k < 0 ? 0 : work.n - 1;
    }
    const Tensor& choice = work.choices[k];
    int64_t rest = i, offset = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      const int64_t q = rest / work.which.shape[d];
      offset += (rest - q * work.which.shape[d]) * choice.strides[d];
      rest = q;
    }
    move_item(work.to + i * work.item, choice.data + offset, work.item);
  }
}

}  // namespace

Status arange(Stream* stream, const Tensor& to, const Tensor& start, const Tensor& step) {
  const int64_t n = size_of(to);
  if (n == 0) return kOk;
  return gpu::launch(stream, arange_kernel, stride_blocks(n), kThreads, 0, to.data, to.dtype, n,
                     static_cast<int>(item_size_of(to.dtype)), start.data, start.dtype, step.data,
                     step.dtype);
}

Status zero(Stream* stream, const Tensor& to) {
  const int64_t bytes = size_of(to) * item_size_of(to.dtype);
  // Vectors, if the address suits them.
  const int64_t words = reinterpret_cast<uintptr_t>(to.data) % 16 ? 0 : bytes / 16;
  if (bytes == 0) return kOk;
  return gpu::launch(stream, zero_kernel, stride_blocks(words ? words + 16 : bytes), kThreads, 0,
                     to.data, words, bytes);
}

Status eye(Stream* stream, const Tensor& to, const Tensor& k) {
  if (size_of(to) == 0) return kOk;
  PHINTYS_TRY(zero(stream, to));
  return gpu::launch(stream, diagonal_kernel, stride_blocks(to.shape[0]), kThreads, 0, to.data,
                     to.dtype, static_cast<int>(item_size_of(to.dtype)), to.shape[0], to.shape[1],
                     k.data, k.dtype);
}

Status check(Stream* stream, const Tensor& index, int64_t length, int* failed) {
  const int64_t n = size_of(index);
  if (n == 0) return kOk;
  return gpu::launch(stream, check_kernel, stride_blocks(n), kThreads, 0, index.data, index.dtype,
                     Wide(index), n, length, failed);
}

Status require(Stream* stream, const Tensor& conditions, int* failed) {
  const int64_t n = size_of(conditions);
  if (n == 0) return kOk;
  return gpu::launch(stream, require_kernel, stride_blocks(n), kThreads, 0, conditions.data,
                     conditions.dtype, Wide(conditions), n, failed);
}

Status resolve(Stream* stream, const device::Slice& slice, int64_t* range, int* failed) {
  return gpu::launch(stream, resolve_kernel, 1, 1, 0, slice, range, failed);
}

Status choose(Stream* stream, const Tensor& to, const Tensor& which, const Tensor* choices,
              int64_t n, int mode, int* failed) {
  const int64_t size = size_of(to);
  if (size == 0) return kOk;
  const ChooseWork work{Wide(which), which.data, which.dtype,
                        to.data,     choices,    n,
                        size,        mode,       static_cast<int32_t>(item_size_of(to.dtype)),
                        failed};
  return gpu::launch(stream, choose_kernel, stride_blocks(size), kThreads, 0, work);
}

}  // namespace phintys::cuda::indexing
