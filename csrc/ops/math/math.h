// All math functions over one value type; bounds.h states what each one promises.
#pragma once

#include "complex.h"
#include "error_function.h"
#include "exponential.h"
#include "inverse_trigonometric.h"
#include "logarithm.h"
#include "power.h"
#include "trigonometric.h"
