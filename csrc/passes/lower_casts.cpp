#include "passes/lower_casts.h"

#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/reduce.h"
#include "passes/match.h"

namespace phintys {

namespace {

Var cast_operand(const Var& v, DType to, std::unordered_map<uint64_t, Var>& made) {
  if (v.dtype() == to) return v;
  Var& c = made[v->id() * kNumDTypes + static_cast<uint64_t>(to)];
  if (!c) c = cast(v, to);
  return c;
}

}  // namespace

void lower_casts(Graph& graph) {
  std::unordered_map<uint64_t, Var> made;
  for (Apply* node : graph.toposort()) {
    const Apply& n = *node;
    std::vector<Var> inputs(n.inputs().begin(), n.inputs().end());
    if (const Elemwise* e = as_elemwise(n.op())) {
      if (e->is_cast()) continue;
      SmallVec<DType, 4> dtypes;
      for (const Var& v : inputs) dtypes.push_back(v.dtype());
      // A quotient of integers has the floatX of the time when it was built: its own dtype.
      const DType result = out_type(n).dtype();
      const DType floatX = is_float(result) ? result : graph_config().floatX;
      ops::ResolvedDTypes resolved;
      std::string why;
      if (!ops::resolve_dtypes(e->index(), {dtypes.data(), dtypes.size()}, floatX, &resolved,
                               &why)) {
        fail(ErrorKind::type, n.describe(), ": ", why);
      }
      if (!ops::supports_dtype(e->index(), resolved.compute)) {
        fail(ErrorKind::type, n.describe(), ": ", e->info().name, " has no kernel for ",
             dtype_name(resolved.compute));
      }
      const bool is_second = std::strcmp(e->info().name, "second") == 0;
      for (size_t i = is_second ? 1 : 0; i < inputs.size(); ++i) {
        inputs[i] = cast_operand(
            inputs[i], ops::operand_dtype(e->index(), static_cast<int>(i), resolved), made);
      }
    } else if (const Reduce* r = dynamic_cast<const Reduce*>(&n.op())) {
      const bool accumulates = r->kind == "sum" || r->kind == "prod";
      if (accumulates) inputs[0] = cast_operand(inputs[0], r->acc_dtype, made);
    } else {
      continue;
    }
    if (std::equal(inputs.begin(), inputs.end(), n.inputs().begin())) continue;
    LocationScope scope(n.loc);
    graph.replace(node->output(),
                  Apply::create(n.op_ref(), std::move(inputs), {out_type(n)})->out());
  }
}

}  // namespace phintys
