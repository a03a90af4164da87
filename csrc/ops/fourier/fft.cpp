#include "ops/fourier/fft.h"

#include <cmath>

#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/fourier/plan.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

void check_axis(const Op& op, int64_t axis, int64_t scale) {
  if (axis < 0 || axis >= kMaxRank) fail(ErrorKind::value, op.name(), ": bad axis ", axis);
  if (scale < 0 || scale > 2) fail(ErrorKind::value, op.name(), ": bad scale ", scale);
}

const Type& checked_input(const Op& op, std::span<const Var> inputs, int64_t axis, bool complex) {
  const Type& t = inputs[0].type();
  if (complex ? !is_complex(t.dtype()) : t.dtype() != DType::f32 && t.dtype() != DType::f64) {
    fail(ErrorKind::type, op.name(), ": a tensor of ",
         complex ? "complex numbers" : "float32 or float64", " is needed, got ", t.str());
  }
  if (axis >= t.ndim()) {
    fail(ErrorKind::value, op.name(), ": axis ", axis, " is out of range for ", t.str());
  }
  return t;
}

DType real_dtype(DType d) {
  return d == DType::c64 ? DType::f32 : d == DType::c128 ? DType::f64 : d;
}
DType complex_dtype(DType d) { return d == DType::f32 ? DType::c64 : DType::c128; }

double factor(int64_t scale, int64_t n) {
  const double length = static_cast<double>(n);
  if (scale == static_cast<int64_t>(FftScale::by_n)) return 1.0 / length;
  return scale == static_cast<int64_t>(FftScale::by_sqrt_n) ? 1.0 / std::sqrt(length) : 1.0;
}

void check_length(const Op& op, int64_t n, const TensorView& x, int64_t axis) {
  if (n < 1) {
    fail(ErrorKind::value, op.name(), ": a transform of ", n, " elements was asked for along axis ",
         axis, " of an array of shape ", shape_text(x));
  }
}

// The axes of an array around one of them.
struct Around {
  int64_t outer = 1, inner = 1;
  Around(const TensorView& x, int64_t axis) {
    for (int i = 0; i < x.ndim; ++i) {
      if (i < axis) outer *= x.shape[i];
      if (i > axis) inner *= x.shape[i];
    }
  }
};

// `v` with axis moved to the end.
OwnedView axis_last(const TensorView& v, int64_t axis) {
  OwnedView out(v);
  std::rotate(out.shape.begin() + axis, out.shape.begin() + axis + 1, out.shape.end());
  std::rotate(out.strides.begin() + axis, out.strides.begin() + axis + 1, out.strides.end());
  return out;
}

// `shape` in memory at `data`, in C order.
OwnedView packed(char* data, DType dtype, const Dims& shape) {
  OwnedView out;
  out.data = data;
  out.dtype = dtype;
  out.shape = shape;
  out.strides = contiguous_strides(shape, item_size(dtype));
  return out;
}

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Chunks of rows: enough for any number of threads, few enough that each has work space.
constexpr int64_t kChunks = 16;

// Rows of input and output, both contiguous: what perform() brings every array to.
struct RowWork {
  const char* src;
  char* dst;
  int64_t rows, n, half;  // n real or complex elements; half = n / 2 + 1
  double scale;
  bool flag;  // Fft: inverse; Rfft, Irfft: doubled
  char* work;
  int64_t chunks, chunk_bytes;
};

// What of `in` and `out` has to be copied so that rows lie along the last axis, and the scratch
// block that holds the copies and the work space of the chunks.
class Rows {
 public:
  Rows(PerformContext& context, const TensorView& in, const TensorView& out, int64_t axis,
       int64_t groups, int64_t chunk_bytes)
      : in_(axis_last(in, axis)), out_(axis_last(out, axis)) {
    const bool copy_in = !in_.view().contiguous();
    const bool copy_out = !out_.view().contiguous();
    const int64_t in_bytes = aligned(in.size() * static_cast<int64_t>(item_size(in.dtype)));
    const int64_t out_bytes = aligned(out.size() * static_cast<int64_t>(item_size(out.dtype)));
    chunks_ = std::min(groups, kChunks);
    char* at = static_cast<char*>(context.scratch(static_cast<size_t>(
        (copy_in ? in_bytes : 0) + (copy_out ? out_bytes : 0) + chunks_ * chunk_bytes)));
    work_ = at;
    at += chunks_ * chunk_bytes;
    src_ = in.data;
    dst_ = out.data;
    if (copy_in) {
      const OwnedView to = packed(at, in.dtype, in_.shape);
      copy_parallel(to.view(), in_.view());
      src_ = at;
      at += in_bytes;
    }
    if (copy_out) dst_ = at;
  }
  // Brings the rows to where the output is.
  void finish(const TensorView& out) const {
    if (dst_ != out.data) copy_parallel(out_.view(), packed(dst_, out_.dtype, out_.shape).view());
  }
  char *src_ = nullptr, *dst_ = nullptr, *work_ = nullptr;
  int64_t chunks_ = 1;

 private:
  OwnedView in_, out_;
};

// f(first row, number of rows, work space) for groups of rows.
template <class F>
void for_groups(const RowWork& w, int64_t group, F&& f) {
  const int64_t groups = (w.rows + group - 1) / group;
  parallel_for(w.chunks, [&](int64_t c) {
    for (int64_t g = groups * c / w.chunks; g < groups * (c + 1) / w.chunks; ++g) {
      f(g * group, std::min(group, w.rows - g * group), w.work + c * w.chunk_bytes);
    }
  });
}

template <class T>
void complex_rows(const RowWork& w, const FftPlan<T>& plan) {
  const T* src = reinterpret_cast<const T*>(w.src);
  T* dst = reinterpret_cast<T*>(w.dst);
  for_groups(w, plan.group(), [&](int64_t r, int64_t count, char* work) {
    plan.rows(src + 2 * r * w.n, w.n, dst + 2 * r * w.n, w.n, count, w.flag, w.scale, work);
  });
}

template <class T>
void scale_interior(T* row, int64_t half, int64_t n, T by) {
  const int64_t end = n % 2 ? half : half - 1;
  for (int64_t k = 2; k < 2 * end; ++k) row[k] *= by;
}

template <class T>
FftReal real_step(const FftPlan<T>& plan, const T* src, T* dst, double scale) {
  return {src, dst, plan.half_roots(), plan.n(), scale};
}

// Real rows to the first half of their transforms. `plan` is of n / 2 if n is even, else of n.
template <class T>
void real_rows(const RowWork& w, const FftPlan<T>& plan) {
  const T* src = reinterpret_cast<const T*>(w.src);
  T* dst = reinterpret_cast<T*>(w.dst);
  const bool even = w.n % 2 == 0;
  const int64_t m = plan.n();
  for_groups(w, plan.group(), [&](int64_t r, int64_t count, char* work) {
    T* const z = reinterpret_cast<T*>(work);
    char* const rest = work + aligned(plan.group() * 2 * m * static_cast<int64_t>(sizeof(T)));
    const T* from = src + r * w.n;
    if (even) {
      plan.rows(from, m, z, m, count, false, 1.0, rest);
    } else {
      for (int64_t i = 0; i < count * m; ++i) {
        z[2 * i] = from[i];
        z[2 * i + 1] = 0;
      }
      plan.rows(z, m, z, m, count, false, w.scale, rest);
    }
    for (int64_t i = 0; i < count; ++i) {
      T* to = dst + 2 * (r + i) * w.half;
      if (!even) {
        std::copy(z + 2 * i * m, z + 2 * i * m + 2 * w.half, to);
        to[1] = 0;
      } else if constexpr (std::is_same_v<T, float>) {
        PHINTYS_ISA_CALL(fft_real_after_f32)(real_step(plan, z + 2 * i * m, to, w.scale));
      } else {
        PHINTYS_ISA_CALL(fft_real_after_f64)(real_step(plan, z + 2 * i * m, to, w.scale));
      }
      if (w.flag) scale_interior(to, w.half, w.n, T(2));
    }
  });
}

// One half spectrum of odd length n as the whole one, at z.
template <class T>
void whole_spectrum(const T* x, T* z, int64_t half, int64_t n, bool doubled) {
  const T by = doubled ? T(1) : T(0.5);
  z[0] = x[0];
  z[1] = 0;
  for (int64_t k = 1; k < half; ++k) {
    z[2 * k] = x[2 * k] * by;
    z[2 * k + 1] = x[2 * k + 1] * by;
    z[2 * (n - k)] = x[2 * k] * by;
    z[2 * (n - k) + 1] = -x[2 * k + 1] * by;
  }
}

// Half spectra to real rows.
template <class T>
void inverse_real_rows(const RowWork& w, const FftPlan<T>& plan) {
  const T* src = reinterpret_cast<const T*>(w.src);
  T* dst = reinterpret_cast<T*>(w.dst);
  const bool even = w.n % 2 == 0;
  const int64_t m = plan.n();
  const int64_t item = sizeof(T);
  for_groups(w, plan.group(), [&](int64_t r, int64_t count, char* work) {
    T* const z = reinterpret_cast<T*>(work);
    T* const row = reinterpret_cast<T*>(work + aligned(plan.group() * 2 * m * item));
    char* const rest = reinterpret_cast<char*>(row) + aligned(2 * w.half * item);
    for (int64_t i = 0; i < count; ++i) {
      const T* x = src + 2 * (r + i) * w.half;
      if (!even) {
        whole_spectrum(x, z + 2 * i * m, w.half, w.n, w.flag);
        continue;
      }
      if (!w.flag) {
        std::copy(x, x + 2 * w.half, row);
        scale_interior(row, w.half, w.n, T(0.5));
        x = row;
      }
      if constexpr (std::is_same_v<T, float>) {
        PHINTYS_ISA_CALL(fft_real_before_f32)(real_step(plan, x, z + 2 * i * m, 1.0));
      } else {
        PHINTYS_ISA_CALL(fft_real_before_f64)(real_step(plan, x, z + 2 * i * m, 1.0));
      }
    }
    T* to = dst + r * w.n;
    if (even) {
      plan.rows(z, m, to, m, count, true, w.scale, rest);
    } else {
      plan.rows(z, m, z, m, count, true, w.scale, rest);
      for (int64_t i = 0; i < count * m; ++i) to[i] = z[2 * i];
    }
  });
}

// Sequences that lie side by side in both arrays: no copies. Long ones would not stay in cache.
template <class T>
bool side_by_side(PerformContext& context, const TensorView& x, const TensorView& out, int64_t axis,
                  bool inverse, double scale) {
  const Around around(x, axis);
  const int64_t n = x.shape[axis];
  if (around.inner < 4 || n > 8192 || !x.contiguous()) return false;
  const auto kept = FftPlan<T>::of(n, true);
  const FftPlan<T>& plan = *kept;
  if (plan.kind() != FftPlan<T>::Kind::direct) return false;
  constexpr int64_t kColumns = 64;
  const int64_t parts = (around.inner + kColumns - 1) / kColumns;
  const int64_t tasks = around.outer * parts;
  const int64_t chunks = std::min(tasks, kChunks);
  char* work = static_cast<char*>(context.scratch(static_cast<size_t>(chunks * plan.work_bytes())));
  parallel_for(chunks, [&](int64_t c) {
    for (int64_t t = tasks * c / chunks; t < tasks * (c + 1) / chunks; ++t) {
      const int64_t at = t / parts * n * around.inner + t % parts * kColumns;
      const int64_t columns = std::min(kColumns, around.inner - t % parts * kColumns);
      plan.columns(reinterpret_cast<const T*>(x.data) + 2 * at, around.inner,
                   reinterpret_cast<T*>(out.data) + 2 * at, around.inner, columns, inverse, scale,
                   work + c * plan.work_bytes());
    }
  });
  return true;
}

template <class F>
void with_real_type(DType d, F&& f) {
  if (real_dtype(d) == DType::f32) {
    f.template operator()<float>();
  } else {
    f.template operator()<double>();
  }
}

}  // namespace

// --- Fft -----------------------------------------------------------------------------------------

void Fft::check_attributes() const { check_axis(*this, axis, scale); }

std::vector<Type> Fft::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  return {checked_input(*this, inputs, axis, true)};
}

std::vector<Var> Fft::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var()};
  auto back = make_ref<Fft>(*this);
  back->inverse = !inverse;
  return {phintys::apply(back, {args.grads[0]})};
}

std::vector<std::vector<Var>> Fft::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Fft::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  check_length(*this, inputs[0].shape[axis], inputs[0], axis);
  own_layout(outputs[0], inputs[0].shape, inputs[0].ndim);
}

void Fft::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  if (out.size() == 0) return;
  const int64_t n = x.shape[axis];
  with_real_type(x.dtype, [&]<class T>() {
    const double by = factor(scale, n);
    if (side_by_side<T>(context, x, out, axis, inverse, by)) return;
    const auto plan = FftPlan<T>::of(n);
    const int64_t count = x.size() / n;
    const int64_t bytes = plan->work_bytes();
    const Rows rows(context, x, out, axis, (count + plan->group() - 1) / plan->group(), bytes);
    complex_rows<T>(
        {rows.src_, rows.dst_, count, n, 0, by, inverse, rows.work_, rows.chunks_, bytes}, *plan);
    rows.finish(out);
  });
}

// --- Rfft ----------------------------------------------------------------------------------------

void Rfft::check_attributes() const { check_axis(*this, axis, scale); }

std::vector<Type> Rfft::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  const Type& t = checked_input(*this, inputs, axis, false);
  Dims shape = t.shape();
  int64_t& d = shape[static_cast<size_t>(axis)];
  if (d >= 0) d = d / 2 + 1;
  return {Type::tensor(complex_dtype(t.dtype()), std::move(shape))};
}

std::vector<Var> Rfft::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var()};
  auto back = make_ref<Irfft>();
  back->axis = axis;
  back->doubled = doubled;
  back->scale = scale;
  return {phintys::apply(back, {args.grads[0], shape_i(args.inputs[0], static_cast<int>(axis))})};
}

std::vector<std::vector<Var>> Rfft::infer_shape(const Apply& node) const {
  std::vector<Var> dims = shape_list(node.inputs()[0]);
  Var& d = dims[static_cast<size_t>(axis)];
  d = int_div(d, constant_int(2)) + constant_int(1);
  return {dims};
}

void Rfft::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  check_length(*this, x.shape[axis], x, axis);
  own_layout(outputs[0], x.shape, x.ndim);
  int64_t& d = outputs[0].shape[static_cast<size_t>(axis)];
  d = d / 2 + 1;
}

void Rfft::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  if (x.size() == 0) return;
  const int64_t n = x.shape[axis], half = n / 2 + 1, count = x.size() / n;
  with_real_type(x.dtype, [&]<class T>() {
    const auto plan = FftPlan<T>::of(n % 2 ? n : n / 2);
    const int64_t group = plan->group();
    const int64_t bytes =
        aligned(group * 2 * plan->n() * static_cast<int64_t>(sizeof(T))) + plan->work_bytes();
    const Rows rows(context, x, outputs[0], axis, (count + group - 1) / group, bytes);
    real_rows<T>({rows.src_, rows.dst_, count, n, half, factor(scale, n), doubled, rows.work_,
                  rows.chunks_, bytes},
                 *plan);
    rows.finish(outputs[0]);
  });
}

// --- Irfft ---------------------------------------------------------------------------------------

void Irfft::check_attributes() const { check_axis(*this, axis, scale); }

std::vector<Type> Irfft::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& t = checked_input(*this, inputs, axis, true);
  check_int_scalar(*this, inputs[1], "the length");
  Dims shape = t.shape();
  int64_t n;
  shape[static_cast<size_t>(axis)] =
      constant_int_value(inputs[1].get(), &n) && n > 0 ? n : kUnknownDim;
  return {Type::tensor(real_dtype(t.dtype()), std::move(shape))};
}

std::vector<Var> Irfft::grad(const GradArgs& args) const {
  if (!args.grads[0]) return {Var(), Var()};
  auto back = make_ref<Rfft>();
  back->axis = axis;
  back->doubled = doubled;
  back->scale = scale;
  return {phintys::apply(back, {args.grads[0]}), Var()};
}

std::vector<std::vector<Var>> Irfft::infer_shape(const Apply& node) const {
  std::vector<Var> dims = shape_list(node.inputs()[0]);
  dims[static_cast<size_t>(axis)] = cast(node.inputs()[1], DType::i64);
  return {dims};
}

void Irfft::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& x = inputs[0];
  const int64_t n = element_as_int(inputs[1]);
  check_length(*this, n, x, axis);
  if (x.shape[axis] != n / 2 + 1) {
    fail(ErrorKind::value, "irfft: ", n, " elements come of ", n / 2 + 1, " frequencies, but axis ",
         axis, " of the array of shape ", shape_text(x), " has ", x.shape[axis]);
  }
  own_layout(outputs[0], x.shape, x.ndim);
  outputs[0].shape[static_cast<size_t>(axis)] = n;
}

void Irfft::perform(PerformContext& context, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const TensorView& x = inputs[0];
  const TensorView& out = outputs[0];
  if (out.size() == 0) return;
  const int64_t n = out.shape[axis], half = n / 2 + 1, count = out.size() / n;
  with_real_type(x.dtype, [&]<class T>() {
    const auto plan = FftPlan<T>::of(n % 2 ? n : n / 2);
    const int64_t group = plan->group(), item = sizeof(T);
    const int64_t bytes =
        aligned(group * 2 * plan->n() * item) + aligned(2 * half * item) + plan->work_bytes();
    const Rows rows(context, x, out, axis, (count + group - 1) / group, bytes);
    inverse_real_rows<T>({rows.src_, rows.dst_, count, n, half, factor(scale, n), doubled,
                          rows.work_, rows.chunks_, bytes},
                         *plan);
    rows.finish(out);
  });
}

}  // namespace phintys
