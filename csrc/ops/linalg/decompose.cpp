// QR factors, Moore-Penrose inverses and least squares; eigen.cpp has the rest.
#include "ops/linalg/decompose.h"

#include <limits>

#include "kernels/blas.h"
#include "kernels/lapack.h"
#include "ops/grad_ops.h"
#include "ops/linalg/decompose_util.h"
#include "ops/linalg/device_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/signature.h"
#include "ops/linalg/solve.h"

namespace phintys {

using namespace linalg;

namespace {

// A Hermitian matrix from the lower triangle of `x`; of the diagonal, the real part.
Var mirror_lower(const Var& x) {
  const Var half = 0.5 * (lower_part(x) + lower_part(x, -1));
  return half + adjoint(half);
}

Var plus(const Var& a, const Var& b) { return a && b ? a + b : a ? a : b; }

}  // namespace

// --- QR -----------------------------------------------------------------------------------------

void QR::check_attributes() const {
  if (mode != "reduced" && mode != "complete" && mode != "r" && mode != "raw") {
    fail(ErrorKind::value, "qr: mode must be 'reduced', 'complete', 'r' or 'raw', not '", mode,
         "'");
  }
}
std::string QR::signature() const {
  if (mode == "complete") return "mn->mm,mn";
  if (mode == "r") return "mn->rn";
  return mode == "raw" ? "mn->nm,r" : "mn->mr,rn";
}
std::vector<Type> QR::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  check_attributes();
  const DType d = inputs[0].dtype();
  return infer_by(*this, signature(), inputs, {d, d});
}
std::vector<std::vector<Var>> QR::infer_shape(const Apply& node) const {
  return infer_shape_by(signature(), node);
}
void QR::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, signature(), inputs, outputs);
}

// Walter and Lehmann (2018); wide matrices [X, Y] with A = Q [U, V]: Roberts and Roberts (2020).
std::vector<Var> QR::grad(const GradArgs& args) const {
  const Var& a = args.inputs[0];
  if (mode == "raw") return {undefined_grad(*this, 0, "A", "of reflectors")};
  Var q = args.outputs[0], r = args.outputs[0], gq, gr = args.grads[0];
  if (mode == "r") {
    auto op = make_ref<QR>();
    q = apply_multi(op, {a})[0];
  } else {
    r = args.outputs[1];
    gq = args.grads[0];
    gr = args.grads[1];
  }
  if (!gq && !gr) return {Var()};
  if (mode == "complete" && gq) {
    // The columns of Q beyond the rank of A are arbitrary.
    auto op = make_ref<Assert>();
    op->message = "qr: the gradient with mode='complete' is defined for m <= n only";
    gq = phintys::apply(op, {gq, le(length(a, 2), length(a, 1))});
  }
  const Var k = minimum(length(a, 2), length(a, 1));
  if (mode == "complete") {
    q = slice_last(q, 1, Var(), k);
    r = slice_last(r, 2, Var(), k);
    if (gq) gq = slice_last(gq, 1, Var(), k);
    if (gr) gr = slice_last(gr, 2, Var(), k);
  }
  const Var u = slice_last(r, 1, Var(), k);
  Var gy, m;
  if (gr) {
    const Var gv = slice_last(gr, 1, k, Var());
    gq = plus(gq, matmul(slice_last(a, 1, k, Var()), adjoint(gv)));
    gy = matmul(q, gv);
    m = matmul(u, adjoint(upper_part(slice_last(gr, 1, Var(), k))));
  } else {
    gy = zeros_like(slice_last(a, 1, k, Var()));
  }
  m = plus(m, -matmul(adjoint(gq), q));
  const Var left = gq + matmul(q, mirror_lower(m));
  // left @ U^-H
  const Var gx = adjoint(solve_triangular(u, adjoint(left), false, false, false));
  return {join(a.ndim() - 1, {gx, gy})};
}

void QR::perform(PerformContext& context, std::span<const TensorView> inputs,
                 std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  if (count == 0) return;
  const bool complete = mode == "complete", raw = mode == "raw", only_r = mode == "r";
  const TensorView& r_out = outputs[only_r ? 0 : 1];
  dispatch_lapack(outputs[0].dtype, [&]<class T>() {
    const int64_t q_cols = complete ? m : k, wide = std::max(n, q_cols);
    const int64_t lwork = k == 0 ? 1 : lapack::qr_work(m, wide, static_cast<T*>(nullptr));
    const size_t bytes = piece_bytes<T>({m * wide, k, lwork});
    const double work = 2.0 * static_cast<double>(m * n) * static_cast<double>(k) + 500;
    for_chunks(context, Chunks::of(count, work), bytes, [&](int64_t begin, int64_t end, char* ws) {
      Pieces pieces(ws);
      T* a = pieces.take<T>(m * wide);
      T* tau = pieces.take<T>(k);
      T* more = pieces.take<T>(lwork);
      for (int64_t i = begin; i < end; ++i) {
        load_columns(a, stack, i);
        if (k > 0) lapack::geqrf(m, n, a, m, tau, more, lwork);
        if (raw) {
          std::copy(a, a + m * n, outputs[0].as<T>() + i * m * n);
          std::copy(tau, tau + k, outputs[1].as<T>() + i * k);
          continue;
        }
        const int64_t rows = complete ? m : k;
        T* r = r_out.as<T>() + i * rows * n;
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t c = 0; c < n; ++c) r[row * n + c] = c < row ? T(0) : a[c * m + row];
        }
        if (only_r) continue;
        T* q = outputs[0].as<T>() + i * m * q_cols;
        if (k == 0) {
          // No reflectors: the identity.
          for (int64_t c = 0; c < q_cols; ++c) {
            for (int64_t row = 0; row < m; ++row) a[c * m + row] = T(row == c);
          }
        } else {
          lapack::orgqr(m, q_cols, k, a, m, tau, more, lwork);
        }
        store_columns(q, a, m, q_cols);
      }
    });
  });
}

// --- MatrixPinv ---------------------------------------------------------------------------------

namespace {

// The gradient of P = pinv(A) with respect to A: G. H. Golub and V. Pereyra (1973).
Var pinv_gradient(const Var& a, const Var& p, const Var& gp) {
  const Var h = adjoint(p), g = adjoint(gp);
  const Var gpp = matmul(matmul(g, p), h);  // gP^H P P^H
  const Var ppg = matmul(h, matmul(p, g));  // P^H P gP^H
  return -matmul(matmul(h, gp), h) + (gpp - matmul(a, matmul(p, gpp))) +
         (ppg - matmul(matmul(ppg, p), a));
}

double precision_of(DType d) {
  return real_of(d) == DType::f32 ? static_cast<double>(std::numeric_limits<float>::epsilon())
                                  : std::numeric_limits<double>::epsilon();
}

void check_rcond(const Op& op, const Var& rcond) {
  if (rcond.ndim() != 0 || rcond.dtype() != DType::f64) {
    fail(ErrorKind::type, op.name(), ": rcond must be a float64 scalar, got ", rcond.type().str());
  }
}

double threshold(const TensorView& rcond, DType d, int64_t m, int64_t n) {
  const double given = *rcond.as<double>();
  return given >= 0 ? given : precision_of(d) * static_cast<double>(std::max(m, n));
}

}  // namespace

std::vector<Type> MatrixPinv::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  check_lapack(*this, inputs, 1);
  check_rcond(*this, inputs[1]);
  return infer_by(*this, "mn->nm", inputs.first(1), {inputs[0].dtype()});
}
std::vector<std::vector<Var>> MatrixPinv::infer_shape(const Apply& node) const {
  return infer_shape_by("mn->nm", node);
}
void MatrixPinv::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "mn->nm", inputs.first(1), outputs);
}
std::vector<Var> MatrixPinv::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  return {pinv_gradient(args.inputs[0], args.outputs[0], g), Var()};
}

void MatrixPinv::perform(PerformContext& context, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  const double cut = threshold(inputs[1], inputs[0].dtype, m, n);
  if (outputs[0].size() == 0) return;
  dispatch_lapack(outputs[0].dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    const SvdWork<T> sizes(m, n, 'S');
    const size_t bytes = piece_bytes<T>({m * n, m * k, k * n}) + sizes.bytes();
    const double work = 20.0 * static_cast<double>(m * n) * static_cast<double>(k) + 500;
    for_chunks(context, Chunks::of(count, work), bytes, [&](int64_t begin, int64_t end, char* ws) {
      Pieces pieces(ws);
      T* a = pieces.take<T>(m * n);
      T* u = pieces.take<T>(m * k);
      T* v = pieces.take<T>(k * n);
      SvdSpace<T> space(pieces, sizes);
      for (int64_t i = begin; i < end; ++i) {
        load_columns(a, stack, i);
        check_finite(*this, "SVD did not converge", a, m * n, i, count);
        if (space.run(a, u, v)) fail_linalg(*this, "SVD did not converge", i, count);
        const R least = static_cast<R>(cut) * space.s[0];
        // pinv = (V^H)^H diag(1/s) U^H; the memory of u and v is that of U^T[k, m], conj(V)[n, k].
        for (int64_t r = 0; r < k; ++r) {
          const R factor = space.s[r] > least ? 1 / space.s[r] : R(0);
          for (int64_t c = 0; c < m; ++c) u[r * m + c] = conj_of(u[r * m + c]) * factor;
        }
        if constexpr (lapack::kComplex<T>) {
          for (int64_t e = 0; e < k * n; ++e) v[e] = std::conj(v[e]);
        }
        gemm(false, false, n, m, k, T(1), v, k, u, m, T(0), outputs[0].as<T>() + i * m * n, m);
      }
    });
  });
}

// --- Lstsq --------------------------------------------------------------------------------------

std::vector<Type> Lstsq::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 3);
  check_lapack(*this, inputs, 2);
  check_rcond(*this, inputs[2]);
  const DType d = inputs[0].dtype();
  return infer_by(*this, "mn,mk->nk,k,,r", inputs.first(2),
                  {d, real_of(d), DType::i64, real_of(d)});
}
std::vector<std::vector<Var>> Lstsq::infer_shape(const Apply& node) const {
  return infer_shape_by("mn,mk->nk,k,,r", node);
}
void Lstsq::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "mn,mk->nk,k,,r", inputs.first(2), outputs);
}
std::vector<Var> Lstsq::grad(const GradArgs& args) const {
  const Var &a = args.inputs[0], &b = args.inputs[1], &g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  // x = pinv(A) @ b
  const Var p = phintys::apply(make_ref<MatrixPinv>(), {a, args.inputs[2]});
  return {pinv_gradient(a, p, matmul(g, adjoint(b))), matmul(adjoint(p), g), Var()};
}

void Lstsq::perform(PerformContext& context, std::span<const TensorView> inputs,
                    std::span<const TensorView> outputs) const {
  const Stack left(inputs[0], 2), right(inputs[1], 2);
  const int64_t m = left.rows(), n = left.cols(), nrhs = right.cols(), k = std::min(m, n);
  const int64_t count = left.count(), tall = std::max<int64_t>(1, std::max(m, n));
  const int64_t columns = std::max<int64_t>(1, nrhs);  // LAPACK wants one, of zeros if need be
  if (count == 0) return;
  const double cut = threshold(inputs[2], inputs[0].dtype, m, n);
  dispatch_lapack(outputs[0].dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    T* x = outputs[0].as<T>();
    R* sums = outputs[1].as<R>();
    int64_t lwork = 1, lrwork = 1, liwork = 1;
    if (k > 0)
      lapack::gelsd_work(m, n, columns, static_cast<T*>(nullptr), &lwork, &lrwork, &liwork);
    const size_t bytes = piece_bytes<T>({m * n, tall * columns, lwork}) +
                         piece_bytes<R>({lrwork, k}) + piece_bytes<blas_int>({liwork});
    const double work = 10.0 * static_cast<double>(m * n) * static_cast<double>(k) + 1000;
    for_chunks(context, Chunks::of(count, work), bytes, [&](int64_t begin, int64_t end, char* ws) {
      Pieces pieces(ws);
      T* a = pieces.take<T>(m * n);
      T* b = pieces.take<T>(tall * columns);
      T* more = pieces.take<T>(lwork);
      R* reals = pieces.take<R>(lrwork);
      R* s = pieces.take<R>(k);
      blas_int* ints = pieces.take<blas_int>(liwork);
      for (int64_t i = begin; i < end; ++i) {
        load_columns(a, left, i);
        check_finite(*this, "SVD did not converge", a, m * n, i, count);
        std::fill(b, b + tall * columns, T(0));
        copy_matrix(b, int64_t{1}, tall, reinterpret_cast<const T*>(right.at(i)),
                    right.row_stride() / static_cast<int64_t>(sizeof(T)),
                    right.col_stride() / static_cast<int64_t>(sizeof(T)), m, nrhs);
        int64_t rank = 0;
        if (k > 0 && lapack::gelsd(m, n, columns, a, m, b, tall, s, static_cast<R>(cut), &rank,
                                   more, lwork, reals, ints)) {
          fail_linalg(*this, "SVD did not converge", i, count);
        }
        if (k == 0) std::fill(b, b + tall * nrhs, T(0));
        copy_matrix(x + i * n * nrhs, nrhs, int64_t{1}, b, int64_t{1}, tall, n, nrhs);
        for (int64_t c = 0; c < nrhs; ++c) {
          R sum = 0;
          for (int64_t r = n; r < m; ++r) sum += std::norm(b[c * tall + r]);
          sums[i * nrhs + c] = sum;
        }
        outputs[2].as<int64_t>()[i] = rank;
        std::copy(s, s + k, outputs[3].as<R>() + i * k);
      }
    });
  });
}

// --- on devices ---------------------------------------------------------------------------------

bool QR::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                 std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView& given = inputs[0];
  if (!work.possible({&given})) return false;
  const Stack stack(given, 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  if (count == 0) return true;
  const DType dtype = given.dtype;
  const auto item = static_cast<int64_t>(item_size(dtype));
  const bool raw = mode == "raw", only_r = mode == "r", complete = mode == "complete";
  const int64_t columns = complete ? m : k;
  device::QrWork factors{dtype, {}, m, n, count, nullptr, nullptr};
  device::OrthogonalWork q{dtype, {}, nullptr, {}, m, k, columns, count, nullptr};
  DeviceScratch scratch;
  const size_t a_at = scratch.add(raw ? 0 : count * m * n * item);
  const size_t tau_at = scratch.add(raw ? 0 : count * k * item);
  const size_t room = std::max(work.solvers->qr_scratch(factors),
                               only_r || raw ? 0 : work.solvers->orthogonal_scratch(q));
  const size_t room_at = scratch.add(static_cast<int64_t>(room));
  scratch.take(queue);
  char* a = raw ? outputs[0].data : scratch.at<char>(a_at);
  factors.a = column_major(a, m, n);
  factors.tau = raw ? outputs[1].data : scratch.at(tau_at);
  factors.scratch = scratch.at(room_at);
  work.copy_columns(a, given);
  work.check(work.solvers->qr(queue.stream, factors));
  if (raw) return true;
  work.check(work.solvers->upper(queue.stream, dtype, factors.a, outputs[only_r ? 0 : 1].data,
                                 complete ? m : k, n, count));
  if (only_r) return true;
  q.a = factors.a;
  q.tau = factors.tau;
  q.q = row_major(outputs[0].data, m, columns);
  q.scratch = factors.scratch;
  return work.check(work.solvers->orthogonal(queue.stream, q));
}

bool MatrixPinv::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView& given = inputs[0];
  if (!work.possible({&given})) return false;
  if (outputs[0].size() == 0) return true;
  const Stack stack(given, 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  const auto item = static_cast<int64_t>(item_size(given.dtype));
  int none = 0;  // only whether there are vectors is asked below
  device::SingularWork svd{given.dtype, nullptr, m,     n,       count,
                           nullptr,     &none,   &none, nullptr, nullptr};
  const size_t room = work.solvers->singular_scratch(queue.stream, svd);
  if (room == 0) return false;
  DeviceScratch scratch;
  const size_t a_at = scratch.add(given.contiguous() ? 0 : count * m * n * item);
  const size_t s_at = scratch.add(count * k * item), u_at = scratch.add(count * m * k * item);
  const size_t vh_at = scratch.add(count * k * n * item);
  const size_t room_at = scratch.add(static_cast<int64_t>(room));
  scratch.take(queue);
  svd.a = given.contiguous() ? given.data : scratch.at(a_at);
  svd.s = scratch.at(s_at);
  svd.u = scratch.at(u_at);
  svd.vh = scratch.at(vh_at);
  svd.failed = queue.failed;
  svd.scratch = scratch.at(room_at);
  if (!given.contiguous()) work.copy(scratch.at(a_at), given);
  work.check(work.solvers->singular(queue.stream, svd));
  const double precision = precision_of(given.dtype) * static_cast<double>(std::max(m, n));
  return work.check(work.solvers->pseudo_inverse(
      queue.stream, {given.dtype, m, n, count, svd.s, svd.u, svd.vh, inputs[1].as<double>(),
                     precision, outputs[0].data}));
}

}  // namespace phintys
