#include "base/error.h"

#include <cstring>

namespace phintys {

const char* to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::value:
      return "value";
    case ErrorKind::type:
      return "type";
    case ErrorKind::index:
      return "index";
    case ErrorKind::key:
      return "key";
    case ErrorKind::runtime:
      return "runtime";
    case ErrorKind::memory:
      return "memory";
    case ErrorKind::assertion:
      return "assertion";
    case ErrorKind::io:
      return "io";
    case ErrorKind::not_implemented:
      return "not_implemented";
    case ErrorKind::internal:
      return "internal";
    case ErrorKind::missing_input:
      return "missing_input";
    case ErrorKind::unused_input:
      return "unused_input";
    case ErrorKind::disconnected_input:
      return "disconnected_input";
    case ErrorKind::null_type_grad:
      return "null_type_grad";
    case ErrorKind::bad_file:
      return "bad_file";
    case ErrorKind::overflow:
      return "overflow";
    case ErrorKind::zero_division:
      return "zero_division";
    case ErrorKind::linalg:
      return "linalg";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::step_limit:
      return "step_limit";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, const std::string& message)
    : std::runtime_error(message), kind_(kind) {}

Error::~Error() = default;

void fail(ErrorKind kind, std::string message) { throw Error(kind, message); }

namespace detail {

void check_failed(const char* file, int line, const char* condition, std::string message) {
  // The base name only: a build machine's folders say nothing to a user.
  const char* slash = std::strrchr(file, '/');
  std::string text = "internal error in Phintys at ";
  text += slash ? slash + 1 : file;
  text += ':';
  text += std::to_string(line);
  text += ": check `";
  text += condition;
  text += "` failed";
  if (!message.empty()) {
    text += ": ";
    text += message;
  }
  text += ". This is a bug in Phintys; please report it together with this message.";
  throw Error(ErrorKind::internal, text);
}

}  // namespace detail
}  // namespace phintys
