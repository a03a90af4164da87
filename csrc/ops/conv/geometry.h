// What a convolution's loops need to know, and how its work is handed out.
#pragma once

#include <atomic>
#include <thread>

#include "array/array.h"
#include "kernels/conv.h"

namespace phintys::conv {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
// At least n elements, an odd number of times 16: rows that far apart fall on different cache sets.
inline int64_t row_pitch(int64_t n) { return (ceil_div(n, 16) | 1) * 16; }
// Rounds down, for b > 0.
inline int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// One spatial axis. Tap k of the filter lies at k * dilation; output o starts at o * stride of the
// padded input.
struct Axis {
  int64_t in = 1, kernel = 1, out = 1;
  int64_t stride = 1, dilation = 1;
  int64_t lo = 0;  // zeros in front

  // Taps k and k + period() lie at equal distances modulo the stride.
  int64_t period() const;
  // Distinct positions of taps modulo the stride: those of the taps k < residues().
  int64_t residues() const { return kernel < period() ? kernel : period(); }
  int64_t residue(int64_t k) const { return k * dilation % stride; }
  // How many strides the last tap lies behind the first.
  int64_t extent() const { return (kernel - 1) * dilation / stride; }
};

// y[b, g * out_channels + o, p] = sum over c, k of
//     x[b, g * in_channels + c, p * stride + k * dilation - lo] * w[g * out_channels + o, c, k'],
// where k' is k, or its mirror image if `flip`. Axes that the problem lacks come first, of
// length 1.
struct Geometry {
  int64_t batch = 0, groups = 1;
  int64_t in_channels = 0, out_channels = 0;  // of a group
  Axis axis[3];
  bool flip = false;

  int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
  int64_t out_points() const { return axis[0].out * axis[1].out * axis[2].out; }
  int64_t in_points() const { return axis[0].in * axis[1].in * axis[2].in; }
  // Position of tap (k0, k1, k2) in the memory of a filter.
  int64_t filter_index(int64_t k0, int64_t k1, int64_t k2) const {
    if (flip) {
      k0 = axis[0].kernel - 1 - k0;
      k1 = axis[1].kernel - 1 - k1;
      k2 = axis[2].kernel - 1 - k2;
    }
    return (k0 * axis[1].kernel + k1) * axis[2].kernel + k2;
  }
};

// A view of channels of planes: what of a tensor (batch, channels, spatial...) the loops use.
struct Planes {
  char* data = nullptr;
  int64_t batch_stride = 0, channel_stride = 0;  // bytes
  int64_t stride[3] = {0, 0, 0};                 // bytes
  explicit Planes(const TensorView& v) : data(v.data) {
    batch_stride = v.strides[0];
    channel_stride = v.strides[1];
    const int n = v.ndim - 2;
    for (int i = 0; i < n; ++i) stride[3 - n + i] = v.strides[2 + i];
  }
};

// Scratch memory for chunks that run at the same time: as many slots as chunks may do so.
inline constexpr int64_t kMaxSlots = 64;
inline int64_t slots_for(int64_t chunks) { return chunks < kMaxSlots ? chunks : kMaxSlots; }

// Hands out numbers below `n` to the chunks that are running.
class Slots {
 public:
  explicit Slots(int64_t n) : all_(n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) {}
  int64_t take() {
    while (true) {
      uint64_t used = used_.load(std::memory_order_relaxed);
      while (const uint64_t free = all_ & ~used) {
        const uint64_t bit = free & -free;
        if (used_.compare_exchange_weak(used, used | bit, std::memory_order_acquire)) {
          return __builtin_ctzll(bit);
        }
      }
      std::this_thread::yield();
    }
  }
  void give(int64_t slot) { used_.fetch_and(~(uint64_t{1} << slot), std::memory_order_release); }

 private:
  const uint64_t all_;
  std::atomic<uint64_t> used_{0};
};

// Convolves `src` (x, or the gradient of y if `gradient`) with the filters into the dense array
// `dst` (y, or the gradient of x).
template <class T>
void sweep(const Geometry& g, bool gradient, const Planes& src, const TensorView& filters, T* dst,
           void* scratch);
template <class T>
size_t sweep_scratch(const Geometry& g, bool gradient);

// What the ways to do so are chosen by: about how many multiply-adds each takes for a tap and a
// channel of the source, copies included. For problems with something to sum.
//
// The gradient of the input by handing out shares (scatter.cpp).
template <class T>
double scatter_work(const Geometry& g);
template <class T>
void scatter(const Geometry& g, const Planes& gy, const TensorView& filters, T* gx, void* scratch);
template <class T>
size_t scatter_scratch(const Geometry& g);

// Both with filters in vectors (lanes.cpp).
template <class T>
double lanes_work(const Geometry& g, bool gradient);
template <class T>
void lanes(const Geometry& g, bool gradient, const Planes& src, const TensorView& filters, T* dst,
           void* scratch);
template <class T>
size_t lanes_scratch(const Geometry& g, bool gradient);

// The gradient of the filters, dense, from x and the gradient of y.
template <class T>
void filter_gradient(const Geometry& g, const Planes& x, const Planes& gy, T* gw, void* scratch);
template <class T>
size_t filter_gradient_scratch(const Geometry& g);

// The three of a convolution whose filters differ from output point to output point: filters are
// (out channels, output points..., in channels, taps...), groups as above.
enum class Unshared : uint8_t { forward, inputs, filters };
template <class T>
void unshared(const Geometry& g, Unshared what, const TensorView& a, const TensorView& b, T* dst,
              void* scratch);
template <class T>
size_t unshared_scratch(const Geometry& g, Unshared what);

}  // namespace phintys::conv
