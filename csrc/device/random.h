// Random numbers on a device: bit for bit those of the host.
#pragma once

#include "device/table.h"

namespace phintys::device {

// What philox_draw draws; see ops/random/philox_draw.h.
enum class Law : int32_t {
  bits,
  uniform,
  normal,
  exponential,
  gamma,
  log_gamma,
  truncated_normal,
  poisson,
  binomial,
  integers,
};

// What all draws from a counter-based stream have. `next` may be the same memory as the state.
struct RandomStream {
  const uint64_t* state;  // key, number of the draw
  int64_t stride;         // bytes between the two
  uint64_t* next;         // contiguous
  int* failed;            // becomes 1 on parameters that the host refuses
};

// `size` numbers in C order. Parameters have `size` elements, broadcast.
struct RandomDraw {
  RandomStream stream;
  Law law;
  DType dtype;
  void* out;
  int64_t size;
  Tensor parameters[2];
};

// Rows of probabilities p[..., k] (float64). `rows` is p without its last axis, broadcast to the
// rows of the result.
struct RandomRows {
  RandomStream stream;
  Tensor rows;
  int64_t k, stride;  // of the last axis of p, bytes
  bool uniform;       // all rows are one
  Tensor trials;      // multinomial: int64, broadcast to the rows of the result
  int64_t n;          // rows of the result
  int64_t m;          // sample: numbers in a row
  int64_t* out;
  void* scratch;
};

// `rows` rows of `m` different numbers below *n.
struct RandomPermutation {
  RandomStream stream;
  const int64_t* n;
  int64_t rows, m;
  int64_t* out;
  void* scratch;
};

// MRG31k3p: number i comes from stream i modulo `streams`. `states` is int32[streams, 6],
// contiguous, and is moved on.
struct MrgDraw {
  int32_t* states;
  int64_t streams, size;
  DType dtype;  // f16, f32, f64
  void* out;
};

// See ChooseFromUniform in ops/random/mrg.h.
struct RandomChoice {
  Tensor p;  // matrix, f32 or f64
  Tensor u;  // vector, f32 or f64
  int64_t rows, columns, n;
  bool replace;
  int64_t* out;
  void* scratch;  // without replacement: rows * columns elements of p's dtype
};

struct RandomKernels {
  Status (*draw)(Stream* stream, const RandomDraw& draw);
  Status (*categorical)(Stream* stream, const RandomRows& rows);
  Status (*multinomial)(Stream* stream, const RandomRows& rows);
  Status (*sample)(Stream* stream, const RandomRows& rows);
  Status (*permutation)(Stream* stream, const RandomPermutation& permutation);
  // Bytes of scratch that each of them needs; what it is for is in the specification.
  size_t (*categorical_scratch)(const RandomRows& rows);
  size_t (*sample_scratch)(const RandomRows& rows);
  size_t (*permutation_scratch)(const RandomPermutation& permutation);
  Status (*mrg)(Stream* stream, const MrgDraw& draw);
  Status (*choose)(Stream* stream, const RandomChoice& choice);
};

}  // namespace phintys::device
