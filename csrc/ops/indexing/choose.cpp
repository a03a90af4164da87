#include "ops/indexing/choose.h"

#include <cstring>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_moves.h"
#include "ops/indexing/eye.h"
#include "ops/indexing/gather.h"

namespace phintys {

namespace {

enum class Mode : uint8_t { raise, wrap, clip };

Mode mode_of(const std::string& text) {
  if (text == "raise") return Mode::raise;
  if (text == "wrap") return Mode::wrap;
  if (text == "clip") return Mode::clip;
  fail(ErrorKind::value, "choose: mode '", text, "' is not one of 'raise', 'wrap', 'clip'");
}

int64_t choice_number(int64_t i, int64_t n, Mode mode) {
  if (i >= 0 && i < n) return i;
  if (mode == Mode::wrap) return (i % n + n) % n;
  if (mode == Mode::clip) return i < 0 ? 0 : n - 1;
  fail(ErrorKind::value, "invalid entry in choice array: ", i, " is not one of ", n, " choices");
}

struct Item16 {
  uint64_t a, b;
};

template <class T>
void choose_row(const char* which, int64_t which_step, DType dtype, const char* const* rows,
                const int64_t* steps, int64_t n_choices, Mode mode, int64_t n, char* out) {
  T* to = reinterpret_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) {
    const char* at = which + i * which_step;
    const int64_t index =
        dtype == DType::i64 ? *reinterpret_cast<const int64_t*>(at) : load_int(at, dtype);
    const size_t k = static_cast<size_t>(choice_number(index, n_choices, mode));
    to[i] = *reinterpret_cast<const T*>(rows[k] + i * steps[k]);
  }
}

}  // namespace

// --- Choose -------------------------------------------------------------------------------------

void Choose::check_attributes() const { mode_of(mode); }

std::vector<Type> Choose::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2, true);
  check_attributes();
  const Type& which = inputs[0].type();
  if (!is_discrete(which.dtype())) {
    fail(ErrorKind::type, str(), ": the numbers of choices must be integers, got ", which.str());
  }
  const Type& first = inputs[1].type();
  Dims shape = which.shape();
  for (const Var& v : inputs.subspan(1)) {
    const Type& t = v.type();
    if (t.ndim() != which.ndim() || t.dtype() != first.dtype()) {
      fail(ErrorKind::type, str(), ": all operands must have one rank and the choices one dtype, ",
           "got ", which.str(), ", ", first.str(), " and ", t.str());
    }
    for (int i = 0; i < t.ndim(); ++i) {
      int64_t& d = shape[static_cast<size_t>(i)];
      const int64_t e = t.dim(i);
      if (e == 1) continue;
      if (d == 1 || d == kUnknownDim) {
        // An unknown length may turn out to be 1, so a known longer one decides.
        d = e < 0 && d != 1 ? d : e;
      } else if (e >= 0 && e != d) {
        fail(ErrorKind::value, str(), ": lengths ", d, " and ", e, " on axis ", i,
             " cannot be broadcast together");
      }
    }
  }
  return {first.with_shape(std::move(shape))};
}

std::vector<Var> Choose::grad(const GradArgs& args) const {
  std::vector<Var> result(args.inputs.size());
  const Var& g = args.grads[0];
  if (!g) return result;
  const int64_t n = static_cast<int64_t>(args.inputs.size()) - 1;
  Var which = cast(args.inputs[0], DType::i64);
  if (mode == "wrap") which = mod(which, constant_int(n));
  if (mode == "clip") which = minimum(maximum(which, constant_int(0)), constant_int(n - 1));
  // Lengths that are 1 only when running must be stretched by a choice like the forward one.
  for (size_t k = 1; k < result.size(); ++k) {
    const Var& choice = args.inputs[k];
    if (is_discrete(choice.dtype())) {
      result[k] = zero_grad_for(choice);
      continue;
    }
    const Var hit = eq(which, constant_int(static_cast<int64_t>(k) - 1));
    result[k] =
        cast(sum_to_like(switch_(hit, g, constant(0.0, g.dtype())), choice), grad_dtype(*choice));
  }
  return result;
}

std::vector<std::vector<Var>> Choose::infer_shape(const Apply& node) const {
  const Type& type = node.output()->type();
  std::vector<Var> dims;
  for (int i = 0; i < type.ndim(); ++i) {
    if (type.dim(i) >= 0) {
      dims.push_back(constant_int(type.dim(i)));
      continue;
    }
    Var d;
    for (const Var& v : node.inputs()) {
      if (v.type().dim(i) == 1) continue;
      const Var e = shape_i(v, i);
      d = d ? switch_(eq(d, constant_int(1)), e, d) : e;
    }
    dims.push_back(std::move(d));
  }
  return {dims};
}

void Choose::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  Dims shape(inputs[0].shape, inputs[0].shape + inputs[0].ndim);
  for (const TensorView& v : inputs) {
    for (int i = 0; i < v.ndim; ++i) {
      int64_t& d = shape[static_cast<size_t>(i)];
      if (v.shape[i] == d || v.shape[i] == 1) continue;
      if (d != 1) {
        fail(ErrorKind::value, str(), ": shapes ", shape_text(inputs[0]), " and ", shape_text(v),
             " cannot be broadcast together");
      }
      d = v.shape[i];
    }
  }
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}

void Choose::perform(PerformContext& context, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  const int64_t total = out.size();
  if (total == 0) return;
  const Mode how = mode_of(mode);
  const size_t n = inputs.size() - 1, rank = static_cast<size_t>(out.ndim);
  const int64_t inner = out.ndim ? out.shape[out.ndim - 1] : 1;
  const int64_t rows = total / inner, grain = std::max<int64_t>(1, 16384 / inner);
  // Broadcast strides of all operands, then for each task the addresses of its rows.
  const int64_t tasks = (rows + grain - 1) / grain;
  const size_t strides_size = (n + 1) * rank;
  int64_t* strides = static_cast<int64_t*>(
      context.scratch((strides_size + n + static_cast<size_t>(tasks) * n) * 8));
  int64_t* steps = strides + strides_size;
  for (size_t k = 0; k <= n; ++k) {
    for (size_t i = 0; i < rank; ++i) {
      strides[k * rank + i] = inputs[k].shape[i] == 1 ? 0 : inputs[k].strides[i];
    }
    if (k > 0) steps[k - 1] = rank ? strides[k * rank + rank - 1] : 0;
  }
  const char** tables = reinterpret_cast<const char**>(steps + n);
  const int outer = out.ndim ? out.ndim - 1 : 0;
  const int64_t which_step = rank ? strides[rank - 1] : 0;
  const size_t item = item_size(out.dtype);
  parallel_for(tasks, [&](int64_t task) {
    const char** addresses = tables + static_cast<size_t>(task) * n;
    const int64_t end = std::min(rows, (task + 1) * grain);
    for (int64_t row = task * grain; row < end; ++row) {
      auto address = [&](size_t k) {
        const TensorView v{nullptr, out.dtype, outer, out.shape, strides + k * rank};
        return inputs[k].data + offset_of(v, row);
      };
      for (size_t k = 0; k < n; ++k) addresses[k] = address(k + 1);
      char* to = out.data + row * inner * static_cast<int64_t>(item);
      auto run = [&]<class T>() {
        choose_row<T>(address(0), which_step, inputs[0].dtype, addresses, steps,
                      static_cast<int64_t>(n), how, inner, to);
      };
      switch (item) {
        case 1:
          run.template operator()<uint8_t>();
          break;
        case 2:
          run.template operator()<uint16_t>();
          break;
        case 4:
          run.template operator()<uint32_t>();
          break;
        case 8:
          run.template operator()<uint64_t>();
          break;
        default:
          run.template operator()<Item16>();
      }
    }
  });
}
bool Choose::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  const int64_t n = static_cast<int64_t>(inputs.size()) - 1;
  device::Tensor to, which;
  if (!index_kernels(queue) || !device::to_tensor_plain(out, &to)) return false;
  const auto stretched = [&](const TensorView& v, device::Tensor* tensor) {
    return device::to_tensor_plain(broadcast_view(v, out.shape, out.ndim).view(), tensor);
  };
  std::vector<device::Tensor> choices(static_cast<size_t>(n));
  stretched(inputs[0], &which);
  for (size_t k = 0; k < choices.size(); ++k) stretched(inputs[k + 1], &choices[k]);
  const auto* table = static_cast<const device::Tensor*>(
      queue.upload_constant(choices.data(), choices.size() * sizeof(device::Tensor)));
  return queue.check(index_kernels(queue)->choose(queue.stream, to, which, table, n,
                                                  static_cast<int>(mode_of(mode)), queue.failed));
}

// --- RepeatIndices ------------------------------------------------------------------------------

std::vector<Type> RepeatIndices::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_int_scalar(*this, inputs[1], "the total");
  const Type& counts = inputs[0].type();
  if (counts.ndim() != 1 || !is_discrete(counts.dtype())) {
    fail(ErrorKind::type, str(), ": the counts must be a vector of integers, got ", counts.str());
  }
  return {Type::tensor(DType::i64, Dims{kUnknownDim})};
}

std::vector<std::vector<Var>> RepeatIndices::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[1], DType::i64)}};
}

void RepeatIndices::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t n = load_int(inputs[1].data, inputs[1].dtype);
  if (n < 0) fail(ErrorKind::value, "repeat: repeats may not contain negative values");
  own_layout(outputs[0], &n, 1);
}

void RepeatIndices::perform(PerformContext&, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView& counts = inputs[0];
  int64_t* out = outputs[0].as<int64_t>();
  int64_t room = outputs[0].shape[0];
  for (int64_t i = 0; i < counts.shape[0]; ++i) {
    const int64_t n = load_int(counts.data + i * counts.strides[0], counts.dtype);
    if (n < 0) fail(ErrorKind::value, "repeat: repeats may not contain negative values");
    if (n > room) fail(ErrorKind::value, "repeat: the repeats add up to more than their total");
    std::fill(out, out + n, i);
    out += n;
    room -= n;
  }
  if (room) fail(ErrorKind::value, "repeat: the repeats add up to less than their total");
}
bool RepeatIndices::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  device::Tensor to, counts;
  if (!index_kernels(queue)) return false;
  device::to_tensor_plain(outputs[0], &to);
  device::to_tensor_plain(inputs[0], &counts);
  void* scratch = queue.scratch(index_kernels(queue)->repeat_scratch(counts.shape[0]));
  return queue.check(index_kernels(queue)->repeat(queue.stream, to, counts, scratch, queue.failed));
}

}  // namespace phintys
