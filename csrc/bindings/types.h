// Types of variables as Python objects.
#pragma once

#include "bindings/common.h"

namespace phintys::python {

// What `_core.Type` and its subclasses hold.
struct TypeObject {
  Type type;
  explicit TypeObject(Type t) : type(std::move(t)) {}
  virtual ~TypeObject() = default;
};
struct TensorTypeObject : TypeObject {
  using TypeObject::TypeObject;
};
struct DisconnectedTypeObject : TypeObject {
  DisconnectedTypeObject() : TypeObject(Type::disconnected()) {}
};
struct NullTypeObject : TypeObject {
  explicit NullTypeObject(std::string why) : TypeObject(Type::null(std::move(why))) {}
};
struct GenericTypeObject : TypeObject {
  GenericTypeObject() : TypeObject(Type::generic()) {}
};

// The type that a `_core.Type` holds; throws TypeError for any other object.
const Type& type_from_python(py::handle object);
// The Python object for a type: made by the registered factory, one per dtype and shape.
py::object type_to_python(const Type& type);
// (3, None): static dimensions.
py::tuple static_shape(const Type& type);
py::tuple broadcastable(const Type& type);

}  // namespace phintys::python
