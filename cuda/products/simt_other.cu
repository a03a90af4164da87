#include "products/kernels.h"
#include "products/tile_simt.h"

namespace phintys::cuda {

Status simt_real(Stream* stream, const Work& w) {
  using Half = SimtTile<F16, kSimtSmall, kSimtSmall, 4, 4>;
  using Double = SimtTile<F64, kSimtSmall, kSimtSmall, 4, 4>;
  if (w.p.dtype == DType::f16) return launch_tiles<Half>(stream, simt_product<Half>, w);
  return launch_tiles<Double>(stream, simt_product<Double>, w);
}

Status simt_complex(Stream* stream, const Work& w) {
  using Single = SimtTile<C64, kSimtMiddle, kSimtMiddle, 4, 4>;
  using Double = SimtTile<C128, kSimtMiddle, kSimtMiddle, 4, 4>;
  if (w.p.dtype == DType::c64) return launch_tiles<Single>(stream, simt_product<Single>, w);
  return launch_tiles<Double>(stream, simt_product<Double>, w);
}

Status simt_integer(Stream* stream, const Work& w) {
  using Words = SimtTile<Int, kSimtMiddle, kSimtMiddle, 4, 4>;
  using Longs = SimtTile<Long, kSimtMiddle, kSimtMiddle, 4, 4>;
  if (w.p.dtype == DType::i64 || w.p.dtype == DType::u64)
    return launch_tiles<Longs>(stream, simt_product<Longs>, w);
  return launch_tiles<Words>(stream, simt_product<Words>, w);
}

}  // namespace phintys::cuda
