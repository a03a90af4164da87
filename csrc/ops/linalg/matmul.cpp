#include "ops/linalg/matmul.h"

#include "kernels/blas.h"
#include "ops/device_product.h"
#include "ops/linalg/expressions.h"
#include "ops/linalg/plain_product.h"
#include "ops/linalg/signature.h"
#include "ops/linalg/small.h"

namespace phintys {

using namespace linalg;

namespace {

constexpr const char* kSignature = "mk,kn->mn";
// Up to this order a product is done by small_product rather than by the library.
constexpr int64_t kSmallProduct = 24;

// One operand's matrices: how the library reads them.
struct Side {
  int64_t rows, cols, row_stride, col_stride;  // bytes
  bool trans = false, pack = false;
  int64_t ld = 0;

  Side(const TensorView& v, int64_t item)
      : rows(v.shape[v.ndim - 2]),
        cols(v.shape[v.ndim - 1]),
        row_stride(v.strides[v.ndim - 2]),
        col_stride(v.strides[v.ndim - 1]) {
    const auto leads = [&](int64_t stride, int64_t n, int64_t length) {
      return n <= 1 || (stride % item == 0 && stride / item >= length);
    };
    if ((col_stride == item || cols <= 1) && leads(row_stride, rows, cols)) {
      ld = rows <= 1 ? cols : row_stride / item;
    } else if ((row_stride == item || rows <= 1) && leads(col_stride, cols, rows)) {
      trans = true;
      ld = cols <= 1 ? rows : col_stride / item;
    } else {
      pack = true;
      ld = cols;
    }
    ld = std::max<int64_t>(1, ld);
  }
  size_t bytes(size_t item) const {
    return pack ? (static_cast<size_t>(rows * cols) * item + 63) / 64 * 64 : 0;
  }
  template <class T>
  const T* ready(const char* data, char*& scratch) const {
    if (!pack) return reinterpret_cast<const T*>(data);
    T* to = reinterpret_cast<T*>(scratch);
    copy_matrix(to, cols, int64_t{1}, reinterpret_cast<const T*>(data),
                row_stride / static_cast<int64_t>(sizeof(T)),
                col_stride / static_cast<int64_t>(sizeof(T)), rows, cols);
    scratch += bytes(sizeof(T));
    return to;
  }
};

struct Job {
  const TensorView& a;
  const TensorView& b;
  DType dtype;
  int64_t m, n, k, count;
  Job(const TensorView& a_, const TensorView& b_) : a(a_), b(b_), dtype(a_.dtype), count(1) {
    m = a.shape[a.ndim - 2];
    k = a.shape[a.ndim - 1];
    n = b.shape[b.ndim - 1];
    for (int i = 0; i < a.ndim - 2; ++i) {
      count *= a.shape[i] == 1 ? b.shape[i] : a.shape[i];
    }
  }
  bool empty() const { return count == 0 || m == 0 || n == 0; }
  bool real() const { return dtype == DType::f32 || dtype == DType::f64; }
  bool blas() const { return real() || is_complex(dtype); }
  int64_t item() const { return static_cast<int64_t>(item_size(dtype)); }
  bool small() const {
    return real() && m <= kSmallProduct && n <= kSmallProduct && k <= kSmallProduct;
  }
  double work() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) + 50;
  }
  // A few large products: one after another, each on several threads.
  Chunks chunks() const {
    if (count < 8 && work() > 1e7) return {count, count, 1};
    return Chunks::of(count, work());
  }
  PlainProduct plain(const char* pa, const char* pb, char* pc) const {
    return {pa,
            pb,
            pc,
            m,
            n,
            k,
            a.strides[a.ndim - 2],
            a.strides[a.ndim - 1],
            b.strides[b.ndim - 2],
            b.strides[b.ndim - 1]};
  }
  size_t chunk_bytes() const {
    if (empty() || small()) return 0;
    if (!blas()) return plain_scratch(dtype, plain(nullptr, nullptr, nullptr));
    const size_t size = item_size(dtype);
    return Side(a, item()).bytes(size) + Side(b, item()).bytes(size);
  }
};

template <class T>
void library_product(const Side& a, const Side& b, const T* pa, const T* pb, T* c) {
  const int64_t m = a.rows, k = a.cols, n = b.cols;
  bool done;
  if (n == 1 && k > 0) {
    done = gemv(a.trans, a.trans ? k : m, a.trans ? m : k, T(1), pa, a.ld, pb, b.trans ? 1 : b.ld,
                T(0), c, int64_t{1});
  } else if (m == 1 && k > 0) {
    done = gemv(!b.trans, b.trans ? n : k, b.trans ? k : n, T(1), pb, b.ld, pa, a.trans ? a.ld : 1,
                T(0), c, int64_t{1});
  } else {
    done = gemm(a.trans, b.trans, m, n, k, T(1), pa, a.ld, pb, b.ld, T(0), c, n);
  }
  PHINTYS_CHECK(done, "BLAS refused a product of ", m, "x", k, " and ", k, "x", n);
}

template <class T>
void run_library(PerformContext& context, const Job& job, const TensorView& out) {
  const Side a(job.a, sizeof(T)), b(job.b, sizeof(T));
  const Stack left(job.a, 2, out, 2), right(job.b, 2, out, 2);
  T* c = out.as<T>();
  int64_t step_a, step_b;
  // One matrix on the right for a tall stack on the left: one product.
  if (right.uniform(&step_b) && step_b == 0 && left.uniform(&step_a) && !a.pack && !a.trans &&
      !b.pack && a.ld == job.k && step_a == job.m * job.k * static_cast<int64_t>(sizeof(T))) {
    Side tall = a;
    tall.rows = job.m * job.count;
    return library_product<T>(tall, b, job.a.as<T>(), job.b.as<T>(), c);
  }
  for_chunks(context, job.chunks(), job.chunk_bytes(), [&](int64_t begin, int64_t end, char* ws) {
    for (int64_t i = begin; i < end; ++i) {
      char* free = ws;
      const T* pa = a.template ready<T>(left.at(i), free);
      const T* pb = b.template ready<T>(right.at(i), free);
      library_product<T>(a, b, pa, pb, c + i * job.m * job.n);
    }
  });
}

template <class T>
void run_small(PerformContext& context, const Job& job, const TensorView& out) {
  const int64_t item = sizeof(T);
  const TensorView &a = job.a, &b = job.b;
  const Stack left(a, 2, out, 2), right(b, 2, out, 2);
  SmallProduct<T> w{};
  w.m = job.m;
  w.n = job.n;
  w.k = job.k;
  w.a_row = a.strides[a.ndim - 2] / item;
  w.a_col = a.strides[a.ndim - 1] / item;
  w.b_row = b.strides[b.ndim - 2] / item;
  w.b_col = b.strides[b.ndim - 1] / item;
  int64_t step_a, step_b;
  const bool uniform = left.uniform(&step_a) && right.uniform(&step_b);
  for_chunks(context, job.chunks(), 0, [&](int64_t begin, int64_t end, char*) {
    SmallProduct<T> part = w;
    const auto run = [&](int64_t from, int64_t count) {
      part.a = reinterpret_cast<const T*>(left.at(from));
      part.b = reinterpret_cast<const T*>(right.at(from));
      part.c = out.as<T>() + from * job.m * job.n;
      part.count = count;
      PHINTYS_ISA_CALL(small_product<T>)(part);
    };
    if (uniform) {
      part.a_step = step_a / item;
      part.b_step = step_b / item;
      if (step_b >= 0 && w.b_row >= 0 && w.b_col == 1) {
        part.b_end =
            reinterpret_cast<const T*>(right.at(job.count - 1)) + (job.k - 1) * w.b_row + job.n;
      }
      return run(begin, end - begin);
    }
    for (int64_t i = begin; i < end; ++i) run(i, 1);
  });
}

}  // namespace

void Matmul::check_attributes() const {
  if (stretch_a < 0 || stretch_b < 0 || stretch_a >> kMaxRank || stretch_b >> kMaxRank ||
      (stretch_a & stretch_b)) {
    fail(ErrorKind::value, "matmul: invalid masks of stretched axes");
  }
}

std::vector<Type> Matmul::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type &a = inputs[0].type(), &b = inputs[1].type();
  if (a.dtype() != b.dtype()) {
    fail(ErrorKind::type, "matmul takes operands of one dtype, got ", a.str(), " and ", b.str());
  }
  if (a.ndim() < 3) {
    fail(ErrorKind::type, "matmul takes stacks of matrices, got ", a.str(), " and ", b.str());
  }
  const int64_t stretch[2] = {stretch_a, stretch_b};
  return infer_by(*this, kSignature, inputs, {a.dtype()}, stretch);
}

std::vector<Var> Matmul::grad(const GradArgs& args) const {
  const Var &a = args.inputs[0], &b = args.inputs[1], &g = args.grads[0];
  if (!g) return {Var(), Var()};
  if (is_discrete(a.dtype())) return {zero_grad_for(a), zero_grad_for(b)};
  return {unbroadcast_to(matmul(g, adjoint(b)), a), unbroadcast_to(matmul(adjoint(a), g), b)};
}

std::vector<std::vector<Var>> Matmul::infer_shape(const Apply& node) const {
  const int64_t stretch[2] = {stretch_a, stretch_b};
  return infer_shape_by(kSignature, node, stretch);
}

void Matmul::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const int64_t stretch[2] = {stretch_a, stretch_b};
  layout_by(*this, kSignature, inputs, outputs, ErrorKind::value, stretch);
}

size_t Matmul::scratch_bytes(std::span<const TensorView> inputs) const {
  const Job job(inputs[0], inputs[1]);
  return (job.chunk_bytes() + 63) / 64 * 64 * static_cast<size_t>(job.chunks().count);
}

void Matmul::perform(PerformContext& context, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const Job job(inputs[0], inputs[1]);
  const TensorView& out = outputs[0];
  if (job.empty()) return;
  if (job.small()) {
    return job.dtype == DType::f32 ? run_small<float>(context, job, out)
                                   : run_small<double>(context, job, out);
  }
  if (job.blas()) {
    return dispatch_lapack(job.dtype, [&]<class T>() { run_library<T>(context, job, out); });
  }
  const Stack left(job.a, 2, out, 2), right(job.b, 2, out, 2);
  for_chunks(context, job.chunks(), job.chunk_bytes(), [&](int64_t begin, int64_t end, char* ws) {
    for (int64_t i = begin; i < end; ++i) {
      plain_product(job.dtype,
                    job.plain(left.at(i), right.at(i), out.data + i * job.m * job.n * job.item()),
                    ws);
    }
  });
}

bool Matmul::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs) const {
  const Job job(inputs[0], inputs[1]);
  const TensorView &a = inputs[0], &b = inputs[1], &out = outputs[0];
  const int stack = out.ndim - 2;
  device::Product p{};
  p.dtype = job.dtype;
  p.m = job.m;
  p.n = job.n;
  p.k = job.k;
  p.a = product_matrix(a.data, a.strides[stack], a.strides[stack + 1]);
  p.b = product_matrix(b.data, b.strides[stack], b.strides[stack + 1]);
  p.c = product_matrix(out.data, out.strides[stack], out.strides[stack + 1]);
  p.alpha = 1;
  // A length of 1 repeats.
  const auto step = [](const TensorView& v, int d) { return v.shape[d] == 1 ? 0 : v.strides[d]; };
  for (int d = 0; d < stack; ++d) {
    if (!add_batch(p, out.shape[d], step(a, d), step(b, d), 0, out.strides[d])) return false;
  }
  // One matrix on the right for a tall stack on the left: one product.
  if (p.batch_ndim == 1 && p.b.batch[0] == 0 && p.a.batch[0] == p.m * p.a.row &&
      p.c.batch[0] == p.m * p.c.row) {
    p.m *= p.batch_shape[0];
    p.batch_ndim = 0;
  }
  return enqueue_product(queue, p);
}

}  // namespace phintys
