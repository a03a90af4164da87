#include "ops/argreduce.h"

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

// The axes of `x` split into kept and reduced ones.
struct AxisSplit {
  Dims kept_shape, kept_strides, shape, strides;
  AxisSplit(const TensorView& x, const std::vector<int64_t>& axes) {
    size_t next = 0;
    for (int i = 0; i < x.ndim; ++i) {
      const bool reduced = next < axes.size() && axes[next] == i;
      if (reduced) ++next;
      (reduced ? shape : kept_shape).push_back(x.shape[i]);
      (reduced ? strides : kept_strides).push_back(x.strides[i]);
    }
  }
};

template <class T>
auto ordered(T v) {
  if constexpr (std::is_same_v<T, Half>) {
    return half_to_float(v);
  } else {
    return v;
  }
}

template <bool kMax, class T>
int64_t extremum(const char* base, const AxisSplit& split) {
  using W = decltype(ordered(T{}));
  W best{};
  int64_t best_at = 0, at = 0;
  bool first = true, nan = false;
  const std::array<char*, 1> data = {const_cast<char*>(base)};
  const std::array<const int64_t*, 1> strides = {split.strides.data()};
  for_each_row<1>(static_cast<int>(split.shape.size()), split.shape.data(), data, strides,
                  [&](const auto& p, int64_t n, const auto& step) {
                    if (nan) return;
                    for (int64_t i = 0; i < n; ++i, ++at) {
                      const W v = ordered(*reinterpret_cast<const T*>(p[0] + i * step[0]));
                      if (first || (kMax ? v > best : v < best)) {
                        best = v;
                        best_at = at;
                        first = false;
                      }
                      if (v != v) {
                        best_at = at;
                        nan = true;
                        return;
                      }
                    }
                  });
  return best_at;
}

template <class T>
void arg_reduce(const TensorView& x, const AxisSplit& split, int64_t* out, bool is_max) {
  const int64_t n_out = product(split.kept_shape);
  const int64_t length = product(split.shape);
  const int kept = static_cast<int>(split.kept_shape.size());
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, length));
  parallel_ranges(n_out, grain, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const char* base = x.data;
      int64_t rest = o;
      for (int d = kept - 1; d >= 0; --d) {
        const int64_t size = split.kept_shape[static_cast<size_t>(d)];
        base += (rest % size) * split.kept_strides[static_cast<size_t>(d)];
        rest /= size;
      }
      out[o] = is_max ? extremum<true, T>(base, split) : extremum<false, T>(base, split);
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

void ArgReduce::perform(PerformContext&, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) const {
  const AxisSplit split(inputs[0], axes);
  dispatch_dtype(inputs[0].dtype, [&]<class T>() {
    if constexpr (std::is_same_v<T, std::complex<float>> ||
                  std::is_same_v<T, std::complex<double>>) {
      PHINTYS_CHECK(false, "argmax of complex numbers");
    } else {
      arg_reduce<T>(inputs[0], split, outputs[0].as<int64_t>(), is_max);
    }
  });
}

}  // namespace phintys
