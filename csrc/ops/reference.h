// The reference page of all ops, written by the registry itself: docs/ops.md is its copy.
#pragma once

#include <string>

#include "base/export.h"

namespace phintys {

// Markdown tables of the elementwise and of the structural ops.
PHINTYS_PUBLIC std::string ops_reference();

}  // namespace phintys
