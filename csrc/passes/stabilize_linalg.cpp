// Forms of linear algebra that are more accurate and less work.
#include <limits>

#include "ops/indexing/diagonal.h"
#include "ops/linalg/cholesky.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/matmul.h"
#include "ops/linalg/solve.h"
#include "passes/match.h"
#include "passes/stabilize.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

Var solution(const Var& a, const Var& b) { return apply_multi(make_ref<Solve>(), {a, b})[0]; }

// What `v` is the inverse of, if nothing else needs the inverse.
Var inverted(const Var& v, const Ctx& c) {
  const Apply* n = owner_if(v, MatrixInverse::kName);
  return n && c.uses(v.get()) == 1 ? in(*n, 0) : Var();
}

// inverse(A) @ b and b @ inverse(A).
Var product_with_inverse(const Apply& n, const Ctx& c) {
  const Var &left = in(n, 0), &right = in(n, 1);
  const bool vectors = left.ndim() != right.ndim();
  if (const Var a = inverted(left, c)) {
    if (vectors) {
      const Var x = solution(a, dimshuffle(right, {0, -1}));
      return fit(n, dimshuffle(x, {0}));
    }
    return fit(n, solution(a, right));
  }
  const Var a = inverted(right, c);
  if (!a) return {};
  if (vectors) {
    const Var x = solution(transpose(a), dimshuffle(left, {0, -1}));
    return fit(n, dimshuffle(x, {0}));
  }
  return fit(n, linalg::swap_last(solution(linalg::swap_last(a), linalg::swap_last(left))));
}

Var stacked_product_with_inverse(const Apply& n, const Ctx& c) {
  const Matmul& op = op_as<Matmul>(n);
  if (op.stretch_a || op.stretch_b) return {};
  return product_with_inverse(n, c);
}

// The factor if the graph has cholesky(x) already.
Var factor_of(const Var& x, const Ctx& c) {
  for (const auto& client : c.graph.clients(x.get())) {
    if (client.node && std::string_view(client.node->op().name()) == Cholesky::kName) {
      return client.node->out();
    }
  }
  return {};
}

Var diagonal_of(const Var& x) {
  auto op = make_ref<Diagonal>();
  op->axis1 = x.ndim() - 2;
  op->axis2 = x.ndim() - 1;
  return phintys::apply(op, {x});
}

Var det_of_factored(const Apply& n, const Ctx& c) {
  const Var l = factor_of(in(n, 0), c);
  if (!l || is_complex(l.dtype())) return {};
  const Var d = diagonal_of(l);
  return fit(n, sqr(reduce("prod", d, {d.ndim() - 1})));
}

// log(det(x)) and log(abs(det(x))): the determinant itself over- and underflows.
Var log_of_det(const Apply& n, const Ctx& c) {
  const Apply* absolute = owner_if(in(n, 0), "abs_");
  const Apply* det = owner_if(absolute ? in(*absolute, 0) : in(n, 0), Det::kName);
  if (!det || is_complex(det->output()->dtype())) return {};
  const Var& x = in(*det, 0);
  if (const Var l = factor_of(x, c)) {
    const Var d = diagonal_of(l);
    return fit(n, 2.0 * reduce("sum", log(d), {d.ndim() - 1}));
  }
  const std::vector<Var> parts = apply_multi(make_ref<SLogDet>(), {x});
  if (absolute) return fit(n, parts[1]);
  const Var nan = constant(std::numeric_limits<double>::quiet_NaN(), parts[1].dtype());
  return fit(n, switch_(lt(parts[0], constant(0, parts[0].dtype())), nan, parts[1]));
}

Var diagonal_that_was_set(const Apply& n, const Ctx&) {
  const Apply* set = owner_if(in(n, 0), SetDiagonal::kName);
  if (!set) return {};
  const Diagonal& get = op_as<Diagonal>(n);
  const SetDiagonal& op = op_as<SetDiagonal>(*set);
  const Var& y = in(*set, 1);
  if (get.offset != op.offset || get.axis1 != op.axis1 || get.axis2 != op.axis2) return {};
  if (y.ndim() != n.output()->ndim() || !covers(y.type(), out_type(n))) return {};
  return fit(n, y);
}

constexpr Rule kLinalg[] = {
    {"dot", "inverse(A) @ b -> solve(A, b)", product_with_inverse},
    {"matmul", "inverse(A) @ b -> solve(A, b)", stacked_product_with_inverse},
    {"log", "log(det(A)) -> slogdet(A), or 2 * sum(log(diag(cholesky(A))))", log_of_det},
    {"det", "det(A) -> prod(diag(cholesky(A)))^2 where cholesky(A) is computed", det_of_factored},
    {"diagonal", "diagonal(set_diagonal(x, y)) -> y", diagonal_that_was_set},
};

}  // namespace

std::span<const Rule> linalg_rules() { return kLinalg; }

}  // namespace phintys
