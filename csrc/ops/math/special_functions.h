// All kernels of the special functions that special.h declares.
#pragma once

#include "bessel.h"
#include "bessel_order.h"
#include "gamma.h"
#include "incomplete_beta.h"
#include "incomplete_gamma.h"
#include "incomplete_inverse.h"
#include "normal.h"
