#include "products/library.h"

#include <dlfcn.h>

#include <mutex>
#include <string>
#include <vector>

#include "dtypes.h"
#include "libraries.h"

namespace phintys::cuda {

namespace {

// --- What is used of the library's interface
// ------------------------------------------------------

constexpr int kNoTranspose = 0, kTranspose = 1;
constexpr int kReal32 = 0, kReal64 = 1, kReal16 = 2, kComplex32 = 4, kComplex64 = 5;
constexpr int kCompute32 = 68, kCompute64 = 70, kComputeBf16 = 75, kComputeTf32 = 77;
constexpr int kDefaultMath = 0, kNoReducedSums = 16;
constexpr int kHostPointers = 0, kDevicePointers = 1;
constexpr int kDefaultAlgorithm = -1;
constexpr int kNoMemory = 3;           // a status
constexpr Status kUnknownError = 999;  // cudaErrorUnknown

using Handle = void*;

struct Functions {
  int (*create)(Handle*);
  int (*version)(Handle, int*);
  int (*set_stream)(Handle, void*);
  int (*set_workspace)(Handle, void*, size_t);
  int (*set_math_mode)(Handle, int);
  int (*set_pointer_mode)(Handle, int);
  int (*multiply)(Handle, int trans_a, int trans_b, int m, int n, int k, const void* alpha,
                  const void* a, int a_type, int lda, long long a_step, const void* b, int b_type,
                  int ldb, long long b_step, const void* beta, void* c, int c_type, int ldc,
                  long long c_step, int count, int compute, int algorithm);
};

// --- The call
// -------------------------------------------------------------------------------------

struct Side {
  int trans, ld;
};

// How the library, whose matrices have dense columns, reads `x` transposed.
bool side_of(int64_t rows, int64_t cols, int64_t row, int64_t col, int64_t item, Side* side) {
  constexpr int64_t kMost = 2147483647;
  const auto leads = [&](int64_t stride, int64_t count, int64_t length, int trans) {
    const int64_t ld = count > 1 ? stride / item : length;
    if (ld < (length > 1 ? length : 1) || ld > kMost) return false;
    *side = {trans, static_cast<int>(ld)};
    return true;
  };
  if ((col == item || cols == 1) && leads(row, rows, cols, kNoTranspose)) return true;
  return (row == item || rows == 1) && leads(col, cols, rows, kTranspose);
}

struct Sides {
  Side a, b, c;
};
bool sides_of(const Product& p, Sides* sides) {
  int64_t item = 8;
  switch (p.dtype) {
    case DType::f16:
      item = 2;
      break;
    case DType::f32:
      item = 4;
      break;
    case DType::f64:
    case DType::c64:
      break;
    case DType::c128:
      item = 16;
      break;
    default:
      return false;
  }
  return side_of(p.m, p.k, p.a.row, p.a.col, item, &sides->a) &&
         side_of(p.k, p.n, p.b.row, p.b.col, item, &sides->b) &&
         side_of(p.m, p.n, p.c.row, p.c.col, item, &sides->c) && sides->c.trans == kNoTranspose;
}

int type_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return kReal16;
    case DType::f32:
      return kReal32;
    case DType::f64:
      return kReal64;
    case DType::c64:
      return kComplex32;
    default:
      return kComplex64;
  }
}

int compute_of(const Product& p) {
  if (p.dtype == DType::f64 || p.dtype == DType::c128) return kCompute64;
  if (p.dtype == DType::f32 && p.precision == device::F32Products::tf32) return kComputeTf32;
  if (p.dtype == DType::f32 && p.precision == device::F32Products::bf16) return kComputeBf16;
  return kCompute32;
}

// A factor on the host as the library wants it: in the type of the computation, a pair if complex.
struct Factor {
  float single[2];
  double twice[2];
  explicit Factor(double v) : single{static_cast<float>(v), 0}, twice{v, 0} {}
  const void* at(int compute) const {
    return compute == kCompute64 ? static_cast<const void*>(twice) : single;
  }
};

int call(const Functions& functions, Handle handle, const Product& p) {
  Sides sides;
  if (!sides_of(p, &sides)) return -1;
  const int type = type_of(p.dtype), compute = compute_of(p);
  const Factor alpha(p.alpha), beta(p.beta);
  const bool there = p.alpha_at != nullptr;
  if (const int failed =
          functions.set_pointer_mode(handle, there ? kDevicePointers : kHostPointers))
    return failed;
  if (const int failed =
          functions.set_math_mode(handle, p.dtype == DType::f16 ? kNoReducedSums : kDefaultMath)) {
    return failed;
  }
  const int64_t item = item_size_of(p.dtype);
  const auto step = [&](const ProductMatrix& x) -> long long {
    return p.batch_ndim ? x.batch[0] / item : 0;
  };
  // The transposed product, of matrices that the library sees transposed.
  return functions.multiply(
      handle, sides.b.trans, sides.a.trans, static_cast<int>(p.n), static_cast<int>(p.m),
      static_cast<int>(p.k), there ? p.alpha_at : alpha.at(compute), p.b.data, type, sides.b.ld,
      step(p.b), p.a.data, type, sides.a.ld, step(p.a), there ? p.beta_at : beta.at(compute),
      p.c.data, type, sides.c.ld, step(p.c), p.batch_ndim ? static_cast<int>(p.batch_shape[0]) : 1,
      compute, kDefaultAlgorithm);
}

// --- Opening it
// -----------------------------------------------------------------------------------

// Of one stream. The workspace is fixed so that recorded calls find it, and sums are always cut in
// the same way.
struct Used {
  Stream* stream;
  void* native;
  int device;
  Handle handle;
};

struct Library {
  std::mutex mutex;
  std::string text;
  bool tried = false, found = false;
  Functions functions{};
  std::vector<Used> used;
};
Library& library() {
  static Library* const the = new Library;  // used until the process ends
  return *the;
}

#ifdef PHINTYS_EMULATED

// What the library is documented to compute, slowly: so that what it is told can be tested.
struct Call {
  int trans_a, trans_b, m, n, k, type, lda, ldb, ldc;
  const void *alpha_at, *beta_at;
  double alpha, beta;
  const char *a, *b;
  char* c;
  long long a_step, b_step, c_step;
};

template <class Kind>
__global__ void library_kernel(const Call w, int64_t batch) {
  using Acc = typename Kind::Acc;
  Product p{};
  p.dtype = DType::f32;
  const int64_t item = Kind::kPlain ? sizeof(Acc) : 2;
  const int row = static_cast<int>(blockIdx.x), col = static_cast<int>(threadIdx.x);
  const char* a = w.a + batch * w.a_step * item;
  const char* b = w.b + batch * w.b_step * item;
  Acc sum{};
  for (int64_t k = 0; k < w.k; ++k) {
    const int64_t at_a = w.trans_a ? k + int64_t{row} * w.lda : row + k * w.lda;
    const int64_t at_b = w.trans_b ? col + k * w.ldb : k + int64_t{col} * w.ldb;
    sum = fused(Kind::load(a + at_a * item, p), Kind::load(b + at_b * item, p), sum);
  }
  char* c = w.c + (batch * w.c_step + row + int64_t{col} * w.ldc) * item;
  const Acc alpha = w.alpha_at ? *static_cast<const Acc*>(w.alpha_at) : Kind::factor(w.alpha);
  const Acc beta = w.beta_at ? *static_cast<const Acc*>(w.beta_at) : Kind::factor(w.beta);
  sum = times(alpha, sum);
  if (!equals(beta, 0)) sum = fused(beta, Kind::load(c, p), sum);
  Kind::store(c, sum, p);
}

bool device_pointers = false;

int emulated_multiply(Handle handle, int trans_a, int trans_b, int m, int n, int k,
                      const void* alpha, const void* a, int, int lda, long long a_step,
                      const void* b, int, int ldb, long long b_step, const void* beta, void* c,
                      int type, int ldc, long long c_step, int count, int compute, int) {
  const auto number = [&](const void* at) {
    return compute == kCompute64 ? *static_cast<const double*>(at) : *static_cast<const float*>(at);
  };
  const Call w{trans_a,
               trans_b,
               m,
               n,
               k,
               type,
               lda,
               ldb,
               ldc,
               device_pointers ? alpha : nullptr,
               device_pointers ? beta : nullptr,
               device_pointers ? 0 : number(alpha),
               device_pointers ? 0 : number(beta),
               static_cast<const char*>(a),
               static_cast<const char*>(b),
               static_cast<char*>(c),
               a_step,
               b_step,
               c_step};
  const auto run = [&](void (*kernel)(Call, int64_t)) {
    for (int64_t batch = 0; batch < count; ++batch) {
      const int status =
          gpu::launch(static_cast<Stream*>(handle), kernel, dim3(static_cast<unsigned>(m)),
                      dim3(static_cast<unsigned>(n)), 0, w, batch);
      if (status) return status;
    }
    return 0;
  };
  return type == kReal16      ? run(library_kernel<F16>)
         : type == kReal32    ? run(library_kernel<F32>)
         : type == kReal64    ? run(library_kernel<F64>)
         : type == kComplex32 ? run(library_kernel<C64>)
                              : run(library_kernel<C128>);
}

bool wanted = false;

void start(Library& l) {
  if (!wanted) {
    l.text = "own kernels (the device is emulated)";
    return;
  }
  l.functions.set_pointer_mode = [](Handle, int mode) {
    device_pointers = mode == kDevicePointers;
    return 0;
  };
  l.functions.set_math_mode = [](Handle, int) { return 0; };
  l.functions.multiply = emulated_multiply;
  l.found = true;
  l.text = "an emulated library";
}

Handle new_handle(Library&, Stream* stream) { return stream; }
void* native_of(Stream*) { return nullptr; }

#else

constexpr const char* kNames[] = {"libcublas.so.13", "libcublas.so.12", nullptr};

template <class F>
bool find(void* opened, const char* name, F* function) {
  *function = reinterpret_cast<F>(library_function(opened, name));
  return *function != nullptr;
}

bool functions_of(void* opened, Functions* f) {
  return find(opened, "cublasCreate_v2", &f->create) &&
         find(opened, "cublasGetVersion_v2", &f->version) &&
         find(opened, "cublasSetStream_v2", &f->set_stream) &&
         find(opened, "cublasSetWorkspace_v2", &f->set_workspace) &&
         find(opened, "cublasSetMathMode", &f->set_math_mode) &&
         find(opened, "cublasSetPointerMode_v2", &f->set_pointer_mode) &&
         find(opened, "cublasGemmStridedBatchedEx", &f->multiply);
}

void start(Library& l) {
  void* opened = nullptr;
  // One that the process has loaded already.
  for (const char* const* name = kNames; *name && !opened; ++name)
    opened = dlopen(*name, RTLD_NOW | RTLD_NOLOAD);
  if (!opened) opened = open_library(kNames);
  if (!opened) {
    l.text = "own kernels (cuBLAS is not installed)";
  } else if (!functions_of(opened, &l.functions)) {
    l.text = "own kernels (the cuBLAS that is installed lacks functions that are needed)";
  } else {
    l.found = true;
    l.text = "cuBLAS";
  }
}

void* native_of(Stream* stream) { return stream->handle; }

Handle new_handle(Library& l, Stream* stream) {
  const gpu::Current current(stream->device);
  // The stream may be recording, which is not to see this.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  const size_t bytes = size_t{gpu::capability(stream->device) >= 90 ? 32u : 8u} << 20;
  void* workspace = nullptr;
  Handle handle = nullptr;
  int failed = l.functions.create(&handle);
  if (!failed) failed = gpu::status(cudaMalloc(&workspace, bytes));
  if (!failed) failed = l.functions.set_stream(handle, native_of(stream));
  if (!failed) failed = l.functions.set_workspace(handle, workspace, bytes);
  cudaThreadExchangeStreamCaptureMode(&mode);
  if (failed) {
    l.text = "own kernels (cuBLAS cannot be used: status " + std::to_string(failed) + ")";
    l.found = false;
    return nullptr;
  }
  int version = 0;
  l.functions.version(handle, &version);
  if (version)
    l.text =
        "cuBLAS " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100);
  return handle;
}

#endif

// Null: there is none.
Handle handle_of(Stream* stream) {
  Library& l = library();
  const std::lock_guard lock(l.mutex);
  if (!l.tried) {
    l.tried = true;
    start(l);
  }
  if (!l.found) return nullptr;
  for (const Used& used : l.used)
    if (used.stream == stream && used.native == native_of(stream) && used.device == stream->device)
      return used.handle;
  const Handle handle = new_handle(l, stream);
  if (handle) l.used.push_back({stream, native_of(stream), stream->device, handle});
  return handle;
}

}  // namespace

bool library_takes(const Product& p) {
  constexpr int64_t kMost = 2147483647;
  Sides sides;
  if (p.m > kMost || p.n > kMost || p.k > kMost || p.batch_ndim > 1 ||
      (p.batch_ndim && p.batch_shape[0] > kMost)) {
    return false;
  }
  const bool there = p.alpha_at != nullptr;
  // Factors of float16 would have to be float32.
  if (there != (p.beta_at != nullptr) || (there && p.dtype == DType::f16)) return false;
  return sides_of(p, &sides);
}

bool library_ready(Stream* stream) { return handle_of(stream) != nullptr; }

Status library_multiply(Stream* stream, const Product& p) {
  const Handle handle = handle_of(stream);
  if (!handle) return kUnsupported;
  const gpu::Current current(stream->device);
  Library& l = library();
  const int failed = call(l.functions, handle, p);
  if (!failed) return kOk;
  return failed == kNoMemory ? kOutOfMemory : kUnknownError;
}

const char* library_text() {
  Library& l = library();
  const std::lock_guard lock(l.mutex);
  if (!l.tried) {
    l.tried = true;
    start(l);
  }
  return l.text.c_str();
}

}  // namespace phintys::cuda

#ifdef PHINTYS_EMULATED
// For tests: whether products go to the emulated library.
extern "C" __attribute__((visibility("default"))) void phintys_emulated_library(int use) {
  using namespace phintys::cuda;
  Library& l = library();
  const std::lock_guard lock(l.mutex);
  wanted = use;
  l.found = l.tried = false;
}
#endif
