#include "base/fork.h"

#include <pthread.h>

namespace phintys {

std::atomic<uint32_t> detail::forks{0};

namespace {

[[maybe_unused]] const int g_atfork =
    pthread_atfork(nullptr, nullptr, [] { detail::forks.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

}  // namespace phintys
