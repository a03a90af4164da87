// Limits of calls as Python sets them (phintys.limits), and Ctrl-C during calls.
#pragma once

#include <Python.h>

#include <cmath>
#include <cstdint>

#include "bindings/api.h"

namespace phintys::pycall {

// The bindings' functions; null before load_api().
inline const python::Api* g_api = nullptr;

// --- Ctrl-C --------------------------------------------------------------------------------------

// The thread that runs Python's signal handlers.
inline unsigned long g_main_thread = 0;

inline void set_main_thread(unsigned long ident) { g_main_thread = ident; }
inline bool on_main_thread() { return PyThread_get_thread_ident() == g_main_thread; }

// Runs the handlers of signals that have come; what one raises is thrown as an Error. Called on the
// main thread without the GIL.
inline void poll_signals() {
  struct Gil {
    PyGILState_STATE state = PyGILState_Ensure();
    ~Gil() { PyGILState_Release(state); }
  } const gil;
  if (PyErr_CheckSignals() != 0) g_api->throw_python_error();
}

// The options of calls on the main thread that have no other limits.
inline const runtime::CallOptions g_interruptible = [] {
  runtime::CallOptions options;
  options.poll = &poll_signals;
  return options;
}();

// --- limits --------------------------------------------------------------------------------------

using CancelRef = Ref<runtime::CancelToken>;

inline CancelRef new_cancel_token() { return make_ref<runtime::CancelToken>(); }
inline void cancel(const CancelRef& token) { token->cancel(); }
inline bool is_cancelled(const CancelRef& token) { return token->cancelled(); }

// All of this is guarded by the GIL.
struct DefaultLimits {
  double timeout = 0;  // seconds of one call; 0: none
  int64_t max_steps = 0;
};
inline DefaultLimits g_defaults;
// Objects that hold limits, and whether there are defaults: while 0, calls look for none.
inline int64_t g_limits_in_use = 0;

inline void count_limits(int by) { g_limits_in_use += by; }

inline void set_default_limits(double timeout, int64_t max_steps) {
  const auto any = [] { return g_defaults.timeout > 0 || g_defaults.max_steps > 0; };
  count_limits(any() ? -1 : 0);
  g_defaults = {timeout, max_steps};
  count_limits(any() ? 1 : 0);
}

// `seconds` of time.monotonic(), whose clock is std::chrono::steady_clock.
inline runtime::CallOptions::Clock::time_point time_from(double seconds) {
  using Clock = runtime::CallOptions::Clock;
  constexpr double kMost = 9e9;  // 292 years of nanoseconds
  if (seconds >= kMost) return runtime::CallOptions::kNever;
  if (seconds <= 0) return Clock::time_point();
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
}

inline void limit_deadline(runtime::CallOptions* options, double seconds) {
  const auto deadline = time_from(seconds);
  if (deadline < options->deadline) options->deadline = deadline;
}

inline void limit_steps(runtime::CallOptions* options, int64_t n) {
  if (options->max_steps == 0 || n < options->max_steps) options->max_steps = n;
}

inline void add_cancel(runtime::CallOptions* options, const CancelRef& token) {
  options->cancel.push_back(token);
}

// The defaults where there is no limit of that kind.
inline void add_defaults(runtime::CallOptions* options) {
  using Clock = runtime::CallOptions::Clock;
  if (options->max_steps == 0) options->max_steps = g_defaults.max_steps;
  if (options->deadline == runtime::CallOptions::kNever && g_defaults.timeout > 0) {
    const std::chrono::duration<double> now = Clock::now().time_since_epoch();
    options->deadline = time_from(now.count() + g_defaults.timeout);
  }
}

}  // namespace phintys::pycall
