// Loops over the streams of a tile, which the compiler vectorises. Integers, and one product of
// floats: the same bits from every instruction set.
#include "kernels/simd/vec.h"
#include "ops/random/mrg_kernels.h"
#include "ops/random/mrg_step.h"

namespace phintys::PHINTYS_ISA {

namespace {

// The next number of each stream.
PHINTYS_INLINE void step(MrgTile& t, int streams, uint32_t* out) {
  for (int i = 0; i < streams; ++i) {
    out[i] = mrg::step(t.word[0][i], t.word[1][i], t.word[2][i], t.word[3][i], t.word[4][i],
                       t.word[5][i]);
  }
}

template <class T>
PHINTYS_INLINE void fill(MrgTile& tile, int streams, int64_t steps, int64_t stride, T norm,
                         T* out) {
  uint32_t raw[kMrgTile];
  for (int64_t k = 0; k < steps; ++k, out += stride) {
    if (streams == kMrgTile) {
      step(tile, kMrgTile, raw);
      for (int i = 0; i < kMrgTile; ++i) {
        out[i] = static_cast<T>(static_cast<int32_t>(raw[i])) * norm;
      }
    } else {
      step(tile, streams, raw);
      for (int i = 0; i < streams; ++i) {
        out[i] = static_cast<T>(static_cast<int32_t>(raw[i])) * norm;
      }
    }
  }
}

}  // namespace

void mrg_fill_f32(MrgTile& tile, int streams, int64_t steps, int64_t stride, float* out) {
  fill(tile, streams, steps, stride, mrg::kNorm32, out);
}

void mrg_fill_f64(MrgTile& tile, int streams, int64_t steps, int64_t stride, double* out) {
  fill(tile, streams, steps, stride, mrg::kNorm64, out);
}

void mrg_fill_words(MrgTile& tile, int streams, int64_t steps, int64_t stride, uint32_t* out) {
  for (int64_t k = 0; k < steps; ++k, out += stride) step(tile, streams, out);
}

}  // namespace phintys::PHINTYS_ISA
