#include "ops/argreduce.h"

#include "device/queue.h"
#include "device/rows.h"
#include "kernels/parallel.h"
#include "ops/argreduce_isa.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr int64_t kElementsPerChunk = 1 << 16;

// The axes of `x` split into kept and reduced ones; neighbouring reduced axes that are one run of
// memory are one.
struct AxisSplit {
  Dims kept_shape, kept_strides, shape, strides;
  AxisSplit(const TensorView& x, const std::vector<int64_t>& axes) {
    size_t next = 0;
    for (int i = 0; i < x.ndim; ++i) {
      const bool reduced = next < axes.size() && axes[next] == i;
      if (!reduced) {
        kept_shape.push_back(x.shape[i]);
        kept_strides.push_back(x.strides[i]);
        continue;
      }
      ++next;
      if (x.shape[i] == 1) continue;
      if (!shape.empty() && strides.back() == x.strides[i] * x.shape[i]) {
        shape.back() *= x.shape[i];
        strides.back() = x.strides[i];
      } else {
        shape.push_back(x.shape[i]);
        strides.push_back(x.strides[i]);
      }
    }
  }
  const char* base(const char* data, int64_t o) const {
    for (size_t d = kept_shape.size(); d-- > 0;) {
      data += (o % kept_shape[d]) * kept_strides[d];
      o /= kept_shape[d];
    }
    return data;
  }
};

struct ArgWork {
  DType dtype;
  bool is_max;
  int64_t item;

  void look(const char* x, int64_t n, int64_t first, ArgBest* best) const {
    PHINTYS_ISA_CALL(arg_best)(dtype, is_max, x, n, first, best);
  }
  void join(const ArgBest& later, ArgBest* best) const {
    PHINTYS_ISA_CALL(arg_join)(dtype, is_max, later, best);
  }
};

// Elements of any layout, copied a piece at a time.
int64_t place_in_any_layout(const ArgWork& work, const char* base, const AxisSplit& split) {
  constexpr int64_t kBytes = 16384;
  alignas(64) char piece[kBytes];
  const int64_t most = kBytes / work.item;
  int64_t filled = 0, first = 0;
  ArgBest best;
  for_each_row<1>(static_cast<int>(split.shape.size()), split.shape.data(),
                  std::array<char*, 1>{const_cast<char*>(base)},
                  std::array<const int64_t*, 1>{split.strides.data()},
                  [&](const auto& p, int64_t n, const auto& step) {
                    for (int64_t i = 0; i < n;) {
                      const int64_t m = std::min(n - i, most - filled);
                      const int64_t stride = work.item;
                      copy_elements({piece + filled * work.item, work.dtype, 1, &m, &stride},
                                    {p[0] + i * step[0], work.dtype, 1, &m, &step[0]});
                      i += m;
                      filled += m;
                      if (filled < most) continue;
                      work.look(piece, filled, first, &best);
                      first += filled;
                      filled = 0;
                    }
                  });
  work.look(piece, filled, first, &best);
  return best.at;
}

// Results for which memory runs across them, not along what is searched: columns side by side.
void arg_reduce_columns(const ArgWork& work, const TensorView& x, const AxisSplit& split,
                        int64_t* out) {
  const int64_t inner = split.kept_shape.back();
  const int64_t outer = product(split.kept_shape) / inner;
  const int64_t n = split.shape[0];
  const int64_t width = std::min<int64_t>(inner, 1024);
  const int64_t blocks = (inner + width - 1) / width;
  const int64_t grain = std::max<int64_t>(1, kElementsPerChunk / (n * width));
  parallel_ranges(outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b / blocks * inner + b % blocks * width;
      const ArgColumns columns{
          work.dtype, work.is_max,      split.base(x.data, first),
          n,          split.strides[0], std::min(width, inner - b % blocks * width),
          out + first};
      PHINTYS_ISA_CALL(arg_columns)(columns);
    }
  });
}

void arg_reduce_long_row(const ArgWork& work, const char* row, int64_t n, int64_t* out,
                         ArgBest* parts) {
  parallel_ranges(n, kElementsPerChunk, [&](int64_t begin, int64_t end) {
    ArgBest& part = parts[begin / kElementsPerChunk];
    part = ArgBest{};
    work.look(row + begin * work.item, end - begin, begin, &part);
  });
  for (int64_t c = 1; c * kElementsPerChunk < n; ++c) work.join(parts[c], &parts[0]);
  *out = parts[0].at;
}

bool is_long(int64_t rows, int64_t n) { return rows < 8 && n > 2 * kElementsPerChunk; }

void arg_reduce_rows(const ArgWork& work, const TensorView& x, const AxisSplit& split,
                     int64_t* out) {
  const int64_t n_out = product(split.kept_shape);
  const int64_t n = product(split.shape);
  const bool contiguous =
      split.shape.empty() || (split.shape.size() == 1 && split.strides[0] == work.item);
  const int64_t grain = std::max<int64_t>(1, kElementsPerChunk / std::max<int64_t>(1, n));
  // All rows one after the other in memory.
  const bool packed = contiguous && x.contiguous();
  parallel_ranges(n_out, grain, [&](int64_t begin, int64_t end) {
    if (packed) {
      const char* const from = x.data + begin * n * work.item;
      PHINTYS_ISA_CALL(arg_rows)(work.dtype, work.is_max, from, n, end - begin, out + begin);
      return;
    }
    for (int64_t o = begin; o < end; ++o) {
      const char* const base = split.base(x.data, o);
      if (contiguous) {
        ArgBest best;
        work.look(base, n, 0, &best);
        out[o] = best.at;
      } else {
        out[o] = place_in_any_layout(work, base, split);
      }
    }
  });
}

}  // namespace

void ArgReduce::check_attributes() const {
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= kMaxRank || (i && axes[i] <= axes[i - 1])) {
      fail(ErrorKind::value, "argmax: axes must be distinct, sorted and not negative");
    }
  }
}

std::string ArgReduce::str() const {
  std::string text = is_max ? "Argmax{axis=(" : "Argmin{axis=(";
  for (size_t i = 0; i < axes.size(); ++i) text += (i ? ", " : "") + std::to_string(axes[i]);
  return text + (axes.size() == 1 ? ",)}" : ")}");
}

std::vector<Type> ArgReduce::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = inputs[0].type();
  if (is_complex(t.dtype())) {
    fail(ErrorKind::type, str(), ": complex numbers (", t.str(), ") have no order");
  }
  Dims shape;
  size_t next = 0;
  for (int i = 0; i < t.ndim(); ++i) {
    if (next < axes.size() && axes[next] == i) {
      ++next;
    } else {
      shape.push_back(t.dim(i));
    }
  }
  if (next != axes.size()) {
    fail(ErrorKind::value, str(), ": axis ", axes[next], " is out of range for an array of ",
         t.ndim(), " dimensions");
  }
  return {Type::tensor(DType::i64, std::move(shape))};
}

std::vector<Var> ArgReduce::grad(const GradArgs& args) const {
  return {zero_grad_for(args.inputs[0])};
}

std::vector<std::vector<Var>> ArgReduce::infer_shape(const Apply& node) const {
  const Var& x = node.inputs()[0];
  std::vector<Var> dims;
  for (int i = 0; i < x.ndim(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(shape_i(x, i));
  }
  return {dims};
}

void ArgReduce::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const AxisSplit split(inputs[0], axes);
  if (product(split.shape) == 0 && product(split.kept_shape) != 0) {
    fail(ErrorKind::value, "attempt to get ", is_max ? "argmax" : "argmin",
         " of an empty sequence (input shape ", shape_text(inputs[0]), ")");
  }
  own_layout(outputs[0], split.kept_shape.data(), static_cast<int>(split.kept_shape.size()));
}

void ArgReduce::perform(PerformContext& context, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const AxisSplit split(x, axes);
  const ArgWork work{x.dtype, is_max, static_cast<int64_t>(item_size(x.dtype))};
  int64_t* const out = outputs[0].as<int64_t>();
  const int64_t n_out = product(split.kept_shape), n = product(split.shape);
  if (n_out == 0) return;
  const bool one_axis = split.shape.size() == 1;
  if (one_axis && split.strides[0] != work.item && !split.kept_shape.empty() &&
      split.kept_strides.back() == work.item && split.kept_shape.back() >= 4) {
    return arg_reduce_columns(work, x, split, out);
  }
  if (one_axis && split.strides[0] == work.item && is_long(n_out, n)) {
    const size_t parts = static_cast<size_t>(n / kElementsPerChunk + 1);
    ArgBest* const memory = static_cast<ArgBest*>(context.scratch(parts * sizeof(ArgBest)));
    for (int64_t o = 0; o < n_out; ++o) {
      arg_reduce_long_row(work, split.base(x.data, o), n, out + o, memory);
    }
    return;
  }
  arg_reduce_rows(work, x, split, out);
}

bool ArgReduce::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  if (!queue.table.rows || x.ndim > device::kMaxRank) return false;
  // The kept axes first, then the others.
  device::ArgExtremum work{};
  work.x = {x.data, x.dtype, 0, {}, {}};
  for (const bool searched : {false, true}) {
    for (int d = 0; d < x.ndim; ++d) {
      if ((std::find(axes.begin(), axes.end(), d) != axes.end()) != searched) continue;
      work.x.shape[work.x.ndim] = x.shape[d];
      work.x.strides[work.x.ndim++] = x.strides[d];
    }
    if (!searched) work.kept = work.x.ndim;
  }
  work.is_max = is_max;
  work.out = outputs[0].as<int64_t>();
  const size_t bytes = queue.table.rows->arg_extremum_scratch(work);
  if (bytes > 0) work.scratch = queue.scratch(bytes);
  return queue.check(queue.table.rows->arg_extremum(queue.stream, work));
}

}  // namespace phintys
