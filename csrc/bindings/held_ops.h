// What the garbage collector needs to know of a compiled function: the ops written in Python whose
// objects it keeps alive.
#pragma once

#include <vector>

#include "bindings/common.h"
#include "runtime/function.h"

namespace phintys::python {

class PythonOp;

// A function's nodes share the ops of the user's nodes. This makes the Python object of the
// function a holder of each such op, once for every node of its own that applies it (python_op.h).
// Ops inside the bodies of loops are left out: those graphs may be shared with the user's.
class HeldOps {
 public:
  // `self`: the object of the function.
  HeldOps(PyObject* self, const runtime::Function& function);
  ~HeldOps();
  HeldOps(const HeldOps&) = delete;
  HeldOps& operator=(const HeldOps&) = delete;

  int traverse(visitproc visit, void* arg) const;
  // Lets go of what `traverse` finds, but for the ops themselves.
  void clear() { objects_.clear(); }

 private:
  void add(const Graph& graph);

  PyObject* self_;
  std::vector<const PythonOp*> ops_;  // each once; alive as long as the function
  std::vector<py::object> objects_;   // of all of them
};

// Gives a class of objects that hold a FunctionObject a place among the collector's.
void collect_functions(PyHeapTypeObject* type);
// The object of a new function.
py::object function_object(Ref<runtime::Function> function);

}  // namespace phintys::python
