// Building expressions: constants, shared variables, shapes, reductions, products.
#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "bindings/device.h"
#include "bindings/handles.h"
#include "bindings/types.h"
#include "device/foreign.h"
#include "graph/print.h"
#include "ops/build.h"
#include "ops/linalg/expressions.h"
#include "ops/reduce.h"

namespace phintys::python {

namespace {

py::object make_constant_variable(py::handle data, const py::object& name) {
  const UserLocation here;
  Array value = array_from_numpy(data, false);
  return wrapped(
      make_constant(std::move(value), name.is_none() ? "" : py::cast<std::string>(name)));
}

void check_value(const Type& type, const Array& value, const char* what) {
  if (value.dtype() != type.dtype()) {
    fail(ErrorKind::type, what, " has dtype ", dtype_name(value.dtype()), ", the variable ",
         type.str());
  }
  if (value.ndim() != type.ndim()) {
    fail(ErrorKind::type, "Wrong number of dimensions: ", what, " has ", value.ndim(),
         ", the variable is ", type.str());
  }
  for (int i = 0; i < type.ndim(); ++i) {
    const int64_t n = value.shape()[static_cast<size_t>(i)];
    if (type.dim(i) != kUnknownDim && type.dim(i) != n) {
      fail(ErrorKind::type, "dimension ", i, " of ", what, " is ", n, ", the variable is ",
           type.str());
    }
  }
}

// An ndarray, or an array on a device, for a shared variable to keep.
Array value_from_python(py::handle data, bool borrow) {
  const Array* there = device_array_of(data.ptr());
  if (!there) return array_from_numpy(data, borrow);
  if (borrow) return *there;
  const Array value = *there;
  const py::gil_scoped_release nogil;
  return value.device()->copy_from(value);
}

py::object make_shared(py::handle data, py::handle type, const py::object& name, bool borrow) {
  const UserLocation here;
  const Type& t = type_from_python(type);
  Array value = value_from_python(data, borrow);
  check_value(t, value, "the value");
  std::string text = name.is_none() ? "" : py::cast<std::string>(name);
  Ref<SharedStorage> storage = make_ref<SharedStorage>(std::move(value), text);
  return wrapped(make_shared_variable(t, std::move(storage), std::move(text)));
}

const Ref<SharedStorage>& storage_of(py::handle variable) {
  const Variable* v = node_of(variable.ptr());
  if (!v->is_shared()) fail(ErrorKind::type, to_string(*v), " is not a shared variable");
  return v->storage();
}

// Locks without blocking other Python threads while it waits.
template <class Lock>
Lock lock_storage(const SharedStorage& storage) {
  Lock lock(storage.mutex(), std::try_to_lock);
  if (!lock.owns_lock()) {
    const py::gil_scoped_release nogil;
    lock.lock();
  }
  return lock;
}

// The value of a storage that was seen to be on a device.
py::object device_value(const SharedStorage& storage, bool borrow, bool internal) {
  Array value;
  {
    // Whoever holds the lock or the device may be waiting for the GIL.
    const py::gil_scoped_release nogil;
    const std::shared_lock<StorageMutex> lock(storage.mutex());
    value = storage.value();
    device::Device* device = value.device();
    if (!device) {
      value = Array::copy_of(value.view());
    } else if (!internal) {
      value = device::to_host(value);
    } else if (!borrow) {
      value = device->copy_from(value);
    }
  }
  if (!value.device()) return numpy_view(value, true);
  PyObject* object = device_array_object(value);
  drop_without_gil(std::move(value));
  if (!object) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

py::object shared_get(py::handle variable, bool borrow, bool internal) {
  const Ref<SharedStorage> storage = storage_of(variable);
  Array value;
  py::array copy;
  {
    const auto lock = lock_storage<std::shared_lock<StorageMutex>>(*storage);
    value = storage->value();
    if (!value.device() && !borrow) copy = numpy_copy(value.view());
  }
  if (!value.device()) return borrow ? numpy_view(value, true) : copy;
  drop_without_gil(std::move(value));
  return device_value(*storage, borrow, internal);
}

void shared_set(py::handle variable, py::handle data, bool borrow) {
  const Ref<SharedStorage> storage = storage_of(variable);
  Array value = value_from_python(data, borrow);
  check_value(node_of(variable.ptr())->type(), value, "the new value");
  // The old value is dropped after the lock: its buffer may belong to Python.
  Array old;
  {
    const auto lock = lock_storage<std::unique_lock<StorageMutex>>(*storage);
    old = storage->value();
    if (!old.device()) storage->set_value(std::move(value));
  }
  if (!old.device()) return;
  const py::gil_scoped_release nogil;
  old = Array();
  const std::unique_lock<StorageMutex> lock(storage->mutex());
  old = storage->value();
  // What was on a device stays there.
  if (old.device() && !value.device()) value = old.device()->upload(value.view());
  storage->set_value(std::move(value));
}

void shared_move(py::handle variable, const std::string& name) {
  const Ref<SharedStorage> storage = storage_of(variable);
  device::Device* device = device_from_python(name);
  Array old;
  const py::gil_scoped_release nogil;
  const std::unique_lock<StorageMutex> lock(storage->mutex());
  old = storage->value();
  storage->set_value(device::moved(old, device));
}

std::string shared_device(py::handle variable) {
  const Ref<SharedStorage> storage = storage_of(variable);
  const auto lock = lock_storage<std::shared_lock<StorageMutex>>(*storage);
  return device_name(storage->value().device());
}

py::object reduce_variable(const std::string& kind, py::handle x, py::handle axes, py::handle dtype,
                           py::handle acc_dtype, bool keepdims) {
  const UserLocation here;
  const Var v = var_from(x);
  std::vector<int64_t> dims;
  if (axes.is_none()) {
    for (int i = 0; i < v.ndim(); ++i) dims.push_back(i);
  } else {
    dims = ints_from_python(axes, "axes");
  }
  for (int64_t& axis : dims) {
    const int64_t given = axis;
    if (axis < 0) axis += v.ndim();
    if (axis < 0 || axis >= v.ndim()) {
      fail(ErrorKind::value, "axis ", given, " is out of range for a variable of ", v.ndim(),
           " dimensions");
    }
  }
  if (dtype.is_none() && acc_dtype.is_none()) return wrapped(reduce(kind, v, dims, keepdims));
  // Both dtypes as the plain reduction would choose them, then those that were given.
  const Var plain = reduce(kind, v, dims, false);
  const Reduce* chosen =
      plain->owner() ? dynamic_cast<const Reduce*>(&plain->owner()->op()) : nullptr;
  if (!chosen)
    return wrapped(cast(reduce(kind, v, dims, keepdims),
                        dtype.is_none() ? plain.dtype() : dtype_from_python(dtype)));
  Ref<Reduce> op = make_ref<Reduce>(*chosen);
  if (!dtype.is_none()) op->dtype = dtype_from_python(dtype);
  if (!acc_dtype.is_none()) op->acc_dtype = dtype_from_python(acc_dtype);
  op->check_attributes();
  Var out = apply(op, {v});
  if (keepdims) {
    std::vector<int64_t> order;
    int64_t next = 0;
    for (int64_t i = 0; i < v.ndim(); ++i) {
      const bool reduced = std::find(dims.begin(), dims.end(), i) != dims.end();
      order.push_back(reduced ? -1 : next++);
    }
    out = dimshuffle(out, order);
  }
  return wrapped(out);
}

// Entries are axes or 'x'.
std::vector<int64_t> pattern(py::handle order) {
  std::vector<int64_t> out;
  for (py::handle item : order) {
    if (py::isinstance<py::str>(item)) {
      if (py::cast<std::string>(item) != "x") {
        fail(ErrorKind::value, "a dimshuffle pattern has axes and 'x', not '",
             py::cast<std::string>(item), "'");
      }
      out.push_back(-1);
    } else {
      out.push_back(py::cast<int64_t>(item));
    }
  }
  return out;
}

void bind_shapes(py::module_& m) {
  m.def(
      "shape_i",
      [](py::handle v, int i) {
        const UserLocation here;
        return wrapped(shape_i(var_from(v), i));
      },
      py::arg("var"), py::arg("i"), "Length of dimension i, an int64 scalar.");
  m.def(
      "dimshuffle",
      [](py::handle v, py::handle order) {
        const UserLocation here;
        return wrapped(dimshuffle(var_from(v), pattern(order)));
      },
      py::arg("var"), py::arg("order"), "Permute axes; 'x' or -1 adds one of length 1.");
  m.def(
      "alloc",
      [](py::handle value, py::handle dims) {
        const UserLocation here;
        return wrapped(alloc(var_from(value), vars_from(dims)));
      },
      py::arg("value"), py::arg("dims"), "Repeat a value to a shape.");
  m.def(
      "reshape",
      [](py::handle v, py::handle shape, int ndim) {
        const UserLocation here;
        return wrapped(reshape(var_from(v), var_from(shape), ndim));
      },
      py::arg("var"), py::arg("shape"), py::arg("ndim"),
      "The same elements with another shape, an int64 vector.");
  m.def(
      "make_vector",
      [](py::handle scalars) {
        const UserLocation here;
        return wrapped(make_vector(vars_from(scalars)));
      },
      py::arg("scalars"), "An int64 vector of scalars.");
  m.def(
      "join",
      [](int axis, py::handle parts) {
        const UserLocation here;
        return wrapped(join(axis, vars_from(parts)));
      },
      py::arg("axis"), py::arg("parts"), "Join variables along an axis.");
}

}  // namespace

void bind_build(py::module_& m) {
  m.def("constant", &make_constant_variable, py::arg("data"), py::arg("name") = py::none(),
        "A constant with a copy of an ndarray.");
  m.def("shared", &make_shared, py::arg("data"), py::arg("type"), py::arg("name") = py::none(),
        py::arg("borrow") = false,
        "A shared variable. With borrow the array's own memory is used, and updated in place.");
  m.def("shared_get", &shared_get, py::arg("var"), py::arg("borrow") = false,
        py::arg("internal") = false,
        "Value of a shared variable: a copy, or (borrow) an array on its memory. A value on a "
        "device is copied to the host, unless `internal`: then it is a device array.");
  m.def("shared_move", &shared_move, py::arg("var"), py::arg("device"),
        "Move the value of a shared variable to a device, or to the host (\"cpu\").");
  m.def("shared_device", &shared_device, py::arg("var"),
        "Where the value of a shared variable is: \"cpu\" or the name of a device.");
  m.def("shared_set", &shared_set, py::arg("var"), py::arg("data"), py::arg("borrow") = false,
        "Replace the value of a shared variable.");
  m.def(
      "cast",
      [](py::handle v, py::handle dtype) {
        const UserLocation here;
        return wrapped(cast(var_from(v), dtype_from_python(dtype)));
      },
      py::arg("var"), py::arg("dtype"), "The variable converted to a dtype.");
  m.def(
      "dot",
      [](py::handle a, py::handle b) {
        const UserLocation here;
        return wrapped(dot(var_from(a), var_from(b)));
      },
      py::arg("a"), py::arg("b"), "Product of vectors and matrices.");
  m.def(
      "matmul",
      [](py::handle a, py::handle b) {
        const UserLocation here;
        return wrapped(linalg::matmul(var_from(a), var_from(b)));
      },
      py::arg("a"), py::arg("b"), "Products of stacks of matrices.");
  m.def(
      "lower_part",
      [](py::handle x, int64_t k) {
        const UserLocation here;
        return wrapped(linalg::lower_part(var_from(x), k));
      },
      py::arg("x"), py::arg("k"), "Matrices with zeros above a diagonal.");
  m.def(
      "upper_part",
      [](py::handle x, int64_t k) {
        const UserLocation here;
        return wrapped(linalg::upper_part(var_from(x), k));
      },
      py::arg("x"), py::arg("k"), "Matrices with zeros below a diagonal.");
  m.def("reduce", &reduce_variable, py::arg("kind"), py::arg("var"), py::arg("axes"),
        py::arg("dtype") = py::none(), py::arg("acc_dtype") = py::none(),
        py::arg("keepdims") = false,
        "Reduce over axes: \"sum\", \"prod\", \"max\", \"min\", \"all\" or \"any\".");
  m.def(
      "uniform_constant",
      [](py::handle v) -> py::object {
        double value = 0;
        if (!uniform_constant(node_of(v.ptr()), &value)) return py::none();
        return py::float_(value);
      },
      py::arg("var"), "The value of a constant all of whose elements are equal, or None.");
  bind_shapes(m);
}

}  // namespace phintys::python
