#include "evaluate.h"

#include <cmath>
#include <cstring>
#include <unordered_map>

#include "autodiff/grad.h"
#include "ops/build.h"
#include "ops/elementwise/registry.h"
#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/math/special_functions.h"
#include "ops/op_util.h"
#include "ops/reduce.h"

namespace phintys::testing {

namespace {

class HeapContext final : public PerformContext {
 public:
  void* scratch(size_t bytes) override {
    block_.resize(bytes);
    return block_.data();
  }

 private:
  std::vector<char> block_;
};

using namespace phintys::PHINTYS_ISA;
using I64 = IntV<int64_t>;

template <class V>
V load_value(double v) {
  if constexpr (std::is_same_v<V, BoolV>) {
    return BoolV::of(v != 0);
  } else if constexpr (std::is_same_v<V, I64>) {
    return I64{static_cast<int64_t>(v)};
  } else {
    return V{v};
  }
}

template <class V>
typename V::mask load_mask(double v) {
  if constexpr (std::is_same_v<V, SF64>) {
    return SM64{v != 0};
  } else {
    return BoolV::of(v != 0);
  }
}

template <class Op, class V>
double call(const double* v) {
  auto a = [&](int i) { return load_value<V>(v[i]); };
  if constexpr (Op::info.rule == DTypeRule::select) {
    return static_cast<double>(Op::template body<V>(load_mask<V>(v[0]), a(1), a(2)).v);
  } else if constexpr (Op::info.arity == 1) {
    return static_cast<double>(Op::template body<V>(a(0)).v);
  } else if constexpr (Op::info.arity == 2) {
    return static_cast<double>(Op::template body<V>(a(0), a(1)).v);
  } else {
    return static_cast<double>(Op::template body<V>(a(0), a(1), a(2)).v);
  }
}

double scalar(int op, DType compute, const double* v) {
  return ops::dispatch_op(op, [&]<class Op>() -> double {
    constexpr Domain kDomain = Op::info.domain;
    constexpr bool kReal = kDomain != Domain::none && Op::info.rule != DTypeRule::make_complex;
    if (is_float(compute)) {
      if constexpr (kReal && kDomain != Domain::discrete) return call<Op, SF64>(v);
    } else if (is_bool(compute)) {
      if constexpr (kDomain == Domain::numeric || kDomain == Domain::discrete) {
        return call<Op, BoolV>(v);
      }
    } else {
      if constexpr (kReal && kDomain != Domain::floating) return call<Op, I64>(v);
    }
    fail(ErrorKind::internal, "no kernel");
  });
}

Array elementwise(const Elemwise& op, const std::vector<Array>& in, Array out) {
  std::vector<OwnedView> views;
  std::vector<DType> dtypes;
  for (const Array& a : in) {
    views.push_back(broadcast_view(a.view(), out.shape().data(), out.ndim()));
    dtypes.push_back(a.dtype());
  }
  ops::ResolvedDTypes resolved{};
  if (!op.is_cast()) {
    ops::resolve_dtypes(op.index(), dtypes, graph_config().floatX, &resolved, nullptr);
  }
  for (int64_t i = 0; i < out.size(); ++i) {
    double v[3] = {};
    for (size_t k = 0; k < in.size(); ++k) v[k] = element_as_double(views[k].view(), i);
    const double r = op.is_cast() ? v[0] : scalar(op.index(), resolved.compute, v);
    store_double(out.data() + i * static_cast<int64_t>(item_size(out.dtype())), out.dtype(), r);
  }
  return out;
}

Array reduction(const Reduce& op, const Array& x, Array out) {
  std::vector<double> values;
  std::vector<bool> seen(static_cast<size_t>(out.size()), false);
  const bool unit = op.kind == "prod" || op.kind == "all";
  values.assign(static_cast<size_t>(out.size()), unit ? 1.0 : 0.0);
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t rest = i, at = 0, step = 1;
    for (int d = x.ndim() - 1; d >= 0; --d) {
      const int64_t n = x.shape()[static_cast<size_t>(d)];
      if (std::find(op.axes.begin(), op.axes.end(), d) == op.axes.end()) {
        at += rest % n * step;
        step *= n;
      }
      rest /= n;
    }
    double& acc = values[static_cast<size_t>(at)];
    const double v = element_as_double(x.view(), i);
    const bool first = !seen[static_cast<size_t>(at)];
    seen[static_cast<size_t>(at)] = true;
    if (op.kind == "sum") acc += v;
    if (op.kind == "prod") acc *= v;
    if (op.kind == "max") acc = first || v > acc ? v : acc;
    if (op.kind == "min") acc = first || v < acc ? v : acc;
    if (op.kind == "all") acc = acc != 0 && v != 0;
    if (op.kind == "any") acc = acc != 0 || v != 0;
  }
  for (int64_t i = 0; i < out.size(); ++i) {
    store_double(out.data() + i * static_cast<int64_t>(item_size(out.dtype())), out.dtype(),
                 values[static_cast<size_t>(i)]);
  }
  return out;
}

std::vector<Array> run_node(const Apply& node, const std::vector<Array>& in) {
  std::vector<TensorView> inputs, outputs;
  for (const Array& a : in) inputs.push_back(a.view());
  std::vector<Layout> layouts(static_cast<size_t>(node.nout()));
  node.op().layout(inputs, layouts);
  std::vector<Array> result;
  bool own = false;
  for (int o = 0; o < node.nout(); ++o) {
    const Layout& l = layouts[static_cast<size_t>(o)];
    const DType dtype = node.output(o)->dtype();
    if (l.alias < 0) {
      own = true;
      result.push_back(Array::empty(dtype, l.shape));
    } else {
      const Array& base = in[static_cast<size_t>(l.alias)];
      result.push_back(Array(base.buffer(), base.data() + l.offset, dtype, l.shape, l.strides));
    }
  }
  if (!own) return result;
  if (const Elemwise* e = as_elemwise(node.op())) return {elementwise(*e, in, result[0])};
  if (const Reduce* r = dynamic_cast<const Reduce*>(&node.op())) {
    return {reduction(*r, in[0], result[0])};
  }
  for (const Array& a : result) outputs.push_back(a.view());
  HeapContext context;
  node.op().perform(context, inputs, outputs);
  return result;
}

}  // namespace

Array evaluate(const Var& output, const Given& given) {
  std::unordered_map<const Variable*, Array> values;
  std::vector<Var> blockers;
  for (const auto& [v, a] : given) {
    values.emplace(v.get(), a);
    blockers.push_back(v);
  }
  auto value = [&](const Variable* v) {
    const auto at = values.find(v);
    if (at != values.end()) return at->second;
    if (v->is_constant()) return v->constant();
    fail(ErrorKind::missing_input, "no value for a variable");
  };
  const Var roots[] = {output};
  for (const Apply* node : toposort(roots, blockers)) {
    std::vector<Array> in;
    for (const Var& v : node->inputs()) in.push_back(value(v.get()));
    std::vector<Array> out = run_node(*node, in);
    for (int o = 0; o < node->nout(); ++o) {
      values.emplace(node->output(o), out[static_cast<size_t>(o)]);
    }
  }
  return value(output.get());
}

std::vector<double> numbers(const Array& a) {
  std::vector<double> v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(element_as_double(a.view(), i));
  return v;
}

Array f64_array(Dims shape, std::vector<double> values) {
  Array a = Array::empty(DType::f64, shape);
  if (!values.empty()) std::memcpy(a.data(), values.data(), values.size() * 8);
  return a;
}
Array i64_array(Dims shape, std::vector<int64_t> values) {
  Array a = Array::empty(DType::i64, shape);
  if (!values.empty()) std::memcpy(a.data(), values.data(), values.size() * 8);
  return a;
}

double gradient_error(const Var& f, const Var& x, const Given& given) {
  const Array value = evaluate(f, given);
  Array weights = Array::empty(DType::f64, value.shape());
  for (int64_t i = 0; i < weights.size(); ++i) {
    reinterpret_cast<double*>(weights.data())[i] = 0.3 + 0.17 * static_cast<double>(i % 7);
  }
  const Var cost = sum_all(f * constant_array(weights));
  const Var wrt[] = {x};
  const std::vector<double> symbolic = numbers(evaluate(grad(cost, wrt).grads[0], given));
  size_t at = 0;
  while (given[at].first != x) ++at;
  const Array point = given[at].second;
  double worst = 0;
  if (static_cast<int64_t>(symbolic.size()) != point.size()) return INFINITY;
  for (int64_t i = 0; i < point.size(); ++i) {
    double side[2];
    for (int s = 0; s < 2; ++s) {
      Given moved = given;
      moved[at].second = Array::copy_of(point.view());
      reinterpret_cast<double*>(moved[at].second.data())[i] += s ? 1e-5 : -1e-5;
      side[s] = numbers(evaluate(cost, moved))[0];
    }
    worst =
        std::max(worst, std::fabs((side[1] - side[0]) / 2e-5 - symbolic[static_cast<size_t>(i)]));
  }
  return worst;
}

}  // namespace phintys::testing
