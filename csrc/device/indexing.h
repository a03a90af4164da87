// Kernels that move elements: strided copies, gathering, scattering, masks, and what is filled by a
// formula.
//
// All are deterministic. Sizes may exceed 32 bits. A function that takes `failed` writes 1 to it on
// the device where an operand must be refused, and leaves the element alone.
#pragma once

#include "device/table.h"

namespace phintys::device {

inline constexpr int kMaxIndices = 8;
inline constexpr int kMaxParts = 32;

enum class IndexKind : int32_t {
  numbers,  // an integer array: negative ones count from the end
  offsets,  // an int64 array of byte offsets that are known to be good
  slice,    // three int64: start, step and length of a resolved slice, indexed by its own position
  where,    // a mask: there is an element only where it is true; it moves nothing
};

// What decides the place along one axis of an array. At position p of a region, the element at
// data + p . strides is the index (of a slice: p . strides is the index in it).
struct Index {
  IndexKind kind;
  DType dtype;  // of numbers
  const char* data;
  int64_t strides[kMaxRank];  // bytes (of a slice: elements) for each dimension of the region
  int64_t length;             // of the axis: an index is good in [-length, length)
  // Bytes between neighbours on the axis; of offsets: a number that divides them all.
  int64_t step;
};

// Elements of an array `base` named by the positions of a region: at position p the one at
// base + p . base_strides + the sum over indices of index * step. `values` has an element for each
// position.
struct Region {
  DType dtype;
  int32_t ndim;
  int64_t shape[kMaxRank];
  char* base;
  int64_t base_strides[kMaxRank];  // bytes; 0 along dimensions of which only indices know
  char* values;
  int64_t value_strides[kMaxRank];
  int32_t count;
  Index indices[kMaxIndices];
  // Bit d: positions that differ along dimension d may name one element. Those that differ along
  // other dimensions only never do.
  uint32_t repeats;
};

// Where a mask is true: for element j of those, out[k][j] = sum over d of its index along d times
// weights[k][d].
struct TrueList {
  Tensor mask;    // bool, dimensions as they are
  int64_t count;  // what out has room for: any other number of true elements fails
  int32_t lists;
  int64_t* out[kMaxRank];
  int64_t weights[kMaxRank][kMaxRank];
};

// A slice with bounds on the device, each an integer scalar; or null: then a constant, or absent.
struct Slice {
  const void* bounds[3];  // start, stop, step
  DType dtypes[3];
  bool has_constant[3];
  int64_t constants[3];
  int64_t length;    // of the axis
  int64_t expected;  // length of the result, or -1: any
};

enum class PatchMode : int32_t { valid, ignore_borders, wrap_centered, half, full };

// Patches of images as rows of a matrix (images2neibs), or the sum of patches at their places.
struct Patches {
  Tensor images;       // batch, channels, height, width
  Tensor rows;         // patches, elements of one
  Tensor shape, step;  // vectors of two integers, which fit the others
  PatchMode mode;
};

// A compressed sparse matrix [major, minor] and dense ones, rows in one piece. Integer vectors are
// all of dtype `index`.
struct Sparse {
  DType dtype, index;
  const char *values, *indices, *indptr;
  int64_t major, minor, count;
  Tensor minor_value;  // if its data is not null: an integer scalar that must be `minor`
  int64_t columns;     // of the dense matrices
  const char *left, *right;
  char* out;
};

struct IndexKernels {
  // to = from: of one dtype and one shape, of which each may have merged dimensions of its own.
  // They share no memory. `unless`: null, or an int on the device; if it is not 0 when the copy's
  // turn comes, nothing is copied.
  Status (*copy)(Stream* stream, const Tensor& to, const Tensor& from, const int* unless);
  // to[0] is of shape [n]: to[i] = the element at items[i], which is the host's list of device
  // addresses.
  Status (*collect)(Stream* stream, const Tensor& to, const void* const* items);

  // values = the named elements.
  Status (*gather)(Stream* stream, const Region& region, int* failed);
  // The named elements = values, or += values; of equal names in C order of the positions, so that
  // the last value stays and sums are those of a loop. base + ... are bytes of a C-contiguous
  // array.
  Status (*scatter)(Stream* stream, const Region& region, bool add, void* scratch, int* failed);
  // Bytes that scatter needs; SIZE_MAX: there is no kernel for this region.
  size_t (*scatter_scratch)(const Region& region);
  // Fails unless all indices are in [-length, length).
  Status (*check)(Stream* stream, const Tensor& index, int64_t length, int* failed);
  // range = start, step and length, as Python resolves slices.
  Status (*resolve)(Stream* stream, const Slice& slice, int64_t* range, int* failed);
  // Fails unless all elements are true (not 0).
  Status (*require)(Stream* stream, const Tensor& conditions, int* failed);

  size_t (*mask_scratch)(int64_t elements);
  Status (*count_true)(Stream* stream, const Tensor& mask, int64_t* total, void* scratch);
  Status (*list_true)(Stream* stream, const TrueList& list, void* scratch, int* failed);
  // to (int64, contiguous) = index i counts[i] times, for each i in turn. Fails if the counts do
  // not add up to its length. Scratch: repeat_scratch bytes.
  Status (*repeat)(Stream* stream, const Tensor& to, const Tensor& counts, void* scratch,
                   int* failed);
  size_t (*repeat_scratch)(int64_t counts);
  // to = for each element that of the choice that `which` numbers. All have the shape of `to`.
  // `choices` is a table of n on the device. mode: 0 fails for numbers out of range, 1 wraps them,
  // 2 clips them.
  Status (*choose)(Stream* stream, const Tensor& to, const Tensor& which, const Tensor* choices,
                   int64_t n, int mode, int* failed);

  // to[i] = start + i * step; scalars of any real dtype. Contiguous.
  Status (*arange)(Stream* stream, const Tensor& to, const Tensor& start, const Tensor& step);
  // A contiguous matrix with ones on diagonal k, an integer scalar.
  Status (*eye)(Stream* stream, const Tensor& to, const Tensor& k);
  // to (contiguous) = from summed along the dimensions where to's shape is 1.
  Status (*sum)(Stream* stream, const Tensor& to, const Tensor& from, void* scratch);
  size_t (*sum_scratch)(const Tensor& to, const Tensor& from);

  // rows (contiguous) from images, or images (contiguous) from rows.
  Status (*patches)(Stream* stream, const Patches& patches);
  Status (*add_patches)(Stream* stream, const Patches& patches);

  // out [major, columns] = the sparse matrix times right [minor, columns].
  Status (*sparse_dot)(Stream* stream, const Sparse& sparse, int* failed);
  // out [minor, columns] = the sparse matrix, transposed, times right [major, columns].
  Status (*sparse_dot_transposed)(Stream* stream, const Sparse& sparse, void* scratch, int* failed);
  size_t (*sparse_scratch)(const Sparse& sparse);
  // out [count]: for each entry (i, j) the product of row i of left and row j of right.
  Status (*sparse_sample)(Stream* stream, const Sparse& sparse, int* failed);
  // out [major, minor] = the sparse matrix.
  Status (*sparse_to_dense)(Stream* stream, const Sparse& sparse, int* failed);
  // out [count] = the elements of `dense` [major, minor], of any strides, where there are entries.
  Status (*sparse_gather)(Stream* stream, const Sparse& sparse, const Tensor& dense, int* failed);
};

}  // namespace phintys::device
