// Conversions between NumPy's arrays and dtypes and the runtime's.
#include <cstdlib>
#include <cstring>

#include "bindings/common.h"

namespace phintys::python {

namespace {

// Keeps an ndarray alive for as long as the runtime uses its memory.
void release_ndarray(void*, void* context) {
  if (!Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(context));
  PyGILState_Release(state);
}

// Of a cell with a reference on an object.
void release_object(void* cell, void*) {
  if (!Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  PyObject** object = static_cast<PyObject**>(cell);
  Py_DECREF(*object);
  delete object;
  PyGILState_Release(state);
}

bool usable_in_place(const py::array& a) {
  const char order = a.dtype().byteorder();
  return (a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) && (order == '=' || order == '|');
}

// True unless each element surely has memory of its own: what is written to one (a broadcast
// array's, say) would change another.
bool overlaps_itself(Dims shape, Dims strides, int64_t item) {
  for (int64_t n : shape)
    if (n == 0) return false;
  int64_t covered = item;  // bytes that the dimensions seen so far span
  for (size_t seen = 0; seen < shape.size(); ++seen) {
    size_t least = shape.size();
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] > 1 &&
          (least == shape.size() || std::abs(strides[d]) < std::abs(strides[least])))
        least = d;
    if (least == shape.size()) return false;
    if (std::abs(strides[least]) < covered) return true;
    covered += (shape[least] - 1) * std::abs(strides[least]);
    shape[least] = 1;
  }
  return false;
}

}  // namespace

DType dtype_from_name(std::string_view name) {
  DType d;
  if (!parse_dtype(name, &d)) fail(ErrorKind::type, "there is no dtype '", name, "'");
  return d;
}

DType dtype_from_python(py::handle dtype) {
  if (py::isinstance<py::str>(dtype)) {
    DType d;
    if (parse_dtype(py::cast<std::string>(dtype), &d)) return d;
  }
  const py::dtype np = py::dtype::from_args(py::reinterpret_borrow<py::object>(dtype));
  // The name of a byte-swapped dtype is that of the native one: the caller converts the data.
  return dtype_from_name(py::cast<std::string>(np.attr("name")));
}

py::dtype numpy_dtype(DType dtype) {
  static PyObject* cache[kNumDTypes] = {};
  PyObject*& entry = cache[static_cast<int>(dtype)];
  if (!entry) entry = py::dtype(std::string(dtype_name(dtype))).release().ptr();
  return py::reinterpret_borrow<py::dtype>(entry);
}

py::str dtype_str(DType dtype) {
  static PyObject* cache[kNumDTypes] = {};
  PyObject*& entry = cache[static_cast<int>(dtype)];
  if (!entry) entry = PyUnicode_InternFromString(std::string(dtype_name(dtype)).c_str());
  return py::reinterpret_borrow<py::str>(entry);
}

std::vector<int64_t> ints_from_python(py::handle sequence, const char* what) {
  std::vector<int64_t> out;
  if (PyIndex_Check(sequence.ptr()) && !PySequence_Check(sequence.ptr())) {
    throw py::type_error(std::string(what) + " must be a sequence of integers");
  }
  for (py::handle item : sequence) {
    py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!index) throw py::error_already_set();
    out.push_back(py::cast<int64_t>(index));
  }
  return out;
}

Array array_from_numpy(py::handle object, bool borrow) {
  if (!py::isinstance<py::array>(object)) {
    fail(ErrorKind::type, "a NumPy array is needed, not ",
         py::cast<std::string>(py::str(py::type::handle_of(object).attr("__name__"))));
  }
  py::array a = py::reinterpret_borrow<py::array>(object);
  const DType dtype = dtype_from_python(a.dtype());
  if (a.ndim() > kMaxRank) {
    fail(ErrorKind::value, "an array of ", a.ndim(), " dimensions: at most ", kMaxRank,
         " are supported");
  }
  if (!usable_in_place(a)) {
    a = py::array(a.attr("astype")(numpy_dtype(dtype), py::arg("copy") = true));
    borrow = true;  // the copy is ours alone
  }
  Dims shape, strides;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    shape.push_back(a.shape(i));
    strides.push_back(a.strides(i));
  }
  char* data = static_cast<char*>(const_cast<void*>(a.data()));
  if (!borrow || overlaps_itself(shape, strides, static_cast<int64_t>(item_size(dtype)))) {
    return Array::copy_of(
        {data, dtype, static_cast<int>(shape.size()), shape.data(), strides.data()});
  }
  const size_t bytes = static_cast<size_t>(a.nbytes());
  Ref<Buffer> buffer = make_ref<Buffer>(data, bytes, &release_ndarray, a.release().ptr());
  return Array(std::move(buffer), data, dtype, std::move(shape), std::move(strides));
}

Array array_of_object(py::object object) {
  static_assert(sizeof(PyObject*) == sizeof(int64_t));
  PyObject** cell = new PyObject*(object.release().ptr());
  Ref<Buffer> buffer = make_ref<Buffer>(cell, sizeof *cell, &release_object, nullptr);
  return Array(std::move(buffer), reinterpret_cast<char*>(cell), DType::i64, {}, {});
}

py::object object_at(const TensorView& view) {
  PyObject* object;
  std::memcpy(&object, view.data, sizeof object);
  return py::reinterpret_borrow<py::object>(object);
}

py::object value_for_python(const TensorView& view, const Type& type) {
  return type.is_generic() ? object_at(view) : py::object(numpy_copy(view));
}

py::array numpy_borrowed(const TensorView& view, py::handle owner) {
  std::vector<py::ssize_t> shape(view.shape, view.shape + view.ndim);
  std::vector<py::ssize_t> strides(view.strides, view.strides + view.ndim);
  static char nothing[16];
  return py::array(numpy_dtype(view.dtype), std::move(shape), std::move(strides),
                   view.data ? view.data : nothing, owner);
}

py::array numpy_view(const Array& array, bool writeable) {
  py::capsule base(new Ref<Buffer>(array.buffer()),
                   [](void* p) { delete static_cast<Ref<Buffer>*>(p); });
  py::array out = numpy_borrowed(array.view(), base);
  if (!writeable) {
    py::detail::array_proxy(out.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  }
  return out;
}

py::array numpy_copy(const TensorView& view) {
  std::vector<py::ssize_t> shape(view.shape, view.shape + view.ndim);
  py::array out(numpy_dtype(view.dtype), std::move(shape));
  Dims strides;
  for (py::ssize_t i = 0; i < out.ndim(); ++i) strides.push_back(out.strides(i));
  copy_elements(
      {static_cast<char*>(out.mutable_data()), view.dtype, view.ndim, view.shape, strides.data()},
      view);
  return out;
}

}  // namespace phintys::python
