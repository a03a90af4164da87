// How a convolution becomes products of matrices whose second factor is gathered on the way.
//
// Forward: result[m, n] = sum over k of filters[m, k] * source[n, k], where n is an image and an
// output point, k an input channel and a tap. The element of the source lies at the point of n plus
// a displacement that depends on k alone, which a table holds; outside the source it is 0.
//
// The gradient of the input is the same with the gradient of the output as source, taken apart by
// the remainders of input points modulo the stride ("phases"): points of one phase meet the same
// taps, at displacements that do not depend on the point.
//
// The gradient of the filters sums over images and output points, with the forward table.
//
// prepare() writes to scratch memory what the kernels read: the phases, the tables, and the filters
// in the order in which blocks read them, with zeros up to whole blocks.
#pragma once

#include "convolution/fast_divide.h"
#include "device/convolution.h"

namespace phintys::cuda {

using device::Convolution;
using device::ConvPart;

inline constexpr int kMaxBlockRows = 128;  // a multiple of the rows of every block
inline constexpr int kMaxBlockTerms = 16;  // the same for terms
inline constexpr int kMaxSplits = 64;

// Terms of a sum: where their element of the source lies, relative to the first of a point.
struct ConvTerm {
  int32_t offset;  // elements
  int32_t d[3];    // of coordinates
};

struct ConvPhase {
  int32_t columns, terms;
  FastDivide points[3];  // of the phase, along each axis
  int32_t first[3];      // of the results' coordinates
};

struct ConvPlanAxis {
  int32_t source, result;            // lengths
  int32_t kernel, stride, dilation;  // of the convolution
  int32_t lo;
  int32_t source_step, result_step;  // from one point of a phase to the next
};

struct ConvPlan {
  bool gradient, flip;
  int32_t batch, groups;
  int32_t rows, channels;  // of a group: of the result, of the source
  ConvPlanAxis axis[3];
  int32_t phases;
  int32_t terms;                      // the most that a phase has
  int32_t padded_rows, padded_terms;  // of packed filters
  int64_t columns;                    // the most that a phase has
  // Elements.
  int64_t source_image, source_channel, source_spatial[3];
  int64_t filter_row, filter_channel, filter_group, filter_tap[3];
  int64_t result_image, result_plane;  // dense

  const void* source;
  const void* filters;
  void* result;
  // In scratch.
  ConvPhase* phase;
  ConvTerm* table;
  void* packed;
  void* partial;
  int32_t splits;
  int64_t result_size;
};

// Blocks of the result: 64 x 64 but for few_rows (32 x 128) and the large ones (128 x 128).
enum class BlockKind { f64, few_rows, small, large, small_tensor, large_tensor };

// A point of the result (of the output's gradient, for filters) as coordinates of its phase.
struct ConvPoint {
  uint32_t image, at[3];
};
__device__ __forceinline__ ConvPoint point_of(const FastDivide* points, uint32_t column) {
  ConvPoint p;
  column = points[2].split(column, &p.at[2]);
  column = points[1].split(column, &p.at[1]);
  p.image = points[0].split(column, &p.at[0]);
  return p;
}

// Queue the work; `plan` has all pointers.
Status prepare(Stream* stream, const ConvPlan& plan, DType dtype, bool pack);
Status gather_product(Stream* stream, const ConvPlan& plan, BlockKind kind);
Status filter_product(Stream* stream, const ConvPlan& plan, BlockKind kind);
// result[i] = the sum of partial[s * size + i] over s < splits.
Status join_partials(Stream* stream, const void* partial, void* result, int64_t size, int splits,
                     DType dtype);

// Without tables: few channels in a group (direct.cu).
bool takes_direct(const Convolution& conv);
int64_t direct_scratch(const Convolution& conv);
Status direct(Stream* stream, const Convolution& conv, const ConvPlan& plan);

}  // namespace phintys::cuda
