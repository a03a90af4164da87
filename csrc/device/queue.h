// What an op queues its work on (Op::enqueue).
#pragma once

#include "array/array.h"
#include "device/table.h"

namespace phintys::device {

struct ProductEnd;

class Queue {
 public:
  Queue(const Table& table, Stream* stream, int device, int* failed)
      : table(table), stream(stream), device(device), failed(failed) {}
  virtual ~Queue() = default;

  // Memory of the device for what is being queued, 256-byte aligned, undefined contents. Work that
  // is queued later by other ops may use the same memory.
  virtual void* scratch(size_t bytes) = 0;
  // Memory of the device that holds a copy of the host's `bytes` for as long as the work that is
  // being queued may run (again): tables that kernels read.
  virtual void* upload_constant(const void* bytes, size_t size) = 0;
  // Throws Error with the plug-in's text. False for kUnsupported, true for kOk.
  bool check(Status status) const;

  const Table& table;
  Stream* const stream;
  const int device;
  // An int on the device. A kernel that meets an operand it must refuse (an index out of range)
  // writes 1 to it and leaves that element alone: the runtime then computes the call on the host,
  // whose error says what is wrong.
  int* const failed;
  // While an op is asked that may compute one product, and could do more with its result: it then
  // writes that alone, and says that it is done. Otherwise null.
  ProductEnd* product_end = nullptr;
};

// The view for kernels, with adjacent dimensions merged where the strides allow it and those of
// length 1 left out. False if more than kMaxRank are left.
bool to_tensor(const TensorView& view, Tensor* tensor);
// The same with the dimensions as they are: false if there are more than kMaxRank.
bool to_tensor_plain(const TensorView& view, Tensor* tensor);

}  // namespace phintys::device
