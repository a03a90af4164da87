// What may stop a call before its end: a deadline, cancellation, a number of loop steps.
//
// A call looks at its limits between instructions and between the steps of its loops, and only
// while none of its updates has been written: a call that is stopped leaves every shared variable
// as it was. A single instruction always runs to its end.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ref.h"

namespace phintys::runtime {

// Stops the calls that were given it. May be cancelled from any thread, and from a signal handler;
// it stays so.
class CancelToken : public RefCounted {
 public:
  void cancel() noexcept { cancelled_.store(true, std::memory_order_release); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct CallOptions {
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  Clock::time_point deadline = kNever;
  std::vector<Ref<CancelToken>> cancel;  // any of them stops the call
  int64_t max_steps = 0;                 // steps of all loops of the call together; 0: any number
  // Called now and then, in the thread of the call, while that is going on; what it throws stops
  // the call. Calls that end soon never come to it.
  void (*poll)() = nullptr;
};

// The limits of one call in progress; used by the call's thread alone.
class Limits {
 public:
  // What runs between two looks at the clock: about so many elements computed.
  static constexpr int64_t kWorkPerLook = int64_t{1} << 18;
  // What counts for an instruction and for a step of a loop besides their elements.
  static constexpr int64_t kInstructionWork = 64;
  static constexpr int64_t kStepWork = 64;

  // Both must outlive the object. `function`: the name that messages give.
  Limits(const CallOptions& options, const std::string& function)
      : options_(options),
        function_(function),
        steps_left_(options.max_steps > 0 ? options.max_steps : INT64_MAX) {}
  Limits(const Limits&) = delete;
  Limits& operator=(const Limits&) = delete;

  // Before an instruction that works on so many elements. Throws Error.
  void before(int64_t work) {
    work_ += work;
    if (PHINTYS_UNLIKELY(work_ >= kWorkPerLook)) look();
  }

  // Before every step of a loop; or before `n` steps that nothing can stop. Throws Error: a loop
  // must then leave at once. An inner program calls before() as well, or gives its work of a step.
  void step(int64_t n = 1, int64_t work = 0) {
    steps_left_ -= n;
    if (PHINTYS_UNLIKELY(steps_left_ < 0)) too_many_steps();
    work_ += n * (kStepWork + work);
    if (PHINTYS_UNLIKELY(work_ >= kWorkPerLook)) look();
  }
  // After step(n): only n - `unused` of them ran, as the loop was done.
  void give_back(int64_t unused) { steps_left_ += unused; }
  // Before a loop that will certainly take `n` steps: throws at once if they are too many.
  void expect(int64_t n) const {
    if (PHINTYS_UNLIKELY(n > steps_left_)) too_many_steps();
  }
  // A loop that runs many steps at once (step(n)) takes at most so many, to stop soon and at the
  // very step.
  int64_t steps_at_once(int64_t work = 0) const {
    const int64_t most = std::max<int64_t>(kWorkPerLook / (kStepWork + work), 1);
    return std::clamp<int64_t>(steps_left_, 1, most);
  }

  // Looks at everything but the number of steps, at once.
  void look();

 private:
  [[noreturn]] void too_many_steps() const;

  const CallOptions& options_;
  const std::string& function_;
  int64_t work_ = 0;
  int64_t steps_left_;
  CallOptions::Clock::time_point next_poll_ = CallOptions::kNever;  // never: no look came by yet
};

}  // namespace phintys::runtime
