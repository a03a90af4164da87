// Patches of images as rows of a matrix, and the sum of patches at their places.
#include "indexing/support.h"
#include "indexing/tables.h"

namespace phintys::cuda::indexing {

namespace {

using device::PatchMode;

// Patches along one axis of an image.
struct PatchAxis {
  int64_t length, patch, step, count;
  int64_t before;  // elements of the first patch in front of the image
  bool wraps;
};

struct PatchWork {
  int64_t height, width, channels;
  Tensor shape, step;
  PatchMode mode;
  const char* images;
  int64_t image_strides[4];
  char* rows;
  int64_t row_step, element_step;
  int64_t size;  // of what is written
  DType dtype;
  int32_t item;
};

__device__ __forceinline__ PatchAxis patch_axis(const PatchWork& work, int axis) {
  auto entry = [axis](const Tensor& v) {
    const int64_t value = load_integer(v.data + axis * v.strides[0], v.dtype);
    return value > 0 ? value : 1;
  };
  PatchAxis a{axis == 0 ? work.height : work.width, entry(work.shape), entry(work.step), 0, 0,
              work.mode == PatchMode::wrap_centered};
  int64_t span = a.length - a.patch;  // from the first place of a patch to the last
  if (a.wraps) {
    a.before = a.patch / 2;
    span = a.length - 1;
  } else if (work.mode == PatchMode::half) {
    a.before = a.patch / 2;
    span = a.length - a.patch % 2;
  } else if (work.mode == PatchMode::full) {
    a.before = a.patch - 1;
    span = a.length + a.patch - 2;
  }
  a.count = span < 0 ? 0 : span / a.step + 1;
  return a;
}

// The element that a patch has at offset i, or -1.
__device__ __forceinline__ int64_t source(const PatchAxis& a, int64_t position, int64_t i) {
  int64_t at = position * a.step + i - a.before;
  if (a.wraps) at = at < 0 ? at + a.length : at >= a.length ? at - a.length : at;
  return at >= 0 && at < a.length ? at : -1;
}

__device__ __forceinline__ int64_t take(int64_t* i, int64_t length) {
  const int64_t q = *i / length, at = *i - q * length;
  *i = q;
  return at;
}

__global__ void __launch_bounds__(kThreads) patch_kernel(const PatchWork work) {
  int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= work.size) return;
  const PatchAxis height = patch_axis(work, 0), width = patch_axis(work, 1);
  if (width.count == 0 || height.count == 0) return;
  char* const to = work.rows + i * work.item;
  const int64_t x = take(&i, width.patch), y = take(&i, height.patch);
  const int64_t across = take(&i, width.count), down = take(&i, height.count);
  const int64_t channel = take(&i, work.channels);
  const int64_t row = source(height, down, y), column = source(width, across, x);
  if (row < 0 || column < 0) {
    for (int b = 0; b < work.item; ++b) to[b] = 0;
    return;
  }
  move_item(to,
            work.images + i * work.image_strides[0] + channel * work.image_strides[1] +
                row * work.image_strides[2] + column * work.image_strides[3],
            work.item);
}

// f(position, offset) for the patches that have element `at`, in their order.
template <class F>
__device__ __forceinline__ void each_patch(const PatchAxis& a, int64_t at, F&& f) {
  for (int turn = a.wraps ? -1 : 0; turn <= (a.wraps ? 1 : 0); ++turn) {
    const int64_t place = at + turn * a.length + a.before;
    if (place < 0) continue;
    const int64_t least = place - a.patch + 1;
    int64_t position = least <= 0 ? 0 : (least + a.step - 1) / a.step;
    for (; position < a.count && position * a.step <= place; ++position) {
      f(position, place - position * a.step);
    }
  }
}

template <class T>
__device__ __forceinline__ T load_number(const char* p, DType dtype) {
  if constexpr (sizeof(T) == 8 && T(0.5) == T(0)) {
    return load_integer(p, dtype);
  } else {
    return *reinterpret_cast<const T*>(p);
  }
}

// T: float, double, or uint64_t for all integers. `parts`: 2 for complex numbers.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_patch_kernel(const PatchWork work, int parts, char* images) {
  int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= work.size) return;
  const PatchAxis height = patch_axis(work, 0), width = patch_axis(work, 1);
  char* const to = images + i * work.item;
  const int64_t part = take(&i, parts);
  const int64_t column = take(&i, work.width), row = take(&i, work.height);
  const int64_t first = i * height.count * width.count;
  T sum = 0;
  each_patch(height, row, [&](int64_t down, int64_t y) {
    each_patch(width, column, [&](int64_t across, int64_t x) {
      const char* p = work.rows + (first + down * width.count + across) * work.row_step +
                      (y * width.patch + x) * work.element_step + part * work.item;
      sum = static_cast<T>(sum + load_number<T>(p, work.dtype));
    });
  });
  if constexpr (sizeof(T) == 8 && T(0.5) == T(0)) {
    store_integer(to, work.dtype, static_cast<int64_t>(sum));
  } else {
    *reinterpret_cast<T*>(to) = sum;
  }
}

PatchWork describe(const device::Patches& patches, int64_t size) {
  PatchWork work{};
  work.channels = patches.images.shape[1];
  work.height = patches.images.shape[2];
  work.width = patches.images.shape[3];
  work.shape = patches.shape;
  work.step = patches.step;
  work.mode = patches.mode;
  work.images = patches.images.data;
  for (int d = 0; d < 4; ++d) work.image_strides[d] = patches.images.strides[d];
  work.rows = patches.rows.data;
  work.row_step = patches.rows.strides[0];
  work.element_step = patches.rows.strides[1];
  work.size = size;
  work.dtype = patches.rows.dtype;
  work.item = static_cast<int32_t>(item_size_of(work.dtype));
  return work;
}

bool fits(int64_t size) { return ceil_div(size, kThreads) <= gpu::kMaxGridX; }

}  // namespace

Status patches(Stream* stream, const device::Patches& patches) {
  const int64_t size = size_of(patches.rows);
  if (size == 0) return kOk;
  if (!fits(size)) return kUnsupported;
  return gpu::launch(stream, patch_kernel, blocks_for(size, kThreads), kThreads, 0,
                     describe(patches, size));
}

Status add_patches(Stream* stream, const device::Patches& patches) {
  const int parts = is_complex(patches.rows.dtype) ? 2 : 1;
  const int64_t size = size_of(patches.images) * parts;
  if (size == 0) return kOk;
  if (!fits(size)) return kUnsupported;
  PatchWork work = describe(patches, size);
  work.item /= parts;
  const unsigned blocks = blocks_for(size, kThreads);
  char* const images = patches.images.data;
  switch (work.dtype) {
    case DType::f32:
    case DType::c64:
      return gpu::launch(stream, add_patch_kernel<float>, blocks, kThreads, 0, work, parts, images);
    case DType::f64:
    case DType::c128:
      return gpu::launch(stream, add_patch_kernel<double>, blocks, kThreads, 0, work, parts,
                         images);
    default:
      return gpu::launch(stream, add_patch_kernel<uint64_t>, blocks, kThreads, 0, work, parts,
                         images);
  }
}

}  // namespace phintys::cuda::indexing
