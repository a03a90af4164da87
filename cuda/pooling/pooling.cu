// Pooling, forward and backward.
#include "dtypes.h"
#include "plugin.h"
#include "pooling/axes.h"

namespace phintys::cuda {
namespace {

constexpr int64_t kMost = (int64_t{1} << 31) - (1 << 21);  // with room for a step of the grid

Status run(Stream* stream, const Pooling& p);

// The planes of index [from, from + count) of the first axis.
Status run_some(Stream* stream, Pooling p, int64_t from, int64_t count, int64_t result_stride) {
  for (device::PoolArray* v : {&p.x, &p.z, &p.g}) {
    if (v->data) v->data += from * v->lead[0] * item_size_of(p.dtype);
  }
  p.result += from * result_stride * item_size_of(p.dtype);
  p.lead[0] = count;
  return run(stream, p);
}

Status run(Stream* stream, const Pooling& p) {
  const bool gradient =
      p.part == device::PoolPart::max_gradient || p.part == device::PoolPart::average_gradient;
  const int64_t* const pooled = gradient ? p.length : p.out;
  int64_t of_first = p.lead[1] * p.lead[2];
  for (int i = 0; i < 3; ++i) {
    if (p.length[i] > kMost || p.out[i] > kMost) return kUnsupported;
    if (pooled[i] == 0) return kOk;
    if (of_first > kMost) return kUnsupported;
    of_first *= pooled[i];
  }
  if (of_first > kMost) return kUnsupported;
  if (of_first * p.lead[0] > kMost) {
    const int64_t half = p.lead[0] / 2;
    const Status status = run_some(stream, p, 0, half, of_first);
    if (status != kOk) return status;
    return run_some(stream, p, half, p.lead[0] - half, of_first);
  }
  PoolPlaces places;
  places.size = static_cast<uint32_t>(of_first * p.lead[0]);
  if (places.size == 0) return kOk;
  const int64_t lengths[] = {p.lead[1], p.lead[2], pooled[0], pooled[1], pooled[2]};
  for (int i = 0; i < 5; ++i) places.by[i] = FastDivide(static_cast<uint32_t>(lengths[i]));
  return gradient ? pool_gradient(stream, p, places) : pool_forward(stream, p, places);
}

constexpr device::PoolKernels kKernels = {run};

}  // namespace

const device::PoolKernels* pool_kernels() { return &kKernels; }

}  // namespace phintys::cuda
