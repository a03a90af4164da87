// Stacks of matrices on devices.
#pragma once

#include "device/indexing.h"
#include "device/queue.h"
#include "device/solvers.h"
#include "ops/linalg/signature.h"

namespace phintys::linalg {

// What enqueue() works with.
class DeviceWork {
 public:
  explicit DeviceWork(device::Queue& queue)
      : queue(queue), solvers(queue.table.solvers), indexing(queue.table.indexing) {}
  // False if the device lacks kernels, or one of `views` cannot be copied by them.
  bool possible(std::initializer_list<const TensorView*> views) const;
  // The elements of `from`, in C order, at `to`.
  void copy(void* to, const TensorView& from) const;
  // The matrices of `from` one after another, each column by column.
  void copy_columns(void* to, const TensorView& from) const;
  // The stack as it is, if its matrices have one distance between them, else a copy of it at
  // `room`; the dimensions before the last two make up the stack.
  device::Matrices stack(const TensorView& v, void* room) const;
  // Whether stack() needs room.
  static bool needs_room(const TensorView& v);
  bool check(device::Status status) const { return queue.check(status); }
  device::Stream* stream() const { return queue.stream; }

  device::Queue& queue;
  const device::SolverKernels* const solvers;
  const device::IndexKernels* const indexing;
};

// Pieces of the one block of scratch that a call may have.
class DeviceScratch {
 public:
  // The place of `bytes` more; its address is known once all are asked for.
  size_t add(int64_t bytes) {
    const size_t at = bytes_;
    bytes_ += (static_cast<size_t>(bytes) + 255) / 256 * 256;
    return at;
  }
  void take(device::Queue& queue) {
    if (bytes_) block_ = static_cast<char*>(queue.scratch(bytes_));
  }
  template <class T = void>
  T* at(size_t place) const {
    return reinterpret_cast<T*>(block_ + place);
  }

 private:
  size_t bytes_ = 0;
  char* block_ = nullptr;
};

// Contiguous row-major matrices of n columns, or their transposes.
inline device::Matrices row_major(void* data, int64_t rows, int64_t cols) {
  return {data, cols, 1, rows * cols};
}
inline device::Matrices column_major(void* data, int64_t rows, int64_t cols) {
  return {data, 1, rows, rows * cols};
}
inline device::Matrices transposed(const device::Matrices& m) {
  return {m.data, m.col, m.row, m.step};
}

}  // namespace phintys::linalg
