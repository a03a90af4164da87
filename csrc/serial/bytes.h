// Little-endian encoding and its bounded decoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace phintys::serial {

// True iff `text` is well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text) noexcept;
// `text` with every byte that is not part of well-formed UTF-8 replaced by '?'.
std::string to_utf8(std::string_view text);

class ByteWriter {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
  }
  void u8(uint8_t v) { put(v); }
  void u32(uint32_t v) { put(v); }
  void u64(uint64_t v) { put(v); }
  void i64(int64_t v) { put(v); }
  // Counts are 32 bits in files; more is refused, not truncated.
  void count(size_t n) {
    if (n > UINT32_MAX) fail(ErrorKind::overflow, "too large to be saved: ", n, " entries");
    u32(static_cast<uint32_t>(n));
  }
  void string(std::string_view text) {
    if (!is_utf8(text)) return string(to_utf8(text));
    count(text.size());
    bytes_.append(text);
  }
  const std::string& bytes() const { return bytes_; }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// Reads one section. Every read is checked against the section's end; what is wrong is reported as
// Error(bad_file) with the section and the position.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const char* section)
      : bytes_(bytes), section_(section) {}

  template <class T>
    requires std::is_arithmetic_v<T>
  T get() {
    if (remaining() < sizeof(T)) bad("it ends in the middle of a value");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  uint8_t u8() { return get<uint8_t>(); }
  uint32_t u32() { return get<uint32_t>(); }
  uint64_t u64() { return get<uint64_t>(); }
  int64_t i64() { return get<int64_t>(); }

  // A number of records of at least `record_bytes` bytes each, which must still fit here.
  uint32_t count(size_t record_bytes, const char* what) {
    const uint32_t n = u32();
    if (n > remaining() / record_bytes) bad("it cannot hold ", n, " ", what);
    return n;
  }
  std::string string(const char* what) {
    const uint32_t n = count(1, what);
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + at_, n);
    at_ += n;
    if (!is_utf8(text)) bad("a text is not UTF-8 (", what, ")");
    return text;
  }
  size_t remaining() const { return bytes_.size() - at_; }
  void expect_end() {
    if (remaining() != 0) bad("it has ", remaining(), " bytes too many");
  }

  template <class... A>
  [[noreturn]] PHINTYS_NOINLINE void bad(const A&... parts) const {
    fail(ErrorKind::bad_file, "not a valid saved function: section '", section_, "', byte ", at_,
         ": ", parts...);
  }

 private:
  std::span<const std::byte> bytes_;
  const char* section_;
  size_t at_ = 0;
};

}  // namespace phintys::serial
