#include "ops/sort/row_sort.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/parallel.h"
#include "ops/sort/keys_isa.h"
#include "ops/sort/sort_isa.h"

namespace phintys {

namespace {

constexpr double kInfinity = __builtin_inf();
constexpr int64_t kPiece = 1 << 15;  // elements of a row that a thread takes at a time

// ---- Sorting keys in place ------------------------------------------------------------------

void sort_keys(int32_t* a, int64_t n) { PHINTYS_ISA_CALL(sort_i32)(a, n); }
void sort_keys(int64_t* a, int64_t n) { PHINTYS_ISA_CALL(sort_i64)(a, n); }
int64_t split_keys(int32_t* a, int64_t n) { return PHINTYS_ISA_CALL(split_i32)(a, n); }
int64_t split_keys(int64_t* a, int64_t n) { return PHINTYS_ISA_CALL(split_i64)(a, n); }

struct Range {
  int64_t begin, end;
};

// A few steps of quicksort cut the row into parts, which are then sorted side by side. However it
// is cut, the result is the same.
template <class K>
void sort_keys_parallel(K* a, int64_t n) {
  constexpr int kMostParts = 256;
  const int threads = in_parallel_region() ? 1 : num_threads();
  if (threads == 1 || n < 2 * kPiece) return sort_keys(a, n);
  const int wanted =
      std::min(kMostParts,
               static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::min(threads, 32)))) * 8);
  Range parts[2][kMostParts];
  parts[0][0] = {0, n};
  int count = 1, now = 0;
  while (count * 2 <= wanted) {
    const Range* from = parts[now];
    Range* to = parts[1 - now];
    parallel_for(count, [&](int64_t c) {
      const Range r = from[c];
      int64_t middle = r.end;
      if (r.end - r.begin > kPiece) middle = r.begin + split_keys(a + r.begin, r.end - r.begin);
      to[2 * c] = {r.begin, middle};
      to[2 * c + 1] = {middle, r.end};
    });
    count *= 2;
    now = 1 - now;
  }
  parallel_for(count, [&](int64_t c) {
    const Range r = parts[now][c];
    if (r.begin < r.end) sort_keys(a + r.begin, r.end - r.begin);
  });
}

// ---- By value -------------------------------------------------------------------------------

constexpr int64_t kCountAll = 1 << 15;  // elements of 16 bits from which counting pays

// Elements of one byte, or of two bytes in long rows: every value is counted.
void counting_sort_8(DType dtype, const uint8_t* x, uint8_t* out, int64_t n) {
  int64_t count[4][256] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int k = 0; k < 4; ++k) ++count[k][x[i + k]];
  }
  for (; i < n; ++i) ++count[0][x[i]];
  const int first = dtype == DType::i8 ? 128 : 0;
  for (int v = 0; v < 256; ++v) {
    const int byte = (v + first) & 255;
    const int64_t c = count[0][byte] + count[1][byte] + count[2][byte] + count[3][byte];
    std::memset(out, byte, static_cast<size_t>(c));
    out += c;
  }
}

// Short rows: 256 counters would cost more than a sort.
constexpr int64_t kShort = 192;

void sort_short_8(DType dtype, const void* x, void* out, int64_t n) {
  int32_t keys[kShort];
  PHINTYS_ISA_CALL(to_keys)(dtype, x, keys, n);
  sort_keys(keys, n);
  PHINTYS_ISA_CALL(from_keys)(dtype, keys, out, n);
}

void counting_sort_16(DType dtype, const void* x, void* out, int64_t n, char* scratch) {
  constexpr int kValues = 1 << 16;
  int64_t* const count = reinterpret_cast<int64_t*>(scratch);
  std::memset(count, 0, kValues * sizeof(int64_t));
  // Keys a piece at a time, so that NaN and negative numbers need no thought here.
  constexpr int64_t kStep = 1024;
  int32_t keys[kStep];
  const int lowest = dtype == DType::u16 ? 0 : -(1 << 15);
  for (int64_t i = 0; i < n; i += kStep) {
    const int64_t m = std::min(kStep, n - i);
    PHINTYS_ISA_CALL(to_keys)(dtype, static_cast<const char*>(x) + 2 * i, keys, m);
    for (int64_t j = 0; j < m; ++j) ++count[keys[j] - lowest];
  }
  uint16_t* to = static_cast<uint16_t*>(out);
  for (int v = 0; v < kValues; ++v) {
    if (!count[v]) continue;
    const int32_t key = v + lowest;
    uint16_t bits;
    PHINTYS_ISA_CALL(from_keys)(dtype, &key, &bits, 1);
    to = std::fill_n(to, count[v], bits);
  }
}

template <class K>
void sort_wide(DType dtype, const void* x, void* out, int64_t n) {
  K* const keys = static_cast<K*>(out);
  const size_t item = sizeof(K);
  const auto at = [&](int64_t i) {
    return static_cast<const char*>(x) + item * static_cast<size_t>(i);
  };
  parallel_ranges(n, kPiece, [&](int64_t begin, int64_t end) {
    PHINTYS_ISA_CALL(to_keys)(dtype, at(begin), keys + begin, end - begin);
  });
  sort_keys_parallel(keys, n);
  if (is_signed_int(dtype)) return;
  parallel_ranges(n, kPiece, [&](int64_t begin, int64_t end) {
    PHINTYS_ISA_CALL(from_keys)(dtype, keys + begin, keys + begin, end - begin);
  });
}

void gather_complex(DType dtype, const void* x, void* out, const int64_t* order, int64_t n) {
  auto go = [&]<class T>() {
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) to[i] = from[order[i]];
  };
  if (dtype == DType::c64) {
    go.operator()<std::complex<float>>();
  } else {
    go.operator()<std::complex<double>>();
  }
}

// ---- By index -------------------------------------------------------------------------------

// An order is found by sorting numbers that hold as much of the key as there is room for, and the
// index: ties are then broken by the index. Where the upper parts of keys are equal, the rest of
// the key decides, in a sort of its own.
struct KeySource {
  DType dtype;
  const char* x;
  size_t item;

  int64_t key(int64_t i) const {
    if (item <= 4) {
      int32_t k;
      PHINTYS_ISA_CALL(order_keys)(dtype, false, x + item * static_cast<size_t>(i), &k, 1);
      return k;
    }
    int64_t k;
    PHINTYS_ISA_CALL(order_keys)(dtype, false, x + item * static_cast<size_t>(i), &k, 1);
    return k;
  }
};

int bit_length(uint64_t v) { return 64 - std::countl_zero(v); }

// a[0..n): packed numbers of equal upper parts; `bits` lower bits of their keys are not decided.
// Each level decides 63 - index_bits of them, so three are the most.
void refine(const KeySource& source, const KeyPacking& packing, int bits, int64_t* a, int64_t n) {
  const uint64_t index_mask = (uint64_t{1} << packing.index_bits) - 1;
  const uint64_t rest_mask = (uint64_t{1} << bits) - 1;
  const int left = std::max(0, bits + packing.index_bits - 63);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t index = static_cast<uint64_t>(a[i]) & index_mask;
    const uint64_t key = static_cast<uint64_t>(source.key(static_cast<int64_t>(index))) -
                         static_cast<uint64_t>(packing.least);
    a[i] = static_cast<int64_t>(((key & rest_mask) >> left) << packing.index_bits | index);
  }
  sort_keys_parallel(a, n);
  if (left == 0) return;
  for (int64_t i = 0; i < n;) {
    int64_t j = i + 1;
    while (j < n && (a[j] >> packing.index_bits) == (a[i] >> packing.index_bits)) ++j;
    if (j - i > 1) refine(source, packing, left, a + i, j - i);
    i = j;
  }
}

void order_of(const KeySource& source, int64_t* order, int64_t n) {
  if (n == 0) return;
  int64_t least, greatest;
  PHINTYS_ISA_CALL(key_range)(source.dtype, source.x, n, &least, &greatest);
  KeyPacking packing;
  packing.least = least;
  packing.index_bits = std::max(1, bit_length(static_cast<uint64_t>(n - 1)));
  const int key_bits = bit_length(static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least));
  packing.shift = std::max(0, key_bits + packing.index_bits - 63);
  parallel_ranges(n, kPiece, [&](int64_t begin, int64_t end) {
    PHINTYS_ISA_CALL(pack_keys)
    (source.dtype, source.x + source.item * static_cast<size_t>(begin), end - begin, packing, begin,
     order + begin);
  });
  sort_keys_parallel(order, n);
  if (packing.shift > 0) {
    for (int64_t i = 0; i + 1 < n;) {
      const int64_t upper = order[i] >> packing.index_bits;
      int64_t j = i + 1;
      while (j < n && (order[j] >> packing.index_bits) == upper) ++j;
      if (j - i > 1) refine(source, packing, packing.shift, order + i, j - i);
      i = j;
    }
  }
  const int64_t mask = static_cast<int64_t>((uint64_t{1} << packing.index_bits) - 1);
  for (int64_t i = 0; i < n; ++i) order[i] &= mask;
}

// Elements of one byte in long rows: places by counting.
void counting_argsort_8(DType dtype, const uint8_t* x, int64_t* order, int64_t n) {
  int64_t next[256] = {};
  for (int64_t i = 0; i < n; ++i) ++next[x[i]];
  const int first = dtype == DType::i8 ? 128 : 0;
  int64_t total = 0;
  for (int v = 0; v < 256; ++v) {
    int64_t& at = next[(v + first) & 255];
    const int64_t count = at;
    at = total;
    total += count;
  }
  for (int64_t i = 0; i < n; ++i) order[next[x[i]]++] = i;
}

int64_t double_key(const double* x) {
  int64_t key;
  PHINTYS_ISA_CALL(order_keys)(DType::f64, false, x, &key, 1);
  return key;
}

// By the imaginary parts, then, stably, by the real ones. A NaN as imaginary part only comes after
// all without, a NaN as real part last.
void order_complex(const double* x, int64_t* order, int64_t n, char* scratch) {
  int64_t* const first = reinterpret_cast<int64_t*>(scratch);
  int64_t* const key = first + n;
  const int64_t infinity = double_key(&kInfinity);
  const auto nan = [](double v) { return v != v; };
  for (int64_t i = 0; i < n; ++i) {
    const double* const z = x + 2 * i;
    key[i] = double_key(nan(z[1]) && !nan(z[0]) ? z : z + 1);
  }
  argsort_row(DType::i64, key, first, n, nullptr);
  for (int64_t i = 0; i < n; ++i) {
    const double* const z = x + 2 * first[i];
    key[i] = nan(z[1]) && !nan(z[0]) ? infinity + 1 : double_key(z);
  }
  argsort_row(DType::i64, key, order, n, nullptr);
  for (int64_t i = 0; i < n; ++i) order[i] = first[order[i]];
}

}  // namespace

size_t sort_row_scratch(DType dtype, int64_t n) {
  const size_t count = static_cast<size_t>(n);
  if (is_complex(dtype)) return count * sizeof(int64_t) + argsort_row_scratch(dtype, n);
  if (item_size(dtype) != 2) return 0;
  return n >= kCountAll ? (size_t{1} << 16) * sizeof(int64_t) : count * sizeof(int32_t);
}

size_t argsort_row_scratch(DType dtype, int64_t n) {
  return dtype == DType::c128 ? 2 * static_cast<size_t>(n) * sizeof(int64_t) : 0;
}

void sort_row(DType dtype, const void* x, void* out, int64_t n, char* scratch) {
  if (is_complex(dtype)) {
    int64_t* const order = reinterpret_cast<int64_t*>(scratch);
    argsort_row(dtype, x, order, n, scratch + static_cast<size_t>(n) * sizeof(int64_t));
    return gather_complex(dtype, x, out, order, n);
  }
  switch (item_size(dtype)) {
    case 1:
      if (n <= kShort) return sort_short_8(dtype, x, out, n);
      return counting_sort_8(dtype, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(out), n);
    case 2: {
      if (n >= kCountAll) return counting_sort_16(dtype, x, out, n, scratch);
      int32_t* const keys = reinterpret_cast<int32_t*>(scratch);
      PHINTYS_ISA_CALL(to_keys)(dtype, x, keys, n);
      sort_keys(keys, n);
      return PHINTYS_ISA_CALL(from_keys)(dtype, keys, out, n);
    }
    case 4:
      return sort_wide<int32_t>(dtype, x, out, n);
    default:
      return sort_wide<int64_t>(dtype, x, out, n);
  }
}

void argsort_row(DType dtype, const void* x, int64_t* order, int64_t n, char* scratch) {
  if (dtype == DType::c128) {
    return order_complex(static_cast<const double*>(x), order, n, scratch);
  }
  constexpr int64_t kLong = 2048;
  if (item_size(dtype) == 1 && n >= kLong) {
    return counting_argsort_8(dtype, static_cast<const uint8_t*>(x), order, n);
  }
  order_of({dtype, static_cast<const char*>(x), item_size(dtype)}, order, n);
}

}  // namespace phintys
