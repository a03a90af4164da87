#include "ops/sort/keys_isa.h"

#ifndef PHINTYS_ISA
#define PHINTYS_ISA baseline
#endif

namespace phintys::PHINTYS_ISA {
namespace {

// Elements as bits: `Bits` is loaded, `Key` is sorted.
template <class T>
struct Integer {
  using Bits = T;
  using Key = int32_t;
  static Key key(Bits x) { return x; }
  static Key order(Bits x) { return x; }
  static Bits back(Key k) { return static_cast<Bits>(k); }
};
struct I64 {
  using Bits = int64_t;
  using Key = int64_t;
  static Key key(Bits x) { return x; }
  static Key order(Bits x) { return x; }
  static Bits back(Key k) { return k; }
};
template <class U, class S>
struct Unsigned {
  using Bits = U;
  using Key = S;
  static constexpr U kTop = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  static Key key(Bits x) { return static_cast<Key>(x ^ kTop); }
  static Key order(Bits x) { return key(x); }
  static Bits back(Key k) { return static_cast<U>(k) ^ kTop; }
};
// Negative numbers have all bits but the sign inverted.
template <class S, class K, S kInfinity>
struct Floating {
  using Bits = S;
  using Key = K;
  static constexpr S kRest =
      static_cast<S>(static_cast<S>(~S{0}) ^ (S{1} << (8 * static_cast<int>(sizeof(S)) - 1)));
  static S ordered(S x) {
    const S folded = static_cast<S>(x ^ ((x >> (8 * sizeof(S) - 1)) & kRest));
    return static_cast<S>(x & kRest) > kInfinity ? kRest : folded;
  }
  static Key key(Bits x) { return ordered(x); }
  static Key order(Bits x) {
    const S k = ordered(x);
    return k == S{-1} ? S{0} : k;
  }
  static Bits back(Key k) {
    constexpr S kQuietNan = static_cast<S>(kInfinity | ((kRest ^ kInfinity) + 1) >> 1);
    const S s = static_cast<S>(k);
    const S folded = static_cast<S>(s ^ ((s >> (8 * sizeof(S) - 1)) & kRest));
    return s == kRest ? kQuietNan : folded;
  }
};
using F16 = Floating<int16_t, int32_t, 0x7c00>;
using F32 = Floating<int32_t, int32_t, 0x7f800000>;
using F64 = Floating<int64_t, int64_t, 0x7ff0000000000000>;
// NumPy's order: numbers without NaN by real, then imaginary part; then those with a NaN as
// imaginary part only, by the real one; then those with a NaN as real part, by the imaginary one.
struct C64 {
  struct Bits {
    int32_t re, im;
  };
  using Key = int64_t;
  static constexpr uint64_t kLowest = 0x7f800001;  // minus the key of -inf
  static constexpr uint64_t kValues = 2 * kLowest;
  // The rank of a float among all, kValues or more for NaN.
  static uint64_t rank(int32_t x) {
    return static_cast<uint64_t>(static_cast<int64_t>(F32::order(x)) +
                                 static_cast<int64_t>(kLowest));
  }
  static Key order(Bits x) {
    const uint64_t re = rank(x.re), im = rank(x.im);
    const uint64_t last = im < kValues ? im : kValues;
    const uint64_t plain = re * kValues + im;
    const uint64_t odd = kValues * kValues + (re < kValues ? re : kValues + last);
    const uint64_t key = (re < kValues) & (im < kValues) ? plain : odd;
    return static_cast<Key>(key ^ (uint64_t{1} << 63));
  }
  static Key key(Bits x) { return order(x); }
  static Bits back(Key) { return {}; }
};

template <class T>
struct Tag {
  using type = T;
};

template <class F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::b8:
    case DType::u8:
      return f(Tag<Integer<uint8_t>>{});
    case DType::i8:
      return f(Tag<Integer<int8_t>>{});
    case DType::i16:
      return f(Tag<Integer<int16_t>>{});
    case DType::u16:
      return f(Tag<Integer<uint16_t>>{});
    case DType::i32:
      return f(Tag<Integer<int32_t>>{});
    case DType::u32:
      return f(Tag<Unsigned<uint32_t, int32_t>>{});
    case DType::i64:
      return f(Tag<I64>{});
    case DType::u64:
      return f(Tag<Unsigned<uint64_t, int64_t>>{});
    case DType::f16:
      return f(Tag<F16>{});
    case DType::f32:
      return f(Tag<F32>{});
    case DType::f64:
      return f(Tag<F64>{});
    case DType::c64:
      return f(Tag<C64>{});
    default:
      return;
  }
}

}  // namespace

void to_keys(DType dtype, const void* x, void* keys, int64_t n) {
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* const from = static_cast<const typename T::Bits*>(x);
    auto* const to = static_cast<typename T::Key*>(keys);
    for (int64_t i = 0; i < n; ++i) to[i] = T::key(from[i]);
  });
}

void from_keys(DType dtype, const void* keys, void* x, int64_t n) {
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* const from = static_cast<const typename T::Key*>(keys);
    auto* const to = static_cast<typename T::Bits*>(x);
    for (int64_t i = 0; i < n; ++i) to[i] = T::back(from[i]);
  });
}

void order_keys(DType dtype, bool flip, const void* x, void* keys, int64_t n) {
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    using K = typename T::Key;
    const auto* const from = static_cast<const typename T::Bits*>(x);
    K* const to = static_cast<K*>(keys);
    const K mask = flip ? K{-1} : K{0};
    for (int64_t i = 0; i < n; ++i) to[i] = T::order(from[i]) ^ mask;
  });
}

void key_range(DType dtype, const void* x, int64_t n, int64_t* least, int64_t* greatest) {
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    using K = typename T::Key;
    const auto* const from = static_cast<const typename T::Bits*>(x);
    K low = T::order(from[0]), high = low;
    for (int64_t i = 1; i < n; ++i) {
      const K k = T::order(from[i]);
      low = k < low ? k : low;
      high = k > high ? k : high;
    }
    *least = low;
    *greatest = high;
  });
}

void pack_keys(DType dtype, const void* x, int64_t n, const KeyPacking& packing, int64_t first,
               int64_t* packed) {
  const uint64_t least = static_cast<uint64_t>(packing.least);
  const int shift = packing.shift, bits = packing.index_bits;
  with_type(dtype, [=](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* const from = static_cast<const typename T::Bits*>(x);
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t key = static_cast<uint64_t>(static_cast<int64_t>(T::order(from[i])));
      packed[i] =
          static_cast<int64_t>(((key - least) >> shift) << bits | static_cast<uint64_t>(first + i));
    }
  });
}

int64_t collect_below(DType dtype, bool flip, const void* x, int64_t n, int64_t bound, int64_t ties,
                      int64_t* found) {
  int64_t count = 0;
  with_type(dtype, [&, ties](auto tag) mutable {
    using T = typename decltype(tag)::type;
    using K = typename T::Key;
    const auto* const from = static_cast<const typename T::Bits*>(x);
    const K mask = flip ? K{-1} : K{0};
    const K limit = static_cast<K>(bound);
    auto look = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const K k = T::order(from[i]) ^ mask;
        if (k > limit) continue;
        if (k == limit && ties-- <= 0) continue;
        found[count++] = i;
      }
    };
    constexpr int64_t kBlock = 64;
    int64_t i = 0;
    for (; i + kBlock <= n; i += kBlock) {
      K hits = 0;
      for (int64_t j = 0; j < kBlock; ++j) {
        hits |= (T::order(from[i + j]) ^ mask) <= limit ? K{1} : K{0};
      }
      if (hits) look(i, i + kBlock);
    }
    look(i, n);
  });
  return count;
}

}  // namespace phintys::PHINTYS_ISA
