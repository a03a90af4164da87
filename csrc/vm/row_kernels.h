// Fills ops/row_kernels.h with kernels made of tiles.
#pragma once

namespace phintys::vm {

// Called once, before the first function is compiled.
void install_row_kernels();

}  // namespace phintys::vm
