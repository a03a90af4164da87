// Between the arrays of a fused region and the interpreter's accumulators.
#pragma once

#include "dtypes.h"
#include "fused/values.h"

namespace phintys::cuda::fused {

// The inner positions of a thread's groups: runs of elements, `step` from group to group, that stop
// at `end`.
template <int kWord>
struct Spans {
  int64_t first;
  int64_t end;
  int step;

  PHINTYS_INLINE int64_t at(int g) const { return first + g * step; }
  PHINTYS_INLINE int count(int g) const {
    const int64_t left = end - at(g);
    return left <= 0 ? 0 : left < kLanes<kWord> ? static_cast<int>(left) : kLanes<kWord>;
  }
  PHINTYS_INLINE bool whole() const { return at(kFusedGroups - 1) + kLanes<kWord> <= end; }
};

// Bytes from an input's start to flat position `at` of `count` dimensions from `first` on.
PHINTYS_INLINE int64_t offset_of(const FusedProgram& p, const FusedInput& in, int first, int count,
                                 int64_t at) {
  if (count == 0) return 0;
  int64_t offset = 0;
  if (p.wide) {
    for (int d = first + count - 1; d > first; --d) {
      const int64_t quotient = at / p.dims[d].size;
      offset += (at - quotient * p.dims[d].size) * in.strides[d];
      at = quotient;
    }
    return offset + at * in.strides[first];
  }
  auto rest = static_cast<uint32_t>(at);
  for (int d = first + count - 1; d > first; --d) {
    const auto high = static_cast<uint32_t>(static_cast<uint64_t>(rest) * p.dims[d].multiply >> 32);
    const uint32_t quotient = high >> p.dims[d].shift;
    const uint32_t place = rest - quotient * static_cast<uint32_t>(p.dims[d].size);
    offset += static_cast<int64_t>(place) * in.strides[d];
    rest = quotient;
  }
  return offset + static_cast<int64_t>(rest) * in.strides[first];
}

// One element into a word.
template <int kWord>
PHINTYS_INLINE void load_word(uint32_t* r, const char* p, DType d) {
  switch (d) {
    case DType::b8:
    case DType::u8:
      r[0] = *reinterpret_cast<const uint8_t*>(p);
      return;
    case DType::i8:
      r[0] = static_cast<uint32_t>(static_cast<int32_t>(*reinterpret_cast<const int8_t*>(p)));
      return;
    case DType::u16:
    case DType::f16:
      r[0] = *reinterpret_cast<const uint16_t*>(p);
      return;
    case DType::i16:
      r[0] = static_cast<uint32_t>(static_cast<int32_t>(*reinterpret_cast<const int16_t*>(p)));
      return;
    case DType::i32:
    case DType::u32:
    case DType::f32:
      r[0] = *reinterpret_cast<const uint32_t*>(p);
      if constexpr (kWord > 4) r[1] = 0;
      return;
    default:
      break;
  }
  if constexpr (kWord > 4) split_halves(r, *reinterpret_cast<const unsigned long long*>(p));
  if constexpr (kWord == 16) {
    if (d == DType::c128) split_halves(r + 2, reinterpret_cast<const unsigned long long*>(p)[1]);
  }
}
template <int kWord>
PHINTYS_INLINE void store_word(char* p, const uint32_t* r, DType d) {
  switch (item_size_of(d)) {
    case 1:
      *reinterpret_cast<uint8_t*>(p) = static_cast<uint8_t>(r[0]);
      return;
    case 2:
      *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>(r[0]);
      return;
    case 4:
      *reinterpret_cast<uint32_t*>(p) = r[0];
      return;
    default:
      break;
  }
  if constexpr (kWord > 4) *reinterpret_cast<unsigned long long*>(p) = join_halves(r);
  if constexpr (kWord == 16) {
    if (d == DType::c128) reinterpret_cast<unsigned long long*>(p)[1] = join_halves(r + 2);
  }
}

// All elements of a group that lie side by side, aligned.
template <int kWord>
PHINTYS_INLINE void load_whole(Chunk* c, const char* p, DType d) {
  const int size = item_size_of(d);
  if (size == kWord) {
    *c = read_chunk(p);
    return;
  }
  if constexpr (kWord == 4) {
    if (size == 2) {
      const uint2 v = *reinterpret_cast<const uint2*>(p);
      c->r[0] = v.x & 0xffff;
      c->r[1] = v.x >> 16;
      c->r[2] = v.y & 0xffff;
      c->r[3] = v.y >> 16;
      if (d == DType::i16) {
        PHINTYS_UNROLL
        for (int i = 0; i < 4; ++i) c->r[i] = (c->r[i] ^ 0x8000u) - 0x8000u;
      }
    } else {
      const uint32_t v = *reinterpret_cast<const uint32_t*>(p);
      PHINTYS_UNROLL
      for (int i = 0; i < 4; ++i) c->r[i] = v >> (8 * i) & 0xff;
      if (d == DType::i8) {
        PHINTYS_UNROLL
        for (int i = 0; i < 4; ++i) c->r[i] = (c->r[i] ^ 0x80u) - 0x80u;
      }
    }
  } else if constexpr (kWord == 8) {
    if (size == 4) {
      const uint2 v = *reinterpret_cast<const uint2*>(p);
      *c = {{v.x, 0, v.y, 0}};
    } else {
      load_word<kWord>(c->r, p, d);
      load_word<kWord>(c->r + 2, p + size, d);
    }
  } else {
    load_word<kWord>(c->r, p, d);
  }
}
template <int kWord>
PHINTYS_INLINE void store_whole(char* p, const Chunk& c, DType d) {
  const int size = item_size_of(d);
  if (size == kWord) {
    write_chunk(p, c);
    return;
  }
  if constexpr (kWord == 4) {
    if (size == 2) {
      *reinterpret_cast<uint2*>(p) =
          make_uint2((c.r[0] & 0xffff) | c.r[1] << 16, (c.r[2] & 0xffff) | c.r[3] << 16);
    } else {
      *reinterpret_cast<uint32_t*>(p) =
          (c.r[0] & 0xff) | (c.r[1] & 0xff) << 8 | (c.r[2] & 0xff) << 16 | c.r[3] << 24;
    }
  } else if constexpr (kWord == 8) {
    if (size == 4) {
      *reinterpret_cast<uint2*>(p) = make_uint2(c.r[0], c.r[2]);
    } else {
      store_word<kWord>(p, c.r, d);
      store_word<kWord>(p + size, c.r + 2, d);
    }
  } else {
    store_word<kWord>(p, c.r, d);
  }
}

PHINTYS_INLINE bool aligned(const char* p, int bytes) {
  return (reinterpret_cast<uintptr_t>(p) & static_cast<uintptr_t>(bytes - 1)) == 0;
}

// Elements p, p + step, ...
template <int kWord>
PHINTYS_INLINE void load_steps(Chunk* c, const char* p, int64_t step, DType d, int count) {
  constexpr int kCount = kLanes<kWord>;
  const int size = item_size_of(d);
  if (count == kCount && step == size && aligned(p, size * kCount)) {
    load_whole<kWord>(c, p, d);
    return;
  }
  if (count <= 0) return;
  load_word<kWord>(c->r, p, d);
  PHINTYS_UNROLL
  for (int i = 1; i < kCount; ++i) {
    uint32_t* const r = c->r + i * kHalves<kWord>;
    if (step == 0) {
      for (int k = 0; k < kHalves<kWord>; ++k) r[k] = c->r[k];
    } else if (i < count) {
      load_word<kWord>(r, p + i * step, d);
    }
  }
}

// A group of an input, at an outer position that lies `outer` bytes from its start.
template <int kWord>
PHINTYS_INLINE void load_group(const FusedProgram& p, const FusedInput& in, int64_t outer,
                               int64_t at, int count, Chunk* c) {
  *c = Chunk{};
  if (count <= 0) return;
  const char* const base = in.data + outer;
  const int first = p.n_outer;
  const int last = p.n_outer + p.n_inner - 1;
  if (in.access == FusedInput::Access::run) {
    load_steps<kWord>(c, base + at * in.size, in.size, in.dtype, count);
  } else if (in.access == FusedInput::Access::row) {
    load_steps<kWord>(c, base + offset_of(p, in, first, p.n_inner, at),
                      p.n_inner > 0 ? in.strides[last] : 0, in.dtype, count);
  } else {
    PHINTYS_UNROLL
    for (int i = 0; i < kLanes<kWord>; ++i) {
      if (i < count) {
        load_word<kWord>(c->r + i * kHalves<kWord>,
                         base + offset_of(p, in, first, p.n_inner, at + i), in.dtype);
      }
    }
  }
}

// The groups of an input into its slot: whatever the strides, sizes and ends.
template <int kWord>
__device__ __noinline__ void load_any(const FusedProgram& p, const FusedInput& in, int64_t outer,
                                      Spans<kWord> spans, Place to) {
  PHINTYS_ROLLED
  for (int g = 0; g < kFusedGroups; ++g) {
    Chunk c;
    load_group<kWord>(p, in, outer, spans.at(g), spans.count(g), &c);
    to.write(g, c);
  }
}

// All inputs into their slots; the first one into the accumulator too.
template <int kWord>
PHINTYS_INLINE void load_inputs(const FusedProgram& p, Machine<kWord>& m, int64_t outer,
                                const Spans<kWord>& spans) {
  const bool whole = spans.whole();
  PHINTYS_ROLLED
  for (int i = p.n_inputs - 1; i >= 0; --i) {
    const FusedInput& in = p.inputs[i];
    const int64_t start = offset_of(p, in, 0, p.n_outer, outer);
    const char* const from = in.data + start + spans.first * kWord;
    const Place to = m.slot(in.slot);
    if (whole && in.access == FusedInput::Access::run && in.size == kWord && aligned(from, 16)) {
      PHINTYS_UNROLL
      for (int g = 0; g < kFusedGroups; ++g)
        m.acc[g] = read_chunk(from + static_cast<int64_t>(g) * (spans.step * kWord));
      if (i > 0 || p.keep_first) m.keep(to);
    } else {
      load_any<kWord>(p, in, start, spans, to);
      if (i == 0) m.take(to);
    }
  }
}

// Scalars, in every word of 16 bytes.
template <int kWord>
PHINTYS_INLINE void load_scalars(const FusedProgram& p) {
  if (p.n_scalars == 0) return;
  for (unsigned i = threadIdx.x; i < p.n_scalars; i += blockDim.x) {
    Chunk c{};
    load_steps<kWord>(&c, p.scalars[i].data, 0, p.scalars[i].dtype, kLanes<kWord>);
    Place{i * 16u, 0}.write(0, c);
  }
  __syncthreads();
}

template <int kWord>
struct Groups {
  Chunk of[kFusedGroups];
};

template <int kWord>
__device__ __noinline__ void store_any(const FusedOutput& out, Groups<kWord> groups,
                                       Spans<kWord> spans) {
  constexpr int kCount = kLanes<kWord>;
  PHINTYS_UNROLL
  for (int g = 0; g < kFusedGroups; ++g) {
    const int count = spans.count(g);
    char* const to = out.data + spans.at(g) * out.size;
    if (count == kCount && aligned(to, out.size * kCount)) {
      store_whole<kWord>(to, groups.of[g], out.dtype);
      continue;
    }
    PHINTYS_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (i < count)
        store_word<kWord>(to + i * out.size, groups.of[g].r + i * kHalves<kWord>, out.dtype);
    }
  }
}

template <int kWord>
PHINTYS_INLINE void store_output(const FusedOutput& out, const Machine<kWord>& m,
                                 const Spans<kWord>& spans) {
  char* const to = out.data + spans.first * kWord;
  if (spans.whole() && out.size == kWord && aligned(to, 16)) {
    PHINTYS_UNROLL
    for (int g = 0; g < kFusedGroups; ++g)
      write_chunk(to + static_cast<int64_t>(g) * (spans.step * kWord), m.acc[g]);
  } else {
    Groups<kWord> groups;
    PHINTYS_UNROLL
    for (int g = 0; g < kFusedGroups; ++g) groups.of[g] = m.acc[g];
    store_any<kWord>(out, groups, spans);
  }
}

}  // namespace phintys::cuda::fused
