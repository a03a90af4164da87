#include "ops/sort/count.h"

#include <cstring>

#include "device/order.h"
#include "device/queue.h"
#include "kernels/parallel.h"
#include "ops/advanced_subtensor.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr int64_t kMostParts = 16;         // private counters
constexpr int64_t kPrivateSize = 1 << 14;  // counters that are worth having more than once
constexpr int64_t kPart = 1 << 17;         // elements that are worth counters of their own

void check_counted(const Op& op, const Type& t) {
  if (t.ndim() != 1 || !is_discrete(t.dtype())) {
    fail(ErrorKind::type, op.name(), " takes a vector of integers, got ", t.str());
  }
}

int64_t checked_size(const char* what, int64_t size, int64_t most) {
  if (size < 0 || size > most) fail(ErrorKind::value, what, ": bad size ", size);
  return size;
}

template <class F>
void with_int(DType dtype, F&& f) {
  dispatch_dtype(dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      f.template operator()<T>();
    } else {
      PHINTYS_CHECK(false, "bincount of floating-point numbers");
    }
  });
}

struct Extrema {
  int64_t least = 0;
  int64_t greatest = -1;
};

template <class T>
Extrema extrema_of(const TensorView& x) {
  const int64_t n = x.shape[0], step = x.strides[0];
  if (n == 0) return {};
  T low = *x.as<T>(), high = low;
  if (step == static_cast<int64_t>(sizeof(T))) {
    const T* const p = x.as<T>();
    for (int64_t i = 1; i < n; ++i) {
      low = std::min(low, p[i]);
      high = std::max(high, p[i]);
    }
  } else {
    for (int64_t i = 1; i < n; ++i) {
      const T v = *reinterpret_cast<const T*>(x.data + i * step);
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (high > static_cast<uint64_t>(INT64_MAX)) {
      fail(ErrorKind::value, "bincount: the number ", high, " is too great to count up to");
    }
  }
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

[[noreturn]] void bad_number(int64_t v, int64_t size) {
  fail(ErrorKind::value, "bincount: the number ", v, " is outside [0, ", size, ")");
}

double weight_at(const Half* w) { return static_cast<double>(half_to_float(*w)); }
template <class W>
W weight_at(const W* w) {
  return *w;
}

// Counts elements [begin, end) of x into `count`; W: void, or the type of the weights. The strides
// are constants where memory is contiguous.
template <class T, class Sum, class W, bool kContiguous>
void count_range(const char* p, int64_t step, const char* w, int64_t weight_step, int64_t n,
                 Sum* count, int64_t size) {
  if constexpr (kContiguous) step = sizeof(T);
  for (int64_t i = 0; i < n; ++i, p += step) {
    const T v = *reinterpret_cast<const T*>(p);
    const uint64_t at = static_cast<uint64_t>(v);
    if (at >= static_cast<uint64_t>(size)) bad_number(static_cast<int64_t>(v), size);
    if constexpr (std::is_void_v<W>) {
      ++count[at];
    } else {
      if constexpr (kContiguous) weight_step = sizeof(W);
      count[at] += static_cast<Sum>(weight_at(reinterpret_cast<const W*>(w)));
      w += weight_step;
    }
  }
}

template <class T, class Sum, class W>
void count_part(const TensorView& x, const TensorView* weights, int64_t begin, int64_t end,
                Sum* count, int64_t size) {
  const int64_t step = x.strides[0], weight_step = weights ? weights->strides[0] : 0;
  const char* const p = x.data + begin * step;
  const char* const w = weights ? weights->data + begin * weight_step : nullptr;
  const bool contiguous = x.contiguous() && (!weights || weights->contiguous());
  const auto count_with = contiguous ? count_range<T, Sum, W, true> : count_range<T, Sum, W, false>;
  count_with(p, step, w, weight_step, end - begin, count, size);
}

int64_t count_parts(int64_t n, int64_t size) {
  return size > kPrivateSize ? 1 : std::clamp<int64_t>(n / kPart, 1, kMostParts);
}

// Parts of x, which depend on lengths alone, have counters of their own, summed in their order.
template <class T, class Sum, class W>
void count_all(const TensorView& x, const TensorView* weights, Sum* counters, int64_t size) {
  const int64_t n = x.shape[0];
  const int64_t parts = count_parts(n, size);
  std::memset(counters, 0, static_cast<size_t>(parts * size) * sizeof(Sum));
  parallel_ranges(n, (n + parts - 1) / parts, [&](int64_t begin, int64_t end) {
    const int64_t part = begin / ((n + parts - 1) / parts);
    count_part<T, Sum, W>(x, weights, begin, end, counters + part * size, size);
  });
  for (int64_t k = 1; k < parts; ++k) {
    for (int64_t i = 0; i < size; ++i) counters[i] += counters[k * size + i];
  }
}

template <class W, class Sum>
void count_weighted(const TensorView& x, const TensorView& weights, const TensorView& out,
                    char* scratch) {
  const int64_t size = out.shape[0];
  Sum* const counters = reinterpret_cast<Sum*>(scratch);
  with_int(x.dtype, [&]<class T>() { count_all<T, Sum, W>(x, &weights, counters, size); });
  W* const to = out.as<W>();
  for (int64_t i = 0; i < size; ++i) {
    if constexpr (std::is_same_v<W, Half>) {
      to[i] = float_to_half(static_cast<float>(counters[i]));
    } else {
      to[i] = static_cast<W>(counters[i]);
    }
  }
}

template <class T>
bool equal_elements(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, Half>) {
    const bool nan_a = (a.bits & 0x7fff) > 0x7c00, nan_b = (b.bits & 0x7fff) > 0x7c00;
    return nan_a || nan_b ? nan_a && nan_b : a.bits == b.bits || ((a.bits | b.bits) & 0x7fff) == 0;
  } else if constexpr (std::is_floating_point_v<T>) {
    return a == b || (a != a && b != b);
  } else if constexpr (std::is_same_v<T, std::complex<float>> ||
                       std::is_same_v<T, std::complex<double>>) {
    return a == b || (a != a && b != b);
  } else {
    return a == b;
  }
}

}  // namespace

// --- bincount_size ----------------------------------------------------------------------------

std::vector<Type> BinCountSize::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_counted(*this, inputs[0].type());
  check_int_scalar(*this, inputs[1], "minlength");
  return {Type::scalar(DType::i64)};
}

std::vector<Var> BinCountSize::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var(), Var()};
  return {zero_grad_for(args.inputs[0]), zero_grad_for(args.inputs[1])};
}

void BinCountSize::layout(std::span<const TensorView>, std::span<Layout> outputs) const {
  own_layout(outputs[0], nullptr, 0);
}

void BinCountSize::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const int64_t least_size = element_as_int(inputs[1]);
  if (least_size < 0) fail(ErrorKind::value, "bincount: minlength must not be negative");
  with_int(inputs[0].dtype, [&]<class T>() {
    const Extrema e = extrema_of<T>(inputs[0]);
    if (e.least < 0) {
      fail(ErrorKind::value, "bincount: the numbers must not be negative, the least is ", e.least);
    }
    if (e.greatest == INT64_MAX) fail(ErrorKind::value, "bincount: a number is too great");
    *outputs[0].as<int64_t>() = std::max(e.greatest + 1, least_size);
  });
}

// --- bincount ---------------------------------------------------------------------------------

std::vector<Type> BinCount::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2, true);
  if (inputs.size() > 3) fail(ErrorKind::type, "bincount takes two or three inputs");
  check_counted(*this, inputs[0].type());
  check_int_scalar(*this, inputs[1], "size");
  DType dtype = DType::i64;
  if (inputs.size() == 3) {
    const Type& w = inputs[2].type();
    if (w.ndim() != 1 || is_complex(w.dtype()) || is_bool(w.dtype())) {
      fail(ErrorKind::type, "bincount: the weights must be a vector of real numbers, got ",
           w.str());
    }
    merge_known(*this, inputs[0].type().dim(0), w.dim(0), 0);
    dtype = w.dtype();
  }
  int64_t size = kUnknownDim;
  constant_int_value(inputs[1].get(), &size);
  return {Type::tensor(dtype, Dims{size})};
}

std::vector<Var> BinCount::grad(const GradArgs& args) const {
  std::vector<Var> grads(args.inputs.size());
  const Var& g = args.grads[0];
  if (!g || args.inputs.size() < 3) return grads;
  const Var& w = args.inputs[2];
  Var x = args.inputs[0];
  if (is_bool(x.dtype())) x = cast(x, DType::i8);
  grads[2] = is_discrete(w.dtype()) ? zero_grad_for(w) : advanced_subtensor(g, {x});
  return grads;
}

std::vector<std::vector<Var>> BinCount::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[1], DType::i64)}};
}

void BinCount::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  if (inputs.size() == 3 && inputs[2].shape[0] != inputs[0].shape[0]) {
    fail(ErrorKind::value, "bincount: ", inputs[0].shape[0], " numbers, but ", inputs[2].shape[0],
         " weights");
  }
  const int64_t size = checked_size("bincount", element_as_int(inputs[1]), INT64_MAX / 16);
  own_layout(outputs[0], &size, 1);
}

void BinCount::perform(PerformContext& context, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  const int64_t size = out.shape[0];
  if (size == 0) {
    if (x.shape[0] > 0) bad_number(load_int(x.data, x.dtype), 0);
    return;
  }
  const int64_t parts = count_parts(x.shape[0], size);
  const bool weighted = inputs.size() == 3;
  char* scratch = nullptr;
  if (parts > 1 || weighted) {
    scratch = static_cast<char*>(context.scratch(static_cast<size_t>(parts * size) * 8));
  }
  if (!weighted) {
    int64_t* const counters = scratch ? reinterpret_cast<int64_t*>(scratch) : out.as<int64_t>();
    with_int(x.dtype, [&]<class T>() { count_all<T, int64_t, void>(x, nullptr, counters, size); });
    if (scratch) std::memcpy(out.data, counters, static_cast<size_t>(size) * sizeof(int64_t));
    return;
  }
  dispatch_dtype(inputs[2].dtype, [&]<class W>() {
    if constexpr (std::is_floating_point_v<W> || std::is_same_v<W, Half>) {
      count_weighted<W, double>(x, inputs[2], out, scratch);
    } else if constexpr (std::is_integral_v<W> && !std::is_same_v<W, bool>) {
      count_weighted<W, uint64_t>(x, inputs[2], out, scratch);
    } else {
      PHINTYS_CHECK(false, "weights of bincount");
    }
  });
}

// --- unique -----------------------------------------------------------------------------------

std::vector<Type> UniqueGroups::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1, true);
  const Type& x = inputs[0].type();
  if (x.ndim() != 2) fail(ErrorKind::type, kName, " takes a matrix, got ", x.str());
  if (inputs.size() > 2) fail(ErrorKind::type, kName, " takes one or two inputs");
  if (inputs.size() == 2) {
    const Type& order = inputs[1].type();
    if (order.ndim() != 1 || order.dtype() != DType::i64) {
      fail(ErrorKind::type, kName, ": the order must be an int64 vector, got ", order.str());
    }
  }
  return {Type::tensor(DType::i64, Dims{x.dim(0)}), Type::scalar(DType::i64)};
}

std::vector<Var> UniqueGroups::grad(const GradArgs& args) const {
  std::vector<Var> grads(args.inputs.size());
  if (!args.grads[0] && !args.grads[1]) return grads;
  for (size_t i = 0; i < grads.size(); ++i) grads[i] = zero_grad_for(args.inputs[i]);
  return grads;
}

std::vector<std::vector<Var>> UniqueGroups::infer_shape(const Apply& node) const {
  return {{shape_i(node.inputs()[0], 0)}, {}};
}

void UniqueGroups::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  if (inputs.size() == 2 && inputs[0].shape[0] != inputs[1].shape[0]) {
    fail(ErrorKind::value, kName, ": ", inputs[0].shape[0], " rows, but an order of ",
         inputs[1].shape[0]);
  }
  own_layout(outputs[0], inputs[0].shape, 1);
  own_layout(outputs[1], nullptr, 0);
}

void UniqueGroups::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView* const order = inputs.size() == 2 ? &inputs[1] : nullptr;
  const int64_t n = x.shape[0], width = x.shape[1];
  int64_t* const groups = outputs[0].as<int64_t>();
  const auto row = [&](int64_t i) {
    if (!order) return x.data + i * x.strides[0];
    const int64_t at = *reinterpret_cast<const int64_t*>(order->data + i * order->strides[0]);
    if (at < 0 || at >= n) fail(ErrorKind::index, kName, ": index ", at, " of ", n, " rows");
    return x.data + at * x.strides[0];
  };
  int64_t group = 0;
  dispatch_dtype(x.dtype, [&]<class T>() {
    const auto equal = [&](const char* a, const char* b) {
      for (int64_t j = 0; j < width; ++j, a += x.strides[1], b += x.strides[1]) {
        if (!equal_elements(*reinterpret_cast<const T*>(a), *reinterpret_cast<const T*>(b))) {
          return false;
        }
      }
      return true;
    };
    const auto mark = [&](auto&& same) {
      groups[0] = 0;
      const char* last = row(0);
      for (int64_t i = 1; i < n; ++i) {
        const char* const now = row(i);
        group += same(last, now) ? 0 : 1;
        groups[i] = group;
        last = now;
      }
    };
    if (n == 0) return;
    if (width == 1) {
      mark([](const char* a, const char* b) {
        return equal_elements(*reinterpret_cast<const T*>(a), *reinterpret_cast<const T*>(b));
      });
    } else {
      mark(equal);
    }
  });
  *outputs[1].as<int64_t>() = n ? group + 1 : 0;
}

std::vector<Type> UniqueFirsts::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& t = inputs[0].type();
  if (t.ndim() != 1 || t.dtype() != DType::i64) {
    fail(ErrorKind::type, kName, " takes an int64 vector, got ", t.str());
  }
  check_int_scalar(*this, inputs[1], "count");
  return {Type::tensor(DType::i64, 1)};
}

std::vector<Var> UniqueFirsts::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var(), Var()};
  return {zero_grad_for(args.inputs[0]), zero_grad_for(args.inputs[1])};
}

std::vector<std::vector<Var>> UniqueFirsts::infer_shape(const Apply& node) const {
  return {{cast(node.inputs()[1], DType::i64)}};
}

void UniqueFirsts::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t count = checked_size(kName, element_as_int(inputs[1]), inputs[0].shape[0]);
  own_layout(outputs[0], &count, 1);
}

void UniqueFirsts::perform(PerformContext&, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  const TensorView& groups = inputs[0];
  const int64_t n = groups.shape[0], count = outputs[0].shape[0];
  int64_t* const firsts = outputs[0].as<int64_t>();
  int64_t next = 0;
  for (int64_t i = 0; i < n && next < count; ++i) {
    const int64_t group = *reinterpret_cast<const int64_t*>(groups.data + i * groups.strides[0]);
    if (group >= next) firsts[next++] = i;
  }
  if (next != count) fail(ErrorKind::value, kName, ": ", count, " groups, but ", next, " begin");
}

// --- On a device --------------------------------------------------------------------------------

bool BinCountSize::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::CountSizeWork work{};
  if (!queue.table.order || !device::to_tensor_plain(inputs[0], &work.x)) return false;
  work.minlength = inputs[1].data;
  work.minlength_dtype = inputs[1].dtype;
  work.size = outputs[0].as<int64_t>();
  work.failed = queue.failed;
  return queue.check(queue.table.order->count_size(queue.stream, work));
}

bool BinCount::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  device::CountWork work{};
  if (!queue.table.order || !device::to_tensor_plain(inputs[0], &work.x)) return false;
  if (inputs.size() == 3 && !device::to_tensor_plain(inputs[2], &work.weights)) return false;
  work.size = outputs[0].shape[0];
  work.out = outputs[0].data;
  work.failed = queue.failed;
  const size_t bytes = queue.table.order->count_scratch(queue.stream, work);
  if (bytes > 0) work.scratch = queue.scratch(bytes);
  return queue.check(queue.table.order->count(queue.stream, work));
}

bool UniqueGroups::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::GroupWork work{};
  if (!queue.table.order || !device::to_tensor_plain(inputs[0], &work.x)) return false;
  if (inputs.size() == 2 && !device::to_tensor_plain(inputs[1], &work.order)) return false;
  work.groups = outputs[0].as<int64_t>();
  work.count = outputs[1].as<int64_t>();
  work.failed = queue.failed;
  const size_t bytes = queue.table.order->group_scratch(work);
  if (bytes > 0) work.scratch = queue.scratch(bytes);
  return queue.check(queue.table.order->group(queue.stream, work));
}

bool UniqueFirsts::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs) const {
  device::FirstsWork work{};
  if (!queue.table.order || !device::to_tensor_plain(inputs[0], &work.groups)) return false;
  work.count = outputs[0].shape[0];
  work.firsts = outputs[0].as<int64_t>();
  work.failed = queue.failed;
  return queue.check(queue.table.order->firsts(queue.stream, work));
}

}  // namespace phintys
