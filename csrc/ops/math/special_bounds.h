// The maximum error of each special function, in units of the last place, by its op's name. The
// accuracy test reads it. Functions with roots keep to it in units of their largest term (gammaln,
// psi, polygamma at negative arguments) or of their amplitude (j0, j1, jv).
#pragma once

#include "bounds.h"

namespace phintys::math {

static constexpr Bound kSpecialBounds[] = {
    {"gammaln", 1, 1, 4},
    {"gamma", 1, 1, 4},
    {"psi", 1, 1, 4},
    {"tri_gamma", 1, 1, 4},
    {"polygamma", 2, 1, 16},
    {"betaln", 2, 1, 4},
    {"beta", 2, 1, 4},
    {"sinc", 1, 1, 4},
    {"i0", 1, 1, 4},
    {"i1", 1, 1, 4},
    {"i0e", 1, 1, 4},
    {"i1e", 1, 1, 4},
    {"j0", 1, 1, 12},
    {"j1", 1, 1, 8},
    {"jv", 2, 1, 100},
    {"iv", 2, 1, 300},
    {"ive", 2, 1, 300},
    {"kv", 2, 1, 400},
    {"kve", 2, 1, 400},
    {"gammainc", 2, 1, 100},
    {"gammaincc", 2, 1, 100},
    {"betainc", 3, 1, 300},
    {"gammaincinv", 2, 1, 100},
    {"gammainccinv", 2, 1, 100},
    {"betaincinv", 3, 1, 1000},
    {"log1mexp", 1, 2, 2},
    {"logit", 1, 2, 2},
    {"xlogy", 2, 2, 2},
    {"xlog1py", 2, 2.5, 2.5},
    {"ndtr", 1, 1, 4},
    {"log_ndtr", 1, 1, 4},
    {"ndtri", 1, 1, 8},
    {"ndtri_exp", 1, 1, 100},
    {"owens_t", 2, 1, 50},
};

}  // namespace phintys::math
