#include "ops/linalg/cholesky.h"

#include <cmath>
#include <limits>

#include "ops/linalg/device_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/signature.h"
#include "ops/linalg/small.h"
#include "ops/linalg/solve.h"

namespace phintys {

using namespace linalg;

namespace {

constexpr const char* kSignature = "nn->nn";

// The matrix transposed in its place.
template <class T>
void transpose_square(T* a, int64_t n) {
  constexpr int64_t kBlock = 16;
  for (int64_t i0 = 0; i0 < n; i0 += kBlock) {
    for (int64_t j0 = 0; j0 <= i0; j0 += kBlock) {
      for (int64_t i = i0; i < std::min(n, i0 + kBlock); ++i) {
        for (int64_t j = j0; j < std::min(i, j0 + kBlock); ++j) {
          std::swap(a[i * n + j], a[j * n + i]);
        }
      }
    }
  }
}

template <class T>
void clear_upper(T* a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::fill(a + i * n + i + 1, a + (i + 1) * n, T(0));
}

// Factors `count` matrices in place; returns the first that is not positive definite, or -1.
template <class T>
int64_t factor(T* a, int64_t n, int64_t count, bool small, bool lower, bool nan) {
  if constexpr (!lapack::kComplex<T>) {
    if (small) return PHINTYS_ISA_CALL(small_cholesky<T>)({a, n, count, lower, nan});
  }
  for (int64_t i = 0; i < count; ++i) {
    T* m = a + i * n * n;
    // A = U^H U: the transpose of A is (U^T)(U^T)^H, and its lower triangle is A's upper one.
    if (!lower) transpose_square(m, n);
    const int64_t info = cholesky_rows(n, m);
    if (info && !nan) return i;
    if (info) {
      std::fill(m, m + n * n, T(std::numeric_limits<lapack::Real<T>>::quiet_NaN()));
      continue;
    }
    clear_upper(m, n);
    if (!lower) transpose_square(m, n);
  }
  return -1;
}

// L^-H @ x @ L^-1 of lower triangular L.
Var between_inverses(const Var& l, const Var& x) {
  const Var left = solve_triangular(l, x, true, true, false);
  return adjoint(solve_triangular(l, adjoint(left), true, true, false));
}

}  // namespace

std::string Cholesky::str() const {
  return std::string("Cholesky{lower=") + (lower ? "True" : "False") +
         (nan ? ", on_error='nan'}" : "}");
}

std::vector<Type> Cholesky::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  return infer_by(*this, kSignature, inputs, {inputs[0].dtype()});
}

// Iain Murray, "Differentiation of the Cholesky decomposition" (2016), eq. 10; the gradient is that
// of the triangle that is read.
std::vector<Var> Cholesky::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  const Var l = lower ? args.outputs[0] : adjoint(args.outputs[0]);
  const Var gl = lower ? g : adjoint(g);
  // Phi(L^H G): the lower triangle, its diagonal halved.
  const Var p = matmul(adjoint(l), gl);
  const Var phi = 0.5 * (lower_part(p) + lower_part(p, -1));
  const Var s = between_inverses(l, phi);
  // Symmetric: both triangles of s + s^H act on the one that is read, and the diagonal once.
  const Var both = s + adjoint(s);
  const Var ga = 0.5 * (lower_part(both) + lower_part(both, -1));
  return {lower ? ga : adjoint(ga)};
}

std::vector<std::vector<Var>> Cholesky::infer_shape(const Apply& node) const {
  return infer_shape_by(kSignature, node);
}

void Cholesky::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, kSignature, inputs, outputs);
}

void Cholesky::perform(PerformContext&, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const TensorView& out = outputs[0];
  if (out.size() == 0) return;
  copy_parallel(out, inputs[0]);
  const int64_t n = out.shape[out.ndim - 1];
  const int64_t count = out.size() / (n * n);
  dispatch_lapack(out.dtype, [&]<class T>() {
    T* a = out.as<T>();
    const bool small = use_small<T>(n, count);
    const Chunks chunks =
        Chunks::of(count, static_cast<double>(n) * n * n / (small ? 12 : 3), small ? 16 : 1);
    const auto run = [&](int64_t begin, int64_t end) {
      const int64_t bad = factor(a + begin * n * n, n, end - begin, small, lower, nan);
      if (bad >= 0) fail_linalg(*this, "matrix is not positive definite", begin + bad, count);
    };
    if (chunks.count == 1) return run(0, count);
    parallel_ranges(chunks.total, chunks.grain, run);
  });
}

bool Cholesky::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView& out = outputs[0];
  if (!work.possible({&inputs[0]})) return false;
  if (out.size() == 0) return true;
  const int64_t n = out.shape[out.ndim - 1], count = out.size() / (n * n);
  work.copy(out.data, inputs[0]);
  // The upper triangle of a matrix is the lower one of its transpose.
  const device::Matrices a = row_major(out.data, n, n);
  auto* state = static_cast<int32_t*>(queue.scratch(static_cast<size_t>(count) * 4));
  return work.check(work.solvers->cholesky(work.stream(), {out.dtype, lower ? a : transposed(a), n,
                                                           count, true, nan, queue.failed, state}));
}

}  // namespace phintys
