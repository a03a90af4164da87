#include "ops/linalg/solve.h"

#include "ops/linalg/device_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/signature.h"
#include "ops/linalg/small.h"

namespace phintys {

using namespace linalg;

namespace linalg {

void check_lapack(const Op& op, std::span<const Var> inputs, int n) {
  check_inputs(op, inputs, n, true);
  for (int i = 0; i < n; ++i) {
    const Type& t = inputs[static_cast<size_t>(i)].type();
    if (!lapack_dtype(t.dtype()) || t.dtype() != inputs[0].dtype()) {
      fail(ErrorKind::type, op.name(),
           " takes operands of one dtype, float32, float64, complex64 or complex128, got ",
           t.str());
    }
  }
}

Var solve_triangular(const Var& a, const Var& b, bool lower, bool trans, bool unit_diagonal) {
  auto op = make_ref<SolveTriangular>();
  op->lower = lower;
  op->trans = trans;
  op->unit_diagonal = unit_diagonal;
  return phintys::apply(op, {a, b});
}

Var inverse(const Var& a) { return phintys::apply(make_ref<MatrixInverse>(), {a}); }

}  // namespace linalg

namespace {

constexpr const char* kSquare = "nn->nn";

int64_t order_of(const TensorView& v) { return v.shape[v.ndim - 1]; }

int64_t count_of(const TensorView& v, int core) {
  int64_t count = 1;
  for (int i = 0; i < v.ndim - core; ++i) count *= v.shape[i];
  return count;
}

double cube(int64_t n) {
  const double x = static_cast<double>(n);
  return x * x * x;
}

template <class T>
void store_pivots(int32_t* to, const blas_int* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<int32_t>(from[i] - 1);
}

void check_pivots(const Op& op, const int32_t* pivots, int64_t count, int64_t rows) {
  for (int64_t i = 0; i < count; ++i) {
    if (pivots[i] < 0 || pivots[i] >= rows) {
      fail(ErrorKind::index, op.name(), ": pivot ", pivots[i], " is out of range for ", rows,
           " rows");
    }
  }
}

// Rows of x[n, m] exchanged in order, or back.
template <class T>
void exchange_rows(T* x, int64_t m, const int32_t* pivots, int64_t n, bool back) {
  for (int64_t k = 0; k < n; ++k) {
    const int64_t i = back ? n - 1 - k : k;
    if (pivots[i] != i) std::swap_ranges(x + i * m, x + (i + 1) * m, x + pivots[i] * m);
  }
}

// The part of a gradient that belongs to the triangle that is read.
Var fold_triangle(const Var& g, bool lower) {
  return lower ? lower_part(g) + adjoint(upper_part(g, 1))
               : upper_part(g) + adjoint(lower_part(g, -1));
}

}  // namespace

// --- Solve --------------------------------------------------------------------------------------

std::string Solve::str() const {
  return positive ? std::string("Solve{assume_a='pos', lower=") + (lower ? "True}" : "False}")
                  : "Solve{assume_a='gen'}";
}

std::vector<Type> Solve::infer(std::span<const Var> inputs) const {
  check_lapack(*this, inputs, 2);
  const DType d = inputs[0].dtype();
  return infer_by(*this, "nn,nm->nm,nn,n", inputs, {d, d, DType::i32});
}

std::vector<std::vector<Var>> Solve::infer_shape(const Apply& node) const {
  return infer_shape_by("nn,nm->nm,nn,n", node);
}

void Solve::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn,nm->nm,nn,n", inputs, outputs);
}

std::vector<Var> Solve::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  auto op = make_ref<SolveFactored>();
  op->positive = positive;
  op->lower = lower;
  op->trans = true;
  const Var gb = phintys::apply(op, {args.inputs[0], args.outputs[1], args.outputs[2], g});
  const Var ga = -matmul(gb, adjoint(args.outputs[0]));
  return {positive ? fold_triangle(ga, lower) : ga, gb};
}

namespace {

// The factors, in place of A, of matrices of one chunk, and solutions in place of b.
template <class T>
struct SystemChunk {
  T* a;
  T* x;
  int32_t* pivots;
  int64_t n, m, count;
  bool small;
};

template <class T>
void solve_cholesky(const T* l, int64_t n, int64_t m, T* x) {
  triangular_solve_rows(l, n, true, lapack::Op::none, false, n, m, x);
  triangular_solve_rows(l, n, true, lapack::Op::adjoint, false, n, m, x);
}

template <class T>
int64_t small_cholesky_solve(const T* l, int64_t n, int64_t m, int64_t count, T* x) {
  const int64_t last = n - 1;
  PHINTYS_ISA_CALL(small_triangular<T>)({l, x, n, m, count, n, 1, n * n, m, n * m, false});
  PHINTYS_ISA_CALL(small_triangular<T>)
  ({l + last * n + last, x + last * m, n, m, count, -1, -n, n * n, -m, n * m, false});
  return -1;
}

// Returns the first matrix that is singular or not positive definite, or -1.
template <class T>
int64_t solve_positive(const SystemChunk<T>& s, bool lower) {
  const int64_t size = s.n * s.n;
  if (!lower) {
    for (int64_t i = 0; i < s.count; ++i) {
      T* a = s.a + i * size;
      for (int64_t r = 0; r < s.n; ++r) {
        for (int64_t c = 0; c < r; ++c) a[r * s.n + c] = a[c * s.n + r];
      }
    }
  }
  if constexpr (!lapack::kComplex<T>) {
    if (s.small) {
      const int64_t bad = PHINTYS_ISA_CALL(small_cholesky<T>)({s.a, s.n, s.count, true, false});
      if (bad >= 0) return bad;
      return small_cholesky_solve(s.a, s.n, s.m, s.count, s.x);
    }
  }
  for (int64_t i = 0; i < s.count; ++i) {
    T* a = s.a + i * size;
    if constexpr (lapack::kComplex<T>) {
      // What was mirrored from above is the conjugate of what belongs below.
      for (int64_t r = 0; !lower && r < s.n; ++r) {
        for (int64_t c = 0; c < r; ++c) a[r * s.n + c] = std::conj(a[r * s.n + c]);
      }
    }
    if (cholesky_rows(s.n, a)) return i;
    solve_cholesky(a, s.n, s.m, s.x + i * s.n * s.m);
  }
  return -1;
}

template <class T>
int64_t solve_general(const SystemChunk<T>& s, blas_int* pivots) {
  if constexpr (!lapack::kComplex<T>) {
    if (s.small) {
      return PHINTYS_ISA_CALL(small_lu<T>)(
          {s.a, s.n, s.count, s.n, 1, s.n * s.n, s.a, s.pivots, nullptr, s.x, s.m, false});
    }
  }
  for (int64_t i = 0; i < s.count; ++i) {
    T* a = s.a + i * s.n * s.n;
    if (lu_columns(s.n, s.n, a, s.n, pivots)) return i;
    int32_t* p = s.pivots + i * s.n;
    store_pivots<T>(p, pivots, s.n);
    lu_solve_rows(a, p, s.n, s.m, false, s.x + i * s.n * s.m);
  }
  return -1;
}

}  // namespace

void Solve::perform(PerformContext& context, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const TensorView &x = outputs[0], &factors = outputs[1], &pivots = outputs[2];
  const int64_t n = order_of(factors), m = order_of(x), count = count_of(x, 2);
  if (factors.size() == 0) return;
  copy_parallel(factors, inputs[0]);
  copy_parallel(x, inputs[1]);
  std::fill(pivots.as<int32_t>(), pivots.as<int32_t>() + n * count, 0);
  dispatch_lapack(x.dtype, [&]<class T>() {
    const bool small = use_small<T>(n, count);
    const double work = cube(n) + static_cast<double>(n) * n * m;
    const Chunks chunks = Chunks::of(count, small ? work / 8 : work, small ? 16 : 1);
    const size_t bytes = small ? 0 : static_cast<size_t>(n) * sizeof(blas_int);
    for_chunks(context, chunks, bytes, [&](int64_t begin, int64_t end, char* ws) {
      const SystemChunk<T> s{factors.as<T>() + begin * n * n,
                             x.as<T>() + begin * n * m,
                             pivots.as<int32_t>() + begin * n,
                             n,
                             m,
                             end - begin,
                             small};
      const int64_t bad =
          positive ? solve_positive(s, lower) : solve_general(s, reinterpret_cast<blas_int*>(ws));
      if (bad < 0) return;
      fail_linalg(*this, positive ? "matrix is not positive definite" : "matrix is singular",
                  begin + bad, count);
    });
  });
}

// --- SolveFactored ------------------------------------------------------------------------------

std::vector<Type> SolveFactored::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 4);
  const Var values[3] = {inputs[0], inputs[1], inputs[3]};
  check_lapack(*this, values, 3);
  if (inputs[2].dtype() != DType::i32) {
    fail(ErrorKind::type, "solve_factored: pivots must be int32, got ", inputs[2].type().str());
  }
  return infer_by(*this, "nn,nn,n,nm->nm", inputs, {inputs[0].dtype()});
}

std::vector<std::vector<Var>> SolveFactored::infer_shape(const Apply& node) const {
  return infer_shape_by("nn,nn,n,nm->nm", node);
}

void SolveFactored::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn,nn,n,nm->nm", inputs, outputs);
}

std::vector<Var> SolveFactored::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  const Var& x = args.outputs[0];
  if (!g) return {Var(), Var(), Var(), Var()};
  auto op = make_ref<SolveFactored>();
  op->positive = positive;
  op->lower = lower;
  op->trans = !trans;
  const Var gb = phintys::apply(op, {args.inputs[0], args.inputs[1], args.inputs[2], g});
  const Var ga = trans ? -matmul(x, adjoint(gb)) : -matmul(gb, adjoint(x));
  return {positive ? fold_triangle(ga, lower) : ga, Var(), Var(), gb};
}

namespace {

// inverse(op(A)) @ x from the row-wise factors that small_lu makes.
template <class T>
void small_factored(const T* lu, const int32_t* pivots, int64_t n, int64_t m, int64_t count,
                    bool trans, T* x) {
  const auto solve = PHINTYS_ISA_CALL(small_triangular<T>);
  const int64_t size = n * n, last = n - 1, corner = last * n + last;
  const auto exchange = [&](bool back) {
    for (int64_t i = 0; i < count; ++i) exchange_rows(x + i * n * m, m, pivots + i * n, n, back);
  };
  if (!trans) {
    exchange(false);
    solve({lu, x, n, m, count, n, 1, size, m, n * m, true});
    solve({lu + corner, x + last * m, n, m, count, -n, -1, size, -m, n * m, false});
  } else {
    solve({lu, x, n, m, count, 1, n, size, m, n * m, false});
    solve({lu + corner, x + last * m, n, m, count, -1, -n, size, -m, n * m, true});
    exchange(true);
  }
}

template <class T>
void solve_factored(const SystemChunk<T>& s, bool positive, bool trans) {
  if constexpr (!lapack::kComplex<T>) {
    if (s.small && positive) {
      small_cholesky_solve(s.a, s.n, s.m, s.count, s.x);
      return;
    }
    if (s.small) return small_factored(s.a, s.pivots, s.n, s.m, s.count, trans, s.x);
  }
  for (int64_t i = 0; i < s.count; ++i) {
    const T* a = s.a + i * s.n * s.n;
    T* x = s.x + i * s.n * s.m;
    if (positive) {
      solve_cholesky(a, s.n, s.m, x);
    } else {
      lu_solve_rows(a, s.pivots + i * s.n, s.n, s.m, trans, x);
    }
  }
}

}  // namespace

void SolveFactored::perform(PerformContext& context, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const TensorView &factors = inputs[1], &pivots = inputs[2], &x = outputs[0];
  const int64_t n = order_of(factors), m = order_of(x), count = count_of(x, 2);
  if (x.size() == 0) return;
  copy_parallel(x, inputs[3]);
  const size_t item = item_size(x.dtype);
  const bool dense = factors.contiguous() && pivots.contiguous();
  const size_t bytes = static_cast<size_t>(count * n * n) * item;
  const TensorView *from = &factors, *exchanged = &pivots;
  Dims strides, pivot_strides;
  TensorView copy = factors, pivot_copy = pivots;
  if (!dense) {
    char* block = static_cast<char*>(context.scratch(bytes + static_cast<size_t>(count * n) * 4));
    strides.resize(static_cast<size_t>(factors.ndim));
    pivot_strides.resize(static_cast<size_t>(pivots.ndim));
    contiguous_strides(factors.shape, factors.ndim, item, strides.data());
    contiguous_strides(pivots.shape, pivots.ndim, 4, pivot_strides.data());
    copy.data = block;
    copy.strides = strides.data();
    pivot_copy.data = block + bytes;
    pivot_copy.strides = pivot_strides.data();
    copy_parallel(copy, factors);
    copy_parallel(pivot_copy, pivots);
    from = &copy;
    exchanged = &pivot_copy;
  }
  if (!positive) check_pivots(*this, exchanged->as<int32_t>(), count * n, n);
  dispatch_lapack(x.dtype, [&]<class T>() {
    const bool small = use_small<T>(n, count);
    const double work = 2.0 * static_cast<double>(n) * n * m;
    const Chunks chunks = Chunks::of(count, small ? work / 8 : work, small ? 16 : 1);
    parallel_ranges(chunks.total, chunks.grain, [&](int64_t begin, int64_t end) {
      solve_factored<T>({from->as<T>() + begin * n * n, x.as<T>() + begin * n * m,
                         exchanged->as<int32_t>() + begin * n, n, m, end - begin, small},
                        positive, trans);
    });
  });
}

// --- SolveTriangular ----------------------------------------------------------------------------

std::vector<Type> SolveTriangular::infer(std::span<const Var> inputs) const {
  check_lapack(*this, inputs, 2);
  return infer_by(*this, "nn,nm->nm", inputs, {inputs[0].dtype()});
}

std::vector<std::vector<Var>> SolveTriangular::infer_shape(const Apply& node) const {
  return infer_shape_by("nn,nm->nm", node);
}

void SolveTriangular::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn,nm->nm", inputs, outputs);
}

std::vector<Var> SolveTriangular::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  const Var& x = args.outputs[0];
  if (!g) return {Var(), Var()};
  const Var gb = solve_triangular(args.inputs[0], g, lower, !trans, unit_diagonal);
  const Var ga = trans ? -matmul(x, adjoint(gb)) : -matmul(gb, adjoint(x));
  const int64_t k = unit_diagonal ? 1 : 0;
  return {lower ? lower_part(ga, -k) : upper_part(ga, k), gb};
}

namespace {

// The triangular matrix as BLAS reads it: row-major, or as the transpose of one.
template <class T>
void solve_one(const Stack& a, int64_t i, bool lower, bool trans, bool unit, int64_t n, int64_t m,
               T* x, T* packed) {
  using lapack::Op;
  const int64_t item = sizeof(T);
  const T* data = reinterpret_cast<const T*>(a.at(i));
  const int64_t row = a.row_stride() / item, col = a.col_stride() / item;
  if ((col == 1 || n == 1) && (row >= n || n == 1)) {
    return triangular_solve_rows(data, n == 1 ? 1 : row, lower, trans ? Op::adjoint : Op::none,
                                 unit, n, m, x);
  }
  if (!lapack::kComplex<T> && row == 1 && col >= n) {
    return triangular_solve_rows(data, col, !lower, trans ? Op::none : Op::trans, unit, n, m, x);
  }
  copy_matrix(packed, n, int64_t{1}, data, row, col, n, n);
  triangular_solve_rows(packed, n, lower, trans ? Op::adjoint : Op::none, unit, n, m, x);
}

template <class T>
bool zero_on_diagonal(const Stack& a, int64_t i, int64_t n) {
  const char* p = a.at(i);
  for (int64_t k = 0; k < n; ++k) {
    if (*reinterpret_cast<const T*>(p + k * (a.row_stride() + a.col_stride())) == T(0)) return true;
  }
  return false;
}

// Kernels know lower triangles walked forwards: an upper one is walked backwards.
template <class T>
SmallTriangular<T> small_work(const Stack& a, int64_t step, bool lower, bool trans, bool unit,
                              int64_t n, int64_t m, T* x) {
  const int64_t item = sizeof(T);
  int64_t row = a.row_stride() / item, col = a.col_stride() / item;
  if (trans) std::swap(row, col);
  SmallTriangular<T> w{nullptr, x, n, m, 0, row, col, step / item, m, n * m, unit};
  if (lower == trans) {
    w.a_row = -row;
    w.a_col = -col;
    w.x += (n - 1) * m;
    w.x_row = -m;
  }
  return w;
}

}  // namespace

void SolveTriangular::perform(PerformContext& context, std::span<const TensorView> inputs,
                              std::span<const TensorView> outputs) const {
  const TensorView &a = inputs[0], &x = outputs[0];
  const int64_t n = order_of(a), m = order_of(x), count = count_of(x, 2);
  if (x.size() == 0) return;
  copy_parallel(x, inputs[1]);
  const Stack stack(a, 2);
  dispatch_lapack(x.dtype, [&]<class T>() {
    const double work = static_cast<double>(n) * n * m + 100;
    int64_t step = 0;
    if constexpr (!lapack::kComplex<T>) {
      if (n <= kSmallOrder && count >= 4 && stack.uniform(&step)) {
        const SmallTriangular<T> all =
            small_work(stack, step, lower, trans, unit_diagonal, n, m, x.as<T>());
        const bool backwards = lower == trans;
        const Chunks chunks = Chunks::of(count, work / 8, 16);
        return parallel_ranges(chunks.total, chunks.grain, [&](int64_t begin, int64_t end) {
          SmallTriangular<T> w = all;
          const T* first = reinterpret_cast<const T*>(stack.at(begin));
          w.a = backwards ? first - (n - 1) * (w.a_row + w.a_col) : first;
          w.x += begin * n * m;
          w.count = end - begin;
          const int64_t bad = PHINTYS_ISA_CALL(small_triangular<T>)(w);
          if (bad >= 0) fail_linalg(*this, "matrix is singular", begin + bad, count);
        });
      }
    }
    const Chunks chunks = Chunks::of(count, work);
    const size_t bytes = static_cast<size_t>(n * n) * sizeof(T);
    const int64_t item = sizeof(T);
    const bool rows = stack.col_stride() == item && stack.row_stride() / item >= n;
    for_chunks(context, chunks, rows ? 0 : bytes, [&](int64_t begin, int64_t end, char* ws) {
      for (int64_t i = begin; i < end; ++i) {
        if (!unit_diagonal && zero_on_diagonal<T>(stack, i, n)) {
          fail_linalg(*this, "matrix is singular", i, count);
        }
        solve_one(stack, i, lower, trans, unit_diagonal, n, m, x.as<T>() + i * n * m,
                  reinterpret_cast<T*>(ws));
      }
    });
  });
}

// --- on devices ---------------------------------------------------------------------------------

namespace {

// The matrix whose LU factors Solve keeps: A, or its transpose where LAPACK factors it.
device::Matrices factored(void* factors, int64_t n, bool small) {
  const device::Matrices a = row_major(factors, n, n);
  return small ? a : transposed(a);
}

struct DeviceSystem {
  DType dtype;
  void* factors;
  int32_t* pivots;
  int64_t n, m, count;
  void* x;  // right-hand sides, replaced by solutions
};

void triangular(const DeviceWork& work, const DeviceSystem& s, const device::Matrices& a,
                bool lower, bool unit, bool conjugate) {
  work.check(work.solvers->triangular(
      work.stream(),
      {s.dtype, a, row_major(s.x, s.n, s.m), s.n, s.m, s.count, lower, unit, conjugate, nullptr}));
}

void device_cholesky_solve(const DeviceWork& work, const DeviceSystem& s) {
  const device::Matrices l = row_major(s.factors, s.n, s.n);
  triangular(work, s, l, true, false, false);
  triangular(work, s, transposed(l), false, false, true);
}

void device_lu_solve(const DeviceWork& work, const DeviceSystem& s, bool small, bool adjoint) {
  const device::Matrices lu = factored(s.factors, s.n, small);
  const auto exchange = [&](bool back) {
    work.check(work.solvers->exchange(
        work.stream(), {s.x, static_cast<int64_t>(item_size(s.dtype)), s.n, s.m, s.count, s.pivots,
                        s.n, 1, s.n, back, work.queue.failed}));
  };
  if (small != adjoint) {
    exchange(false);
    triangular(work, s, lu, true, true, adjoint);
    triangular(work, s, lu, false, false, adjoint);
  } else {
    triangular(work, s, transposed(lu), true, false, adjoint);
    triangular(work, s, transposed(lu), false, true, adjoint);
    exchange(true);
  }
}

}  // namespace

bool Solve::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &x = outputs[0], &factors = outputs[1], &pivots = outputs[2];
  if (!work.possible({&inputs[0], &inputs[1]})) return false;
  if (factors.size() == 0) return true;
  const int64_t n = order_of(factors), m = order_of(x), count = count_of(x, 2);
  work.copy(factors.data, inputs[0]);
  work.copy(x.data, inputs[1]);
  const DeviceSystem system{x.dtype, factors.data, pivots.as<int32_t>(), n, m, count, x.data};
  const bool small = use_small(is_complex(x.dtype), n, count);
  if (positive) {
    auto* state = static_cast<int32_t*>(queue.scratch(static_cast<size_t>(count) * 4));
    const auto bytes = static_cast<size_t>(n * count) * sizeof(int32_t);
    work.check(queue.table.clear(queue.stream, pivots.data, bytes));
    if (!lower) {
      work.check(work.solvers->mirror(queue.stream, x.dtype, factors.data, n, count));
    }
    work.check(work.solvers->cholesky(queue.stream, {x.dtype, row_major(factors.data, n, n), n,
                                                     count, small, false, queue.failed, state}));
    device_cholesky_solve(work, system);
    return true;
  }
  work.check(work.solvers->lu(queue.stream, {x.dtype, factored(factors.data, n, small), n, n, count,
                                             pivots.as<int32_t>(), queue.failed}));
  device_lu_solve(work, system, small, false);
  return true;
}

bool SolveFactored::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                            std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &factors = inputs[1], &pivots = inputs[2], &x = outputs[0];
  if (!work.possible({&factors, &pivots, &inputs[3]})) return false;
  if (x.size() == 0) return true;
  const int64_t n = order_of(factors), m = order_of(x), count = count_of(x, 2);
  const auto item = static_cast<int64_t>(item_size(x.dtype));
  DeviceScratch scratch;
  const bool dense = factors.contiguous() && pivots.contiguous();
  const size_t a_at = scratch.add(dense ? 0 : count * n * n * item);
  const size_t p_at = scratch.add(dense ? 0 : count * n * 4);
  scratch.take(queue);
  DeviceSystem system{x.dtype, factors.data, pivots.as<int32_t>(), n, m, count, x.data};
  if (!dense) {
    system.factors = scratch.at(a_at);
    system.pivots = scratch.at<int32_t>(p_at);
    work.copy(system.factors, factors);
    work.copy(system.pivots, pivots);
  }
  work.copy(x.data, inputs[3]);
  if (positive) {
    device_cholesky_solve(work, system);
  } else {
    device_lu_solve(work, system, use_small(is_complex(x.dtype), n, count), trans);
  }
  return true;
}

bool SolveTriangular::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                              std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView &a = inputs[0], &x = outputs[0];
  if (!work.possible({&a, &inputs[1]})) return false;
  if (x.size() == 0) return true;
  const int64_t n = order_of(a), m = order_of(x), count = count_of(x, 2);
  DeviceScratch scratch;
  const auto item = static_cast<int64_t>(item_size(a.dtype));
  const size_t at = scratch.add(DeviceWork::needs_room(a) ? a.size() * item : 0);
  scratch.take(queue);
  work.copy(x.data, inputs[1]);
  const device::Matrices stack = work.stack(a, scratch.at(at));
  return work.check(work.solvers->triangular(
      queue.stream, {x.dtype, trans ? transposed(stack) : stack, row_major(x.data, n, m), n, m,
                     count, lower != trans, unit_diagonal, trans, queue.failed}));
}

}  // namespace phintys
