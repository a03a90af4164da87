#include "ops/pool/pool.h"

#include <array>

#include "device/pooling.h"
#include "device/queue.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

// Which operand is what. Tensors come first, then ws, stride and pad.
template <class D>
constexpr int kTensors = std::is_same_v<D, Pool>              ? 1
                         : std::is_same_v<D, AveragePoolGrad> ? 2
                                                              : 3;
template <class D>
constexpr bool kResultLikeX = std::is_same_v<D, MaxPoolGrad> || std::is_same_v<D, AveragePoolGrad>;

constexpr std::string_view kModes[] = {"max", "sum", "average_inc_pad", "average_exc_pad"};

int mode_index(std::string_view mode) {
  for (int i = 0; i < 4; ++i) {
    if (mode == kModes[i]) return i;
  }
  return -1;
}

int64_t entry(const TensorView& v, int64_t i) {
  return load_int(v.data + i * v.strides[0], v.dtype);
}

int64_t out_length(const PoolAxis& a, bool ignore_border) {
  const int64_t n = a.length + 2 * a.pad;
  if (ignore_border) return n < a.window ? 0 : (n - a.window) / a.stride + 1;
  if (n == 0) return 0;
  if (a.stride >= a.window) return (n - 1) / a.stride + 1;
  return (n - 1 < a.window ? 0 : (n - 1 - a.window) / a.stride + 1) + 1;
}

// The same as an expression.
Var out_length(const Var& length, const Var& window, const Var& stride, const Var& pad,
               bool ignore_border) {
  const Var zero = constant_int(0), one = constant_int(1);
  const Var n = length + pad * constant_int(2);
  if (ignore_border) return maximum(int_div(n - window, stride) + one, zero);
  const Var apart = int_div(n - one, stride) + one;
  const Var close = maximum(int_div(n - one - window, stride) + one, zero) + one;
  return minimum(switch_(ge(stride, window), apart, close), n);
}

std::vector<Var> entries(const Var& vector, int64_t n) {
  std::vector<Var> found;
  const Apply* owner = vector->owner();
  for (int64_t i = 0; i < n; ++i) {
    if (vector->is_constant()) {
      found.push_back(constant_int(element_as_int(vector->constant().view(), i)));
    } else if (owner && dynamic_cast<const MakeVector*>(&owner->op())) {
      found.push_back(cast(owner->inputs()[static_cast<size_t>(i)], DType::i64));
    } else {
      found.push_back(cast(index_scalar(vector, i), DType::i64));
    }
  }
  return found;
}

// The pooled axes from the last three operands; `lengths` are those of x.
template <class D>
std::array<PoolAxis, 3> read_axes(const PoolOp<D>& op, const int64_t* lengths,
                                  std::span<const TensorView> inputs) {
  std::array<PoolAxis, 3> axes;
  const std::span<const TensorView> parameters = inputs.subspan(kTensors<D>);
  constexpr int64_t kMost = int64_t{1} << 40;
  for (int64_t i = 0; i < op.ndim; ++i) {
    PoolAxis& a = axes[static_cast<size_t>(3 - op.ndim + i)];
    a.length = lengths[i];
    a.window = entry(parameters[0], i);
    a.stride = entry(parameters[1], i);
    a.pad = entry(parameters[2], i);
    if (a.window < 1 || a.stride < 1 || a.window > kMost || a.stride > kMost) {
      fail(ErrorKind::value, op.str(), ": windows and strides must be at least 1, got window ",
           a.window, " and stride ", a.stride, " along pooled axis ", i);
    }
    if (a.pad < 0 || (a.pad > 0 && a.pad >= a.window)) {
      fail(ErrorKind::value, op.str(),
           ": padding must be smaller than the window and not negative,", " got padding ", a.pad,
           " and window ", a.window, " along pooled axis ", i);
    }
    if (a.pad > 0 && !op.ignore_border) {
      fail(ErrorKind::value, op.str(), ": padding works only with ignore_border=True");
    }
    a.out = out_length(a, op.ignore_border);
  }
  return axes;
}

template <class D>
void check_parameters(const PoolOp<D>& op, std::span<const TensorView> inputs) {
  for (const TensorView& v : inputs.subspan(kTensors<D>)) {
    if (v.shape[0] != op.ndim) {
      fail(ErrorKind::value, op.str(), ": window, stride and padding must have ", op.ndim,
           " entries, got ", v.shape[0]);
    }
  }
}

PoolOperand operand(const TensorView& v, int64_t ndim) {
  PoolOperand p;
  p.data = v.data;
  p.lead_strides = v.strides;
  for (int64_t i = 0; i < ndim; ++i) {
    p.strides[3 - ndim + i] = v.strides[v.ndim - ndim + i];
  }
  const int64_t lead = v.ndim - ndim;
  p.even = true;
  for (int64_t i = 0; i + 1 < lead; ++i) {
    p.even &= v.strides[i] == v.strides[i + 1] * v.shape[i + 1];
  }
  if (lead > 0) p.plane_stride = v.strides[lead - 1];
  return p;
}

// True iff the two agree before the pooled axes and `v` has the given lengths in these.
bool fits(const TensorView& v, const TensorView& lead, int64_t ndim,
          const std::array<PoolAxis, 3>& axes, bool pooled) {
  for (int i = 0; i < v.ndim - ndim; ++i) {
    if (v.shape[i] != lead.shape[i]) return false;
  }
  for (int64_t i = 0; i < ndim; ++i) {
    const PoolAxis& a = axes[static_cast<size_t>(3 - ndim + i)];
    if (v.shape[v.ndim - ndim + i] != (pooled ? a.out : a.length)) return false;
  }
  return true;
}

template <class D>
Ref<const Op> like(const auto& op) {
  auto made = make_ref<D>();
  made->ignore_border = op.ignore_border;
  made->mode = op.mode;
  made->ndim = op.ndim;
  return made;
}

// `tensors` and the window parameters of the node that is being differentiated.
template <class D>
std::vector<Var> with_parameters(const GradArgs& args, std::vector<Var> tensors) {
  for (const Var& v : args.inputs.subspan(kTensors<D>)) tensors.push_back(v);
  return tensors;
}

Var lengths_of(const Var& x, int64_t ndim) {
  std::vector<Var> lengths;
  for (int64_t i = 0; i < ndim; ++i) {
    lengths.push_back(shape_i(x, x.ndim() - static_cast<int>(ndim - i)));
  }
  return make_vector(std::move(lengths));
}

// Where x has no elements along a pooled axis but windows see the padding.
bool sees_nothing(const std::array<PoolAxis, 3>& axes) {
  bool empty = false, windows = true;
  for (const PoolAxis& a : axes) {
    empty |= a.length == 0;
    windows &= a.out > 0;
  }
  return empty && windows;
}

// The leading axes, which all operands have alike, with those merged that all of them allow: at
// most three, in C order. False if more are left.
bool merge_leads(std::span<const TensorView> operands, int lead, device::Pooling* p,
                 std::span<device::PoolArray* const> arrays) {
  int groups = 0, before = -1;
  std::fill_n(p->lead, 3, 1);
  for (int d = lead - 1; d >= 0; --d) {
    if (operands[0].shape[d] == 1) continue;
    bool joins = before >= 0;
    for (const TensorView& v : operands) {
      joins = joins && v.strides[d] == v.strides[before] * v.shape[before];
    }
    before = d;
    if (!joins && ++groups > 3) return false;
    p->lead[3 - groups] *= operands[0].shape[d];
    for (size_t i = 0; i < operands.size() && !joins; ++i) {
      arrays[i]->lead[3 - groups] =
          operands[i].strides[d] / static_cast<int64_t>(item_size(operands[i].dtype));
    }
  }
  return true;
}

device::PoolParameter device_parameter(const TensorView& v) {
  return {v.data, v.dtype, v.strides[0]};
}

// True iff one window covers whole planes, whose elements follow each other.
bool covers_planes(const PoolWork& work) {
  int64_t stride = static_cast<int64_t>(item_size(work.dtype));
  for (int i = 2; i >= 0; --i) {
    const PoolAxis& a = work.axes[i];
    if (a.out != 1 || a.window < a.length + a.pad) return false;
    // Without data there is no x: the gradient of an average.
    if (work.x.data && a.length > 1 && work.x.strides[i] != stride) return false;
    stride *= a.length;
  }
  return true;
}

}  // namespace

template <class D>
void PoolOp<D>::check_attributes() const {
  if (mode_index(mode) < 0) {
    fail(ErrorKind::value,
         "Pool mode parameter only support 'max', 'sum', 'average_inc_pad' and "
         "'average_exc_pad'. Got ",
         mode);
  }
  if (ndim < 1 || ndim > 3) {
    fail(ErrorKind::value, D::kName, ": windows have 1 to 3 dimensions, not ", ndim);
  }
  if constexpr (std::is_same_v<D, MaxPoolGrad> || std::is_same_v<D, MaxPoolGradGrad>) {
    if (mode != "max") fail(ErrorKind::value, D::kName, ": the mode must be max, not ", mode);
  }
  if constexpr (std::is_same_v<D, AveragePoolGrad>) {
    if (mode == "max") fail(ErrorKind::value, D::kName, ": the mode must not be max");
  }
}

template <class D>
std::vector<Type> PoolOp<D>::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, kTensors<D> + 3);
  const char* names[] = {"Window shape", "Stride", "Padding"};
  for (size_t i = 0; i < 3; ++i) {
    const Type& t = inputs[kTensors<D> + i].type();
    if (!is_int(t.dtype())) {
      fail(ErrorKind::type, names[i], " parameters must be ints, got ", t.str());
    }
    if (t.ndim() != 1 || (t.dim(0) >= 0 && t.dim(0) != ndim)) {
      fail(ErrorKind::value, this->str(), ": ", names[i], " must be a vector of ", ndim,
           " entries, got ", t.str());
    }
  }
  constexpr size_t kFirst = std::is_same_v<D, AveragePoolGrad> ? 1 : 0;
  const Type& x = inputs[kFirst].type();
  const bool integers = std::is_same_v<D, Pool> && (mode == "max" || mode == "sum");
  const bool known =
      x.dtype() == DType::f32 || x.dtype() == DType::f64 || (integers && is_int(x.dtype()));
  if (x.ndim() < ndim || !known) {
    fail(ErrorKind::type, this->str(), ": the operand must have at least ", ndim,
         " dimensions and be of float32 or float64", integers ? " or integers" : "", ", got ",
         x.str());
  }
  for (size_t i = kFirst; i < kTensors<D>; ++i) {
    if (inputs[i].dtype() != x.dtype() || inputs[i].ndim() != x.ndim()) {
      fail(ErrorKind::type, this->str(), ": operands of ", x.str(), " and ", inputs[i].type().str(),
           " must have one dtype and rank");
    }
  }
  if constexpr (std::is_same_v<D, AveragePoolGrad>) {
    const Type& t = inputs[0].type();
    if (!is_int(t.dtype()) || t.ndim() != 1 || (t.dim(0) >= 0 && t.dim(0) != ndim)) {
      fail(ErrorKind::type, this->str(), ": lengths must be a vector of ", ndim, " integers, got ",
           t.str());
    }
  }
  if constexpr (std::is_same_v<D, MaxPoolGrad>) return {x};
  // Theano's rule: pooled axes never broadcast.
  Dims shape = x.shape();
  for (int64_t i = 0; i < ndim; ++i) shape[shape.size() - 1 - static_cast<size_t>(i)] = kUnknownDim;
  return {x.with_shape(std::move(shape))};
}

template <class D>
bool PoolOp<D>::connected(int in, int) const {
  if constexpr (std::is_same_v<D, AveragePoolGrad>) return in == 1;
  return in < kTensors<D>;
}

template <class D>
std::vector<Var> PoolOp<D>::grad(const GradArgs& args) const {
  std::vector<Var> grads(args.inputs.size());
  const Var& g = args.grads[0];
  if (!g) return grads;
  const Var& first = args.inputs[0];
  auto with = [&](std::vector<Var> tensors) {
    return with_parameters<D>(args, std::move(tensors));
  };
  if constexpr (std::is_same_v<D, Pool>) {
    if (is_discrete(first.dtype())) {
      grads[0] = zero_grad_for(first);
    } else if (mode == "max") {
      grads[0] = apply(like<MaxPoolGrad>(*this), with({first, args.outputs[0], g}));
    } else {
      // Padding may be claimed to broadcast only where x does.
      grads[0] =
          specify_shape(apply(like<AveragePoolGrad>(*this), with({lengths_of(first, ndim), g})),
                        first.type().shape());
    }
  } else if constexpr (std::is_same_v<D, AveragePoolGrad>) {
    grads[1] = apply(like<Pool>(*this), with({g}));
  } else {
    grads[0] = zero_grad_for(first);
    grads[1] = zero_grad_for(args.inputs[1]);
    using Back = std::conditional_t<std::is_same_v<D, MaxPoolGrad>, MaxPoolGradGrad, MaxPoolGrad>;
    grads[2] = apply(like<Back>(*this), with({first, args.inputs[1], g}));
  }
  return grads;
}

template <class D>
std::vector<std::vector<Var>> PoolOp<D>::infer_shape(const Apply& node) const {
  const Var& first = node.inputs()[0];
  if constexpr (std::is_same_v<D, MaxPoolGrad>) return {shape_list(first)};
  if constexpr (std::is_same_v<D, AveragePoolGrad>) {
    std::vector<Var> dims = shape_list(node.inputs()[1]);
    dims.resize(dims.size() - static_cast<size_t>(ndim));
    for (const Var& length : entries(first, ndim)) dims.push_back(length);
    return {dims};
  }
  if constexpr (std::is_same_v<D, MaxPoolGradGrad>) return {shape_list(node.inputs()[1])};
  std::vector<Var> dims = shape_list(first);
  const std::vector<Var> windows = entries(node.inputs()[kTensors<D>], ndim),
                         strides = entries(node.inputs()[kTensors<D> + 1], ndim),
                         pads = entries(node.inputs()[kTensors<D> + 2], ndim);
  for (size_t i = 0; i < windows.size(); ++i) {
    Var& d = dims[dims.size() - windows.size() + i];
    d = out_length(d, windows[i], strides[i], pads[i], ignore_border);
  }
  return {dims};
}

template <class D>
uint64_t PoolOp<D>::shape_inputs() const {
  const uint64_t parameters = uint64_t{7} << kTensors<D>;
  return std::is_same_v<D, AveragePoolGrad> ? parameters | 1 : parameters;
}

template <class D>
void PoolOp<D>::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_parameters(*this, inputs);
  Dims lengths(static_cast<size_t>(ndim), 0);
  const TensorView& x = inputs[0];
  if (std::is_same_v<D, AveragePoolGrad> && x.shape[0] != ndim) {
    fail(ErrorKind::value, this->str(), ": there must be ", ndim, " lengths, got ", x.shape[0]);
  }
  for (int64_t i = 0; i < ndim; ++i) {
    lengths[static_cast<size_t>(i)] =
        std::is_same_v<D, AveragePoolGrad> ? entry(x, i) : x.shape[x.ndim - ndim + i];
  }
  if constexpr (std::is_same_v<D, AveragePoolGrad>) {
    int64_t size;
    if (!checked_product(lengths, &size)) {
      fail(ErrorKind::value, this->str(), ": bad lengths ", to_string(lengths));
    }
  }
  const auto axes = read_axes(*this, lengths.data(), inputs);
  const TensorView& model = inputs[std::is_same_v<D, AveragePoolGrad> ? 1 : 0];
  if (std::is_same_v<D, Pool> && mode == "max" && sees_nothing(axes)) {
    fail(ErrorKind::value, this->str(), ": a maximum over windows of an empty array of shape ",
         shape_text(x));
  }
  for (size_t i = 1; i < kTensors<D>; ++i) {
    const bool pooled = !(std::is_same_v<D, MaxPoolGradGrad> && i == 2);
    if (!fits(inputs[i], model, ndim, axes, pooled)) {
      fail(ErrorKind::value, this->str(), ": an operand of shape ", shape_text(inputs[i]),
           " does not fit windows over ", to_string(lengths));
    }
  }
  Dims shape(model.shape, model.shape + model.ndim);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const PoolAxis& a = axes[3 - lengths.size() + i];
    shape[shape.size() - lengths.size() + i] = kResultLikeX<D> ? a.length : a.out;
  }
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}

template <class D>
void PoolOp<D>::perform(PerformContext&, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (out.size() == 0) return;
  int64_t lengths[3];
  const TensorView& x = inputs[0];
  for (int64_t i = 0; i < ndim; ++i) {
    lengths[i] = std::is_same_v<D, AveragePoolGrad> ? entry(x, i) : x.shape[x.ndim - ndim + i];
  }
  const auto axes = read_axes(*this, lengths, inputs);
  PoolWork work;
  work.mode = static_cast<PoolMode>(mode_index(mode));
  work.dtype = out.dtype;
  std::copy(axes.begin(), axes.end(), work.axes);
  work.lead = out.ndim - static_cast<int>(ndim);
  work.lead_shape = out.shape;
  if (!std::is_same_v<D, AveragePoolGrad>) work.x = operand(x, ndim);
  if (kTensors<D> == 3) work.z = operand(inputs[1], ndim);
  if (kTensors<D> > 1) work.g = operand(inputs[kTensors<D> - 1], ndim);
  work.out = operand(out, ndim);

  int64_t planes = 1, window = 1;
  for (int i = 0; i < work.lead; ++i) planes *= out.shape[i];
  const int64_t in_plane = axes[0].length * axes[1].length;
  const int64_t rows = kResultLikeX<D> ? in_plane : axes[0].out * axes[1].out;
  if (!std::is_same_v<D, MaxPoolGradGrad> && covers_planes(work)) {
    work.whole = in_plane * axes[2].length;
  }
  const bool by_plane = work.whole > 0 || (kResultLikeX<D> && !pool_buffered(axes[2]));
  for (const PoolAxis& a : axes) window *= std::min(a.window, a.length + 1);
  // Elements that one unit of work visits, roughly.
  const int64_t visits =
      by_plane ? in_plane * axes[2].length : axes[2].out * std::min<int64_t>(window, 1 << 20);
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, visits));
  auto* const kernel = [] {
    if constexpr (std::is_same_v<D, Pool>) return PHINTYS_ISA_CALL(pool_rows);
    if constexpr (std::is_same_v<D, MaxPoolGrad>) return PHINTYS_ISA_CALL(max_pool_grad_rows);
    if constexpr (std::is_same_v<D, MaxPoolGradGrad>) {
      return PHINTYS_ISA_CALL(max_pool_grad_grad_rows);
    }
    if constexpr (std::is_same_v<D, AveragePoolGrad>) {
      return PHINTYS_ISA_CALL(average_pool_grad_rows);
    }
  }();
  parallel_ranges(by_plane ? planes : planes * rows, grain,
                  [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

template <class D>
bool PoolOp<D>::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (!queue.table.pooling) return false;
  if (out.size() == 0) return true;
  constexpr int kFirst = std::is_same_v<D, AveragePoolGrad> ? 1 : 0;
  device::Pooling p = {};
  p.part = std::is_same_v<D, Pool>              ? device::PoolPart::forward
           : std::is_same_v<D, MaxPoolGrad>     ? device::PoolPart::max_gradient
           : std::is_same_v<D, MaxPoolGradGrad> ? device::PoolPart::max_chosen
                                                : device::PoolPart::average_gradient;
  p.mode = static_cast<device::PoolMode>(mode_index(mode));
  p.dtype = out.dtype;
  p.ndim = static_cast<int32_t>(ndim);
  p.result = out.data;
  const std::span<const TensorView> tensors = inputs.subspan(kFirst, kTensors<D> - kFirst);
  device::PoolArray* arrays[] = {&p.x, &p.z, &p.g};
  if (std::is_same_v<D, AveragePoolGrad>) arrays[0] = &p.g;
  const int lead = out.ndim - static_cast<int>(ndim);
  // Of the shape of x and of the pooled one: with AveragePoolGrad the result stands for x.
  const TensorView& x = kFirst == 1 ? out : inputs[0];
  const TensorView& pooled = std::is_same_v<D, Pool> ? out : inputs[1];
  for (int i = 0; i < 3; ++i) p.length[i] = p.out[i] = 1;
  for (int i = 0; i < ndim; ++i) {
    const int64_t to = 3 - ndim + i;
    p.length[to] = x.shape[lead + i];
    p.out[to] = pooled.shape[lead + i];
    for (size_t k = 0; k < tensors.size(); ++k) {
      arrays[k]->pooled[to] =
          tensors[k].strides[lead + i] / static_cast<int64_t>(item_size(out.dtype));
    }
  }
  for (size_t k = 0; k < tensors.size(); ++k) {
    arrays[k]->data = tensors[k].data;
    for (int i = 0; i < out.ndim; ++i) {
      if (tensors[k].strides[i] % static_cast<int64_t>(item_size(out.dtype)) != 0) return false;
    }
  }
  if (!merge_leads(tensors, lead, &p, arrays)) return false;
  p.window = device_parameter(inputs[kTensors<D>]);
  p.stride = device_parameter(inputs[kTensors<D> + 1]);
  p.pad = device_parameter(inputs[kTensors<D> + 2]);
  return queue.check(queue.table.pooling->run(queue.stream, p));
}

template class PoolOp<Pool>;
template class PoolOp<MaxPoolGrad>;
template class PoolOp<MaxPoolGradGrad>;
template class PoolOp<AveragePoolGrad>;

}  // namespace phintys
