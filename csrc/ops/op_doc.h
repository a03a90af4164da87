// What the reference page (docs/ops.md) says of a structural op beyond its name, attributes and
// gradient: each op class has `static constexpr OpDoc doc{...};`.
#pragma once

namespace phintys {

struct OpDoc {
  const char* signature;  // operands and results: "(x: tensor, index: int64 vector) -> tensor"
  const char* dtypes;     // of the operands that carry values: "all", "float, complex", "float"
  const char* reference;  // what tests compare its values with: "numpy.linalg.solve"
};

}  // namespace phintys
