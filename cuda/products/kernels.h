// The kernels of products, as their files offer them to products.cu.
#pragma once

#include "products/work.h"

namespace phintys::cuda {

// Tiles of the result that a block computes.
enum class TileSize { big, middle, small };

// Edges of tiles for planning. Kernels have no other sizes.
inline constexpr int kSimtBig = 128, kSimtMiddle = 64, kSimtSmall = 32;
inline constexpr int kMmaBigM = 128, kMmaBigN = 256, kMmaBigNOfDoubles = 128, kMmaSmall = 64;

// By fused multiply-adds. float32 has all sizes, float16 and float64 small ones, others middle
// ones.
Status simt_f32(Stream* stream, const Work& w, TileSize size);
Status simt_real(Stream* stream, const Work& w);
Status simt_complex(Stream* stream, const Work& w);
Status simt_integer(Stream* stream, const Work& w);

// On tensor cores; not for along_k_b without along_k_a: that is to be given as the transposed
// product. There are big tiles and small ones.
Status mma_tf32(Stream* stream, const Work& w, TileSize size);
Status mma_bf16(Stream* stream, const Work& w, TileSize size);  // big only
Status mma_f16(Stream* stream, const Work& w, TileSize size);
Status mma_f64(Stream* stream, const Work& w, TileSize size);

// A matrix (a) by a vector (b, n == 1), for a contiguous along k or not.
Status vector_rows(Stream* stream, const Work& w);
Status vector_columns(Stream* stream, const Work& w);
// Sums of few terms, none included.
Status thin(Stream* stream, const Work& w);
// The end of a product that was cut: sums of partial[split][batch][row][col].
Status combine(Stream* stream, const Work& w, const char* partial, int splits);

// f.template operator()<Kind>() for the kind of a dtype.
template <class F>
Status with_kind(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f16:
      return f.template operator()<F16>();
    case DType::f32:
      return f.template operator()<F32>();
    case DType::f64:
      return f.template operator()<F64>();
    case DType::c64:
      return f.template operator()<C64>();
    case DType::c128:
      return f.template operator()<C128>();
    case DType::i64:
    case DType::u64:
      return f.template operator()<Long>();
    default:
      return f.template operator()<Int>();
  }
}

inline int64_t tiles(int64_t length, int64_t tile) { return (length + tile - 1) / tile; }

// Launches a kernel for all matrices of the stacks: grid (x, matrices, z).
inline Status launch_stack(Stream* stream, void (*kernel)(Work), Work w, int64_t x, int z,
                           int threads, size_t shared) {
  if (x > gpu::kMaxGridX || z > gpu::kMaxGridYZ) return kUnsupported;
  for (w.first_batch = 0; w.first_batch < w.batches; w.first_batch += gpu::kMaxGridYZ) {
    const int64_t left = w.batches - w.first_batch;
    const dim3 grid(static_cast<unsigned>(x),
                    static_cast<unsigned>(left < gpu::kMaxGridYZ ? left : gpu::kMaxGridYZ),
                    static_cast<unsigned>(z));
    const Status status =
        gpu::launch(stream, kernel, grid, dim3(static_cast<unsigned>(threads)), shared, w);
    if (status != kOk) return status;
  }
  return kOk;
}

template <class Tile>
Status launch_tiles(Stream* stream, void (*kernel)(Work), Work w) {
  const int64_t m = tiles(w.p.m, Tile::kM), n = tiles(w.p.n, Tile::kN);
  if (m > gpu::kMaxGridX / n) return kUnsupported;
  w.tiles_m = static_cast<int32_t>(m);
  w.tiles_n = static_cast<int32_t>(n);
  return launch_stack(stream, kernel, w, m * n, w.splits, Tile::kThreads,
                      sizeof(typename Tile::Shared));
}

}  // namespace phintys::cuda
