// What contexts on the host and on devices have in common: a program's leaves, and the bindings to
// their shapes.
#pragma once

#include <memory>
#include <vector>

#include "runtime/binding.h"
#include "runtime/function.h"

namespace phintys::runtime {

class ContextBase {
 public:
  virtual ~ContextBase() = default;

 protected:
  explicit ContextBase(const Program& program);
  // Shapes of inputs and shared variables, strides of those that are not contiguous, and values
  // that decide on shapes: into key_.
  void make_key();
  // Key of the segment that begins with `instr`, from dynamic_.
  void make_dynamic_key(const Instruction& instr);
  void check_inputs(const Function& function) const;
  // The binding of key_ in `list`, made if there is none.
  Binding& find_binding(std::vector<std::unique_ptr<Binding>>& list, int segment,
                        const Binding* parent);
  void trim_bindings();
  // A binding is about to go.
  virtual void leave(const Binding& binding) = 0;

  const Program& p_;
  // By buffer. Constants, and inputs whose values decide on shapes, have data that the host reads.
  std::vector<TensorView> leaves_;
  std::vector<int64_t> key_;
  std::vector<Layout> dynamic_;
  std::vector<std::unique_ptr<Binding>> bindings_;  // of segment 0
  uint64_t last_binding_ = 0;
  size_t n_bindings_ = 0;  // with all that hang below
  InnerRunners runners_;

 private:
  void evict(Binding& binding);
};

// First and past-the-last byte of a view's elements.
std::pair<const char*, const char*> extent(const TensorView& v);
// Refuses what an opaque op made if it is not of the type that it promised.
void check_evaluated(const Op& op, int output, const Type& type, const Array& array);

}  // namespace phintys::runtime
