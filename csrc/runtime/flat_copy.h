// Copies of few bytes, for what flat lists of kernel calls take in and give out.
#pragma once

#include <cstdint>
#include <cstring>

namespace phintys::runtime {

inline void copy_item(char* to, const char* from, size_t item) {
  switch (item) {
    case 8:
      std::memcpy(to, from, 8);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 2:
      std::memcpy(to, from, 2);
      return;
    case 1:
      *to = *from;
      return;
    default:
      std::memcpy(to, from, 16);
  }
}

// Few bytes, without the call of a library.
inline void copy_row(char* to, const char* from, size_t bytes) {
  if (bytes < 16 || bytes > 128) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (size_t b = 0; b + 16 < bytes; b += 16) std::memcpy(to + b, from + b, 16);
  std::memcpy(to + bytes - 16, from + bytes - 16, 16);
}

template <class Word>
inline void repeat(char* from, char* to) {
  Word last;
  std::memcpy(&last, from - sizeof last, sizeof last);
  for (; from < to; from += sizeof last) std::memcpy(from, &last, sizeof last);
}

// Fills the rest of a block with its last element, so that what kernels compute behind the elements
// takes them no longer than the elements.
inline void fill_up(char* block, size_t bytes, size_t item, size_t room) {
  char* const end = block + bytes;
  if (item == 8) return repeat<uint64_t>(end, block + room);
  if (item == 4) return repeat<uint32_t>(end, block + room);
  for (size_t b = bytes; b + item <= room; b += item) std::memcpy(block + b, end - item, item);
}

}  // namespace phintys::runtime
