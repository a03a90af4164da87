// Scattering: sums and replacements in the order of a loop over the positions.
//
// Where no two positions name one element, all are moved at once. Where few may, a thread walks
// along them. Otherwise, for replacing, every element keeps the last position that names it; or the
// positions are sorted by what they name, and equal ones are neighbours.
#include "indexing/region.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

// Elements that are added, as stored: complex ones are two.
enum class Sum : int32_t { f32, f64, f16, b8, i8, i16, i32, i64, any };

Sum sum_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::c64:
      return Sum::f32;
    case DType::f64:
    case DType::c128:
      return Sum::f64;
    case DType::f16:
      return Sum::f16;
    case DType::b8:
      return Sum::b8;
    default:
      break;
  }
  switch (item_size_of(dtype)) {
    case 1:
      return Sum::i8;
    case 2:
      return Sum::i16;
    case 4:
      return Sum::i32;
    default:
      return Sum::i64;
  }
}

template <class T>
__device__ __forceinline__ T& as(char* p) {
  return *reinterpret_cast<T*>(p);
}

// How an element changes: `Value` is held in registers meanwhile.
template <class Item>
struct Replace {
  using Value = Item;
  static constexpr bool kLast = true;  // only the last of several counts
  Sum unused;
  __device__ __forceinline__ Value load(char* p) const { return as<Item>(p); }
  __device__ __forceinline__ Value join(Value, Value b) const { return b; }
  __device__ __forceinline__ void store(char* p, Value v) const { as<Item>(p) = v; }
};
template <class T>
struct Add {
  using Value = T;
  static constexpr bool kLast = false;
  Sum unused;
  __device__ __forceinline__ Value load(char* p) const { return as<T>(p); }
  __device__ __forceinline__ Value join(Value a, Value b) const { return a + b; }
  __device__ __forceinline__ void store(char* p, Value v) const { as<T>(p) = v; }
};
// All others, as bits: which one is said when it runs.
struct AddAny {
  using Value = uint64_t;
  static constexpr bool kLast = false;
  Sum sum;
  __device__ __forceinline__ Value load(char* p) const {
    switch (sum) {
      case Sum::i64:
        return as<uint64_t>(p);
      case Sum::i32:
        return as<uint32_t>(p);
      case Sum::f16:
      case Sum::i16:
        return as<uint16_t>(p);
      default:
        return as<uint8_t>(p);
    }
  }
  __device__ __forceinline__ Value join(Value a, Value b) const {
    if (sum == Sum::b8) return a | b;
    if (sum != Sum::f16) return a + b;
    return gpu::float_to_half(gpu::half_to_float(static_cast<uint16_t>(a)) +
                              gpu::half_to_float(static_cast<uint16_t>(b)));
  }
  __device__ __forceinline__ void store(char* p, Value v) const {
    switch (sum) {
      case Sum::i64:
        as<uint64_t>(p) = v;
        return;
      case Sum::i32:
        as<uint32_t>(p) = static_cast<uint32_t>(v);
        return;
      case Sum::f16:
      case Sum::i16:
        as<uint16_t>(p) = static_cast<uint16_t>(v);
        return;
      default:
        as<uint8_t>(p) = static_cast<uint8_t>(v);
    }
  }
};

// f(the change that is wanted)
template <class F>
Status with_sum(Sum sum, F&& f) {
  if (sum == Sum::f32) return f(Add<float>{sum});
  if (sum == Sum::f64) return f(Add<double>{sum});
  return f(AddAny{sum});
}
template <class F>
Status with_change(bool add, Sum sum, int item, F&& f) {
  if (add) return with_sum(sum, f);
  switch (item) {
    case 1:
      return f(Replace<uint8_t>{sum});
    case 2:
      return f(Replace<uint16_t>{sum});
    case 4:
      return f(Replace<uint32_t>{sum});
    case 8:
      return f(Replace<uint64_t>{sum});
    default:
      return f(Replace<uint4>{sum});
  }
}

// --- Walking -------------------------------------------------------------------------------------

// Each thread changes what `steps` consecutive positions name, one after another.
template <class Change>
__global__ void __launch_bounds__(kThreads)
    walk_kernel(const RegionWork work, uint32_t steps, Change change) {
  const uint32_t start = (blockIdx.x * blockDim.x + threadIdx.x) * steps;
  if (start >= work.size) return;
  for (uint32_t i = start; i < start + steps; ++i) {
    Place place;
    if (!work.find(i, &place)) continue;
    change.store(place.base, change.join(change.load(place.base), change.load(place.value)));
  }
}

constexpr int kPerThread = 4;

// The same where no element is named twice: several loads are under way at once.
template <class Change>
__global__ void __launch_bounds__(kThreads) together_kernel(const RegionWork work, Change change) {
  const uint32_t first = blockIdx.x * (blockDim.x * kPerThread) + threadIdx.x;
  typename Change::Value sums[kPerThread];
  char* to[kPerThread];
#pragma unroll
  for (int u = 0; u < kPerThread; ++u) {
    const uint32_t i = first + u * blockDim.x;
    Place place;
    to[u] = nullptr;
    if (i >= work.size || !work.find(i, &place)) continue;
    to[u] = place.base;
    sums[u] = change.join(change.load(place.base), change.load(place.value));
  }
#pragma unroll
  for (int u = 0; u < kPerThread; ++u) {
    if (to[u]) change.store(to[u], sums[u]);
  }
}

// --- Sorted positions ----------------------------------------------------------------------------

// What positions name, as numbers. `owners`, if there are any: the last position, plus 1, of each.
__global__ void __launch_bounds__(kThreads)
    key_kernel(const RegionWork work, int64_t lowest, int64_t unit, uint32_t* keys,
               uint32_t* owners) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= work.size) return;
  Place place;
  const bool good = work.find(i, &place);
  const uint32_t key =
      good ? static_cast<uint32_t>((place.base - work.base - lowest) / unit) : 0xffffffffu;
  keys[i] = key;
  if (owners && good) atomicMax(&owners[key], i + 1);
}

// Entries are the positions sorted, or all of them as they are if there are owners.
struct SortedWork {
  const uint32_t *keys, *positions, *owners;
  uint32_t entries;
  Divisor columns, entry_count;
  bool entries_first;  // neighbouring threads take neighbouring entries, not columns
  Strided base, column_values, values;
  char *base_data, *value_data;
  int64_t unit;
};

constexpr int kAhead = 8;  // values that are under way at once

template <class Change>
__global__ void __launch_bounds__(kThreads) sorted_kernel(const SortedWork work, Change change) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  uint32_t entry, column;
  if (work.entries_first) {
    column = work.entry_count.divide(i);
    entry = i - column * work.entry_count.value;
  } else {
    entry = work.columns.divide(i);
    column = i - entry * work.columns.value;
  }
  if (entry >= work.entries || column >= work.columns.value) return;
  const uint32_t key = work.keys[entry];
  if (key == 0xffffffffu) return;
  char* const to =
      work.base_data + static_cast<int64_t>(key) * work.unit + work.base.offset(column);
  char* const from = work.value_data + work.column_values.offset(column);
  if constexpr (Change::kLast) {
    if (work.owners ? work.owners[key] != entry + 1
                    : entry + 1 < work.entries && work.keys[entry + 1] == key) {
      return;
    }
    const uint32_t position = work.owners ? entry : work.positions[entry];
    change.store(to, change.load(from + work.values.offset(position)));
    return;
  }
  if (entry > 0 && work.keys[entry - 1] == key) return;
  typename Change::Value sum = change.load(to);
  for (uint32_t e = entry;; e += kAhead) {
    typename Change::Value values[kAhead];
    int n = 0;
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      if (e + u >= work.entries || work.keys[e + u] != key) continue;
      values[u] = change.load(from + work.values.offset(work.positions[e + u]));
      n = u + 1;
    }
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      if (u < n) sum = change.join(sum, values[u]);
    }
    if (n < kAhead) break;
  }
  change.store(to, sum);
}

__device__ __forceinline__ float shuffle(float v, int lane) {
  return __shfl_sync(gpu::kAllLanes, v, lane);
}
__device__ __forceinline__ double shuffle(double v, int lane) {
  return __shfl_sync(gpu::kAllLanes, v, lane);
}
__device__ __forceinline__ uint64_t shuffle(uint64_t v, int lane) {
  return __shfl_sync(gpu::kAllLanes, static_cast<unsigned long long>(v), lane);
}

// For few columns: blockIdx.y is one. Lanes begin with entries of their own; what many entries name
// is then the work of the whole warp, whose lanes fetch values that are added in their order.
template <class Change>
__global__ void __launch_bounds__(kThreads) narrow_kernel(const SortedWork work, Change change) {
  using Value = typename Change::Value;
  const uint32_t lane = threadIdx.x % 32, column = blockIdx.y;
  const uint32_t entry = blockIdx.x * blockDim.x + threadIdx.x;
  char* const base = work.base_data + work.base.offset(column);
  char* const from = work.value_data + work.column_values.offset(column);
  const uint32_t key = entry < work.entries ? work.keys[entry] : 0xffffffffu;
  const bool leads = key != 0xffffffffu && (entry == 0 || work.keys[entry - 1] != key);
  Value sum{};
  bool more = leads;
  if (leads) {
    sum = change.load(base + static_cast<int64_t>(key) * work.unit);
    for (uint32_t e = entry; e < entry + kAhead && more; ++e) {
      more = e < work.entries && work.keys[e] == key;
      if (more) sum = change.join(sum, change.load(from + work.values.offset(work.positions[e])));
    }
  }
  for (unsigned rest = __ballot_sync(gpu::kAllLanes, more); rest; rest &= rest - 1) {
    const int leader = __ffs(static_cast<int>(rest)) - 1;
    const uint32_t shared_key = __shfl_sync(gpu::kAllLanes, key, leader);
    Value shared_sum = shuffle(sum, leader);
    uint32_t e = __shfl_sync(gpu::kAllLanes, entry, leader) + kAhead + lane;
    for (int n = 32; n == 32; e += 32) {
      const bool same = e < work.entries && work.keys[e] == shared_key;
      Value value{};
      if (same) value = change.load(from + work.values.offset(work.positions[e]));
      n = __popc(__ballot_sync(gpu::kAllLanes, same));
#pragma unroll
      for (int l = 0; l < 32; ++l) {
        const Value next = shuffle(value, l);
        if (l < n) shared_sum = change.join(shared_sum, next);
      }
    }
    if (static_cast<int>(lane) == leader) sum = shared_sum;
  }
  if (leads) change.store(base + static_cast<int64_t>(key) * work.unit, sum);
}

constexpr int64_t kNarrow = 4;  // columns

// --- How a region is scattered -------------------------------------------------------------------

enum class Way { together, walk, own, sort, none };

struct Plan {
  Way way = Way::none;
  Region region;  // dimensions of positions that may repeat come last
  int first = 0;  // of those
  int item = 0;
  int64_t keys = 0, lowest = 0, unit = 1;  // of sorting
};

bool varies(const Region& r, int d) {
  for (int k = 0; k < r.count; ++k) {
    if (r.indices[k].strides[d] != 0) return true;
  }
  return false;
}

// Complex elements as two of half the size. False if there are too many dimensions.
bool split_complex(Region* r) {
  if (r->ndim == kMaxRank) *r = simplify(*r);
  if (r->ndim == kMaxRank) return false;
  const int d = r->ndim++;
  r->dtype = r->dtype == DType::c64 ? DType::f32 : DType::f64;
  r->shape[d] = 2;
  r->base_strides[d] = r->value_strides[d] = item_size_of(r->dtype);
  for (int k = 0; k < r->count; ++k) r->indices[k].strides[d] = 0;
  r->repeats &= ~(1u << d);
  return true;
}

// The dimensions that repeat behind the others, each in their order.
int part(Region* region) {
  Region r = *region;
  int n = 0, first = 0;
  for (const bool behind : {false, true}) {
    if (behind) first = n;
    for (int d = 0; d < region->ndim; ++d) {
      if (((region->repeats >> d & 1) != 0) != behind) continue;
      r.shape[n] = region->shape[d];
      r.base_strides[n] = region->base_strides[d];
      r.value_strides[n] = region->value_strides[d];
      for (int k = 0; k < r.count; ++k) r.indices[k].strides[n] = region->indices[k].strides[d];
      ++n;
    }
  }
  r.repeats = ((1u << n) - 1) & ~((1u << first) - 1);
  *region = r;
  return first;
}

int64_t product(const Region& r, int begin, int end) {
  int64_t n = 1;
  for (int d = begin; d < end; ++d) n *= r.shape[d];
  return n;
}

int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

// The numbers of what the repeating dimensions can name.
bool number_keys(Plan* plan) {
  const Region& r = plan->region;
  int64_t low = 0, high = 0, unit = 0;
  auto range = [&](int64_t length, int64_t step) {
    if (length <= 1 || step == 0) return;
    (step < 0 ? low : high) += (length - 1) * step;
    unit = greatest_divisor(unit, step);
  };
  for (int k = 0; k < r.count; ++k) {
    if (r.indices[k].kind != IndexKind::numbers) return false;
    range(r.indices[k].length, r.indices[k].step);
  }
  for (int d = plan->first; d < r.ndim; ++d) range(r.shape[d], r.base_strides[d]);
  plan->unit = unit ? unit : 1;
  plan->lowest = low;
  plan->keys = (high - low) / plan->unit + 1;
  return plan->keys < int64_t{0xffffffff};
}

// False if there are too many dimensions.
bool prepare(Plan* plan, const Region& region, bool add) {
  Region& r = plan->region;
  r = region;
  if (add && is_complex(r.dtype) && !split_complex(&r)) return false;
  r = simplify(r);
  plan->item = add ? static_cast<int>(item_size_of(r.dtype)) : widen(&r);
  plan->first = part(&r);
  return true;
}

Plan plan_scatter(const Region& region, bool add) {
  Plan plan;
  const Region& r = plan.region;
  if (!prepare(&plan, region, add)) return plan;
  const int64_t columns = product(r, 0, plan.first), positions = product(r, plan.first, r.ndim);
  bool own = false;  // every column has indices of its own
  for (int d = 0; d < plan.first; ++d) own = own || varies(r, d);
  if (positions <= 1) {
    plan.way = Way::together;
  } else if (positions <= 16 || (own && (positions <= 64 || columns >= 16384))) {
    // A walk takes a microsecond or so for each step; sorting has a dozen kernels.
    plan.way = Way::walk;
  } else {
    Region all = region;
    if (own) all.repeats = (1u << region.ndim) - 1;
    if ((!own || prepare(&plan, all, add)) && number_keys(&plan)) {
      const int64_t entries = product(plan.region, plan.first, plan.region.ndim);
      plan.way = !add && plan.keys <= 4 * entries + (1 << 20) ? Way::own : Way::sort;
    }
  }
  return plan;
}

// --- The ways ------------------------------------------------------------------------------------

Status walk(Stream* stream, const Plan& plan, const Region& piece, bool add, int* failed) {
  const RegionWork work(piece, nullptr, failed);
  const int64_t steps = product(piece, plan.first, piece.ndim);
  const int64_t threads = work.size / steps;
  const unsigned block = threads < 1 << 15 ? 64 : kThreads;
  return with_change(add, sum_of(piece.dtype), plan.item, [&](auto change) {
    return gpu::launch(stream, walk_kernel<decltype(change)>, blocks_for(threads, block), block, 0,
                       work, static_cast<uint32_t>(steps), change);
  });
}

Status add_together(Stream* stream, const Region& piece, int* failed) {
  const RegionWork work(piece, nullptr, failed);
  const unsigned threads = work.size < 1u << 18 ? 64 : kThreads;
  const unsigned blocks = blocks_for(work.size, threads * kPerThread);
  return with_sum(sum_of(piece.dtype), [&](auto change) {
    return gpu::launch(stream, together_kernel<decltype(change)>, blocks, threads, 0, work, change);
  });
}

// Dimensions [begin, end) of a region.
Region dimensions(const Region& r, int begin, int end) {
  Region part = r;
  part.ndim = end - begin;
  for (int d = begin; d < end; ++d) {
    part.shape[d - begin] = r.shape[d];
    part.base_strides[d - begin] = r.base_strides[d];
    part.value_strides[d - begin] = r.value_strides[d];
    for (int k = 0; k < r.count; ++k) part.indices[k].strides[d - begin] = r.indices[k].strides[d];
  }
  return part;
}

Strided strided(const Region& r, const int64_t* strides) {
  Tensor t{};
  t.ndim = r.ndim;
  for (int d = 0; d < r.ndim; ++d) {
    t.shape[d] = r.shape[d];
    t.strides[d] = strides[d];
  }
  return Strided(t);
}

size_t keys_bytes(int64_t n) {
  return (static_cast<size_t>(n) * sizeof(uint32_t) + 255) / 256 * 256;
}

size_t scratch_of(const Plan& plan) {
  const int64_t all = product(plan.region, plan.first, plan.region.ndim);
  const int64_t n = all < launch_limit() ? all : launch_limit();
  if (plan.way == Way::own) return keys_bytes(n) + keys_bytes(plan.keys);
  return plan.way == Way::sort ? sort_scratch(n) : 0;
}

// Lists of keys and positions, or of owners, of the positions of a region.
Status list_entries(Stream* stream, const Plan& plan, const Region& positions, void* scratch,
                    int* failed, SortedWork* work) {
  const int64_t entries = positions_of(positions);
  uint32_t* owners = nullptr;
  if (plan.way == Way::own) {
    char* const place = static_cast<char*>(scratch) + keys_bytes(entries);
    owners = reinterpret_cast<uint32_t*>(place);
    const Tensor list{place, DType::u32, 1, {plan.keys}, {sizeof(uint32_t)}};
    PHINTYS_TRY(zero(stream, list));
  }
  uint32_t* const keys = unsorted_keys(scratch);
  PHINTYS_TRY(gpu::launch(stream, key_kernel, blocks_for(entries, kThreads), kThreads, 0,
                          RegionWork(positions, nullptr, failed), plan.lowest, plan.unit, keys,
                          owners));
  work->keys = keys;
  work->positions = nullptr;
  work->owners = owners;
  if (owners) return kOk;
  SortedKeys sorted;
  PHINTYS_TRY(sort_keys(stream, entries, plan.keys, scratch, &sorted));
  work->keys = sorted.keys;
  work->positions = sorted.positions;
  return kOk;
}

Status change_listed(Stream* stream, const Plan& plan, const Region& piece, bool add, void* scratch,
                     int* failed) {
  const Region columns = dimensions(piece, 0, plan.first);
  const Region positions = dimensions(piece, plan.first, piece.ndim);
  const int64_t entries = positions_of(positions), column_count = positions_of(columns);
  SortedWork work;
  PHINTYS_TRY(list_entries(stream, plan, positions, scratch, failed, &work));
  work.entries = static_cast<uint32_t>(entries);
  work.columns = Divisor(column_count);
  work.entry_count = Divisor(entries);
  const int last = columns.ndim - 1;
  work.entries_first = last < 0 || columns.base_strides[last] != plan.item;
  work.base = strided(columns, columns.base_strides);
  work.column_values = strided(columns, columns.value_strides);
  work.values = strided(positions, positions.value_strides);
  work.base_data = piece.base + plan.lowest;
  work.value_data = piece.values;
  work.unit = plan.unit;
  if (add && column_count <= kNarrow) {
    const dim3 grid(blocks_for(entries, kThreads), static_cast<unsigned>(column_count));
    return with_sum(sum_of(piece.dtype), [&](auto change) {
      return gpu::launch(stream, narrow_kernel<decltype(change)>, grid, kThreads, 0, work, change);
    });
  }
  const unsigned blocks = blocks_for(entries * column_count, kThreads);
  return with_change(add, sum_of(piece.dtype), plan.item, [&](auto change) {
    return gpu::launch(stream, sorted_kernel<decltype(change)>, blocks, kThreads, 0, work, change);
  });
}

}  // namespace

size_t scatter_scratch(const Region& region) {
  size_t bytes = 0;
  for (const bool add : {false, true}) {
    const Plan plan = plan_scatter(region, add);
    if (plan.way == Way::none) return SIZE_MAX;
    const size_t needed = scratch_of(plan);
    bytes = needed > bytes ? needed : bytes;
  }
  return bytes;
}

Status scatter(Stream* stream, const Region& region, bool add, void* scratch, int* failed) {
  if (positions_of(region) == 0) return kOk;
  const Plan plan = plan_scatter(region, add);
  switch (plan.way) {
    case Way::none:
      return kUnsupported;
    case Way::together:
      if (!add) return move_region(stream, plan.region, plan.item, true, nullptr, failed);
      return each_piece(plan.region,
                        [&](const Region& piece) { return add_together(stream, piece, failed); });
    case Way::walk:
      return each_piece(
          plan.region, [&](const Region& piece) { return walk(stream, plan, piece, add, failed); });
    default:
      return each_piece(plan.region, [&](const Region& piece) {
        return change_listed(stream, plan, piece, add, scratch, failed);
      });
  }
}

Status gather(Stream* stream, const Region& region, int* failed) {
  Region r = simplify(region);
  const int item = widen(&r);
  return move_region(stream, r, item, false, nullptr, failed);
}

}  // namespace phintys::cuda::indexing
