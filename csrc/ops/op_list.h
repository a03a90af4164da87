// A list of structural op classes: each area of ops/ has one, ops/registry.cpp joins them.
#pragma once

namespace phintys {

template <class... D>
struct OpTypes {};

template <class... Lists>
struct JoinOpTypes;
template <class... D>
struct JoinOpTypes<OpTypes<D...>> {
  using type = OpTypes<D...>;
};
template <class... A, class... B, class... Rest>
struct JoinOpTypes<OpTypes<A...>, OpTypes<B...>, Rest...> {
  using type = typename JoinOpTypes<OpTypes<A..., B...>, Rest...>::type;
};

}  // namespace phintys
