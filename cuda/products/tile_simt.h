// Products by fused multiply-adds: each block computes a tile of the result, each of its threads
// kTM x kTN elements in registers.
//
// Tiles of the operands lie in shared memory with rows of equal k, [k][m] and [k][n], in two
// buffers: one is filled while the other is used. Operands may have any strides: elements are
// copied one by one, in the order in which they lie in memory; an operand whose rows of equal k are
// contiguous and aligned is copied 16 bytes at a time.
#pragma once

#include "products/async_copy.h"
#include "products/work.h"

namespace phintys::cuda {

template <class Kind_, int kM_, int kN_, int kTM_, int kTN_>
struct SimtTile {
  using Kind = Kind_;
  using Acc = typename Kind::Acc;
  static constexpr int kM = kM_, kN = kN_, kTM = kTM_, kTN = kTN_, kK = 16;
  static constexpr int kThreads = kM / kTM * (kN / kTN);
  static constexpr int kBlocks = sizeof(Acc) == 16 ? 1 : 512 / kThreads;  // on a multiprocessor
  static constexpr int kPad = 16 / sizeof(Acc) > 0 ? 16 / sizeof(Acc) : 1;
  static constexpr int kStepA = kM + kPad, kStepB = kN + kPad;
  // A warp is 4 x 8 threads.
  static constexpr int kWarpsM = kM / kTM / 4, kWarpsN = kN / kTN / 8;
  static_assert(kTM % 4 == 0 && kTN % 4 == 0 && kWarpsM * kWarpsN * 32 == kThreads);
  struct Shared {
    Acc a[2][kK * kStepA];
    Acc b[2][kK * kStepB];
  };
};

// Copies kO x kK elements of an operand, [k][o], per step. `outer`: bytes from one o to the next.
template <class Kind, int kO, int kK, int kThreads, int kStep>
class SimtLoader {
 public:
  using Acc = typename Kind::Acc;

  __device__ SimtLoader(const Product& p, const char* matrix, int64_t outer, int64_t inner,
                        int64_t first, int64_t count, int64_t k_begin, bool wide, bool along_k)
      : p_(p), inner_(inner), wide_(wide) {
    const int t = static_cast<int>(threadIdx.x);

    if (wide) {
      o_ = t % (kO / kWide) * kWide;
      k_ = t / (kO / kWide);
    } else if (along_k) {  // a warp: 8 k x 4 o
      o_ = t / 8;
      k_ = t % 8;
      o_step1_ = kThreads / 8;
      k_step1_ = 0;
      k_step2_ = 8;
    } else {
      o_ = t % kO;
      k_ = t / kO;
      o_step1_ = 0;
      k_step1_ = kThreads / kO;
      k_step2_ = kInner * k_step1_;
    }
    if (wide) o_step1_ = k_step1_ = k_step2_ = 0;
    at_ = matrix + (first + o_) * outer + (k_begin + k_) * inner;
    byte_step1_ = o_step1_ * outer + k_step1_ * inner;
    byte_step2_ = k_step2_ * inner;
    rows_ = count - first - o_ < kO ? static_cast<int>(count - first - o_) : kO;
    whole_ = count - first >= kO;
  }

  // `left`: terms from the first of this step to the end.
  __device__ __forceinline__ void copy(Acc* to, int64_t left64) {
    const int left = (left64 < kK ? static_cast<int>(left64) : kK) - k_;
    if (whole_ && left64 >= kK) {
      copy_step<true>(to, left);
    } else {
      copy_step<false>(to, left);
    }
    at_ += kK * inner_;
  }

 private:
  static constexpr int kWide = 16 / sizeof(Acc);  // elements of a wide copy
  static constexpr int kEach = kO * kK / kThreads;
  static constexpr int kInner = kO * 8 / kThreads, kOuter = kEach / kInner;
  static_assert(kThreads % kO == 0 && kInner * kThreads == kO * 8 && kOuter == 2);

  // kWhole: nothing of the tile is outside the matrix.
  template <bool kWhole>
  __device__ __forceinline__ void copy_step(Acc* to, int left) const {
    if constexpr (Kind::kPlain && kWide > 1) {
      if (wide_) return copy_wide<kWhole>(to, left);
    }
    const char* row = at_;
    Acc* place = to + k_ * kStep + o_;
#pragma unroll
    for (int j = 0; j < kOuter; ++j) {
      const char* from = row;
#pragma unroll
      for (int i = 0; i < kInner; ++i) {
        const int k = j * k_step2_ + i * k_step1_;
        const bool valid = kWhole || (i * o_step1_ < rows_ && k < left);
        copy_one<kWhole>(place + k * kStep + i * o_step1_, from, valid);
        from += byte_step1_;
      }
      row += byte_step2_;
    }
  }
  template <bool kWhole>
  __device__ __forceinline__ void copy_one(Acc* to, const char* from, bool valid) const {
    if constexpr (!Kind::kPlain) {
      *to = valid ? Kind::load(from, p_) : Acc{};
    } else if constexpr (kWhole) {
      copy_async_whole<sizeof(Acc)>(to, from);
    } else {
      copy_async<sizeof(Acc)>(to, from, valid ? static_cast<int>(sizeof(Acc)) : 0);
    }
  }
  template <bool kWhole>
  __device__ __forceinline__ void copy_wide(Acc* to, int left) const {
    constexpr int kRows = kThreads * kWide / kO;  // rows of equal k at once
    const int count = rows_ < 0 ? 0 : rows_ < kWide ? rows_ : kWide;
    const char* from = at_;
#pragma unroll
    for (int k = 0; k < kK; k += kRows) {
      Acc* const place = to + (k_ + k) * kStep + o_;
      if constexpr (kWhole) {
        copy_async_whole<16>(place, from);
      } else {
        copy_async<16>(place, from, k < left ? count * static_cast<int>(sizeof(Acc)) : 0);
      }
      from += kRows * inner_;
    }
  }

  const Product& p_;
  const char* at_;
  int64_t inner_, byte_step1_, byte_step2_;
  int o_, k_, o_step1_ = 0, k_step1_ = 0, k_step2_ = 0, rows_;
  bool wide_, whole_;
};

// Four elements of shared memory, 16 bytes at a time.
template <class T>
__device__ __forceinline__ void load_four(T* to, const T* from) {
  struct __align__(sizeof(T) * 4 < 16 ? sizeof(T) * 4 : 16) Four {
    T v[4];
  };
  const Four four = *reinterpret_cast<const Four*>(from);
#pragma unroll
  for (int i = 0; i < 4; ++i) to[i] = four.v[i];
}

template <class Tile>
__device__ __forceinline__ void multiply_step(typename Tile::Acc (&sums)[Tile::kTM][Tile::kTN],
                                              const typename Tile::Acc* a,
                                              const typename Tile::Acc* b) {
  using Acc = typename Tile::Acc;
#pragma unroll
  for (int k = 0; k < Tile::kK; ++k) {
    Acc x[Tile::kTM], y[Tile::kTN];
#pragma unroll
    for (int i = 0; i < Tile::kTM; i += 4) load_four(x + i, a + k * Tile::kStepA + i * 4);
#pragma unroll
    for (int j = 0; j < Tile::kTN; j += 4) load_four(y + j, b + k * Tile::kStepB + j * 8);
#pragma unroll
    for (int i = 0; i < Tile::kTM; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kTN; ++j) sums[i][j] = fused(x[i], y[j], sums[i][j]);
  }
}

// One row of each thread's elements after the other goes through shared memory to the result.
template <class Tile>
__device__ __forceinline__ void store_tile(const Work& w, const Finish<typename Tile::Kind>& finish,
                                           typename Tile::Acc (&sums)[Tile::kTM][Tile::kTN],
                                           typename Tile::Acc* rows, int row, int col, int64_t row0,
                                           int64_t col0) {
  constexpr int kRows = Tile::kM / Tile::kTM;
  static_assert(kRows * Tile::kStepB <= 2 * Tile::kK * Tile::kStepB);
  const int mine = row / Tile::kTM / 4 * 4 + row % (4 * Tile::kTM) / 4;
#pragma unroll 1
  for (int i = 0; i < Tile::kTM; ++i) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < Tile::kTN; ++j)
      rows[mine * Tile::kStepB + col + j / 4 * 32 + j % 4] = sums[0][j];
    __syncthreads();
    // Thread rows of a warp are 4 apart, its blocks of 4 rows 16 apart.
    const int offset = i / 4 * 16 + i % 4;
    store_rows<typename Tile::Kind, kRows, Tile::kN, Tile::kThreads>(
        w, finish, rows, Tile::kStepB, col0,
        [&](int r) { return row0 + r / 4 * (4 * Tile::kTM) + r % 4 * 4 + offset; });
#pragma unroll
    for (int k = 0; k + 1 < Tile::kTM; ++k)
#pragma unroll
      for (int j = 0; j < Tile::kTN; ++j) sums[k][j] = sums[k + 1][j];
  }
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) simt_product(const Work w) {
  using Acc = typename Tile::Acc;
  using Kind = typename Tile::Kind;
  auto& shared = *gpu::dynamic_shared<typename Tile::Shared>();
  const Product& p = w.p;
  const int split = static_cast<int>(blockIdx.z);
  const int64_t batch = w.first_batch + blockIdx.y;
  const TilePlace place = tile_of(w);
  const int64_t row0 = int64_t{place.m} * Tile::kM, col0 = int64_t{place.n} * Tile::kN;
  const Range terms = terms_of(w, split);

  SimtLoader<Kind, Tile::kM, Tile::kK, Tile::kThreads, Tile::kStepA> load_a(
      p, matrix_at(p, p.a, batch), p.a.row, p.a.col, row0, p.m, terms.begin, w.wide_a != 0,
      w.along_k_a != 0);
  SimtLoader<Kind, Tile::kN, Tile::kK, Tile::kThreads, Tile::kStepB> load_b(
      p, matrix_at(p, p.b, batch), p.b.col, p.b.row, col0, p.n, terms.begin, w.wide_b != 0,
      w.along_k_b != 0);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / Tile::kWarpsN * (4 * Tile::kTM) + lane / 8 * 4;
  const int col = warp % Tile::kWarpsN * (8 * Tile::kTN) + lane % 8 * 4;

  Acc sums[Tile::kTM][Tile::kTN] = {};
  int64_t left = terms.end - terms.begin;
  load_a.copy(shared.a[0], left);
  load_b.copy(shared.b[0], left);
  end_of_copies();
#pragma unroll 1
  for (int buffer = 0; left > 0; buffer ^= 1) {
    wait_for_copies<0>();
    __syncthreads();
    left -= Tile::kK;
    if (left > 0) {
      load_a.copy(shared.a[buffer ^ 1], left);
      load_b.copy(shared.b[buffer ^ 1], left);
      end_of_copies();
    }
    multiply_step<Tile>(sums, shared.a[buffer] + row, shared.b[buffer] + col);
#pragma unroll
    for (int i = 0; i < Tile::kTM; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kTN; ++j) settle<Kind>(sums[i][j], p);
  }
  wait_for_copies<0>();
  const Finish<Kind> finish(w, batch, split);
  store_tile<Tile>(w, finish, sums, shared.b[0], row, col, row0, col0);
}

}  // namespace phintys::cuda
