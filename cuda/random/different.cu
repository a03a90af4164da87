// Different numbers: permutations, and samples without replacement.
#include "random/random.h"

namespace phintys::cuda::random {

namespace {

using device::RandomPermutation;
using device::RandomRows;

// --- permutations --------------------------------------------------------------------------------
//
// The host exchanges, for i = 0, 1, ..., the elements i and q[i] >= i of 0, 1, ..., n - 1. All
// steps at once give the same: what step i puts out is what lay at q[i] before it. That is q[i]
// itself, unless a step before i had the same q; then it is what the last of those steps found at
// its own place, which in turn is its number, unless a step before had drawn that place, and so on.
// Steps are found by what they drew in lists; lists have about one element each. Their order
// depends on the timing of threads, what is looked for in them does not.

struct Lists {
  int32_t* heads;  // rows * size: the first step of each list, or -1
  int32_t* next;   // rows * m
  int32_t* found;  // rows * m: the last step before i that drew i, or -1
  int64_t* drawn;  // rows * m: q
  int64_t size;    // a power of two
};

int64_t lists_size(int64_t m) {
  int64_t size = 1;
  while (size < m) size *= 2;
  return size;
}

Lists lists_in(void* scratch, int64_t rows, int64_t m) {
  Lists lists{};
  lists.size = lists_size(m);
  lists.drawn = static_cast<int64_t*>(scratch);
  lists.heads = reinterpret_cast<int32_t*>(lists.drawn + rows * m);
  lists.next = lists.heads + rows * lists.size;
  lists.found = lists.next + rows * m;
  return lists;
}

__global__ void __launch_bounds__(kThreads) clear_lists(int32_t* heads, int64_t n) {
  const int64_t at = thread_number();
  if (at < n) heads[at] = -1;
}

__global__ void __launch_bounds__(kThreads) draw_steps(RandomPermutation p, Lists lists) {
  const int64_t e = thread_number();
  if (e >= p.rows * p.m) return;
  const int64_t row = e / p.m, i = e - row * p.m;
  const PhiloxState s = read_state(p.stream);
  const BoundedInteger bounded(static_cast<uint64_t>(*p.n - i));
  const int64_t q = i + static_cast<int64_t>(bounded(word_at(s, e), s, static_cast<uint64_t>(e)));
  lists.drawn[e] = q;
  int32_t* head = lists.heads + row * lists.size + (q & (lists.size - 1));
  lists.next[e] = atomicExch(head, static_cast<int32_t>(i));
}

// The last step before `i` that drew `place`, or -1.
__device__ int32_t last_before(const Lists& lists, int64_t row, int64_t m, int64_t place,
                               int64_t i) {
  int32_t best = -1;
  int32_t at = lists.heads[row * lists.size + (place & (lists.size - 1))];
  while (at >= 0) {
    if (at < i && at > best && lists.drawn[row * m + at] == place) best = at;
    at = lists.next[row * m + at];
  }
  return best;
}

__global__ void __launch_bounds__(kThreads) find_steps(RandomPermutation p, Lists lists) {
  const int64_t e = thread_number();
  if (e >= p.rows * p.m) return;
  const int64_t row = e / p.m, i = e - row * p.m;
  lists.found[e] = last_before(lists, row, p.m, i, i);
}

__global__ void __launch_bounds__(kThreads) finish_steps(RandomPermutation p, Lists lists) {
  const int64_t e = thread_number();
  if (e >= p.rows * p.m) return;
  const int64_t row = e / p.m, i = e - row * p.m;
  const int64_t q = lists.drawn[e];
  int32_t step = last_before(lists, row, p.m, q, i);
  if (step < 0) {
    // At its own place lies what the last step that drew it left there.
    p.out[e] = q;
    return;
  }
  for (int32_t before; (before = lists.found[row * p.m + step]) >= 0;) step = before;
  p.out[e] = step;
}

// --- samples -------------------------------------------------------------------------------------
//
// Index i comes when an exponential clock of rate p[i] rings. The clocks of a row are sorted, those
// that ring at once by their index: a bitonic network of any length, what is beyond k rings last.

constexpr int kSorted = 1024;  // sorted by one block, of half as many threads

struct Clocks {
  double* when;
  int32_t* index;
  int64_t size;  // of a row, a power of two
};

int64_t clocks_size(int64_t k) {
  int64_t size = 1;
  while (size < k) size *= 2;
  return size;
}

// Groups of the stream that a row uses.
__device__ __forceinline__ int64_t groups_of(int64_t k) { return (k + 15) / 16; }

__global__ void __launch_bounds__(kThreads) wind_clocks(RandomRows rows, Clocks clocks) {
  const int64_t e = thread_number();
  const int64_t row = e / clocks.size, i = e - row * clocks.size;
  if (row >= rows.n) return;
  double when = __longlong_as_double(0x7ff0000000000000ll);
  if (i < rows.k) {
    const double p = *reinterpret_cast<const double*>(rows.rows.data + i * rows.stride);
    const uint64_t word = word_at(read_state(rows.stream), row * groups_of(rows.k) * 16 + i);
    if (p > 0) when = device_random::minus_log(unit_positive(lane(word))).v / p;
  }
  clocks.when[e] = when;
  clocks.index[e] = static_cast<int32_t>(i);
}

__device__ __forceinline__ bool later(double a, int32_t i, double b, int32_t j) {
  return a != b ? a > b : i > j;
}

// Puts a pair in order: the first of the two first, or last if `down`.
__device__ __forceinline__ void put_in_order(double* when, int32_t* index, int64_t a, int64_t b,
                                             bool down) {
  if (later(when[a], index[a], when[b], index[b]) == down) return;
  const double w = when[a];
  when[a] = when[b];
  when[b] = w;
  const int32_t i = index[a];
  index[a] = index[b];
  index[b] = i;
}

// Steps of the network whose pairs lie within kSorted elements: for runs of `first` to `last`
// elements.
__global__ void __launch_bounds__(kSorted / 2)
    sort_near(Clocks clocks, int64_t first, int64_t last) {
  __shared__ double when[kSorted];
  __shared__ int32_t index[kSorted];
  const int n = static_cast<int>(clocks.size < kSorted ? clocks.size : kSorted);
  const int64_t base = static_cast<int64_t>(blockIdx.x) * n;
  for (int i = threadIdx.x; i < n; i += kSorted / 2) {
    when[i] = clocks.when[base + i];
    index[i] = clocks.index[base + i];
  }
  const int64_t in_row = base % clocks.size;
  for (int64_t run = first; run <= last; run *= 2) {
    for (int far = static_cast<int>((run < n ? run : n) / 2); far > 0; far /= 2) {
      __syncthreads();
      const int t = threadIdx.x;
      if (t < n / 2) {
        const int a = t / far * far * 2 + t % far;
        put_in_order(when, index, a, a + far, ((in_row + a) & run) != 0);
      }
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += kSorted / 2) {
    clocks.when[base + i] = when[i];
    clocks.index[base + i] = index[i];
  }
}

__global__ void __launch_bounds__(kThreads)
    sort_far(Clocks clocks, int64_t pairs, int64_t run, int64_t far) {
  const int64_t t = thread_number();
  if (t >= pairs) return;
  const int64_t a = t / far * far * 2 + t % far;
  put_in_order(clocks.when, clocks.index, a, a + far, (a % clocks.size & run) != 0);
}

// The probabilities' check, by one thread: they are few beside the clocks of all rows.
__global__ void __launch_bounds__(kThreads)
    check_row(const char* p, int64_t k, int64_t stride, int64_t m, int* failed) {
  __shared__ double part[kThreads];
  __shared__ int64_t possible[kThreads];
  double sum = 0;
  int64_t count = 0;
  bool bad = false;
  for (int64_t i = threadIdx.x; i < k; i += kThreads) {
    const double w = *reinterpret_cast<const double*>(p + i * stride);
    bad |= !(w >= 0 && w <= 1.7976931348623157e308);
    sum += w;
    count += w > 0;
  }
  part[threadIdx.x] = sum;
  possible[threadIdx.x] = count;
  bad = __syncthreads_or(bad);
  if (threadIdx.x != 0) return;
  for (int t = 1; t < kThreads; ++t) {
    sum += part[t];
    count += possible[t];
  }
  // Only whether the sum is an ordinary number matters: its order does not.
  if (bad || !(sum > 0) || !(sum <= 1.7976931348623157e308) || m > count) *failed = 1;
}

__global__ void __launch_bounds__(kThreads)
    take_first(Clocks clocks, int64_t rows, int64_t m, int64_t* out) {
  const int64_t e = thread_number();
  if (e >= rows * m) return;
  const int64_t row = e / m;
  out[e] = clocks.index[row * clocks.size + (e - row * m)];
}

Clocks clocks_of(const RandomRows& rows) {
  Clocks clocks{};
  clocks.size = clocks_size(rows.k);
  clocks.when = static_cast<double*>(rows.scratch);
  clocks.index = reinterpret_cast<int32_t*>(clocks.when + rows.n * clocks.size);
  return clocks;
}

Status sort_clocks(Stream* stream, const Clocks& clocks, int64_t rows) {
  const int64_t near = clocks.size < kSorted ? clocks.size : kSorted;
  const int64_t all = rows * clocks.size;
  const dim3 near_blocks(static_cast<unsigned>(all / near));
  Status status =
      gpu::launch(stream, sort_near, near_blocks, dim3(kSorted / 2), 0, clocks, int64_t{2}, near);
  for (int64_t run = near * 2; status == kOk && run <= clocks.size; run *= 2) {
    for (int64_t far = run / 2; status == kOk && far >= near; far /= 2) {
      status = gpu::launch(stream, sort_far, blocks_for(all / 2), dim3(kThreads), 0, clocks,
                           all / 2, run, far);
    }
    if (status == kOk) {
      status = gpu::launch(stream, sort_near, near_blocks, dim3(kSorted / 2), 0, clocks, run, run);
    }
  }
  return status;
}

}  // namespace

size_t permutation_scratch(const RandomPermutation& p) {
  return static_cast<size_t>(p.rows * (16 * p.m + 4 * lists_size(p.m)));
}

Status permutation(Stream* stream, const RandomPermutation& p) {
  const int64_t size = p.rows * p.m;
  if (p.m > INT32_MAX || !fits(p.rows * lists_size(p.m))) return kUnsupported;
  if (size > 0) {
    const Lists lists = lists_in(p.scratch, p.rows, p.m);
    const int64_t heads = p.rows * lists.size;
    Status status =
        gpu::launch(stream, clear_lists, blocks_for(heads), dim3(kThreads), 0, lists.heads, heads);
    for (const auto kernel : {draw_steps, find_steps, finish_steps}) {
      if (status == kOk) {
        status = gpu::launch(stream, kernel, blocks_for(size), dim3(kThreads), 0, p, lists);
      }
    }
    if (status != kOk) return status;
  }
  return advance(stream, p.stream);
}

size_t sample_scratch(const RandomRows& rows) {
  return static_cast<size_t>(rows.n * clocks_size(rows.k)) * (sizeof(double) + sizeof(int32_t));
}

Status sample(Stream* stream, const RandomRows& rows) {
  const Clocks clocks = clocks_of(rows);
  if (rows.k > INT32_MAX / 2 || !fits(rows.n * clocks.size)) return kUnsupported;
  if (rows.n > 0 && rows.m > 0) {
    Status status = gpu::launch(stream, check_row, dim3(1), dim3(kThreads), 0,
                                static_cast<const char*>(rows.rows.data), rows.k, rows.stride,
                                rows.m, rows.stream.failed);
    if (status == kOk) {
      status = gpu::launch(stream, wind_clocks, blocks_for(rows.n * clocks.size), dim3(kThreads), 0,
                           rows, clocks);
    }
    if (status == kOk) status = sort_clocks(stream, clocks, rows.n);
    if (status == kOk) {
      status = gpu::launch(stream, take_first, blocks_for(rows.n * rows.m), dim3(kThreads), 0,
                           clocks, rows.n, rows.m, rows.out);
    }
    if (status != kOk) return status;
  }
  return advance(stream, rows.stream);
}

}  // namespace phintys::cuda::random
