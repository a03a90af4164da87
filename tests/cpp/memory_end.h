// Memory for tests whose every read or write past the end is a crash.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace phintys::testing {

// Numbers that end where memory ends.
template <class T>
class AtTheEnd {
 public:
  explicit AtTheEnd(std::int64_t count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
    const std::size_t pages = (bytes + page - 1) / page;
    size_ = (pages + 1) * page;
    block_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block_ != MAP_FAILED);
    char* end = static_cast<char*>(block_) + pages * page;
    REQUIRE(mprotect(end, page, PROT_NONE) == 0);
    data_ = reinterpret_cast<T*>(end - bytes);
  }
  ~AtTheEnd() { munmap(block_, size_); }
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;
  T* data() { return data_; }

 private:
  void* block_;
  std::size_t size_;
  T* data_;
};

}  // namespace phintys::testing
