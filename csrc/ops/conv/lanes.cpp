// Forward convolution and the gradient of its input with filters in vectors: a vector holds the
// same tap of many filters, and is multiplied by one number of the source at a time. Points may
// then lie anywhere, so those that have the same taps inside the source go together, and taps that
// fall on the zeros around it are left out; no point is computed in vain where rows are short. The
// price is a transposition of filters and results.
#include <algorithm>

#include "kernels/conv_lanes.h"
#include "kernels/parallel.h"
#include "ops/conv/staging.h"

namespace phintys::conv {

namespace {

constexpr int64_t kStagedBytes = 256 * 1024;
constexpr int64_t kPointsAtOnce = 1536;
constexpr int64_t kTasks = 16;
constexpr int64_t kMostTerms = 576;  // of a sum, at a time
constexpr int64_t kFewTerms = 128;
constexpr int64_t kWantedPoints = 400;
constexpr int64_t kFewPoints = 1024;     // of all images
constexpr int64_t kFewUses = 2;          // of packed filters
constexpr int64_t kAhead = 64;           // elements
constexpr int64_t kChunkWork = 1 << 21;  // multiply-adds

// Points that have the same taps, and which these are on each axis.
struct Box {
  int64_t first, count;
  int64_t begin[3], end[3];
};

struct Point {
  int64_t x, number;
};

struct Plan : Staging {
  int64_t width, padded_rows;  // of panels, of all of a group; in lanes
  int64_t panels, row_parts, panels_of_part;
  int64_t most_points, most_boxes;
  int64_t pitch;        // of transposed results
  bool filters_apart;   // each task packs what it needs
  int64_t class_count;  // kept at the same time
  int64_t tasks, grain;
  size_t table_bytes, filter_bytes, slot_bytes;
  size_t filter_slot, sum_slot, work_slot, point_slot, box_slot;
};

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
size_t bytes_of(int64_t n) {
  return aligned(static_cast<size_t>(n) * sizeof(T));
}

// Points of the outer axis, or images, at a time. Only what is inside the source is staged.
void plan_region(const Geometry& g, Plan& p, int64_t budget, int64_t most, int64_t tasks) {
  p.outer = p.points[0] > 1 ? 0 : p.points[1] > 1 ? 1 : 2;
  int64_t inner = 1, inner_points = 1;
  for (int a = 0; a < 3; ++a) {
    p.length[a] = p.gradient ? g.axis[a].out : g.axis[a].in;
    if (a == p.outer) continue;
    inner *= p.length[a];
    inner_points *= p.points[a];
  }
  const Axis& x = g.axis[p.outer];
  const int64_t step = p.gradient ? 1 : x.stride;
  const int64_t beyond = p.gradient ? p.extent[p.outer] + 1 : (x.kernel - 1) * x.dilation + 1;
  const int64_t all = p.points[p.outer], depth = p.block * inner;
  p.images = 1;
  p.chunk = all;
  if (depth * p.length[p.outer] <= budget && inner_points * all <= most) {
    p.images = std::min(budget / (depth * p.length[p.outer]), most / (inner_points * all));
    p.images = std::min(p.images, ceil_div(g.batch * g.groups, tasks));
    p.images = std::clamp<int64_t>(p.images, 1, g.batch);
  } else {
    p.chunk = std::min((budget / depth - beyond) / step + 1, most / inner_points);
    p.chunk = std::min(all, std::max<int64_t>(p.chunk, 2 * beyond / step + 1));
    p.chunk = ceil_div(all, ceil_div(all, p.chunk));
  }
  p.chunks = ceil_div(all, p.chunk);
  p.groups_of_images = ceil_div(g.batch, p.images);
  p.images = ceil_div(g.batch, p.groups_of_images);
  p.length[p.outer] = std::min(p.length[p.outer], (p.chunk - 1) * step + beyond);
  p.plane = p.length[0] * p.length[1] * p.length[2];
  p.channel = row_pitch(p.images * p.plane);
}

// Channels at a time: fewer where only few points of all of them would fit.
void plan_terms(const Geometry& g, Plan& p, int64_t item) {
  p.plan_channels(g, kMostTerms);
  const int64_t source = p.gradient ? g.out_points() : g.in_points();
  const int64_t points = std::min(kWantedPoints, p.points[0] * p.points[1] * p.points[2]);
  const int64_t depth =
      points * std::max<int64_t>(1, source / (p.points[0] * p.points[1] * p.points[2]));
  const int64_t fit = kStagedBytes / item / depth;
  if (fit < p.block) p.plan_channels(g, std::max(fit * g.taps() / p.classes, kFewTerms));
}

template <class T>
Plan plan_lanes(const Geometry& g, bool gradient) {
  const ConvLaneKernels<T>& kernels = conv_lane_kernels<T>();
  const int64_t item = sizeof(T);
  Plan p;
  p.plan_axes(g, gradient);
  const int64_t vectors = ceil_div(p.rows, kernels.lanes);
  plan_terms(g, p, item);
  p.panels = ceil_div(vectors, kernels.max_vectors);
  p.width = ceil_div(vectors, p.panels) * kernels.lanes;
  p.padded_rows = vectors * kernels.lanes;
  p.panels = ceil_div(p.padded_rows, p.width);
  // Images that share filters while these are in cache. Where points are few, filters go by for
  // all.
  const int64_t all_points = g.batch * p.points[0] * p.points[1] * p.points[2];
  const int64_t tasks = all_points > kFewPoints ? kTasks : kTasks / 2;
  plan_region(g, p, kStagedBytes / item, kPointsAtOnce, ceil_div(tasks, p.panels));
  const int64_t units = g.groups * p.groups_of_images * p.chunks;
  p.row_parts = std::clamp<int64_t>(ceil_div(kTasks, units), 1, p.panels);
  p.panels_of_part = ceil_div(p.panels, p.row_parts);
  p.row_parts = ceil_div(p.panels, p.panels_of_part);
  p.tasks = units * p.row_parts;
  p.filters_apart =
      p.groups_of_images * p.chunks <= kFewUses && (p.classes == 1 || p.panels_of_part == 1);
  p.class_count = p.blocks > 1 ? p.classes : 1;
  const int64_t points = p.points[0] * p.points[1] * p.points[2] / p.points[p.outer] * p.chunk;
  p.most_points = points * p.images;
  p.most_boxes = 1;
  for (int a = 0; a < 3; ++a) {
    p.most_boxes *= std::min(a == p.outer ? p.chunk : p.points[a], 2 * g.axis[a].kernel + 1);
  }
  p.pitch = row_pitch(points);
  const int64_t terms = p.channels * g.taps();
  const int64_t work = p.rows * terms * p.most_points / p.row_parts;
  p.grain = std::max<int64_t>(1, kChunkWork / std::max<int64_t>(1, work));
  p.table_bytes = bytes_of<int64_t>(g.taps());
  p.filter_bytes = p.filters_apart ? 0 : bytes_of<T>(g.groups * p.padded_rows * terms);
  p.filter_slot = p.filters_apart ? bytes_of<T>(p.width * p.block * g.taps()) : 0;
  const int64_t sums = p.class_count * (p.blocks > 1 ? p.panels_of_part : 1) * p.most_points;
  p.sum_slot = bytes_of<T>((sums + kernels.lanes) * p.width);
  p.work_slot = bytes_of<T>(p.width * p.pitch);
  p.point_slot = bytes_of<Point>(p.most_points);
  p.box_slot = bytes_of<Box>(p.most_boxes);
  p.slot_bytes = bytes_of<T>(p.size()) + p.filter_slot + p.sum_slot + p.work_slot + p.point_slot +
                 p.box_slot + bytes_of<int64_t>(2 * g.taps());
  return p;
}

// Where each tap lies in the memory of a filter, by classes.
void fill_table(const Geometry& g, const Plan& p, int64_t* table) {
  for_classes(g, p, [&](int64_t, const int64_t* c, const int64_t* n, int64_t, int64_t before) {
    for_taps(g, c, n, [&](int64_t tap, const int64_t* k) {
      table[before + tap] = g.filter_index(k[0], k[1], k[2]);
    });
  });
}

// Filters as panels: to[(channel * taps + tap) * width + row].
template <class T>
class Filters {
 public:
  Filters(const Geometry& g, const Plan& p, const TensorView& w) : g_(g), p_(p), w_(w) {
    const int nd = w.ndim - 2;
    for (int i = 0; i < nd; ++i) tap_stride_[3 - nd + i] = w.strides[2 + i];
    row_stride_ = w.strides[p.gradient ? 1 : 0];
    channel_stride_ = w.strides[p.gradient ? 0 : 1];
    int64_t expected = kItem;
    for (int a = 2; a >= 0; --a) {
      dense_ = dense_ && (g.axis[a].kernel == 1 || tap_stride_[a] == expected);
      expected *= g.axis[a].kernel;
    }
    dense_ = dense_ && row_stride_ >= 0 && channel_stride_ >= 0 && row_stride_ % kItem == 0;
    end_ = w.data + kItem;
    for (int i = 0; i < w.ndim; ++i) end_ += (w.shape[i] - 1) * w.strides[i];
  }

  int64_t panel_width(int64_t panel) const {
    return std::min(p_.width, p_.padded_rows - panel * p_.width);
  }

  void pack(int64_t group, int64_t panel, int64_t channel, int64_t channels, T* to) const {
    const int64_t width = panel_width(panel), taps = g_.taps(), row = panel * p_.width;
    const int64_t rows = std::min(width, p_.rows - row);
    const char* from = w_.data + group * (p_.gradient ? p_.channels : p_.rows) * w_.strides[0] +
                       row * row_stride_ + channel * channel_stride_;
    if (!dense_) {
      for (int64_t i = 0; i < channels; ++i) {
        pack_taps(from + i * channel_stride_, rows, width, to + i * taps * width);
      }
      return;
    }
    ConvTranspose<T> t;
    t.end = reinterpret_cast<const T*>(end_);
    t.rows = rows;
    t.src_pitch = row_stride_ / kItem;
    t.dst_pitch = width;
    const bool together = channel_stride_ == taps * kItem;
    t.columns = together ? channels * taps : taps;
    t.ahead = together ? kAhead : channel_stride_ / kItem;
    for (int64_t i = 0; i < (together ? 1 : channels); ++i) {
      t.src = reinterpret_cast<const T*>(from + i * channel_stride_);
      t.dst = to + i * taps * width;
      conv_lane_kernels<T>().transpose(t);
    }
  }

 private:
  static constexpr int64_t kItem = sizeof(T);

  // One channel, of any strides.
  void pack_taps(const char* from, int64_t rows, int64_t width, T* to) const {
    for (int64_t k0 = 0; k0 < g_.axis[0].kernel; ++k0) {
      for (int64_t k1 = 0; k1 < g_.axis[1].kernel; ++k1) {
        for (int64_t k2 = 0; k2 < g_.axis[2].kernel; ++k2, to += width) {
          const char* f = from + k0 * tap_stride_[0] + k1 * tap_stride_[1] + k2 * tap_stride_[2];
          for (int64_t m = 0; m < rows; ++m) {
            to[m] = *reinterpret_cast<const T*>(f + m * row_stride_);
          }
          for (int64_t m = rows; m < width; ++m) to[m] = T(0);
        }
      }
    }
  }

  const Geometry& g_;
  const Plan& p_;
  const TensorView& w_;
  int64_t tap_stride_[3] = {0, 0, 0};
  int64_t row_stride_ = 0, channel_stride_ = 0;
  const char* end_ = nullptr;
  bool dense_ = true;
};

// Which taps of a class lie inside the source, for points on one axis: those numbered j with
// 0 <= first + t * step + j * pace < size.
struct Reach {
  int64_t first = 0, step = 1, pace = 1, size = 0, taps = 0;

  Reach() = default;
  Reach(const Staging& p, const Axis& x, int a, int64_t c, int64_t n, int64_t begin) {
    taps = ceil_div(x.kernel - c, n);
    size = p.gradient ? x.out : x.in;
    if (p.gradient) {
      step = 1;
      pace = -(n * x.dilation / x.stride);
      first = begin + p.base[a] - c * x.dilation / x.stride;
    } else {
      step = x.stride;
      pace = x.dilation;
      first = begin * x.stride - x.lo;
    }
  }

  void at(int64_t t, int64_t* begin, int64_t* end) const {
    const int64_t s = first + t * step;
    // The mirror image of a falling sequence rises.
    const int64_t low = pace > 0 ? s : size - 1 - s, up = pace > 0 ? pace : -pace;
    if (up == 0) {
      *begin = 0;
      *end = s >= 0 && s < size ? taps : 0;
      return;
    }
    *begin = std::clamp<int64_t>(-floor_div(low, up), 0, taps);
    *end = std::clamp<int64_t>(floor_div(size - 1 - low, up) + 1, *begin, taps);
  }

  // The end of the run of points that have the taps of point t.
  int64_t run(int64_t t, int64_t n, int64_t* begin, int64_t* end) const {
    at(t, begin, end);
    while (++t < n) {
      int64_t b, e;
      at(t, &b, &e);
      if (b != *begin || e != *end) break;
    }
    return t;
  }
};

template <class T>
class Lanes {
 public:
  Lanes(const Geometry& g, const Plan& p, const Planes& src, T* dst, const int64_t* table,
        const Filters<T>& filters, const T* packed, char* slot)
      : g_(g), p_(p), src_(src), dst_(dst), table_(table), filters_(filters), packed_(packed) {
    auto take = [&](size_t bytes) {
      char* at = slot;
      slot += bytes;
      return at;
    };
    staged_ = reinterpret_cast<T*>(take(bytes_of<T>(p.size())));
    filter_slot_ = reinterpret_cast<T*>(take(p.filter_slot));
    sums_ = reinterpret_cast<T*>(take(p.sum_slot));
    work_ = reinterpret_cast<T*>(take(p.work_slot));
    points_ = reinterpret_cast<Point*>(take(p.point_slot));
    boxes_ = reinterpret_cast<Box*>(take(p.box_slot));
    x_at_ = reinterpret_cast<int64_t*>(slot);
    w_at_ = x_at_ + g.taps();
  }

  void task(int64_t task) {
    const int64_t part = task % p_.row_parts;
    task /= p_.row_parts;
    at_.begin = task % p_.chunks * p_.chunk;
    task /= p_.chunks;
    at_.group = task % g_.groups;
    at_.image = task / g_.groups * p_.images;
    at_.images = std::min(p_.images, g_.batch - at_.image);
    for (int a = 0; a < 3; ++a) at_.n[a] = p_.points[a];
    at_.n[p_.outer] = std::min(p_.chunk, p_.points[p_.outer] - at_.begin);
    const int64_t first = part * p_.panels_of_part;
    const int64_t last = std::min(p_.panels, first + p_.panels_of_part);
    for (at_.channel = 0; at_.channel < p_.channels; at_.channel += p_.block) {
      at_.channels = std::min(p_.block, p_.channels - at_.channel);
      stage();
      for_classes(g_, p_,
                  [&](int64_t number, const int64_t* c, const int64_t* n, int64_t, int64_t before) {
                    if (at_.channel == 0 || p_.classes > 1) find_boxes(c, n);
                    for (int64_t panel = first; panel < last; ++panel) {
                      sum_panel(number, c, before, panel, panel - first);
                    }
                  });
    }
  }

 private:
  int64_t begin_on(int axis) const { return axis == p_.outer ? at_.begin : 0; }

  // Copies what is inside the source of all that the points of this task read.
  void stage() {
    ConvStage<T> s;
    int64_t inside = 0;  // first element
    for (int a = 0; a < 3; ++a) {
      const Axis& x = g_.axis[a];
      const int64_t size = p_.gradient ? x.out : x.in;
      int64_t end = size;
      from_[a] = 0;
      if (a == p_.outer) {
        const int64_t last = at_.begin + at_.n[a] - 1;
        if (p_.gradient) {
          from_[a] = at_.begin + p_.base[a] - p_.extent[a];
          end = last + p_.base[a] + 1;
        } else {
          from_[a] = at_.begin * x.stride - x.lo;
          end = last * x.stride - x.lo + (x.kernel - 1) * x.dilation + 1;
        }
        from_[a] = std::clamp<int64_t>(from_[a], 0, size);
        end = std::clamp(end, from_[a], size);
      }
      s.n[a] = s.size[a] = end - from_[a];
      s.first[a] = 0;
      s.step[a] = 1;
      s.stride[a] = src_.stride[a];
      inside += from_[a] * src_.stride[a];
    }
    s.pitch[0] = pitch_of(0);
    s.pitch[1] = pitch_of(1);
    for (int a = 1; a >= 0; --a) {  // rows that follow each other, here and there, become one
      if (s.n[a] == 1) continue;
      if (s.n[2] != s.pitch[a] || s.stride[a] != s.n[2] * s.stride[2]) break;
      s.n[2] *= s.n[a];
      s.size[2] = s.n[2];
      s.n[a] = s.size[a] = 1;
    }
    for (int64_t c = 0; c < at_.channels; ++c) {
      for (int64_t i = 0; i < at_.images; ++i) {
        s.dst = staged_ + c * p_.channel + i * p_.plane;
        s.src = src_.data + (at_.image + i) * src_.batch_stride +
                (at_.group * p_.channels + at_.channel + c) * src_.channel_stride + inside;
        s.next = c + 1 < at_.channels ? src_.channel_stride : 0;
        planes_.stage(s);
      }
    }
  }

  // The points of a class, those with the same taps together.
  void find_boxes(const int64_t* c, const int64_t* n) {
    for (int a = 0; a < 3; ++a) reach_[a] = Reach(p_, g_.axis[a], a, c[a], n[a], begin_on(a));
    box_count_ = points_found_ = 0;
    int64_t b[3], e[3];
    Box box;
    for (b[0] = 0; b[0] < at_.n[0]; b[0] = e[0]) {
      e[0] = reach_[0].run(b[0], at_.n[0], &box.begin[0], &box.end[0]);
      for (b[1] = 0; b[1] < at_.n[1]; b[1] = e[1]) {
        e[1] = reach_[1].run(b[1], at_.n[1], &box.begin[1], &box.end[1]);
        for (b[2] = 0; b[2] < at_.n[2]; b[2] = e[2]) {
          e[2] = reach_[2].run(b[2], at_.n[2], &box.begin[2], &box.end[2]);
          box.first = points_found_;
          find_points(box, b, e);
          box.count = points_found_ - box.first;
          boxes_[box_count_++] = box;
        }
      }
    }
  }

  // Those of a box, with what its first tap reads.
  void find_points(const Box& box, const int64_t* b, const int64_t* e) {
    int64_t first = 0, step[3];
    bool empty = false;
    for (int a = 0; a < 3; ++a) {
      const int64_t pitch = pitch_of(a);
      first += (reach_[a].first + box.begin[a] * reach_[a].pace - from_[a]) * pitch;
      step[a] = reach_[a].step * pitch;
      empty = empty || box.begin[a] == box.end[a];
    }
    for (int64_t i = 0; i < at_.images; ++i) {
      for (int64_t t0 = b[0]; t0 < e[0]; ++t0) {
        for (int64_t t1 = b[1]; t1 < e[1]; ++t1) {
          const int64_t x = first + i * p_.plane + t0 * step[0] + t1 * step[1];
          const int64_t q = ((i * at_.n[0] + t0) * at_.n[1] + t1) * at_.n[2];
          for (int64_t t2 = b[2]; t2 < e[2]; ++t2) {
            points_[points_found_++] = {empty ? 0 : x + t2 * step[2], q + t2};
          }
        }
      }
    }
  }

  int64_t pitch_of(int axis) const {
    int64_t pitch = 1;
    for (int a = 2; a > axis; --a) pitch *= p_.length[a];
    return pitch;
  }

  // The taps of a box; returns how many there are.
  int64_t find_taps(const Box& box, int64_t before, int64_t width) {
    int64_t taps = 0, pace[3];
    for (int a = 0; a < 3; ++a) pace[a] = reach_[a].pace * pitch_of(a);
    for (int64_t j0 = box.begin[0]; j0 < box.end[0]; ++j0) {
      for (int64_t j1 = box.begin[1]; j1 < box.end[1]; ++j1) {
        const int64_t tap = before + (j0 * reach_[1].taps + j1) * reach_[2].taps;
        const int64_t x = (j0 - box.begin[0]) * pace[0] + (j1 - box.begin[1]) * pace[1];
        for (int64_t j2 = box.begin[2]; j2 < box.end[2]; ++j2) {
          x_at_[taps] = x + (j2 - box.begin[2]) * pace[2];
          w_at_[taps++] = table_[tap + j2] * width;
        }
      }
    }
    return taps;
  }

  void sum_panel(int64_t number, const int64_t* c, int64_t before, int64_t panel, int64_t local) {
    const int64_t width = filters_.panel_width(panel), vectors = width / k_.lanes;
    const int64_t most = k_.max_spots[vectors], taps = g_.taps();
    const int64_t slice = p_.blocks > 1 ? number * p_.panels_of_part + local : 0;
    T* sums = sums_ + slice * p_.most_points * p_.width;
    ConvSpot<T> spots[16];
    ConvLanes<T> s;
    s.spots = spots;
    s.x_at = x_at_;
    s.w_at = w_at_;
    s.vectors = vectors;
    s.channels = at_.channels;
    s.x_step = p_.channel;
    s.w_step = taps * width;
    s.add = at_.channel > 0;
    if (p_.filters_apart) {
      if (number == 0 || p_.panels_of_part > 1) {
        filters_.pack(at_.group, panel, at_.channel, at_.channels, filter_slot_);
      }
      s.w = filter_slot_;
    } else {
      s.w = packed_ +
            ((at_.group * p_.padded_rows + panel * p_.width) * p_.channels + at_.channel * width) *
                taps;
    }
    for (int64_t b = 0; b < box_count_; ++b) {
      const Box& box = boxes_[b];
      s.taps = find_taps(box, before, width);
      const int64_t tiles = ceil_div(box.count, most);
      for (int64_t tile = 0, q = 0; tile < tiles; ++tile, q += s.n) {
        s.n = ceil_div(box.count - q, tiles - tile);
        for (int64_t u = 0; u < s.n; ++u) {
          const Point& point = points_[box.first + q + u];
          spots[u] = {staged_ + point.x, sums + point.number * width};
        }
        k_.sum(s);
      }
    }
    if (at_.channel + at_.channels == p_.channels) finish(c, panel, width, sums);
  }

  // Brings sums to their places.
  void finish(const int64_t* c, int64_t panel, int64_t width, const T* sums) {
    const int64_t points = at_.n[0] * at_.n[1] * at_.n[2];
    const int64_t rows = std::min(width, p_.rows - panel * p_.width);
    ConvStore<T> s;
    s.add = false;
    s.pitch[0] = at_.n[1] * at_.n[2];
    s.pitch[1] = at_.n[2];
    for (int a = 0; a < 3; ++a) {
      const Axis& x = g_.axis[a];
      s.n[a] = at_.n[a];
      s.size[a] = p_.gradient ? x.in : x.out;
      s.step[a] = p_.gradient ? x.stride : 1;
      s.first[a] = p_.gradient ? (begin_on(a) + p_.base[a]) * x.stride + x.residue(c[a]) - x.lo
                               : begin_on(a);
    }
    const int64_t size = s.size[0] * s.size[1] * s.size[2];
    join_axes(s);
    for (int64_t image = 0; image < at_.images; ++image) {
      // Rows behind the last point are read and their results ignored.
      const T* from = sums + image * points * width;
      const int64_t whole = round_up(points, k_.lanes);
      k_.transpose({work_, from, from + whole * width, whole, width, width, p_.pitch});
      for (int64_t m = 0; m < rows; ++m) {
        const int64_t row = at_.group * p_.rows + panel * p_.width + m;
        s.dst = dst_ + ((at_.image + image) * g_.groups * p_.rows + row) * size;
        s.src = work_ + m * p_.pitch;
        planes_.store(s);
      }
    }
  }

  // Rows that fill their planes become one.
  static void join_axes(ConvStore<T>& s) {
    for (int a = 1; a >= 0; --a) {
      if (s.step[a] != 1 || s.step[2] != 1 || s.first[2] != 0 || s.n[2] != s.size[2]) return;
      s.first[2] = s.first[a] * s.size[2];
      s.n[2] *= s.n[a];
      s.size[2] *= s.size[a];
      s.first[a] = 0;
      s.n[a] = s.size[a] = 1;
    }
  }

  const ConvLaneKernels<T>& k_ = conv_lane_kernels<T>();
  const ConvKernels<T>& planes_ = conv_kernels<T>();
  const Geometry& g_;
  const Plan& p_;
  const Planes& src_;
  T* dst_;
  const int64_t* table_;
  const Filters<T>& filters_;
  const T* packed_;
  T* staged_;
  T* filter_slot_;
  T* sums_;
  T* work_;
  Point* points_;
  Box* boxes_;
  int64_t *x_at_, *w_at_;
  int64_t box_count_ = 0, points_found_ = 0;
  int64_t from_[3] = {0, 0, 0};  // first element staged on each axis
  Reach reach_[3];
  Part at_{};
};

}  // namespace

template <class T>
double lanes_work(const Geometry& g, bool gradient) {
  const ConvLaneKernels<T>& kernels = conv_lane_kernels<T>();
  const int64_t rows = gradient ? g.in_channels : g.out_channels;
  const int64_t vectors = ceil_div(rows, kernels.lanes);
  const int64_t channels = gradient ? g.out_channels : g.in_channels;
  double pairs = 1;  // of points and taps, for a tap
  for (const Axis& a : g.axis) {
    int64_t inside = 0;
    for (int64_t k = 0; k < a.kernel; ++k) {
      // Outputs o with 0 <= o * stride + k * dilation - lo < in.
      const int64_t first = a.lo - k * a.dilation;
      const int64_t begin =
          std::clamp<int64_t>(ceil_div(std::max<int64_t>(first, 0), a.stride), 0, a.out);
      const int64_t end =
          std::clamp<int64_t>(floor_div(first + a.in - 1, a.stride) + 1, begin, a.out);
      inside += end - begin;
    }
    pairs *= static_cast<double>(inside) / static_cast<double>(a.kernel);
  }
  // A sum begins and ends with work of its own, and a single vector leaves much to load.
  const double terms = static_cast<double>(std::min(kMostTerms, channels * g.taps()));
  return pairs * static_cast<double>(vectors * kernels.lanes) * (vectors == 1 ? 1.2 : 1.0) *
         (1 + 24 / terms);
}

template <class T>
void lanes(const Geometry& g, bool gradient, const Planes& src, const TensorView& w, T* dst,
           void* scratch) {
  const Plan p = plan_lanes<T>(g, gradient);
  char* memory = static_cast<char*>(scratch);
  int64_t* table = reinterpret_cast<int64_t*>(memory);
  T* packed = reinterpret_cast<T*>(memory + p.table_bytes);
  char* slot_memory = memory + p.table_bytes + p.filter_bytes;
  fill_table(g, p, table);
  const Filters<T> filters(g, p, w);
  if (!p.filters_apart) {
    const int64_t taps = g.taps();
    parallel_for(g.groups * p.panels * p.blocks, [&](int64_t item) {
      const int64_t channel = item % p.blocks * p.block;
      const int64_t panel = item / p.blocks % p.panels, group = item / p.blocks / p.panels;
      filters.pack(group, panel, channel, std::min(p.block, p.channels - channel),
                   packed + ((group * p.padded_rows + panel * p.width) * p.channels +
                             channel * filters.panel_width(panel)) *
                                taps);
    });
  }
  Slots slots(slots_for(ceil_div(p.tasks, p.grain)));
  parallel_ranges(p.tasks, p.grain, [&](int64_t begin, int64_t end) {
    const int64_t slot = slots.take();
    Lanes<T> work(g, p, src, dst, table, filters, packed,
                  slot_memory + static_cast<size_t>(slot) * p.slot_bytes);
    for (int64_t t = begin; t < end; ++t) work.task(t);
    slots.give(slot);
  });
}

template <class T>
size_t lanes_scratch(const Geometry& g, bool gradient) {
  const Plan p = plan_lanes<T>(g, gradient);
  return p.table_bytes + p.filter_bytes +
         static_cast<size_t>(slots_for(ceil_div(p.tasks, p.grain))) * p.slot_bytes;
}

template double lanes_work<float>(const Geometry&, bool);
template double lanes_work<double>(const Geometry&, bool);
template void lanes<float>(const Geometry&, bool, const Planes&, const TensorView&, float*, void*);
template void lanes<double>(const Geometry&, bool, const Planes&, const TensorView&, double*,
                            void*);
template size_t lanes_scratch<float>(const Geometry&, bool);
template size_t lanes_scratch<double>(const Geometry&, bool);

}  // namespace phintys::conv
