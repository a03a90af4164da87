// The special functions by name. Their kernels are long: only the files that instantiate them
// include special_functions.h, so that a change there compiles those again and nothing else.
#pragma once

namespace phintys::math {

template <class V>
V gammaln(V x);
template <class V>
V gamma(V x);
template <class V>
V digamma(V x);
template <class V>
V trigamma(V x);
template <class V>
V polygamma(V n, V x);
template <class V>
V betaln(V a, V b);
template <class V>
V beta(V a, V b);
template <class V>
V sinc(V x);
template <class V>
V i0(V x);
template <class V>
V i1(V x);
template <class V>
V i0e(V x);
template <class V>
V i1e(V x);
template <class V>
V j0(V x);
template <class V>
V j1(V x);
template <class V>
V jv(V nu, V x);
template <class V>
V iv(V nu, V x);
template <class V>
V ive(V nu, V x);
template <class V>
V kv(V nu, V x);
template <class V>
V kve(V nu, V x);
template <class V>
V gammainc(V a, V x);
template <class V>
V gammaincc(V a, V x);
template <class V>
V gammainc_density(V a, V x);
template <class V>
V gammainc_grad(V a, V x);
template <class V>
V betainc(V a, V b, V x);
template <class V>
V betainc_density(V a, V b, V x);
template <class V>
V betainc_grad(V a, V b, V x);
template <class V>
V gammaincinv(V a, V p);
template <class V>
V gammainccinv(V a, V q);
template <class V>
V betaincinv(V a, V b, V p);
template <class V>
V log1mexp(V x);
template <class V>
V logit(V x);
template <class V>
V xlogy(V x, V y);
template <class V>
V xlog1py(V x, V y);
template <class V>
V ndtr(V x);
template <class V>
V log_ndtr(V x);
template <class V>
V ndtri(V p);
template <class V>
V ndtri_exp(V y);
template <class V>
V owens_t(V h, V a);

}  // namespace phintys::math
