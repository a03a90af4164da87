// Calls that meet devices: of functions that run on one, and of functions on the host some of whose
// outputs are wanted on one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "call_support.h"
#include "device/foreign.h"
#include "runtime/device_call.h"

namespace phintys::pycall {

// Where a function runs, and where its outputs are wanted.
class Places {
 public:
  // `targets`: for each output the name of a device, "cpu" or "": the host.
  int set(const runtime::Function& function, PyObject* targets) {
    try {
      device_ = function.options().device;
      targets_.assign(function.outputs().size(), nullptr);
      any_ = device_ != nullptr;
      if (targets == Py_None) return 0;
      for (size_t i = 0; i < targets_.size(); ++i) {
        const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(targets, static_cast<Py_ssize_t>(i)));
        if (!name) return -1;
        if (!*name || std::string(name).starts_with("cpu")) continue;
        PyThreadState* thread = PyEval_SaveThread();
        try {
          targets_[i] = &device::find_device(name);
        } catch (...) {
          PyEval_RestoreThread(thread);
          throw;
        }
        PyEval_RestoreThread(thread);
        any_ = true;
      }
      if (any_) refuse_objects(function);
      return 0;
    } catch (...) {
      g_api->set_current_exception();
      return -1;
    }
  }
  // Whether calls go the way of this file.
  bool any() const { return any_; }
  device::Device* device() const { return device_; }
  device::Device* target(size_t i) const { return targets_[i]; }

 private:
  static void refuse_objects(const runtime::Function& function) {
    bool any = false;
    for (const auto& i : function.inputs()) any |= i.type.is_generic();
    for (const auto& o : function.outputs()) any |= o.type.is_generic();
    if (any) {
      fail(ErrorKind::type, "a function with Python objects among its inputs or outputs runs on the "
           "host, and its outputs stay there");
    }
  }

  device::Device* device_ = nullptr;
  std::vector<device::Device*> targets_;
  bool any_ = false;
};

// The arguments and results of one such call.
class DeviceFrame {
 public:
  explicit DeviceFrame(size_t inputs) : slots_(inputs), arrays_(inputs) {}
  // Called with the GIL; arrays on devices go without it.
  ~DeviceFrame() {
    PyThreadState* thread = PyEval_SaveThread();
    arrays_.clear();
    results_.clear();
    PyEval_RestoreThread(thread);
  }
  DeviceFrame(const DeviceFrame&) = delete;
  DeviceFrame& operator=(const DeviceFrame&) = delete;

  // What the fast paths know: arrays on devices, ndarrays, numbers. False for anything else.
  bool set_argument(size_t i, PyObject* x, const InputSpec& spec) {
    TensorView view;
    if (view_argument(x, spec, &view, &slots_[i])) {
      set_view(i, view);
      return true;
    }
    const Array* there = g_api->device_array_of(x);
    if (!there || !fits(*there, spec)) return false;
    arrays_[i] = *there;
    return true;
  }
  // An ndarray that fits, and outlives the frame.
  bool set_ndarray(size_t i, PyObject* x, const InputSpec& spec) {
    TensorView view;
    if (!view_array_object(x, spec, &view)) return false;
    set_view(i, view);
    return true;
  }

  // Returns -1 with an exception set, and then no results.
  int run(runtime::Function* function, const Places& places, runtime::CallOptions* limits,
          PyObject** results) {
    try {
      PyThreadState* thread = PyEval_SaveThread();
      try {
        if (limits) runtime::Limits(*limits, function->name()).look();
        if (places.device()) {
          run_there(*function, places);
        } else {
          run_here(*function, places, limits);
        }
      } catch (...) {
        PyEval_RestoreThread(thread);
        throw;
      }
      PyEval_RestoreThread(thread);
    } catch (...) {
      g_api->set_current_exception();
      return -1;
    }
    size_t made = 0;
    for (; made < results_.size(); ++made) {
      const Array& a = results_[made];
      results[made] = a.device() ? g_api->device_array_object(a) : wrap_array(a);
      if (!results[made]) break;
    }
    if (made == results_.size()) return 0;
    while (made > 0) Py_DECREF(results[--made]);
    return -1;
  }

 private:
  static bool fits(const Array& a, const InputSpec& spec) {
    if (spec.generic || a.dtype() != spec.dtype || a.ndim() != spec.ndim) return false;
    for (uint32_t rest = spec.unit_dims; rest; rest &= rest - 1) {
      if (a.shape()[static_cast<size_t>(__builtin_ctz(rest))] != 1) return false;
    }
    return true;
  }

  // Memory of somebody who outlives the call.
  void set_view(size_t i, const TensorView& v) {
    Dims shape, strides;
    for (int k = 0; k < v.ndim; ++k) {
      shape.push_back(v.shape[k]);
      strides.push_back(v.strides[k]);
    }
    Ref<Buffer> buffer = make_ref<Buffer>(v.data, 0, nullptr, nullptr);
    arrays_[i] = Array(std::move(buffer), v.data, v.dtype, std::move(shape), std::move(strides));
  }

  void run_there(runtime::Function& function, const Places& places) {
    for (Array& a : arrays_) {
      if (a.device() && a.device() != places.device()) a = device::moved(a, places.device());
    }
    runtime::DeviceCall call(function);
    call.run(arrays_);
    for (size_t i = 0; i < function.outputs().size(); ++i) {
      device::Device* target = places.target(i);
      Array result = call.take_output(static_cast<int>(i), target == nullptr);
      results_.push_back(target ? device::moved(result, target) : std::move(result));
    }
  }

  // On the host, where arrays on devices are copied to.
  void run_here(runtime::Function& function, const Places& places, runtime::CallOptions* limits) {
    std::vector<TensorView> views;
    for (Array& a : arrays_) {
      if (a.device()) a = device::to_host(a);
      views.push_back(a.view());
    }
    runtime::Call call(function);
    compute(call, views.data(), false, limits);
    for (size_t i = 0; i < function.outputs().size(); ++i) {
      device::Device* target = places.target(i);
      const int k = static_cast<int>(i);
      results_.push_back(target ? target->upload(call.output(k)) : call.take_output(k));
    }
  }

  std::vector<Slot> slots_;
  std::vector<Array> arrays_, results_;
};

}  // namespace phintys::pycall
