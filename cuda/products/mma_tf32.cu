#include "products/kernels.h"
#include "products/launch_mma.h"

namespace phintys::cuda {

Status mma_tf32(Stream* stream, const Work& w, TileSize size) {
  return launch_mma<Tf32>(stream, w, size);
}

}  // namespace phintys::cuda
