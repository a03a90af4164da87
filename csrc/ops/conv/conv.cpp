#include "ops/conv/conv.h"

#include "device/convolution.h"
#include "device/products.h"
#include "device/queue.h"
#include "device/settings.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/conv/geometry.h"
#include "ops/op_util.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

constexpr int64_t kMostLength = int64_t{1} << 40;

// The lengths of the three arrays of a convolution.
struct Shapes {
  const int64_t* x;
  const int64_t* w;
  const int64_t* y;
};

conv::Geometry geometry(const ConvAttributes& c, const Shapes& s) {
  conv::Geometry g;
  g.batch = s.x[0];
  g.groups = c.groups;
  g.in_channels = s.x[1] / c.groups;
  g.out_channels = s.w[0] / c.groups;
  g.flip = c.flip;
  for (int i = 0; i < c.ndim(); ++i) {
    conv::Axis& a = g.axis[3 - c.ndim() + i];
    a.in = s.x[2 + i];
    a.kernel = s.w[c.tap_axis(i)];
    a.out = s.y[2 + i];
    a.stride = c.stride[static_cast<size_t>(i)];
    a.dilation = c.dilation[static_cast<size_t>(i)];
    a.lo = c.pad_low(i, a.kernel);
  }
  return g;
}

// --- checks of shapes, known or not (-1) --------------------------------------------------------

void check_operands(const Op& op, const ConvAttributes& c, std::span<const Var> inputs, int rank0,
                    int rank1, bool with_shape) {
  check_inputs(op, inputs, with_shape ? 3 : 2);
  const Type& a = inputs[0].type();
  const Type& b = inputs[1].type();
  if (a.dtype() != b.dtype() || (a.dtype() != DType::f32 && a.dtype() != DType::f64)) {
    fail(ErrorKind::type, op.name(), " takes float32 or float64 arrays, both of one dtype, got ",
         a.str(), " and ", b.str());
  }
  if (a.ndim() != rank0 || b.ndim() != rank1) {
    fail(ErrorKind::type, op.name(), " in ", c.ndim(), " dimensions takes arrays of ranks ", rank0,
         " and ", rank1, ", got ", a.str(), " and ", b.str());
  }
  if (!with_shape) return;
  const Type& s = inputs[2].type();
  if (s.ndim() != 1 || !is_int(s.dtype())) {
    fail(ErrorKind::type, op.name(), ": the shape must be a vector of integers, got ", s.str());
  }
  if (s.dim(0) >= 0 && s.dim(0) != c.ndim()) {
    fail(ErrorKind::value, op.name(), ": the shape has ", s.dim(0), " entries, not ", c.ndim());
  }
}

// "x (2, ?, 5), filters (...), y (...)"
std::string shapes_text(const ConvAttributes& c, const Shapes& s) {
  auto text = [](const char* what, const int64_t* shape, int ndim) {
    std::string t = std::string(what) + " (";
    for (int i = 0; i < ndim; ++i) {
      t += (i ? ", " : "") + (shape[i] < 0 ? std::string("?") : std::to_string(shape[i]));
    }
    return t + ")";
  };
  return text("input", s.x, 2 + c.ndim()) + ", " + text("filters", s.w, c.filter_rank()) +
         (s.y ? ", " + text("output", s.y, 2 + c.ndim()) : "");
}

bool differ(int64_t a, int64_t b) { return a >= 0 && b >= 0 && a != b; }

// Fails unless what is known of the three shapes fits together. `y` may be missing.
void check_shapes(const Op& op, const ConvAttributes& c, const Shapes& s) {
  auto bad = [&](const std::string& why) {
    fail(ErrorKind::value, op.name(), ": ", why, " (", shapes_text(c, s), ", ", c.groups,
         " groups, border ", c.border, ")");
  };
  const int64_t channels = s.x[1], filter_channels = s.w[c.channel_axis()];
  if (channels >= 0 && filter_channels >= 0 && channels != filter_channels * c.groups) {
    bad("the input has " + std::to_string(channels) + " channels, the filters take " +
        std::to_string(filter_channels * c.groups));
  }
  if (channels >= 0 && channels % c.groups != 0) {
    bad("the channels of the input cannot be split into groups");
  }
  if (s.w[0] >= 0 && s.w[0] % c.groups != 0) {
    bad("the filters cannot be split into groups");
  }
  if (s.y && (differ(s.x[0], s.y[0]) || differ(s.w[0], s.y[1]))) {
    bad("batch or channels of the output do not fit");
  }
  for (int i = 0; i < c.ndim(); ++i) {
    const int64_t in = s.x[2 + i], kernel = s.w[c.tap_axis(i)];
    if (kernel == 0) bad("the filters have no taps");
    if (in > kMostLength || kernel > kMostLength) bad("a length is too large");
    if (in < 0 || kernel < 0) continue;
    const int64_t out = c.out_length(i, in, kernel);
    if (out < 0) bad("the filters are larger than the padded input");
    if (s.y && differ(out, s.y[2 + i])) {
      bad("the output should have length " + std::to_string(out) + " in dimension " +
          std::to_string(2 + i));
    }
    if (c.unshared && differ(out, s.w[1 + i])) {
      bad("there should be filters for " + std::to_string(out) + " points in dimension " +
          std::to_string(2 + i));
    }
  }
}

// Entry i of a vector of lengths if it is known when the graph is built, or -1.
int64_t known_entry(const Variable* vector, int i) {
  int64_t value = -1;
  if (vector->is_constant()) {
    if (vector->constant().size() <= i) return -1;
    value = element_as_int(vector->constant().view(), i);
  } else if (vector->owner() && std::string_view(vector->owner()->op().name()) == "make_vector") {
    if (!constant_int_value(vector->owner()->input(i), &value)) return -1;
  }
  return value >= 0 ? value : -1;
}

// The lengths that a shape operand holds.
void read_shape(const Op& op, const ConvAttributes& c, const TensorView& s, int64_t* to) {
  if (s.shape[0] != c.ndim()) {
    fail(ErrorKind::value, op.name(), ": the shape has ", s.shape[0], " entries, not ", c.ndim());
  }
  for (int i = 0; i < c.ndim(); ++i) {
    to[i] = load_int(s.data + i * s.strides[0], s.dtype);
    if (to[i] < 0) fail(ErrorKind::value, op.name(), ": ", to[i], " is not a length");
  }
}

// --- the shape that is missing ------------------------------------------------------------------

void out_shape(const ConvAttributes& c, const int64_t* x, const int64_t* w, int64_t* y) {
  y[0] = x[0];
  y[1] = w[0];
  for (int i = 0; i < c.ndim(); ++i) {
    const int64_t in = x[2 + i], kernel = w[c.tap_axis(i)];
    y[2 + i] = in < 0 || kernel < 0 ? kUnknownDim : c.out_length(i, in, kernel);
    if (y[2 + i] < 0 && c.unshared) y[2 + i] = w[1 + i];
  }
}

void in_shape(const ConvAttributes& c, const int64_t* w, const int64_t* y, const int64_t* spatial,
              int64_t* x) {
  x[0] = y[0];
  x[1] = w[c.channel_axis()];
  if (x[1] >= 0) x[1] *= c.groups;
  for (int i = 0; i < c.ndim(); ++i) x[2 + i] = spatial[i];
}

void filter_shape(const ConvAttributes& c, const int64_t* x, const int64_t* y,
                  const int64_t* spatial, int64_t* w) {
  w[0] = y[1];
  w[c.channel_axis()] = x[1] < 0 ? kUnknownDim : x[1] / c.groups;
  for (int i = 0; i < c.ndim(); ++i) {
    if (c.unshared) w[1 + i] = y[2 + i];
    w[c.tap_axis(i)] = spatial[i];
  }
}

Var tail(const Var& v, int first, int n) {
  std::vector<Var> dims;
  for (int i = 0; i < n; ++i) dims.push_back(shape_i(v, first + i));
  return make_vector(dims);
}

Var entry(const Var& vector, int i) {
  const int64_t known = known_entry(vector.get(), i);
  return known >= 0 ? constant_int(known) : cast(index_scalar(vector, i), DType::i64);
}

template <class To>
Ref<To> same_attributes(const ConvAttributes& from) {
  auto op = make_ref<To>();
  static_cast<ConvAttributes&>(*op) = from;
  return op;
}

// What is known of the types of three inputs or outputs; -1 elsewhere.
struct Known {
  int64_t a[kMaxRank], b[kMaxRank], missing[kMaxRank], spatial[3] = {-1, -1, -1};
  Known(std::span<const Var> inputs, int n) {
    for (int i = 0; i < inputs[0].ndim(); ++i) a[i] = inputs[0].type().dim(i);
    for (int i = 0; i < inputs[1].ndim(); ++i) b[i] = inputs[1].type().dim(i);
    if (inputs.size() > 2) {
      for (int i = 0; i < n; ++i) spatial[i] = known_entry(inputs[2].get(), i);
    }
  }
};

template <class F>
auto with_dtype(DType dtype, F&& f) {
  return dtype == DType::f32 ? f(float{}) : f(double{});
}

}  // namespace

// --- ConvAttributes -----------------------------------------------------------------------------

void ConvAttributes::check() const {
  const size_t n = stride.size();
  if (n < 1 || n > 3) fail(ErrorKind::value, "conv: 1 to 3 spatial dimensions, not ", n);
  if (dilation.size() != n) fail(ErrorKind::value, "conv: stride and dilation differ in length");
  if (border != "pad" && border != "full" && border != "half") {
    fail(ErrorKind::value, "conv: border must be pad, full or half, not ", border);
  }
  if (pad.size() != (border == "pad" ? 2 * n : 0)) {
    fail(ErrorKind::value, "conv: ", pad.size(), " paddings for border ", border);
  }
  constexpr int64_t kMost = int64_t{1} << 31;
  for (size_t i = 0; i < n; ++i) {
    if (stride[i] < 1 || dilation[i] < 1 || stride[i] > kMost || dilation[i] > kMost) {
      fail(ErrorKind::value, "conv: stride ", stride[i], " and dilation ", dilation[i],
           " must be positive (and below 2^31)");
    }
  }
  for (int64_t p : pad) {
    if (p < 0 || p > kMost) fail(ErrorKind::value, "conv: ", p, " is not a number of zeros to pad");
  }
  if (groups < 1 || groups > kMost) fail(ErrorKind::value, "conv: ", groups, " groups");
}

int64_t ConvAttributes::pad_low(int i, int64_t kernel) const {
  const int64_t d = dilation[static_cast<size_t>(i)];
  if (border == "full") return (kernel - 1) * d;
  if (border == "half") return ((kernel - 1) * d + 1) / 2;
  return pad[static_cast<size_t>(2 * i)];
}

int64_t ConvAttributes::pad_both(int i, int64_t kernel) const {
  if (border != "pad") return 2 * pad_low(i, kernel);
  return pad[static_cast<size_t>(2 * i)] + pad[static_cast<size_t>(2 * i + 1)];
}

int64_t ConvAttributes::out_length(int i, int64_t in, int64_t kernel) const {
  const int64_t extent = (kernel - 1) * dilation[static_cast<size_t>(i)] + 1;
  const int64_t s = stride[static_cast<size_t>(i)];
  return conv::floor_div(in + pad_both(i, kernel) - extent, s) + 1;
}

// --- Conv ---------------------------------------------------------------------------------------

std::vector<Type> Conv::infer(std::span<const Var> inputs) const {
  check_operands(*this, *this, inputs, 2 + ndim(), filter_rank(), false);
  Known k(inputs, ndim());
  check_shapes(*this, *this, {k.a, k.b, nullptr});
  out_shape(*this, k.a, k.b, k.missing);
  return {inputs[0].type().with_shape(Dims(k.missing, k.missing + 2 + ndim()))};
}

std::vector<Var> Conv::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& w = args.inputs[1];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  return {apply(same_attributes<ConvGradInputs>(*this), {w, g, tail(x, 2, ndim())}),
          apply(same_attributes<ConvGradWeights>(*this), {x, g, tail(w, tap_axis(0), ndim())})};
}

std::vector<std::vector<Var>> Conv::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const Var& w = node.inputs()[1];
  std::vector<Var> dims = {shape_i(x, 0), shape_i(w, 0)};
  for (int i = 0; i < ndim(); ++i) {
    const size_t at = static_cast<size_t>(i);
    const Var extent = (shape_i(w, tap_axis(i)) - constant_int(1)) * constant_int(dilation[at]);
    Var room = shape_i(x, 2 + i) - extent - constant_int(1);
    if (border == "full") room = room + extent * constant_int(2);
    if (border == "half") {
      room = room + int_div(extent + constant_int(1), constant_int(2)) * constant_int(2);
    }
    if (border == "pad") room = room + constant_int(pad[2 * at] + pad[2 * at + 1]);
    dims.push_back(int_div(room, constant_int(stride[at])) + constant_int(1));
  }
  return {dims};
}

void Conv::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  int64_t y[5];
  check_shapes(*this, *this, {inputs[0].shape, inputs[1].shape, nullptr});
  out_shape(*this, inputs[0].shape, inputs[1].shape, y);
  own_layout(outputs[0], y, 2 + ndim());
}

void Conv::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& w = inputs[1];
  const conv::Geometry g = geometry(*this, {x.shape, w.shape, outputs[0].shape});
  void* scratch = context.scratch(scratch_bytes(inputs));
  with_dtype(x.dtype, [&]<class T>(T) {
    if (unshared) {
      conv::unshared<T>(g, conv::Unshared::forward, x, w, outputs[0].as<T>(), scratch);
    } else {
      conv::sweep<T>(g, false, conv::Planes(x), w, outputs[0].as<T>(), scratch);
    }
  });
}

size_t Conv::scratch_bytes(std::span<const TensorView> inputs) const {
  int64_t y[5];
  out_shape(*this, inputs[0].shape, inputs[1].shape, y);
  const conv::Geometry g = geometry(*this, {inputs[0].shape, inputs[1].shape, y});
  return with_dtype(inputs[0].dtype, [&]<class T>(T) {
    return unshared ? conv::unshared_scratch<T>(g, conv::Unshared::forward)
                    : conv::sweep_scratch<T>(g, false);
  });
}

// --- ConvGradInputs -----------------------------------------------------------------------------

std::vector<Type> ConvGradInputs::infer(std::span<const Var> inputs) const {
  check_operands(*this, *this, inputs, filter_rank(), 2 + ndim(), true);
  Known k(inputs, ndim());
  in_shape(*this, k.a, k.b, k.spatial, k.missing);
  check_shapes(*this, *this, {k.missing, k.a, k.b});
  return {inputs[1].type().with_shape(Dims(k.missing, k.missing + 2 + ndim()))};
}

std::vector<Var> ConvGradInputs::grad(const GradArgs& args) const {
  const Var& w = args.inputs[0];
  const Var& gy = args.inputs[1];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  return {apply(same_attributes<ConvGradWeights>(*this), {g, gy, tail(w, tap_axis(0), ndim())}),
          apply(same_attributes<Conv>(*this), {g, w}), Var()};
}

std::vector<std::vector<Var>> ConvGradInputs::infer_shape(const Apply& node) const {
  const Var& w = node.inputs()[0];
  std::vector<Var> dims = {shape_i(node.inputs()[1], 0),
                           shape_i(w, channel_axis()) * constant_int(groups)};
  for (int i = 0; i < ndim(); ++i) dims.push_back(entry(node.inputs()[2], i));
  return {dims};
}

void ConvGradInputs::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  int64_t x[5], spatial[3];
  read_shape(*this, *this, inputs[2], spatial);
  in_shape(*this, inputs[0].shape, inputs[1].shape, spatial, x);
  check_shapes(*this, *this, {x, inputs[0].shape, inputs[1].shape});
  own_layout(outputs[0], x, 2 + ndim());
}

void ConvGradInputs::perform(PerformContext& context, std::span<const TensorView> inputs,
                             std::span<const TensorView> outputs) const {
  const TensorView& w = inputs[0];
  const TensorView& gy = inputs[1];
  const conv::Geometry g = geometry(*this, {outputs[0].shape, w.shape, gy.shape});
  with_dtype(w.dtype, [&]<class T>(T) {
    if (unshared) {
      void* scratch = context.scratch(conv::unshared_scratch<T>(g, conv::Unshared::inputs));
      conv::unshared<T>(g, conv::Unshared::inputs, w, gy, outputs[0].as<T>(), scratch);
    } else {
      void* scratch = context.scratch(conv::sweep_scratch<T>(g, true));
      conv::sweep<T>(g, true, conv::Planes(gy), w, outputs[0].as<T>(), scratch);
    }
  });
}

// --- ConvGradWeights ----------------------------------------------------------------------------

std::vector<Type> ConvGradWeights::infer(std::span<const Var> inputs) const {
  check_operands(*this, *this, inputs, 2 + ndim(), 2 + ndim(), true);
  Known k(inputs, ndim());
  filter_shape(*this, k.a, k.b, k.spatial, k.missing);
  check_shapes(*this, *this, {k.a, k.missing, k.b});
  return {inputs[0].type().with_shape(Dims(k.missing, k.missing + filter_rank()))};
}

std::vector<Var> ConvGradWeights::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& gy = args.inputs[1];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  return {apply(same_attributes<ConvGradInputs>(*this), {g, gy, tail(x, 2, ndim())}),
          apply(same_attributes<Conv>(*this), {x, g}), Var()};
}

std::vector<std::vector<Var>> ConvGradWeights::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const Var& gy = node.inputs()[1];
  std::vector<Var> dims = {shape_i(gy, 1)};
  if (unshared) {
    for (int i = 0; i < ndim(); ++i) dims.push_back(shape_i(gy, 2 + i));
  }
  dims.push_back(int_div(shape_i(x, 1), constant_int(groups)));
  for (int i = 0; i < ndim(); ++i) dims.push_back(entry(node.inputs()[2], i));
  return {dims};
}

void ConvGradWeights::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  int64_t w[kMaxRank], spatial[3];
  read_shape(*this, *this, inputs[2], spatial);
  filter_shape(*this, inputs[0].shape, inputs[1].shape, spatial, w);
  check_shapes(*this, *this, {inputs[0].shape, w, inputs[1].shape});
  own_layout(outputs[0], w, filter_rank());
}

void ConvGradWeights::perform(PerformContext& context, std::span<const TensorView> inputs,
                              std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& gy = inputs[1];
  const conv::Geometry g = geometry(*this, {x.shape, outputs[0].shape, gy.shape});
  with_dtype(x.dtype, [&]<class T>(T) {
    if (unshared) {
      void* scratch = context.scratch(conv::unshared_scratch<T>(g, conv::Unshared::filters));
      conv::unshared<T>(g, conv::Unshared::filters, x, gy, outputs[0].as<T>(), scratch);
    } else {
      void* scratch = context.scratch(conv::filter_gradient_scratch<T>(g));
      conv::filter_gradient<T>(g, conv::Planes(x), conv::Planes(gy), outputs[0].as<T>(), scratch);
    }
  });
}

// --- on a device --------------------------------------------------------------------------------

namespace {

using device::ConvPart;

// False if a stride is not of whole elements.
bool device_array(const TensorView& v, int ndim, device::ConvArray* to) {
  const int64_t item = static_cast<int64_t>(item_size(v.dtype));
  *to = {v.data, v.strides[0] / item, v.strides[1] / item, {0, 0, 0}};
  for (int i = 0; i < ndim; ++i) to->spatial[3 - ndim + i] = v.strides[2 + i] / item;
  for (int i = 0; i < v.ndim; ++i) {
    if (v.strides[i] % item != 0) return false;
  }
  return true;
}

// The one stride of an array's points, in bytes. False if there is none.
bool point_stride(const device::Convolution& d, const device::ConvArray& v, int64_t item,
                  int64_t* stride) {
  int64_t length = 1;
  *stride = item;
  for (int i = 2; i >= 0; --i) {
    const int64_t n = d.axis[i].in;
    if (n == 1) continue;
    if (length == 1) *stride = v.spatial[i] * item;
    if (v.spatial[i] * item != *stride * length) return false;
    length *= n;
  }
  return true;
}

// Filters of one tap: results are products of the filters and each image, whose columns are its
// points. False where blocks that span images do better.
bool as_product(const device::Convolution& d, device::Product* p) {
  if (d.part == ConvPart::filters || std::min(d.in_channels, d.out_channels) < 16) return false;
  int64_t points = 1;
  for (const device::ConvAxis& a : d.axis) {
    if (a.kernel != 1 || a.stride != 1 || a.lo != 0 || a.in != a.out) return false;
    points *= a.in;
  }
  if (points < 64 && d.batch > 1) return false;
  const bool forward = d.part == ConvPart::forward;
  const device::ConvArray &from = forward ? d.x : d.y, &to = forward ? d.y : d.x;
  const int64_t item = static_cast<int64_t>(item_size(d.dtype));
  *p = {};
  p->dtype = d.dtype;
  p->precision = d.precision;
  p->own_kernels = device::settings().own_products;
  p->batch_ndim = 2;
  p->batch_shape[0] = d.batch;
  p->batch_shape[1] = d.groups;
  p->m = forward ? d.out_channels : d.in_channels;
  p->k = forward ? d.in_channels : d.out_channels;
  p->n = points;
  p->alpha = 1;
  p->a = {d.w.data,
          (forward ? d.w.outer : d.w.channel) * item,
          (forward ? d.w.channel : d.w.outer) * item,
          {0, d.out_channels * d.w.outer * item}};
  p->b = {from.data, from.channel * item, 0, {from.outer * item, p->k * from.channel * item}};
  p->c = {to.data, to.channel * item, 0, {to.outer * item, p->m * to.channel * item}};
  return point_stride(d, from, item, &p->b.col) && point_stride(d, to, item, &p->c.col);
}

bool enqueue_part(device::Queue& queue, const ConvAttributes& c, ConvPart part, const TensorView& x,
                  const TensorView& w, const TensorView& y) {
  if (c.unshared || !queue.table.convolution) return false;
  const TensorView& result = part == ConvPart::forward ? y : part == ConvPart::inputs ? x : w;
  if (result.size() == 0) return true;
  if (x.size() == 0 || w.size() == 0 || y.size() == 0) {  // nothing to sum
    const size_t bytes = static_cast<size_t>(result.size()) * item_size(result.dtype);
    return queue.check(queue.table.clear(queue.stream, result.data, bytes));
  }
  const conv::Geometry g = geometry(c, {x.shape, w.shape, y.shape});
  device::Convolution d = {};
  d.part = part;
  d.dtype = x.dtype;
  d.precision = device::settings().f32_products;
  d.batch = g.batch;
  d.groups = g.groups;
  d.in_channels = g.in_channels;
  d.out_channels = g.out_channels;
  d.flip = g.flip;
  for (int i = 0; i < 3; ++i) {
    const conv::Axis& a = g.axis[i];
    d.axis[i] = {a.in, a.kernel, a.out, a.stride, a.dilation, a.lo};
  }
  if (!device_array(x, c.ndim(), &d.x) || !device_array(w, c.ndim(), &d.w) ||
      !device_array(y, c.ndim(), &d.y)) {
    return false;
  }
  int64_t bytes = queue.table.convolution->scratch_bytes(d);
  if (bytes < 0) return false;
  const device::ProductKernels* const products = queue.table.products;
  device::Product product;
  const bool one_tap = products && as_product(d, &product);
  if (one_tap) {
    const size_t needed = products->scratch_bytes(queue.stream, product);
    bytes = std::max(bytes, static_cast<int64_t>(needed));
  }
  d.scratch = queue.scratch(static_cast<size_t>(bytes));
  if (one_tap && queue.check(products->multiply(queue.stream, product, d.scratch))) return true;
  return queue.check(queue.table.convolution->run(queue.stream, d));
}

}  // namespace

bool Conv::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  return enqueue_part(queue, *this, ConvPart::forward, inputs[0], inputs[1], outputs[0]);
}

bool ConvGradInputs::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                             std::span<const TensorView> outputs) const {
  return enqueue_part(queue, *this, ConvPart::inputs, outputs[0], inputs[0], inputs[1]);
}

bool ConvGradWeights::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                              std::span<const TensorView> outputs) const {
  return enqueue_part(queue, *this, ConvPart::filters, inputs[0], outputs[0], inputs[1]);
}

}  // namespace phintys
