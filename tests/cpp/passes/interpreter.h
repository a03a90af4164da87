// A slow, obvious evaluator of small float64 graphs, to hold passes to the values of the graph that
// they were given. It shares no code with the runtime.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/fused.h"
#include "ops/nnet/softmax.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "pass_test.h"

namespace phintys::test {

struct Value {
  Dims shape;
  std::vector<double> data;  // C order
};

inline double scalar_op(const std::string& op, const double* a) {
  static const std::map<std::string, std::function<double(const double*)>> table{
      {"add", [](const double* a) { return a[0] + a[1]; }},
      {"sub", [](const double* a) { return a[0] - a[1]; }},
      {"mul", [](const double* a) { return a[0] * a[1]; }},
      {"true_div", [](const double* a) { return a[0] / a[1]; }},
      {"mul_add", [](const double* a) { return a[0] * a[1] + a[2]; }},
      {"mul_sub", [](const double* a) { return a[0] * a[1] - a[2]; }},
      {"neg_mul_add", [](const double* a) { return a[2] - a[0] * a[1]; }},
      {"pow", [](const double* a) { return std::pow(a[0], a[1]); }},
      {"neg", [](const double* a) { return -a[0]; }},
      {"inv", [](const double* a) { return 1 / a[0]; }},
      {"abs_", [](const double* a) { return std::fabs(a[0]); }},
      {"sqr", [](const double* a) { return a[0] * a[0]; }},
      {"sqrt", [](const double* a) { return std::sqrt(a[0]); }},
      {"exp", [](const double* a) { return std::exp(a[0]); }},
      {"log", [](const double* a) { return std::log(a[0]); }},
      {"log1p", [](const double* a) { return std::log1p(a[0]); }},
      {"expm1", [](const double* a) { return std::expm1(a[0]); }},
      {"tanh", [](const double* a) { return std::tanh(a[0]); }},
      {"sigmoid", [](const double* a) { return 1 / (1 + std::exp(-a[0])); }},
      {"softplus", [](const double* a) { return std::log1p(std::exp(a[0])); }},
      {"maximum", [](const double* a) { return std::fmax(a[0], a[1]); }},
      {"ge", [](const double* a) { return a[0] >= a[1] ? 1.0 : 0.0; }},
      {"isinf", [](const double* a) { return std::isinf(a[0]) ? 1.0 : 0.0; }},
      {"switch", [](const double* a) { return a[0] != 0 ? a[1] : a[2]; }},
      {"second", [](const double* a) { return a[1]; }},
      {"identity", [](const double* a) { return a[0]; }},
      {"cast", [](const double* a) { return a[0]; }},
  };
  auto it = table.find(op);
  REQUIRE_MESSAGE(it != table.end(), "the test's interpreter does not know " << op);
  return it->second(a);
}

// Calls f(index) for every index of `shape`, in C order.
template <class F>
void for_each_index(const Dims& shape, F&& f) {
  Dims index(shape.size(), 0);
  for (int64_t n = product(shape), i = 0; i < n; ++i) {
    f(index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}
inline double& at(Value& v, const Dims& index) {
  int64_t k = 0;
  for (size_t d = 0; d < v.shape.size(); ++d) {
    k = k * v.shape[d] + (v.shape[d] == 1 ? 0 : index[d]);
  }
  return v.data[static_cast<size_t>(k)];
}
inline Dims broadcast_shape(const std::vector<Value*>& in) {
  Dims shape = in[0]->shape;
  for (const Value* v : in) {
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) shape[d] = v->shape[d];
      REQUIRE((v->shape[d] == 1 || v->shape[d] == shape[d]));
    }
  }
  return shape;
}

class Interpreter {
 public:
  std::vector<Value> run(const Graph& graph, const std::vector<Value>& inputs) {
    values_.clear();
    for (size_t i = 0; i < inputs.size(); ++i) values_[graph.inputs()[i].get()] = inputs[i];
    for (const Apply* node : graph.toposort()) eval(*node);
    std::vector<Value> outputs;
    for (const Var& v : graph.outputs()) outputs.push_back(*get(v.get()));
    return outputs;
  }

 private:
  Value* get(const Variable* v) {
    if (v->is_constant() && !values_.contains(v)) {
      Value value{v->constant().shape(), {}};
      for (int64_t i = 0; i < product(value.shape); ++i) {
        value.data.push_back(element_as_double(v->constant().view(), i));
      }
      values_[v] = value;
    }
    return &values_.at(v);
  }

  void eval(const Apply& n) {
    std::vector<Value*> in;
    for (const Var& v : n.inputs()) in.push_back(get(v.get()));
    if (const auto* f = dynamic_cast<const FusedOp*>(&n.op())) return eval_fused(n, *f, in);
    Value out;
    if (const auto* e = as_elemwise(n.op())) {
      out.shape = broadcast_shape(in);
      for_each_index(out.shape, [&](const Dims& index) {
        double a[3];
        for (size_t k = 0; k < in.size(); ++k) a[k] = at(*in[k], index);
        out.data.push_back(scalar_op(e->info().name, a));
      });
    } else if (const auto* d = dynamic_cast<const DimShuffle*>(&n.op())) {
      for (int64_t axis : d->order) {
        out.shape.push_back(axis < 0 ? 1 : in[0]->shape[static_cast<size_t>(axis)]);
      }
      for_each_index(out.shape, [&](const Dims& index) {
        Dims from(in[0]->shape.size(), 0);
        for (size_t k = 0; k < index.size(); ++k) {
          if (d->order[k] >= 0) from[static_cast<size_t>(d->order[k])] = index[k];
        }
        out.data.push_back(at(*in[0], from));
      });
    } else if (const auto* r = dynamic_cast<const Reduce*>(&n.op())) {
      out = reduced(*in[0], r->axes, r->kind == "max");
    } else if (const auto* s = dynamic_cast<const ShapeI*>(&n.op())) {
      out.data = {static_cast<double>(in[0]->shape[static_cast<size_t>(s->axis)])};
    } else if (const bool log = dynamic_cast<const LogSoftmax*>(&n.op());
               log || dynamic_cast<const Softmax*>(&n.op())) {
      out = *in[0];
      const int64_t cols = out.shape[out.shape.size() - 1];
      for (size_t row = 0; row < out.data.size(); row += static_cast<size_t>(cols)) {
        double total = 0;
        for (int64_t i = 0; i < cols; ++i)
          total += std::exp(out.data[row + static_cast<size_t>(i)]);
        for (int64_t i = 0; i < cols; ++i) {
          double& x = out.data[row + static_cast<size_t>(i)];
          x = log ? x - std::log(total) : std::exp(x) / total;
        }
      }
    } else if (dynamic_cast<const Alloc*>(&n.op())) {
      for (size_t i = 1; i < in.size(); ++i) {
        out.shape.push_back(static_cast<int64_t>(in[i]->data[0]));
      }
      Value from = *in[0];
      while (from.shape.size() < out.shape.size()) from.shape.insert(from.shape.begin(), 1);
      for_each_index(out.shape, [&](const Dims& index) { out.data.push_back(at(from, index)); });
    } else {
      FAIL("the test's interpreter does not know " << n.op().str());
    }
    values_[n.output()] = out;
  }

  static Value reduced(Value& x, const std::vector<int64_t>& axes, bool max) {
    Value out;
    auto kept = [&](size_t d) {
      return std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end();
    };
    for (size_t d = 0; d < x.shape.size(); ++d) {
      if (kept(d)) out.shape.push_back(x.shape[d]);
    }
    out.data.assign(static_cast<size_t>(product(out.shape)),
                    max ? -std::numeric_limits<double>::infinity() : 0.0);
    for_each_index(x.shape, [&](const Dims& index) {
      Dims to;
      for (size_t d = 0; d < index.size(); ++d) {
        if (kept(d)) to.push_back(index[d]);
      }
      double& cell = at(out, to);
      cell = max ? std::fmax(cell, at(x, index)) : cell + at(x, index);
    });
    return out;
  }

  void eval_fused(const Apply& n, const FusedOp& op, const std::vector<Value*>& in) {
    std::vector<Value> outs(op.outputs.size());
    const Dims space = broadcast_shape(in);
    for (Value& v : outs) v.shape = space;
    for_each_index(space, [&](const Dims& index) {
      std::vector<double> regs;
      for (Value* v : in) regs.push_back(at(*v, index));
      for (const FusedStep& s : op.steps) {
        double a[3] = {};
        for (int k = 0; k < 3; ++k) {
          if (s.args[k] >= 0) a[k] = regs[static_cast<size_t>(s.args[k])];
        }
        regs.push_back(scalar_op(s.op < 0 ? "cast" : ops::elementwise_info(s.op).name, a));
      }
      for (size_t k = 0; k < outs.size(); ++k) {
        outs[k].data.push_back(regs[static_cast<size_t>(op.outputs[k].reg)]);
      }
    });
    for (size_t k = 0; k < outs.size(); ++k) {
      const bool max = op.outputs[k].reduce == ReduceOp::max;
      values_[n.output(static_cast<int>(k))] =
          op.is_reduction() ? reduced(outs[k], op.axes, max) : outs[k];
    }
  }

  std::unordered_map<const Variable*, Value> values_;
};

}  // namespace phintys::test
