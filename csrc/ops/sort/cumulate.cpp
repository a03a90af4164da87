#include "ops/sort/cumulate.h"

#include "device/order.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_operands.h"
#include "ops/indexing/along_axis.h"
#include "ops/op_util.h"
#include "ops/sort/sort.h"

namespace phintys {

namespace {

constexpr const char* kKinds[] = {"sum", "prod", "max", "min"};

constexpr int64_t kChunk = 1 << 16;  // elements of a long row that have a total of their own

Var cumulate(const std::string& kind, const Var& x, int64_t axis, bool reverse) {
  auto op = make_ref<Cumulate>();
  op->kind = kind;
  op->axis = axis;
  op->reverse = reverse;
  return apply(op, {x});
}

// For y = running products of x. Before the first zero the derivative is sum(g y) / x over what
// follows; at it, the same sum of products without it; after it, every product holds a zero. Only
// the first zero may be left out: with the second the products are zero again.
Var prod_grad(const Var& x, const Var& y, const Var& g, int64_t axis, bool reverse) {
  const Var zero = eq(x, constant(0.0, x.dtype()));
  const Var count = cumulate("sum", cast(zero, DType::i64), axis, reverse);
  const Var none = eq(count, constant_int(0));
  const Var first = and_(zero, eq(count, constant_int(1)));
  const Var before = cumulate("sum", g * y, axis, !reverse) / switch_(zero, 1.0, x);
  const Var without = cumulate("prod", switch_(first, 1.0, x), axis, reverse);
  const Var at = cumulate("sum", g * without, axis, !reverse);
  return switch_(none, before, switch_(first, at, 0.0));
}

// Each result comes from one element, the last of equals: that gets its gradient.
Var extremum_grad(const Var& x, const Var& y, const Var& g, int64_t axis, bool reverse) {
  const Var order = argsort(zeros_like(x), axis);  // 0, 1, 2, ... along the axis
  const Var none =
      reverse ? second(order, shape_i(x, static_cast<int>(axis))) : second(order, constant_int(0));
  const Var here = switch_(eq(x, y), order, none);
  const Var index = cumulate(reverse ? "min" : "max", here, axis, reverse);
  return put_along_axis(full_like(0.0, x, g.dtype()), g, index, axis, false);
}

// One row as (outer, n, inner) with inner == 1, in chunks if it is long: every chunk is scanned by
// itself and then joined with the total of those before it.
struct LongRow {
  DType dtype;
  ScanKind kind;
  bool reverse;
  const char* x;
  char* y;
  int64_t n;
  size_t item = item_size(dtype);

  int64_t chunks() const { return (n + kChunk - 1) / kChunk; }
  // The chunk that is c-th in the order of the scan.
  void run(int64_t c, bool store, const void* base, void* total) const {
    const int64_t first = c * kChunk;
    const int64_t count = std::min(kChunk, n - first);
    const int64_t begin = reverse ? n - first - count : first;
    const size_t offset = static_cast<size_t>(begin) * item;
    const ScanRow work{dtype, kind, reverse, x + offset, store ? y + offset : nullptr,
                       count, 1,    base,    total};
    PHINTYS_ISA_CALL(scan_rows)(work);
  }
  // `totals`: 16 bytes for each chunk.
  void run_all(char* totals) const {
    const int64_t m = chunks();
    const auto total = [&](int64_t c) { return totals + 16 * c; };
    const bool alone = num_threads() == 1 || in_parallel_region();
    if (!alone) {
      parallel_for(m - 1, [&](int64_t c) { run(c, false, nullptr, total(c)); });
      for (int64_t c = 1; c + 1 < m; ++c) join(total(c - 1), total(c));
      parallel_for(m, [&](int64_t c) { run(c, true, c ? total(c - 1) : nullptr, nullptr); });
      return;
    }
    for (int64_t c = 0; c < m; ++c) {
      run(c, true, c ? total(c - 1) : nullptr, total(c));
      if (c > 0) join(total(c - 1), total(c));
    }
  }
  void join(const void* base, void* total) const {
    PHINTYS_ISA_CALL(scan_join)(dtype, kind, base, total, total);
  }
};

}  // namespace

void Cumulate::check_attributes() const { scan_kind(); }

ScanKind Cumulate::scan_kind() const {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kind == kKinds[i]) return static_cast<ScanKind>(i);
  }
  fail(ErrorKind::value, "cumulate: there is no kind \"", kind,
       "\"; known are sum, prod, max, min");
}

std::vector<Type> Cumulate::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = inputs[0].type();
  if (axis < 0 || axis >= t.ndim()) {
    fail(ErrorKind::value, "cum", kind, ": axis ", axis, " is out of range for ", t.str());
  }
  const bool order = kind == "max" || kind == "min";
  if (is_bool(t.dtype()) || t.dtype() == DType::f16 || (order && is_complex(t.dtype()))) {
    fail(ErrorKind::type, "cum", kind, " of ", t.str(), " is not supported");
  }
  return {t};
}

std::vector<Var> Cumulate::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x)};
  switch (scan_kind()) {
    case ScanKind::sum:
      return {cumulate("sum", g, axis, !reverse)};
    case ScanKind::prod:
      return {prod_grad(x, args.outputs[0], g, axis, reverse)};
    case ScanKind::max:
    case ScanKind::min:
      break;
  }
  return {extremum_grad(x, args.outputs[0], g, axis, reverse)};
}

std::vector<std::vector<Var>> Cumulate::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Cumulate::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

size_t Cumulate::scratch_bytes(std::span<const TensorView> inputs) const {
  const int64_t n = inputs[0].shape[axis];
  return n > kChunk ? static_cast<size_t>(inputs[0].size() / kChunk + inputs[0].size() / n) * 16
                    : 0;
}

void Cumulate::perform(PerformContext& context, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  const DType dtype = out.dtype;
  if (out.size() == 0) return;
  const char* x = inputs[0].data;
  if (!inputs[0].contiguous()) {
    copy_parallel(out, inputs[0]);
    x = out.data;
  }
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= out.shape[i];
  for (int i = static_cast<int>(axis) + 1; i < out.ndim; ++i) inner *= out.shape[i];
  const int64_t n = out.shape[axis];
  const ScanKind how = scan_kind();
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  if (inner == 1) {
    const bool is_long = n > kChunk;
    char* const totals =
        is_long ? static_cast<char*>(context.scratch(scratch_bytes(inputs))) : nullptr;
    const LongRow model{dtype, how, reverse, nullptr, nullptr, n};
    const int64_t grain = is_long ? (outer < 8 ? outer : 1) : std::max<int64_t>(1, kChunk / n);
    parallel_ranges(outer, grain, [&](int64_t begin, int64_t end) {
      if (!is_long) {
        const int64_t offset = begin * n * item;
        const ScanRow work{dtype, how,         reverse, x + offset, out.data + offset,
                           n,     end - begin, nullptr, nullptr};
        PHINTYS_ISA_CALL(scan_rows)(work);
        return;
      }
      for (int64_t r = begin; r < end; ++r) {
        LongRow row = model;
        row.x = x + r * n * item;
        row.y = out.data + r * n * item;
        row.run_all(totals + 16 * r * row.chunks());
      }
    });
    return;
  }
  // Columns side by side, as many as fill a page or two.
  const int64_t width = std::min<int64_t>(inner, std::max<int64_t>(1, 8192 / item));
  const int64_t blocks = (inner + width - 1) / width;
  const int64_t grain = std::max<int64_t>(1, kChunk / (n * width));
  parallel_ranges(outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b % blocks * width;
      const int64_t offset = (b / blocks * n * inner + first) * item;
      const ScanColumns work{dtype,
                             how,
                             reverse,
                             x + offset,
                             out.data + offset,
                             n,
                             inner * item,
                             std::min(width, inner - first)};
      PHINTYS_ISA_CALL(scan_columns)(work);
    }
  });
}

static_assert(static_cast<int>(ScanKind::prod) == static_cast<int>(device::CumulateKind::prod) &&
              static_cast<int>(ScanKind::min) == static_cast<int>(device::CumulateKind::min));

bool Cumulate::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (!queue.table.order) return false;
  if (out.size() == 0) return true;
  device::CumulateWork work{};
  work.dtype = out.dtype;
  work.kind = static_cast<device::CumulateKind>(scan_kind());
  work.reverse = reverse;
  work.outer = work.inner = 1;
  for (int i = 0; i < out.ndim; ++i) {
    if (i != axis) (i < axis ? work.outer : work.inner) *= out.shape[i];
  }
  work.n = out.shape[axis];
  const DeviceOperands operands(queue, inputs, queue.table.order->cumulate_scratch(work));
  if (!operands.there()) return false;
  work.x = operands[0];
  work.y = out.data;
  work.scratch = operands.rest();
  return queue.check(queue.table.order->cumulate(queue.stream, work));
}

}  // namespace phintys
