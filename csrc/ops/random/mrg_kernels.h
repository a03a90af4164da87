// Steps of MRG31k3p streams, for each instruction set.
#pragma once

#include "kernels/isa.h"

namespace phintys {

// Streams that are stepped together.
inline constexpr int kMrgTile = 64;

// Word w of stream i is word[w][i].
struct MrgTile {
  uint32_t word[6][kMrgTile];
};

// Steps the first `streams` streams of a tile `steps` times; what stream i gives in step k, between
// 1 and 2^31 - 1, goes to out[k * stride + i].
#define PHINTYS_DECLARE_MRG(isa)                                                                 \
  namespace isa {                                                                                \
  void mrg_fill_f32(MrgTile& tile, int streams, int64_t steps, int64_t stride, float* out);      \
  void mrg_fill_f64(MrgTile& tile, int streams, int64_t steps, int64_t stride, double* out);     \
  void mrg_fill_words(MrgTile& tile, int streams, int64_t steps, int64_t stride, uint32_t* out); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_MRG)
#undef PHINTYS_DECLARE_MRG

}  // namespace phintys
