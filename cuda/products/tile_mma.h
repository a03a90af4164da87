// Products on tensor cores: each block computes a tile of the result, each of its warps a part of
// it in pieces of 16 x 8.
//
// Tiles of the operands come through kStages buffers in shared memory, 64 bytes of k wide. An
// operand that is contiguous along k lies there as [o][k] (o: m or n), with 16-byte chunks permuted
// within a row so that warps meet no bank twice; one that is contiguous along o as [k][o], padded.
// Which k stands for which of an instruction does not matter as long as both operands agree: lane t
// of a group takes 2t and 2t + 1 for t and t + 4, two neighbours in memory.
#pragma once

#include "products/async_copy.h"
#include "products/mma.h"
#include "products/work.h"

namespace phintys::cuda {

// How fragments are multiplied. kSteps: instructions along the k of a tile. kSmallTiles: there are
// kernels for small tiles; small products of bfloat16 may as well be in TF32.
struct Tf32 {
  using Kind = F32;
  using Stored = float;
  using Acc = float;
  static constexpr bool kSmallTiles = true;
  static constexpr int kSteps = 2;
};
struct Bf16 {
  using Kind = F32;
  using Stored = float;
  using Acc = float;
  static constexpr bool kSmallTiles = false;
  static constexpr int kSteps = 1;
};
struct Halves {
  using Kind = F16;
  using Stored = uint16_t;
  using Acc = float;
  static constexpr bool kSmallTiles = true;
  static constexpr int kSteps = 2;
};
struct Doubles {
  using Kind = F64;
  using Stored = double;
  using Acc = double;
  static constexpr bool kSmallTiles = true;
  static constexpr int kSteps = 1;
};

// A tile of kO x kK elements of one operand in shared memory.
template <class T, int kO_, bool kAlongK_>
struct OperandTile {
  using Stored = T;
  static constexpr int kO = kO_;
  static constexpr bool kAlongK = kAlongK_;
  static constexpr int kSize = sizeof(T), kChunk = 16 / kSize, kK = 64 / kSize;
  static constexpr int kStep = kO + (kSize == 2 ? 8 : kSize == 4 ? 4 : 2);  // of [k][o]
  static constexpr int kElements = kAlongK ? kO * kK : kK * kStep;
  // What chunk numbers of row o are xored with.
  static __device__ __forceinline__ int turn(int o) {
    return kSize == 2 ? o >> 1 & 3 : kSize == 4 ? (o >> 1 & 1) << 1 : 0;
  }
  static __device__ __forceinline__ int place(int o, int k) {
    if (!kAlongK) return k * kStep + o;
    return o * kK + ((k / kChunk) ^ turn(o)) * kChunk + k % kChunk;
  }
};

// Copies a tile per step. `outer`, `inner`: bytes from one o, one k to the next.
template <class Tile, class Kind, int kThreads>
class TileLoader {
 public:
  using T = typename Tile::Stored;

  __device__ TileLoader(const char* matrix, int64_t outer, int64_t inner, int64_t first,
                        int64_t count, int64_t k_begin, bool wide)
      : outer_(outer), inner_(inner), wide_(wide) {
    const int t = static_cast<int>(threadIdx.x);
    if (wide) {
      o_ = Tile::kAlongK ? t / 4 : t % kChunks * Tile::kChunk;
      k_ = Tile::kAlongK ? t % 4 * Tile::kChunk : t / kChunks;
    } else {
      o_ = Tile::kAlongK ? t / Tile::kK : t % Tile::kO;
      k_ = Tile::kAlongK ? t % Tile::kK : t / Tile::kO;
    }
    at_ = matrix + (first + o_) * outer + (k_begin + k_) * inner;
    rows_ = static_cast<int>(count - first < Tile::kO ? count - first : Tile::kO) - o_;
    whole_ = wide && count - first >= Tile::kO;
  }

  // `left`: terms from the first of this step to the end; may be negative.
  __device__ __forceinline__ void copy(T* to, int left64) {
    const int left = left64 - k_;
    if (whole_ && left64 >= Tile::kK) {
      copy_wide<true>(to, left);
    } else if (wide_) {
      copy_wide<false>(to, left);
    } else {
      copy_single(to, left);
    }
    at_ += Tile::kK * inner_;
  }

 private:
  static constexpr int kChunks = Tile::kO / Tile::kChunk;  // of a row of [k][o]

  // kWhole: nothing of the tile is outside the matrix.
  template <bool kWhole>
  __device__ __forceinline__ void copy_wide(T* to, int left) const {
    constexpr int kStepO = Tile::kAlongK ? kThreads / 4 : 0;
    constexpr int kStepK = Tile::kAlongK ? 0 : kThreads / kChunks;
    constexpr int kCount = Tile::kO * 4 / kThreads;
    const char* from = at_;
    const int64_t step = kStepO * outer_ + kStepK * inner_;
    const int most = Tile::kAlongK ? left : rows_;
    const int count = most < 0 ? 0 : most < Tile::kChunk ? most : Tile::kChunk;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool valid = Tile::kAlongK ? i * kStepO < rows_ : i * kStepK < left;
      T* const place = to + Tile::place(o_ + i * kStepO, k_ + i * kStepK);
      if (kWhole) {
        copy_async_whole<16>(place, from);
      } else {
        copy_async<16>(place, from, valid ? count * Tile::kSize : 0);
      }
      from += step;
    }
  }

  __device__ __forceinline__ void copy_single(T* to, int left) const {
    constexpr int kStepO = Tile::kAlongK ? kThreads / Tile::kK : 0;
    constexpr int kStepK = Tile::kAlongK ? 0 : kThreads / Tile::kO;
    constexpr int kCount = Tile::kO * Tile::kK / kThreads;
    const char* from = at_;
    const int64_t step = kStepO * outer_ + kStepK * inner_;
#pragma unroll 4
    for (int i = 0; i < kCount; ++i) {
      const bool valid = i * kStepO < rows_ && i * kStepK < left;
      T* place = to + Tile::place(o_ + i * kStepO, k_ + i * kStepK);
      if constexpr (Tile::kSize >= 4) {
        copy_async<Tile::kSize>(place, from, valid ? Tile::kSize : 0);
      } else {
        *place = valid ? *reinterpret_cast<const T*>(from) : T{};
      }
      from += step;
    }
  }

  const char* at_;
  int64_t outer_, inner_;
  int o_, k_, rows_;
  bool wide_, whole_;
};

// Two neighbours along k of an operand of float32 or float64: those that lane t of group g takes
// for step s, of o = first + g + offset.
template <class Tile>
class PairReader {
 public:
  using T = typename Tile::Stored;
  __device__ explicit PairReader(int first) {
    const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
    for (int s = 0; s < 2; ++s) at_[s] = Tile::place(first + g, (s * 8 + 2 * t) % Tile::kK);
  }
  __device__ __forceinline__ void read(const T* tile, int offset, int s, T& x, T& y) const {
    if constexpr (Tile::kAlongK) {
      struct __align__(2 * sizeof(T)) Two {
        T x, y;
      };
      const Two two = *reinterpret_cast<const Two*>(tile + at_[s] + offset * Tile::kK);
      x = two.x;
      y = two.y;
    } else {
      const T* at = tile + at_[0] + s * 8 * Tile::kStep + offset;
      x = at[0];
      y = at[Tile::kStep];
    }
  }

 private:
  int at_[2];
};

// Fragments of a warp's operands, kM pieces of 16 rows and kN pieces of 8 columns.
template <class Mode, int kM, int kN>
struct Fragments {
  uint32_t a[kM][4], b[kN][2];
};
template <int kM, int kN>
struct Fragments<Doubles, kM, kN> {
  double a[kM][4], b[kN][2];
};

// Reads fragments and multiplies them. A general one for float32 and float64 and one for float16.
template <class Mode, class TileA, class TileB, int kM, int kN>
class WarpProduct {
 public:
  using T = typename Mode::Stored;
  using Acc = typename Mode::Acc;
  using Held = Fragments<Mode, kM, kN>;
  __device__ WarpProduct(int row, int col) : a_(row), b_(col) {}

  __device__ __forceinline__ void read(Held& to, const T* a, const T* b, int s) const {
#pragma unroll
    for (int i = 0; i < kM; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int offset = i * 16 + half * 8;
        if constexpr (kPairs) {
          to.a[i][half] = pair(a_, a, offset, 0);
          to.a[i][half + 2] = pair(a_, a, offset, 1);
        } else {
          T x, y;
          a_.read(a, offset, s, x, y);
          operands(x, y, to.a[i][half], to.a[i][half + 2]);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < kN; ++j) {
      if constexpr (kPairs) {
        to.b[j][0] = pair(b_, b, j * 8, 0);
        to.b[j][1] = pair(b_, b, j * 8, 1);
      } else {
        T x, y;
        b_.read(b, j * 8, s, x, y);
        operands(x, y, to.b[j][0], to.b[j][1]);
      }
    }
  }

  __device__ __forceinline__ void multiply(Acc (&sums)[kM][kN][4], const Held& held) const {
#pragma unroll
    for (int i = 0; i < kM; ++i) {
#pragma unroll
      for (int jj = 0; jj < kN; ++jj) {
        const int j = i % 2 ? kN - 1 - jj : jj;
        if constexpr (kPairs) {
          mma_pairs<Pairs::bf16>(sums[i][j], held.a[i], held.b[j]);
        } else if constexpr (sizeof(T) == 8) {
          mma_f64(sums[i][j], held.a[i], held.b[j]);
        } else {
          mma_tf32(sums[i][j], held.a[i], held.b[j]);
        }
      }
    }
  }

 private:
  static constexpr bool kPairs = sizeof(T) == 4 && Mode::kSteps == 1;
  static __device__ __forceinline__ void operands(float x, float y, uint32_t& a, uint32_t& b) {
    to_tf32(x, y, a, b);
  }
  static __device__ __forceinline__ void operands(double x, double y, double& a, double& b) {
    a = x;
    b = y;
  }
  template <class Reader>
  static __device__ __forceinline__ uint32_t pair(const Reader& reader, const T* tile, int offset,
                                                  int s) {
    T x, y;
    reader.read(tile, offset, s, x, y);
    return to_bf16_pair(x, y);
  }

  PairReader<TileA> a_;
  PairReader<TileB> b_;
};

template <class TileA, class TileB, int kM, int kN>
class WarpProduct<Halves, TileA, TileB, kM, kN> {
 public:
  using Held = Fragments<Halves, kM, kN>;
  static_assert(kN % 2 == 0);
  // Lane l gives the row l % 8 of matrix l / 8 of the four that are read at once: of A those of
  // rows 0, 8, 0, 8 and k 0, 0, 8, 8; of B those of columns 0, 0, 8, 8 and k 0, 8, 0, 8.
  __device__ WarpProduct(int row, int col) {
    const int lane = static_cast<int>(threadIdx.x) % 32, r = lane % 8;
    const int low = lane / 8 % 2 * 8, high = lane / 16 * 8;
    for (int s = 0; s < 2; ++s) {
      const int k = s * 16;
      a_[s] = TileA::kAlongK ? TileA::place(row + low + r, k + high)
                             : TileA::place(row + low, k + high + r);
      b_[s] = TileB::kAlongK ? TileB::place(col + high + r, k + low)
                             : TileB::place(col + high, k + low + r);
    }
  }

  __device__ __forceinline__ void read(Held& to, const uint16_t* a, const uint16_t* b,
                                       int s) const {
#pragma unroll
    for (int i = 0; i < kM; ++i)
      load_matrices<!TileA::kAlongK>(to.a[i],
                                     a + a_[s] + i * 16 * (TileA::kAlongK ? TileA::kK : 1));
#pragma unroll
    for (int j = 0; j < kN; j += 2) {
      uint32_t two[4];
      load_matrices<!TileB::kAlongK>(two, b + b_[s] + j * 8 * (TileB::kAlongK ? TileB::kK : 1));
      to.b[j][0] = two[0];
      to.b[j][1] = two[1];
      to.b[j + 1][0] = two[2];
      to.b[j + 1][1] = two[3];
    }
  }

  __device__ __forceinline__ void multiply(float (&sums)[kM][kN][4], const Held& held) const {
#pragma unroll
    for (int i = 0; i < kM; ++i)
#pragma unroll
      for (int jj = 0; jj < kN; ++jj) {
        const int j = i % 2 ? kN - 1 - jj : jj;
        mma_pairs<Pairs::f16>(sums[i][j], held.a[i], held.b[j]);
      }
  }

 private:
  int a_[2], b_[2];
};

// kWarpsM x kWarpsN warps, each with kPiecesM x kPiecesN pieces of 16 x 8.
template <class Mode_, int kWarpsM_, int kWarpsN_, int kPiecesM_, int kPiecesN_, bool kAlongKA,
          bool kAlongKB>
struct MmaTile {
  using Mode = Mode_;
  using Kind = typename Mode::Kind;
  using Acc = typename Mode::Acc;
  using T = typename Mode::Stored;
  static constexpr int kWarpsM = kWarpsM_, kWarpsN = kWarpsN_;
  static constexpr int kPiecesM = kPiecesM_, kPiecesN = kPiecesN_;
  static constexpr int kThreads = kWarpsM * kWarpsN * 32;
  static constexpr int kM = kWarpsM * kPiecesM * 16, kN = kWarpsN * kPiecesN * 8;
  static constexpr int kStages = 3;
  using A = OperandTile<T, kM, kAlongKA>;
  using B = OperandTile<T, kN, kAlongKB>;
  static constexpr int kK = A::kK;
  using Warp = WarpProduct<Mode, A, B, kPiecesM, kPiecesN>;
  struct Stage {
    alignas(16) T a[A::kElements];
    alignas(16) T b[B::kElements];
  };
  // At the end: 16 rows of each warp.
  static constexpr int kRowStep = kN + 8;
  union Shared {
    Stage stages[kStages];
    alignas(16) Acc rows[kWarpsM * 16 * kRowStep];
  };
};

template <class Tile>
__device__ __forceinline__ void store_pieces(
    const Work& w, const Finish<typename Tile::Kind>& finish,
    typename Tile::Acc (&sums)[Tile::kPiecesM][Tile::kPiecesN][4], typename Tile::Acc* rows,
    int64_t row0, int64_t col0) {
  using Acc = typename Tile::Acc;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / Tile::kWarpsN * 16 + lane / 4;
  const int col = warp % Tile::kWarpsN * (Tile::kPiecesN * 8) + lane % 4 * 2;
  struct __align__(2 * sizeof(Acc)) Two {
    Acc x, y;
  };
#pragma unroll 1
  for (int i = 0; i < Tile::kPiecesM; ++i) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < Tile::kPiecesN; ++j) {
      Acc* to = rows + row * Tile::kRowStep + col + j * 8;
      *reinterpret_cast<Two*>(to) = {sums[0][j][0], sums[0][j][1]};
      *reinterpret_cast<Two*>(to + 8 * Tile::kRowStep) = {sums[0][j][2], sums[0][j][3]};
    }
    __syncthreads();
    store_rows<typename Tile::Kind, Tile::kWarpsM * 16, Tile::kN, Tile::kThreads>(
        w, finish, rows, Tile::kRowStep, col0,
        [&](int r) { return row0 + r / 16 * (Tile::kPiecesM * 16) + i * 16 + r % 16; });
#pragma unroll
    for (int k = 0; k + 1 < Tile::kPiecesM; ++k)
#pragma unroll
      for (int j = 0; j < Tile::kPiecesN; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[k][j][e] = sums[k + 1][j][e];
  }
}

// The copies of tiles to come, one group a step.
template <class Tile>
struct TileStream {
  TileLoader<typename Tile::A, typename Tile::Kind, Tile::kThreads> a;
  TileLoader<typename Tile::B, typename Tile::Kind, Tile::kThreads> b;
  int64_t left;
  __device__ __forceinline__ void next(typename Tile::Stage& to) {
    if (left > 0) {
      const int most = left < Tile::kK ? static_cast<int>(left) : Tile::kK;
      a.copy(to.a, most);
      b.copy(to.b, most);
    }
    left -= Tile::kK;
    end_of_copies();
  }
};

// All steps. Fragments of the next instruction are read while the tensor cores work on those at
// hand, as far as there are registers for both.
template <class Tile>
__device__ __forceinline__ void multiply_tiles(
    typename Tile::Stage* stages, TileStream<Tile>& stream, const typename Tile::Warp& product,
    typename Tile::Acc (&sums)[Tile::kPiecesM][Tile::kPiecesN][4]) {
  constexpr int kSteps = Tile::Mode::kSteps, kWaiting = Tile::kStages - 2;
  const int64_t steps = (stream.left + Tile::kK - 1) / Tile::kK;
  for (int s = 0; s + 1 < Tile::kStages; ++s) stream.next(stages[s]);
  int now = 0, free = Tile::kStages - 1;
  const auto advance = [](int stage) { return stage + 1 == Tile::kStages ? 0 : stage + 1; };
  if constexpr (sizeof(typename Tile::T) == 8) {
#pragma unroll 1
    for (int64_t step = 0; step < steps; ++step) {
      typename Tile::Warp::Held held;
      wait_for_copies<kWaiting>();
      __syncthreads();
      stream.next(stages[free]);
      free = advance(free);
      product.read(held, stages[now].a, stages[now].b, 0);
      product.multiply(sums, held);
      now = advance(now);
    }
  } else {
    typename Tile::Warp::Held held[2];
    wait_for_copies<kWaiting>();
    __syncthreads();
    product.read(held[0], stages[0].a, stages[0].b, 0);
#pragma unroll kSteps == 1 ? 2 : 1
    for (int64_t step = 0; step < steps; ++step) {
      stream.next(stages[free]);
      free = advance(free);
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        if (s == kSteps - 1) {  // the next step's tiles must be there
          now = advance(now);
          wait_for_copies<kWaiting>();
          __syncthreads();
        }
        product.read(held[kSteps == 1 ? 1 : (s + 1) % 2], stages[now].a, stages[now].b,
                     (s + 1) % kSteps);
        product.multiply(sums, held[kSteps == 1 ? 0 : s % 2]);
      }
      if (kSteps == 1) held[0] = held[1];
    }
  }
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 256 / Tile::kThreads) mma_product(const Work w) {
  auto& shared = *gpu::dynamic_shared<typename Tile::Shared>();
  const Product& p = w.p;
  const int split = static_cast<int>(blockIdx.z);
  const int64_t batch = w.first_batch + blockIdx.y;
  const TilePlace place = tile_of(w);
  const int64_t row0 = int64_t{place.m} * Tile::kM, col0 = int64_t{place.n} * Tile::kN;
  const Range terms = terms_of(w, split);

  TileStream<Tile> stream{
      {matrix_at(p, p.a, batch), p.a.row, p.a.col, row0, p.m, terms.begin, w.wide_a != 0},
      {matrix_at(p, p.b, batch), p.b.col, p.b.row, col0, p.n, terms.begin, w.wide_b != 0},
      terms.end - terms.begin};
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const typename Tile::Warp product(warp / Tile::kWarpsN * Tile::kPiecesM * 16,
                                    warp % Tile::kWarpsN * Tile::kPiecesN * 8);

  typename Tile::Acc sums[Tile::kPiecesM][Tile::kPiecesN][4] = {};
  multiply_tiles<Tile>(shared.stages, stream, product, sums);
  wait_for_copies<0>();
  const Finish<typename Tile::Kind> finish(w, batch, split);
  store_pieces<Tile>(w, finish, sums, shared.rows, row0, col0);
}

}  // namespace phintys::cuda
