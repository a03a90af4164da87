// What a forked child must know: locks that other threads held when it was born are never released.
#pragma once

#include <atomic>
#include <cstdint>

namespace phintys {

namespace detail {
extern std::atomic<uint32_t> forks;
}

// How often this process is a fork away from the one that loaded the library. An object that keeps
// the number from when it was made tells by comparing whether its locks are from another life.
inline uint32_t fork_count() noexcept { return detail::forks.load(std::memory_order_relaxed); }

}  // namespace phintys
