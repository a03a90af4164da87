// Functions over few elements: a call without its program.
#pragma once

#include <memory>
#include <vector>

#include "runtime/flat_body.h"

namespace phintys::runtime {

// A function's program as one flat list of kernel calls on fixed memory: inputs and shared
// variables are copied in, new values of shared variables copied out at the end, and outputs stay
// where they are computed until the next call.
class FlatProgram final : private FlatBody {
 public:
  static constexpr int64_t kQuickWork = 4096;

  // Null if the program has shapes that depend on values, updates that change shapes, or code of
  // the user's, or if something is large, or empty, or lies apart. `leaves`: inputs, constants and
  // shared variables, by buffer.
  static std::unique_ptr<FlatProgram> make(const Program& program, const Binding& binding,
                                           const std::vector<TensorView>& leaves,
                                           const InnerRunners& runners);

  // False, before anything has run, if a shared variable is not laid out as its new value is.
  bool run(const std::vector<TensorView>& leaves, const RunHooks& hooks);
  // Whether a call takes a few microseconds at most, and cannot fail.
  bool quick() const { return wholes_.empty() && work_ <= kQuickWork; }
  const std::vector<TensorView>& outputs() const { return outputs_; }

 private:
  struct Load {
    char* block;
    size_t buffer;
    size_t bytes, item, room;
  };
  // A shared variable's new value: copied when nothing can fail any more.
  struct Store {
    SharedStorage* storage;
    TensorView value;
    size_t bytes;  // 0: the elements lie apart
  };

  FlatProgram(const Program& program, const Binding& binding) : FlatBody(program, binding) {}
  bool build(const std::vector<TensorView>& leaves, const InnerRunners& runners);

  void add_load(int buffer);
  bool add_store(const UpdatePlan& update);
  TensorView view_of(int buffer);
  void commit() const;

  std::vector<Load> loads_;
  std::vector<Store> stores_;
  std::vector<TensorView> outputs_;  // shapes point into the binding
};

}  // namespace phintys::runtime
