// The parts of a call that are best said in C++: looking at arguments, running, wrapping results.
//
// The call path allocates nothing of its own: views of up to kInlineInputs arguments live on the
// C stack, and results are the only Python objects made.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "bindings/api.h"
#include "call_limits.h"
#include "call_numbers.h"

namespace phintys::pycall {

inline constexpr int kInlineInputs = 16;
// Results up to this size are copied into memory of NumPy's own, which costs less than a capsule.
inline constexpr int64_t kCopyBytes = 2048;

// What the fast path checks of one argument.
struct InputSpec {
  int number = 0;       // NumPy's number of the dtype
  int same_number = 0;  // another one for the same dtype (long and long long), or the same
  int ndim = 0;
  DType dtype = DType::f64;
  uint32_t unit_dims = 0;  // bit i set iff dimension i must be 1
  bool strict = false;     // only ndarrays
  bool generic = false;    // any object: its address is the value
  enum : uint8_t { kNever, kAlways, kToFloatX } round_floats = kNever;  // Python's, to float32
};

inline void fill_spec(InputSpec* spec, const runtime::InputInfo& info, bool strict,
                      PyObject* allow_downcast) {
  spec->dtype = info.type.dtype();
  spec->number = spec->same_number = type_number(spec->dtype);
  if (spec->dtype == DType::i64) spec->same_number = NPY_LONGLONG;
  if (spec->dtype == DType::u64) spec->same_number = NPY_ULONGLONG;
  spec->ndim = info.type.ndim();
  spec->unit_dims = 0;
  for (int i = 0; i < spec->ndim; ++i) {
    if (info.type.broadcastable(i)) spec->unit_dims |= uint32_t{1} << i;
  }
  spec->strict = strict;
  spec->generic = info.type.is_generic();
  if (spec->dtype == DType::f32) {
    if (allow_downcast == Py_None) spec->round_floats = InputSpec::kToFloatX;
    if (allow_downcast == Py_True) spec->round_floats = InputSpec::kAlways;
  }
}

static_assert(sizeof(npy_intp) == sizeof(int64_t));

// A view of an ndarray's memory. False if it is not as `spec` says.
inline bool view_array(PyArrayObject* a, const InputSpec& spec, TensorView* view) {
  const int number = PyArray_TYPE(a);
  if (number != spec.number && number != spec.same_number) return false;
  if (PyArray_NDIM(a) != spec.ndim) return false;
  if (!PyArray_ISALIGNED(a) || !PyArray_ISNOTSWAPPED(a)) return false;
  for (uint32_t rest = spec.unit_dims; rest; rest &= rest - 1) {
    if (PyArray_DIM(a, __builtin_ctz(rest)) != 1) return false;
  }
  view->data = PyArray_BYTES(a);
  view->dtype = spec.dtype;
  view->ndim = spec.ndim;
  view->shape = reinterpret_cast<const int64_t*>(PyArray_DIMS(a));
  view->strides = reinterpret_cast<const int64_t*>(PyArray_STRIDES(a));
  return true;
}

// Whether Python's floats are rounded to the input's dtype, which is float32.
inline bool rounds(const InputSpec& spec) {
  if (spec.round_floats != InputSpec::kToFloatX) return spec.round_floats == InputSpec::kAlways;
  return g_api->config->floatX == DType::f32;
}

// The fast path of one argument: no Python-level call, nothing allocated.
inline bool view_argument(PyObject* x, const InputSpec& spec, TensorView* view, Slot* slot) {
  if (PHINTYS_UNLIKELY(spec.generic)) {
    std::memcpy(slot->bytes, &x, sizeof x);
    *view = TensorView{slot->bytes, DType::i64, 0, nullptr, nullptr};
    return true;
  }
  PyArrayObject* array = PyArray_CheckExact(x) ? reinterpret_cast<PyArrayObject*>(x) : nullptr;
  if (array && view_array(array, spec, view)) return true;
  if (spec.ndim != 0 || spec.strict) return false;
  const bool stored =
      array ? store_zero_dim(array, spec.dtype, slot)
            : store_number(x, spec.dtype, slot) || (rounds(spec) && store_rounded(x, slot));
  if (stored) *view = TensorView{slot->bytes, spec.dtype, 0, nullptr, nullptr};
  return stored;
}

// The same for any object: false unless it is an ndarray (or of a subclass) as `spec` says.
inline bool view_array_object(PyObject* x, const InputSpec& spec, TensorView* view) {
  return PyArray_Check(x) && view_array(reinterpret_cast<PyArrayObject*>(x), spec, view);
}

inline void release_buffer(PyObject* capsule) {
  delete static_cast<Ref<Buffer>*>(PyCapsule_GetPointer(capsule, nullptr));
}

// An ndarray on the memory of a result.
inline PyObject* wrap_array(const Array& array) {
  auto buffer = std::make_unique<Ref<Buffer>>(array.buffer());
  PyObject* base = PyCapsule_New(buffer.get(), nullptr, &release_buffer);
  if (!base) return nullptr;
  buffer.release();
  npy_intp dims[kMaxRank + 1], strides[kMaxRank + 1];
  for (int i = 0; i < array.ndim(); ++i) {
    dims[i] = array.shape()[static_cast<size_t>(i)];
    strides[i] = array.strides()[static_cast<size_t>(i)];
  }
  PyObject* out =
      PyArray_New(&PyArray_Type, array.ndim(), dims, type_number(array.dtype()), strides,
                  array.data(), 0, NPY_ARRAY_ALIGNED | NPY_ARRAY_WRITEABLE, nullptr);
  if (!out) {
    Py_DECREF(base);
    return nullptr;
  }
  PyArray_UpdateFlags(reinterpret_cast<PyArrayObject*>(out),
                      NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS);
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(out), base) != 0) {
    Py_DECREF(out);
    return nullptr;
  }
  return out;
}

// The object that is a result of generic type.
inline PyObject* result_object(const runtime::Call& call, int i) {
  PyObject* object;
  std::memcpy(&object, call.output(i).data, sizeof object);
  Py_INCREF(object);
  return object;
}

inline PyObject* result_array(runtime::Call& call, int i) {
  const TensorView v = call.output(i);
  const int64_t bytes = v.size() * static_cast<int64_t>(item_size(v.dtype));
  if (bytes > kCopyBytes) return wrap_array(call.take_output(i));
  PyObject* out =
      PyArray_SimpleNew(v.ndim, const_cast<npy_intp*>(reinterpret_cast<const npy_intp*>(v.shape)),
                        type_number(v.dtype));
  if (!out) return nullptr;
  PyArrayObject* a = reinterpret_cast<PyArrayObject*>(out);
  if (v.ndim == 0 || v.contiguous()) {
    if (bytes) std::memcpy(PyArray_DATA(a), v.data, static_cast<size_t>(bytes));
  } else {
    copy_elements({PyArray_BYTES(a), v.dtype, v.ndim, v.shape,
                   reinterpret_cast<const int64_t*>(PyArray_STRIDES(a))},
                  v);
  }
  return out;
}

// What a call does with the GIL.
enum GilUse { GIL_RELEASE = 0, GIL_KEEP = 1, GIL_KEEP_UNLESS_WAITING = 2 };

// Whether every value of the function has a few elements: releasing the GIL would cost more than the
// call.
inline bool is_tiny(const runtime::Function& f) {
  constexpr int kMostNodes = 64;
  constexpr int64_t kMostElements = 64;
  const Graph& graph = f.graph();
  if (f.options().monitor || graph.num_nodes() > kMostNodes) return false;
  const auto small = [](const Type& type) {
    int64_t n = 1;
    for (int i = 0; i < type.ndim(); ++i) {
      const int64_t dim = type.dim(i);
      if (dim < 0 || dim > kMostElements) return false;
      n *= dim;
      if (n > kMostElements) return false;
    }
    return true;
  };
  for (const runtime::InputInfo& input : f.inputs()) {
    if (!small(input.type)) return false;
  }
  for (const Var& v : graph.shared()) {
    if (!small(v.type()) || v.type().is_generic()) return false;
  }
  for (const Apply* node : graph.toposort()) {
    if (!node->op().inner().empty() || node->op().opaque()) return false;  // a loop may be long
    for (const Var& v : node->inputs()) {
      if (!small(v->type())) return false;
    }
    for (int i = 0; i < node->nout(); ++i) {
      if (!small(node->output(i)->type())) return false;
    }
  }
  return true;
}

// A function with shared variables may have to wait for their locks: not with the GIL.
inline int gil_use(const runtime::Function& f) {
  if (!is_tiny(f)) return GIL_RELEASE;
  return f.shared().empty() ? GIL_KEEP : GIL_KEEP_UNLESS_WAITING;
}

inline int load_api(PyObject* capsule) {
  g_api = static_cast<const python::Api*>(PyCapsule_GetPointer(capsule, python::kApiCapsule));
  return g_api ? 0 : -1;
}

inline int import_numpy() {
  if (_import_array() < 0) return -1;
  return 0;
}

inline runtime::Function* function_of(PyObject* object) { return g_api->function_of(object); }

// Operands and results of one call: on the C stack up to kInlineInputs of each.
class Frame {
 public:
  TensorView* views = reinterpret_cast<TensorView*>(view_bytes_);
  Slot* slots = slots_;
  PyObject** results = results_;

  Frame() noexcept {}
  ~Frame() { PyMem_Free(block_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  int reserve(int inputs, int outputs) {
    if (PHINTYS_LIKELY(inputs <= kInlineInputs && outputs <= kInlineInputs)) return 0;
    const size_t n = static_cast<size_t>(inputs), m = static_cast<size_t>(outputs);
    block_ = PyMem_Malloc(n * (sizeof(Slot) + sizeof(TensorView)) + m * sizeof(PyObject*) + 16);
    if (!block_) {
      PyErr_NoMemory();
      return -1;
    }
    // The widest alignment first.
    slots = reinterpret_cast<Slot*>((reinterpret_cast<uintptr_t>(block_) + 15) & ~uintptr_t{15});
    views = reinterpret_cast<TensorView*>(slots + n);
    results = reinterpret_cast<PyObject**>(views + n);
    return 0;
  }

 private:
  // Not initialised: a call writes what it uses.
  alignas(TensorView) char view_bytes_[kInlineInputs * sizeof(TensorView)];
  Slot slots_[kInlineInputs];
  PyObject* results_[kInlineInputs];
  void* block_ = nullptr;
};

// The computation itself. `limits`: null where the caller set none.
inline void compute(runtime::Call& call, const TensorView* views, bool keep_gil,
                    runtime::CallOptions* limits) {
  const bool interruptible_call = !keep_gil && on_main_thread();
  if (PHINTYS_UNLIKELY(limits != nullptr)) {
    if (interruptible_call) limits->poll = &poll_signals;
    call.run(views, *limits);
  } else if (interruptible_call) {
    call.run(views, g_interruptible);
  } else {
    call.run(views);
  }
}

// Runs the function and makes its results. Returns -1 with an exception set, and then no results.
inline int run(runtime::Function* function, Frame& frame, int gil, int outputs,
               runtime::CallOptions* limits) {
  int made = 0;
  try {
    std::optional<runtime::Call> call;
    bool done = false;
    if (gil != GIL_RELEASE || function->has_quick()) {
      call.emplace(*function);
      if (gil == GIL_KEEP) {
        compute(*call, frame.views, true, limits);
        done = true;
      } else if (!limits) {
        done = gil == GIL_RELEASE ? call->try_quick(frame.views) : call->try_run(frame.views);
      }
    }
    if (!done) {
      PyThreadState* thread = PyEval_SaveThread();
      try {
        if (!call) call.emplace(*function);
        compute(*call, frame.views, false, limits);
      } catch (...) {
        PyEval_RestoreThread(thread);
        throw;
      }
      PyEval_RestoreThread(thread);
    }
    for (; made < outputs; ++made) {
      const Type& type = function->outputs()[static_cast<size_t>(made)].type;
      frame.results[made] = PHINTYS_UNLIKELY(type.is_generic()) ? result_object(*call, made)
                                                                : result_array(*call, made);
      if (!frame.results[made]) break;
    }
    if (made == outputs) return 0;
  } catch (...) {
    g_api->set_current_exception();
  }
  while (made > 0) Py_DECREF(frame.results[--made]);
  return -1;
}

// Makes a class callable through PEP 590, `offset` bytes into its objects.
inline void install_vectorcall(PyObject* cls, Py_ssize_t offset) {
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  type->tp_vectorcall_offset = offset;
  type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  PyType_Modified(type);
}

// Python 3.11 does not let classes written in Python inherit the flag, as they may replace
// __call__; those that do not may have it.
inline void inherit_vectorcall(PyObject* instance, PyObject* base) {
  PyTypeObject* type = Py_TYPE(instance);
  const PyTypeObject* parent = reinterpret_cast<const PyTypeObject*>(base);
  if (type == parent || type->tp_call != parent->tp_call) return;
  type->tp_vectorcall_offset = parent->tp_vectorcall_offset;
  type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
}

}  // namespace phintys::pycall
