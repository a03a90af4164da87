// Process-wide settings.
#include "bindings/common.h"
#include "bindings/numbers.h"
#include "kernels/memory.h"
#include "kernels/parallel.h"
#include "runtime/failure.h"
#include "vm/tiles.h"
#include "vm/vm_settings.h"

namespace phintys::python {

namespace {

void set_config(py::handle floatX, py::handle threads, py::handle isa, py::handle limit,
                py::handle threshold) {
  if (!floatX.is_none()) {
    const DType d = dtype_from_python(floatX);
    if (!is_float(d)) fail(ErrorKind::value, "floatX cannot be ", dtype_name(d));
    graph_config().floatX = d;
    forget_numbers();
  }
  if (!threads.is_none()) {
    const int n = py::cast<int>(threads);
    if (n < 0) fail(ErrorKind::value, "num_threads cannot be ", n);
    set_num_threads(n);
  }
  if (!isa.is_none()) cap_isa(py::cast<std::string>(isa).c_str());
  if (!limit.is_none()) {
    const int64_t bytes = py::cast<int64_t>(limit);
    if (bytes < 0) fail(ErrorKind::value, "memory_limit cannot be ", bytes);
    set_memory_limit(static_cast<size_t>(bytes));
  }
  if (!threshold.is_none()) {
    const long n = py::cast<long>(threshold);
    if (n < 0) fail(ErrorKind::value, "parallel_threshold cannot be ", n);
    vm::vm_settings().parallel_threshold = n;
  }
}

py::dict memory() {
  const MemoryStats stats = memory_stats();
  py::dict d;
  d["live_bytes"] = stats.live_bytes;
  d["cached_bytes"] = stats.cached_bytes;
  d["allocations"] = stats.allocations;
  d["system_allocations"] = stats.system_allocations;
  return d;
}

}  // namespace

void bind_settings(py::module_& m) {
  m.def("forget_numbers", &forget_numbers,
        "Forget which constants Python numbers became: a setting has changed.");
  m.def("set_narrow_policy", &set_narrow_policy, py::arg("on"),
        "Whether config.cast_policy is 'numpy+floatX'.");
  m.def("set_config", &set_config, py::kw_only(), py::arg("floatX") = py::none(),
        py::arg("num_threads") = py::none(), py::arg("isa") = py::none(),
        py::arg("memory_limit") = py::none(), py::arg("parallel_threshold") = py::none(),
        "Change settings of the library; those not given stay as they are.");
  m.def(
      "set_verbose_errors", &runtime::set_verbose_errors, py::arg("on"),
      "Whether errors at run time also show values, the expression and the arrays that are there.");
  m.def("isa", [] { return isa_name(current_isa()); }, "The instruction set in use.");
  m.def("num_threads", [] { return num_threads(); }, "Threads that work at the same time.");
  m.def("memory_stats", &memory, "Bytes in use and kept for reuse, and numbers of allocations.");
  m.def("clear_memory_cache", &clear_block_cache, "Give cached memory back to the system.");
}

}  // namespace phintys::python
