// Products of matrices and vectors: which kernel computes which.
#include "dtypes.h"
#include "products/kernels.h"
#include "products/library.h"

#include "plugin.h"

namespace phintys::cuda {

namespace {

enum class Way { nothing, library, thin, rows, columns, simt, tensor_cores };

struct Plan {
  Way way = Way::nothing;
  TileSize size = TileSize::small;
  Work w{};
  size_t scratch = 0;
  // The library: what is left to do to c.
  bool copy_first = false, finish_after = false;
};

int64_t size_of(int64_t v) { return v < 0 ? -v : v; }

int64_t sum_item_of(DType dtype) {
  const int64_t item = item_size_of(dtype);
  return item < 4 ? 4 : item;
}

bool is_float(DType dtype) {
  return dtype == DType::f16 || dtype == DType::f32 || dtype == DType::f64;
}
bool is_complex(DType dtype) { return dtype == DType::c64 || dtype == DType::c128; }

// --- The same product in a simpler form
// -----------------------------------------------------------

// Leaves out dimensions of length 1 of the stack and joins those that lie one after another.
void merge_batch(Product& p) {
  ProductMatrix* const all[] = {&p.a, &p.b, &p.c0, &p.c};
  int n = 0;
  for (int d = 0; d < p.batch_ndim; ++d) {
    const int64_t length = p.batch_shape[d];
    if (length == 1) continue;
    bool joins = n > 0;
    for (const ProductMatrix* x : all)
      if (joins && x->batch[n - 1] != x->batch[d] * length) joins = false;
    const int to = joins ? n - 1 : n++;
    p.batch_shape[to] = joins ? p.batch_shape[to] * length : length;
    for (ProductMatrix* x : all) x->batch[to] = x->batch[d];
  }
  p.batch_ndim = n;
}

void swap(int64_t& x, int64_t& y) {
  const int64_t kept = x;
  x = y;
  y = kept;
}

// c^T = b^T a^T.
void transpose(Product& p) {
  const ProductMatrix a = p.a;
  p.a = p.b;
  p.b = a;
  for (ProductMatrix* x : {&p.a, &p.b, &p.c0, &p.c}) swap(x->row, x->col);
  swap(p.m, p.n);
  swap(p.bias_row, p.bias_col);
}

bool whole_strides(const Product& p) {
  const int64_t item = item_size_of(p.dtype);
  for (const ProductMatrix* x : {&p.a, &p.b, &p.c0, &p.c}) {
    if (x->row % item || x->col % item) return false;
    for (int d = 0; d < p.batch_ndim; ++d)
      if (x->batch[d] % item) return false;
  }
  return p.bias_row % item == 0 && p.bias_col % item == 0;
}

// --- What the operands' places allow
// --------------------------------------------------------------

// The side on which elements are (more) dense.
bool along(int64_t stride, int64_t other, int64_t length, int64_t other_length) {
  if (length == 1 || other_length == 1) return length != 1;
  return size_of(stride) <= size_of(other);
}

// Whether pieces of 16 bytes may be read where `dense` is the stride of the dense side.
bool wide(const Product& p, const ProductMatrix& x, int64_t dense, int64_t other,
          int64_t other_length) {
  if (dense != item_size_of(p.dtype)) return false;
  uint64_t all = reinterpret_cast<uint64_t>(x.data);
  if (other_length > 1) all |= static_cast<uint64_t>(other);
  for (int d = 0; d < p.batch_ndim; ++d) all |= static_cast<uint64_t>(x.batch[d]);
  return all % 16 == 0;
}

// --- Sizes
// ----------------------------------------------------------------------------------------

int64_t blocks_of(const Work& w, int64_t tile_m, int64_t tile_n) {
  return tiles(w.p.m, tile_m) * tiles(w.p.n, tile_n) * w.batches;
}

// Cuts the sums where there are fewer blocks than the device runs at once, into pieces of at least
// `least` terms: a multiple of 64 bytes of all types.
void cut(Plan* plan, int64_t blocks, int64_t wanted, int64_t least) {
  Work& w = plan->w;
  constexpr int64_t kMost = 64;
  int64_t splits = wanted / (blocks < 1 ? 1 : blocks);
  if (splits > w.p.k / least) splits = w.p.k / least;
  if (splits > kMost) splits = kMost;
  if (splits < 2) return;
  const int64_t chunk = tiles(tiles(w.p.k, splits), 64) * 64;
  splits = tiles(w.p.k, chunk);
  if (splits < 2) return;
  w.chunk = chunk;
  w.splits = static_cast<int32_t>(splits);
  plan->scratch = static_cast<size_t>(splits * w.batches * w.p.m * w.p.n * sum_item_of(w.p.dtype));
}

void plan_vector(Plan* plan, int sms) {
  Work& w = plan->w;
  const Product& p = w.p;
  if (along(p.a.col, p.a.row, p.k, p.m)) {
    plan->way = Way::rows;
    const bool packets = is_float(p.dtype) || is_complex(p.dtype) || item_size_of(p.dtype) == 8;
    w.wide_a = packets && wide(p, p.a, p.a.col, p.a.row, p.m);
    w.wide_b = packets && wide(p, p.b, p.b.row, 0, 1);
    cut(plan, tiles(p.m, 8) * w.batches, 8 * sms, 2048);
  } else {
    plan->way = Way::columns;
    cut(plan, tiles(p.m, 32) * w.batches, 8 * sms, 256);
  }
}

void plan_simt(Plan* plan, int sms) {
  Work& w = plan->w;
  const Product& p = w.p;
  plan->way = Way::simt;
  w.along_k_a = along(p.a.col, p.a.row, p.k, p.m);
  w.along_k_b = along(p.b.row, p.b.col, p.k, p.n);
  if (sum_item_of(p.dtype) == item_size_of(p.dtype) && item_size_of(p.dtype) != 16 &&
      (is_float(p.dtype) || p.dtype == DType::c64 || item_size_of(p.dtype) == 8)) {
    w.wide_a = !w.along_k_a && wide(p, p.a, p.a.row, p.a.col, p.k);
    w.wide_b = !w.along_k_b && wide(p, p.b, p.b.col, p.b.row, p.k);
  }
  int64_t tile = kSimtMiddle;
  if (p.dtype == DType::f32) {
    if (p.m <= kSimtSmall || p.n <= kSimtSmall) {
      tile = kSimtSmall;
    } else if (blocks_of(w, kSimtBig, kSimtBig) >= sms) {
      tile = kSimtBig;
    } else if (blocks_of(w, kSimtMiddle, kSimtMiddle) < sms && p.k < 512) {
      tile = kSimtSmall;
    }
  } else if (is_float(p.dtype)) {
    tile = kSimtSmall;
  }
  plan->size = tile == kSimtBig      ? TileSize::big
               : tile == kSimtMiddle ? TileSize::middle
                                     : TileSize::small;
  const int64_t blocks = blocks_of(w, tile, tile);
  if (blocks < sms) cut(plan, blocks, tile == kSimtSmall ? 4 * sms : 2 * sms, 128);
}

// Tensor cores: float16, float64, and float32 if it may be rounded.
void plan_tensor_cores(Plan* plan, int sms) {
  Work& w = plan->w;
  Product& p = w.p;
  plan->way = Way::tensor_cores;
  bool a = along(p.a.col, p.a.row, p.k, p.m), b = along(p.b.row, p.b.col, p.k, p.n);
  const int64_t tile_n = p.dtype == DType::f64 ? kMmaBigNOfDoubles : kMmaBigN;
  const bool narrow =
      tiles(p.n, kMmaBigM) * tiles(p.m, tile_n) < tiles(p.m, kMmaBigM) * tiles(p.n, tile_n);
  if ((!a && b) || (a == b && narrow)) {
    transpose(p);
    const bool kept = a;
    a = b;
    b = kept;
  }
  w.along_k_a = a;
  w.along_k_b = b;
  w.wide_a = a ? wide(p, p.a, p.a.col, p.a.row, p.m) : wide(p, p.a, p.a.row, p.a.col, p.k);
  w.wide_b = b ? wide(p, p.b, p.b.row, p.b.col, p.n) : wide(p, p.b, p.b.col, p.b.row, p.k);
  const int64_t big = blocks_of(w, kMmaBigM, tile_n);
  if (3 * big >= 2 * sms) {
    plan->size = TileSize::big;
    return;
  }
  plan->size = TileSize::small;
  const int64_t blocks = blocks_of(w, kMmaSmall, kMmaSmall);
  if (blocks < sms) cut(plan, blocks, 2 * sms, 128);
}

// True iff the library computes p, with what c needs before and after.
bool plan_library(Stream* stream, Plan* plan) {
  const Product& p = plan->w.p;
  if (p.own_kernels || p.m * p.n < 256 || !library_takes(p) || !library_ready(stream)) return false;
  plan->finish_after = p.bias || p.activation != Activation::none;
  if (plan->finish_after) {
    const int64_t item = item_size_of(p.dtype);
    const bool dense = p.c.row == p.n * item && (!p.batch_ndim || p.c.batch[0] == p.m * p.c.row);
    if (!dense || p.dtype == DType::f16) return false;
  }
  if (p.beta_at || p.beta != 0) {
    plan->copy_first = p.c0.data != p.c.data || p.c0.row != p.c.row || p.c0.col != p.c.col ||
                       (p.batch_ndim && p.c0.batch[0] != p.c.batch[0]);
  }
  plan->way = Way::library;
  return true;
}

bool make_plan(Stream* stream, const Product& product, Plan* plan) {
  Work& w = plan->w;
  Product& p = w.p;
  p = product;
  if (p.batch_ndim > device::kMaxBatchRank || !whole_strides(p)) return false;
  w.batches = 1;
  for (int d = 0; d < p.batch_ndim; ++d) w.batches *= p.batch_shape[d];
  if (w.batches > gpu::kMaxGridX) return false;
  if (w.batches == 0 || p.m == 0 || p.n == 0) return true;
  if (!p.beta_at && p.beta == 0) p.c0 = p.c;
  merge_batch(p);
  if (!p.alpha_at && p.alpha == 0) p.k = 0;
  w.splits = 1;
  w.chunk = p.k;
  // Rows of c are to be the dense ones, and a vector to be b.
  if (p.m == 1 ? p.n > 1 : p.n > 1 && size_of(p.c.row) < size_of(p.c.col)) transpose(p);
  const int sms = gpu::sm_count(stream->device);
  constexpr int64_t kThin = 4;
  if (p.k <= kThin) {
    plan->way = Way::thin;
  } else if (p.n == 1) {
    plan_vector(plan, sms);
  } else if (!plan_library(stream, plan)) {
    const bool rounded = p.precision != device::F32Products::full;
    const bool cores =
        p.dtype == DType::f16 || p.dtype == DType::f64 || (p.dtype == DType::f32 && rounded);
    if (cores && p.m > kSimtSmall && p.n > kSimtSmall) {
      plan_tensor_cores(plan, sms);
    } else {
      plan_simt(plan, sms);
    }
  }
  return true;
}

// --- The table
// ------------------------------------------------------------------------------------

size_t scratch_bytes(Stream* stream, const Product& product) {
  Plan plan;
  return make_plan(stream, product, &plan) ? plan.scratch : 0;
}

Status run_library(Stream* stream, const Plan& plan) {
  Work w = plan.w;
  if (plan.copy_first) {
    Work copy = w;
    copy.p.k = 0;
    copy.p.alpha = 0;
    copy.p.beta = 1;
    copy.p.alpha_at = copy.p.beta_at = nullptr;
    copy.p.bias = nullptr;
    copy.p.activation = Activation::none;
    if (const Status status = thin(stream, copy)) return status;
  }
  if (const Status status = library_multiply(stream, w.p)) return status;
  if (!plan.finish_after) return kOk;
  w.p.alpha = 1;
  w.p.beta = 0;
  w.p.alpha_at = w.p.beta_at = nullptr;
  return combine(stream, w, w.p.c.data, 1);
}

Status run_tiles(Stream* stream, const Plan& plan, const Work& w) {
  if (plan.way == Way::simt) {
    if (w.p.dtype == DType::f32) return simt_f32(stream, w, plan.size);
    if (is_float(w.p.dtype)) return simt_real(stream, w);
    return is_complex(w.p.dtype) ? simt_complex(stream, w) : simt_integer(stream, w);
  }
  if (w.p.dtype == DType::f16) return mma_f16(stream, w, plan.size);
  if (w.p.dtype == DType::f64) return mma_f64(stream, w, plan.size);
  if (w.p.precision == device::F32Products::bf16 && plan.size == TileSize::big)
    return mma_bf16(stream, w, plan.size);
  return mma_tf32(stream, w, plan.size);
}

Status multiply(Stream* stream, const Product& product, void* scratch) {
  Plan plan;
  if (!make_plan(stream, product, &plan)) return kUnsupported;
  Work w = plan.w;
  if (w.splits > 1) w.partial = static_cast<char*>(scratch);
  Status status = kOk;
  switch (plan.way) {
    case Way::nothing:
      return kOk;
    case Way::library:
      return run_library(stream, plan);
    case Way::thin:
      return thin(stream, w);
    case Way::rows:
      status = vector_rows(stream, w);
      break;
    case Way::columns:
      status = vector_columns(stream, w);
      break;
    default:
      status = run_tiles(stream, plan, w);
  }
  if (status != kOk || w.splits == 1) return status;
  return combine(stream, w, w.partial, w.splits);
}

}  // namespace

const device::ProductKernels* product_kernels() {
  static const device::ProductKernels kernels{scratch_bytes, multiply, library_text};
  return &kernels;
}

}  // namespace phintys::cuda
