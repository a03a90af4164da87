// XXH64: the checksum of sections and arrays in saved files.
//
// It finds damage, not forgery: the reader validates everything it uses as if there were none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace phintys::serial {

uint64_t checksum(const void* bytes, size_t n) noexcept;

}  // namespace phintys::serial
