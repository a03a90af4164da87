// Searching, counting, groups of equal rows.
#include "order/order.h"
#include "order/results.h"

namespace phintys::cuda::order {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ int64_t thread_number() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

// A thread of the kernel for each of n.
template <class... P, class... A>
Status launch(Stream* stream, void (*kernel)(P...), int64_t n, const A&... arguments) {
  if (n == 0) return kOk;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  if (blocks > gpu::kMaxGridX) return kUnsupported;
  return gpu::launch(stream, kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0,
                     arguments...);
}

// ---- Searching ----------------------------------------------------------------------------------

template <class Key>
__global__ void __launch_bounds__(kThreads) search_kernel(device::SearchWork w) {
  const int64_t i = thread_number();
  if (i >= w.count) return;
  const int item = item_size_of(w.dtype);
  const char* const a = static_cast<const char*>(w.a);
  const Key v = load_key<Key>(static_cast<const char*>(w.v) + i * item, w.dtype, false);
  int64_t begin = 0, end = w.n;
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    const Key key = load_key<Key>(a + middle * item, w.dtype, false);
    if (key < v || (w.right && key == v)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  w.places[i] = begin;
}

// ---- Counting -----------------------------------------------------------------------------------

using Counter = unsigned long long;

__global__ void first_size_kernel(device::CountSizeWork w) {
  const int64_t least = load_integer(static_cast<const char*>(w.minlength), w.minlength_dtype);
  if (least < 0) *w.failed = 1;
  *w.size = least < 0 ? 0 : least;
}
__global__ void __launch_bounds__(kThreads) count_size_kernel(device::CountSizeWork w) {
  __shared__ Counter best[kThreads / gpu::kWarp];
  const int64_t i = thread_number();
  Counter size = 0;
  if (i < w.x.shape[0]) {
    const int64_t v = load_integer(w.x.data + i * w.x.strides[0], w.x.dtype);
    if (v < 0 || v == INT64_MAX) {
      *w.failed = 1;
    } else {
      size = static_cast<Counter>(v) + 1;
    }
  }
  for (int by = gpu::kWarp / 2; by > 0; by /= 2) {
    const Counter other = __shfl_xor_sync(gpu::kAllLanes, size, by);
    size = other > size ? other : size;
  }
  if (threadIdx.x % gpu::kWarp == 0) best[threadIdx.x / gpu::kWarp] = size;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (const Counter other : best) size = other > size ? other : size;
  atomicMax(reinterpret_cast<Counter*>(w.size), size);
}

__global__ void __launch_bounds__(kThreads) clear_kernel(int64_t n, Counter* counters) {
  const int64_t i = thread_number();
  if (i < n) counters[i] = 0;
}

// The number that element i is, or -1, and a refusal, outside [0, size).
__device__ __forceinline__ int64_t number_at(const device::CountWork& w, int64_t i) {
  const int64_t v = load_integer(w.x.data + i * w.x.strides[0], w.x.dtype);
  if (v >= 0 && v < w.size) return v;
  *w.failed = 1;
  return -1;
}

// Integers: additions in any order have one result. `weighted`: by w.weights.
__global__ void __launch_bounds__(kThreads)
    count_kernel(device::CountWork w, bool weighted, Counter* counters) {
  const int64_t i = thread_number();
  if (i >= w.x.shape[0]) return;
  const int64_t v = number_at(w, i);
  if (v < 0) return;
  Counter by = 1;
  if (weighted) {
    by = static_cast<Counter>(
        load_integer(w.weights.data + i * w.weights.strides[0], w.weights.dtype));
  }
  atomicAdd(counters + v, by);
}
__global__ void __launch_bounds__(kThreads)
    narrow_kernel(int64_t n, const Counter* counters, DType dtype, void* out) {
  const int64_t i = thread_number();
  if (i < n) store_index(out, dtype, i, static_cast<int64_t>(counters[i]));
}

__device__ __forceinline__ double weight_at(const device::Tensor& w, int64_t i) {
  const char* const p = w.data + i * w.strides[0];
  switch (w.dtype) {
    case DType::f16:
      return static_cast<double>(gpu::half_to_float(*reinterpret_cast<const uint16_t*>(p)));
    case DType::f32:
      return static_cast<double>(*reinterpret_cast<const float*>(p));
    default:
      return *reinterpret_cast<const double*>(p);
  }
}

// How many of n sorted keys are less than `key`.
__device__ __forceinline__ int64_t lower_bound(const uint32_t* keys, int64_t n, uint32_t key) {
  int64_t begin = 0, end = n;
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (keys[middle] < key) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

// Floating-point weights: a warp adds those of a number in the order of x.
__global__ void __launch_bounds__(kThreads)
    sum_weights_kernel(device::CountWork w, SortedPlaces sorted) {
  const int64_t number = thread_number() / gpu::kWarp;
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  if (number >= w.size) return;  // the whole warp
  const int64_t n = w.x.shape[0];
  const int64_t begin = lower_bound(sorted.keys, n, static_cast<uint32_t>(number));
  const int64_t end = lower_bound(sorted.keys, n, static_cast<uint32_t>(number) + 1);
  double sum = 0;
  for (int64_t i = begin + lane; i < end; i += gpu::kWarp) {
    sum += weight_at(w.weights, sorted.places[i]);
  }
  for (int by = gpu::kWarp / 2; by > 0; by /= 2) sum += __shfl_xor_sync(gpu::kAllLanes, sum, by);
  if (lane != 0) return;
  switch (w.weights.dtype) {
    case DType::f16:
      static_cast<uint16_t*>(w.out)[number] = gpu::float_to_half(static_cast<float>(sum));
      return;
    case DType::f32:
      static_cast<float*>(w.out)[number] = static_cast<float>(sum);
      return;
    default:
      static_cast<double*>(w.out)[number] = sum;
  }
}

__global__ void __launch_bounds__(kThreads) check_numbers_kernel(device::CountWork w) {
  const int64_t i = thread_number();
  if (i < w.x.shape[0]) number_at(w, i);
}

bool is_float_type(DType dtype) {
  return dtype == DType::f16 || dtype == DType::f32 || dtype == DType::f64;
}

// ---- Groups -------------------------------------------------------------------------------------

template <class T>
__device__ __forceinline__ bool equal_complex(const char* a, const char* b) {
  const T *const x = reinterpret_cast<const T*>(a), *const y = reinterpret_cast<const T*>(b);
  const bool odd_x = x[0] != x[0] || x[1] != x[1], odd_y = y[0] != y[0] || y[1] != y[1];
  return (x[0] == y[0] && x[1] == y[1]) || (odd_x && odd_y);
}
__device__ __forceinline__ bool equal_elements(const char* a, const char* b, DType dtype) {
  if (dtype == DType::c64) return equal_complex<float>(a, b);
  if (dtype == DType::c128) return equal_complex<double>(a, b);
  if (item_size_of(dtype) <= 4) return load_key32(a, dtype, false) == load_key32(b, dtype, false);
  return load_key64(a, dtype, false, 1) == load_key64(b, dtype, false, 1);
}

// Where row i in order lies; null, and a refusal, if there is none such.
__device__ __forceinline__ const char* row_at(const device::GroupWork& w, int64_t i) {
  if (w.order.data) {
    i = *reinterpret_cast<const int64_t*>(w.order.data + i * w.order.strides[0]);
    if (i < 0 || i >= w.x.shape[0]) {
      *w.failed = 1;
      return nullptr;
    }
  }
  return w.x.data + i * w.x.strides[0];
}

// 1 where a group begins, but for the first.
__global__ void __launch_bounds__(kThreads) begins_kernel(device::GroupWork w) {
  const int64_t i = thread_number();
  if (i >= w.x.shape[0]) return;
  const char *a = row_at(w, i), *b = i > 0 ? row_at(w, i - 1) : nullptr;
  bool same = true;
  if (a && b) {
    for (int64_t j = 0; j < w.x.shape[1] && same; ++j) {
      same = equal_elements(a, b, w.x.dtype);
      a += w.x.strides[1];
      b += w.x.strides[1];
    }
  }
  w.groups[i] = same ? 0 : 1;
}
__global__ void group_count_kernel(device::GroupWork w) {
  const int64_t n = w.x.shape[0];
  *w.count = n > 0 ? w.groups[n - 1] + 1 : 0;
}

__global__ void __launch_bounds__(kThreads) firsts_kernel(device::FirstsWork w) {
  const int64_t i = thread_number(), n = w.groups.shape[0];
  if (i >= n) return;
  const auto group_at = [&](int64_t at) {
    return *reinterpret_cast<const int64_t*>(w.groups.data + at * w.groups.strides[0]);
  };
  const int64_t group = group_at(i), before = i > 0 ? group_at(i - 1) : -1;
  const bool begins = group == before + 1;
  if ((!begins && group != before) || (i == n - 1 && group != w.count - 1)) {
    *w.failed = 1;
  } else if (begins && group >= 0 && group < w.count) {
    w.firsts[group] = i;
  }
}
// Nothing to look at: there must be no groups.
__global__ void refuse_kernel(int* failed) { *failed = 1; }

size_t counter_bytes(int64_t size) { return (static_cast<size_t>(size) * 8 + 255) / 256 * 256; }

}  // namespace

Status search(Stream* stream, const device::SearchWork& work) {
  if (item_size_of(work.dtype) <= 4) {
    return launch(stream, search_kernel<uint32_t>, work.count, work);
  }
  if (work.dtype == DType::c64 || work.dtype == DType::c128) return kUnsupported;
  return launch(stream, search_kernel<uint64_t>, work.count, work);
}

Status count_size(Stream* stream, const device::CountSizeWork& work) {
  const Status status = gpu::launch(stream, first_size_kernel, dim3(1), dim3(1), 0, work);
  if (status != kOk) return status;
  return launch(stream, count_size_kernel, work.x.shape[0], work);
}

size_t count_scratch(Stream* stream, const device::CountWork& work) {
  const int64_t n = work.x.shape[0];
  if (work.weights.ndim == 0) return 0;
  if (is_float_type(work.weights.dtype) && n > 0) return places_scratch(stream, n);
  return counter_bytes(work.size);
}

Status count(Stream* stream, const device::CountWork& work) {
  const bool weighted = work.weights.ndim != 0;
  const int64_t n = work.x.shape[0];
  if (weighted && is_float_type(work.weights.dtype) && n > 0) {
    Status status = launch(stream, check_numbers_kernel, n, work);
    if (status != kOk || work.size == 0) return status;
    SortedPlaces sorted;
    status = sort_numbers(stream, work.x, work.size, work.scratch, &sorted);
    if (status != kOk) return status;
    return launch(stream, sum_weights_kernel, work.size * gpu::kWarp, work, sorted);
  }
  const bool direct = !weighted || item_size_of(work.weights.dtype) == 8;
  Counter* const counters = static_cast<Counter*>(direct ? work.out : work.scratch);
  Status status = launch(stream, clear_kernel, work.size, work.size, counters);
  if (status == kOk) status = launch(stream, count_kernel, n, work, weighted, counters);
  if (status != kOk || direct) return status;
  return launch(stream, narrow_kernel, work.size, work.size, static_cast<const Counter*>(counters),
                work.weights.dtype, work.out);
}

size_t group_scratch(const device::GroupWork& work) {
  const int64_t n = work.x.shape[0];
  return cumulate_scratch(
      {DType::i64, device::CumulateKind::sum, false, 1, n, 1, nullptr, nullptr, nullptr});
}

Status group(Stream* stream, const device::GroupWork& work) {
  const int64_t n = work.x.shape[0];
  Status status = launch(stream, begins_kernel, n, work);
  if (status == kOk) {
    status = cumulate(stream, {DType::i64, device::CumulateKind::sum, false, 1, n, 1, work.groups,
                               work.groups, work.scratch});
  }
  if (status != kOk) return status;
  return gpu::launch(stream, group_count_kernel, dim3(1), dim3(1), 0, work);
}

Status firsts(Stream* stream, const device::FirstsWork& work) {
  const int64_t n = work.groups.shape[0];
  if (n > 0) return launch(stream, firsts_kernel, n, work);
  if (work.count == 0) return kOk;
  return gpu::launch(stream, refuse_kernel, dim3(1), dim3(1), 0, work.failed);
}

}  // namespace phintys::cuda::order
