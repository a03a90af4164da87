#include "bindings/dlpack.h"

#include <cstring>
#include <memory>

namespace phintys::python {

namespace {

constexpr uint64_t kIsCopied = 2;
constexpr uint32_t kMajor = 1, kMinor = 1;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kComplex = 5, kBool = 6 };

struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // elements; null: C order
  uint64_t byte_offset;
};
struct DLManagedTensor {
  static constexpr const char* kName = "dltensor";
  static constexpr const char* kUsed = "used_dltensor";
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  static constexpr const char* kName = "dltensor_versioned";
  static constexpr const char* kUsed = "used_dltensor_versioned";
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

DLDataType dtype_for_dlpack(DType d) {
  const uint8_t bits = static_cast<uint8_t>(item_size(d) * 8);
  const uint8_t code = is_bool(d)           ? kBool
                       : is_signed_int(d)   ? kInt
                       : is_unsigned_int(d) ? kUInt
                       : is_complex(d)      ? kComplex
                                            : kFloat;
  return {code, bits, 1};
}

DType dtype_from_dlpack(DLDataType d) {
  for (int i = 0; i < kNumDTypes; ++i) {
    const DLDataType ours = dtype_for_dlpack(static_cast<DType>(i));
    if (ours.code == d.code && ours.bits == d.bits && d.lanes == 1) return static_cast<DType>(i);
  }
  fail(ErrorKind::type, "an array of a type that Phintys does not have (DLPack code ", int(d.code),
       ", ", int(d.bits), " bits)");
}

// --- ours
// -----------------------------------------------------------------------------------------

// What a capsule keeps alive.
template <class Managed>
struct Export {
  Managed managed;
  Array array;
  std::vector<int64_t> shape, strides;
  void* stream = nullptr;

  ~Export() {
    if (stream && array.device()) {
      try {
        device::order_after(*array.device(), stream);
      } catch (...) {  // a device that is lost uses nothing any more
      }
    }
  }
};

// With the GIL or without.
template <class Managed>
void delete_export(Managed* managed) {
  auto* all = static_cast<Export<Managed>*>(managed->context);
  if (Py_IsInitialized() && PyGILState_Check()) {
    const py::gil_scoped_release nogil;
    delete all;
  } else {
    delete all;
  }
}

// Of a capsule that nobody has taken.
template <class Managed>
void delete_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Managed::kName)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kName));
  if (managed->deleter) managed->deleter(managed);
}

template <class Managed>
py::object make_capsule(const Array& array, int type, int id, bool copied, void* stream) {
  auto all = std::make_unique<Export<Managed>>();
  all->array = array;
  all->stream = stream;
  const int64_t item = static_cast<int64_t>(item_size(array.dtype()));
  for (int i = 0; i < array.ndim(); ++i) {
    all->shape.push_back(array.shape()[static_cast<size_t>(i)]);
    all->strides.push_back(array.strides()[static_cast<size_t>(i)] / item);
  }
  Managed& m = all->managed;
  std::memset(&m, 0, sizeof m);
  m.tensor = {array.data(),
              type,
              id,
              array.ndim(),
              dtype_for_dlpack(array.dtype()),
              all->shape.data(),
              all->strides.data(),
              0};
  m.context = all.get();
  m.deleter = &delete_export<Managed>;
  if constexpr (requires { m.flags; }) {
    m.major = kMajor;
    m.minor = kMinor;
    m.flags = copied ? kIsCopied : 0;
  }
  PyObject* capsule = PyCapsule_New(&m, Managed::kName, &delete_capsule<Managed>);
  if (!capsule) throw py::error_already_set();
  all.release();
  return py::reinterpret_steal<py::object>(capsule);
}

// --- others'
// --------------------------------------------------------------------------------------

template <class Managed>
void release_managed(void* p) {
  auto* managed = static_cast<Managed*>(p);
  if (managed->deleter) managed->deleter(managed);
}

template <class Managed>
device::Foreign take(PyObject* capsule) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kName));
  if (!managed) throw py::error_already_set();
  if constexpr (requires { managed->flags; }) {
    if (managed->major > kMajor) {
      fail(ErrorKind::type, "an array of DLPack ", managed->major, ", which is not known");
    }
  }
  const DLTensor& t = managed->tensor;
  if (t.ndim < 0 || t.ndim > kMaxRank) {
    fail(ErrorKind::value, "an array of ", t.ndim, " dimensions: at most ", kMaxRank,
         " are supported");
  }
  device::Foreign out;
  out.dtype = dtype_from_dlpack(t.dtype);
  out.data = t.data ? static_cast<char*>(t.data) + t.byte_offset : nullptr;
  const int64_t item = static_cast<int64_t>(item_size(out.dtype));
  for (int i = 0; i < t.ndim; ++i) out.shape.push_back(t.shape[i]);
  out.strides = contiguous_strides(out.shape, static_cast<size_t>(item));
  for (int i = 0; t.strides && i < t.ndim; ++i) {
    out.strides[static_cast<size_t>(i)] = t.strides[i] * item;
  }
  if (PyCapsule_SetName(capsule, Managed::kUsed) != 0) throw py::error_already_set();
  out.release = &release_managed<Managed>;
  out.owner = managed;
  return out;
}

}  // namespace

py::object dlpack_capsule(const Array& array, int type, int id, bool versioned, bool copied,
                          void* stream) {
  return versioned ? make_capsule<DLManagedTensorVersioned>(array, type, id, copied, stream)
                   : make_capsule<DLManagedTensor>(array, type, id, copied, stream);
}

device::Foreign foreign_from_dlpack(py::handle capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), DLManagedTensorVersioned::kName)) {
    return take<DLManagedTensorVersioned>(capsule.ptr());
  }
  if (PyCapsule_IsValid(capsule.ptr(), DLManagedTensor::kName)) {
    return take<DLManagedTensor>(capsule.ptr());
  }
  fail(ErrorKind::type, "no DLPack capsule, or one that was used before");
}

}  // namespace phintys::python
