// Looking at every instruction from outside.
#pragma once

#include <span>

#include "graph/op.h"

namespace phintys::runtime {

// Called around every instruction of a program, also of those inside loops and branches, with the
// instruction's place in its program. May throw. Used by several threads at once.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void before(const Apply& node, int index, std::span<const TensorView> inputs) = 0;
  virtual void after(const Apply& node, int index, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) = 0;
};

}  // namespace phintys::runtime
