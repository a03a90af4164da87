// Arrays of the runtime: a typed, strided view and the memory that keeps it alive.
//
// Strides are in bytes, as NumPy's, and may be zero or negative. A TensorView owns nothing and is
// what kernels see; an Array shares ownership of its buffer.
#pragma once

#include <string>

#include "array/dtype.h"
#include "base/dims.h"
#include "base/ref.h"

namespace phintys {

namespace device {
class Device;
}

struct TensorView {
  char* data = nullptr;
  DType dtype = DType::f64;
  int ndim = 0;
  const int64_t* shape = nullptr;
  const int64_t* strides = nullptr;  // bytes

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < ndim; ++i) n *= shape[i];
    return n;
  }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  // True iff the elements lie in C order without gaps (dimensions of length 1 have any stride).
  bool contiguous() const;
};

// Memory with one owner protocol: freed by `release` when the last Array goes.
class Buffer : public RefCounted {
 public:
  using Release = void (*)(void* data, void* context);
  // `device`: where the memory is; null: the host. It is what `release` gets if `context` is null.
  Buffer(void* data, size_t bytes, Release release, void* context, device::Device* device = nullptr)
      : data_(data), bytes_(bytes), release_(release), context_(context), device_(device) {}
  ~Buffer() override {
    if (release_) release_(data_, context_ ? context_ : device_);
  }
  // A block of the runtime's own memory, 64-byte aligned, not initialised.
  static Ref<Buffer> allocate(size_t bytes);
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // True iff the memory is somebody else's, lent to the runtime.
  bool foreign() const { return context_ != nullptr; }
  device::Device* device() const { return device_; }

 private:
  void* data_;
  size_t bytes_;
  Release release_;
  void* context_;
  device::Device* device_ = nullptr;
};

class Array {
 public:
  Array() = default;
  Array(Ref<Buffer> buffer, char* data, DType dtype, Dims shape, Dims strides)
      : buffer_(std::move(buffer)),
        data_(data),
        dtype_(dtype),
        shape_(std::move(shape)),
        strides_(std::move(strides)) {}
  static Array empty(DType dtype, const Dims& shape);
  static Array zeros(DType dtype, const Dims& shape);
  // A C-contiguous copy of `view`.
  static Array copy_of(const TensorView& view);
  // A 0-d array; `value` is converted to `dtype`.
  static Array scalar(DType dtype, double value);
  static Array scalar_int(DType dtype, int64_t value);
  static Array from_ints(const int64_t* values, int64_t n);  // int64 vector

  explicit operator bool() const { return data_ != nullptr || buffer_; }
  char* data() const { return data_; }
  DType dtype() const { return dtype_; }
  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }
  int ndim() const { return static_cast<int>(shape_.size()); }
  int64_t size() const { return product(shape_); }
  const Ref<Buffer>& buffer() const { return buffer_; }
  // Where the elements are; null: on the host.
  device::Device* device() const { return buffer_ ? buffer_->device() : nullptr; }
  TensorView view() const { return {data_, dtype_, ndim(), shape_.data(), strides_.data()}; }

 private:
  Ref<Buffer> buffer_;
  char* data_ = nullptr;
  DType dtype_ = DType::f64;
  Dims shape_, strides_;
};

// C-order byte strides of a shape.
Dims contiguous_strides(const Dims& shape, size_t item);
void contiguous_strides(const int64_t* shape, int ndim, size_t item, int64_t* strides);

// Copies the elements of `src` (same dtype and shape) to `dst`; any strides. No overlap, except
// that dst and src may be the very same elements.
void copy_elements(const TensorView& dst, const TensorView& src);

// The element at flat C-order position `i` as a double / int64 (complex: the real part).
double element_as_double(const TensorView& v, int64_t i = 0);
int64_t element_as_int(const TensorView& v, int64_t i = 0);
// Writes a value into the element at `p`, converting.
void store_double(void* p, DType dtype, double value);
void store_int(void* p, DType dtype, int64_t value);

// True iff both hold the same dtype, shape and bits (NaN payloads included).
bool same_bits(const Array& a, const Array& b);

// The state of a shared variable: runtime storage, updated in place.
class SharedStorage;

}  // namespace phintys
