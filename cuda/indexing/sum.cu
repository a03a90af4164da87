// Sums over dimensions that broadcasting stretched, always in the same order.
#include "indexing/support.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

constexpr int64_t kRowLength = 512;  // elements that a thread or a block adds one after another
constexpr int64_t kEnough = 4096;    // warps that keep a GPU busy

// A sum for each of `kept` positions over `reduced` ones, in `chunks` pieces.
struct SumWork {
  Strided kept, reduced;
  uint32_t kept_size, reduced_size, chunk;
  const char* from;
  DType dtype;
};

template <class T>
__device__ __forceinline__ T load_sum(const char* p, DType dtype) {
  if constexpr (T(0.5) == T(0)) {
    return static_cast<T>(load_integer(p, dtype));
  } else if constexpr (sizeof(T) == 4) {
    return dtype == DType::f16 ? gpu::half_to_float(*reinterpret_cast<const uint16_t*>(p))
                               : *reinterpret_cast<const float*>(p);
  } else {
    return *reinterpret_cast<const double*>(p);
  }
}

// Neighbouring threads have neighbouring sums: for dimensions that are reduced from outside.
template <class T>
__global__ void __launch_bounds__(kThreads) column_sum_kernel(const SumWork work, T* to) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= work.kept_size) return;
  const char* const from = work.from + work.kept.offset(i);
  const uint32_t begin = blockIdx.y * work.chunk;
  const uint32_t end =
      begin + work.chunk < work.reduced_size ? begin + work.chunk : work.reduced_size;
  T sum = 0;
  for (uint32_t r = begin; r < end; ++r) {
    sum += load_sum<T>(from + work.reduced.offset(r), work.dtype);
  }
  to[static_cast<int64_t>(blockIdx.y) * work.kept_size + i] = sum;
}

// A warp for each sum: for dimensions that are reduced from inside.
template <class T>
__global__ void __launch_bounds__(kThreads) row_sum_kernel(const SumWork work, T* to) {
  const uint32_t i = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (i >= work.kept_size) return;
  const char* const from = work.from + work.kept.offset(i);
  const uint32_t begin = blockIdx.y * work.chunk;
  const uint32_t end =
      begin + work.chunk < work.reduced_size ? begin + work.chunk : work.reduced_size;
  T sum = 0;
  for (uint32_t r = begin + lane; r < end; r += 32) {
    sum += load_sum<T>(from + work.reduced.offset(r), work.dtype);
  }
  for (int d = 16; d > 0; d /= 2) {
    using Word = std::conditional_t<std::is_same_v<T, uint64_t>, unsigned long long, T>;
    sum += static_cast<T>(__shfl_xor_sync(gpu::kAllLanes, static_cast<Word>(sum), d));
  }
  if (lane == 0) to[static_cast<int64_t>(blockIdx.y) * work.kept_size + i] = sum;
}

// The sums of chunks, added in their order.
template <class T>
__global__ void __launch_bounds__(kThreads)
    join_kernel(const T* parts, uint32_t n, uint32_t chunks, char* to, DType dtype, int64_t step) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  T sum = 0;
  for (uint32_t c = 0; c < chunks; ++c) sum += parts[static_cast<int64_t>(c) * n + i];
  if constexpr (T(0.5) == T(0)) {
    store_integer(to + i * step, dtype, static_cast<int64_t>(sum));
  } else {
    store_real(to + i * step, dtype, sum);
  }
}

struct Plan {
  SumWork work;
  bool rows = false;  // reduced from inside
  uint32_t chunks = 1;
};

// False if there are more elements than kernels count.
bool plan_sum(const Tensor& to, const Tensor& from, Plan* plan) {
  if (size_of(from) > launch_limit()) return false;
  Tensor kept{}, reduced{};
  int64_t least = INT64_MAX;  // step of the innermost dimension in memory
  auto append = [&](Tensor* t, int d) {
    const int n = t->ndim;
    const int64_t length = from.shape[d], step = from.strides[d];
    if (n > 0 && t->strides[n - 1] == length * step) {
      t->shape[n - 1] *= length;
      t->strides[n - 1] = step;
      return;
    }
    t->shape[n] = length;
    t->strides[n] = step;
    t->ndim = n + 1;
  };
  for (int d = 0; d < from.ndim; ++d) {
    if (from.shape[d] == 1) continue;
    const bool sums = to.shape[d] == 1;
    append(sums ? &reduced : &kept, d);
    const int64_t step = from.strides[d] < 0 ? -from.strides[d] : from.strides[d];
    if (step != 0 && step <= least) {
      least = step;
      plan->rows = sums;
    }
  }
  SumWork& w = plan->work;
  w.kept = Strided(kept);
  w.reduced = Strided(reduced);
  const int64_t n = size_of(kept), m = size_of(reduced);
  w.kept_size = static_cast<uint32_t>(n);
  w.reduced_size = static_cast<uint32_t>(m);
  w.from = from.data;
  w.dtype = from.dtype;
  const int64_t warps = plan->rows ? n : ceil_div(n, 32);
  int64_t chunks = warps >= kEnough ? 1 : kEnough / warps;
  if (chunks > ceil_div(m, kRowLength)) chunks = ceil_div(m, kRowLength);
  if (chunks < 1) chunks = 1;
  const int64_t chunk = m ? ceil_div(m, chunks) : 1;
  w.chunk = static_cast<uint32_t>(chunk);
  plan->chunks = static_cast<uint32_t>(m ? ceil_div(m, chunk) : 1);
  return plan->chunks <= gpu::kMaxGridYZ;
}

template <class T>
Status run(Stream* stream, const Plan& plan, char* to_data, int64_t step, DType dtype,
           void* scratch) {
  const SumWork& w = plan.work;
  T* const parts = static_cast<T*>(scratch);
  const int64_t threads = plan.rows ? int64_t{w.kept_size} * 32 : w.kept_size;
  const dim3 grid(blocks_for(threads, kThreads), plan.chunks);
  if (plan.rows) {
    PHINTYS_TRY(gpu::launch(stream, row_sum_kernel<T>, grid, kThreads, 0, w, parts));
  } else {
    PHINTYS_TRY(gpu::launch(stream, column_sum_kernel<T>, grid, kThreads, 0, w, parts));
  }
  return gpu::launch(stream, join_kernel<T>, blocks_for(w.kept_size, kThreads), kThreads, 0, parts,
                     w.kept_size, plan.chunks, to_data, dtype, step);
}

}  // namespace

size_t sum_scratch(const Tensor& to, const Tensor& from) {
  Plan plan;
  if (size_of(to) == 0 || !plan_sum(to, from, &plan)) return 0;
  return static_cast<size_t>(plan.chunks) * plan.work.kept_size * sizeof(double);
}

Status sum(Stream* stream, const Tensor& to, const Tensor& from, void* scratch) {
  if (size_of(to) == 0) return kOk;
  Plan plan;
  if (!plan_sum(to, from, &plan)) return kUnsupported;
  const int64_t item = item_size_of(to.dtype);
  switch (to.dtype) {
    case DType::f16:
    case DType::f32:
      return run<float>(stream, plan, to.data, item, to.dtype, scratch);
    case DType::f64:
      return run<double>(stream, plan, to.data, item, to.dtype, scratch);
    case DType::c64:
    case DType::c128: {
      // The real parts, then the imaginary ones.
      const bool narrow = to.dtype == DType::c64;
      for (int part = 0; part < 2; ++part) {
        const int64_t at = part * item / 2;
        plan.work.from = from.data + at;
        plan.work.dtype = narrow ? DType::f32 : DType::f64;
        PHINTYS_TRY(narrow ? run<float>(stream, plan, to.data + at, item, DType::f32, scratch)
                           : run<double>(stream, plan, to.data + at, item, DType::f64, scratch));
      }
      return kOk;
    }
    default:
      return run<uint64_t>(stream, plan, to.data, item, to.dtype, scratch);
  }
}

}  // namespace phintys::cuda::indexing
