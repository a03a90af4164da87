#include "array/array.h"

#include <cstring>

#include "array/shared_storage.h"
#include "base/error.h"
#include "kernels/memory.h"

namespace phintys {

bool TensorView::contiguous() const {
  int64_t expect = static_cast<int64_t>(item_size(dtype));
  for (int i = ndim - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expect) return false;
    expect *= shape[i];
  }
  return true;
}

Ref<Buffer> Buffer::allocate(size_t bytes) {
  void* p = block_alloc(bytes ? bytes : 1);
  return make_ref<Buffer>(p, bytes, [](void* data, void*) { block_free(data); }, nullptr);
}

void contiguous_strides(const int64_t* shape, int ndim, size_t item, int64_t* strides) {
  int64_t step = static_cast<int64_t>(item);
  for (int i = ndim - 1; i >= 0; --i) {
    strides[i] = step;
    // Of an array without elements the product may be beyond all integers, and means nothing.
    if (shape[i] > 1 && __builtin_mul_overflow(step, shape[i], &step)) step = 0;
  }
}

Dims contiguous_strides(const Dims& shape, size_t item) {
  Dims strides;
  strides.resize(shape.size(), 0);
  contiguous_strides(shape.data(), static_cast<int>(shape.size()), item, strides.data());
  return strides;
}

Array Array::empty(DType dtype, const Dims& shape) {
  size_t bytes = item_size(dtype);
  for (int64_t d : shape) {
    if (d < 0) fail(ErrorKind::value, "negative dimension in shape ", to_string(shape));
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(d), &bytes))
      fail(ErrorKind::memory, "an array of shape ", to_string(shape), " does not fit in memory");
  }
  Ref<Buffer> buffer = Buffer::allocate(bytes);
  char* data = static_cast<char*>(buffer->data());
  return Array(std::move(buffer), data, dtype, shape, contiguous_strides(shape, item_size(dtype)));
}

Array Array::zeros(DType dtype, const Dims& shape) {
  Array a = empty(dtype, shape);
  std::memset(a.data(), 0, static_cast<size_t>(a.size()) * item_size(dtype));
  return a;
}

Array Array::copy_of(const TensorView& view) {
  Array a = empty(view.dtype, Dims(view.shape, view.shape + view.ndim));
  copy_elements(a.view(), view);
  return a;
}

Array Array::scalar(DType dtype, double value) {
  Array a = empty(dtype, {});
  store_double(a.data(), dtype, value);
  return a;
}

Array Array::scalar_int(DType dtype, int64_t value) {
  Array a = empty(dtype, {});
  store_int(a.data(), dtype, value);
  return a;
}

Array Array::from_ints(const int64_t* values, int64_t n) {
  Array a = empty(DType::i64, {n});
  std::memcpy(a.data(), values, static_cast<size_t>(n) * sizeof(int64_t));
  return a;
}

namespace {

template <class Word>
void copy_row(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    Word w;
    std::memcpy(&w, src + i * ss, sizeof(Word));
    std::memcpy(dst + i * ds, &w, sizeof(Word));
  }
}

struct Word16 {
  uint64_t w[2];
};

void copy_run(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n, size_t item) {
  int64_t step = static_cast<int64_t>(item);
  if (ds == step && ss == step) {
    std::memmove(dst, src, static_cast<size_t>(n) * item);
    return;
  }
  switch (item) {
    case 1:
      return copy_row<uint8_t>(dst, ds, src, ss, n);
    case 2:
      return copy_row<uint16_t>(dst, ds, src, ss, n);
    case 4:
      return copy_row<uint32_t>(dst, ds, src, ss, n);
    case 8:
      return copy_row<uint64_t>(dst, ds, src, ss, n);
    default:
      return copy_row<Word16>(dst, ds, src, ss, n);
  }
}

}  // namespace

void copy_elements(const TensorView& dst, const TensorView& src) {
  int64_t total = dst.size();
  if (total == 0) return;
  size_t item = item_size(dst.dtype);
  if (dst.contiguous() && src.contiguous()) {
    std::memmove(dst.data, src.data, static_cast<size_t>(total) * item);
    return;
  }
  int nd = dst.ndim;
  if (nd == 1)
    return copy_run(dst.data, dst.strides[0], src.data, src.strides[0], dst.shape[0], item);
  int64_t inner = dst.shape[nd - 1];
  Dims index;
  index.resize(static_cast<size_t>(nd), 0);
  char* d = dst.data;
  const char* s = src.data;
  for (;;) {
    copy_run(d, dst.strides[nd - 1], s, src.strides[nd - 1], inner, item);
    int k = nd - 2;
    for (; k >= 0; --k) {
      d += dst.strides[k];
      s += src.strides[k];
      if (++index[static_cast<size_t>(k)] < dst.shape[k]) break;
      index[static_cast<size_t>(k)] = 0;
      d -= dst.strides[k] * dst.shape[k];
      s -= src.strides[k] * src.shape[k];
    }
    if (k < 0) return;
  }
}

namespace {

const char* element_at(const TensorView& v, int64_t i) {
  const char* p = v.data;
  for (int k = v.ndim - 1; k >= 0; --k) {
    p += (i % v.shape[k]) * v.strides[k];
    i /= v.shape[k];
  }
  return p;
}

template <class T, class Out>
Out convert(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  if constexpr (std::is_same_v<T, Half>) {
    return static_cast<Out>(half_to_float(value));
  } else if constexpr (std::is_same_v<T, std::complex<float>> ||
                       std::is_same_v<T, std::complex<double>>) {
    return static_cast<Out>(value.real());
  } else {
    return static_cast<Out>(value);
  }
}

template <class In>
void store(void* p, DType dtype, In value) {
  dispatch_dtype(dtype, [&]<class T>() {
    T v;
    if constexpr (std::is_same_v<T, Half>) {
      v = float_to_half(static_cast<float>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      v = value != In(0);
    } else if constexpr (std::is_same_v<T, std::complex<float>> ||
                         std::is_same_v<T, std::complex<double>>) {
      v = T(static_cast<typename T::value_type>(value));
    } else if constexpr (std::is_integral_v<T> && std::is_floating_point_v<In>) {
      v = static_cast<T>(static_cast<int64_t>(value));
    } else {
      v = static_cast<T>(value);
    }
    std::memcpy(p, &v, sizeof(T));
  });
}

}  // namespace

double element_as_double(const TensorView& v, int64_t i) {
  const char* p = element_at(v, i);
  return dispatch_dtype(v.dtype, [&]<class T>() { return convert<T, double>(p); });
}

int64_t element_as_int(const TensorView& v, int64_t i) {
  const char* p = element_at(v, i);
  return dispatch_dtype(v.dtype, [&]<class T>() { return convert<T, int64_t>(p); });
}

void store_double(void* p, DType dtype, double value) { store(p, dtype, value); }
void store_int(void* p, DType dtype, int64_t value) { store(p, dtype, value); }

bool same_bits(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  TensorView va = a.view(), vb = b.view();
  int64_t n = a.size();
  size_t item = item_size(a.dtype());
  if (va.contiguous() && vb.contiguous())
    return std::memcmp(va.data, vb.data, static_cast<size_t>(n) * item) == 0;
  for (int64_t i = 0; i < n; ++i)
    if (std::memcmp(element_at(va, i), element_at(vb, i), item) != 0) return false;
  return true;
}

}  // namespace phintys
