// Conversions between element types, for one instruction set.
#include "vm/tiles_convert.h"
#include "vm/tiles_memory.h"
#include "vm/tiles_tables.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {
namespace {

using namespace phintys::PHINTYS_ISA;  // NOLINT: value types of this instruction set

constexpr int kChunk = 256;

template <class From, class To>
PHINTYS_INLINE void convert_row(To* out, const From* in, int64_t n) {
  // ivdep: in place only between types of one size, and then element by element.
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = convert<To>(in[i]);
}

template <class From, class To>
void cast_plain(void* out, const void* in, const void*, const void*, int64_t n) {
  convert_row(static_cast<To*>(out), static_cast<const From*>(in), n);
}

template <class T>
void cast_same(void* out, const void* in, const void*, const void*, int64_t n) {
  auto* const o = static_cast<T*>(out);
  const auto* const x = static_cast<const T*>(in);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) o[i] = x[i];
}

template <class To>
void cast_from_half(void* out, const void* in, const void*, const void*, int64_t n) {
  float row[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    halves_to_singles(row, static_cast<const uint16_t*>(in) + i, m);
    convert_row(static_cast<To*>(out) + i, row, m);
  }
}

template <class From>
void cast_to_half(void* out, const void* in, const void*, const void*, int64_t n) {
  float row[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    const From* const x = static_cast<const From*>(in) + i;
    if constexpr (__is_same(From, double)) {
#pragma GCC ivdep
      for (int64_t k = 0; k < m; ++k) row[k] = to_single_for_half(x[k]);
    } else {
      convert_row(row, x, m);
    }
    singles_to_halves(static_cast<uint16_t*>(out) + i, row, m);
  }
}

// A complex row is pairs (real part, imaginary part).
template <class From, class To>
void cast_to_complex(void* out, const void* in, const void*, const void*, int64_t n) {
  auto* const o = static_cast<To*>(out);
  const auto* const x = static_cast<const From*>(in);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    o[2 * i] = convert<To>(x[i]);
    o[2 * i + 1] = To{0};
  }
}

template <class To>
void cast_half_to_complex(void* out, const void* in, const void*, const void*, int64_t n) {
  float row[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = n - i < kChunk ? n - i : kChunk;
    halves_to_singles(row, static_cast<const uint16_t*>(in) + i, m);
    cast_to_complex<float, To>(static_cast<To*>(out) + 2 * i, row, nullptr, nullptr, m);
  }
}

template <class From, class To>
void cast_complex(void* out, const void* in, const void*, const void*, int64_t n) {
  convert_row(static_cast<To*>(out), static_cast<const From*>(in), 2 * n);
}

template <TileFn kCast>
void cast_one(void* out, const void* in, const void*, const void*, int64_t) {
  kCast(out, in, nullptr, nullptr, 1);
}

template <TileFn kCast>
void set(KernelTables* tables, DType from, DType to) {
  TileKernels& k = tables->cast[static_cast<int>(from)][static_cast<int>(to)];
  k.tile[0] = kCast;
  k.scalar = cast_one<kCast>;
}

template <class From, class To>
void fill_pair(KernelTables* tables, DType from, DType to) {
  if constexpr (__is_same(From, To)) {
    set<cast_same<From>>(tables, from, to);
  } else {
    set<cast_plain<From, To>>(tables, from, to);
  }
}

template <class From>
void fill_from(KernelTables* t, DType from) {
  fill_pair<From, bool>(t, from, DType::b8);
  fill_pair<From, int8_t>(t, from, DType::i8);
  fill_pair<From, int16_t>(t, from, DType::i16);
  fill_pair<From, int32_t>(t, from, DType::i32);
  fill_pair<From, int64_t>(t, from, DType::i64);
  fill_pair<From, uint8_t>(t, from, DType::u8);
  fill_pair<From, uint16_t>(t, from, DType::u16);
  fill_pair<From, uint32_t>(t, from, DType::u32);
  fill_pair<From, uint64_t>(t, from, DType::u64);
  set<cast_to_half<From>>(t, from, DType::f16);
  fill_pair<From, float>(t, from, DType::f32);
  fill_pair<From, double>(t, from, DType::f64);
  set<cast_to_complex<From, float>>(t, from, DType::c64);
  set<cast_to_complex<From, double>>(t, from, DType::c128);
}

void fill_from_half(KernelTables* t) {
  constexpr DType kFrom = DType::f16;
  set<cast_from_half<bool>>(t, kFrom, DType::b8);
  set<cast_from_half<int8_t>>(t, kFrom, DType::i8);
  set<cast_from_half<int16_t>>(t, kFrom, DType::i16);
  set<cast_from_half<int32_t>>(t, kFrom, DType::i32);
  set<cast_from_half<int64_t>>(t, kFrom, DType::i64);
  set<cast_from_half<uint8_t>>(t, kFrom, DType::u8);
  set<cast_from_half<uint16_t>>(t, kFrom, DType::u16);
  set<cast_from_half<uint32_t>>(t, kFrom, DType::u32);
  set<cast_from_half<uint64_t>>(t, kFrom, DType::u64);
  set<cast_same<uint16_t>>(t, kFrom, DType::f16);
  set<cast_from_half<float>>(t, kFrom, DType::f32);
  set<cast_from_half<double>>(t, kFrom, DType::f64);
  set<cast_half_to_complex<float>>(t, kFrom, DType::c64);
  set<cast_half_to_complex<double>>(t, kFrom, DType::c128);
}

}  // namespace

void fill_cast(KernelTables* tables) {
  fill_from<bool>(tables, DType::b8);
  fill_from<int8_t>(tables, DType::i8);
  fill_from<int16_t>(tables, DType::i16);
  fill_from<int32_t>(tables, DType::i32);
  fill_from<int64_t>(tables, DType::i64);
  fill_from<uint8_t>(tables, DType::u8);
  fill_from<uint16_t>(tables, DType::u16);
  fill_from<uint32_t>(tables, DType::u32);
  fill_from<uint64_t>(tables, DType::u64);
  fill_from_half(tables);
  fill_from<float>(tables, DType::f32);
  fill_from<double>(tables, DType::f64);
  set<cast_complex<float, float>>(tables, DType::c64, DType::c64);
  set<cast_complex<float, double>>(tables, DType::c64, DType::c128);
  set<cast_complex<double, float>>(tables, DType::c128, DType::c64);
  set<cast_complex<double, double>>(tables, DType::c128, DType::c128);
}

}  // namespace phintys::vm::PHINTYS_ISA
