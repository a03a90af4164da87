#include "products/kernels.h"
#include "products/launch_mma.h"

namespace phintys::cuda {

Status mma_bf16(Stream* stream, const Work& w, TileSize size) {
  return launch_mma<Bf16>(stream, w, size);
}

}  // namespace phintys::cuda
