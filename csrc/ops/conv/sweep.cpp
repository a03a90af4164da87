// Forward convolution and the gradient of its input, one algorithm for both: an implicit product of
// a matrix of filters with the matrix of all shifted inputs, which is never formed.
//
// The source is staged in pieces that fit in cache (kernels/conv.h). With a stride s, its s residue
// classes are staged as planes of their own, so that reading is contiguous; the gradient of the
// input has s classes of outputs instead, each with its own taps. Panels of filter rows then run
// over the staged points where they lie ("direct"), or, where rows are so short that too many
// points would be computed in vain, over tiles of points that are packed first.
#include <cstring>

#include "kernels/parallel.h"
#include "ops/conv/staging.h"

namespace phintys::conv {

namespace {

constexpr int64_t kStagedBytes = 256 * 1024;
constexpr int64_t kPointsAtOnce = 1536;
constexpr int64_t kTasks = 16;
constexpr int64_t kFewPoints = 400;      // of an image
constexpr int64_t kMostTerms = 576;      // of a sum, at a time
constexpr int64_t kPrefetched = 2048;    // elements of a row of results
constexpr int64_t kChunkWork = 1 << 21;  // multiply-adds

struct Plan : Staging {
  bool packed;
  double work;  // multiply-adds for a tap and a channel, copies included
  int64_t panel_rows, panels, row_parts;
  int64_t terms;           // most of a sum at a time
  int64_t tile;            // packed
  int64_t virtual_points;  // of one image in a chunk
  int64_t tasks, grain;
  size_t table_bytes, filter_bytes, slot_bytes;
};

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
Plan plan_sweep(const Geometry& g, bool gradient) {
  const ConvKernels<T>& kernels = conv_kernels<T>();
  const int64_t item = sizeof(T);
  Plan p;
  p.plan_axes(g, gradient);
  p.terms = p.plan_channels(g, kMostTerms);
  // Where planes are small, filters go by for a few images at a time.
  const int64_t plane = p.points[0] * p.points[1] * p.points[2];
  p.plan_chunks(g, kStagedBytes / item, kPointsAtOnce,
                kTasks / std::clamp<int64_t>(kFewPoints / std::max<int64_t>(1, plane), 1, 4));
  bool whole_points = true;
  for (const Axis& a : g.axis) whole_points = whole_points && (!gradient || a.stride == 1);
  p.panels = ceil_div(p.rows, kernels.max_rows);
  p.panel_rows = ceil_div(p.rows, p.panels);
  p.panels = ceil_div(p.rows, p.panel_rows);
  const int64_t n[3] = {p.chunk_points(0), p.chunk_points(1), p.chunk_points(2)};
  const int64_t points = n[0] * n[1] * n[2];
  p.virtual_points = ((n[0] - 1) * p.length[1] + n[1] - 1) * p.length[2] + n[2];
  // Multiply-adds in vain against copies, in vector operations for each point and term.
  const double vain =
      static_cast<double>(p.rows * (p.virtual_points - points)) / static_cast<double>(points);
  const double copies =
      4.0 * static_cast<double>(round_up(n[2], kernels.lanes)) / static_cast<double>(n[2]);
  const double packing = copies + 0.03 * static_cast<double>(p.rows);
  p.packed = whole_points && vain > packing;
  const double all = static_cast<double>(p.points[0] * p.points[1] * p.points[2]);
  p.work = 1.06 * all * (static_cast<double>(p.rows) + (p.packed ? packing : vain));
  p.tile = p.panel_rows <= kernels.wide_rows ? kernels.wide_tile : kernels.tile;
  p.tasks = g.groups * p.groups_of_images * p.chunks;
  p.row_parts = p.tasks >= 4 ? 1 : std::min(ceil_div(4, p.tasks), ceil_div(p.panels, 2));
  if (p.tasks < kTasks / 2) {
    p.row_parts = std::max(p.row_parts, std::min(ceil_div(kTasks / 2, p.tasks), p.panels / 16));
  }
  const int64_t work = p.rows * p.channels * g.taps() * points * p.images / p.row_parts;
  p.tasks *= p.row_parts;
  p.grain = std::max<int64_t>(1, kChunkWork / std::max<int64_t>(1, work));
  // The table of offsets of all classes, and that of packed terms.
  p.table_bytes = aligned(static_cast<size_t>(p.block * g.taps() + p.terms) * 8);
  p.filter_bytes = aligned(static_cast<size_t>(g.groups * p.rows * p.channels * g.taps() * item));
  const int64_t tile = p.packed ? p.terms * p.tile + kConvSlack + p.panel_rows * p.tile
                                : p.panel_rows * row_pitch(p.virtual_points);
  p.slot_bytes = static_cast<size_t>(round_up(p.size(), 64) * item) +
                 aligned(static_cast<size_t>((tile + kConvSlack) * item));
  return p;
}

bool nothing_to_sum(const Geometry& g, bool gradient) {
  return (gradient ? g.out_channels * g.out_points() : g.in_channels * g.in_points()) * g.taps() ==
         0;
}

// Where each term of a sum lies in staged memory.
void fill_table(const Geometry& g, const Plan& p, int64_t* table) {
  for_classes(g, p, [&](int64_t, const int64_t* c, const int64_t* n, int64_t taps, int64_t before) {
    int64_t* to = table + before * p.block;
    for_taps(g, c, n, [&](int64_t tap, const int64_t* k) {
      const int64_t at = p.offset(g, k);
      for (int64_t i = 0; i < p.block; ++i) to[i * taps + tap] = i * p.channel + at;
    });
  });
  int64_t* packed = table + p.block * g.taps();
  for (int64_t k = 0; k < p.terms; ++k) packed[k] = k * p.tile;
}

// Rows of panels side by side: to[k * rows + m], k over channels and taps. Panels of a group follow
// each other, groups too; each class has a range of its own in every panel.
template <class T>
void pack_filters(const Geometry& g, const Plan& p, const TensorView& w, T* to) {
  const int nd = w.ndim - 2;
  int64_t stride[3] = {0, 0, 0};
  for (int i = 0; i < nd; ++i) stride[3 - nd + i] = w.strides[2 + i];
  const int64_t terms = p.channels * g.taps();
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, terms * p.panel_rows));
  parallel_ranges(g.groups * p.panels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t group = item / p.panels, m0 = item % p.panels * p.panel_rows;
      const int64_t rows = std::min(p.panel_rows, p.rows - m0);
      T* panel = to + (group * p.rows + m0) * terms;
      const int64_t row_stride = p.gradient ? w.strides[1] : w.strides[0];
      const int64_t channel_stride = p.gradient ? w.strides[0] : w.strides[1];
      const char* from =
          w.data + m0 * row_stride + group * (p.gradient ? p.channels : p.rows) * w.strides[0];
      for_classes(g, p,
                  [&](int64_t, const int64_t* c, const int64_t* n, int64_t taps, int64_t before) {
                    T* out = panel + before * p.channels * rows;
                    for (int64_t i = 0; i < p.channels; ++i) {
                      const char* channel = from + i * channel_stride;
                      for_taps(g, c, n, [&](int64_t tap, const int64_t* k) {
                        const char* f = channel;
                        for (int a = 0; a < 3; ++a) {
                          f += (g.flip ? g.axis[a].kernel - 1 - k[a] : k[a]) * stride[a];
                        }
                        T* o = out + (i * taps + tap) * rows;
                        for (int64_t m = 0; m < rows; ++m) {
                          o[m] = *reinterpret_cast<const T*>(f + m * row_stride);
                        }
                      });
                    }
                  });
    }
  });
}

template <class T>
class Sweep {
 public:
  Sweep(const Geometry& g, const Plan& p, const Planes& src, T* dst, const int64_t* table,
        const T* filters)
      : g_(g), p_(p), src_(src), dst_(dst), table_(table), filters_(filters) {}

  void task(int64_t task, char* slot) {
    staged_ = reinterpret_cast<T*>(slot);
    work_ = staged_ + round_up(p_.size(), 64);
    row_part_ = task % p_.row_parts;
    task /= p_.row_parts;
    at_.begin = task % p_.chunks * p_.chunk;
    task /= p_.chunks;
    at_.group = task % g_.groups;
    at_.image = task / g_.groups * p_.images;
    at_.images = std::min(p_.images, g_.batch - at_.image);
    for (int a = 0; a < 3; ++a) at_.n[a] = p_.points[a];
    at_.n[p_.outer] = std::min(p_.chunk, p_.points[p_.outer] - at_.begin);
    for (at_.channel = 0; at_.channel < p_.channels; at_.channel += p_.block) {
      at_.channels = std::min(p_.block, p_.channels - at_.channel);
      stage_part(g_, p_, at_, src_, staged_);
      if (p_.packed) {
        packed();
      } else {
        direct();
      }
    }
  }

 private:
  int64_t begin_on(int axis) const { return axis == p_.outer ? at_.begin : 0; }

  T* plane_of(int64_t image, int64_t row) const {
    const int64_t size = p_.gradient ? g_.in_points() : g_.out_points();
    return dst_ + ((at_.image + image) * g_.groups * p_.rows + at_.group * p_.rows + row) * size;
  }

  // Calls f(first row, rows, filters of the block for a class) for this task's panels.
  template <class F>
  void for_panels(int64_t taps, int64_t before, F&& f) const {
    const int64_t panels = ceil_div(p_.panels, p_.row_parts);
    const int64_t last = std::min(p_.panels, (row_part_ + 1) * panels);
    for (int64_t i = row_part_ * panels; i < last; ++i) {
      const int64_t m = i * p_.panel_rows, rows = std::min(p_.panel_rows, p_.rows - m);
      const T* a = filters_ + (at_.group * p_.rows + m) * p_.channels * g_.taps() +
                   (before * p_.channels + at_.channel * taps) * rows;
      f(m, rows, a);
    }
  }

  void direct() {
    ConvStore<T> s;
    s.pitch[0] = p_.length[1] * p_.length[2];
    s.pitch[1] = p_.length[2];
    s.add = at_.channel > 0;
    const int64_t points = ((at_.n[0] - 1) * p_.length[1] + at_.n[1] - 1) * p_.length[2] + at_.n[2];
    const int64_t pitch = row_pitch(p_.virtual_points);
    for_classes(
        g_, p_, [&](int64_t, const int64_t* c, const int64_t*, int64_t taps, int64_t before) {
          for (int a = 0; a < 3; ++a) {
            const Axis& x = g_.axis[a];
            s.n[a] = at_.n[a];
            s.size[a] = p_.gradient ? x.in : x.out;
            s.step[a] = p_.gradient ? x.stride : 1;
            s.first[a] = p_.gradient
                             ? (begin_on(a) + p_.base[a]) * x.stride + x.residue(c[a]) - x.lo
                             : begin_on(a);
          }
          for (int64_t image = 0; image < at_.images; ++image) {
            for_panels(taps, before, [&](int64_t m, int64_t rows, const T* a) {
              k_.panel({a, staged_ + image * p_.plane, table_ + before * p_.block, work_, rows,
                        at_.channels * taps, points, pitch, false});
              for (int64_t r = 0; r < rows; ++r) {
                s.dst = plane_of(image, m + r);
                s.src = work_ + r * pitch;
                k_.store(s);
              }
            });
          }
        });
  }

  // Asks for the memory that results will go to.
  static void prefetch(const ConvStore<T>& s, const T* plane) {
    const int64_t begin = std::max<int64_t>(0, s.first[0] * s.size[1] + s.first[1]) * s.size[2];
    const int64_t last = (s.n[0] - 1) * s.step[0] * s.size[1] + (s.n[1] - 1) * s.step[1] + 1;
    const int64_t end = std::min(begin + last * s.size[2], s.size[0] * s.size[1] * s.size[2]);
    if (end - begin > kPrefetched) return;
    for (int64_t i = begin; i < end; i += 64 / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(plane + i, 1);
    }
  }

  // Tiles of points, across images.
  void packed() {
    const int64_t inner = p_.outer == 0 ? at_.n[1] * at_.n[2] : p_.outer == 1 ? at_.n[2] : 1;
    const int64_t points = at_.n[0] * at_.n[1] * at_.n[2], total = points * at_.images;
    const int64_t shift = at_.begin * inner;
    const int64_t terms = at_.channels * g_.taps();
    const int64_t* packed_table = table_ + p_.block * g_.taps();
    T* results = work_ + p_.terms * p_.tile + kConvSlack;
    int64_t start[128], length[128];
    for (int64_t q = 0; q < total; q += p_.tile) {
      const int64_t n = std::min(p_.tile, total - q);
      const int64_t segments = find_segments(q, n, start, length);
      k_.pack({work_, staged_, table_, start, length, segments, terms, p_.tile});
      const int64_t image = q / points, at = q % points;
      const bool one_image = at + n <= points;
      for_panels(g_.taps(), 0, [&](int64_t m, int64_t rows, const T* a) {
        if (one_image) {
          k_.panel({a, work_, packed_table, plane_of(image, m) + shift + at, rows, terms, n,
                    p_.gradient ? g_.in_points() : g_.out_points(), at_.channel > 0});
          return;
        }
        k_.panel({a, work_, packed_table, results, rows, terms, n, p_.tile, false});
        for (int64_t r = 0; r < rows; ++r) {
          spread(results + r * p_.tile, m + r, q, n, points, shift);
        }
      });
    }
  }

  // Rows of points [q, q + n), numbered through images, in staged memory.
  int64_t find_segments(int64_t q, int64_t n, int64_t* start, int64_t* length) const {
    int64_t count = 0;
    while (n > 0) {
      int64_t rest = q;
      const int64_t i2 = rest % at_.n[2];
      rest /= at_.n[2];
      const int64_t i1 = rest % at_.n[1];
      rest /= at_.n[1];
      const int64_t i0 = rest % at_.n[0], image = rest / at_.n[0];
      start[count] = image * p_.plane + (i0 * p_.length[1] + i1) * p_.length[2] + i2;
      const int64_t step = std::min(n, at_.n[2] - i2);
      length[count++] = step;
      q += step;
      n -= step;
    }
    return count;
  }

  // Results of points that belong to several images, to their places.
  void spread(const T* from, int64_t row, int64_t q, int64_t n, int64_t points,
              int64_t shift) const {
    while (n > 0) {
      const int64_t image = q / points, at = q % points;
      const int64_t step = std::min(n, points - at);
      T* to = plane_of(image, row) + shift + at;
      if (at_.channel > 0) {
        for (int64_t i = 0; i < step; ++i) to[i] += from[i];
      } else {
        std::memcpy(to, from, static_cast<size_t>(step) * sizeof(T));
      }
      from += step;
      q += step;
      n -= step;
    }
  }

  const ConvKernels<T>& k_ = conv_kernels<T>();
  const Geometry& g_;
  const Plan& p_;
  const Planes& src_;
  T* dst_;
  const int64_t* table_;
  const T* filters_;
  T* staged_ = nullptr;
  T* work_ = nullptr;
  int64_t row_part_ = 0;
  Part at_{};
};

enum class Way { sweep, scatter, lanes };

template <class T>
Way way_of(const Geometry& g, bool gradient, double work) {
  Way way = Way::sweep;
  if (gradient && scatter_work<T>(g) < work) {
    work = scatter_work<T>(g);
    way = Way::scatter;
  }
  return lanes_work<T>(g, gradient) < work ? Way::lanes : way;
}

}  // namespace

template <class T>
void sweep(const Geometry& g, bool gradient, const Planes& src, const TensorView& filters, T* dst,
           void* scratch) {
  const int64_t channels = g.groups * (gradient ? g.in_channels : g.out_channels);
  const int64_t size = g.batch * channels * (gradient ? g.in_points() : g.out_points());
  if (size == 0) return;
  const bool nothing = nothing_to_sum(g, gradient);
  bool gaps = nothing;
  for (const Axis& a : g.axis) gaps = gaps || (gradient && a.residues() < a.stride);
  const Plan p = nothing ? Plan{} : plan_sweep<T>(g, gradient);
  const Way way = nothing ? Way::sweep : way_of<T>(g, gradient, p.work);
  if (way == Way::scatter) return scatter<T>(g, src, filters, dst, scratch);
  if (gaps) {
    parallel_ranges(size, 1 << 20, [&](int64_t begin, int64_t end) {
      std::memset(dst + begin, 0, static_cast<size_t>(end - begin) * sizeof(T));
    });
  }
  if (nothing) return;
  if (way == Way::lanes) return lanes<T>(g, gradient, src, filters, dst, scratch);
  char* memory = static_cast<char*>(scratch);
  int64_t* table = reinterpret_cast<int64_t*>(memory);
  T* packed = reinterpret_cast<T*>(memory + p.table_bytes);
  char* slot_memory = memory + p.table_bytes + p.filter_bytes;
  fill_table(g, p, table);
  pack_filters<T>(g, p, filters, packed);
  Slots slots(slots_for(ceil_div(p.tasks, p.grain)));
  parallel_ranges(p.tasks, p.grain, [&](int64_t begin, int64_t end) {
    const int64_t slot = slots.take();
    Sweep<T> work(g, p, src, dst, table, packed);
    for (int64_t t = begin; t < end; ++t) {
      work.task(t, slot_memory + static_cast<size_t>(slot) * p.slot_bytes);
    }
    slots.give(slot);
  });
}

template <class T>
size_t sweep_scratch(const Geometry& g, bool gradient) {
  const int64_t channels = g.groups * (gradient ? g.in_channels : g.out_channels);
  const int64_t size = g.batch * channels * (gradient ? g.in_points() : g.out_points());
  if (size == 0 || nothing_to_sum(g, gradient)) return 0;
  const Plan p = plan_sweep<T>(g, gradient);
  const Way way = way_of<T>(g, gradient, p.work);
  if (way == Way::lanes) return lanes_scratch<T>(g, gradient);
  if (way == Way::scatter) return scatter_scratch<T>(g);
  return p.table_bytes + p.filter_bytes +
         static_cast<size_t>(slots_for(ceil_div(p.tasks, p.grain))) * p.slot_bytes;
}

template void sweep<float>(const Geometry&, bool, const Planes&, const TensorView&, float*, void*);
template void sweep<double>(const Geometry&, bool, const Planes&, const TensorView&, double*,
                            void*);
template size_t sweep_scratch<float>(const Geometry&, bool);
template size_t sweep_scratch<double>(const Geometry&, bool);

}  // namespace phintys::conv
