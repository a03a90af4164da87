#include "device/device.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/fork.h"
#include "device/blocks.h"

namespace phintys::device {

namespace {

// Where strided arrays are packed before they are copied. While the device reads one chunk, the
// next is being packed.
constexpr size_t kChunkBytes = size_t{4} << 20;

void release_block(void* data, void* device) { static_cast<Device*>(device)->release(data); }

size_t bytes_of(const TensorView& view) {
  return static_cast<size_t>(view.size()) * item_size(view.dtype);
}

// "3.2 GiB"
std::string size_text(size_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

// Pieces of an array of at most `limit` bytes each, in C order: fn(view, offset in bytes).
template <class Fn>
void for_pieces(const TensorView& view, size_t limit, const Fn& fn) {
  // The first dimension of which at least one step fits.
  int axis = 0;
  size_t inner = bytes_of(view);
  while (axis < view.ndim && inner > limit) inner /= static_cast<size_t>(view.shape[axis++]);
  if (axis == 0) {
    fn(view, size_t{0});
    return;
  }
  --axis;
  const int64_t length = view.shape[axis];
  const int64_t rows = std::max<int64_t>(1, static_cast<int64_t>(limit / inner));
  Dims shape(view.shape + axis, view.shape + view.ndim);
  Dims index(static_cast<size_t>(axis), 0);
  size_t offset = 0;
  for (;;) {
    const char* data = view.data;
    for (int d = 0; d < axis; ++d) data += index[d] * view.strides[d];
    for (int64_t r = 0; r < length; r += rows) {
      shape[0] = std::min(rows, length - r);
      const TensorView piece{const_cast<char*>(data) + r * view.strides[axis], view.dtype,
                             view.ndim - axis, shape.data(), view.strides + axis};
      fn(piece, offset);
      offset += static_cast<size_t>(shape[0]) * inner;
    }
    int d = axis - 1;
    while (d >= 0 && ++index[d] == view.shape[d]) index[d--] = 0;
    if (d < 0) return;
  }
}

}  // namespace

// --- A device and its memory ---------------------------------------------------------------------

Device::Device(const Table& table, int index)
    : table_(table), index_(index), name_(std::string(table.kind) + ":" + std::to_string(index)) {
  forks_ = fork_count();
  check(table_.open_stream(index, &stream_));
  blocks_ = std::make_unique<Blocks>(table, index);
  size_t free = 0, total = 0;
  if (table_.memory_info(index, &free, &total) == kOk) blocks_->set_limit(total / 2);
}

// Devices stay open until the process ends; only one whose opening failed is destroyed.
Device::~Device() {
  if (stream_) table_.close_stream(stream_);
}

std::unique_lock<std::recursive_mutex> Device::lock() const {
  check_process();
  return std::unique_lock(mutex_);
}

void Device::check_process() const {
  if (fork_count() != forks_)
    fail(ErrorKind::runtime, name_,
         " cannot be used in this process, which was forked from one that uses it; start "
         "processes with the method 'spawn'");
}

void Device::check(Status status) const {
  if (status == kOk) return;
  check_process();
  fail(status == kOutOfMemory ? ErrorKind::memory : ErrorKind::runtime, name_, ": ",
       table_.error_text(status));
}

void* Device::allocate(size_t bytes) {
  const auto locked = lock();
  Status status = kOk;
  void* block = blocks_->take(bytes, &status);
  if (status == kOutOfMemory && blocks_->kept() > 0) {
    check(table_.synchronize(stream_));
    blocks_->trim(0);
    block = blocks_->take(bytes, &status);
  }
  if (status == kOutOfMemory) {
    const Memory now = memory();
    fail(ErrorKind::memory, name_, ": no room for ", size_text(bytes), ": of ",
         size_text(now.total), ", ", size_text(now.live),
         " are used by arrays of this process and ", size_text(now.free), " are free");
  }
  check(status);
  return block;
}

void Device::release(void* block) noexcept {
  // A forked child must leave all to its parent.
  if (!block || fork_count() != forks_) return;
  const std::lock_guard locked(mutex_);
  blocks_->give_back(block);
}

void Device::trim() noexcept {
  if (fork_count() != forks_) return;
  const std::lock_guard locked(mutex_);
  blocks_->trim(0);
}

Device::Memory Device::memory() const {
  const auto locked = lock();
  Memory now{blocks_->live(), blocks_->kept(), 0, 0};
  check(table_.memory_info(index_, &now.free, &now.total));
  return now;
}

Array Device::empty(DType dtype, const Dims& shape) {
  size_t bytes = item_size(dtype);
  for (const int64_t d : shape) {
    if (d < 0) fail(ErrorKind::value, "negative dimension in shape ", to_string(shape));
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(d), &bytes))
      fail(ErrorKind::memory, "an array of shape ", to_string(shape), " does not fit in memory");
  }
  void* block = allocate(bytes);
  Ref<Buffer> buffer;
  try {
    buffer = make_ref<Buffer>(block, bytes, release_block, nullptr, this);
  } catch (...) {
    release(block);
    throw;
  }
  return {std::move(buffer), static_cast<char*>(block), dtype, shape,
          contiguous_strides(shape, item_size(dtype))};
}

// --- Copies --------------------------------------------------------------------------------------

void Device::synchronize() {
  const auto locked = lock();
  check(table_.synchronize(stream_));
  chunk_busy_[0] = chunk_busy_[1] = false;
}

Array Device::upload(const TensorView& host) {
  Array array = empty(host.dtype, Dims(host.shape, host.shape + host.ndim));
  upload_into(array.data(), host);
  return array;
}

void Device::upload_into(void* to, const TensorView& host) {
  const auto locked = lock();
  const size_t bytes = bytes_of(host);
  if (bytes == 0) return;
  if (host.contiguous()) {
    check(table_.upload(stream_, to, host.data, bytes));
    return;
  }
  for_pieces(host, kChunkBytes, [&](const TensorView& piece, size_t offset) {
    upload_piece(static_cast<char*>(to) + offset, piece);
  });
}

void Device::upload_piece(void* to, const TensorView& piece) {
  const int c = next_chunk_;
  next_chunk_ = 1 - c;
  if (!chunks_[c]) check(table_.allocate_staging(kChunkBytes, &chunks_[c]));
  if (chunk_busy_[c]) synchronize();
  const Dims shape(piece.shape, piece.shape + piece.ndim);
  const Dims strides = contiguous_strides(shape, item_size(piece.dtype));
  copy_elements(
      {static_cast<char*>(chunks_[c]), piece.dtype, piece.ndim, shape.data(), strides.data()},
      piece);
  check(table_.upload(stream_, to, chunks_[c], bytes_of(piece)));
  chunk_busy_[c] = true;
}

Array Device::download(const Array& array) {
  const auto locked = lock();
  Array host = Array::empty(array.dtype(), array.shape());
  check(table_.download(stream_, host.data(), array.data(), bytes_of(array.view())));
  return host;
}

Array Device::copy_from(const Array& array) {
  Device* from = array.device();
  if (!from) return upload(array.view());
  Array copy = empty(array.dtype(), array.shape());
  const size_t bytes = bytes_of(array.view());
  if (from == this) {
    const auto locked = lock();
    check(table_.copy(stream_, copy.data(), array.data(), bytes, nullptr));
    return copy;
  }
  if (&from->table_ != &table_) return upload(from->download(array).view());
  from->synchronize();
  const auto locked = lock();
  check(table_.copy_from(stream_, copy.data(), from->index_, array.data(), bytes));
  // The other device may hand out the memory again once `array` is gone.
  synchronize();
  return copy;
}

Array to_host(const Array& array) {
  return array.device() ? array.device()->download(array) : array;
}

}  // namespace phintys::device
