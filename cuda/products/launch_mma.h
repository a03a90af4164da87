// Which of the kernels on tensor cores a product takes.
#pragma once

#include "products/kernels.h"
#include "products/tile_mma.h"

namespace phintys::cuda {

template <class Mode, bool kAlongKA, bool kAlongKB>
Status launch_mma_tile(Stream* stream, const Work& w, TileSize size) {
  using Big =
      MmaTile<Mode, 2, 4, 4, sizeof(typename Mode::Stored) == 8 ? 4 : 8, kAlongKA, kAlongKB>;
  if constexpr (Mode::kSmallTiles) {
    using Small = MmaTile<Mode, 2, 2, 2, 4, kAlongKA, kAlongKB>;
    if (size != TileSize::big) return launch_tiles<Small>(stream, mma_product<Small>, w);
  }
  return launch_tiles<Big>(stream, mma_product<Big>, w);
}

template <class Mode>
Status launch_mma(Stream* stream, const Work& w, TileSize size) {
  const bool a = w.along_k_a != 0, b = w.along_k_b != 0;
  if (a && b) return launch_mma_tile<Mode, true, true>(stream, w, size);
  if (a) return launch_mma_tile<Mode, true, false>(stream, w, size);
  if (!b) return launch_mma_tile<Mode, false, false>(stream, w, size);
  return kUnsupported;  // to be given as the transposed product
}

}  // namespace phintys::cuda
