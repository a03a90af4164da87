// The special functions by name. Their kernels are long: only the files that instantiate them
// include special_functions.h, so that a change there compiles those again and nothing else.
#pragma once

#include "common.h"

namespace phintys::math {

template <class V>
PHINTYS_DEVICE V gammaln(V x);
template <class V>
PHINTYS_DEVICE V gamma(V x);
template <class V>
PHINTYS_DEVICE V digamma(V x);
template <class V>
PHINTYS_DEVICE V trigamma(V x);
template <class V>
PHINTYS_DEVICE V polygamma(V n, V x);
template <class V>
PHINTYS_DEVICE V betaln(V a, V b);
template <class V>
PHINTYS_DEVICE V beta(V a, V b);
template <class V>
PHINTYS_DEVICE V sinc(V x);
template <class V>
PHINTYS_DEVICE V i0(V x);
template <class V>
PHINTYS_DEVICE V i1(V x);
template <class V>
PHINTYS_DEVICE V i0e(V x);
template <class V>
PHINTYS_DEVICE V i1e(V x);
template <class V>
PHINTYS_DEVICE V j0(V x);
template <class V>
PHINTYS_DEVICE V j1(V x);
template <class V>
PHINTYS_DEVICE V jv(V nu, V x);
template <class V>
PHINTYS_DEVICE V iv(V nu, V x);
template <class V>
PHINTYS_DEVICE V ive(V nu, V x);
template <class V>
PHINTYS_DEVICE V kv(V nu, V x);
template <class V>
PHINTYS_DEVICE V kve(V nu, V x);
template <class V>
PHINTYS_DEVICE V gammainc(V a, V x);
template <class V>
PHINTYS_DEVICE V gammaincc(V a, V x);
template <class V>
PHINTYS_DEVICE V gammainc_density(V a, V x);
template <class V>
PHINTYS_DEVICE V gammainc_grad(V a, V x);
template <class V>
PHINTYS_DEVICE V betainc(V a, V b, V x);
template <class V>
PHINTYS_DEVICE V betainc_density(V a, V b, V x);
template <class V>
PHINTYS_DEVICE V betainc_grad(V a, V b, V x);
template <class V>
PHINTYS_DEVICE V gammaincinv(V a, V p);
template <class V>
PHINTYS_DEVICE V gammainccinv(V a, V q);
template <class V>
PHINTYS_DEVICE V betaincinv(V a, V b, V p);
template <class V>
PHINTYS_DEVICE V log1mexp(V x);
template <class V>
PHINTYS_DEVICE V logit(V x);
template <class V>
PHINTYS_DEVICE V xlogy(V x, V y);
template <class V>
PHINTYS_DEVICE V xlog1py(V x, V y);
template <class V>
PHINTYS_DEVICE V ndtr(V x);
template <class V>
PHINTYS_DEVICE V log_ndtr(V x);
template <class V>
PHINTYS_DEVICE V ndtri(V p);
template <class V>
PHINTYS_DEVICE V ndtri_exp(V y);
template <class V>
PHINTYS_DEVICE V owens_t(V h, V a);

}  // namespace phintys::math
