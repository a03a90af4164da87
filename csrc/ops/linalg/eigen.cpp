// Singular values and eigenvalues.
#include <optional>

#include "ops/grad_ops.h"
#include "ops/linalg/decompose.h"
#include "ops/linalg/decompose_util.h"
#include "ops/linalg/device_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/solve.h"

namespace phintys {

using namespace linalg;

namespace {

double cube(int64_t n) {
  const double x = static_cast<double>(n);
  return x * x * x;
}

Var plus(const Var& a, const Var& b) { return a && b ? a + b : a ? a : b; }

// x with NaN and zeros of `denominator` on the diagonal taken as 0.
Var over_off_diagonal(const Var& x, const Var& denominator, const Var& n) {
  return switch_(off_diagonal(n), x / switch_(off_diagonal(n), denominator, 1.0), 0.0);
}

// x @ diag(s), diag(s) @ x
Var columns_by(const Var& x, const Var& s) { return x * as_row(s); }
Var rows_by(const Var& s, const Var& x) { return as_column(s) * x; }

}  // namespace

// --- SVD ----------------------------------------------------------------------------------------

std::string SVD::signature() const {
  if (!vectors) return "mn->r";
  return full ? "mn->mm,r,nn" : "mn->mr,r,rn";
}
std::vector<Type> SVD::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  const DType d = inputs[0].dtype(), real = real_of(d);
  return infer_by(*this, signature(), inputs,
                  vectors ? std::vector<DType>{d, real, d} : std::vector<DType>{real});
}
std::vector<std::vector<Var>> SVD::infer_shape(const Apply& node) const {
  return infer_shape_by(signature(), node);
}
void SVD::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, signature(), inputs, outputs);
}

// J. Townsend, "Differentiating the singular value decomposition" (2016).
std::vector<Var> SVD::grad(const GradArgs& args) const {
  const Var& a = args.inputs[0];
  if (!vectors) {
    if (!args.grads[0]) return {Var()};
    auto op = make_ref<SVD>();
    op->full = false;
    const std::vector<Var> parts = apply_multi(op, {a});
    return {matmul(columns_by(parts[0], cast(args.grads[0], a.dtype())), parts[2])};
  }
  Var u = args.outputs[0], vh = args.outputs[2], gu = args.grads[0], gvh = args.grads[2];
  const Var& s = args.outputs[1];
  const Var& gs = args.grads[1];
  if (!gu && !gs && !gvh) return {Var()};
  if (is_complex(a.dtype()) && (gu || gvh)) {
    return {undefined_grad(*this, 0, "A", "complex singular vectors have a free phase")};
  }
  const Var k = length(s, 1);
  if (full) {
    u = slice_last(u, 1, Var(), k);
    vh = slice_last(vh, 2, Var(), k);
    auto check = make_ref<Assert>();
    check->message = "svd: with full_matrices the gradient of vectors needs a square matrix";
    const Var square = eq(length(a, 1), length(a, 2));
    if (gu) gu = slice_last(phintys::apply(check, {gu, square}), 1, Var(), k);
    if (gvh) gvh = slice_last(phintys::apply(check, {gvh, square}), 2, Var(), k);
  }
  Var inner = gs ? cast(identity(k, s.dtype()), s.dtype()) * as_row(gs) : Var();
  Var outer;
  const Var e = sqr(as_row(s)) - sqr(as_column(s));
  if (gu) {
    const Var x = matmul(swap_last(u), gu);
    inner = plus(inner, columns_by(over_off_diagonal(x - swap_last(x), e, k), s));
    const Var rest = (gu - matmul(u, x)) / as_row(s);
    outer = matmul(rest, vh);
  }
  if (gvh) {
    const Var gv = swap_last(gvh);
    const Var x = matmul(vh, gv);
    inner = plus(inner, rows_by(s, over_off_diagonal(x - swap_last(x), e, k)));
    const Var rest = (gvh - matmul(swap_last(x), vh)) / as_column(s);
    outer = plus(outer, matmul(u, rest));
  }
  return {plus(matmul(matmul(u, cast(inner, a.dtype())), vh), outer)};
}

void SVD::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  if (count == 0 || (k == 0 && !vectors)) return;
  dispatch_lapack(inputs[0].dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    R* values = outputs[vectors ? 1 : 0].as<R>();
    const int64_t u_size = vectors ? m * (full ? m : k) : 0;
    const int64_t v_size = vectors ? n * (full ? n : k) : 0;
    if (k == 0) {
      // Full matrices of nothing are the identity.
      for (int64_t i = 0; vectors && full && i < count; ++i) {
        for (int64_t r = 0; r < u_size; ++r)
          outputs[0].as<T>()[i * u_size + r] = T(r % (m + 1) == 0);
        for (int64_t r = 0; r < v_size; ++r)
          outputs[2].as<T>()[i * v_size + r] = T(r % (n + 1) == 0);
      }
      return;
    }
    const SvdWork<T> sizes(m, n, !vectors ? 'N' : full ? 'A' : 'S');
    const size_t bytes = piece_bytes<T>({m * n, u_size, v_size}) + sizes.bytes();
    const double work = 20.0 * static_cast<double>(m * n) * static_cast<double>(k) + 500;
    for_chunks(context, Chunks::of(count, work), bytes, [&](int64_t begin, int64_t end, char* ws) {
      Pieces pieces(ws);
      T* a = pieces.take<T>(m * n);
      T* u = pieces.take<T>(u_size);
      T* vh = pieces.take<T>(v_size);
      const SvdSpace<T> space(pieces, sizes);
      for (int64_t i = begin; i < end; ++i) {
        load_columns(a, stack, i);
        check_finite(*this, "SVD did not converge", a, m * n, i, count);
        if (space.run(a, u, vh)) fail_linalg(*this, "SVD did not converge", i, count);
        if (vectors) {
          store_columns(outputs[0].as<T>() + i * u_size, u, m, u_size / m);
          store_columns(outputs[2].as<T>() + i * v_size, vh, v_size / n, n);
        }
        std::copy(space.s, space.s + k, values + i * k);
      }
    });
  });
}

// --- Eigh ---------------------------------------------------------------------------------------

std::vector<Type> Eigh::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  const DType d = inputs[0].dtype();
  return infer_by(*this, signature(), inputs, {real_of(d), d});
}
std::vector<std::vector<Var>> Eigh::infer_shape(const Apply& node) const {
  return infer_shape_by(signature(), node);
}
void Eigh::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, signature(), inputs, outputs);
}

// M. B. Giles, "Collected matrix derivative results" (2008), 3.1; the gradient is that of the
// triangle that is read.
std::vector<Var> Eigh::grad(const GradArgs& args) const {
  const Var& a = args.inputs[0];
  const Var& gw = args.grads[0];
  Var v, w = args.outputs[0], inner;
  if (vectors) {
    v = args.outputs[1];
  } else {
    auto op = make_ref<Eigh>();
    op->lower = lower;
    v = apply_multi(op, {a})[1];
  }
  const Var h = adjoint(v);
  const Var n = length(a, 1);
  if (vectors && args.grads[1]) {
    const Var gaps = cast(as_row(w) - as_column(w), a.dtype());
    inner = over_off_diagonal(matmul(h, args.grads[1]), gaps, n);
    if (gw) inner = inner + identity(n, a.dtype()) * as_row(cast(gw, a.dtype()));
    inner = matmul(v, inner);
  } else if (gw) {
    inner = columns_by(v, cast(gw, a.dtype()));
  } else {
    return {Var()};
  }
  const Var g = matmul(inner, h);
  return {lower ? lower_part(g) + adjoint(upper_part(g, 1))
                : upper_part(g) + adjoint(lower_part(g, -1))};
}

void Eigh::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t n = stack.cols(), count = stack.count();
  if (outputs[0].size() == 0) return;
  dispatch_lapack(inputs[0].dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    int64_t lwork, lrwork, liwork;
    lapack::heevd_work(vectors, n, static_cast<T*>(nullptr), &lwork, &lrwork, &liwork);
    const size_t bytes =
        piece_bytes<T>({n * n, lwork}) + piece_bytes<R>({lrwork}) + piece_bytes<blas_int>({liwork});
    for_chunks(
        context, Chunks::of(count, 9 * cube(n) + 500), bytes,
        [&](int64_t begin, int64_t end, char* ws) {
          Pieces pieces(ws);
          T* a = pieces.take<T>(n * n);
          T* more = pieces.take<T>(lwork);
          R* reals = pieces.take<R>(lrwork);
          blas_int* ints = pieces.take<blas_int>(liwork);
          for (int64_t i = begin; i < end; ++i) {
            load_columns(a, stack, i);
            if (lapack::heevd(vectors, lower ? 'L' : 'U', n, a, n, outputs[0].as<R>() + i * n, more,
                              lwork, reals, lrwork, ints, liwork)) {
              fail_linalg(*this, "eigenvalues did not converge", i, count);
            }
            if (vectors) store_columns(outputs[1].as<T>() + i * n * n, a, n, n);
          }
        });
  });
}

// --- Eig ----------------------------------------------------------------------------------------

namespace {

DType complex_of(DType d) { return real_of(d) == DType::f32 ? DType::c64 : DType::c128; }

}  // namespace

std::vector<Type> Eig::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  const DType d = complex_of(inputs[0].dtype());
  return infer_by(*this, signature(), inputs, {d, d});
}
std::vector<std::vector<Var>> Eig::infer_shape(const Apply& node) const {
  return infer_shape_by(signature(), node);
}
void Eig::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, signature(), inputs, outputs);
}

// C. Boeddeker et al., "On the computation of complex-valued gradients with application to
// statistically optimum beamforming" (2019), 4.18 with vectors of norm 1.
std::vector<Var> Eig::grad(const GradArgs& args) const {
  const Var& a = args.inputs[0];
  const DType d = complex_of(a.dtype());
  Var v, w = args.outputs[0];
  const Var& gw = args.grads[0];
  if (vectors) {
    v = args.outputs[1];
  } else {
    v = apply_multi(make_ref<Eig>(), {a})[1];
  }
  const Var h = adjoint(v), n = length(a, 1);
  Var inner = gw ? identity(n, d) * as_row(gw) : Var();
  if (vectors && args.grads[1]) {
    const Var x = matmul(h, args.grads[1]);
    const Var diagonal =
        sum(elemwise("real", {x}) * identity(n, real_of(d)), {x.ndim() - 2}, false);
    const Var fixed = x - columns_by(matmul(h, v), cast(diagonal, d));
    inner = plus(inner, over_off_diagonal(fixed, conjugate(as_row(w) - as_column(w)), n));
  }
  if (!inner) return {Var()};
  const Var g = phintys::apply(make_ref<Solve>(), {h, matmul(inner, h)});
  return {is_complex(a.dtype()) ? g : elemwise("real", {g})};
}

namespace {

// LAPACK's real and imaginary parts of pairs of vectors (columns of vr) as complex rows.
template <class R>
void unpack_vectors(std::complex<R>* to, const R* vr, const R* wi, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    const R* re = vr + j * n;
    const bool pair = wi[j] != 0 && j + 1 < n;
    const R* im = pair ? re + n : nullptr;
    for (int64_t i = 0; i < n; ++i) to[i * n + j] = {re[i], im ? im[i] : R(0)};
    if (!pair) continue;
    for (int64_t i = 0; i < n; ++i) to[i * n + j + 1] = {re[i], -im[i]};
    ++j;
  }
}

}  // namespace

void Eig::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t n = stack.cols(), count = stack.count();
  if (outputs[0].size() == 0) return;
  dispatch_lapack(inputs[0].dtype, [&]<class T>() {
    using R = lapack::Real<T>;
    using C = std::complex<R>;
    const int64_t lwork = lapack::geev_work(vectors, n, static_cast<T*>(nullptr));
    const int64_t nv = vectors ? n * n : 0;
    const size_t bytes = piece_bytes<T>({n * n, n, n, nv, lwork}) + piece_bytes<R>({2 * n});
    for_chunks(context, Chunks::of(count, 25 * cube(n) + 500), bytes,
               [&](int64_t begin, int64_t end, char* ws) {
                 Pieces pieces(ws);
                 T* a = pieces.take<T>(n * n);
                 T* w = pieces.take<T>(n);
                 T* wi = pieces.take<T>(n);
                 T* vr = pieces.take<T>(nv);
                 T* more = pieces.take<T>(lwork);
                 R* reals = pieces.take<R>(2 * n);
                 for (int64_t i = begin; i < end; ++i) {
                   load_columns(a, stack, i);
                   check_finite(*this, "eigenvalues did not converge", a, n * n, i, count);
                   if (lapack::geev(vectors, n, a, n, w, wi, vr, n, more, lwork, reals)) {
                     fail_linalg(*this, "eigenvalues did not converge", i, count);
                   }
                   C* values = outputs[0].as<C>() + i * n;
                   C* to = vectors ? outputs[1].as<C>() + i * n * n : nullptr;
                   if constexpr (lapack::kComplex<T>) {
                     std::copy(w, w + n, values);
                     if (to) store_columns(to, vr, n, n);
                   } else {
                     for (int64_t k = 0; k < n; ++k) values[k] = {w[k], wi[k]};
                     if (to) unpack_vectors(to, vr, wi, n);
                   }
                 }
               });
  });
}

// --- on devices ---------------------------------------------------------------------------------

namespace {

// Square matrices q of n columns of norm 1 whose first `k` columns are given: the others are those
// that QR factors of the given ones end with.
struct Completed {
  device::QrWork factors;
  device::OrthogonalWork q;
  size_t a_at, tau_at, room_at;

  Completed(const DeviceWork& work, DeviceScratch& scratch, DType dtype, int64_t n, int64_t k,
            int64_t count)
      : factors{dtype, {}, n, k, count, nullptr, nullptr},
        q{dtype, {}, nullptr, {}, n, k, n, count, nullptr} {
    const auto item = static_cast<int64_t>(item_size(dtype));
    a_at = scratch.add(count * n * k * item);
    tau_at = scratch.add(count * k * item);
    room_at = scratch.add(static_cast<int64_t>(
        std::max(work.solvers->qr_scratch(factors), work.solvers->orthogonal_scratch(q))));
  }
  // `given` and `out` are contiguous stacks of matrices; `by_rows`: of their transposes.
  void run(const DeviceWork& work, const DeviceScratch& scratch, const void* given, void* out,
           bool by_rows) {
    const int64_t n = factors.m, k = factors.n, count = factors.count;
    const DType dtype = factors.dtype;
    const auto item = static_cast<int64_t>(item_size(dtype));
    void* a = scratch.at(a_at);
    const auto bytes = static_cast<size_t>(count * n * k * item);
    work.check(work.queue.table.copy(work.stream(), a, given, bytes, nullptr));
    factors.a = by_rows ? transposed(row_major(a, k, n)) : row_major(a, n, k);
    factors.tau = scratch.at(tau_at);
    factors.scratch = scratch.at(room_at);
    work.check(work.solvers->qr(work.stream(), factors));
    q.a = factors.a;
    q.tau = factors.tau;
    q.scratch = factors.scratch;
    const device::Matrices square = row_major(out, n, n);
    q.q = by_rows ? transposed(square) : square;
    work.check(work.solvers->orthogonal(work.stream(), q));
    const Dims shape = by_rows ? Dims{count, k, n} : Dims{count, n, k};
    const Dims from = contiguous_strides(shape, static_cast<size_t>(item));
    const Dims to{n * n * item, n * item, item};
    device::Tensor source, target;
    device::to_tensor(
        {static_cast<char*>(const_cast<void*>(given)), dtype, 3, shape.data(), from.data()},
        &source);
    device::to_tensor({static_cast<char*>(out), dtype, 3, shape.data(), to.data()}, &target);
    work.check(work.indexing->copy(work.stream(), target, source, nullptr));
  }
};

}  // namespace

bool SVD::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView& given = inputs[0];
  if (!work.possible({&given})) return false;
  const Stack stack(given, 2);
  const int64_t m = stack.rows(), n = stack.cols(), k = std::min(m, n), count = stack.count();
  const DType dtype = given.dtype;
  const auto item = static_cast<int64_t>(item_size(dtype));
  const bool complete = vectors && full && m != n;
  if (complete && k == 0) return false;
  if (count == 0 || k == 0) return true;
  device::SingularWork svd{dtype,
                           nullptr,
                           m,
                           n,
                           count,
                           outputs[vectors ? 1 : 0].data,
                           vectors ? outputs[0].data : nullptr,
                           vectors ? outputs[2].data : nullptr,
                           queue.failed,
                           nullptr};
  const size_t room = work.solvers->singular_scratch(queue.stream, svd);
  if (room == 0) return false;
  DeviceScratch scratch;
  const size_t a_at = scratch.add(given.contiguous() ? 0 : count * m * n * item);
  const size_t room_at = scratch.add(static_cast<int64_t>(room));
  std::optional<Completed> whole;
  size_t part_at = 0;
  if (complete) {
    whole.emplace(work, scratch, dtype, std::max(m, n), k, count);
    part_at = scratch.add(count * std::max(m, n) * k * item);
  }
  scratch.take(queue);
  svd.a = given.contiguous() ? given.data : scratch.at(a_at);
  svd.scratch = scratch.at(room_at);
  if (complete) (m > n ? svd.u : svd.vh) = scratch.at(part_at);
  if (!given.contiguous()) work.copy(scratch.at(a_at), given);
  if (!work.check(work.solvers->singular(queue.stream, svd))) return false;
  if (complete) {
    whole->run(work, scratch, scratch.at(part_at), outputs[m > n ? 0 : 2].data, m < n);
  }
  return true;
}

bool Eigh::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const DeviceWork work(queue);
  const TensorView& given = inputs[0];
  if (!work.possible({&given})) return false;
  const Stack stack(given, 2);
  const int64_t n = stack.cols(), count = stack.count();
  if (outputs[0].size() == 0) return true;
  device::HermitianWork eigh{given.dtype,  nullptr,         n,
                             count,        outputs[0].data, vectors ? outputs[1].data : nullptr,
                             queue.failed, nullptr};
  const size_t room = work.solvers->hermitian_scratch(queue.stream, eigh);
  if (room == 0) return false;
  const auto item = static_cast<int64_t>(item_size(given.dtype));
  DeviceScratch scratch;
  const size_t a_at = scratch.add(count * n * n * item);
  const size_t room_at = scratch.add(static_cast<int64_t>(room));
  scratch.take(queue);
  eigh.a = scratch.at(a_at);
  eigh.scratch = scratch.at(room_at);
  work.copy(eigh.a, given);
  if (!lower) work.check(work.solvers->mirror(queue.stream, given.dtype, eigh.a, n, count));
  return work.check(work.solvers->hermitian(queue.stream, eigh));
}

}  // namespace phintys
