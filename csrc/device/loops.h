// Loops that stay on the device.
//
// The body of a loop is recorded once, on memory that does not move: kernels here bring each step's
// rows there and take results away, by a counter that lies on the device, and the recording is
// repeated without the host.
#pragma once

#include "device/table.h"

namespace phintys::device {

// Row number r = first + step of an array, wrapped around at `size` rows if that is not 0, lies at
// rows + r * stride; `fixed` is where the body has it. All rows are contiguous.
struct RowMove {
  char* fixed;
  char* rows;
  int64_t stride, bytes;
  int64_t first, size;
};

struct LoopState {
  int64_t step;   // the next step; after the loop: how many ran
  int64_t steps;  // the most there may be
  int32_t go;     // whether there is a next step
  int32_t unused;
};

struct LoopKernels {
  // For the step that is next, by n moves (a table on the device) of at most `most` bytes each:
  // row to fixed place, or fixed place to row.
  Status (*load_rows)(Stream* stream, const RowMove* moves, int n, int64_t most,
                      const LoopState* state);
  Status (*store_rows)(Stream* stream, const RowMove* moves, int n, int64_t most,
                       const LoopState* state);
  // Ends a step: the last work of a body. `stop`: null, or a bool of the body's: true ends the
  // loop.
  Status (*advance)(Stream* stream, LoopState* state, const bool* stop);
  // Queues `body` again and again while state->go (which is 1 now). `steps` is the most. Not while
  // recording: kUnsupported.
  Status (*repeat)(Stream* stream, Recording* body, LoopState* state, int64_t steps, bool may_stop);
};

}  // namespace phintys::device
