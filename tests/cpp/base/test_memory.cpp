#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "kernels/memory.h"

using namespace phintys;

TEST_CASE("blocks are aligned, writable and large enough") {
  for (std::size_t n = 0; n < 5000; ++n) {
    void* p = block_alloc(n);
    REQUIRE(reinterpret_cast<std::uintptr_t>(p) % kBlockAlignment == 0);
    REQUIRE(block_size(p) >= n);
    REQUIRE(block_size(p) <= (n <= 256 ? n + 64 : n + n / 4 + 1));
    std::memset(p, 0xAB, n);
#if defined(__SANITIZE_ADDRESS__)
    // Kernels that go beyond are found, also in a block that was used before.
    CHECK((n == block_size(p) || __asan_address_is_poisoned(static_cast<char*>(p) + n)));
#endif
    block_free(p);
  }
  for (int bit = 5; bit < 27; ++bit) {
    for (std::int64_t off : {-1, 0, 1}) {
      const std::size_t n = (std::size_t{1} << bit) + static_cast<std::size_t>(off);
      BlockPtr p(block_alloc(n));
      REQUIRE(block_size(p.get()) >= n);
      static_cast<char*>(p.get())[0] = 1;
      static_cast<char*>(p.get())[n - 1] = 1;
    }
  }
  block_free(nullptr);
}

TEST_CASE("steady use allocates nothing from the system") {
  block_free(block_alloc(1 << 20));
  const MemoryStats before = memory_stats();
  for (int i = 0; i < 1000; ++i) block_free(block_alloc(1 << 20));
  const MemoryStats after = memory_stats();
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.allocations == before.allocations + 1000);
  CHECK(after.live_bytes == before.live_bytes);
}

TEST_CASE("the cache stays within its limit and drops what is oldest") {
  const std::size_t limit = block_cache_limit();
  clear_block_cache();
  CHECK(memory_stats().cached_bytes == 0);
  set_block_cache_limit(std::size_t{10} << 20);
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(block_alloc(std::size_t{1} << 20));
  for (void* p : blocks) block_free(p);
  CHECK(memory_stats().cached_bytes == std::size_t{10} << 20);
  // A new size displaces the old one rather than never being cached.
  block_free(block_alloc(std::size_t{4} << 20));
  CHECK(memory_stats().cached_bytes <= std::size_t{10} << 20);
  const auto before = memory_stats().system_allocations;
  block_free(block_alloc(std::size_t{4} << 20));
  CHECK(memory_stats().system_allocations == before);
  // Larger than the whole cache: straight back to the system.
  block_free(block_alloc(std::size_t{64} << 20));
  CHECK(memory_stats().cached_bytes <= std::size_t{10} << 20);
  set_block_cache_limit(0);
  CHECK(memory_stats().cached_bytes == 0);
  block_free(block_alloc(64));
  CHECK(memory_stats().cached_bytes == 0);
  set_block_cache_limit(limit);
}

TEST_CASE("failures are clear errors and change no count") {
  const MemoryStats before = memory_stats();
  for (std::size_t n : {SIZE_MAX, SIZE_MAX / 2, std::size_t{1} << 60}) {
    try {
      static_cast<void>(block_alloc(n));
      FAIL("not reached");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::memory);
      CHECK(std::string(e.what()).find("cannot allocate") != std::string::npos);
    }
  }
  CHECK(memory_stats().live_bytes == before.live_bytes);
  CHECK_THROWS_AS(Scratch<double>(SIZE_MAX / 4), Error);
}

TEST_CASE("the memory limit counts live blocks and makes the cache give way") {
  clear_block_cache();
  const std::size_t live = memory_stats().live_bytes;
  block_free(block_alloc(std::size_t{8} << 20));
  set_memory_limit(live + (std::size_t{10} << 20));
  CHECK(memory_limit() == live + (std::size_t{10} << 20));
  {
    BlockPtr a(block_alloc(std::size_t{6} << 20));
    CHECK(memory_stats().cached_bytes + memory_stats().live_bytes <= memory_limit());
    try {
      static_cast<void>(block_alloc(std::size_t{6} << 20));
      FAIL("not reached");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::memory);
      CHECK(std::string(e.what()).find("memory limit") != std::string::npos);
      CHECK(std::string(e.what()).find("6.0 MiB") != std::string::npos);
    }
    BlockPtr b(block_alloc(std::size_t{4} << 20));
  }
  set_memory_limit(0);
  CHECK(memory_stats().live_bytes == live);
}

TEST_CASE("blocks pass between threads") {
  std::vector<std::thread> threads;
  std::atomic<void*> mailbox[16] = {};
  const std::size_t live = memory_stats().live_bytes;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const std::size_t n = 8 + static_cast<std::size_t>((i * 37 + t) % 3000);
        auto* p = static_cast<unsigned char*>(block_alloc(n));
        std::memset(p, t, n);
        for (std::size_t j = 0; j < n; j += 97) wrong += p[j] != t;
        block_free(mailbox[i % 16].exchange(p));
      }
    });
  }
  for (auto& t : threads) t.join();
  for (auto& m : mailbox) block_free(m.exchange(nullptr));
  CHECK(wrong == 0);
  CHECK(memory_stats().live_bytes == live);
}

TEST_CASE("a child forked while others allocate can allocate") {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) block_free(block_alloc(100));
  });
  for (int i = 0; i < 100; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(20);
      for (int j = 0; j < 100; ++j) block_free(block_alloc(100));
      _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    REQUIRE(status == 0);
  }
  stop = true;
  busy.join();
}
