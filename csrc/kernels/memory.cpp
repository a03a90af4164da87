#include "kernels/memory.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <string>

#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define PHINTYS_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define PHINTYS_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define PHINTYS_POISON(p, n) ((void)0)
#define PHINTYS_UNPOISON(p, n) ((void)0)
#endif

#include "base/error.h"

namespace phintys {
namespace {

// Size classes: 64, 128, 192, 256, then four to each power of two (at most 25 % is lost). The last
// class ends where sizes would no longer fit in 63 bits.
constexpr int kClasses = 4 + 4 * (62 - 8);
// From here on blocks are aligned for, and ask for, huge pages: first use is several times faster.
constexpr std::size_t kHuge = std::size_t{4} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kDefaultCacheLimit = std::size_t{512} << 20;

int class_of(std::size_t bytes) {
  if (bytes <= 256) return bytes == 0 ? 0 : static_cast<int>((bytes - 1) / 64);
  const int exponent = std::bit_width(bytes - 1) - 1;  // 2^exponent < bytes <= 2^(exponent+1)
  const std::size_t quarter = (bytes - 1 - (std::size_t{1} << exponent)) >> (exponent - 2);
  return 4 + 4 * (exponent - 8) + static_cast<int>(quarter);
}

std::size_t class_size(int c) {
  if (c < 4) return 64 * (static_cast<std::size_t>(c) + 1);
  const int exponent = 8 + (c - 4) / 4;
  const std::size_t quarter = static_cast<std::size_t>((c - 4) % 4) + 1;
  return (std::size_t{1} << exponent) + (quarter << (exponent - 2));
}

// In front of each block; as large as the alignment, so that the block itself stays aligned.
struct alignas(kBlockAlignment) Header {
  Header* next;
  int size_class;
};
static_assert(sizeof(Header) == kBlockAlignment);

Header* header_of(const void* block) {
  return reinterpret_cast<Header*>(const_cast<char*>(static_cast<const char*>(block)) -
                                   sizeof(Header));
}

class SpinLock {
 public:
  void lock() noexcept {
    while (held_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; held_.load(std::memory_order_relaxed); ++spins) {
        if (spins > 64) {
          sched_yield();  // the holder may have been descheduled
        }
      }
    }
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

struct alignas(64) SizeClass {
  SpinLock lock;
  std::uint32_t count = 0;
  Header* head = nullptr;
  std::uint64_t allocations = 0;
  std::atomic<std::uint64_t> last_use{0};  // read without the lock, as a hint only
};

struct State {
  SizeClass classes[kClasses];
  alignas(64) std::atomic<std::size_t> live{0};
  alignas(64) std::atomic<std::size_t> cached{0};
  std::atomic<std::uint64_t> system_allocations{0};
  alignas(64) std::atomic<std::size_t> cache_limit{kDefaultCacheLimit};
  std::atomic<std::size_t> limit{0};
  // Counts trips to the system: the clock by which a class's cached blocks grow old.
  std::atomic<std::uint64_t> clock{0};
};

// Never destroyed: blocks are freed by static destructors of others too.
State& g = *new State;

// A fork must not happen while another thread holds one of the locks.
void lock_all() {
  for (SizeClass& c : g.classes) c.lock.lock();
}
void unlock_all() {
  for (SizeClass& c : g.classes) c.lock.unlock();
}
[[maybe_unused]] const int g_atfork = pthread_atfork(lock_all, unlock_all, unlock_all);

void* system_alloc(std::size_t bytes) {
  if (bytes >= kHuge) {
    void* p = std::aligned_alloc(kHugePage, (bytes + kHugePage - 1) / kHugePage * kHugePage);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (p) madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
  }
  return std::aligned_alloc(kBlockAlignment, bytes);
}

void system_free(Header* h) {
  PHINTYS_UNPOISON(h + 1, class_size(h->size_class));
  std::free(h);
}

// Frees cached blocks, those of the longest unused size first, until at most `target` bytes remain.
void trim_cache(std::size_t target) noexcept {
  while (g.cached.load(std::memory_order_relaxed) > target) {
    SizeClass* oldest = nullptr;
    for (SizeClass& c : g.classes) {
      c.lock.lock();
      if (c.count && (!oldest || c.last_use.load(std::memory_order_relaxed) <
                                     oldest->last_use.load(std::memory_order_relaxed)))
        oldest = &c;
      c.lock.unlock();
    }
    if (!oldest) return;
    const std::size_t size = class_size(static_cast<int>(oldest - g.classes));
    Header* list = nullptr;
    oldest->lock.lock();
    while (oldest->count && g.cached.load(std::memory_order_relaxed) > target) {
      Header* h = oldest->head;
      oldest->head = h->next;
      --oldest->count;
      g.cached.fetch_sub(size, std::memory_order_relaxed);
      h->next = list;
      list = h;
    }
    oldest->lock.unlock();
    while (list) {
      Header* next = list->next;
      system_free(list);
      list = next;
    }
  }
}

std::string human(std::size_t bytes) {
  static const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  char text[40];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

[[noreturn]] void out_of_memory(std::size_t bytes) {
  fail(ErrorKind::memory, "cannot allocate ", human(bytes), ": the system has no more memory (",
       human(g.live.load(std::memory_order_relaxed)), " in use by Phintys)");
}

void check_limit(std::size_t size, std::size_t bytes) {
  const std::size_t limit = g.limit.load(std::memory_order_relaxed);
  if (limit == 0) return;
  // `live` already counts the new block.
  const std::size_t live = g.live.load(std::memory_order_relaxed);
  if (live > limit) {
    g.live.fetch_sub(size, std::memory_order_relaxed);
    fail(ErrorKind::memory, "cannot allocate ", human(bytes), ": the memory limit of ",
         human(limit), " would be exceeded (", human(live - size), " in use)");
  }
}

PHINTYS_NOINLINE void* alloc_from_system(int c, std::size_t size, std::size_t bytes) {
  if (const std::size_t limit = g.limit.load(std::memory_order_relaxed)) {
    const std::size_t live = g.live.load(std::memory_order_relaxed);
    trim_cache(limit > live ? limit - live : 0);
  }
  g.clock.fetch_add(1, std::memory_order_relaxed);
  g.system_allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = system_alloc(sizeof(Header) + size);
  if (!p) {
    trim_cache(0);
    p = system_alloc(sizeof(Header) + size);
  }
  if (!p) {
    g.live.fetch_sub(size, std::memory_order_relaxed);
    out_of_memory(bytes);
  }
  Header* h = static_cast<Header*>(p);
  h->next = nullptr;
  h->size_class = c;
  // What rounding up added is nobody's.
  PHINTYS_POISON(reinterpret_cast<char*>(h + 1) + bytes, size - bytes);
  return h + 1;
}

}  // namespace

void* block_alloc(std::size_t bytes) {
  if (PHINTYS_UNLIKELY(bytes > std::size_t{1} << 61)) out_of_memory(bytes);
  const int c = class_of(bytes);
  const std::size_t size = class_size(c);
  g.live.fetch_add(size, std::memory_order_relaxed);
  if (PHINTYS_UNLIKELY(g.limit.load(std::memory_order_relaxed) != 0)) check_limit(size, bytes);
  SizeClass& k = g.classes[c];
  k.lock.lock();
  ++k.allocations;
  k.last_use.store(g.clock.load(std::memory_order_relaxed), std::memory_order_relaxed);
  Header* h = k.head;
  if (PHINTYS_LIKELY(h != nullptr)) {
    k.head = h->next;
    --k.count;
    k.lock.unlock();
    g.cached.fetch_sub(size, std::memory_order_relaxed);
    PHINTYS_UNPOISON(h + 1, bytes);
    return h + 1;
  }
  k.lock.unlock();
  return alloc_from_system(c, size, bytes);
}

void block_free(void* block) noexcept {
  if (!block) return;
  Header* h = header_of(block);
  const int c = h->size_class;
  const std::size_t size = class_size(c);
  g.live.fetch_sub(size, std::memory_order_relaxed);
  const std::size_t limit = g.cache_limit.load(std::memory_order_relaxed);
  if (PHINTYS_UNLIKELY(size > limit)) {
    system_free(h);
    return;
  }
  PHINTYS_POISON(block, size);
  // Counted before it can be taken out again, so that the counter never wraps.
  const std::size_t cached = g.cached.fetch_add(size, std::memory_order_relaxed) + size;
  SizeClass& k = g.classes[c];
  k.lock.lock();
  h->next = k.head;
  k.head = h;
  ++k.count;
  k.last_use.store(g.clock.load(std::memory_order_relaxed), std::memory_order_relaxed);
  k.lock.unlock();
  if (PHINTYS_UNLIKELY(cached > limit)) trim_cache(limit);
}

std::size_t block_size(const void* block) noexcept {
  return class_size(header_of(block)->size_class);
}

void set_block_cache_limit(std::size_t bytes) noexcept {
  g.cache_limit.store(bytes, std::memory_order_relaxed);
  trim_cache(bytes);
}
std::size_t block_cache_limit() noexcept { return g.cache_limit.load(std::memory_order_relaxed); }
void clear_block_cache() noexcept { trim_cache(0); }

void set_memory_limit(std::size_t bytes) noexcept {
  g.limit.store(bytes, std::memory_order_relaxed);
  if (bytes) {
    const std::size_t live = g.live.load(std::memory_order_relaxed);
    trim_cache(bytes > live ? bytes - live : 0);
  }
}
std::size_t memory_limit() noexcept { return g.limit.load(std::memory_order_relaxed); }

MemoryStats memory_stats() noexcept {
  MemoryStats s;
  s.live_bytes = g.live.load(std::memory_order_relaxed);
  s.cached_bytes = g.cached.load(std::memory_order_relaxed);
  s.system_allocations = g.system_allocations.load(std::memory_order_relaxed);
  for (SizeClass& c : g.classes) {
    c.lock.lock();
    s.allocations += c.allocations;
    c.lock.unlock();
  }
  return s;
}

}  // namespace phintys
