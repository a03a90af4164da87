// Fourier transforms.
#pragma once

#include "ops/fourier/fft.h"
#include "ops/op_list.h"

namespace phintys {

using FourierOps = OpTypes<Fft, Rfft, Irfft>;

}  // namespace phintys
