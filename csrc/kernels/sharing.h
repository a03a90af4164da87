// Whether it pays to share jobs with the pool's workers.
//
// When other programs use the processors, a worker may lose its own in the middle of a chunk, for
// far longer than the whole of a short job takes, while the caller waits. So the pool keeps account
// of what its workers save and of what waiting for them costs. Half of it counts: a caller that
// waits leaves its processor to others, and comes first for that later. When nothing is left, jobs
// run on their callers' threads for a while, which doubles as long as that goes on.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace phintys {

// Times are nanoseconds. May be used by many callers at once: an entry that is lost between two of
// them does not matter.
class SharingAccount {
 public:
  static constexpr std::int64_t kMs = 1'000'000;
  static constexpr std::int64_t kCredit = 8 * kMs;  // the most that is kept
  static constexpr std::int64_t kShortest = 20 * kMs, kLongest = 160 * kMs;
  // Of sharing, after which the next pause is short again.
  static constexpr std::int64_t kCalm = 200 * kMs;

  bool pays(std::int64_t time) const { return time >= until_.load(std::memory_order_relaxed); }

  // A job of n chunks, of which the caller did `own` from `start` to `worked`, before it waited for
  // the others until `end`.
  void enter(std::int64_t start, std::int64_t worked, std::int64_t end, std::uint32_t own,
             std::uint32_t n) {
    // The caller may have lost its processor as well, which is no gain.
    const std::int64_t most = kMs / 2;
    const std::int64_t saved =
        std::min(most, std::min(most, worked - start) * (n - own) / std::max(own, 1u));
    std::int64_t balance = balance_.load(std::memory_order_relaxed) + saved - (end - worked) / 2;
    if (balance < 0) {
      const std::int64_t pause = pause_.load(std::memory_order_relaxed);
      until_.store(end + pause, std::memory_order_relaxed);
      pause_.store(std::min(2 * pause, kLongest), std::memory_order_relaxed);
      balance = kCredit / 2;
    } else if (end > until_.load(std::memory_order_relaxed) + kCalm) {
      pause_.store(kShortest, std::memory_order_relaxed);
    }
    balance_.store(std::min(balance, kCredit), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> balance_{kCredit}, pause_{kShortest}, until_{INT64_MIN};
};

}  // namespace phintys
