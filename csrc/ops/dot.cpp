#include "ops/dot.h"

#include <cstring>
#include <type_traits>

#include "kernels/blas.h"
#include "kernels/parallel.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/device_product.h"
#include "ops/linalg/plain_product.h"
#include "ops/op_util.h"
#include "ops/tiny_product.h"

namespace phintys {

namespace {

// A matrix as BLAS wants it: rows of unit stride, perhaps of the transposed matrix.
struct Matrix {
  const char* data;
  int64_t rows, cols;              // of the operand
  int64_t row_stride, col_stride;  // bytes
  int64_t ld = 0;                  // elements, once it is ready
  bool trans = false;

  static Matrix of(const TensorView& v) {
    return {v.data, v.shape[0], v.shape[1], v.strides[0], v.strides[1]};
  }
  static Matrix transposed(const TensorView& v) {
    return {v.data, v.shape[1], v.shape[0], v.strides[1], v.strides[0]};
  }
  // A vector as a matrix with one row or one column.
  static Matrix row(const TensorView& v) { return {v.data, 1, v.shape[0], 0, v.strides[0]}; }
  static Matrix column(const TensorView& v) { return {v.data, v.shape[0], 1, v.strides[0], 0}; }

  // True, with ld and trans set, iff BLAS can read it where it is.
  bool fits(int64_t item) {
    const bool row_runs = col_stride == item || cols <= 1;
    const bool col_runs = row_stride == item || rows <= 1;
    if (row_runs && (rows <= 1 || (row_stride % item == 0 && row_stride / item >= cols))) {
      trans = false;
      ld = rows <= 1 ? std::max<int64_t>(1, cols) : row_stride / item;
      return true;
    }
    if (col_runs && (cols <= 1 || (col_stride % item == 0 && col_stride / item >= rows))) {
      trans = true;
      ld = cols <= 1 ? std::max<int64_t>(1, rows) : col_stride / item;
      return true;
    }
    return false;
  }
  size_t bytes(int64_t item) const { return static_cast<size_t>(rows * cols * item); }
  void pack(char* to, DType dtype) {
    const int64_t item = static_cast<int64_t>(item_size(dtype));
    const int64_t shape[2] = {rows, cols}, from[2] = {row_stride, col_stride},
                  into[2] = {cols * item, item};
    copy_parallel({to, dtype, 2, shape, into}, {const_cast<char*>(data), dtype, 2, shape, from});
    data = to;
    ld = std::max<int64_t>(1, cols);
    trans = false;
  }
};

size_t packed_bytes(const Matrix& m, bool fits, int64_t item) {
  return fits ? 0 : (m.bytes(item) + 63) / 64 * 64;
}

// What a product asks of scratch memory.
size_t product_scratch(DType dtype, Matrix a, Matrix b) {
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  if (a.cols == 0) return 0;
  const bool a_fits = a.fits(item), b_fits = b.fits(item);
  return packed_bytes(a, a_fits, item) + packed_bytes(b, b_fits, item);
}

// Makes both operands readable for BLAS, packing into scratch memory what is not.
void prepare(PerformContext& context, DType dtype, Matrix& a, Matrix& b) {
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  const bool a_fits = a.fits(item), b_fits = b.fits(item);
  if (a_fits && b_fits) return;
  const size_t a_bytes = packed_bytes(a, a_fits, item);
  char* block = static_cast<char*>(context.scratch(a_bytes + packed_bytes(b, b_fits, item)));
  if (!a_fits) a.pack(block, dtype);
  if (!b_fits) b.pack(block + a_bytes, dtype);
}

template <class T>
void blas_product(double alpha, const Matrix& a, const Matrix& b, double beta, char* c) {
  const int64_t m = a.rows, k = a.cols, n = b.cols;
  if (m == 0 || n == 0) return;
  const T* pa = reinterpret_cast<const T*>(a.data);
  const T* pb = reinterpret_cast<const T*>(b.data);
  T* pc = reinterpret_cast<T*>(c);
  using R = decltype(std::real(T{}));
  const T al = static_cast<R>(alpha), be = static_cast<R>(beta);
  if constexpr (std::is_floating_point_v<T>) {
    if (is_tiny_product(m, n, k) && al != T(0)) {
      const int64_t a_row = a.trans ? 1 : a.ld, a_col = a.trans ? a.ld : 1;
      const int64_t b_row = b.trans ? 1 : b.ld, b_col = b.trans ? b.ld : 1;
      return tiny_product<T>({m, n, k, a_row, a_col, b_row, b_col, n, 1, n, 1, alpha, beta}, pa, pb,
                             pc, pc);
    }
  }
  bool done;
  if (n == 1 && k > 0) {
    const int64_t rows = a.trans ? k : m, cols = a.trans ? m : k;
    done = gemv(a.trans, rows, cols, al, pa, a.ld, pb, b.trans ? 1 : b.ld, be, pc, 1);
  } else if (m == 1 && k > 0) {
    // x @ B is op(B) transposed, times x.
    const int64_t rows = b.trans ? n : k, cols = b.trans ? k : n;
    done = gemv(!b.trans, rows, cols, al, pb, b.ld, pa, a.trans ? a.ld : 1, be, pc, 1);
  } else {
    done = gemm(a.trans, b.trans, m, n, k, al, pa, a.ld, pb, b.ld, be, pc, n);
  }
  PHINTYS_CHECK(done, "BLAS refused a product of ", m, "x", k, " and ", k, "x", n);
}

void product(PerformContext& context, DType dtype, double alpha, Matrix a, Matrix b, double beta,
             char* c) {
  if (a.cols > 0) {
    prepare(context, dtype, a, b);
  } else {
    a.ld = b.ld = std::max<int64_t>(1, b.cols);
  }
  switch (dtype) {
    case DType::f32:
      return blas_product<float>(alpha, a, b, beta, c);
    case DType::f64:
      return blas_product<double>(alpha, a, b, beta, c);
    case DType::c64:
      return blas_product<std::complex<float>>(alpha, a, b, beta, c);
    default:
      return blas_product<std::complex<double>>(alpha, a, b, beta, c);
  }
}

linalg::PlainProduct plain(const Matrix& a, const Matrix& b, char* c) {
  return {a.data,       b.data,       c,           a.rows, b.cols, a.cols, a.row_stride,
          a.col_stride, b.row_stride, b.col_stride};
}

template <class T>
void vector_dot(const TensorView& a, const TensorView& b, char* c) {
  const int64_t n = a.shape[0], item = sizeof(T);
  const int64_t a_step = a.strides[0] / item, b_step = b.strides[0] / item;
  if (is_tiny_product(1, 1, n))
    return tiny_product<T>({1, 1, n, 0, a_step, b_step, 0, 0, 0, 0, 0, 1, 0}, a.as<T>(), b.as<T>(),
                           nullptr, reinterpret_cast<T*>(c));
  *reinterpret_cast<T*>(c) = n == 0 ? T{0} : dot(n, a.as<T>(), a_step, b.as<T>(), b_step);
}

bool real_blas(DType d) { return d == DType::f32 || d == DType::f64; }
bool any_blas(DType d) { return real_blas(d) || is_complex(d); }

Matrix oriented(const TensorView& v, bool trans) {
  return trans ? Matrix::transposed(v) : Matrix::of(v);
}

int64_t dim_of(const Type& t, int i, bool trans) { return t.dim(trans ? 1 - i : i); }

// Brings C, scaled later by beta, to the output's memory.
void start_from(const TensorView& c, const TensorView& out, double beta) {
  if (beta != 0 && out.data != c.data) copy_parallel(out, c);
}

bool enqueue_matrices(device::Queue& queue, double alpha, const Matrix& a, const Matrix& b,
                      double beta, const Matrix& c, const TensorView& out) {
  const int64_t item = static_cast<int64_t>(item_size(out.dtype));
  device::Product p{};
  p.dtype = out.dtype;
  p.m = a.rows;
  p.n = b.cols;
  p.k = a.cols;
  p.a = product_matrix(a.data, a.row_stride, a.col_stride);
  p.b = product_matrix(b.data, b.row_stride, b.col_stride);
  p.c0 = product_matrix(c.data, c.row_stride, c.col_stride);
  p.c = product_matrix(out.data, p.n * item, item);
  p.alpha = alpha;
  p.beta = beta;
  return enqueue_product(queue, p);
}

void check_blas_operands(const Op& op, std::span<const Var> inputs, int rank0, int rank1,
                         int rank2) {
  check_inputs(op, inputs, 3);
  const int ranks[3] = {rank0, rank1, rank2};
  for (size_t i = 0; i < 3; ++i) {
    const Type& t = inputs[i].type();
    if (t.ndim() != ranks[i] || !real_blas(t.dtype()) || t.dtype() != inputs[0].dtype()) {
      fail(ErrorKind::type, op.str(), " takes float32 or float64 arrays of ranks ", rank0, ", ",
           rank1, ", ", rank2, ", all of one dtype; input ", i, " is ", t.str());
    }
  }
}

Var scaled(const Var& v, double factor) { return factor == 1 ? v : v * factor; }

}  // namespace

// --- Dot ----------------------------------------------------------------------------------------

std::vector<Type> Dot::infer(std::span<const Var> inputs) const {
  check_inputs(*this, inputs, 2);
  const Type& a = inputs[0].type();
  const Type& b = inputs[1].type();
  if (a.ndim() < 1 || a.ndim() > 2 || b.ndim() < 1 || b.ndim() > 2) {
    fail(ErrorKind::type, "dot takes vectors and matrices, got ", a.str(), " and ", b.str());
  }
  if (a.dtype() != b.dtype()) {
    fail(ErrorKind::type, "dot takes operands of one dtype, got ", a.str(), " and ", b.str());
  }
  int64_t inner;
  if (!merge_dims(a.dim(a.ndim() - 1), b.dim(0), &inner)) {
    fail(ErrorKind::value, "dot: the lengths to be summed over differ: ", a.dim(a.ndim() - 1),
         " in ", a.str(), " and ", b.dim(0), " in ", b.str());
  }
  Dims shape;
  if (a.ndim() == 2) shape.push_back(a.dim(0));
  if (b.ndim() == 2) shape.push_back(b.dim(1));
  return {a.with_shape(std::move(shape))};
}

std::vector<Var> Dot::grad(const GradArgs& args) const {
  const Var& x = args.inputs[0];
  const Var& y = args.inputs[1];
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var()};
  if (is_discrete(x.dtype())) return {zero_grad_for(x), zero_grad_for(y)};
  // The gradient of a complex product, as of mul, has the conjugate of the other factor.
  const Var xc = is_complex(x.dtype()) ? elemwise("conj", {x}) : x;
  const Var yc = is_complex(y.dtype()) ? elemwise("conj", {y}) : y;
  if (x.ndim() == 1 && y.ndim() == 1) return {g * yc, g * xc};
  auto outer = [](const Var& a, const Var& b) {
    return dimshuffle(a, {0, -1}) * dimshuffle(b, {-1, 0});
  };
  if (x.ndim() == 2 && y.ndim() == 1) return {outer(g, yc), dot(transpose(xc), g)};
  if (x.ndim() == 1) return {dot(yc, g), outer(xc, g)};
  return {dot(g, transpose(yc)), dot(transpose(xc), g)};
}

std::vector<std::vector<Var>> Dot::infer_shape(const Apply& node) const {
  std::vector<Var> dims;
  if (node.input(0)->ndim() == 2) dims.push_back(shape_i(node.inputs()[0], 0));
  if (node.input(1)->ndim() == 2) dims.push_back(shape_i(node.inputs()[1], 1));
  return {dims};
}

void Dot::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const TensorView& a = inputs[0];
  const TensorView& b = inputs[1];
  if (a.shape[a.ndim - 1] != b.shape[0]) {
    fail(ErrorKind::value, "shapes ", shape_text(a), " and ", shape_text(b),
         " not aligned: ", a.shape[a.ndim - 1], " (dim ", a.ndim - 1, ") != ", b.shape[0],
         " (dim 0)");
  }
  Dims shape;
  if (a.ndim == 2) shape.push_back(a.shape[0]);
  if (b.ndim == 2) shape.push_back(b.shape[1]);
  own_layout(outputs[0], shape.data(), static_cast<int>(shape.size()));
}

void Dot::perform(PerformContext& context, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const TensorView& a = inputs[0];
  const TensorView& b = inputs[1];
  const DType dtype = a.dtype;
  char* out = outputs[0].data;
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  const bool whole_steps = a.strides[0] % item == 0 && b.strides[0] % item == 0;
  if (a.ndim == 1 && b.ndim == 1 && real_blas(dtype) && whole_steps) {
    return dtype == DType::f32 ? vector_dot<float>(a, b, out) : vector_dot<double>(a, b, out);
  }
  const Matrix ma = a.ndim == 2 ? Matrix::of(a) : Matrix::row(a);
  const Matrix mb = b.ndim == 2 ? Matrix::of(b) : Matrix::column(b);
  if (any_blas(dtype)) return product(context, dtype, 1, ma, mb, 0, out);
  const linalg::PlainProduct work = plain(ma, mb, out);
  const size_t bytes = linalg::plain_scratch(dtype, work);
  char* scratch = bytes ? static_cast<char*>(context.scratch(bytes)) : nullptr;
  linalg::plain_product(dtype, work, scratch);
}

bool Dot::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                  std::span<const TensorView> outputs) const {
  const TensorView& a = inputs[0];
  const TensorView& b = inputs[1];
  return enqueue_matrices(queue, 1, a.ndim == 2 ? Matrix::of(a) : Matrix::row(a),
                          b.ndim == 2 ? Matrix::of(b) : Matrix::column(b), 0, Matrix{}, outputs[0]);
}

size_t Dot::scratch_bytes(std::span<const TensorView> inputs) const {
  const TensorView& a = inputs[0];
  const TensorView& b = inputs[1];
  const Matrix ma = a.ndim == 2 ? Matrix::of(a) : Matrix::row(a);
  const Matrix mb = b.ndim == 2 ? Matrix::of(b) : Matrix::column(b);
  if (any_blas(a.dtype)) return product_scratch(a.dtype, ma, mb);
  return linalg::plain_scratch(a.dtype, plain(ma, mb, nullptr));
}

// --- Gemm ---------------------------------------------------------------------------------------

std::string Gemm::str() const { return kName + attributes_text(*this); }

std::vector<Type> Gemm::infer(std::span<const Var> inputs) const {
  check_blas_operands(*this, inputs, 2, 2, 2);
  const Type& c = inputs[0].type();
  const Type& a = inputs[1].type();
  const Type& b = inputs[2].type();
  merge_known(*this, dim_of(a, 1, trans_a), dim_of(b, 0, trans_b), 0);
  return {c.with_shape(Dims{merge_known(*this, c.dim(0), dim_of(a, 0, trans_a), 0),
                            merge_known(*this, c.dim(1), dim_of(b, 1, trans_b), 1)})};
}

std::vector<Var> Gemm::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  const Var a = trans_a ? transpose(args.inputs[1]) : args.inputs[1];
  const Var b = trans_b ? transpose(args.inputs[2]) : args.inputs[2];
  const Var ga = scaled(dot(g, transpose(b)), alpha);
  const Var gb = scaled(dot(transpose(a), g), alpha);
  return {scaled(g, beta), trans_a ? transpose(ga) : ga, trans_b ? transpose(gb) : gb};
}

std::vector<std::vector<Var>> Gemm::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Gemm::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Matrix a = oriented(inputs[1], trans_a), b = oriented(inputs[2], trans_b);
  const TensorView& c = inputs[0];
  if (a.cols != b.rows || c.shape[0] != a.rows || c.shape[1] != b.cols) {
    fail(ErrorKind::value, "gemm: shapes ", shape_text(inputs[1]), trans_a ? ".T" : "", " and ",
         shape_text(inputs[2]), trans_b ? ".T" : "", " give no matrix of shape ", shape_text(c));
  }
  own_layout(outputs[0], c.shape, 2);
}

void Gemm::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  start_from(inputs[0], outputs[0], beta);
  product(context, outputs[0].dtype, alpha, oriented(inputs[1], trans_a),
          oriented(inputs[2], trans_b), beta, outputs[0].data);
}

bool Gemm::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  return enqueue_matrices(queue, alpha, oriented(inputs[1], trans_a), oriented(inputs[2], trans_b),
                          beta, Matrix::of(inputs[0]), outputs[0]);
}

size_t Gemm::scratch_bytes(std::span<const TensorView> inputs) const {
  return product_scratch(inputs[1].dtype, oriented(inputs[1], trans_a),
                         oriented(inputs[2], trans_b));
}

// --- Gemv ---------------------------------------------------------------------------------------

std::string Gemv::str() const { return kName + attributes_text(*this); }

std::vector<Type> Gemv::infer(std::span<const Var> inputs) const {
  check_blas_operands(*this, inputs, 1, 2, 1);
  const Type& y = inputs[0].type();
  const Type& a = inputs[1].type();
  merge_known(*this, dim_of(a, 1, trans_a), inputs[2].type().dim(0), 0);
  return {y.with_shape(Dims{merge_known(*this, y.dim(0), dim_of(a, 0, trans_a), 0)})};
}

std::vector<Var> Gemv::grad(const GradArgs& args) const {
  const Var& g = args.grads[0];
  if (!g) return {Var(), Var(), Var()};
  const Var& a = args.inputs[1];
  const Var& x = args.inputs[2];
  const Var rows = trans_a ? x : g, cols = trans_a ? g : x;
  const Var ga = scaled(dimshuffle(rows, {0, -1}) * dimshuffle(cols, {-1, 0}), alpha);
  return {scaled(g, beta), ga, scaled(dot(trans_a ? a : transpose(a), g), alpha)};
}

std::vector<std::vector<Var>> Gemv::infer_shape(const Apply& node) const {
  return {shape_list(node.inputs()[0])};
}

void Gemv::layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const {
  const Matrix a = oriented(inputs[1], trans_a);
  if (a.cols != inputs[2].shape[0] || a.rows != inputs[0].shape[0]) {
    fail(ErrorKind::value, "gemv: shapes ", shape_text(inputs[1]), trans_a ? ".T" : "", " and ",
         shape_text(inputs[2]), " give no vector of shape ", shape_text(inputs[0]));
  }
  own_layout(outputs[0], inputs[0].shape, 1);
}

void Gemv::perform(PerformContext& context, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  start_from(inputs[0], outputs[0], beta);
  product(context, outputs[0].dtype, alpha, oriented(inputs[1], trans_a), Matrix::column(inputs[2]),
          beta, outputs[0].data);
}

bool Gemv::enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs) const {
  return enqueue_matrices(queue, alpha, oriented(inputs[1], trans_a), Matrix::column(inputs[2]),
                          beta, Matrix::column(inputs[0]), outputs[0]);
}

size_t Gemv::scratch_bytes(std::span<const TensorView> inputs) const {
  return product_scratch(inputs[1].dtype, oriented(inputs[1], trans_a), Matrix::column(inputs[2]));
}

}  // namespace phintys
