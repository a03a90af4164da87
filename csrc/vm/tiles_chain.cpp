// Chains of cheap steps whose values stay in registers, for one instruction set.
//
// Every kernel takes a strip of vectors as arguments, which calling conventions keep in registers,
// and ends by calling the next one with the results: compilers make a jump of it.
#include "vm/tiles_kernels.h"

PHINTYS_DECLARE_TILE_PARTS(PHINTYS_ISA)

namespace phintys::vm::PHINTYS_ISA {
namespace {

constexpr int kStrip = 8;  // vectors: as many as can be arguments
constexpr int kPart = 4;

// Vectors of a strip that are the chain's values: all, or, if a row is held, all but those of it,
// which come last.
template <bool kHolding>
constexpr int kWidth = kHolding ? kStrip / 2 : kStrip;

// `at`: bytes from the start of each row. `left`: elements from there to the end of the row.
template <class V, class R = typename V::raw>
using StripFn = void (*)(const ChainStep*, char* const*, int64_t at, R, R, R, R, R, R, R, R);
template <class V, class R = typename V::raw>
using PartFn = void (*)(const ChainStep*, char* const*, int64_t at, int64_t left, R, R, R, R);

template <class V>
PHINTYS_INLINE void go_on(const ChainStep* s, char* const* p, int64_t at, const V (&x)[kStrip]) {
  ++s;
  reinterpret_cast<StripFn<V>>(s->kernel.strip)(s, p, at, x[0].v, x[1].v, x[2].v, x[3].v, x[4].v,
                                                x[5].v, x[6].v, x[7].v);
}
template <class V>
PHINTYS_INLINE void go_on(const ChainStep* s, char* const* p, int64_t at, int64_t left,
                          const V (&x)[kPart]) {
  ++s;
  reinterpret_cast<PartFn<V>>(s->kernel.part)(s, p, at, left, x[0].v, x[1].v, x[2].v, x[3].v);
}

// `p` as it is, once x has been computed. Strips are read through it from their start to their end:
// processors foresee streams that go forward, while compilers are free to load a strip backwards.
template <class V>
PHINTYS_INLINE void after(const typename V::elem** p, const V& x) {
#if defined(__x86_64__)
  asm volatile("" : "+r"(*p) : "v"(x.v));
#elif defined(__aarch64__)
  asm volatile("" : "+r"(*p) : "w"(x.v));
#endif
}

// How many elements vector j of a part has.
template <class V>
PHINTYS_INLINE int lanes_of(int64_t left, int j) {
  const int64_t n = left - j * V::lanes;
  return static_cast<int>(n < 0 ? 0 : n > V::lanes ? V::lanes : n);
}

// ---- Operands -----------------------------------------------------------------------------------

// For vector j of the strip x.
template <class V, ChainOperand kKind>
struct ChainRow {
  const typename V::elem* p = nullptr;
  V all{};

  PHINTYS_INLINE ChainRow(char* const* pointers, int16_t index, int64_t at) {
    if constexpr (kKind == ChainOperand::row) {
      p = reinterpret_cast<const typename V::elem*>(pointers[index] + at);
    } else if constexpr (kKind == ChainOperand::scalar) {
      all = V::broadcast(*reinterpret_cast<const typename V::elem*>(pointers[index]));
    }
  }
  PHINTYS_INLINE V strip(int j, const V (&x)[kStrip]) const {
    if constexpr (kKind == ChainOperand::row) {
      return V::load(p + j * V::lanes);
    } else if constexpr (kKind == ChainOperand::held) {
      return x[kWidth<true> + j];
    } else {
      return kKind == ChainOperand::scalar ? all : x[j];
    }
  }
  PHINTYS_INLINE void go_after(V x) {
    if constexpr (kKind == ChainOperand::row) after(&p, x);
  }
  // Ones beyond the end, as in tiles: no body is slow on them.
  PHINTYS_INLINE V part(int j, V previous, int64_t left) const {
    if constexpr (kKind == ChainOperand::row) {
      return load_part(p + j * V::lanes, lanes_of<V>(left, j), V::broadcast(1));
    } else {
      return kKind == ChainOperand::scalar ? all : previous;
    }
  }
};

template <class Op, class V>
PHINTYS_INLINE V apply(V a, V b, V c) {
  if constexpr (Op::info.arity == 1) {
    return Op::body(a);
  } else if constexpr (Op::info.arity == 2) {
    return Op::body(a, b);
  } else {
    return Op::body(a, b, c);
  }
}

// ---- Kernels ------------------------------------------------------------------------------------

template <class Op, class V, bool kHolding, ChainOperand kA, ChainOperand kB, ChainOperand kC>
struct ChainOpStrip {
  using R = typename V::raw;
  static void strip(const ChainStep* s, char* const* p, int64_t at, R x0, R x1, R x2, R x3, R x4,
                    R x5, R x6, R x7) {
    V x[kStrip] = {{x0}, {x1}, {x2}, {x3}, {x4}, {x5}, {x6}, {x7}};
    ChainRow<V, kA> a(p, s->a, at);
    ChainRow<V, kB> b(p, s->b, at);
    ChainRow<V, kC> c(p, s->c, at);
#pragma GCC unroll 8
    for (int j = 0; j < kWidth<kHolding>; ++j) {
      x[j] = apply<Op>(a.strip(j, x), b.strip(j, x), c.strip(j, x));
      a.go_after(x[j]), b.go_after(x[j]), c.go_after(x[j]);
    }
    go_on<V>(s, p, at, x);
  }
};

template <class Op, class V, ChainOperand kA, ChainOperand kB, ChainOperand kC>
struct ChainOpPart {
  using R = typename V::raw;
  static void part(const ChainStep* s, char* const* p, int64_t at, int64_t left, R x0, R x1, R x2,
                   R x3) {
    V x[kPart] = {{x0}, {x1}, {x2}, {x3}};
    const ChainRow<V, kA> a(p, s->a, at);
    const ChainRow<V, kB> b(p, s->b, at);
    const ChainRow<V, kC> c(p, s->c, at);
#pragma GCC unroll 4
    for (int j = 0; j < kPart; ++j)
      x[j] = apply<Op>(a.part(j, x[j], left), b.part(j, x[j], left), c.part(j, x[j], left));
    go_on<V>(s, p, at, left, x);
  }
};

// The row a as the chain's values, or as the row that it holds.
template <class V, bool kHolding, bool kHeld>
struct ChainLoad {
  using R = typename V::raw;
  static void strip(const ChainStep* s, char* const* p, int64_t at, R x0, R x1, R x2, R x3, R x4,
                    R x5, R x6, R x7) {
    V x[kStrip] = {{x0}, {x1}, {x2}, {x3}, {x4}, {x5}, {x6}, {x7}};
    ChainRow<V, ChainOperand::row> row(p, s->a, at);
#pragma GCC unroll 8
    for (int j = 0; j < kWidth<kHolding>; ++j) {
      V& to = x[kHeld ? kWidth<true> + j : j];
      to = row.strip(j, x);
      row.go_after(to);
    }
    go_on<V>(s, p, at, x);
  }
  static void part(const ChainStep* s, char* const* p, int64_t at, int64_t left, R x0, R x1, R x2,
                   R x3) {
    V x[kPart] = {{x0}, {x1}, {x2}, {x3}};
    if constexpr (!kHeld) {
      const ChainRow<V, ChainOperand::row> row(p, s->a, at);
#pragma GCC unroll 4
      for (int j = 0; j < kPart; ++j) x[j] = row.part(j, V{}, left);
    }
    go_on<V>(s, p, at, left, x);
  }
};

#if defined(PHINTYS_SIMD_AVX512) || defined(PHINTYS_SIMD_AVX2) || defined(PHINTYS_SIMD_SSE2)
constexpr bool kCanStream = true;
#else
constexpr bool kCanStream = false;
#endif

// Past the caches; `p` is a multiple of the vector's size.
template <class V>
PHINTYS_INLINE void stream(typename V::elem* p, V x) {
#if defined(PHINTYS_SIMD_AVX512)
  using I = long long __attribute__((vector_size(64)));
  __builtin_ia32_movntdq512(reinterpret_cast<I*>(p), (I)x.v);
#elif defined(PHINTYS_SIMD_AVX2)
  using I = long long __attribute__((vector_size(32)));
  __builtin_ia32_movntdq256(reinterpret_cast<I*>(p), (I)x.v);
#elif defined(PHINTYS_SIMD_SSE2)
  using I = long long __attribute__((vector_size(16)));
  __builtin_ia32_movntdq(reinterpret_cast<I*>(p), (I)x.v);
#else
  x.store(p);
#endif
}

template <class V, bool kHolding, bool kStream>
struct ChainStore {
  using R = typename V::raw;
  static void strip(const ChainStep* s, char* const* p, int64_t at, R x0, R x1, R x2, R x3, R x4,
                    R x5, R x6, R x7) {
    const V x[kStrip] = {{x0}, {x1}, {x2}, {x3}, {x4}, {x5}, {x6}, {x7}};
    auto* const to = reinterpret_cast<typename V::elem*>(p[s->a] + at);
    if (kStream && reinterpret_cast<uintptr_t>(to) % sizeof(R) == 0) {
#pragma GCC unroll 8
      for (int j = 0; j < kWidth<kHolding>; ++j) stream(to + j * V::lanes, x[j]);
    } else {
#pragma GCC unroll 8
      for (int j = 0; j < kWidth<kHolding>; ++j) x[j].store(to + j * V::lanes);
    }
    go_on<V>(s, p, at, x);
  }
  static void part(const ChainStep* s, char* const* p, int64_t at, int64_t left, R x0, R x1, R x2,
                   R x3) {
    const V x[kPart] = {{x0}, {x1}, {x2}, {x3}};
    auto* const to = reinterpret_cast<typename V::elem*>(p[s->a] + at);
#pragma GCC unroll 4
    for (int j = 0; j < kPart; ++j) store_part(to + j * V::lanes, x[j], lanes_of<V>(left, j));
    go_on<V>(s, p, at, left, x);
  }
};

template <class V>
struct ChainEnd {
  using R = typename V::raw;
  static void strip(const ChainStep*, char* const*, int64_t, R, R, R, R, R, R, R, R) {}
  static void part(const ChainStep*, char* const*, int64_t, int64_t, R, R, R, R) {}
};

template <class V, bool kHolding>
void run_chain(const ChainStep* steps, char* const* pointers, int64_t n) {
  constexpr int64_t kItem = sizeof(typename V::elem);
  const typename V::raw x = V::broadcast(1).v;
  const auto strip = reinterpret_cast<StripFn<V>>(steps->kernel.strip);
  constexpr int64_t kElements = kWidth<kHolding> * V::lanes;
  int64_t i = 0;
  for (; i + kElements <= n; i += kElements)
    strip(steps, pointers, i * kItem, x, x, x, x, x, x, x, x);
  const auto part = reinterpret_cast<PartFn<V>>(steps->kernel.part);
  for (; i < n; i += kPart * V::lanes) part(steps, pointers, i * kItem, n - i, x, x, x, x);
}

// ---- Filling tables -----------------------------------------------------------------------------

template <class Strip, class Part = Strip>
ChainKernel chain_kernel() {
  return {reinterpret_cast<ChainFn>(&Strip::strip), reinterpret_cast<ChainFn>(&Part::part)};
}

// The end of a row holds nothing in registers.
constexpr ChainOperand unheld(ChainOperand kind) {
  return kind == ChainOperand::held ? ChainOperand::row : kind;
}

template <class Op, class V, int kIndex>
void fill_operands(ChainKernels* k) {
  if constexpr (kIndex < ChainKernels::kCount) {
    constexpr auto kA = static_cast<ChainOperand>(kIndex / 16);
    constexpr auto kB = static_cast<ChainOperand>(kIndex / 4 % 4);
    constexpr auto kC = static_cast<ChainOperand>(kIndex % 4);
    constexpr int kArity = Op::info.arity;
    constexpr ChainOperand kPrevious = ChainOperand::previous;
    constexpr bool kSome =
        kA == kPrevious || (kArity > 1 && kB == kPrevious) || (kArity > 2 && kC == kPrevious);
    constexpr bool kThere = (kArity > 1 || kB == kPrevious) && (kArity > 2 || kC == kPrevious);
    constexpr ChainOperand kHeld = ChainOperand::held;
    constexpr bool kHolds = kA == kHeld || kB == kHeld || kC == kHeld;
    if constexpr (kSome && kThere) {
      using Part = ChainOpPart<Op, V, unheld(kA), unheld(kB), unheld(kC)>;
      k->holding[kIndex] = chain_kernel<ChainOpStrip<Op, V, true, kA, kB, kC>, Part>();
      if constexpr (!kHolds)
        k->plain[kIndex] = chain_kernel<ChainOpStrip<Op, V, false, kA, kB, kC>, Part>();
    }
    fill_operands<Op, V, kIndex + 1>(k);
  }
}

template <class Op, class V>
void fill_chain_op(KernelTables* tables, DType d) {
  if constexpr (kOneDType<Op>) {
    static ChainKernels kernels;
    fill_operands<Op, V, 0>(&kernels);
    tables->chain[ops::index_of<Op>][static_cast<int>(d)] = &kernels;
  }
}

template <class V, bool kHolding>
ChainFrame chain_frame() {
  ChainFrame f{};
  if (kHolding) f.hold = chain_kernel<ChainLoad<V, true, true>>();
  f.load = chain_kernel<ChainLoad<V, kHolding, false>>();
  f.store = chain_kernel<ChainStore<V, kHolding, false>>();
  f.stream = chain_kernel<ChainStore<V, kHolding, kCanStream>>();
  f.end = chain_kernel<ChainEnd<V>>();
  f.run = run_chain<V, kHolding>;
  return f;
}

template <class V, class... Op>
void fill_chains(KernelTables* tables, DType d, OpList<Op...>) {
  (fill_chain_op<Op, V>(tables, d), ...);
  tables->chain_frames[static_cast<int>(d)] = {chain_frame<V, false>(), chain_frame<V, true>()};
}

}  // namespace

void fill_chain(KernelTables* tables) {
  fill_chains<VF32>(tables, DType::f32, ops::ArithmeticOps{});
  fill_chains<VF64>(tables, DType::f64, ops::ArithmeticOps{});
}

}  // namespace phintys::vm::PHINTYS_ISA
