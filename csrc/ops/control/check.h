// Checks that raise an exception of the user's choice.
#pragma once

#include <string>

#include "base/error.h"
#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// (value, conditions...): value; an error of the given kind where a condition has an element that
// is 0. As Assert otherwise, which has a name of its own in older files.
class CheckAndRaise final : public OpBase<CheckAndRaise> {
 public:
  static constexpr const char* kName = "check_and_raise";
  static constexpr OpDoc doc{
      .signature = "(value, conditions...) -> value", .dtypes = "all", .reference = "the operand"};
  std::string message;
  std::string kind = "runtime";  // a name of to_string(ErrorKind)
  // The Python class to raise, "module:Class", if it is none of those of the kinds.
  std::string exception;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("msg", s.message);
    field("kind", s.kind);
    field("exception", s.exception);
  }
  void check_attributes() const;
  const char* summary() const override {
    return "The first input, if all conditions hold; an error of a given kind if not.";
  }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

// (value, int scalar): value, which is row `index` from the end of `rows + scalar` rows; an
// IndexError if there are not so many. For rows of a loop that do not exist as an array: the scalar
// is its number of steps.
class EnoughSteps final : public OpBase<EnoughSteps> {
 public:
  static constexpr const char* kName = "enough_steps";
  static constexpr OpDoc doc{
      .signature = "(value, steps) -> value", .dtypes = "all", .reference = "the operand"};
  int64_t index = -1;
  int64_t rows = 0;
  std::string loop;  // how errors call it
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("index", s.index);
    field("rows", s.rows);
    field("loop", s.loop);
  }
  void check_attributes() const;
  const char* summary() const override {
    return "The first input; an error if a loop did not run for enough steps.";
  }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override;
  bool connected(int in, int) const override { return in == 0; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  uint64_t shape_inputs() const override { return 2; }
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
};

// Throws in a way that makes Python raise the class; returns if there is no such class.
using RaiseHook = void (*)(const std::string& exception, const std::string& message);
void set_raise_hook(RaiseHook hook);

}  // namespace phintys
