#include "runtime/evaluate.h"

#include <algorithm>
#include <mutex>

#include "ops/elemwise.h"
#include "passes/constant_fold.h"
#include "passes/stable_body.h"
#include "runtime/function.h"
#include "vm/row_kernels.h"
#include "vm/tiles.h"

namespace phintys::runtime {

namespace {

// Casts are what folding meets most often (Python's small literals): one kernel, no function.
Array evaluate_cast(const Array& x, DType to) {
  Array source = x.view().contiguous() ? x : Array::copy_of(x.view());
  Array result = Array::empty(to, x.shape());
  const vm::TileKernels& kernels = vm::cast_kernels(x.dtype(), to);
  for (int64_t i = 0; i < x.size(); i += vm::kMaxTile) {
    const char* from = source.data() + i * static_cast<int64_t>(item_size(x.dtype()));
    kernels.tile[0](result.data() + i * static_cast<int64_t>(item_size(to)), from, from, from,
                    std::min(vm::kMaxTile, x.size() - i));
  }
  return result;
}

}  // namespace

std::vector<Array> evaluate_node(const Apply& node) {
  const Elemwise* elemwise = as_elemwise(node.op());
  if (elemwise && elemwise->is_cast() &&
      vm::cast_kernels(node.input(0)->dtype(), elemwise->cast_to()).tile[0])
    return {evaluate_cast(node.input(0)->constant(), elemwise->cast_to())};
  FunctionSpec spec;
  spec.pipeline = "none";
  std::vector<TensorView> values;
  std::vector<Var> inputs;
  for (const Var& v : node.inputs()) {
    Var input = make_variable(v.type());
    inputs.push_back(input);
    spec.inputs.push_back(input);
    values.push_back(v->constant().view());
  }
  std::vector<Type> types;
  for (int i = 0; i < node.nout(); ++i) types.push_back(node.output(i)->type());
  Ref<Apply> copy = Apply::create(node.op_ref(), inputs, types);
  for (int i = 0; i < node.nout(); ++i) spec.outputs.push_back(copy->out(i));
  Ref<Function> f = Function::compile(spec);
  Call call(*f);
  call.run(values.data());
  std::vector<Array> result;
  for (int i = 0; i < node.nout(); ++i) result.push_back(call.take_output(i));
  return result;
}

void install_kernels() {
  static std::once_flag once;
  std::call_once(once, [] {
    vm::install_row_kernels();
    set_constant_evaluator(evaluate_node);
    install_stable_body();
  });
}

}  // namespace phintys::runtime
