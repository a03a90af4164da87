// Which parameters distributions take.
#pragma once

#include "device/random.h"
#include "ops/random/philox.h"

namespace phintys {

// What is wrong with these parameters, or null.
PHINTYS_EVERYWHERE const char* problem(device::Law law, double a, double b) {
  switch (law) {
    case device::Law::gamma:
    case device::Law::log_gamma:
      return a < 0 ? "must not be negative" : nullptr;
    case device::Law::poisson:
      if (!(a >= 0)) return "must not be negative or NaN";
      return a > 9.2e18 ? "is too large" : nullptr;
    case device::Law::binomial:
      if (!(a >= 0) || a > 9.2e18) return "n must not be negative or too large";
      return b >= 0 && b <= 1 ? nullptr : "p must be between 0 and 1";
    default:
      return a <= b ? nullptr : "the lower bound must not exceed the upper one";
  }
}

}  // namespace phintys
