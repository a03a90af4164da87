// What kernels of products share: their argument, types of elements, and what is done to a sum
// before it is stored.
#pragma once

#include <type_traits>

#include "device/products.h"
#include "fused/lane.h"
#include "gpu.h"

namespace phintys::cuda {

using device::Activation;
using device::Product;
using device::ProductMatrix;

// The argument of all kernels of products.
struct Work {
  Product p;
  int64_t first_batch;  // blockIdx.y == 0 is this matrix of the stacks
  int64_t batches;      // fewer than 2^31
  // The sums are cut into `splits` pieces of `chunk` terms. With more than one piece (or `partial`
  // set), kernels store bare sums in partial[split][batch][row][col]; combine() does the rest.
  int32_t splits;
  int64_t chunk;
  char* partial;
  int32_t tiles_m, tiles_n;
  // 1: rows (columns) of an operand may be read in pieces of 16 bytes along its contiguous side.
  int32_t wide_a, wide_b;
  // 1: an operand lies (more) densely along k.
  int32_t along_k_a, along_k_b;
};

template <class R>
struct Complex {
  R re, im;
};

__device__ __forceinline__ float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double fused(double a, double b, double c) { return fma(a, b, c); }
__device__ __forceinline__ uint32_t fused(uint32_t a, uint32_t b, uint32_t c) { return a * b + c; }
__device__ __forceinline__ uint64_t fused(uint64_t a, uint64_t b, uint64_t c) { return a * b + c; }
template <class R>
__device__ __forceinline__ Complex<R> fused(Complex<R> a, Complex<R> b, Complex<R> c) {
  return {fused(a.re, b.re, fused(-a.im, b.im, c.re)), fused(a.re, b.im, fused(a.im, b.re, c.im))};
}
template <class T>
__device__ __forceinline__ T plus(T a, T b) {
  return a + b;
}
template <class R>
__device__ __forceinline__ Complex<R> plus(Complex<R> a, Complex<R> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
__device__ __forceinline__ T times(T a, T b) {
  return a * b;
}
template <class R>
__device__ __forceinline__ Complex<R> times(Complex<R> a, Complex<R> b) {
  return {fused(a.re, b.re, -(a.im * b.im)), fused(a.re, b.im, a.im * b.re)};
}
template <class T>
__device__ __forceinline__ bool equals(T v, int number) {
  return v == static_cast<T>(number);
}
template <class R>
__device__ __forceinline__ bool equals(Complex<R> v, int number) {
  return v.re == static_cast<R>(number) && v.im == 0;
}

// Kinds of elements. Acc: what sums are computed in, and operands widened to. kPlain: elements are
// stored as Acc.
template <class T>
struct PlainKind {
  using Acc = T;
  static constexpr bool kPlain = true;
  static constexpr bool kActivates = false;
  static __device__ __forceinline__ T load(const char* p, const Product&) {
    return *reinterpret_cast<const T*>(p);
  }
  static __device__ __forceinline__ void store(char* p, T v, const Product&) {
    *reinterpret_cast<T*>(p) = v;
  }
};
struct F32 : PlainKind<float> {
  static constexpr bool kActivates = true;
  static __device__ float factor(double v) { return static_cast<float>(v); }
};
struct F64 : PlainKind<double> {
  static constexpr bool kActivates = true;
  static __device__ double factor(double v) { return v; }
};
struct C64 : PlainKind<Complex<float>> {
  static __device__ Acc factor(double v) { return {static_cast<float>(v), 0.f}; }
};
struct C128 : PlainKind<Complex<double>> {
  static __device__ Acc factor(double v) { return {v, 0.}; }
};
struct Long : PlainKind<uint64_t> {
  static __device__ uint64_t factor(double v) {
    return static_cast<uint64_t>(static_cast<int64_t>(v));
  }
};
struct F16 {
  using Acc = float;
  static constexpr bool kPlain = false;
  static constexpr bool kActivates = true;
  static __device__ __forceinline__ float load(const char* p, const Product&) {
    return gpu::half_to_float(*reinterpret_cast<const uint16_t*>(p));
  }
  static __device__ __forceinline__ void store(char* p, float v, const Product&) {
    *reinterpret_cast<uint16_t*>(p) = gpu::float_to_half(v);
  }
  static __device__ float factor(double v) { return static_cast<float>(v); }
};
// Integers of up to 32 bits, and bool: 0 or 1, of which sums only matter as zero or not.
struct Int {
  using Acc = uint32_t;
  static constexpr bool kPlain = false;
  static constexpr bool kActivates = false;
  static __device__ __forceinline__ uint32_t load(const char* p, const Product& w) {
    switch (w.dtype) {
      case DType::b8:
        return *reinterpret_cast<const uint8_t*>(p) != 0;
      case DType::i8:
      case DType::u8:
        return *reinterpret_cast<const uint8_t*>(p);
      case DType::i16:
      case DType::u16:
        return *reinterpret_cast<const uint16_t*>(p);
      default:
        return *reinterpret_cast<const uint32_t*>(p);
    }
  }
  static __device__ __forceinline__ void store(char* p, uint32_t v, const Product& w) {
    switch (w.dtype) {
      case DType::b8:
        *reinterpret_cast<uint8_t*>(p) = v != 0;
        return;
      case DType::i8:
      case DType::u8:
        *reinterpret_cast<uint8_t*>(p) = static_cast<uint8_t>(v);
        return;
      case DType::i16:
      case DType::u16:
        *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>(v);
        return;
      default:
        *reinterpret_cast<uint32_t*>(p) = v;
    }
  }
  static __device__ uint32_t factor(double v) {
    return static_cast<uint32_t>(static_cast<int64_t>(v));
  }
};

// Sums of ones must not come around to 0.
template <class Kind>
__device__ __forceinline__ void settle(typename Kind::Acc&, const Product&) {}
template <>
__device__ __forceinline__ void settle<Int>(uint32_t& sum, const Product& w) {
  if (w.dtype == DType::b8) sum = sum != 0;
}

// Where the matrix `index` of the stack starts.
__device__ __forceinline__ char* matrix_at(const Product& p, const ProductMatrix& x,
                                           int64_t index) {
  char* at = x.data;
  uint32_t left = static_cast<uint32_t>(index);
#pragma unroll 1
  for (int d = p.batch_ndim - 1; d > 0; --d) {
    const uint32_t length = static_cast<uint32_t>(p.batch_shape[d]), rest = left / length;
    at += int64_t{left - rest * length} * x.batch[d];
    left = rest;
  }
  return p.batch_ndim ? at + int64_t{left} * x.batch[0] : at;
}

// The bodies of the ops, so that a product with an activation has the bits of the two apart. Not
// inlined: every kernel of products would hold them.
template <class S>
__device__ __noinline__ S activate_far(S x, Activation activation) {
  return activation == Activation::tanh ? ops::Tanh::body(x) : ops::Sigmoid::body(x);
}

template <class T>
__device__ __forceinline__ T activate(T v, Activation activation) {
  if (activation == Activation::max0) return v < T(0) ? T(0) : v;  // NaN stays
  using S = std::conditional_t<sizeof(T) == 4, device_lane::SF32, device_lane::SF64>;
  return activate_far(S{v}, activation).v;
}

// What becomes of the sums of one matrix.
template <class Kind>
class Finish {
 public:
  using Acc = typename Kind::Acc;

  __device__ Finish(const Work& w, int64_t batch, int split) : w_(w) {
    const Product& p = w.p;
    if (w.partial) {
      partial_ = reinterpret_cast<Acc*>(w.partial) + (split * w.batches + batch) * p.m * p.n;
      return;
    }
    partial_ = nullptr;
    c_ = matrix_at(p, p.c, batch);
    alpha_ =
        p.alpha_at ? Kind::load(static_cast<const char*>(p.alpha_at), p) : Kind::factor(p.alpha);
    beta_ = p.beta_at ? Kind::load(static_cast<const char*>(p.beta_at), p) : Kind::factor(p.beta);
    c0_ = equals(beta_, 0) ? nullptr : matrix_at(p, p.c0, batch);
  }

  __device__ void store(int64_t row, int64_t col, Acc sum) const {
    const Product& p = w_.p;
    if (partial_) {
      partial_[row * p.n + col] = sum;
      return;
    }
    Acc v = sum;
    if (!equals(alpha_, 1)) v = equals(alpha_, 0) ? Acc{} : times(alpha_, sum);
    if (c0_) {
      const Acc from = Kind::load(c0_ + row * p.c0.row + col * p.c0.col, p);
      v = equals(beta_, 1) ? plus(v, from) : fused(beta_, from, v);
    }
    if constexpr (Kind::kActivates) {
      if (p.bias) v = v + Kind::load(p.bias + row * p.bias_row + col * p.bias_col, p);
      if (p.activation != Activation::none) v = activate(v, p.activation);
    }
    Kind::store(c_ + row * p.c.row + col * p.c.col, v, p);
  }

 private:
  const Work& w_;
  Acc* partial_;
  Acc alpha_, beta_;
  char* c_;
  const char* c0_;
};

// The piece of the sums that a block computes.
struct Range {
  int64_t begin, end;
};
__device__ __forceinline__ Range terms_of(const Work& w, int split) {
  const int64_t begin = split * w.chunk;
  return {begin, begin + w.chunk < w.p.k ? begin + w.chunk : w.p.k};
}

// Stores rows of a tile that lie in shared memory: `rows` x kCols, `step` elements from row to row.
// row_of(r) is the row of the matrix. Neighbouring threads store neighbouring elements.
template <class Kind, int kRows, int kCols, int kThreads, class RowOf>
__device__ __forceinline__ void store_rows(const Work& w, const Finish<Kind>& finish,
                                           const typename Kind::Acc* rows, int step, int64_t col0,
                                           RowOf row_of) {
  const bool along_columns = !w.partial && w.p.c.row < w.p.c.col;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kCols; i += kThreads) {
    const int r = along_columns ? i % kRows : i / kCols;
    const int c = along_columns ? i / kRows : i % kCols;
    const int64_t row = row_of(r), col = col0 + c;
    if (row < w.p.m && col < w.p.n) finish.store(row, col, rows[r * step + c]);
  }
}

// The tile that a block computes: tiles that run at the same time share operands.
struct TilePlace {
  int m, n;
};
__device__ __forceinline__ TilePlace tile_of(const Work& w) {
  constexpr int kGroup = 8;  // rows of tiles
  const int block = static_cast<int>(blockIdx.x);
  const int group = block / (kGroup * w.tiles_n);
  const int first = group * kGroup;
  const int rows = w.tiles_m - first < kGroup ? w.tiles_m - first : kGroup;
  const int inside = block - first * w.tiles_n;
  return {first + inside % rows, inside / rows};
}

}  // namespace phintys::cuda
