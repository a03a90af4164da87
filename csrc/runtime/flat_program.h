// Functions over few elements: a call without its program.
#pragma once

#include <memory>
#include <vector>

#include "runtime/flat_body.h"

namespace phintys::runtime {

// A function's program as one flat list of kernel calls on fixed memory: inputs are copied in, and
// outputs stay where they are computed until the next call.
class FlatProgram final : private FlatBody {
 public:
  // Null if the program has shared variables or shapes that depend on values, or if something is
  // large, or empty, or lies apart. `leaves`: inputs and constants, by buffer.
  static std::unique_ptr<FlatProgram> make(const Program& program, const Binding& binding,
                                           const std::vector<TensorView>& leaves,
                                           const InnerRunners& runners);

  void run(const TensorView* inputs, const RunHooks& hooks);
  const std::vector<TensorView>& outputs() const { return outputs_; }

 private:
  struct Load {
    char* block;
    size_t input;
    size_t bytes, item, room;
  };

  FlatProgram(const Program& program, const Binding& binding) : FlatBody(program, binding) {}
  bool build(const std::vector<TensorView>& leaves, const InnerRunners& runners);

  std::vector<Load> loads_;
  std::vector<TensorView> outputs_;  // shapes point into the binding
};

}  // namespace phintys::runtime
