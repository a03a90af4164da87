// Settings of all devices, for the whole process. They are read when work is queued: a call that
// has been recorded stays as it was recorded.
#pragma once

#include <atomic>

#include "device/products.h"

namespace phintys::device {

struct Settings {
  std::atomic<F32Products> f32_products{F32Products::full};
  // Products go to our own kernels, also where the vendor's library is installed.
  std::atomic<bool> own_products{false};
};
Settings& settings();

}  // namespace phintys::device
