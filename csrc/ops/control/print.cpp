#include "ops/control/print.h"

#include <atomic>
#include <cstdio>
#include <optional>

#include "ops/build.h"
#include "ops/control/array_text.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

std::atomic<PrintHook> g_hook{nullptr};

template <class F>
void for_each_element(const TensorView& v, F&& f) {
  const int64_t n = v.size();
  for (int64_t i = 0; i < n; ++i) f(i);
}

std::string number_text(double value, DType dtype) {
  const Array a = Array::scalar(dtype, value);
  return array_text(a.view());
}

// Sums in the dtype that NumPy would sum in.
std::string reduced(const TensorView& v, std::string_view name) {
  const bool extreme = name == "min" || name == "max";
  if (is_complex(v.dtype)) return "(complex: only in Python)";
  if (extreme && v.size() == 0) return "(of no elements)";
  if (is_discrete(v.dtype) && name != "mean") {
    // Exact for all integers; unsigned ones above 2^63 wrap alike in both.
    std::optional<int64_t> best;
    int64_t total = 0;
    const auto less = [&](int64_t a, int64_t b) {
      return v.dtype == DType::u64 ? static_cast<uint64_t>(a) < static_cast<uint64_t>(b) : a < b;
    };
    for_each_element(v, [&](int64_t i) {
      const int64_t x = element_as_int(v, i);
      total = static_cast<int64_t>(static_cast<uint64_t>(total) + static_cast<uint64_t>(x));
      if (!best || (name == "min" ? less(x, *best) : less(*best, x))) best = x;
    });
    const bool is_unsigned = is_unsigned_int(v.dtype);
    const DType dtype = extreme ? v.dtype : is_unsigned ? DType::u64 : DType::i64;
    return array_text(Array::scalar_int(dtype, extreme ? *best : total).view());
  }
  double total = 0, best = 0;
  bool first = true;
  for_each_element(v, [&](int64_t i) {
    const double x = element_as_double(v, i);
    total += x;
    const bool better =
        first || !(x == x) || (best == best && (name == "min" ? x < best : x > best));
    if (better) best = x;
    first = false;
  });
  const DType dtype = is_discrete(v.dtype) ? DType::f64 : v.dtype;
  if (extreme) return number_text(best, dtype);
  return number_text(name == "sum" ? total : total / static_cast<double>(v.size()), dtype);
}

std::string truth(const TensorView& v, bool all) {
  bool result = all;
  for_each_element(v, [&](int64_t i) {
    const TensorView& x = v;
    const bool is = element_as_double(x, i) != 0;
    result = all ? result && is : result || is;
  });
  return result ? "True" : "False";
}

std::string value_of(const TensorView& v, std::string_view attribute) {
  if (attribute == "__str__" || attribute == "__repr__") return array_text(v);
  if (attribute == "shape") return shape_text(v);
  if (attribute == "dtype") return std::string(dtype_name(v.dtype));
  if (attribute == "ndim") return std::to_string(v.ndim);
  if (attribute == "size") return std::to_string(v.size());
  if (attribute == "min" || attribute == "max" || attribute == "mean" || attribute == "sum") {
    return reduced(v, attribute);
  }
  if (attribute == "any" || attribute == "all") return truth(v, attribute == "all");
  return "(only in Python)";
}

}  // namespace

void set_print_hook(PrintHook hook) { g_hook = hook; }

std::string print_text(const Print& op, const TensorView& value) {
  std::string text;
  const std::string_view names = op.attributes_text;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(',', at), names.size());
    const std::string_view name = names.substr(at, end - at);
    text += op.message + " " + std::string(name) + " = " + value_of(value, name) + "\n";
    at = end + 1;
  }
  return text;
}

std::string Print::str() const {
  return "Print{message='" + message + "', attrs=(" + attributes_text + ")}";
}

std::vector<Type> Print::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  return {inputs[0].type()};
}

std::vector<std::vector<Var>> Print::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Print::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

void Print::perform(PerformContext&, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const PrintHook hook = g_hook;
  if (!hook || !hook(*this, inputs[0])) {
    const std::string text = print_text(*this, inputs[0]);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  if (outputs[0].data != inputs[0].data) copy_parallel(outputs[0], inputs[0]);
}

}  // namespace phintys
