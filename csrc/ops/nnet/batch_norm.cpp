#include "device/rows.h"
#include "kernels/parallel.h"
#include "ops/device_operands.h"
#include "ops/nnet/norm.h"
#include "ops/nnet/norm_kernels.h"
#include "ops/nnet/norm_util.h"

namespace phintys {

namespace {

void check_axes(const char* name, int64_t lead, int64_t kept) {
  if (lead < 0 || kept < 0 || lead > kMaxRank || kept > kMaxRank) {
    fail(ErrorKind::value, name, ": bad axes: lead ", lead, ", kept ", kept);
  }
}

// Which axes are kept.
struct Kept {
  int64_t lead, kept;
  std::vector<int64_t> reduced(int ndim) const {
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < ndim; ++i) {
      if (i < lead || i >= lead + kept) axes.push_back(i);
    }
    return axes;
  }
  // A parameter with length 1 in the reduced axes.
  Var against(const Var& v, int ndim) const {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < ndim; ++i) {
      order.push_back(i < lead || i >= lead + kept ? -1 : i - lead);
    }
    return dimshuffle(v, std::move(order));
  }
  Var sum_of(const Var& v) const { return sum(v, reduced(v.ndim())); }
};

Type parameter_type(const Op& op, Kept axes, std::span<const Var> inputs,
                    std::span<const Var> parameters) {
  check_norm_operands(op, inputs);
  const Type& x = inputs[0].type();
  if (axes.lead + axes.kept > x.ndim()) {
    fail(ErrorKind::value, op.str(), ": x has too few dimensions: ", x.str());
  }
  Dims shape;
  for (int64_t i = 0; i < axes.kept; ++i) shape.push_back(x.dim(static_cast<int>(axes.lead + i)));
  for (const Var& p : parameters) {
    if (p.ndim() != axes.kept) {
      fail(ErrorKind::value, op.str(), ": parameters must have ", axes.kept, " dimensions, got ",
           p.type().str());
    }
    for (int i = 0; i < axes.kept; ++i) {
      merge_known(op, shape[static_cast<size_t>(i)], p.type().dim(i), i);
    }
  }
  return x.with_shape(std::move(shape));
}

void check_parameters(const Op& op, Kept axes, const TensorView& x,
                      std::span<const TensorView> parameters) {
  for (const TensorView& p : parameters) {
    for (int64_t i = 0; i < axes.kept; ++i) {
      if (p.shape[i] == x.shape[axes.lead + i]) continue;
      fail(ErrorKind::value, op.str(), ": a parameter of shape ", shape_text(p),
           " does not fit x of shape ", shape_text(x));
    }
  }
}

BatchNormWork work_for(Kept axes, const TensorView& x) {
  BatchNormWork work;
  work.dtype = x.dtype;
  work.outer = work.channels = work.inner = 1;
  for (int64_t i = 0; i < x.ndim; ++i) {
    (i < axes.lead               ? work.outer
     : i < axes.lead + axes.kept ? work.channels
                                 : work.inner) *= x.shape[i];
  }
  return work;
}

// True iff the result should be stored past the caches. Its columns are stored in short stretches,
// for which the caches would have to fetch lines all over the result and give up those of x.
bool past_caches(const BatchNormWork& w, const char* result) {
  constexpr int64_t kLine = 64, kLarge = int64_t{4} << 20;
  const int64_t item = static_cast<int64_t>(item_size(w.dtype));
  return w.outer * w.channels * w.inner * item >= kLarge && w.inner == 1 &&
         w.channels * item % kLine == 0 && reinterpret_cast<uintptr_t>(result) % kLine == 0;
}

// f(begin, end) on ranges of channels.
template <class F>
void for_channels(const BatchNormWork& w, F&& f) {
  const int64_t each = std::max<int64_t>(1, w.outer * w.inner);
  int64_t grain = std::max<int64_t>(1, 16384 / each);
  // Where vectors hold channels, a chunk has whole strips of them.
  const int64_t strip = kBatchNormStrip / static_cast<int64_t>(item_size(w.dtype));
  if (w.inner == 1) grain = (grain + strip - 1) / strip * strip;
  parallel_ranges(w.channels, grain, f);
}

std::vector<Var> kept_shape(const Var& x, Kept axes) {
  std::vector<Var> shape;
  for (int64_t i = 0; i < axes.kept; ++i) {
    shape.push_back(shape_i(x, static_cast<int>(axes.lead + i)));
  }
  return shape;
}

}  // namespace

// --- BatchNorm ----------------------------------------------------------------------------------

void BatchNorm::check_attributes() const { check_axes(kName, lead, kept); }

std::vector<Type> BatchNorm::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, 3);
  const Type p = parameter_type(*this, {lead, kept}, inputs, inputs.subspan(1));
  return {inputs[0].type(), p, p, p};
}

std::vector<Var> BatchNorm::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Kept axes{lead, kept};
  const Var &mean = args.outputs[1], &inv_std = args.outputs[2];
  std::vector<Var> grads(3);
  if (args.grads[0]) {
    auto op = make_ref<BatchNormGrad>();
    op->lead = lead;
    op->kept = kept;
    grads = apply_multi(op, {x, args.grads[0], mean, inv_std, args.inputs[1]});
  }
  if (args.grads[1] || args.grads[2] || args.grads[3]) {
    const Normalized n(x, axes.against(mean, x.ndim()), axes.against(inv_std, x.ndim()),
                       axes.reduced(x.ndim()));
    auto against = [&](int i) {
      return axes.against(args.grads[static_cast<size_t>(i)], x.ndim());
    };
    if (args.grads[1]) grads[0] = plus(grads[0], n.from_mean(against(1)));
    if (args.grads[2]) grads[0] = plus(grads[0], n.from_inv_std(against(2)));
    if (args.grads[3]) grads[0] = plus(grads[0], n.from_var(against(3)));
  }
  return grads;
}

std::vector<std::vector<Var>> BatchNorm::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const std::vector<Var> kept_dims = kept_shape(x, {lead, kept});
  return {shape_list(x), kept_dims, kept_dims, kept_dims};
}

void BatchNorm::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  check_parameters(*this, {lead, kept}, x, inputs.subspan(1));
  own_layout(outputs[0], x.shape, x.ndim);
  for (size_t i = 1; i < 4; ++i) own_layout(outputs[i], x.shape + lead, static_cast<int>(kept));
}

size_t BatchNorm::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs);
}

void BatchNorm::perform(PerformContext& context, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  BatchNormWork work = work_for({lead, kept}, outputs[0]);
  work.eps = eps;
  work.x = contiguous(inputs[0]);
  work.gamma = contiguous(inputs[1]);
  work.beta = contiguous(inputs[2]);
  work.y = outputs[0].data;
  work.mean = outputs[1].data;
  work.inv_std = outputs[2].data;
  work.var = outputs[3].data;
  work.past_caches = past_caches(work, work.y);
  auto* const kernel = PHINTYS_ISA_CALL(batch_norm_channels);
  for_channels(work, [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

// --- BatchNormGrad ------------------------------------------------------------------------------

void BatchNormGrad::check_attributes() const { check_axes(kName, lead, kept); }

std::vector<Type> BatchNormGrad::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, 5);
  const Type p = parameter_type(*this, {lead, kept}, inputs, inputs.subspan(2));
  if (inputs[1].ndim() != inputs[0].ndim()) {
    fail(ErrorKind::value, str(), ": gy of ", inputs[1].type().str(), " does not fit x of ",
         inputs[0].type().str());
  }
  return {inputs[0].type(), p, p};
}

std::vector<Var> BatchNormGrad::grad(const GradArgs& args) const {
  const Var &x = args.inputs[0], &gy = args.inputs[1];
  const Kept axes{lead, kept};
  auto against = [&](const Var& v) { return axes.against(v, x.ndim()); };
  const Normalized n(x, against(args.inputs[2]), against(args.inputs[3]), axes.reduced(x.ndim()));
  const Var gamma = against(args.inputs[4]);
  std::vector<Var> grads(5);
  if (const Var& v = args.grads[0]) {
    const Var w = v * gamma;
    grads[0] = n.back_of_back(w, gy);
    grads[1] = n.back(w);
    grads[4] = axes.sum_of(v * n.back(gy));
  }
  if (const Var& v = args.grads[1]) {
    grads[0] = plus(grads[0], n.back(against(v) * gy));
    grads[1] = plus(grads[1], against(v) * n.z());
  }
  if (const Var& v = args.grads[2]) grads[1] = plus(grads[1], against(v) + zeros_like(gy));
  return grads;
}

std::vector<std::vector<Var>> BatchNormGrad::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  const std::vector<Var> kept_dims = kept_shape(x, {lead, kept});
  return {shape_list(x), kept_dims, kept_dims};
}

void BatchNormGrad::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  check_parameters(*this, {lead, kept}, x, inputs.subspan(2));
  for (int i = 0; i < x.ndim; ++i) {
    if (inputs[1].shape[i] == x.shape[i]) continue;
    fail(ErrorKind::value, str(), ": gy of shape ", shape_text(inputs[1]),
         " does not fit x of shape ", shape_text(x));
  }
  own_layout(outputs[0], x.shape, x.ndim);
  for (size_t i = 1; i < 3; ++i) own_layout(outputs[i], x.shape + lead, static_cast<int>(kept));
}

size_t BatchNormGrad::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs);
}

void BatchNormGrad::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  BatchNormWork work = work_for({lead, kept}, outputs[0]);
  work.x = contiguous(inputs[0]);
  work.gy = contiguous(inputs[1]);
  work.mean = contiguous(inputs[2]);
  work.inv_std = contiguous(inputs[3]);
  work.gamma = contiguous(inputs[4]);
  work.gx = outputs[0].data;
  work.ggamma = outputs[1].data;
  work.gbeta = outputs[2].data;
  work.past_caches = past_caches(work, work.gx);
  auto* const kernel = PHINTYS_ISA_CALL(batch_norm_grad_channels);
  for_channels(work, [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

// --- ScaleChannels ------------------------------------------------------------------------------

void ScaleChannels::check_attributes() const { check_axes(kName, lead, kept); }

std::vector<Type> ScaleChannels::infer(std::span<const Var> inputs) const {
  check_attributes();
  check_inputs(*this, inputs, 4);
  parameter_type(*this, {lead, kept}, inputs, inputs.subspan(1));
  return {inputs[0].type()};
}

std::vector<Var> ScaleChannels::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return std::vector<Var>(4);
  const Kept axes{lead, kept};
  const int ndim = g.ndim();
  const Var mean = axes.against(args.inputs[1], ndim), scale = axes.against(args.inputs[2], ndim);
  const Var total = axes.sum_of(g);
  return {g * scale, neg(args.inputs[2] * total), axes.sum_of(g * (args.inputs[0] - mean)), total};
}

std::vector<std::vector<Var>> ScaleChannels::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void ScaleChannels::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_parameters(*this, {lead, kept}, inputs[0], inputs.subspan(1));
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

size_t ScaleChannels::scratch_bytes(std::span<const TensorView> inputs) const {
  return ContiguousOperands::bytes(inputs);
}

void ScaleChannels::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  ContiguousOperands contiguous(static_cast<char*>(context.scratch(scratch_bytes(inputs))));
  BatchNormWork work = work_for({lead, kept}, outputs[0]);
  work.x = contiguous(inputs[0]);
  work.mean = contiguous(inputs[1]);
  work.gamma = contiguous(inputs[2]);
  work.beta = contiguous(inputs[3]);
  work.y = outputs[0].data;
  const int64_t row = std::max<int64_t>(1, work.channels * work.inner);
  auto* const kernel = PHINTYS_ISA_CALL(scale_channel_rows);
  parallel_ranges(work.outer, std::max<int64_t>(1, 32768 / row),
                  [&](int64_t begin, int64_t end) { kernel(work, begin, end); });
}

// --- On a device --------------------------------------------------------------------------------

namespace {

size_t device_scratch(device::Queue& queue, const BatchNormWork& w) {
  return queue.table.rows->channel_norm_scratch(w.dtype, w.outer, w.channels, w.inner);
}

}  // namespace

bool BatchNorm::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  if (!queue.table.rows) return false;
  const BatchNormWork shape = work_for({lead, kept}, outputs[0]);
  const DeviceOperands operands(queue, inputs, device_scratch(queue, shape));
  if (!operands.there()) return false;
  const device::ChannelNorm work{
      shape.dtype,     shape.outer,     shape.channels, shape.inner,     eps,
      operands[0],     operands[1],     operands[2],    outputs[0].data, outputs[1].data,
      outputs[2].data, outputs[3].data, operands.rest()};
  return queue.check(queue.table.rows->channel_norm(queue.stream, work));
}

bool BatchNormGrad::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  if (!queue.table.rows) return false;
  const BatchNormWork shape = work_for({lead, kept}, outputs[0]);
  const DeviceOperands operands(queue, inputs, device_scratch(queue, shape));
  if (!operands.there()) return false;
  const device::ChannelNormGrad work{
      shape.dtype,     shape.outer,     shape.channels, shape.inner, operands[0],
      operands[1],     operands[2],     operands[3],    operands[4], outputs[0].data,
      outputs[1].data, outputs[2].data, operands.rest()};
  return queue.check(queue.table.rows->channel_norm_grad(queue.stream, work));
}

bool ScaleChannels::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  if (!queue.table.rows) return false;
  const BatchNormWork shape = work_for({lead, kept}, outputs[0]);
  const DeviceOperands operands(queue, inputs);
  if (!operands.there()) return false;
  const device::ScaleChannelRows work{shape.dtype, shape.outer, shape.channels,
                                      shape.inner, operands[0], operands[1],
                                      operands[2], operands[3], outputs[0].data};
  return queue.check(queue.table.rows->scale_channels(queue.stream, work));
}

}  // namespace phintys
