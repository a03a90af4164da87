// Sorting of long rows: the whole array at once, by digits. Places (row and index in one number)
// are sorted stably by the keys of their elements and then by their rows; where both fit into 64
// bits, by both at once.
#include "order/cub.h"
#include "order/order.h"
#include "order/results.h"

namespace phintys::cuda::order {
namespace {

constexpr int kThreads = 256;

int bits_of(int64_t number) {
  int bits = 0;
  for (; number > 0; number >>= 1) ++bits;
  return bits;
}

// ---- Memory -------------------------------------------------------------------------------------

size_t round_up(size_t bytes) { return (bytes + 255) / 256 * 256; }

// Room for n pairs with 64-bit keys (or 32-bit ones) and for what CUB needs.
struct SortMemory {
  size_t key_bytes, place_bytes, more_bytes;
  SortMemory(Stream* stream, int64_t n) {
    key_bytes = round_up(static_cast<size_t>(n) * sizeof(uint64_t));
    place_bytes = round_up(static_cast<size_t>(n) * sizeof(uint32_t));
    const size_t a = sort_bytes<uint32_t>(stream, n), b = sort_bytes<uint64_t>(stream, n);
    more_bytes = round_up(a > b ? a : b);
  }
  size_t bytes() const { return 2 * key_bytes + 2 * place_bytes + more_bytes; }
};

// Pairs that are sorted again and again, from one half of the memory to the other.
class Sorter {
 public:
  Sorter(Stream* stream, int64_t n, void* scratch)
      : stream_(stream), memory_(stream, n), at_(static_cast<char*>(scratch)) {}
  // What the next sort reads, and what the last one gave.
  template <class Key>
  Key* keys() const {
    return keys_at<Key>(now_);
  }
  uint32_t* places() const { return places_at(now_); }
  // Keys with their places, or keys alone.
  template <class Key>
  Status run(int64_t n, int bits, bool alone = false) {
    SortBuffers<Key> b{{keys_at<Key>(now_), keys_at<Key>(1 - now_)},
                       {places_at(now_), places_at(1 - now_)}};
    char* const more = at_ + 2 * (memory_.key_bytes + memory_.place_bytes);
    const auto sort = alone ? sort_keys<Key> : sort_places<Key>;
    const Status status = sort(stream_, more, memory_.more_bytes, &b, n, bits);
    if (b.now) now_ = 1 - now_;
    return status;
  }
  // A thread of the kernel for each of n > 0.
  template <class... P, class... A>
  Status launch(void (*kernel)(P...), int64_t n, const A&... arguments) {
    return gpu::launch(stream_, kernel, dim3(static_cast<unsigned>((n + kThreads - 1) / kThreads)),
                       dim3(kThreads), 0, arguments...);
  }

 private:
  template <class Key>
  Key* keys_at(int half) const {
    return reinterpret_cast<Key*>(at_ + static_cast<size_t>(half) * memory_.key_bytes);
  }
  uint32_t* places_at(int half) const {
    return reinterpret_cast<uint32_t*>(at_ + 2 * memory_.key_bytes +
                                       static_cast<size_t>(half) * memory_.place_bytes);
  }

  Stream* stream_;
  SortMemory memory_;
  char* at_;
  int now_ = 0;
};

__device__ __forceinline__ int64_t thread_number() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

// i / n; all numbers here are below 2^31, and short divisions quicker.
__device__ __forceinline__ int64_t quotient_of(int64_t i, int64_t n) {
  return static_cast<uint32_t>(i) / static_cast<uint32_t>(n);
}

// ---- Keys ---------------------------------------------------------------------------------------

// The first keys: places are as they come.
__global__ void __launch_bounds__(kThreads)
    keys32_kernel(device::SortWork w, RowsAlong x, uint32_t* keys, uint32_t* places) {
  const int64_t i = thread_number();
  if (i >= x.length) return;
  const uint32_t key = load_key32(x.row(0) + i * x.stride, w.x.dtype, w.by_value);
  keys[i] = greatest_first(w) ? ~key : key;
  places[i] = static_cast<uint32_t>(i);
}

// Row and key in one.
__global__ void __launch_bounds__(kThreads)
    keys_of_rows_kernel(device::SortWork w, RowsAlong x, uint64_t* keys, uint32_t* places) {
  const int64_t i = thread_number();
  if (i >= x.length * x.rows) return;
  const int64_t row = quotient_of(i, x.length);
  const uint32_t key =
      load_key32(x.row(row) + (i - row * x.length) * x.stride, w.x.dtype, w.by_value);
  keys[i] = static_cast<uint64_t>(row) << 32 | (greatest_first(w) ? ~key : key);
  places[i] = static_cast<uint32_t>(i);
}

// `again`: the places are there.
__global__ void __launch_bounds__(kThreads)
    keys64_kernel(device::SortWork w, RowsAlong x, int word, bool again, uint64_t* keys,
                  uint32_t* places) {
  const int64_t i = thread_number();
  if (i >= x.length * x.rows) return;
  const int64_t place = again ? places[i] : i, row = quotient_of(place, x.length);
  const uint64_t key =
      load_key64(x.row(row) + (place - row * x.length) * x.stride, w.x.dtype, w.by_value, word);
  keys[i] = greatest_first(w) ? ~key : key;
  if (!again) places[i] = static_cast<uint32_t>(i);
}

__global__ void __launch_bounds__(kThreads)
    row_keys_kernel(int64_t n, int64_t length, const uint32_t* places, uint32_t* keys) {
  const int64_t i = thread_number();
  if (i < n) keys[i] = static_cast<uint32_t>(quotient_of(places[i], length));
}

// ---- Results ------------------------------------------------------------------------------------

__global__ void __launch_bounds__(kThreads)
    results_kernel(device::SortWork w, RowsAlong x, const uint32_t* places) {
  const int64_t i = thread_number();
  if (i >= x.rows * w.count) return;
  const int64_t row = quotient_of(i, w.count), j = i - row * w.count;
  store_result(w, x, row, j, places[row * x.length + j] - row * x.length);
}

// Elements from their sorted keys, behind the row in one number if there are several rows.
template <class Key>
__global__ void __launch_bounds__(kThreads)
    values_kernel(device::SortWork w, RowsAlong x, const Key* keys) {
  const int64_t i = thread_number();
  if (i >= x.rows * x.length) return;
  const int64_t row = quotient_of(i, x.length);
  char* const to = static_cast<char*>(w.values) +
                   place_of(x, x.length, row, i - row * x.length) * item_size_of(w.x.dtype);
  if (item_size_of(w.x.dtype) <= 4) {
    store_key(to, w.x.dtype, static_cast<uint32_t>(keys[i]));
  } else {
    store_key(to, w.x.dtype, static_cast<uint64_t>(keys[i]));
  }
}

// The chosen of all rows: their places sort them by row and index.
__global__ void __launch_bounds__(kThreads)
    chosen_kernel(device::SortWork w, RowsAlong x, const uint32_t* places, uint32_t* keys) {
  const int64_t i = thread_number();
  if (i >= x.rows * w.count) return;
  const int64_t row = quotient_of(i, w.count);
  keys[i] = places[row * x.length + (i - row * w.count)];
}
__global__ void __launch_bounds__(kThreads)
    chosen_results_kernel(device::SortWork w, RowsAlong x, const uint32_t* keys) {
  const int64_t i = thread_number();
  if (i >= x.rows * w.count) return;
  const int64_t row = quotient_of(i, w.count);
  store_result(w, x, row, i - row * w.count, keys[i] - row * x.length);
}

bool is_short(const device::SortWork& w) {
  return w.x.shape[w.axis] <= kShortRow && w.x.dtype != DType::c128;
}
// A block for each row is quicker than a sort of everything, unless rows are few and very long.
bool is_selection(const device::SortWork& w) {
  constexpr int64_t kLong = int64_t{1} << 18, kMany = 64;
  const RowsAlong x(w.x, w.axis);
  return w.count <= kMostSelected && w.count < x.length && x.length <= INT32_MAX &&
         w.x.dtype != DType::c128 && (x.length <= kLong || x.rows >= kMany);
}
int64_t size_of(const device::Tensor& x) {
  int64_t n = 1;
  for (int d = 0; d < x.ndim; ++d) n *= x.shape[d];
  return n;
}

#define PHINTYS_TRY(call)                             \
  do {                                                \
    const Status status_of_call = (call);             \
    if (status_of_call != kOk) return status_of_call; \
  } while (0)

Status sort_places_of(Sorter& sorter, const device::SortWork& w, const RowsAlong& x) {
  const int64_t n = x.rows * x.length;
  if (item_size_of(w.x.dtype) <= 4) {
    if (x.rows == 1) {
      PHINTYS_TRY(sorter.launch(keys32_kernel, n, w, x, sorter.keys<uint32_t>(), sorter.places()));
      return sorter.run<uint32_t>(n, 32);
    }
    PHINTYS_TRY(
        sorter.launch(keys_of_rows_kernel, n, w, x, sorter.keys<uint64_t>(), sorter.places()));
    return sorter.run<uint64_t>(n, 32 + bits_of(x.rows - 1));
  }
  for (int word = w.x.dtype == DType::c128 ? 0 : 1; word < 2; ++word) {
    const bool again = w.x.dtype == DType::c128 && word == 1;
    PHINTYS_TRY(sorter.launch(keys64_kernel, n, w, x, word, again, sorter.keys<uint64_t>(),
                              sorter.places()));
    PHINTYS_TRY(sorter.run<uint64_t>(n, 64));
  }
  if (x.rows == 1) return kOk;
  PHINTYS_TRY(
      sorter.launch(row_keys_kernel, n, n, x.length, sorter.places(), sorter.keys<uint32_t>()));
  return sorter.run<uint32_t>(n, bits_of(x.rows - 1));
}

// By value, if an element can be told from its key, and the key and its row fit into a number.
bool is_by_key(const device::SortWork& w, const RowsAlong& x) {
  const bool is_complex = w.x.dtype == DType::c64 || w.x.dtype == DType::c128;
  return w.by_value && !w.indices && !is_complex && !w.sign && w.count == x.length &&
         (x.rows == 1 || item_size_of(w.x.dtype) <= 4);
}

Status sort_values_of(Sorter& sorter, const device::SortWork& w, const RowsAlong& x) {
  const int64_t n = x.rows * x.length;
  if (item_size_of(w.x.dtype) > 4) {
    PHINTYS_TRY(
        sorter.launch(keys64_kernel, n, w, x, 1, false, sorter.keys<uint64_t>(), sorter.places()));
    PHINTYS_TRY(sorter.run<uint64_t>(n, 64, true));
    return sorter.launch(values_kernel<uint64_t>, n, w, x, sorter.keys<uint64_t>());
  }
  if (x.rows == 1) {
    PHINTYS_TRY(sorter.launch(keys32_kernel, n, w, x, sorter.keys<uint32_t>(), sorter.places()));
    PHINTYS_TRY(sorter.run<uint32_t>(n, 32, true));
    return sorter.launch(values_kernel<uint32_t>, n, w, x, sorter.keys<uint32_t>());
  }
  PHINTYS_TRY(
      sorter.launch(keys_of_rows_kernel, n, w, x, sorter.keys<uint64_t>(), sorter.places()));
  PHINTYS_TRY(sorter.run<uint64_t>(n, 32 + bits_of(x.rows - 1), true));
  return sorter.launch(values_kernel<uint64_t>, n, w, x, sorter.keys<uint64_t>());
}

// ---- Rows of a matrix ---------------------------------------------------------------------------

__global__ void __launch_bounds__(kThreads) identity_kernel(int64_t n, uint32_t* places) {
  const int64_t i = thread_number();
  if (i < n) places[i] = static_cast<uint32_t>(i);
}

template <class Key>
__global__ void __launch_bounds__(kThreads)
    column_keys_kernel(device::Tensor x, int64_t column, int word, const uint32_t* places,
                       Key* keys) {
  const int64_t i = thread_number();
  if (i >= x.shape[0]) return;
  const char* const p = x.data + places[i] * x.strides[0] + column * x.strides[1];
  if constexpr (sizeof(Key) == 4) {
    keys[i] = load_key32(p, x.dtype, false);
  } else {
    keys[i] = load_key64(p, x.dtype, false, word);
  }
}

__global__ void __launch_bounds__(kThreads)
    widen_kernel(int64_t n, const uint32_t* places, int64_t* order) {
  const int64_t i = thread_number();
  if (i < n) order[i] = places[i];
}

// Numbers outside [0, size) become `size`.
__global__ void __launch_bounds__(kThreads)
    numbers_kernel(device::Tensor x, int64_t size, uint32_t* keys, uint32_t* places) {
  const int64_t i = thread_number();
  if (i >= x.shape[0]) return;
  const int64_t v = load_integer(x.data + i * x.strides[0], x.dtype);
  keys[i] = static_cast<uint32_t>(v < 0 || v > size ? size : v);
  places[i] = static_cast<uint32_t>(i);
}

constexpr int64_t kMostColumns = 64;  // of a matrix whose rows are sorted

}  // namespace

size_t sort_scratch(Stream* stream, const device::SortWork& work) {
  const int64_t n = size_of(work.x);
  if (is_short(work) || is_selection(work) || n > INT32_MAX || !kHasSort) return 0;
  return SortMemory(stream, n).bytes();
}

Status sort(Stream* stream, const device::SortWork& work) {
  const int64_t n = size_of(work.x);
  if (n == 0 || work.count == 0) return kOk;
  if (is_short(work)) return sort_short_rows(stream, work);
  if (is_selection(work)) return select(stream, work);
  if (n > INT32_MAX || !kHasSort) return kUnsupported;
  const RowsAlong x(work.x, work.axis);
  Sorter sorter(stream, n, work.scratch);
  if (is_by_key(work, x)) return sort_values_of(sorter, work, x);
  PHINTYS_TRY(sort_places_of(sorter, work, x));
  const int64_t results = x.rows * work.count;
  if (work.sorted) return sorter.launch(results_kernel, results, work, x, sorter.places());
  PHINTYS_TRY(
      sorter.launch(chosen_kernel, results, work, x, sorter.places(), sorter.keys<uint32_t>()));
  PHINTYS_TRY(sorter.run<uint32_t>(results, bits_of(n - 1)));
  return sorter.launch(chosen_results_kernel, results, work, x, sorter.keys<uint32_t>());
}

size_t lex_sort_scratch(Stream* stream, const device::LexSortWork& work) {
  if (work.x.shape[0] > INT32_MAX || work.x.shape[1] > kMostColumns || !kHasSort) return 0;
  return SortMemory(stream, work.x.shape[0]).bytes();
}

Status lex_sort(Stream* stream, const device::LexSortWork& work) {
  const device::Tensor& x = work.x;
  const int64_t n = x.shape[0];
  if (n == 0) return kOk;
  if (n > INT32_MAX || x.shape[1] > kMostColumns || !kHasSort) return kUnsupported;
  Sorter sorter(stream, n, work.scratch);
  PHINTYS_TRY(sorter.launch(identity_kernel, n, n, sorter.places()));
  const int size = item_size_of(x.dtype);
  for (int64_t c = x.shape[1] - 1; c >= 0; --c) {
    if (size <= 4) {
      PHINTYS_TRY(sorter.launch(column_keys_kernel<uint32_t>, n, x, c, 1, sorter.places(),
                                sorter.keys<uint32_t>()));
      PHINTYS_TRY(sorter.run<uint32_t>(n, 32));
      continue;
    }
    for (int word = size == 16 ? 0 : 1; word < 2; ++word) {
      PHINTYS_TRY(sorter.launch(column_keys_kernel<uint64_t>, n, x, c, word, sorter.places(),
                                sorter.keys<uint64_t>()));
      PHINTYS_TRY(sorter.run<uint64_t>(n, 64));
    }
  }
  return sorter.launch(widen_kernel, n, n, sorter.places(), work.order);
}

size_t places_scratch(Stream* stream, int64_t n) {
  return n > INT32_MAX || !kHasSort ? 0 : SortMemory(stream, n).bytes();
}

Status sort_numbers(Stream* stream, const device::Tensor& x, int64_t size, void* memory,
                    SortedPlaces* sorted) {
  const int64_t n = x.shape[0];
  if (n > INT32_MAX || size > INT32_MAX || !kHasSort) return kUnsupported;
  Sorter sorter(stream, n, memory);
  PHINTYS_TRY(sorter.launch(numbers_kernel, n, x, size, sorter.keys<uint32_t>(), sorter.places()));
  PHINTYS_TRY(sorter.run<uint32_t>(n, bits_of(size)));
  *sorted = {sorter.keys<uint32_t>(), sorter.places()};
  return kOk;
}

}  // namespace phintys::cuda::order
