#include "products/kernels.h"
#include "products/tile_simt.h"

namespace phintys::cuda {

Status simt_f32(Stream* stream, const Work& w, TileSize size) {
  using Big = SimtTile<F32, kSimtBig, kSimtBig, 8, 8>;
  using Middle = SimtTile<F32, kSimtMiddle, kSimtMiddle, 8, 4>;
  using Small = SimtTile<F32, kSimtSmall, kSimtSmall, 4, 4>;
  switch (size) {
    case TileSize::big:
      return launch_tiles<Big>(stream, simt_product<Big>, w);
    case TileSize::middle:
      return launch_tiles<Middle>(stream, simt_product<Middle>, w);
    default:
      return launch_tiles<Small>(stream, simt_product<Small>, w);
  }
}

}  // namespace phintys::cuda
