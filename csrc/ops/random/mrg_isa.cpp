// Loops over the streams of a tile, which the compiler vectorises. Integers, and one product of
// floats: the same bits from every instruction set.
#include "kernels/simd/vec.h"
#include "ops/random/mrg_kernels.h"

namespace phintys::PHINTYS_ISA {

namespace {

constexpr uint32_t kM1 = 2147483647u;  // 2^31 - 1
constexpr uint32_t kM2 = 2147462579u;  // 2^31 - 21069

// y - m where y >= m: the other choice wraps around to a larger number.
PHINTYS_INLINE uint32_t reduce(uint32_t y, uint32_t m) { return y - m < y ? y - m : y; }

// The next number of each stream.
PHINTYS_INLINE void step(MrgTile& t, int streams, uint32_t* out) {
  for (int i = 0; i < streams; ++i) {
    const uint32_t x11 = t.word[0][i], x12 = t.word[1][i], x13 = t.word[2][i];
    const uint32_t x21 = t.word[3][i], x22 = t.word[4][i], x23 = t.word[5][i];
    // 2^22 x12 + (2^7 + 1) x13 modulo m1.
    uint32_t a = ((x12 & 511u) << 22) + (x12 >> 9) + ((x13 & 16777215u) << 7) + (x13 >> 24);
    a = reduce(reduce(a, kM1) + x13, kM1);
    // 2^15 x21 + (2^15 + 1) x23 modulo m2.
    const uint32_t b = reduce(((x21 & 65535u) << 15) + 21069u * (x21 >> 16), kM2);
    uint32_t c = reduce(((x23 & 65535u) << 15) + 21069u * (x23 >> 16), kM2);
    c = reduce(reduce(c + x23, kM2) + b, kM2);
    t.word[2][i] = x12;
    t.word[1][i] = x11;
    t.word[0][i] = a;
    t.word[5][i] = x22;
    t.word[4][i] = x21;
    t.word[3][i] = c;
    out[i] = a <= c ? a - c + kM1 : a - c;
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

// The factors are the largest with which 2^31 - 1 stays below 1.
void mrg_fill_f32(MrgTile& tile, int streams, int64_t steps, int64_t stride, float* out) {
  fill(tile, streams, steps, stride, 4.6566126e-10f, out);
}

void mrg_fill_f64(MrgTile& tile, int streams, int64_t steps, int64_t stride, double* out) {
  fill(tile, streams, steps, stride, 4.656612873077392578125e-10, out);
}

void mrg_fill_words(MrgTile& tile, int streams, int64_t steps, int64_t stride, uint32_t* out) {
  for (int64_t k = 0; k < steps; ++k, out += stride) step(tile, streams, out);
}

}  // namespace phintys::PHINTYS_ISA
