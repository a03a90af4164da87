#include "passes/blas.h"

#include <cmath>

#include "ops/dot.h"
#include "ops/shape_ops.h"
#include "passes/match.h"
#include "passes/rewrite.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// `v` as factor * base with the constant factors taken off, as far as nobody else uses the
// products.
struct Scaled {
  Var base;
  double factor = 1;
};
Scaled unscale(const Var& v, const Ctx& c) {
  Scaled s{v, 1};
  for (int depth = 0; depth < 8 && c.uses(s.base.get()) == 1; ++depth) {
    double k;
    if (const Apply* n = owner_if(s.base, "neg"); n && in(*n, 0).dtype() == v.dtype()) {
      s = {in(*n, 0), -s.factor};
      continue;
    }
    const Apply* m = owner_if(s.base, "mul");
    const Apply* q = owner_if(s.base, "true_div");
    const Apply* n = m ? m : q;
    if (!n) break;
    int other = -1;
    if (any_value(in(*n, 1), &k)) other = 0;
    if (m && other < 0 && any_value(in(*n, 0), &k)) other = 1;
    if (other < 0 || !covers(in(*n, other).type(), v.type()) ||
        in(*n, other).dtype() != v.dtype() || !std::isfinite(k) || k == 0) {
      break;
    }
    s = {in(*n, other), m ? s.factor * k : s.factor / k};
  }
  return s;
}

// `v` as a transposed view of another matrix.
Var untransposed(const Var& v, bool* flag) {
  const Apply* d = owner_if(v, DimShuffle::kName);
  if (!d || in(*d, 0).ndim() != 2 || op_as<DimShuffle>(*d).order != std::vector<int64_t>{1, 0})
    return v;
  *flag = true;
  return in(*d, 0);
}

// True iff the value of `v` is not needed after `n`, or has to be copied anyway.
bool may_take_over(const Var& v, const Apply& n, const Ctx& c) {
  if (v->is_constant()) return false;
  if (v->owner()) return c.uses(v.get()) == 1;
  const auto& users = c.graph.clients(n.output());
  return users.size() == 1 && users[0].node == nullptr;
}

Var fused_product(const Apply& n, const Var& addend, double sign_c, const Var& product,
                  double sign_p, const Ctx& ctx) {
  const DType d = out_type(n).dtype();
  if ((d != DType::f32 && d != DType::f64) || addend.dtype() != d || product.dtype() != d)
    return {};
  const Scaled p = unscale(product, ctx);
  const Apply* dot = owner_if(p.base, Dot::kName);
  if (!dot || ctx.uses(p.base.get()) != 1 || p.base.ndim() != n.output()->ndim()) return {};
  if (in(*dot, 0).dtype() != d || in(*dot, 1).dtype() != d) return {};
  const Scaled s = unscale(addend, ctx);
  if (!covers(s.base.type(), out_type(n)) || !covers(p.base.type(), out_type(n))) return {};
  if (owner_if(s.base, Dot::kName) && s.base.get() == p.base.get()) return {};
  if (!may_take_over(s.base, n, ctx)) return {};
  const Var &a = in(*dot, 0), &b = in(*dot, 1);
  const double alpha = sign_p * p.factor, beta = sign_c * s.factor;
  if (a.ndim() == 2 && b.ndim() == 2) {
    auto op = make_ref<Gemm>();
    op->alpha = alpha;
    op->beta = beta;
    const Var ua = untransposed(a, &op->trans_a), ub = untransposed(b, &op->trans_b);
    return apply(op, {s.base, ua, ub});
  }
  if (a.ndim() + b.ndim() != 3) return {};
  auto op = make_ref<Gemv>();
  op->alpha = alpha;
  op->beta = beta;
  const Var matrix = untransposed(a.ndim() == 2 ? a : b, &op->trans_a);
  if (a.ndim() == 1) op->trans_a = !op->trans_a;  // x @ A is A.T @ x
  return apply(op, {s.base, matrix, a.ndim() == 1 ? a : b});
}

Var add_product(const Apply& n, const Ctx& c) {
  if (const Var r = fused_product(n, in(n, 0), 1, in(n, 1), 1, c)) return r;
  return fused_product(n, in(n, 1), 1, in(n, 0), 1, c);
}
Var sub_product(const Apply& n, const Ctx& c) {
  if (const Var r = fused_product(n, in(n, 0), 1, in(n, 1), -1, c)) return r;
  return fused_product(n, in(n, 1), -1, in(n, 0), 1, c);
}

constexpr Rule kBlas[] = {
    {"add", "beta * c + alpha * dot(a, b) -> gemm(c, a, b)", add_product},
    {"sub", "beta * c - alpha * dot(a, b) -> gemm(c, a, b)", sub_product},
};

}  // namespace

void blas(Graph& graph) {
  static const RuleSet rules{kBlas};
  rewrite_to_fixpoint(graph, rules);
}

}  // namespace phintys
