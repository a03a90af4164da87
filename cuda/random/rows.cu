// Choices by probabilities.
#include "random/random.h"

namespace phintys::cuda::random {

namespace {

using device::RandomRows;

// A row of probabilities.
struct Row {
  const char* data;
  int64_t n, stride;
  __device__ double operator[](int64_t i) const {
    return *reinterpret_cast<const double*>(data + i * stride);
  }
};

__device__ __forceinline__ Row row_of(const RandomRows& rows, int64_t index) {
  return {address(rows.rows, index), rows.k, rows.stride};
}

__device__ __forceinline__ bool good(double p) { return p >= 0 && p <= 1.7976931348623157e308; }

// The sum of a row, or -1 where the host refuses it.
__device__ double checked_sum(const Row& p) {
  double total = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    const double w = p[i];
    if (!good(w)) return -1;
    total += w;
  }
  return total > 0 && good(total) ? total : -1;
}

// --- categorical: one row for all ----------------------------------------------------------------

// What a table of cumulated probabilities begins with.
struct TableHead {
  double total;
  int64_t last;  // the last index with a probability above zero, or -1 if the row is refused
};
constexpr int kChunk = 1024;

// One block: loads and stores together, and one thread adds up in the order of the host.
__global__ void __launch_bounds__(kThreads)
    make_table(Row row, TableHead* head, double* sums, int* failed) {
  __shared__ double chunk[kChunk];
  __shared__ double sum;
  __shared__ int64_t last;
  __shared__ int bad;
  if (threadIdx.x == 0) {
    sum = 0;
    last = -1;
    bad = 0;
  }
  for (int64_t first = 0; first < row.n; first += kChunk) {
    const int n = static_cast<int>(row.n - first < kChunk ? row.n - first : kChunk);
    for (int i = threadIdx.x; i < n; i += kThreads) chunk[i] = row[first + i];
    __syncthreads();
    if (threadIdx.x == 0) {
      double s = sum;
      for (int i = 0; i < n; ++i) {
        const double w = chunk[i];
        if (!good(w)) bad = 1;
        if (w > 0) last = first + i;
        s += w;
        chunk[i] = s;
      }
      sum = s;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += kThreads) sums[first + i] = chunk[i];
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const bool refused = bad || !(sum > 0) || !good(sum);
  if (refused) *failed = 1;
  *head = {sum, refused ? -1 : last};
}

__global__ void __launch_bounds__(kThreads)
    pick_from_table(RandomStream random, const TableHead* head, const double* sums, int64_t* out,
                    int64_t size) {
  const int64_t block = thread_number();
  const int64_t first = word_position(block);
  if (first >= size || head->last < 0) return;
  const Words w = words_of_block(read_state(random), static_cast<uint64_t>(block));
  for (int k = 0; k < 2; ++k) {
    const int64_t at = first + 8 * k;
    if (at >= size) return;
    const double target = unit_interval(lane(k == 0 ? w.low : w.high)).v * head->total;
    // The first index whose sum exceeds the target.
    int64_t low = 0, high = head->last;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (sums[middle] > target) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    out[at] = low;
  }
}

// --- categorical: a row for each number ----------------------------------------------------------

__global__ void __launch_bounds__(kThreads) pick_short(RandomRows rows) {
  const int64_t at = thread_number();
  if (at >= rows.n) return;
  const Row p = row_of(rows, at);
  const double total = checked_sum(p);
  if (total < 0) {
    *rows.stream.failed = 1;
    return;
  }
  const double target = uniform_at(read_state(rows.stream), at) * total;
  double sum = 0;
  int64_t last = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    const double w = p[i];
    if (w == 0) continue;
    sum += w;
    last = i;
    if (target < sum) break;
  }
  rows.out[at] = last;
}

// A block for each row: it loads, its first thread adds up; once for the total, once to find.
constexpr int kLongThreads = 128;

// f(first, n): thread 0 alone, for chunks of the row that are in `chunk`; true to stop.
template <class F>
__device__ __forceinline__ void each_chunk(const Row& p, double* chunk, int* stop, const F& f) {
  for (int64_t first = 0; first < p.n; first += kChunk) {
    const int n = static_cast<int>(p.n - first < kChunk ? p.n - first : kChunk);
    for (int i = threadIdx.x; i < n; i += kLongThreads) chunk[i] = p[first + i];
    __syncthreads();
    if (threadIdx.x == 0) *stop = f(first, n);
    __syncthreads();
    if (*stop) return;
  }
}

__global__ void __launch_bounds__(kLongThreads) pick_long(RandomRows rows) {
  __shared__ double chunk[kChunk];
  __shared__ int stop, refused;
  const int64_t at = blockIdx.x;
  const Row p = row_of(rows, at);
  // Of thread 0.
  double sum = 0, target = 0;
  int64_t last = 0;
  bool bad = false;
  each_chunk(p, chunk, &stop, [&](int64_t, int n) {
    for (int i = 0; i < n; ++i) {
      bad |= !good(chunk[i]);
      sum += chunk[i];
    }
    return false;
  });
  if (threadIdx.x == 0) {
    refused = bad || !(sum > 0) || !good(sum);
    target = uniform_at(read_state(rows.stream), at) * sum;
    sum = 0;
  }
  __syncthreads();
  if (refused) {
    if (threadIdx.x == 0) *rows.stream.failed = 1;
    return;
  }
  each_chunk(p, chunk, &stop, [&](int64_t first, int n) {
    for (int i = 0; i < n; ++i) {
      const double w = chunk[i];
      if (w == 0) continue;
      sum += w;
      last = first + i;
      if (target < sum) return true;
    }
    return false;
  });
  if (threadIdx.x == 0) rows.out[at] = last;
}

// --- multinomial ---------------------------------------------------------------------------------

// A thread for each row. One index after the other: its count is binomial among the trials that are
// left.
__global__ void __launch_bounds__(kThreads) count_rows(RandomRows rows) {
  const int64_t r = thread_number();
  if (r >= rows.n) return;
  const Row p = row_of(rows, r);
  const int64_t k = p.n;
  const PhiloxState s = read_state(rows.stream);
  double left = static_cast<double>(element<int64_t>(rows.trials, r));
  double mass = checked_sum(p);
  if (mass < 0 || left < 0) {
    *rows.stream.failed = 1;
    return;
  }
  int64_t* out = rows.out + r * k;
  for (int64_t j = 0; j + 1 < k; ++j) {
    const double w = p[j];
    double share = 0;
    if (mass > 0) {
      share = w / mass;
      share = share > 0.0 ? share : 0.0;
      share = share < 1.0 ? share : 1.0;
    }
    mass -= w;
    const double count = accepted(device_random::BinomialCandidate(), s,
                                  static_cast<uint64_t>(r * k + j), left, share);
    out[j] = static_cast<int64_t>(count);
    left -= count;
  }
  out[k - 1] = 0;
  int64_t at = k - 1;
  while (at > 0 && p[at] == 0) --at;
  out[at] += static_cast<int64_t>(left);
}

}  // namespace

size_t categorical_scratch(const RandomRows& rows) {
  return rows.uniform ? sizeof(TableHead) + static_cast<size_t>(rows.k) * sizeof(double) : 0;
}

Status categorical(Stream* stream, const RandomRows& rows) {
  if (!fits(rows.n) || rows.n > gpu::kMaxGridX) return kUnsupported;
  Status status = kOk;
  if (rows.n > 0 && rows.uniform) {
    auto* head = static_cast<TableHead*>(rows.scratch);
    auto* sums = reinterpret_cast<double*>(head + 1);
    status = gpu::launch(stream, make_table, dim3(1), dim3(kThreads), 0,
                         Row{rows.rows.data, rows.k, rows.stride}, head, sums, rows.stream.failed);
    if (status != kOk) return status;
    status = gpu::launch(stream, pick_from_table, blocks_for((rows.n + 15) / 16 * 8),
                         dim3(kThreads), 0, rows.stream, static_cast<const TableHead*>(head),
                         static_cast<const double*>(sums), rows.out, rows.n);
  } else if (rows.n > 0 && rows.k < 64) {
    status = gpu::launch(stream, pick_short, blocks_for(rows.n), dim3(kThreads), 0, rows);
  } else if (rows.n > 0) {
    status = gpu::launch(stream, pick_long, dim3(static_cast<unsigned>(rows.n)), dim3(kLongThreads),
                         0, rows);
  }
  return status == kOk ? advance(stream, rows.stream) : status;
}

Status multinomial(Stream* stream, const RandomRows& rows) {
  if (!fits(rows.n)) return kUnsupported;
  if (rows.n > 0 && rows.k > 0) {
    const Status status =
        gpu::launch(stream, count_rows, blocks_for(rows.n), dim3(kThreads), 0, rows);
    if (status != kOk) return status;
  }
  return advance(stream, rows.stream);
}

}  // namespace phintys::cuda::random
