// The gradient of the input the other way: each output point hands its share to the points that it
// was made of. A product of the transposed filters with the gradient of y gives a plane for each
// channel and tap, which is added where the tap lies. Nothing is computed for the zeros around the
// gradient of y, which prevail where filters are large and planes small, and channels of the input
// may be few; but every share is written and read once more.
#include <cstring>

#include "kernels/parallel.h"
#include "ops/conv/staging.h"

namespace phintys::conv {

namespace {

constexpr int64_t kStagedBytes = 256 * 1024;
constexpr int64_t kPointsAtOnce = 1536;
constexpr int64_t kTasks = 8;
constexpr int64_t kChunkWork = 1 << 21;  // multiply-adds

struct Plan {
  int64_t taps, rows, terms;  // rows are channels and taps of a group
  int outer;                  // axis that is cut into chunks
  int64_t chunk;
  int64_t parts, channels;  // of a part
  int64_t pitch, panel_rows;
  int64_t tasks, grain;
  size_t table_bytes, filter_bytes, slot_bytes;
};

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
Plan plan_scatter(const Geometry& g) {
  const ConvKernels<T>& kernels = conv_kernels<T>();
  const int64_t item = sizeof(T);
  Plan p;
  p.taps = g.taps();
  p.rows = g.in_channels * p.taps;
  p.terms = g.out_channels;
  p.outer = g.axis[0].out > 1 ? 0 : g.axis[1].out > 1 ? 1 : 2;
  const int64_t all = g.axis[p.outer].out, inner = g.out_points() / all;
  p.chunk = std::min(kStagedBytes / item / (p.terms * inner), kPointsAtOnce / inner);
  p.chunk = std::max<int64_t>(1, std::min(all, p.chunk));
  p.chunk = ceil_div(all, ceil_div(all, p.chunk));
  p.parts = std::min(g.in_channels, ceil_div(kTasks, g.batch * g.groups));
  p.channels = ceil_div(g.in_channels, p.parts);
  p.parts = ceil_div(g.in_channels, p.channels);
  p.pitch = row_pitch(p.chunk * inner);
  p.panel_rows = kernels.max_rows;
  p.tasks = g.batch * g.groups * p.parts;
  const int64_t work = p.channels * p.taps * p.terms * g.out_points();
  p.grain = std::max<int64_t>(1, kChunkWork / work);
  p.table_bytes = aligned(static_cast<size_t>(p.terms) * 8);
  p.filter_bytes = aligned(static_cast<size_t>(g.groups * p.rows * p.terms * item));
  p.slot_bytes = static_cast<size_t>(
      (p.terms * p.pitch + kConvSlack + round_up(p.panel_rows * p.pitch, 64)) * item);
  return p;
}

// Panels of rows for each part: to[o * rows + m].
template <class T>
void pack_filters(const Geometry& g, const Plan& p, const TensorView& w, T* to) {
  const int nd = w.ndim - 2;
  int64_t stride[3] = {0, 0, 0};
  for (int i = 0; i < nd; ++i) stride[3 - nd + i] = w.strides[2 + i];
  parallel_for(g.groups * p.parts, [&](int64_t item) {
    const int64_t group = item / p.parts, first = item % p.parts * p.channels;
    const int64_t end = std::min(g.in_channels, first + p.channels) * p.taps;
    for (int64_t r0 = first * p.taps; r0 < end; r0 += p.panel_rows) {
      const int64_t rows = std::min(p.panel_rows, end - r0);
      T* panel = to + (group * p.rows + r0) * p.terms;
      for (int64_t m = 0; m < rows; ++m) {
        int64_t tap = (r0 + m) % p.taps;
        const char* from =
            w.data + group * p.terms * w.strides[0] + (r0 + m) / p.taps * w.strides[1];
        for (int a = 2; a >= 0; --a) {
          from += tap % g.axis[a].kernel * stride[a];
          tap /= g.axis[a].kernel;
        }
        for (int64_t o = 0; o < p.terms; ++o) {
          panel[o * rows + m] = *reinterpret_cast<const T*>(from + o * w.strides[0]);
        }
      }
    }
  });
}

template <class T>
class Scatter {
 public:
  Scatter(const Geometry& g, const Plan& p, const Planes& gy, T* gx, const int64_t* table,
          const T* filters, char* slot)
      : g_(g), p_(p), gy_(gy), gx_(gx), table_(table), filters_(filters) {
    staged_ = reinterpret_cast<T*>(slot);
    shares_ = staged_ + p.terms * p.pitch + kConvSlack;
  }

  void task(int64_t task) {
    const int64_t first = task % p_.parts * p_.channels;
    task /= p_.parts;
    group_ = task % g_.groups;
    image_ = task / g_.groups;
    const int64_t end = std::min(g_.in_channels, first + p_.channels);
    std::memset(plane(first), 0, static_cast<size_t>((end - first) * g_.in_points()) * sizeof(T));
    for (begin_ = 0; begin_ < g_.axis[p_.outer].out; begin_ += p_.chunk) {
      for (int a = 0; a < 3; ++a) n_[a] = g_.axis[a].out;
      n_[p_.outer] = std::min(p_.chunk, n_[p_.outer] - begin_);
      stage();
      for (int64_t r = first * p_.taps; r < end * p_.taps; r += p_.panel_rows) {
        hand_out(r, std::min(p_.panel_rows, end * p_.taps - r));
      }
    }
  }

 private:
  T* plane(int64_t channel) const {
    const int64_t channels = g_.groups * g_.in_channels;
    return gx_ + (image_ * channels + group_ * g_.in_channels + channel) * g_.in_points();
  }

  void stage() {
    ConvStage<T> s;
    for (int a = 0; a < 3; ++a) {
      s.n[a] = s.size[a] = n_[a];
      s.first[a] = 0;
      s.step[a] = 1;
      s.stride[a] = gy_.stride[a];
    }
    s.pitch[0] = n_[1] * n_[2];
    s.pitch[1] = n_[2];
    for (int64_t o = 0; o < p_.terms; ++o) {
      s.dst = staged_ + o * p_.pitch;
      s.src = gy_.data + image_ * gy_.batch_stride + begin_ * gy_.stride[p_.outer] +
              (group_ * p_.terms + o) * gy_.channel_stride;
      s.next = o + 1 < p_.terms ? gy_.channel_stride : 0;
      k_.stage(s);
    }
  }

  void hand_out(int64_t row, int64_t rows) {
    const T* a = filters_ + (group_ * p_.rows + row) * p_.terms;
    k_.panel({a, staged_, table_, shares_, rows, p_.terms, n_[0] * n_[1] * n_[2], p_.pitch, false});
    ConvStore<T> s;
    s.pitch[0] = n_[1] * n_[2];
    s.pitch[1] = n_[2];
    s.add = true;
    for (int64_t m = 0; m < rows; ++m) {
      int64_t tap = (row + m) % p_.taps;
      for (int i = 2; i >= 0; --i) {
        const Axis& x = g_.axis[i];
        int64_t k = tap % x.kernel;
        tap /= x.kernel;
        if (g_.flip) k = x.kernel - 1 - k;
        s.n[i] = n_[i];
        s.step[i] = x.stride;
        s.size[i] = x.in;
        s.first[i] = k * x.dilation - x.lo + (i == p_.outer ? begin_ * x.stride : 0);
      }
      s.dst = plane((row + m) / p_.taps);
      s.src = shares_ + m * p_.pitch;
      k_.store(s);
    }
  }

  const ConvKernels<T>& k_ = conv_kernels<T>();
  const Geometry& g_;
  const Plan& p_;
  const Planes& gy_;
  T* gx_;
  const int64_t* table_;
  const T* filters_;
  T* staged_;
  T* shares_;
  int64_t group_ = 0, image_ = 0, begin_ = 0;
  int64_t n_[3] = {1, 1, 1};
};

}  // namespace

template <class T>
double scatter_work(const Geometry& g) {
  const auto lanes = static_cast<double>(conv_kernels<T>().lanes);
  double points = 1;
  bool unit = true;
  for (const Axis& a : g.axis) {
    points *= static_cast<double>(a.out);
    unit = unit && a.stride == 1;
  }
  const auto width = static_cast<double>(g.axis[2].out);
  const double rounded =
      static_cast<double>(round_up(g.axis[2].out, conv_kernels<T>().lanes)) / width;
  const double adding = (unit ? 4 * rounded : 1.5 * lanes) / static_cast<double>(g.out_channels);
  return 1.1 * static_cast<double>(g.in_channels) * points * (1 + adding);
}

template <class T>
void scatter(const Geometry& g, const Planes& gy, const TensorView& filters, T* gx, void* scratch) {
  const Plan p = plan_scatter<T>(g);
  char* memory = static_cast<char*>(scratch);
  int64_t* table = reinterpret_cast<int64_t*>(memory);
  for (int64_t o = 0; o < p.terms; ++o) table[o] = o * p.pitch;
  T* packed = reinterpret_cast<T*>(memory + p.table_bytes);
  char* slot_memory = memory + p.table_bytes + p.filter_bytes;
  pack_filters<T>(g, p, filters, packed);
  Slots slots(slots_for(ceil_div(p.tasks, p.grain)));
  parallel_ranges(p.tasks, p.grain, [&](int64_t begin, int64_t end) {
    const int64_t slot = slots.take();
    Scatter<T> work(g, p, gy, gx, table, packed,
                    slot_memory + static_cast<size_t>(slot) * p.slot_bytes);
    for (int64_t t = begin; t < end; ++t) work.task(t);
    slots.give(slot);
  });
}

template <class T>
size_t scatter_scratch(const Geometry& g) {
  const Plan p = plan_scatter<T>(g);
  return p.table_bytes + p.filter_bytes +
         static_cast<size_t>(slots_for(ceil_div(p.tasks, p.grain))) * p.slot_bytes;
}

template double scatter_work<float>(const Geometry&);
template double scatter_work<double>(const Geometry&);
template void scatter<float>(const Geometry&, const Planes&, const TensorView&, float*, void*);
template void scatter<double>(const Geometry&, const Planes&, const TensorView&, double*, void*);
template size_t scatter_scratch<float>(const Geometry&);
template size_t scatter_scratch<double>(const Geometry&);

}  // namespace phintys::conv
