// Looking at values while a function runs.
#pragma once

#include <string>

#include "graph/op.h"
#include "ops/op_doc.h"

namespace phintys {

// x, after writing it: a line "message attribute = value" for each attribute. An op of its own, so
// that passes neither merge, fold nor remove it. Memory of its own, so that perform() runs; it
// copies unless the value's memory was handed over.
class Print final : public OpBase<Print> {
 public:
  static constexpr const char* kName = "print";
  static constexpr OpDoc doc{.signature = "(x) -> x", .dtypes = "all", .reference = "the operand"};
  std::string message;
  std::string attributes_text = "__str__";  // names, with commas between
  // Tells a print from other ones of the same words: two prints of one value are two prints.
  int64_t number = 0;
  template <class Self, class V>
  static void attributes(Self& s, V&& field) {
    field("message", s.message);
    field("attrs", s.attributes_text);
    field("number", s.number);
  }
  const char* summary() const override { return "x, written out when the function runs."; }
  std::string str() const override;
  std::vector<Type> infer(std::span<const Var> inputs) const override;
  std::vector<Var> grad(const GradArgs& args) const override { return {args.grads[0]}; }
  std::vector<std::vector<Var>> infer_shape(const Apply& node) const override;
  void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const override;
  void perform(PerformContext& context, std::span<const TensorView> inputs,
               std::span<const TensorView> outputs) const override;
  int inplace_input() const override { return 0; }
};

// Who writes, if not this library to standard output: Python's layer, which knows every attribute
// of an array and where sys.stdout goes. False: it could not, so the library does.
using PrintHook = bool (*)(const Print& op, const TensorView& value);
void set_print_hook(PrintHook hook);

// The lines that a Print writes without a hook. Attributes that only Python has are said to be so.
std::string print_text(const Print& op, const TensorView& value);

}  // namespace phintys
