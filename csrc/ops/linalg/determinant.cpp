// What LU factors give: inverses, determinants, and the factors themselves.
#include <cmath>

#include "ops/linalg/device_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/signature.h"
#include "ops/linalg/small.h"
#include "ops/linalg/solve.h"

namespace phintys {

using namespace linalg;

namespace {

int64_t order_of(const TensorView& v) { return v.shape[v.ndim - 1]; }

int64_t count_of(const TensorView& v) {
  int64_t count = 1;
  for (int i = 0; i < v.ndim - 2; ++i) count *= v.shape[i];
  return count;
}

double cube(int64_t n) {
  const double x = static_cast<double>(n);
  return x * x * x;
}

// A stack of square matrices that is only read.
template <class T>
struct Job {
  Stack stack;
  int64_t n, count, step = 0;
  bool small;
  Chunks chunks{};

  explicit Job(const TensorView& a) : stack(a, 2), n(order_of(a)), count(count_of(a)) {
    small = use_small<T>(n, count) && stack.uniform(&step);
    chunks = Chunks::of(count, small ? cube(n) / 8 + 20 : cube(n) + 200, small ? 16 : 1);
  }
  // Of each chunk: for the factors and pivots of one matrix, or the diagonals of all.
  size_t bytes() const {
    if (small) return static_cast<size_t>(chunks.grain * n) * sizeof(T);
    return (static_cast<size_t>(n * n) * sizeof(T) + 63) / 64 * 64 +
           static_cast<size_t>(n) * sizeof(blas_int);
  }
  size_t total() const {
    return (bytes() + 63) / 64 * 64 * static_cast<size_t>(std::max<int64_t>(1, chunks.count));
  }
  SmallLu<T> small_work(int64_t begin, int64_t end) const {
    SmallLu<T> w{};
    w.a = reinterpret_cast<const T*>(stack.at(begin));
    w.n = n;
    w.count = end - begin;
    w.row = stack.row_stride() / static_cast<int64_t>(sizeof(T));
    w.col = stack.col_stride() / static_cast<int64_t>(sizeof(T));
    w.step = step / static_cast<int64_t>(sizeof(T));
    return w;
  }
  // Factors of the transpose of matrix `i`; returns LAPACK's info.
  int64_t factor(int64_t i, T* lu, blas_int* pivots) const {
    copy_matrix(lu, n, int64_t{1}, reinterpret_cast<const T*>(stack.at(i)),
                stack.row_stride() / static_cast<int64_t>(sizeof(T)),
                stack.col_stride() / static_cast<int64_t>(sizeof(T)), n, n);
    return lu_columns(n, n, lu, n, pivots);
  }
};

// f(i, diagonal, stride): the diagonal of U of each matrix, its first element with the sign of the
// permutation.
template <class T, class F>
void for_diagonals(PerformContext& context, const TensorView& a, F&& f) {
  const Job<T> job(a);
  const int64_t n = job.n;
  for_chunks(context, job.chunks, job.bytes(), [&](int64_t begin, int64_t end, char* ws) {
    Pieces pieces(ws);
    if constexpr (!lapack::kComplex<T>) {
      if (job.small) {
        SmallLu<T> w = job.small_work(begin, end);
        w.diagonal = pieces.take<T>((end - begin) * n);
        PHINTYS_ISA_CALL(small_lu<T>)(w);
        for (int64_t i = begin; i < end; ++i) f(i, w.diagonal + (i - begin) * n, int64_t{1});
        return;
      }
    }
    T* lu = pieces.take<T>(n * n);
    blas_int* pivots = pieces.take<blas_int>(n);
    for (int64_t i = begin; i < end; ++i) {
      job.factor(i, lu, pivots);
      bool odd = false;
      for (int64_t k = 0; k < n; ++k) odd ^= pivots[k] != k + 1;
      if (odd) lu[0] = -lu[0];
      f(i, lu, n + 1);
    }
  });
}

size_t diagonals_scratch(const TensorView& a) {
  size_t bytes = 0;
  dispatch_lapack(a.dtype, [&]<class T>() { bytes = Job<T>(a).total(); });
  return bytes;
}

// g of a scalar for each matrix, as a factor of matrices.
Var per_matrix(const Var& g) { return as_column(as_column(g)); }

}  // namespace

// --- MatrixInverse ------------------------------------------------------------------------------

std::vector<Type> MatrixInverse::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  return infer_by(*this, "nn->nn", inputs, {inputs[0].dtype()});
}
std::vector<std::vector<Var>> MatrixInverse::infer_shape(const Apply& node) const {
  return infer_shape_by("nn->nn", node);
}
void MatrixInverse::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn->nn", inputs, outputs);
}

std::vector<Var> MatrixInverse::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  const Var h = adjoint(args.outputs[0]);
  return {-matmul(matmul(h, g), h)};
}

void MatrixInverse::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView &a = inputs[0], &out = outputs[0];
  if (out.size() == 0) return;
  dispatch_lapack(out.dtype, [&]<class T>() {
    const Job<T> job(a);
    const int64_t n = job.n;
    for_chunks(context, job.chunks, job.small ? 0 : job.bytes(),
               [&](int64_t begin, int64_t end, char* ws) {
                 T* x = out.as<T>() + begin * n * n;
                 if constexpr (!lapack::kComplex<T>) {
                   if (job.small) {
                     SmallLu<T> w = job.small_work(begin, end);
                     w.x = x;
                     w.m = n;
                     w.identity = true;
                     const int64_t bad = PHINTYS_ISA_CALL(small_lu<T>)(w);
                     if (bad >= 0) fail_linalg(*this, "singular matrix", begin + bad, job.count);
                     return;
                   }
                 }
                 Pieces pieces(ws);
                 T* lu = pieces.take<T>(n * n);
                 blas_int* pivots = pieces.take<blas_int>(n);
                 for (int64_t i = begin; i < end; ++i, x += n * n) {
                   if (job.factor(i, lu, pivots)) {
                     fail_linalg(*this, "singular matrix", i, job.count);
                   }
                   for (int64_t k = 0; k < n; ++k) --pivots[k];
                   std::fill(x, x + n * n, T(0));
                   for (int64_t k = 0; k < n; ++k) x[k * n + k] = T(1);
                   lu_solve_rows(lu, pivots, n, n, false, x);
                 }
               });
  });
}

// --- Det ----------------------------------------------------------------------------------------

std::vector<Type> Det::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  return infer_by(*this, "nn->", inputs, {inputs[0].dtype()});
}
std::vector<std::vector<Var>> Det::infer_shape(const Apply& node) const {
  return infer_shape_by("nn->", node);
}
void Det::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn->", inputs, outputs);
}
size_t Det::scratch_bytes(std::span<const TensorView> inputs) const {
  return diagonals_scratch(inputs[0]);
}

std::vector<Var> Det::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  return {per_matrix(g * conjugate(args.outputs[0])) * adjoint(inverse(args.inputs[0]))};
}

void Det::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const TensorView &a = inputs[0], &out = outputs[0];
  if (out.size() == 0) return;
  const int64_t n = order_of(a);
  dispatch_lapack(a.dtype, [&]<class T>() {
    for_diagonals<T>(context, a, [&](int64_t i, const T* d, int64_t stride) {
      T product = 1;
      for (int64_t k = 0; k < n; ++k) product *= d[k * stride];
      out.as<T>()[i] = product;
    });
  });
}

// --- SLogDet ------------------------------------------------------------------------------------

std::vector<Type> SLogDet::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  const DType d = inputs[0].dtype();
  return infer_by(*this, "nn->,", inputs, {d, real_of(d)});
}
std::vector<std::vector<Var>> SLogDet::infer_shape(const Apply& node) const {
  return infer_shape_by("nn->,", node);
}
void SLogDet::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn->,", inputs, outputs);
}
size_t SLogDet::scratch_bytes(std::span<const TensorView> inputs) const {
  return diagonals_scratch(inputs[0]);
}

std::vector<Var> SLogDet::grad(const GradArgs& args) const {
  const Var& a = args.inputs[0];
  if (is_complex(a.dtype()) && args.grads[0]) {
    return {undefined_grad(*this, 0, "A", "the sign of a complex determinant is a phase")};
  }
  const Var& g = args.grads[1];
  if (!g) return {zeros_like(a)};  // the sign is piecewise constant
  return {per_matrix(g) * adjoint(inverse(a))};
}

void SLogDet::perform(PerformContext& context, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  const TensorView& a = inputs[0];
  if (outputs[0].size() == 0) return;
  const int64_t n = order_of(a);
  dispatch_lapack(a.dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    for_diagonals<T>(context, a, [&](int64_t i, const T* d, int64_t stride) {
      T sign = 1;
      R log = 0;
      for (int64_t k = 0; k < n; ++k) {
        const T x = d[k * stride];
        const R size = std::abs(x);
        sign *= size == 0 ? T(0) : size != size ? x : x / size;
        log += std::log(size);
      }
      outputs[0].as<T>()[i] = sign;
      outputs[1].as<R>()[i] = log;
    });
  });
}

// --- LuFactor -----------------------------------------------------------------------------------

std::vector<Type> LuFactor::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  return infer_by(*this, "mn->mn,r", inputs, {inputs[0].dtype(), DType::i32});
}
std::vector<std::vector<Var>> LuFactor::infer_shape(const Apply& node) const {
  return infer_shape_by("mn->mn,r", node);
}
void LuFactor::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "mn->mn,r", inputs, outputs);
}

// With P A = L U: gA = P^T L^-H (low(L^H gL) + up(gU U^H)) U^-H, low without the diagonal.
std::vector<Var> LuFactor::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {zeros_like(args.inputs[0])};
  const Type& t = args.inputs[0].type();
  const int64_t rows = t.dim(t.ndim() - 2), cols = t.dim(t.ndim() - 1);
  if (rows >= 0 && cols >= 0 && rows != cols) {
    return {undefined_grad(*this, 0, "A", "the matrix is not square")};
  }
  const Var& lu = args.outputs[0];
  const Var l = lower_part(lu, -1) + identity(length(lu, 1), lu.dtype());
  const Var u = upper_part(lu);
  const Var inner = lower_part(matmul(adjoint(l), lower_part(g, -1)), -1) +
                    upper_part(matmul(upper_part(g), adjoint(u)));
  const Var left = solve_triangular(l, inner, true, true, true);
  const Var both = adjoint(solve_triangular(u, adjoint(left), false, false, false));
  auto back = make_ref<PermuteRows>();
  back->inverse = true;
  return {phintys::apply(back, {both, args.outputs[1]})};
}

void LuFactor::perform(PerformContext& context, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const TensorView &a = inputs[0], &lu = outputs[0], &pivots = outputs[1];
  const int64_t m = lu.shape[lu.ndim - 2], n = order_of(lu), k = std::min(m, n);
  if (pivots.size() == 0) return;
  const int64_t count = lu.size() / (m * n);
  const Stack stack(a, 2);
  dispatch_lapack(lu.dtype, [&]<class T>() {
    int64_t step = 0;
    if constexpr (!lapack::kComplex<T>) {
      if (m == n && use_small<T>(n, count) && stack.uniform(&step)) {
        const Job<T> job(a);
        return parallel_ranges(job.count, job.chunks.grain, [&](int64_t begin, int64_t end) {
          SmallLu<T> w = job.small_work(begin, end);
          w.lu = lu.as<T>() + begin * n * n;
          w.pivots = pivots.as<int32_t>() + begin * n;
          PHINTYS_ISA_CALL(small_lu<T>)(w);
        });
      }
    }
    const size_t bytes = (static_cast<size_t>(m * n) * sizeof(T) + 63) / 64 * 64 +
                         static_cast<size_t>(k) * sizeof(blas_int);
    const Chunks chunks = Chunks::of(count, static_cast<double>(m * n) * static_cast<double>(k));
    for_chunks(context, chunks, bytes, [&](int64_t begin, int64_t end, char* ws) {
      Pieces pieces(ws);
      T* columns = pieces.take<T>(m * n);
      blas_int* exchanged = pieces.take<blas_int>(k);
      for (int64_t i = begin; i < end; ++i) {
        load_columns(columns, stack, i);
        lu_columns(m, n, columns, m, exchanged);
        store_columns(lu.as<T>() + i * m * n, columns, m, n);
        int32_t* p = pivots.as<int32_t>() + i * k;
        for (int64_t r = 0; r < k; ++r) p[r] = static_cast<int32_t>(exchanged[r] - 1);
      }
    });
  });
}

// --- PermuteRows --------------------------------------------------------------------------------

std::vector<Type> PermuteRows::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  if (inputs[1].dtype() != DType::i32) {
    fail(ErrorKind::type, "permute_rows: pivots must be int32, got ", inputs[1].type().str());
  }
  return infer_by(*this, "mn,k->mn", inputs, {inputs[0].dtype()});
}
std::vector<std::vector<Var>> PermuteRows::infer_shape(const Apply& node) const {
  return infer_shape_by("mn,k->mn", node);
}
void PermuteRows::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "mn,k->mn", inputs, outputs);
}

std::vector<Var> PermuteRows::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  if (is_discrete(args.inputs[0].dtype())) return {zero_grad_for(args.inputs[0]), Var()};
  auto op = make_ref<PermuteRows>();
  op->inverse = !inverse;
  return {phintys::apply(op, {g, args.inputs[1]}), Var()};
}

void PermuteRows::perform(PerformContext&, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const TensorView &out = outputs[0], &pivots = inputs[1];
  if (out.size() == 0) return;
  copy_parallel(out, inputs[0]);
  const int64_t m = out.shape[out.ndim - 2], k = pivots.shape[pivots.ndim - 1];
  const int64_t row = order_of(out) * static_cast<int64_t>(item_size(out.dtype));
  const int64_t step = pivots.strides[pivots.ndim - 1];
  const Stack stack(pivots, 1);
  for (int64_t i = 0; i < stack.count(); ++i) {
    const char* p = stack.at(i);
    char* x = out.data + i * m * row;
    for (int64_t r = 0; r < k; ++r) {
      const int64_t from = inverse ? k - 1 - r : r;
      const int64_t to = *reinterpret_cast<const int32_t*>(p + from * step);
      if (to < 0 || to >= m || from >= m) {
        fail(ErrorKind::index, "permute_rows: pivot ", to, " of row ", from,
             " is out of range for ", m, " rows");
      }
      if (to != from) std::swap_ranges(x + from * row, x + (from + 1) * row, x + to * row);
    }
  }
}

// --- on devices ---------------------------------------------------------------------------------

namespace {

// LU factors of the transposes of matrices, in scratch: their columns lie in one piece.
struct DeviceFactors {
  device::Matrices lu;
  int32_t* pivots;
  int64_t n, count;
};

DeviceFactors factor_transposes(const DeviceWork& work, const TensorView& a, int* failed) {
  const int64_t n = order_of(a), count = count_of(a);
  const auto item = static_cast<int64_t>(item_size(a.dtype));
  DeviceScratch scratch;
  const size_t a_at = scratch.add(count * n * n * item), p_at = scratch.add(count * n * 4);
  scratch.take(work.queue);
  work.copy(scratch.at(a_at), a);
  const DeviceFactors f{transposed(row_major(scratch.at(a_at), n, n)), scratch.at<int32_t>(p_at), n,
                        count};
  work.check(work.solvers->lu(work.stream(), {a.dtype, f.lu, n, n, count, f.pivots, failed}));
  return f;
}

bool enqueue_determinant(device::Queue& queue, const TensorView& a, void* value, void* log) {
  const DeviceWork work(queue);
  if (!work.possible({&a})) return false;
  if (count_of(a) == 0) return true;
  const DeviceFactors f = factor_transposes(work, a, nullptr);
  return work.check(
      work.solvers->determinant(queue.stream, {a.dtype, f.lu, f.n, f.count, f.pivots, value, log}));
}

}  // namespace

bool Det::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  return enqueue_determinant(queue, inputs[0], outputs[0].data, nullptr);
}

bool SLogDet::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                      std::span<const TensorView> outputs) const {
  return enqueue_determinant(queue, inputs[0], outputs[0].data, outputs[1].data);
}

// With P the exchanges and P A^T = L U: inverse(A) = P^T inverse(L^T) inverse(U^T).
bool MatrixInverse::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &a = inputs[0], &out = outputs[0];
  if (!work.possible({&a})) return false;
  if (out.size() == 0) return true;
  const DeviceFactors f = factor_transposes(work, a, queue.failed);
  work.check(work.solvers->identity(queue.stream, a.dtype, out.data, f.n, f.count));
  const device::Matrices x = row_major(out.data, f.n, f.n), lu = transposed(f.lu);
  for (const bool lower : {true, false}) {
    work.check(work.solvers->triangular(
        queue.stream, {a.dtype, lu, x, f.n, f.n, f.count, lower, !lower, false, nullptr}));
  }
  return work.check(work.solvers->exchange(
      queue.stream, {out.data, static_cast<int64_t>(item_size(a.dtype)), f.n, f.n, f.count,
                     f.pivots, f.n, 1, f.n, true, queue.failed}));
}

bool LuFactor::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &lu = outputs[0], &pivots = outputs[1];
  if (!work.possible({&inputs[0]})) return false;
  if (pivots.size() == 0) return true;
  const int64_t m = lu.shape[lu.ndim - 2], n = order_of(lu), count = lu.size() / (m * n);
  work.copy(lu.data, inputs[0]);
  return work.check(work.solvers->lu(queue.stream, {lu.dtype, row_major(lu.data, m, n), m, n, count,
                                                    pivots.as<int32_t>(), nullptr}));
}

bool PermuteRows::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &out = outputs[0], &pivots = inputs[1];
  if (!work.possible({&inputs[0]})) return false;
  if (out.size() == 0) return true;
  const Stack stack(pivots, 1);
  int64_t step = 0;
  if (!stack.uniform(&step)) return false;
  work.copy(out.data, inputs[0]);
  const int64_t k = pivots.shape[pivots.ndim - 1], stride = pivots.strides[pivots.ndim - 1];
  return work.check(work.solvers->exchange(
      queue.stream,
      {out.data, static_cast<int64_t>(item_size(out.dtype)), out.shape[out.ndim - 2], order_of(out),
       stack.count(), pivots.as<int32_t>(), k, stride / 4, step / 4, inverse, queue.failed}));
}

}  // namespace phintys
