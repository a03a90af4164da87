// Compile-time lists of op structs.
#pragma once

#include "ops/elementwise/info.h"

namespace phintys::ops {

template <class... Op>
struct OpList {
  static constexpr int size = sizeof...(Op);
};

template <class... L>
struct ConcatLists;
template <class... A>
struct ConcatLists<OpList<A...>> {
  using type = OpList<A...>;
};
template <class... A, class... B, class... Rest>
struct ConcatLists<OpList<A...>, OpList<B...>, Rest...> {
  using type = typename ConcatLists<OpList<A..., B...>, Rest...>::type;
};

template <class Op, class List>
struct IndexIn;
template <class Op, class... Rest>
struct IndexIn<Op, OpList<Op, Rest...>> {
  static constexpr int value = 0;
};
template <class Op, class First, class... Rest>
struct IndexIn<Op, OpList<First, Rest...>> {
  static constexpr int value = 1 + IndexIn<Op, OpList<Rest...>>::value;
};

}  // namespace phintys::ops
