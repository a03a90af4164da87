// Conversions between words of the interpreter, as the tile kernels of vm/tiles_cast.cpp.
#pragma once

#include "fused/values.h"

namespace phintys::cuda::fused {

// What lies in a word of a dtype.
enum class Held : uint8_t { i32, i64, u64, f16, f32, f64, c64, c128 };

PHINTYS_INLINE Held held(DType d) {
  switch (d) {
    case DType::u32:
    case DType::i64:
      return Held::i64;
    case DType::u64:
      return Held::u64;
    case DType::f16:
      return Held::f16;
    case DType::f32:
      return Held::f32;
    case DType::f64:
      return Held::f64;
    case DType::c64:
      return Held::c64;
    case DType::c128:
      return Held::c128;
    default:
      return Held::i32;
  }
}

// Whether words of kWord bytes hold values of the dtype.
constexpr bool fits(int word, DType d) {
  switch (d) {
    case DType::u32:
    case DType::i64:
    case DType::u64:
    case DType::f64:
      return word >= 8;
    case DType::c64:
    case DType::c128:
      return word == 16;
    default:
      return true;
  }
}

template <int kWord, DType kDType>
constexpr bool kFits = fits(kWord, kDType);

struct ComplexNumber {
  double re, im;
};

template <Held kHeld>
PHINTYS_INLINE auto read_held(const uint32_t* r) {
  if constexpr (kHeld == Held::i32) {
    return static_cast<int32_t>(r[0]);
  } else if constexpr (kHeld == Held::i64) {
    return static_cast<int64_t>(join_halves(r));
  } else if constexpr (kHeld == Held::u64) {
    return join_halves(r);
  } else if constexpr (kHeld == Held::f16) {
    return gpu::half_to_float(static_cast<uint16_t>(r[0]));
  } else if constexpr (kHeld == Held::f32) {
    return __builtin_bit_cast(float, r[0]);
  } else if constexpr (kHeld == Held::f64) {
    return __builtin_bit_cast(double, join_halves(r));
  } else if constexpr (kHeld == Held::c64) {
    return ComplexNumber{read_held<Held::f32>(r), read_held<Held::f32>(r + 1)};
  } else {
    return ComplexNumber{read_held<Held::f64>(r), read_held<Held::f64>(r + 2)};
  }
}

template <DType kTo, class From>
PHINTYS_INLINE void write_as(uint32_t* r, From x) {
  if constexpr (__is_same(From, ComplexNumber)) {
    if constexpr (kTo == DType::c64) {
      to_word(r, SF32{static_cast<float>(x.re)});
      to_word(r + 1, SF32{static_cast<float>(x.im)});
    } else if constexpr (kTo == DType::c128) {
      to_word(r, SF64{x.re});
      to_word(r + 2, SF64{x.im});
    }
  } else if constexpr (kTo == DType::b8) {
    r[0] = convert<bool>(x) ? 1 : 0;
  } else if constexpr (kTo == DType::i8) {
    r[0] = static_cast<uint32_t>(static_cast<int32_t>(convert<int8_t>(x)));
  } else if constexpr (kTo == DType::i16) {
    r[0] = static_cast<uint32_t>(static_cast<int32_t>(convert<int16_t>(x)));
  } else if constexpr (kTo == DType::i32) {
    r[0] = static_cast<uint32_t>(convert<int32_t>(x));
  } else if constexpr (kTo == DType::u8) {
    r[0] = convert<uint8_t>(x);
  } else if constexpr (kTo == DType::u16) {
    r[0] = convert<uint16_t>(x);
  } else if constexpr (kTo == DType::u32) {
    split_halves(r, convert<uint32_t>(x));
  } else if constexpr (kTo == DType::i64) {
    split_halves(r, static_cast<uint64_t>(convert<int64_t>(x)));
  } else if constexpr (kTo == DType::u64) {
    split_halves(r, convert<uint64_t>(x));
  } else if constexpr (kTo == DType::f16) {
    if constexpr (__is_same(From, double)) {
      r[0] = gpu::float_to_half(to_single_for_half(x));
    } else {
      r[0] = gpu::float_to_half(convert<float>(x));
    }
  } else if constexpr (kTo == DType::f32) {
    to_word(r, SF32{convert<float>(x)});
  } else if constexpr (kTo == DType::f64) {
    to_word(r, SF64{convert<double>(x)});
  } else if constexpr (kTo == DType::c64) {
    to_word(r, SF32{convert<float>(x)});
    r[1] = 0;
  } else {
    to_word(r, SF64{convert<double>(x)});
    split_halves(r + 2, 0);
  }
}

// kCount words from r on.
template <int kWord, int kCount, Held kFrom, DType kTo>
PHINTYS_INLINE void cast_each(uint32_t* r) {
  if constexpr (kFits<kWord, kTo>) {
    PHINTYS_UNROLL
    for (int i = 0; i < kCount; ++i) {
      uint32_t* const p = r + i * kHalves<kWord>;
      write_as<kTo>(p, read_held<kFrom>(p));
    }
  }
}
template <int kWord, int kCount, Held kFrom>
PHINTYS_INLINE void cast_from(uint32_t* r, DType to) {
  switch (to) {
#define X(e, t, n)                                \
  case DType::e:                                  \
    cast_each<kWord, kCount, kFrom, DType::e>(r); \
    break;
    PHINTYS_DTYPES(X)
#undef X
  }
}
template <int kWord, int kCount>
PHINTYS_INLINE void cast_words(uint32_t* r, DType from, DType to) {
  switch (held(from)) {
    case Held::i32:
      return cast_from<kWord, kCount, Held::i32>(r, to);
    case Held::f16:
      return cast_from<kWord, kCount, Held::f16>(r, to);
    case Held::f32:
      return cast_from<kWord, kCount, Held::f32>(r, to);
    default:
      break;
  }
  if constexpr (kWord >= 8) {
    switch (held(from)) {
      case Held::i64:
        return cast_from<kWord, kCount, Held::i64>(r, to);
      case Held::u64:
        return cast_from<kWord, kCount, Held::u64>(r, to);
      case Held::f64:
        return cast_from<kWord, kCount, Held::f64>(r, to);
      default:
        break;
    }
  }
  if constexpr (kWord == 16) {
    if (held(from) == Held::c64) return cast_from<kWord, kCount, Held::c64>(r, to);
    if (held(from) == Held::c128) return cast_from<kWord, kCount, Held::c128>(r, to);
  }
}

// Those of a group.
template <int kWord>
__device__ __noinline__ Chunk cast_chunk(Chunk c, DType from, DType to) {
  cast_words<kWord, kLanes<kWord>>(c.r, from, to);
  return c;
}

}  // namespace phintys::cuda::fused
