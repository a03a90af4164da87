// The one exception class. Its kind says which Python exception (or C status) it becomes.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/export.h"

namespace phintys {

enum class ErrorKind {
  value,
  type,
  index,
  key,
  runtime,
  memory,
  assertion,
  io,
  not_implemented,
  internal,
  missing_input,
  unused_input,
  disconnected_input,
  null_type_grad,
  bad_file,
  overflow,
  zero_division,
  linalg,  // a singular matrix, a decomposition that did not converge
  // A call was stopped (runtime/limits.h): by its deadline, by a CancelToken, by its most steps.
  timeout,
  cancelled,
  step_limit,
};

// Short lower-case name of a kind, as printed in logs and tests ("value", "bad_file", ...).
PHINTYS_PUBLIC const char* to_string(ErrorKind kind) noexcept;

class PHINTYS_PUBLIC Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message);
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;
  // Out of line: the key function pins the type information to libphintys, so that an exception
  // thrown there is caught by type in every module that links it.
  ~Error() override;

  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

[[noreturn]] PHINTYS_PUBLIC void fail(ErrorKind kind, std::string message);

// Streams all parts one after another: fail(ErrorKind::value, "axis ", axis, " is out of range").
template <class... A>
[[noreturn]] PHINTYS_NOINLINE void fail(ErrorKind kind, const A&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  fail(kind, std::move(out).str());
}

namespace detail {

[[noreturn]] PHINTYS_PUBLIC void check_failed(const char* file, int line, const char* condition,
                                              std::string message);

template <class... A>
[[noreturn]] PHINTYS_NOINLINE void check_failed_parts(const char* file, int line,
                                                      const char* condition, const A&... parts) {
  std::ostringstream out;
  (void)(out << ... << parts);
  check_failed(file, line, condition, std::move(out).str());
}

}  // namespace detail
}  // namespace phintys

// An internal invariant. It stays in release builds; a failure is a bug in Phintys, not in the
// user's program, and the message says so. Further arguments are streamed into the message.
#define PHINTYS_CHECK(cond, ...)                                                                   \
  do {                                                                                             \
    if (PHINTYS_UNLIKELY(!(cond))) {                                                               \
      ::phintys::detail::check_failed_parts(__FILE__, __LINE__, #cond __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                                              \
  } while (false)
