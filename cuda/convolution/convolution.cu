// Convolution, forward and backward: which kernels take a problem, and what they are told.
#include "convolution/plan.h"
#include "plugin.h"

namespace phintys::cuda {
namespace {

constexpr int64_t kMostLength = int64_t{1} << 30;
constexpr int64_t kMostIndex = (int64_t{1} << 31) - 1024;
constexpr int64_t kEnoughBlocks = 264;  // to keep a GPU busy: two for each multiprocessor
constexpr int64_t kMostPartial = int64_t{1} << 26;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
int64_t magnitude(int64_t a) { return a < 0 ? -a : a; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

bool small_axis(const device::ConvAxis& a) {
  if (a.in >= kMostLength || a.kernel >= kMostLength || a.out >= kMostLength) return false;
  if (a.stride >= kMostLength || a.dilation >= kMostLength || a.lo >= kMostLength) return false;
  return (a.kernel - 1) * a.dilation < kMostLength && (a.out - 1) * a.stride < kMostLength;
}

// Distances inside an image are computed with 32 bits.
bool small_image(const device::ConvArray& v, const device::ConvAxis* axes, int64_t channels) {
  int64_t distance = (channels - 1) * magnitude(v.channel);
  for (int i = 0; i < 3; ++i) {
    const int64_t reach = axes[i].in + axes[i].lo + (axes[i].kernel - 1) * axes[i].dilation;
    if (magnitude(v.spatial[i]) >= (int64_t{1} << 31)) return false;
    distance += reach * magnitude(v.spatial[i]);
  }
  return distance < kMostIndex;
}

struct Choice {
  ConvPlan plan;
  BlockKind kind = BlockKind::small;
  bool direct = false;
  // Offsets in scratch.
  int64_t table = 0, packed = 0, partial = 0, bytes = 0;
};

int64_t item(const Convolution& c) { return c.dtype == DType::f32 ? 4 : 8; }

// Fills what the axes say. False if a number does not fit.
bool plan_axes(const Convolution& c, ConvPlan* p) {
  int64_t phases = 1, points = 1, taps = 1, plane = 1;
  for (int i = 0; i < 3; ++i) {
    const device::ConvAxis& a = c.axis[i];
    if (!small_axis(a)) return false;
    const int64_t stride = p->gradient ? a.stride : 1;
    const int64_t result = p->gradient ? a.in : a.out;
    phases *= least(stride, result);
    points *= ceil_div(result, stride);
    taps *= ceil_div(a.kernel, stride / common_divisor(stride, a.dilation));
    plane *= result;
    if (phases > gpu::kMaxGridYZ || points > kMostIndex || taps > kMostIndex) return false;
    p->axis[i] = {static_cast<int32_t>(p->gradient ? a.out : a.in),
                  static_cast<int32_t>(result),
                  static_cast<int32_t>(a.kernel),
                  static_cast<int32_t>(a.stride),
                  static_cast<int32_t>(a.dilation),
                  static_cast<int32_t>(a.lo),
                  static_cast<int32_t>(p->gradient ? 1 : a.stride),
                  static_cast<int32_t>(stride)};
  }
  const int64_t channels = p->gradient ? c.out_channels : c.in_channels;
  p->columns = c.batch * points;
  if (p->columns > kMostIndex || channels * taps > kMostIndex) return false;
  if (phases * c.groups > gpu::kMaxGridYZ) return false;
  p->phases = static_cast<int32_t>(phases);
  p->terms = static_cast<int32_t>(channels * taps);
  p->result_plane = plane;
  return true;
}

void plan_arrays(const Convolution& c, ConvPlan* p) {
  const bool filters = c.part == ConvPart::filters;
  const device::ConvArray& source = p->gradient ? c.y : c.x;
  const device::ConvArray& factor = filters ? c.y : c.w;
  p->source = source.data;
  p->filters = factor.data;
  p->result = (filters ? c.w : p->gradient ? c.x : c.y).data;
  p->source_image = source.outer;
  p->source_channel = source.channel;
  p->filter_row = c.part == ConvPart::forward ? factor.outer : factor.channel;
  p->filter_channel = c.part == ConvPart::forward ? factor.channel : factor.outer;
  p->filter_group = c.out_channels * (filters ? factor.channel : factor.outer);
  for (int i = 0; i < 3; ++i) {
    p->source_spatial[i] = source.spatial[i];
    p->filter_tap[i] = factor.spatial[i];
  }
}

// bfloat16 would save nothing where loading is what takes time.
bool on_tensor_cores(const Convolution& c) {
  return c.dtype == DType::f32 && c.precision != device::F32Products::full;
}

void choose_gather(const Convolution& c, Choice* to) {
  ConvPlan& p = to->plan;
  auto blocks = [&](int64_t rows, int64_t columns) {
    return ceil_div(p.rows, rows) * ceil_div(p.columns, columns) * p.phases * p.groups;
  };
  const bool tensor = on_tensor_cores(c);
  int64_t block_rows = 64, block_columns = 64;
  if (c.dtype == DType::f64) {
    to->kind = BlockKind::f64;
  } else if (!tensor && p.rows <= 32) {
    to->kind = BlockKind::few_rows;
    block_rows = 32;
    block_columns = 128;
  } else if (blocks(128, 128) >= kEnoughBlocks / 2 &&
             round_up(p.rows, 128) * 4 <= round_up(p.rows, 64) * 5) {
    to->kind = tensor ? BlockKind::large_tensor : BlockKind::large;
    block_rows = block_columns = 128;
  } else if (tensor) {
    to->kind = BlockKind::small_tensor;
  }
  const int64_t splits = kEnoughBlocks / blocks(block_rows, block_columns);
  p.splits = static_cast<int32_t>(most(1, least(splits, least(p.terms / 128, kMaxSplits))));
  p.padded_rows = static_cast<int32_t>(round_up(p.rows, block_rows));
  p.padded_terms = static_cast<int32_t>(round_up(p.terms, kMaxBlockTerms));
  p.result_image = p.groups * p.rows * p.result_plane;
  p.result_size = p.batch * p.result_image;
}

void choose_filters(const Convolution& c, Choice* to) {
  ConvPlan& p = to->plan;
  p.result_size = int64_t{p.groups} * p.rows * p.terms;
  auto blocks = [&](int64_t side) {
    return ceil_div(p.rows, side) * ceil_div(p.terms, side) * p.groups;
  };
  const bool tensor = on_tensor_cores(c);
  int64_t side = 64;
  if (c.dtype == DType::f64) {
    to->kind = BlockKind::f64;
  } else if (p.rows > 64 && p.terms > 64 && blocks(128) * p.columns >= 64 * 256) {
    to->kind = tensor ? BlockKind::large_tensor : BlockKind::large;
    side = 128;
  } else if (tensor) {
    to->kind = BlockKind::small_tensor;
  }
  const int64_t splits = 2 * kEnoughBlocks / blocks(side);
  p.splits = static_cast<int32_t>(most(1, least(splits, least(p.columns / 256, 4 * kMaxSplits))));
  p.padded_rows = 0;
  p.padded_terms = static_cast<int32_t>(round_up(p.terms, kMaxBlockRows));
}

// False: there is no kernel.
bool choose(const Convolution& c, Choice* to) {
  if (c.dtype != DType::f32 && c.dtype != DType::f64) return false;
  ConvPlan& p = to->plan;
  p = {};
  p.gradient = c.part == ConvPart::inputs;
  p.flip = c.flip;
  if (c.batch > kMostIndex || c.groups > gpu::kMaxGridYZ || c.in_channels > kMostIndex ||
      c.out_channels > kMostIndex) {
    return false;
  }
  p.batch = static_cast<int32_t>(c.batch);
  p.groups = static_cast<int32_t>(c.groups);
  p.rows = static_cast<int32_t>(p.gradient ? c.in_channels : c.out_channels);
  p.channels = static_cast<int32_t>(p.gradient ? c.out_channels : c.in_channels);
  if (!plan_axes(c, &p)) return false;
  if (!small_image(p.gradient ? c.y : c.x, c.axis, p.channels)) return false;
  if (c.part == ConvPart::filters && !small_image(c.y, c.axis, c.out_channels)) return false;
  plan_arrays(c, &p);
  to->direct = takes_direct(c);
  if (to->direct) {
    to->bytes = direct_scratch(c);
    return true;
  }
  const bool filters = c.part == ConvPart::filters;
  filters ? choose_filters(c, to) : choose_gather(c, to);
  while (p.splits > 1 && p.splits * p.result_size > kMostPartial) p.splits /= 2;
  to->table = round_up(p.phases * static_cast<int64_t>(sizeof(ConvPhase)), 256);
  to->packed = to->table + int64_t{p.phases} * p.padded_terms * int64_t{sizeof(ConvTerm)};
  to->packed = round_up(to->packed, 256);
  to->partial =
      to->packed + int64_t{p.phases} * p.groups * p.padded_terms * p.padded_rows * item(c);
  to->partial = round_up(to->partial, 256);
  to->bytes = to->partial + (p.splits > 1 ? p.splits * p.result_size * item(c) : 0);
  return true;
}

int64_t scratch_bytes(const Convolution& c) {
  Choice choice;
  return choose(c, &choice) ? choice.bytes : -1;
}

Status run(Stream* stream, const Convolution& c) {
  Choice choice;
  if (!choose(c, &choice)) return kUnsupported;
  if (choice.direct) return direct(stream, c, choice.plan);
  ConvPlan& p = choice.plan;
  char* const scratch = static_cast<char*>(c.scratch);
  p.phase = reinterpret_cast<ConvPhase*>(scratch);
  p.table = reinterpret_cast<ConvTerm*>(scratch + choice.table);
  p.packed = scratch + choice.packed;
  p.partial = scratch + choice.partial;
  const bool filters = c.part == ConvPart::filters;
  Status status = prepare(stream, p, c.dtype, !filters);
  if (status != kOk) return status;
  status =
      filters ? filter_product(stream, p, choice.kind) : gather_product(stream, p, choice.kind);
  if (status != kOk || p.splits == 1) return status;
  return join_partials(stream, p.partial, p.result, p.result_size, p.splits, c.dtype);
}

constexpr device::ConvKernels kKernels = {scratch_bytes, run};

}  // namespace

const device::ConvKernels* conv_kernels() { return &kKernels; }

}  // namespace phintys::cuda
