// What a device offers: one table of functions, filled by a plug-in.
//
// libphintys knows no device by name. A plug-in (cuda/) exports phintys_device_table, which returns
// a Table; ops and the runtime queue work through it. Functions return 0 or a code that error_text
// explains; they throw nothing. Work is queued on a stream and runs in the order of queueing;
// pointers in it are the device's unless said otherwise.
//
// Plug-ins include this header and the headers of the areas, and link nothing of libphintys.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "array/dtype_enum.h"

namespace phintys::device {

inline constexpr int32_t kTableVersion = 1;
inline constexpr int kMaxRank = 8;

using Status = int;
inline constexpr Status kOk = 0;
inline constexpr Status kOutOfMemory = -1;
inline constexpr Status kUnsupported = -2;  // there is no kernel for this: the host computes it

// An array, as kernels are given it (by value).
struct Tensor {
  char* data;
  DType dtype;
  int32_t ndim;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];  // bytes
};

struct Stream;     // of a plug-in: queue of work of one device
struct Recording;  // of a plug-in: work that was recorded, to be queued again as a whole

// Kernels by area; each is described in its own header. Null: the plug-in has none.
struct FusedKernels;    // fused.h: regions of elementwise steps and reductions
struct ProductKernels;  // products.h: products of matrices and vectors
struct RowKernels;      // rows.h: softmax, norms, argmax and the like, along rows
struct OrderKernels;    // order.h: sorting, cumulative sums, unique values
struct IndexKernels;    // indexing.h: strided copies, gather, scatter
struct ConvKernels;     // convolution.h
struct PoolKernels;     // pooling.h
struct RandomKernels;   // random.h
struct SolverKernels;   // solvers.h: decompositions and linear systems
struct LoopKernels;     // loops.h: loops that stay on the device

struct Table {
  int32_t version;   // kTableVersion
  const char* kind;  // "cuda": devices are called "cuda", "cuda:1", ...

  // Usable devices. 0 is a normal answer: `text` then says why.
  int (*count)(char* text, size_t size);
  // One line: "NVIDIA H200 (compute capability 9.0, 139.8 GiB)".
  Status (*describe)(int device, char* text, size_t size);
  Status (*memory_info)(int device, size_t* free, size_t* total);
  // What a code means, with what the driver says; valid until the next call on this thread.
  const char* (*error_text)(Status status);
  // Where to look first for libraries that kernels use if they are installed: folders separated by
  // ':'. To be called before anything else.
  void (*set_library_folders)(const char* folders);

  // At least 256-byte aligned.
  Status (*allocate)(int device, size_t bytes, void** block);
  Status (*release)(int device, void* block);
  // Host memory that copies from and to the device are fast with.
  Status (*allocate_staging)(size_t bytes, void** block);
  Status (*release_staging)(void* block);

  Status (*open_stream)(int device, Stream** stream);
  void (*close_stream)(Stream* stream);
  // The driver's own handle (a cudaStream_t), for other libraries.
  void* (*native_stream)(Stream* stream);
  // Waits until all that was queued is done.
  Status (*synchronize)(Stream* stream);
  // Work queued from now on waits until what `other` (native handle) has queued so far is done.
  Status (*wait_for_native)(Stream* stream, void* other);

  // `from` of upload and `to` of download are the host's. They return when the host memory may be
  // reused: at once if it is staging memory (which must stay as it is until the stream gets there).
  Status (*upload)(Stream* stream, void* to, const void* from, size_t bytes);
  Status (*download)(Stream* stream, void* to, const void* from, size_t bytes);
  // `unless`: null, or an int on the device; if that is not 0 when the copy's turn comes, nothing
  // is copied.
  Status (*copy)(Stream* stream, void* to, const void* from, size_t bytes, const int* unless);
  // From another device of the same kind, whose work on `from` is done.
  Status (*copy_from)(Stream* stream, void* to, int device, const void* from, size_t bytes);
  Status (*clear)(Stream* stream, void* to, size_t bytes);  // to zero

  // Between these two, work is recorded instead of run.
  Status (*begin_recording)(Stream* stream);
  // On failure *recording is null and recording has ended all the same.
  Status (*end_recording)(Stream* stream, Recording** recording);
  Status (*replay)(Stream* stream, Recording* recording);
  void (*drop_recording)(Recording* recording);

  const FusedKernels* fused;
  const ProductKernels* products;
  const RowKernels* rows;
  const OrderKernels* order;
  const IndexKernels* indexing;
  const ConvKernels* convolution;
  const PoolKernels* pooling;
  const RandomKernels* random;
  const SolverKernels* solvers;
  const LoopKernels* loops;
};

// Exported by a plug-in; null if it was built for another version.
using GetTable = const Table* (*)(int32_t version);
inline constexpr char kGetTable[] = "phintys_device_table";

}  // namespace phintys::device
