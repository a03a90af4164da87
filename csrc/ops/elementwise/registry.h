// The registry: all elementwise ops as one constexpr type list.
//
// An op's position in it is its number within this build of the library and nothing more: saved
// files speak of ops by name.
#pragma once

#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/comparison.h"
#include "ops/elementwise/complex_parts.h"
#include "ops/elementwise/exponential.h"
#include "ops/elementwise/hyperbolic.h"
#include "ops/elementwise/logical.h"
#include "ops/elementwise/rounding.h"
#include "ops/elementwise/selection.h"
#include "ops/elementwise/special.h"
#include "ops/elementwise/special_bessel.h"
#include "ops/elementwise/special_gamma.h"
#include "ops/elementwise/special_incomplete.h"
#include "ops/elementwise/special_normal.h"
#include "ops/elementwise/trigonometric.h"

namespace phintys::ops {

using AllOps = ConcatLists<ArithmeticOps, DivisionOps, PowerOps, ComparisonOps, PredicateOps,
                           LogicalOps, RoundingOps, ExponentialOps, TrigonometricOps, AngleOps,
                           HyperbolicOps, SpecialOps, GammaOps, BesselOps, IncompleteOps, NormalOps,
                           SelectionOps, ClipOps, ComplexPartOps, ComplexFromOps>::type;

inline constexpr int kNumElementwise = AllOps::size;

// The number of op struct `Op`.
template <class Op>
inline constexpr int index_of = IndexIn<Op, AllOps>::value;

// Calls `f.template operator()<Op>()` for every op, in order of their numbers.
template <class F, class... Op>
constexpr void for_each_op(F&& f, OpList<Op...>) {
  (f.template operator()<Op>(), ...);
}
template <class F>
constexpr void for_each_op(F&& f) {
  for_each_op(static_cast<F&&>(f), AllOps{});
}

// Calls `f.template operator()<Op>()` for op number `op` and returns its result. Binary search, as
// a chain of comparisons over all ops is slow on devices.
template <int kLow = 0, int kHigh = kNumElementwise, class F>
constexpr decltype(auto) dispatch_op(int op, F&& f);

namespace detail {

template <int kIndex, class List>
struct OpAt;
template <class First, class... Rest>
struct OpAt<0, OpList<First, Rest...>> {
  using type = First;
};
template <int kIndex, class First, class... Rest>
struct OpAt<kIndex, OpList<First, Rest...>> {
  using type = typename OpAt<kIndex - 1, OpList<Rest...>>::type;
};

}  // namespace detail

template <int kIndex>
using op_at = typename detail::OpAt<kIndex, AllOps>::type;

template <int kLow, int kHigh, class F>
constexpr decltype(auto) dispatch_op(int op, F&& f) {
  if constexpr (kHigh - kLow == 1) {
    return f.template operator()<op_at<kLow>>();
  } else {
    constexpr int kMiddle = (kLow + kHigh) / 2;
    if (op < kMiddle) return dispatch_op<kLow, kMiddle>(op, static_cast<F&&>(f));
    return dispatch_op<kMiddle, kHigh>(op, static_cast<F&&>(f));
  }
}

}  // namespace phintys::ops
