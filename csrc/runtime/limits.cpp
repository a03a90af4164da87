#include "runtime/limits.h"

#include "base/error.h"

namespace phintys::runtime {

namespace {

// Between two polls, and before the first.
constexpr std::chrono::milliseconds kPollInterval{50};

std::string label(const std::string& function) {
  return function.empty() ? "the call" : "the call of '" + function + "'";
}

}  // namespace

void Limits::look() {
  work_ = 0;
  for (const Ref<CancelToken>& token : options_.cancel)
    if (token->cancelled()) fail(ErrorKind::cancelled, label(function_), " was cancelled");
  if (options_.deadline == CallOptions::kNever && !options_.poll) return;
  CallOptions::Clock::time_point now = CallOptions::Clock::now();
  if (now >= options_.deadline)
    fail(ErrorKind::timeout, label(function_), " did not end by its deadline");
  if (!options_.poll) return;
  if (next_poll_ != CallOptions::kNever) {
    if (now < next_poll_) return;
    options_.poll();
    now = CallOptions::Clock::now();
  }
  next_poll_ = now + kPollInterval;
}

void Limits::too_many_steps() const {
  fail(ErrorKind::step_limit, label(function_), " may take ", options_.max_steps,
       options_.max_steps == 1 ? " step" : " steps", " of loops; this loop would take more");
}

}  // namespace phintys::runtime
