#include "base/fork.h"

#include <pthread.h>

namespace phintys {

namespace {

std::atomic<uint32_t> g_forks{0};

[[maybe_unused]] const int g_atfork =
    pthread_atfork(nullptr, nullptr, [] { g_forks.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

uint32_t fork_count() noexcept { return g_forks.load(std::memory_order_relaxed); }

}  // namespace phintys
