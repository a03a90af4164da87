#include "solvers/cusolver.h"

#include "libraries.h"

#ifndef PHINTYS_EMULATED
#include <stdlib.h>

#include <mutex>
#endif

namespace phintys::cuda::solvers::cusolver {

#ifdef PHINTYS_EMULATED

bool installed() { return false; }
size_t hermitian_scratch(Stream*, const device::HermitianWork&) { return 0; }
Status hermitian(Stream*, const device::HermitianWork&) { return kUnsupported; }
size_t singular_scratch(Stream*, const device::SingularWork&) { return 0; }
Status singular(Stream*, const device::SingularWork&) { return kUnsupported; }

#else

namespace {

using device::HermitianWork;
using device::SingularWork;

// --- the library: its 64-bit interface, as documented --------------------------------------------

using Handle = void*;
using Params = void*;
enum FillMode { kLower = 0, kUpper = 1 };                  // cublasFillMode_t
enum EigMode { kNoVectors = 0, kVectors = 1 };             // cusolverEigMode_t
enum DataType { kR32 = 0, kR64 = 1, kC32 = 4, kC64 = 5 };  // cudaDataType

struct Library {
  int (*create)(Handle*);
  int (*set_stream)(Handle, cudaStream_t);
  int (*create_params)(Params*);
  int (*syevd_size)(Handle, Params, EigMode, FillMode, int64_t n, DataType, const void* a,
                    int64_t lda, DataType, const void* w, DataType, size_t* device, size_t* host);
  int (*syevd)(Handle, Params, EigMode, FillMode, int64_t n, DataType, void* a, int64_t lda,
               DataType, void* w, DataType, void* device, size_t device_size, void* host,
               size_t host_size, int* info);
  int (*gesvd_size)(Handle, Params, signed char jobu, signed char jobvt, int64_t m, int64_t n,
                    DataType, const void* a, int64_t lda, DataType, const void* s, DataType,
                    const void* u, int64_t ldu, DataType, const void* vt, int64_t ldvt, DataType,
                    size_t* device, size_t* host);
  int (*gesvd)(Handle, Params, signed char jobu, signed char jobvt, int64_t m, int64_t n, DataType,
               void* a, int64_t lda, DataType, void* s, DataType, void* u, int64_t ldu, DataType,
               void* vt, int64_t ldvt, DataType, void* device, size_t device_size, void* host,
               size_t host_size, int* info);
  bool whole;
};

template <class F>
bool find(void* library, F*& function, const char* name) {
  function = reinterpret_cast<F*>(library_function(library, name));
  return function != nullptr;
}

const Library& library() {
  static const Library loaded = [] {
    static constexpr const char* kNames[] = {"libcusolver.so.12", "libcusolver.so.11",
                                             "libcusolver.so", nullptr};
    Library l{};
    void* from = open_library(kNames);
    l.whole = from && find(from, l.create, "cusolverDnCreate") &&
              find(from, l.set_stream, "cusolverDnSetStream") &&
              find(from, l.create_params, "cusolverDnCreateParams") &&
              find(from, l.syevd_size, "cusolverDnXsyevd_bufferSize") &&
              find(from, l.syevd, "cusolverDnXsyevd") &&
              find(from, l.gesvd_size, "cusolverDnXgesvd_bufferSize") &&
              find(from, l.gesvd, "cusolverDnXgesvd");
    return l;
  }();
  return loaded;
}

// A device's handle, made once. The library's errors are reported as CUDA's "unknown".
struct Session {
  Handle handle = nullptr;
  Params params = nullptr;
  void* host = nullptr;  // workspace on the host
  size_t host_size = 0;
};
constexpr int kMaxDevices = 64;
constexpr Status kFailed = cudaErrorUnknown;

// The session of the stream's device with that stream set, or null; also while the stream records.
// Work of a device is queued by one thread at a time.
Session* session(Stream* stream) {
  static std::mutex guard;
  static Session sessions[kMaxDevices];
  const Library& l = library();
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (!l.whole || stream->device >= kMaxDevices ||
      cudaStreamIsCapturing(stream->handle, &capture) != cudaSuccess ||
      capture != cudaStreamCaptureStatusNone) {
    return nullptr;
  }
  const std::lock_guard lock(guard);
  Session& s = sessions[stream->device];
  if (!s.handle) {
    const gpu::Current current(stream->device);
    if (current.status() != kOk || l.create(&s.handle) != 0 || l.create_params(&s.params) != 0) {
      s.handle = nullptr;
      return nullptr;
    }
  }
  return l.set_stream(s.handle, stream->handle) == 0 ? &s : nullptr;
}

bool room_on_host(Session& s, size_t bytes) {
  if (bytes <= s.host_size) return true;
  // The old block may still be in use: it is left to the end of the process.
  s.host = malloc(bytes);
  s.host_size = s.host ? bytes : 0;
  return s.host != nullptr;
}

template <class T>
constexpr DataType data_type() {
  return sizeof(Real<T>) == 4 ? (kComplex<T> ? kC32 : kR32) : (kComplex<T> ? kC64 : kR64);
}

size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }

// --- kernels around it ---------------------------------------------------------------------------

constexpr int kTile = 32;

// to[cols, rows] = from[rows, cols] transposed, conjugated if asked for.
template <class T>
__global__ void __launch_bounds__(kTile * 8)
    transpose(const T* from, T* to, int64_t rows, int64_t cols, bool conjugate) {
  __shared__ T tile[kTile][kTile + 1];
  const int x = threadIdx.x % kTile, y = threadIdx.x / kTile;
  const int64_t i0 = static_cast<int64_t>(blockIdx.y) * kTile;
  const int64_t j0 = static_cast<int64_t>(blockIdx.x) * kTile;
  for (int r = y; r < kTile; r += 8) {
    if (i0 + r < rows && j0 + x < cols) tile[r][x] = from[(i0 + r) * cols + j0 + x];
  }
  __syncthreads();
  for (int r = y; r < kTile; r += 8) {
    if (j0 + r >= cols || i0 + x >= rows) continue;
    const T value = tile[x][r];
    to[(j0 + r) * rows + i0 + x] = conjugate ? conjugated(value) : value;
  }
}
template <class T>
Status transposed(Stream* stream, const T* from, T* to, int64_t rows, int64_t cols,
                  bool conjugate) {
  return gpu::launch(stream, transpose<T>, dim3(parts(cols, kTile), parts(rows, kTile)),
                     dim3(kTile * 8), 0, from, to, rows, cols, conjugate);
}

// `triangle`: only what is on and below the diagonal counts.
template <class T>
__global__ void __launch_bounds__(256)
    require_finite(const T* a, int64_t size, int64_t n, bool triangle, int* failed) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * 256 + threadIdx.x;
  if (e >= size || (triangle && e % n > e / n % n)) return;
  const Real<T> x = size_of(a[e]);
  if (!(x - x == 0)) *failed = 1;
}

__global__ void require_success(const int* info, int* failed) {
  if (*info != 0) *failed = 1;
}

// --- eigenvalues ---------------------------------------------------------------------------------

// The workspaces; false if the library fails.
template <class T>
bool syevd_room(Session& s, const HermitianWork& w, size_t* device, size_t* host) {
  return library().syevd_size(s.handle, s.params, w.v ? kVectors : kNoVectors, kUpper, w.n,
                              data_type<T>(), w.a, w.n, data_type<Real<T>>(), w.w, data_type<T>(),
                              device, host) == 0;
}

template <class T>
Status eigenvalues(Stream* stream, Session& s, const HermitianWork& w) {
  size_t device = 0, host = 0;
  if (!syevd_room<T>(s, w, &device, &host) || !room_on_host(s, host)) return kFailed;
  auto* info = static_cast<int*>(w.scratch);
  void* room = static_cast<char*>(w.scratch) + 256;
  const int64_t size = w.count * w.n * w.n;
  Status status = gpu::launch(stream, require_finite<T>, dim3(parts(size, 256)), dim3(256), 0,
                              static_cast<const T*>(w.a), size, w.n, true, w.failed);
  for (int64_t i = 0; status == kOk && i < w.count; ++i) {
    // Read by columns, the lower triangle is the upper one of the conjugate.
    T* a = static_cast<T*>(w.a) + i * w.n * w.n;
    if (library().syevd(s.handle, s.params, w.v ? kVectors : kNoVectors, kUpper, w.n,
                        data_type<T>(), a, w.n, data_type<Real<T>>(),
                        static_cast<Real<T>*>(w.w) + i * w.n, data_type<T>(), room, device, s.host,
                        host, info) != 0) {
      return kFailed;
    }
    status = gpu::launch(stream, require_success, dim3(1), dim3(1), 0,
                         static_cast<const int*>(info), w.failed);
    if (status == kOk && w.v) {
      status = transposed<T>(stream, a, static_cast<T*>(w.v) + i * w.n * w.n, w.n, w.n, true);
    }
  }
  return status;
}

// --- singular values -----------------------------------------------------------------------------
//
// The library wants column after column, and no more columns than rows. A wide row-major A is such
// a matrix as it is: A^T = U' S V'^H, and vh = U'^T and u = conj(V') lie in memory as U' and V'^H
// do.

template <class T>
struct SvdShape {
  int64_t rows, cols;
  bool tall;  // A must be transposed
  signed char job;
  explicit SvdShape(const SingularWork& w)
      : rows(w.m > w.n ? w.m : w.n),
        cols(w.m > w.n ? w.n : w.m),
        tall(w.m > w.n),
        job(w.u ? 'S' : 'N') {}
  size_t matrix_bytes() const { return aligned(static_cast<size_t>(rows * cols) * sizeof(T)); }
  // Of the scratch: info, A, and where A is transposed U and V^H.
  size_t bytes(const SingularWork& w) const {
    const size_t vectors =
        tall && w.u ? matrix_bytes() + aligned(static_cast<size_t>(cols * cols) * sizeof(T)) : 0;
    return 256 + matrix_bytes() + vectors;
  }
};

template <class T>
bool gesvd_room(Session& s, const SvdShape<T>& shape, size_t* device, size_t* host) {
  return library().gesvd_size(s.handle, s.params, shape.job, shape.job, shape.rows, shape.cols,
                              data_type<T>(), nullptr, shape.rows, data_type<Real<T>>(), nullptr,
                              data_type<T>(), nullptr, shape.rows, data_type<T>(), nullptr,
                              shape.cols, data_type<T>(), device, host) == 0;
}

template <class T>
Status singular_values(Stream* stream, Session& s, const SingularWork& w) {
  const SvdShape<T> shape(w);
  size_t device = 0, host = 0;
  if (!gesvd_room<T>(s, shape, &device, &host) || !room_on_host(s, host)) return kFailed;
  char* at = static_cast<char*>(w.scratch);
  auto* info = reinterpret_cast<int*>(at);
  T* a = reinterpret_cast<T*>(at + 256);
  T* u_room = reinterpret_cast<T*>(at + 256 + shape.matrix_bytes());
  T* vh_room = reinterpret_cast<T*>(at + 256 + 2 * shape.matrix_bytes());
  void* room = at + shape.bytes(w);
  const int64_t size = w.m * w.n, k = shape.cols;
  Status status =
      gpu::launch(stream, require_finite<T>, dim3(parts(w.count * size, 256)), dim3(256), 0,
                  static_cast<const T*>(w.a), w.count * size, w.n, false, w.failed);
  for (int64_t i = 0; status == kOk && i < w.count; ++i) {
    const T* from = static_cast<const T*>(w.a) + i * size;
    T* u = w.u ? static_cast<T*>(w.u) + i * w.m * k : nullptr;
    T* vh = w.u ? static_cast<T*>(w.vh) + i * k * w.n : nullptr;
    if (shape.tall) {
      status = transposed<T>(stream, from, a, w.m, w.n, false);
    } else {
      status = gpu::status(cudaMemcpyAsync(a, from, static_cast<size_t>(size) * sizeof(T),
                                           cudaMemcpyDeviceToDevice, stream->handle));
    }
    if (status != kOk) return status;
    void* left = !w.u ? nullptr : shape.tall ? u_room : vh;
    void* right = !w.u ? nullptr : shape.tall ? vh_room : u;
    if (library().gesvd(s.handle, s.params, shape.job, shape.job, shape.rows, shape.cols,
                        data_type<T>(), a, shape.rows, data_type<Real<T>>(),
                        static_cast<Real<T>*>(w.s) + i * k, data_type<T>(), left, shape.rows,
                        data_type<T>(), right, shape.cols, data_type<T>(), room, device, s.host,
                        host, info) != 0) {
      return kFailed;
    }
    status = gpu::launch(stream, require_success, dim3(1), dim3(1), 0,
                         static_cast<const int*>(info), w.failed);
    if (status == kOk && w.u && shape.tall) {
      status = transposed<T>(stream, u_room, u, k, w.m, false);
      if (status == kOk) status = transposed<T>(stream, vh_room, vh, w.n, k, false);
    }
  }
  return status;
}

}  // namespace

bool installed() { return library().whole; }

size_t hermitian_scratch(Stream* stream, const HermitianWork& w) {
  Session* s = session(stream);
  size_t device = 0, host = 0;
  if (!s) return 0;
  const gpu::Current current(stream->device);
  const Status status = dispatch(w.dtype, [&]<class T>() -> Status {
    return syevd_room<T>(*s, w, &device, &host) ? kOk : kFailed;
  });
  return status == kOk ? 256 + aligned(device) : 0;
}

Status hermitian(Stream* stream, const HermitianWork& w) {
  Session* s = session(stream);
  if (!s) return kUnsupported;
  const gpu::Current current(stream->device);
  return dispatch(w.dtype, [&]<class T>() { return eigenvalues<T>(stream, *s, w); });
}

size_t singular_scratch(Stream* stream, const SingularWork& w) {
  Session* s = session(stream);
  size_t device = 0, host = 0, own = 0;
  if (!s) return 0;
  const gpu::Current current(stream->device);
  const Status status = dispatch(w.dtype, [&]<class T>() -> Status {
    const SvdShape<T> shape(w);
    own = shape.bytes(w);
    return gesvd_room<T>(*s, shape, &device, &host) ? kOk : kFailed;
  });
  return status == kOk ? own + aligned(device) : 0;
}

Status singular(Stream* stream, const SingularWork& w) {
  Session* s = session(stream);
  if (!s) return kUnsupported;
  const gpu::Current current(stream->device);
  return dispatch(w.dtype, [&]<class T>() { return singular_values<T>(stream, *s, w); });
}

#endif

}  // namespace phintys::cuda::solvers::cusolver
