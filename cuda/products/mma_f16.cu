#include "products/kernels.h"
#include "products/launch_mma.h"

namespace phintys::cuda {

Status mma_f16(Stream* stream, const Work& w, TileSize size) {
  return launch_mma<Halves>(stream, w, size);
}

}  // namespace phintys::cuda
