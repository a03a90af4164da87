#include "ops/nnet/ctc.h"

#include <cmath>
#include <cstring>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/nnet/ctc_kernels.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

// The memory of one example.
size_t workspace_bytes(int64_t time, int64_t alphabet, int64_t length) {
  const int64_t count = 2 * length + 1, row = ctc_row(count);
  return static_cast<size_t>(count + 4 * row + alphabet + time + time * row) * 8;
}
CtcWork make_work(const TensorView& x, int64_t b, int64_t length, char* block) {
  CtcWork w;
  w.dtype = x.dtype;
  w.x = x.data + b * x.strides[1];
  w.step = x.strides[0];
  w.item = x.strides[2];
  w.alphabet = x.shape[2];
  const int64_t count = 2 * length + 1, row = ctc_row(count);
  w.symbols = reinterpret_cast<int64_t*>(block);
  w.skip = reinterpret_cast<double*>(block) + count;
  w.beta = w.skip + row;
  w.next = w.beta + row;
  w.emission = w.next + row;
  w.row = w.emission + row;
  w.norm = w.row + w.alphabet;
  w.alpha = w.norm + x.shape[0];
  return w;
}

// Reads the labels up to the padding, and how many time steps there are. False iff the labels, with
// blanks between equal ones, do not fit into these.
bool read_example(CtcWork* w, std::span<const TensorView> inputs, int64_t b) {
  const TensorView &labels = inputs[1], &lengths = inputs[2];
  const int64_t most_time = inputs[0].shape[0];
  w->time = load_int(lengths.data + b * lengths.strides[0], lengths.dtype);
  if (w->time < 0 || w->time > most_time) {
    fail(ErrorKind::value, "ctc: input_lengths[", b, "] is ", w->time,
         ", but the activations have ", most_time, " time steps");
  }
  int64_t repeats = 0;
  w->count = 0;
  w->symbols[w->count++] = 0;
  for (int64_t i = 0; i < labels.shape[1]; ++i) {
    const int64_t label =
        load_int(labels.data + b * labels.strides[0] + i * labels.strides[1], labels.dtype);
    if (label < 0) break;
    if (label == 0 || label >= w->alphabet) {
      fail(ErrorKind::index, "ctc: labels[", b, ", ", i, "] is ", label,
           ", but labels must be in 1..", w->alphabet - 1, " (0 is the blank)");
    }
    if (w->count > 1 && w->symbols[w->count - 2] == label) ++repeats;
    w->symbols[w->count++] = label;
    w->symbols[w->count++] = 0;
  }
  return w->time > 0 && w->alphabet > 0 && w->count / 2 + repeats <= w->time;
}

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

// f(work, b, possible) for all examples.
template <class F>
void for_examples(PerformContext& context, std::span<const TensorView> inputs, F&& f) {
  const TensorView& x = inputs[0];
  const int64_t length = inputs[1].shape[1];
  const size_t bytes = workspace_bytes(x.shape[0], x.shape[2], length);
  char* const block = static_cast<char*>(context.scratch(bytes * static_cast<size_t>(x.shape[1])));
  parallel_for(x.shape[1], [&](int64_t b) {
    CtcWork w = make_work(x, b, length, block + static_cast<int64_t>(bytes) * b);
    f(w, b, read_example(&w, inputs, b));
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
  const TensorView& out = outputs[0];
  auto* const forward = PHINTYS_ISA_CALL(ctc_forward);
  for_examples(context, inputs, [&](const CtcWork& w, int64_t b, bool possible) {
    store_double(out.data + b * out.strides[0], out.dtype, possible ? -forward(w) : 0);
  });
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
  const TensorView& out = outputs[0];
  const TensorView& g = inputs[3];
  auto* const forward = PHINTYS_ISA_CALL(ctc_forward);
  auto* const backward = PHINTYS_ISA_CALL(ctc_backward);
  for_examples(context, inputs, [&](CtcWork& w, int64_t b, bool possible) {
    w.gx = out.data + b * out.strides[1];
    w.gx_step = out.strides[0];
    const size_t row = static_cast<size_t>(w.alphabet) * item_size(out.dtype);
    const double total = possible ? forward(w) : 0;
    const bool known = possible && !std::isinf(total);
    for (int64_t t = known ? w.time : 0; t < out.shape[0]; ++t) {
      std::memset(w.gx + t * w.gx_step, 0, row);
    }
    if (!known) return;
    const TensorView one{g.data + b * g.strides[0], g.dtype, 0, nullptr, nullptr};
    w.g = element_as_double(one);
    backward(w, total);
  });
}

}  // namespace phintys
