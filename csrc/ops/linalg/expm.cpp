#include "ops/linalg/expm.h"

#include <cmath>
#include <limits>

#include "ops/linalg/decompose_util.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/solve.h"

namespace phintys {

using namespace linalg;

namespace {

// N. J. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005):
// Padé coefficients, and up to which norm each degree has an error below 2^-53.
constexpr double kPade3[] = {120, 60, 12, 1};
constexpr double kPade5[] = {30240, 15120, 3360, 420, 30, 1};
constexpr double kPade7[] = {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1};
constexpr double kPade9[] = {17643225600, 8821612800, 2075673600, 302702400, 30270240,
                             2162160,     110880,     3960,       90,        1};
constexpr double kPade13[] = {64764752532480000,
                              32382376266240000,
                              7771770303897600,
                              1187353796428800,
                              129060195264000,
                              10559470521600,
                              670442572800,
                              33522128640,
                              1323241920,
                              40840800,
                              960960,
                              16380,
                              182,
                              1};
struct Degree {
  double limit;
  int terms;  // pairs of coefficients
  const double* c;
};
constexpr Degree kDegrees[] = {{1.495585217958292e-2, 2, kPade3},
                               {2.539398330063230e-1, 3, kPade5},
                               {9.504178996162932e-1, 4, kPade7},
                               {2.097847961257068e0, 5, kPade9}};
constexpr double kLimit13 = 5.371920351148152;

template <class T>
class Exponential {
 public:
  using R = lapack::Real<T>;
  static size_t bytes(int64_t n) {
    return piece_bytes<T>({n * n, n * n, n * n, n * n, n * n, n * n, n * n}) +
           piece_bytes<blas_int>({n});
  }
  Exponential(char* ws, int64_t n) : n_(n), size_(n * n) {
    Pieces pieces(ws);
    a_ = pieces.take<T>(size_);
    a2_ = pieces.take<T>(size_);
    a4_ = pieces.take<T>(size_);
    a6_ = pieces.take<T>(size_);
    u_ = pieces.take<T>(size_);
    v_ = pieces.take<T>(size_);
    t_ = pieces.take<T>(size_);
    pivots_ = pieces.take<blas_int>(n);
  }
  T* argument() const { return a_; }

  void run(T* out) {
    double norm = 0;
    for (int64_t j = 0; j < n_; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < n_; ++i) sum += static_cast<double>(std::abs(a_[i * n_ + j]));
      if (!(sum <= norm)) norm = sum;
    }
    if (!std::isfinite(norm)) {
      std::fill(out, out + size_, T(std::numeric_limits<R>::quiet_NaN()));
      return;
    }
    int squarings = 0;
    const Degree* chosen = nullptr;
    for (const Degree& d : kDegrees) {
      if (!chosen && norm <= d.limit) chosen = &d;
    }
    if (!chosen) {
      squarings = norm > kLimit13 ? std::max(0, std::ilogb(norm / kLimit13) + 1) : 0;
      const R scale = static_cast<R>(std::ldexp(1.0, -squarings));
      for (int64_t i = 0; i < size_; ++i) a_[i] *= scale;
    }
    multiply(a_, a_, a2_);
    if (chosen) {
      low_degree(*chosen);
    } else {
      degree13();
    }
    quotient(out);
    for (int k = 0; k < squarings; ++k) {
      std::copy(out, out + size_, t_);
      multiply(t_, t_, out);
    }
  }

 private:
  void multiply(const T* x, const T* y, T* z) const {
    gemm(false, false, n_, n_, n_, T(1), x, n_, y, n_, T(0), z, n_);
  }
  void add(T* to, double c, const T* x) const {
    const R factor = static_cast<R>(c);
    for (int64_t i = 0; i < size_; ++i) to[i] += factor * x[i];
  }
  void set_identity(T* to, double c) const {
    std::fill(to, to + size_, T(0));
    for (int64_t i = 0; i < n_; ++i) to[i * (n_ + 1)] = static_cast<R>(c);
  }
  // U = A (c1 I + c3 A^2 + ...), V = c0 I + c2 A^2 + ...
  void low_degree(const Degree& d) {
    set_identity(t_, d.c[1]);
    set_identity(v_, d.c[0]);
    const T* power = a2_;
    T* spare[2] = {a4_, a6_};
    for (int k = 1; k < d.terms; ++k) {
      add(t_, d.c[2 * k + 1], power);
      add(v_, d.c[2 * k], power);
      if (k + 1 == d.terms) break;
      multiply(power, a2_, spare[k % 2]);
      power = spare[k % 2];
    }
    multiply(a_, t_, u_);
  }
  void degree13() {
    const double* c = kPade13;
    multiply(a2_, a2_, a4_);
    multiply(a4_, a2_, a6_);
    // t = A^6 (c13 A^6 + c11 A^4 + c9 A^2) + c7 A^6 + c5 A^4 + c3 A^2 + c1 I
    std::fill(v_, v_ + size_, T(0));
    add(v_, c[13], a6_);
    add(v_, c[11], a4_);
    add(v_, c[9], a2_);
    multiply(a6_, v_, t_);
    add(t_, c[7], a6_);
    add(t_, c[5], a4_);
    add(t_, c[3], a2_);
    for (int64_t i = 0; i < n_; ++i) t_[i * (n_ + 1)] += static_cast<R>(c[1]);
    multiply(a_, t_, u_);
    std::fill(t_, t_ + size_, T(0));
    add(t_, c[12], a6_);
    add(t_, c[10], a4_);
    add(t_, c[8], a2_);
    multiply(a6_, t_, v_);
    add(v_, c[6], a6_);
    add(v_, c[4], a4_);
    add(v_, c[2], a2_);
    for (int64_t i = 0; i < n_; ++i) v_[i * (n_ + 1)] += static_cast<R>(c[0]);
  }
  // out = inverse(V - U) @ (V + U)
  void quotient(T* out) {
    for (int64_t i = 0; i < size_; ++i) {
      out[i] = v_[i] + u_[i];
      t_[i] = v_[i] - u_[i];
    }
    lu_columns(n_, n_, t_, n_, pivots_);
    for (int64_t i = 0; i < n_; ++i) --pivots_[i];
    lu_solve_rows(t_, pivots_, n_, n_, false, out);
  }

  int64_t n_, size_;
  T *a_, *a2_, *a4_, *a6_, *u_, *v_, *t_;
  blas_int* pivots_;
};

}  // namespace

std::vector<Type> Expm::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 1);
  check_lapack(*this, inputs, 1);
  return infer_by(*this, "nn->nn", inputs, {inputs[0].dtype()});
}
std::vector<std::vector<Var>> Expm::infer_shape(const Apply& node) const {
  return infer_shape_by("nn->nn", node);
}
void Expm::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  layout_by(*this, "nn->nn", inputs, outputs);
}

// The derivative in direction G is the upper right block of exp([[A, G], [0, A]]); its adjoint is
// the derivative at A^H.
std::vector<Var> Expm::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var()};
  const Var h = adjoint(args.inputs[0]);
  const Var n = length(h, 1);
  const int rows = h.ndim() - 2, cols = h.ndim() - 1;
  const Var top = join(cols, {h, g}), bottom = join(cols, {zeros_like(h), h});
  const Var block = phintys::apply(make_ref<Expm>(), {join(rows, {top, bottom})});
  return {slice_last(slice_last(block, 2, Var(), n), 1, n, Var())};
}

void Expm::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  const Stack stack(inputs[0], 2);
  const int64_t n = stack.cols(), count = stack.count();
  if (outputs[0].size() == 0) return;
  dispatch_lapack(outputs[0].dtype, [&]<class T>() {
    const double x = static_cast<double>(n);
    for_chunks(context, Chunks::of(count, 20 * x * x * x + 500), Exponential<T>::bytes(n),
               [&](int64_t begin, int64_t end, char* ws) {
                 Exponential<T> job(ws, n);
                 for (int64_t i = begin; i < end; ++i) {
                   load_rows(job.argument(), stack, i);
                   job.run(outputs[0].as<T>() + i * n * n);
                 }
               });
  });
}

}  // namespace phintys
