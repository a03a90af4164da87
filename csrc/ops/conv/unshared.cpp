// Convolutions whose filters differ from point to point. At one output point they are products of
// the matrix of the point's filters with the patches of all images: both are brought into rows of
// whole vectors, and the kernels of shared convolutions do the rest. Reading the filters once is
// most of the work.
#include <cstring>

#include "kernels/parallel.h"
#include "ops/conv/staging.h"

namespace phintys::conv {

namespace {

struct Plan {
  int64_t terms, pitch;   // of a patch; of a row
  int64_t points, chunk;  // output points, those that a task does
  int64_t images;         // that a task does
  int64_t chunks, image_chunks, tasks;
  int64_t slot;  // bytes
  size_t table_bytes;
};

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
Plan plan_unshared(const Geometry& g, Unshared what) {
  Plan p;
  p.terms = g.in_channels * g.taps();
  p.pitch = round_up(p.terms, 16);
  p.points = g.out_points();
  p.chunk =
      std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, g.batch * g.out_channels * p.terms));
  p.images = g.batch;
  if (what == Unshared::inputs) {
    // Patches overlap: a task does all points of its images.
    p.chunk = p.points;
    p.images = std::max(conv_kernels<T>().max_rows, ceil_div(g.batch, 16));
    p.images = std::min(p.images, g.batch);
  }
  p.chunks = ceil_div(p.points, p.chunk);
  p.image_chunks = ceil_div(g.batch, p.images);
  p.tasks = g.groups * p.chunks * p.image_chunks;
  const int64_t longest = std::max(p.images, g.out_channels);
  p.table_bytes = aligned(static_cast<size_t>(longest) * 8);
  const int64_t elements = round_up(p.images * p.pitch + kConvSlack, 64) +
                           round_up(g.out_channels * p.pitch + kConvSlack, 64) +
                           round_up(longest * std::max<int64_t>(16, p.images), 64);
  p.slot = elements * static_cast<int64_t>(sizeof(T));
  return p;
}

// Byte strides of filters (out channels, points..., in channels, taps...).
struct FilterStrides {
  int64_t row, channel, point[3] = {0, 0, 0}, tap[3] = {0, 0, 0};
  explicit FilterStrides(const TensorView& v) : row(v.strides[0]) {
    const int n = (v.ndim - 2) / 2;
    for (int i = 0; i < n; ++i) {
      point[3 - n + i] = v.strides[1 + i];
      tap[3 - n + i] = v.strides[2 + n + i];
    }
    channel = v.strides[1 + n];
  }
};

template <class T>
class Work {
 public:
  Work(const Geometry& g, const Plan& p, const int64_t* table, char* slot)
      : g_(g), p_(p), table_(table), patches_(reinterpret_cast<T*>(slot)) {
    filters_ = patches_ + round_up(p.images * p.pitch + kConvSlack, 64);
    panel_ = filters_ + round_up(g.out_channels * p.pitch + kConvSlack, 64);
  }

  void locate(int64_t group, int64_t image, int64_t images, int64_t point) {
    group_ = group;
    image_ = image;
    images_ = images;
    point_ = point;
    for (int a = 2; a >= 0; --a) {
      at_[a] = point % g_.axis[a].out;
      point /= g_.axis[a].out;
    }
  }

  // y at this point from x and the filters.
  void forward(const Planes& x, const TensorView& w, T* y) {
    read_patches(x);
    read_filters(w);
    const int64_t rows = g_.out_channels;
    std::memset(panel_, 0, static_cast<size_t>(rows * images_) * sizeof(T));
    k_.dots({filters_, patches_, table_, panel_, rows, images_, p_.pitch, p_.pitch, images_});
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t i = 0; i < images_; ++i) y[y_index(i, m)] = panel_[m * images_ + i];
    }
  }

  // Adds to gx what this point contributes.
  void inputs(const TensorView& w, const Planes& gy, T* gx) {
    read_filters(w);
    for (int64_t i0 = 0; i0 < images_; i0 += k_.max_rows) {
      const int64_t rows = std::min(k_.max_rows, images_ - i0);
      for (int64_t m = 0; m < g_.out_channels; ++m) {
        for (int64_t i = 0; i < rows; ++i) panel_[m * rows + i] = output_grad(gy, i0 + i, m);
      }
      k_.panel({panel_, filters_, table_, patches_ + i0 * p_.pitch, rows, g_.out_channels, p_.terms,
                p_.pitch, false});
    }
    for_terms([&](int64_t term, int64_t c, const int64_t* at, const int64_t*) {
      if (!at) return;
      const int64_t channels = g_.groups * g_.in_channels;
      const int64_t index = (at[0] * g_.axis[1].in + at[1]) * g_.axis[2].in + at[2];
      for (int64_t i = 0; i < images_; ++i) {
        const int64_t plane = (image_ + i) * channels + group_ * g_.in_channels + c;
        gx[plane * g_.in_points() + index] += patches_[i * p_.pitch + term];
      }
    });
  }

  // The gradient of this point's filters.
  void filters(const Planes& x, const Planes& gy, T* gw) {
    read_patches(x);
    for (int64_t m0 = 0; m0 < g_.out_channels; m0 += k_.max_rows) {
      const int64_t rows = std::min(k_.max_rows, g_.out_channels - m0);
      for (int64_t i = 0; i < images_; ++i) {
        for (int64_t m = 0; m < rows; ++m) panel_[i * rows + m] = output_grad(gy, i, m0 + m);
      }
      T* to = gw + ((group_ * g_.out_channels + m0) * p_.points + point_) * p_.terms;
      k_.panel(
          {panel_, patches_, table_, to, rows, images_, p_.terms, p_.points * p_.terms, false});
    }
  }

 private:
  // Calls f(place in the filters' memory, channel, input point or null if outside, tap).
  template <class F>
  void for_terms(F&& f) const {
    for (int64_t c = 0; c < g_.in_channels; ++c) {
      int64_t k[3], at[3];
      for (k[0] = 0; k[0] < g_.axis[0].kernel; ++k[0]) {
        for (k[1] = 0; k[1] < g_.axis[1].kernel; ++k[1]) {
          for (k[2] = 0; k[2] < g_.axis[2].kernel; ++k[2]) {
            bool inside = true;
            for (int a = 0; a < 3; ++a) {
              const Axis& x = g_.axis[a];
              at[a] = at_[a] * x.stride + k[a] * x.dilation - x.lo;
              inside = inside && at[a] >= 0 && at[a] < x.in;
            }
            const int64_t term = c * g_.taps() + g_.filter_index(k[0], k[1], k[2]);
            f(term, c, inside ? at : nullptr, k);
          }
        }
      }
    }
  }

  // Terms are in the order of the filters' memory.
  void read_patches(const Planes& x) {
    const char* from =
        x.data + image_ * x.batch_stride + group_ * g_.in_channels * x.channel_stride;
    for_terms([&](int64_t term, int64_t c, const int64_t* at, const int64_t*) {
      int64_t offset = c * x.channel_stride;
      for (int a = 0; at && a < 3; ++a) offset += at[a] * x.stride[a];
      for (int64_t i = 0; i < images_; ++i) {
        patches_[i * p_.pitch + term] =
            at ? *reinterpret_cast<const T*>(from + i * x.batch_stride + offset) : T(0);
      }
    });
    fill_rows(patches_, images_);
  }

  void read_filters(const TensorView& w) {
    const FilterStrides s(w);
    const char* from = w.data + group_ * g_.out_channels * s.row;
    for (int a = 0; a < 3; ++a) from += at_[a] * s.point[a];
    for (int64_t m = 0; m < g_.out_channels; ++m) {
      ConvStage<T> run{};
      for (int64_t c = 0; c < g_.in_channels; ++c) {
        run.dst = filters_ + m * p_.pitch + c * g_.taps();
        run.src = from + m * s.row + c * s.channel;
        for (int a = 0; a < 3; ++a) {
          run.n[a] = run.size[a] = g_.axis[a].kernel;
          run.step[a] = 1;
          run.stride[a] = s.tap[a];
        }
        run.pitch[0] = g_.axis[1].kernel * g_.axis[2].kernel;
        run.pitch[1] = g_.axis[2].kernel;
        k_.stage(run);
      }
    }
    fill_rows(filters_, g_.out_channels);
  }

  void fill_rows(T* rows, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t t = p_.terms; t < p_.pitch; ++t) rows[i * p_.pitch + t] = T(0);
    }
  }

  T output_grad(const Planes& gy, int64_t image, int64_t row) const {
    const char* p = gy.data + (image_ + image) * gy.batch_stride +
                    (group_ * g_.out_channels + row) * gy.channel_stride;
    for (int a = 0; a < 3; ++a) p += at_[a] * gy.stride[a];
    return *reinterpret_cast<const T*>(p);
  }

  int64_t y_index(int64_t image, int64_t row) const {
    const int64_t rows = g_.groups * g_.out_channels;
    return ((image_ + image) * rows + group_ * g_.out_channels + row) * p_.points + point_;
  }

  const ConvKernels<T>& k_ = conv_kernels<T>();
  const Geometry& g_;
  const Plan& p_;
  const int64_t* table_;
  T* patches_;
  T* filters_;
  T* panel_;
  int64_t group_ = 0, image_ = 0, images_ = 0, point_ = 0;
  int64_t at_[3] = {0, 0, 0};
};

int64_t result_size(const Geometry& g, Unshared what) {
  const int64_t in = g.groups * g.in_channels, out = g.groups * g.out_channels;
  if (what == Unshared::forward) return g.batch * out * g.out_points();
  if (what == Unshared::inputs) return g.batch * in * g.in_points();
  return out * g.out_points() * g.in_channels * g.taps();
}

bool nothing_to_do(const Geometry& g) {
  return g.batch * g.out_channels * g.in_channels * g.out_points() * g.taps() == 0;
}

}  // namespace

template <class T>
void unshared(const Geometry& g, Unshared what, const TensorView& a, const TensorView& b, T* dst,
              void* scratch) {
  const int64_t size = result_size(g, what);
  if (what == Unshared::inputs || nothing_to_do(g)) {
    std::memset(dst, 0, static_cast<size_t>(size) * sizeof(T));
  }
  if (nothing_to_do(g)) return;
  const Plan p = plan_unshared<T>(g, what);
  int64_t* table = static_cast<int64_t*>(scratch);
  for (int64_t i = 0; i < std::max(p.images, g.out_channels); ++i) table[i] = i * p.pitch;
  char* slot_memory = static_cast<char*>(scratch) + p.table_bytes;
  Slots slots(slots_for(p.tasks));
  parallel_for(p.tasks, [&](int64_t task) {
    const int64_t slot = slots.take();
    Work<T> work(g, p, table, slot_memory + slot * p.slot);
    const int64_t group = task % g.groups, rest = task / g.groups;
    const int64_t image = rest / p.chunks * p.images, begin = rest % p.chunks * p.chunk;
    const int64_t images = std::min(p.images, g.batch - image);
    for (int64_t point = begin; point < std::min(p.points, begin + p.chunk); ++point) {
      work.locate(group, image, images, point);
      if (what == Unshared::forward) {
        work.forward(Planes(a), b, dst);
      } else if (what == Unshared::inputs) {
        work.inputs(a, Planes(b), dst);
      } else {
        work.filters(Planes(a), Planes(b), dst);
      }
    }
    slots.give(slot);
  });
}

template <class T>
size_t unshared_scratch(const Geometry& g, Unshared what) {
  if (nothing_to_do(g)) return 0;
  const Plan p = plan_unshared<T>(g, what);
  return p.table_bytes + static_cast<size_t>(slots_for(p.tasks) * p.slot);
}

template void unshared<float>(const Geometry&, Unshared, const TensorView&, const TensorView&,
                              float*, void*);
template void unshared<double>(const Geometry&, Unshared, const TensorView&, const TensorView&,
                               double*, void*);
template size_t unshared_scratch<float>(const Geometry&, Unshared);
template size_t unshared_scratch<double>(const Geometry&, Unshared);

}  // namespace phintys::conv
