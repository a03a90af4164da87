#include "runtime/device_epilogue.h"

#include <algorithm>
#include <string_view>

#include "ops/elementwise/table.h"

namespace phintys::runtime {

namespace {

using device::Activation;

// Reads the steps of a region as what is done to one of its operands.
class Reader {
 public:
  Reader(const Program& program, const Instruction& instr, const std::vector<TensorView>& leaves)
      : program_(program), instr_(instr), op_(*instr.fused), leaves_(leaves) {}

  bool read(int product, Epilogue* found) {
    value_ = product;
    for (const FusedStep& s : op_.steps)
      if (s.op < 0 || s.compute != op_.outputs[0].dtype || s.result != s.compute) return false;
    if (const int other = operand_of("add"); other >= 0 && other < op_.n_inputs) {
      found->bias = other;
      advance();
    }
    if (done()) return found->bias >= 0;
    return read_activation(&found->activation) && done();
  }

 private:
  bool done() const { return at_ == op_.steps.size() && value_ == op_.outputs[0].reg; }
  int result(size_t step) const { return op_.n_inputs + static_cast<int>(step); }
  void advance() { value_ = result(at_++); }

  bool is(size_t step, std::string_view name) const {
    return step < op_.steps.size() && ops::elementwise_info(op_.steps[step].op).name == name;
  }
  // The other operand of a step of two, one of which is `value`; -1 if it is not that.
  int other_operand(size_t step, std::string_view name, int value) const {
    if (!is(step, name)) return -1;
    const int32_t* args = op_.steps[step].args;
    if (args[0] == args[1]) return -1;
    return args[0] == value ? args[1] : args[1] == value ? args[0] : -1;
  }
  int operand_of(std::string_view name) const { return other_operand(at_, name, value_); }

  // Whether an operand is that number throughout.
  bool is_number(int input, double number) const {
    if (input < 0 || input >= op_.n_inputs) return false;
    const auto b = static_cast<size_t>(instr_.inputs[static_cast<size_t>(input)]);
    const TensorView& v = leaves_[b];
    if (program_.buffers[b].kind != BufferKind::constant || v.size() != 1) return false;
    return v.dtype == DType::f32   ? *v.as<float>() == static_cast<float>(number)
           : v.dtype == DType::f64 ? *v.as<double>() == number
                                   : false;
  }

  bool read_activation(Activation* activation) {
    const bool direct = at_ < op_.steps.size() && op_.steps[at_].args[0] == value_;
    if (direct && is(at_, "tanh")) {
      *activation = Activation::tanh;
    } else if (direct && is(at_, "sigmoid")) {
      *activation = Activation::sigmoid;
    } else if (is_number(operand_of("maximum"), 0)) {
      *activation = Activation::max0;
    } else if (direct && is(at_, "abs_") && other_operand(at_ + 1, "add", value_) == result(at_) &&
               is_number(other_operand(at_ + 2, "mul", result(at_ + 1)), 0.5)) {
      *activation = Activation::max0;  // as relu() is written: (x + |x|) / 2
      at_ += 2;
    } else {
      return false;
    }
    advance();
    return true;
  }

  const Program& program_;
  const Instruction& instr_;
  const FusedOp& op_;
  const std::vector<TensorView>& leaves_;
  int value_ = 0;  // register
  size_t at_ = 0;  // step
};

}  // namespace

std::optional<Epilogue> find_epilogue(const Program& p, const Binding& binding, size_t product,
                                      const std::vector<TensorView>& leaves) {
  const BoundInstruction& from = binding.instructions[product];
  if (from.kind != RunKind::perform || from.instr->outputs.size() != 1) return std::nullopt;
  if (from.outputs_alias[0] >= 0 || from.outputs[0].ndim != 2) return std::nullopt;
  const int result = from.instr->outputs[0];
  const auto shows = [&](int buffer) {
    return binding.states[static_cast<size_t>(buffer)].root == result;
  };
  // What comes next, views of other values apart.
  size_t next = product + 1;
  while (next < binding.instructions.size() && binding.instructions[next].kind == RunKind::view) {
    const Instruction& view = *binding.instructions[next++].instr;
    if (std::any_of(view.inputs.begin(), view.inputs.end(), shows)) return std::nullopt;
  }
  if (next == binding.instructions.size()) return std::nullopt;
  const BoundInstruction& to = binding.instructions[next];
  if (to.kind != RunKind::fused || to.instr->fused->is_reduction()) return std::nullopt;
  if (p.buffers[static_cast<size_t>(result)].last_use !=
      static_cast<int>(to.instr - p.instructions.data()))
    return std::nullopt;
  const FusedOp& op = *to.instr->fused;
  const DType dtype = from.outputs[0].dtype;
  if (op.ndim != 2 || op.outputs.size() != 1 || op.outputs[0].dtype != dtype ||
      (dtype != DType::f32 && dtype != DType::f64))
    return std::nullopt;
  const std::vector<int>& inputs = to.instr->inputs;
  if (std::count_if(inputs.begin(), inputs.end(), shows) != 1) return std::nullopt;
  const auto operand = std::find(inputs.begin(), inputs.end(), result);
  if (operand == inputs.end()) return std::nullopt;
  if (!std::equal(from.outputs[0].shape, from.outputs[0].shape + 2, to.outputs[0].shape))
    return std::nullopt;
  Epilogue found{next};
  if (!Reader(p, *to.instr, leaves).read(static_cast<int>(operand - inputs.begin()), &found))
    return std::nullopt;
  return found;
}

}  // namespace phintys::runtime
