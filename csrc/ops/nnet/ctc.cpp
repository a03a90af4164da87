#include "ops/nnet/ctc.h"

#include <cmath>
#include <limits>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return a == kNever ? kNever : a + std::log1p(std::exp(b - a));
}

// Memory of one example: symbols are the labels with blanks around each of them.
struct Workspace {
  int64_t* symbols;  // [S]
  double* norm;      // [time]: logarithm of the softmax's denominator
  double* alpha;     // [time, S]: all ways to the symbol, its own probability included
  double* beta;      // [2, S]: all ways from the symbol on

  static size_t bytes(int64_t time, int64_t length) {
    const int64_t s = 2 * length + 1;
    return static_cast<size_t>(s + time + time * s + 2 * s) * 8;
  }
  Workspace(char* p, int64_t time, int64_t length) {
    const int64_t s = 2 * length + 1;
    symbols = reinterpret_cast<int64_t*>(p);
    norm = reinterpret_cast<double*>(p) + s;
    alpha = norm + time;
    beta = alpha + time * s;
  }
};

template <class T>
class Example {
 public:
  // `x` is the example's part of the activations.
  Example(const TensorView& activations, int64_t b, const Workspace& w)
      : x_(activations.data + b * activations.strides[1]),
        step_(activations.strides[0]),
        item_(activations.strides[2]),
        alphabet_(activations.shape[2]),
        w_(w) {}

  // Reads the labels up to the padding, and what they must satisfy.
  void read(const TensorView& labels, const TensorView& lengths, int64_t b, int64_t most_time) {
    time_ = load_int(lengths.data + b * lengths.strides[0], lengths.dtype);
    if (time_ < 0 || time_ > most_time) {
      fail(ErrorKind::value, "ctc: input_lengths[", b, "] is ", time_,
           ", but the activations have ", most_time, " time steps");
    }
    count_ = 0;
    repeats_ = 0;
    w_.symbols[count_++] = 0;
    for (int64_t i = 0; i < labels.shape[1]; ++i) {
      const int64_t label =
          load_int(labels.data + b * labels.strides[0] + i * labels.strides[1], labels.dtype);
      if (label < 0) break;
      if (label == 0 || label >= alphabet_) {
        fail(ErrorKind::index, "ctc: labels[", b, ", ", i, "] is ", label,
             ", but labels must be in 1..", alphabet_ - 1, " (0 is the blank)");
      }
      if (count_ > 1 && w_.symbols[count_ - 2] == label) ++repeats_;
      w_.symbols[count_++] = label;
      w_.symbols[count_++] = 0;
    }
  }
  // True iff the labels, with blanks between equal ones, are no more than the time steps.
  bool possible() const { return time_ > 0 && count_ / 2 + repeats_ <= time_; }

  double cost() {
    for (int64_t t = 0; t < time_; ++t) {
      double top = kNever;
      for (int64_t a = 0; a < alphabet_; ++a) top = std::max(top, at(t, a));
      double total = 0;
      for (int64_t a = 0; a < alphabet_; ++a) total += std::exp(at(t, a) - top);
      w_.norm[t] = top + std::log(total);
    }
    for (int64_t t = 0; t < time_; ++t) {
      double* const now = w_.alpha + t * count_;
      const double* const before = now - count_;
      for (int64_t s = 0; s < count_; ++s) {
        double ways = t == 0 ? (s < 2 ? 0 : kNever) : before[s];
        if (t > 0 && s > 0) ways = log_add(ways, before[s - 1]);
        if (t > 0 && skips(s)) ways = log_add(ways, before[s - 2]);
        now[s] = ways + log_probability(t, w_.symbols[s]);
      }
    }
    const double* const last = w_.alpha + (time_ - 1) * count_;
    total_ = count_ > 1 ? log_add(last[count_ - 1], last[count_ - 2]) : last[0];
    return -total_;
  }

  // After cost(): softmax less the probability of being at a symbol, times g.
  void gradient(char* gx, int64_t step, double g) {
    for (int64_t t = time_ - 1; t >= 0; --t) {
      double* const now = w_.beta + (t & 1) * count_;
      const double* const after = w_.beta + ((t + 1) & 1) * count_;
      T* const out = reinterpret_cast<T*>(gx + t * step);
      for (int64_t a = 0; a < alphabet_; ++a) {
        out[a] = static_cast<T>(g * std::exp(log_probability(t, a)));
      }
      for (int64_t s = 0; s < count_; ++s) {
        double ways = t == time_ - 1 ? (s >= count_ - 2 ? 0 : kNever)
                                     : after[s] + log_probability(t + 1, w_.symbols[s]);
        if (t < time_ - 1 && s + 1 < count_) {
          ways = log_add(ways, after[s + 1] + log_probability(t + 1, w_.symbols[s + 1]));
        }
        if (t < time_ - 1 && s + 2 < count_ && skips(s + 2)) {
          ways = log_add(ways, after[s + 2] + log_probability(t + 1, w_.symbols[s + 2]));
        }
        now[s] = ways;
        const double here = std::exp(w_.alpha[t * count_ + s] + ways - total_);
        T& to = out[w_.symbols[s]];
        to = static_cast<T>(static_cast<double>(to) - g * here);
      }
    }
  }

 private:
  double at(int64_t t, int64_t a) const {
    return static_cast<double>(*reinterpret_cast<const T*>(x_ + t * step_ + a * item_));
  }
  double log_probability(int64_t t, int64_t a) const { return at(t, a) - w_.norm[t]; }
  // True iff symbol s may follow symbol s - 2 at once.
  bool skips(int64_t s) const {
    return s > 1 && w_.symbols[s] != 0 && w_.symbols[s] != w_.symbols[s - 2];
  }

  const char* x_;
  int64_t step_, item_, alphabet_;
  Workspace w_;
  int64_t time_ = 0, count_ = 0, repeats_ = 0;
  double total_ = 0;
};

void check_ctc(const Op& op, std::span<const Var> inputs) {
  const Type& x = inputs[0].type();
  if (x.ndim() != 3 || (x.dtype() != DType::f32 && x.dtype() != DType::f64)) {
    fail(ErrorKind::type, op.str(),
         ": activations must be a 3-d tensor of float32 or float64, got ", x.str());
  }
  if (inputs[1].ndim() != 2 || !is_int(inputs[1].dtype())) {
    fail(ErrorKind::type, op.str(), ": labels must be a matrix of integers, got ",
         inputs[1].type().str());
  }
  if (inputs[2].ndim() != 1 || !is_int(inputs[2].dtype())) {
    fail(ErrorKind::type, op.str(), ": input_lengths must be a vector of integers, got ",
         inputs[2].type().str());
  }
}

void check_batch(const Op& op, std::span<const TensorView> inputs) {
  const int64_t batch = inputs[0].shape[1];
  bool fits = inputs[1].shape[0] == batch && inputs[2].shape[0] == batch;
  if (inputs.size() == 4) fits &= inputs[3].shape[0] == batch;
  if (!fits) {
    fail(ErrorKind::value, op.str(), ": activations of shape ", shape_text(inputs[0]),
         ", labels of shape ", shape_text(inputs[1]), " and input_lengths of shape ",
         shape_text(inputs[2]), " are not of one batch");
  }
}

// f(example, b) for all examples.
template <class T, class F>
void for_examples(PerformContext& context, std::span<const TensorView> inputs, F&& f) {
  const int64_t time = inputs[0].shape[0], batch = inputs[0].shape[1], length = inputs[1].shape[1];
  const size_t bytes = Workspace::bytes(time, length);
  char* const block = static_cast<char*>(context.scratch(bytes * static_cast<size_t>(batch)));
  parallel_for(batch, [&](int64_t b) {
    const Workspace w(block + static_cast<int64_t>(bytes) * b, time, length);
    Example<T> example(inputs[0], b, w);
    example.read(inputs[1], inputs[2], b, time);
    f(example, b);
  });
}

template <class T>
void costs(PerformContext& context, std::span<const TensorView> inputs, const TensorView& out) {
  for_examples<T>(context, inputs, [&](Example<T>& e, int64_t b) {
    out.as<T>()[b] = static_cast<T>(e.possible() ? e.cost() : 0);
  });
}

template <class T>
void gradients(PerformContext& context, std::span<const TensorView> inputs, const TensorView& out) {
  const int64_t step = out.strides[0], alphabet = out.shape[2];
  for_examples<T>(context, inputs, [&](Example<T>& e, int64_t b) {
    char* const gx = out.data + b * out.strides[1];
    for (int64_t t = 0; t < out.shape[0]; ++t) {
      std::fill_n(reinterpret_cast<T*>(gx + t * step), alphabet, T{0});
    }
    if (!e.possible() || std::isinf(e.cost())) return;
    const T g = *reinterpret_cast<const T*>(inputs[3].data + b * inputs[3].strides[0]);
    e.gradient(gx, step, static_cast<double>(g));
  });
}

}  // namespace

std::vector<Type> Ctc::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_ctc(*this, inputs);
  return {inputs[0].type().with_shape({inputs[0].type().dim(1)})};
}

std::vector<Var> Ctc::grad(const GradArgs& args) const {
  std::vector<Var> grads(3);
  if (!args.grads[0]) return grads;
  grads[0] =
      apply(make_ref<CtcGrad>(), {args.inputs[0], args.inputs[1], args.inputs[2], args.grads[0]});
  return grads;
}

std::vector<std::vector<Var>> Ctc::infer_shape(const Apply& node) const {
  return {{shape_i(node.inputs()[0], 1)}};
}

void Ctc::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_batch(*this, inputs);
  own_layout(outputs[0], inputs[0].shape + 1, 1);
}

void Ctc::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  (outputs[0].dtype == DType::f32 ? costs<float> : costs<double>)(context, inputs, outputs[0]);
}

std::vector<Type> CtcGrad::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 4);
  check_ctc(*this, inputs);
  if (inputs[3].ndim() != 1 || inputs[3].dtype() != inputs[0].dtype()) {
    fail(ErrorKind::type, str(), ": g must be a vector of the activations' dtype, got ",
         inputs[3].type().str());
  }
  return {inputs[0].type()};
}

std::vector<Var> CtcGrad::grad(const GradArgs& args) const {
  std::vector<Var> grads(4);
  const Var& v = args.grads[0];
  if (!v) return grads;
  const Var& g = args.inputs[3];
  grads[0] = undefined_grad(*this, 0, "activations", "second derivatives are not known");
  const Var each =
      apply(make_ref<CtcGrad>(), {args.inputs[0], args.inputs[1], args.inputs[2], ones_like(g)});
  grads[3] = sum(each * v, {0, 2});
  return grads;
}

std::vector<std::vector<Var>> CtcGrad::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void CtcGrad::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_batch(*this, inputs);
  own_layout(outputs[0], inputs[0].shape, 3);
}

void CtcGrad::perform(PerformContext& context, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  (outputs[0].dtype == DType::f32 ? gradients<float> : gradients<double>)(context, inputs,
                                                                          outputs[0]);
}

}  // namespace phintys
