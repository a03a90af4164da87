// The gradient of the filters: products of two sets of planes, summed over points and images.
//
// x is staged as for the forward pass, so that every tap sees its operand as one long row; the
// gradient of y is laid out with the same distances between rows, with zeros at points that are no
// outputs. An infinity or NaN in x would spoil these zeros: such pieces, and those whose rows are
// so short that zeros prevail, go the other way: the points of a few taps at a time are packed.
#include <cstring>

#include "kernels/blas.h"
#include "kernels/parallel.h"
#include "ops/conv/staging.h"

namespace phintys::conv {

namespace {

constexpr int64_t kStagedBytes = 256 * 1024;
constexpr int64_t kRowBytes = 1024 * 1024;  // of the gradient of y
constexpr int64_t kPointsAtOnce = 1024;
constexpr int64_t kMostTerms = 640;
constexpr int64_t kFewTerms = 64;
constexpr int64_t kPackedTaps = 32;
constexpr int64_t kTasks = 16;
constexpr int64_t kChunkWork = 1 << 21;  // multiply-adds
constexpr int64_t kPartialElements = int64_t{1} << 24;

struct Plan : Staging {
  bool packed;
  int64_t points_at_once, width, span;  // of a row: points, elements, elements that matter
  int64_t row_block;
  int64_t units, splits, units_of_split;
  int64_t tasks, filters;  // elements of the result
  int64_t slot;            // bytes
  size_t table_bytes, partial_bytes;
};

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
Plan plan_gradient(const Geometry& g) {
  const ConvKernels<T>& kernels = conv_kernels<T>();
  const int64_t item = sizeof(T);
  Plan p;
  p.plan_axes(g, false);
  p.plan_channels(g, kMostTerms);
  // Sums are long: fewer channels at a time, if only a few points of all of them fit.
  int64_t points = 1, staged = p.copies;
  for (int a = 0; a < 3; ++a) {
    points *= p.points[a];
    staged *= p.points[a] + p.extent[a];
  }
  const int64_t wanted = std::min(kPointsAtOnce, points * g.batch);
  const int64_t fit = kStagedBytes / item * points / (staged * wanted);
  if (2 * fit < p.block) p.plan_channels(g, std::max(fit * g.taps(), kFewTerms));
  p.plan_chunks(g, kStagedBytes / item, kPointsAtOnce, 1);
  const int64_t n[3] = {p.chunk_points(0), p.chunk_points(1), p.chunk_points(2)};
  p.points_at_once = n[0] * n[1] * n[2] * p.images;
  const int64_t virtual_points =
      (p.images - 1) * p.plane + ((n[0] - 1) * p.length[1] + n[1] - 1) * p.length[2] + n[2];
  const double vain = static_cast<double>(p.rows * (virtual_points - p.points_at_once)) /
                      static_cast<double>(p.points_at_once);
  const double copies =
      4.0 * static_cast<double>(round_up(n[2], kernels.lanes)) / static_cast<double>(n[2]);
  p.packed = vain > copies;
  p.width = row_pitch(p.images * p.plane);
  p.span = round_up(virtual_points, kernels.lanes);
  p.row_block = std::min(p.rows, std::max(kernels.dot_rows, kRowBytes / item / p.width));
  p.row_block = ceil_div(p.rows, ceil_div(p.rows, p.row_block));
  p.units = p.groups_of_images * p.chunks;
  p.filters = g.groups * g.out_channels * g.in_channels * g.taps();
  p.splits = std::min(ceil_div(kTasks, g.groups * p.blocks), p.units);
  p.splits = std::max<int64_t>(1, std::min(p.splits, kPartialElements / p.filters));
  p.units_of_split = ceil_div(p.units, p.splits);
  p.splits = ceil_div(p.units, p.units_of_split);
  p.tasks = g.groups * p.blocks * p.splits;
  p.table_bytes = aligned(static_cast<size_t>(p.block * g.taps()) * 8);
  p.partial_bytes = aligned(static_cast<size_t>(p.splits * p.filters * item));
  const int64_t elements = round_up(p.size(), 64) + round_up(p.row_block * p.width, 64) +
                           round_up((p.packed ? kPackedTaps : 4) * p.width + kConvSlack, 64);
  p.slot = elements * item + round_up(16 * p.points_at_once, 64);
  return p;
}

template <class T>
class FilterGradient {
 public:
  FilterGradient(const Geometry& g, const Plan& p, const Planes& x, const Planes& gy,
                 const int64_t* table, T* partial)
      : g_(g), p_(p), x_(x), gy_(gy), table_(table), partial_(partial) {}

  void task(int64_t task, char* slot) {
    staged_ = reinterpret_cast<T*>(slot);
    rows_ = staged_ + round_up(p_.size(), 64);
    packed_ = rows_ + round_up(p_.row_block * p_.width, 64);
    packed_taps_ = p_.packed ? kPackedTaps : 4;
    starts_ =
        reinterpret_cast<int64_t*>(packed_ + round_up(packed_taps_ * p_.width + kConvSlack, 64));
    const int64_t split = task % p_.splits;
    task /= p_.splits;
    at_.channel = task % p_.blocks * p_.block;
    at_.channels = std::min(p_.block, p_.channels - at_.channel);
    at_.group = task / p_.blocks;
    T* sums = partial_ + split * p_.filters;
    clear(sums);
    const int64_t end = std::min(p_.units, (split + 1) * p_.units_of_split);
    bool whole = false;
    for (int64_t unit = split * p_.units_of_split; unit < end; ++unit) {
      at_.begin = unit % p_.chunks * p_.chunk;
      at_.image = unit / p_.chunks * p_.images;
      at_.images = std::min(p_.images, g_.batch - at_.image);
      for (int a = 0; a < 3; ++a) at_.n[a] = p_.points[a];
      at_.n[p_.outer] = std::min(p_.chunk, p_.points[p_.outer] - at_.begin);
      // What is not staged this time is read too: it must not be left over from something else.
      const bool full = at_.images == p_.images && at_.n[p_.outer] == p_.chunk;
      if (!full || !whole) {
        std::memset(staged_, 0, static_cast<size_t>(p_.size()) * sizeof(T));
      }
      whole = full;
      stage_part(g_, p_, at_, x_, staged_);
      accumulate(sums);
    }
  }

 private:
  T* first_filter(T* sums, int64_t row) const {
    return sums + ((at_.group * p_.rows + row) * p_.channels + at_.channel) * g_.taps();
  }

  void clear(T* sums) const {
    for (int64_t m = 0; m < p_.rows; ++m) {
      std::memset(first_filter(sums, m), 0,
                  static_cast<size_t>(at_.channels * g_.taps()) * sizeof(T));
    }
  }

  void accumulate(T* sums) {
    const bool packed = p_.packed || !k_.finite(staged_, p_.size());
    const int64_t n = at_.n[0] * at_.n[1] * at_.n[2] * at_.images;
    const int64_t width = packed ? row_pitch(n) : p_.width;
    if (packed) find_segments();
    for (int64_t m = 0; m < p_.rows; m += p_.row_block) {
      const int64_t rows = std::min(p_.row_block, p_.rows - m);
      copy_rows(m, rows, packed, width);
      T* c = first_filter(sums, m);
      const int64_t terms = at_.channels * g_.taps(), ldc = p_.channels * g_.taps();
      if (!packed) {
        k_.dots({rows_, staged_, table_, c, rows, terms, p_.span, width, ldc});
        continue;
      }
      int64_t table[kPackedTaps];
      for (int64_t i = 0; i < packed_taps_; ++i) table[i] = i * width;
      for (int64_t k = 0; k < terms; k += packed_taps_) {
        const int64_t taps = std::min(packed_taps_, terms - k);
        k_.pack({packed_, staged_, table_ + k, starts_, starts_ + p_.points_at_once, segments_,
                 taps, width});
        for (int64_t i = 0; i < taps; ++i) {
          for (int64_t q = n; q < width; ++q) packed_[i * width + q] = T(0);
        }
        k_.dots({rows_, packed_, table, c + k, rows, taps, round_up(n, k_.lanes), width, ldc});
      }
    }
  }

  // The gradient of y at the points of this piece, with zeros in between unless `packed`.
  void copy_rows(int64_t m, int64_t rows, bool packed, int64_t width) {
    ConvStage<T> s;
    const int64_t points = at_.n[0] * at_.n[1] * at_.n[2];
    for (int a = 0; a < 3; ++a) {
      s.n[a] = packed ? at_.n[a] : p_.length[a];
      s.first[a] = 0;
      s.step[a] = 1;
      s.size[a] = at_.n[a];
      s.stride[a] = gy_.stride[a];
    }
    s.pitch[1] = s.n[2];
    s.pitch[0] = s.n[1] * s.n[2];
    const int64_t image_size = packed ? points : p_.plane;
    for (int64_t r = 0; r < rows; ++r) {
      T* to = rows_ + r * width;
      for (int64_t i = 0; i < at_.images; ++i) {
        s.dst = to + i * image_size;
        s.src = gy_.data + (at_.image + i) * gy_.batch_stride +
                (at_.group * p_.rows + m + r) * gy_.channel_stride +
                at_.begin * gy_.stride[p_.outer];
        s.next = i + 1 < at_.images ? gy_.batch_stride : gy_.channel_stride - i * gy_.batch_stride;
        if (r + 1 == rows && i + 1 == at_.images) s.next = 0;
        k_.stage(s);
      }
      for (int64_t q = at_.images * image_size; q < width; ++q) to[q] = T(0);
    }
  }

  void find_segments() {
    int64_t* length = starts_ + p_.points_at_once;
    segments_ = 0;
    for (int64_t i = 0; i < at_.images; ++i) {
      for (int64_t i0 = 0; i0 < at_.n[0]; ++i0) {
        for (int64_t i1 = 0; i1 < at_.n[1]; ++i1) {
          starts_[segments_] = i * p_.plane + (i0 * p_.length[1] + i1) * p_.length[2];
          length[segments_++] = at_.n[2];
        }
      }
    }
  }

  const ConvKernels<T>& k_ = conv_kernels<T>();
  const Geometry& g_;
  const Plan& p_;
  const Planes& x_;
  const Planes& gy_;
  const int64_t* table_;
  T* partial_;
  T* staged_ = nullptr;
  T* rows_ = nullptr;
  T* packed_ = nullptr;
  int64_t* starts_ = nullptr;
  int64_t segments_ = 0, packed_taps_ = 0;
  Part at_{};
};

// Sums the parts in order and brings taps to their places.
template <class T>
void join(const Geometry& g, const Plan& p, const T* partial, T* gw) {
  const int64_t taps = g.taps(), filters = p.filters / taps;
  const int64_t grain = std::max<int64_t>(1, 65536 / (taps * p.splits));
  parallel_ranges(filters, grain, [&](int64_t begin, int64_t end) {
    for (int64_t f = begin; f < end; ++f) {
      const T* from = partial + f * taps;
      T* to = gw + f * taps;
      int64_t tap = 0;
      for (int64_t k0 = 0; k0 < g.axis[0].kernel; ++k0) {
        for (int64_t k1 = 0; k1 < g.axis[1].kernel; ++k1) {
          for (int64_t k2 = 0; k2 < g.axis[2].kernel; ++k2, ++tap) {
            T sum = from[tap];
            for (int64_t s = 1; s < p.splits; ++s) sum += from[s * p.filters + tap];
            to[g.filter_index(k0, k1, k2)] = sum;
          }
        }
      }
    }
  });
}

// Filters of one tap that take every point: a product of matrices for each image, of long rows.
template <class T>
bool is_product(const Geometry& g, const Planes& x, const Planes& gy) {
  constexpr int64_t kItem = sizeof(T), kLongRow = 256;
  int64_t dense = kItem;
  for (int a = 2; a >= 0; --a) {
    const Axis& axis = g.axis[a];
    if (axis.kernel != 1 || axis.stride != 1 || axis.in != axis.out || axis.lo != 0) return false;
    if (axis.in != 1 && (x.stride[a] != dense || gy.stride[a] != dense)) return false;
    dense *= axis.in;
  }
  if (g.out_points() < kLongRow) return false;
  return x.channel_stride >= dense && gy.channel_stride >= dense && x.channel_stride % kItem == 0 &&
         gy.channel_stride % kItem == 0;
}

template <class T>
void product(const Geometry& g, const Planes& x, const Planes& gy, T* gw) {
  constexpr int64_t kItem = sizeof(T);
  for (int64_t group = 0; group < g.groups; ++group) {
    for (int64_t image = 0; image < g.batch; ++image) {
      const char* a =
          gy.data + image * gy.batch_stride + group * g.out_channels * gy.channel_stride;
      const char* b = x.data + image * x.batch_stride + group * g.in_channels * x.channel_stride;
      gemm(false, true, g.out_channels, g.in_channels, g.out_points(), T(1),
           reinterpret_cast<const T*>(a), gy.channel_stride / kItem, reinterpret_cast<const T*>(b),
           x.channel_stride / kItem, T(image > 0), gw + group * g.out_channels * g.in_channels,
           g.in_channels);
    }
  }
}

bool nothing_to_sum(const Geometry& g) { return g.batch * g.out_points() * g.in_points() == 0; }

bool no_filters(const Geometry& g) {
  return g.groups * g.out_channels * g.in_channels * g.taps() == 0;
}

}  // namespace

template <class T>
void filter_gradient(const Geometry& g, const Planes& x, const Planes& gy, T* gw, void* scratch) {
  if (no_filters(g)) return;
  if (nothing_to_sum(g)) {
    const int64_t filters = g.groups * g.out_channels * g.in_channels * g.taps();
    std::memset(gw, 0, static_cast<size_t>(filters) * sizeof(T));
    return;
  }
  if (is_product<T>(g, x, gy)) return product(g, x, gy, gw);
  const Plan p = plan_gradient<T>(g);
  char* memory = static_cast<char*>(scratch);
  int64_t* table = reinterpret_cast<int64_t*>(memory);
  T* partial = reinterpret_cast<T*>(memory + p.table_bytes);
  char* slot_memory = memory + p.table_bytes + p.partial_bytes;
  int64_t tap = 0;
  const int64_t taps = g.taps();
  for (int64_t k0 = 0; k0 < g.axis[0].kernel; ++k0) {
    for (int64_t k1 = 0; k1 < g.axis[1].kernel; ++k1) {
      for (int64_t k2 = 0; k2 < g.axis[2].kernel; ++k2, ++tap) {
        const int64_t k[3] = {k0, k1, k2}, at = p.offset(g, k);
        for (int64_t c = 0; c < p.block; ++c) table[c * taps + tap] = c * p.channel + at;
      }
    }
  }
  const int64_t work = p.filters * g.batch * g.out_points() / p.tasks;
  const int64_t grain = std::max<int64_t>(1, kChunkWork / std::max<int64_t>(1, work));
  Slots slots(slots_for(ceil_div(p.tasks, grain)));
  parallel_ranges(p.tasks, grain, [&](int64_t begin, int64_t end) {
    const int64_t slot = slots.take();
    FilterGradient<T> gradient(g, p, x, gy, table, partial);
    for (int64_t t = begin; t < end; ++t) gradient.task(t, slot_memory + slot * p.slot);
    slots.give(slot);
  });
  join(g, p, partial, gw);
}

template <class T>
size_t filter_gradient_scratch(const Geometry& g) {
  if (no_filters(g) || nothing_to_sum(g)) return 0;
  const Plan p = plan_gradient<T>(g);
  return p.table_bytes + p.partial_bytes + static_cast<size_t>(slots_for(p.tasks) * p.slot);
}

template void filter_gradient<float>(const Geometry&, const Planes&, const Planes&, float*, void*);
template void filter_gradient<double>(const Geometry&, const Planes&, const Planes&, double*,
                                      void*);
template size_t filter_gradient_scratch<float>(const Geometry&);
template size_t filter_gradient_scratch<double>(const Geometry&);

}  // namespace phintys::conv
