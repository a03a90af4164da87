// Blocks: the memory of arrays, arenas and workspaces.
//
// Freed blocks are kept, up to a limit, and handed out again: page-faulting fresh memory costs more
// than most arithmetic on it. Every block is aligned to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/export.h"

namespace phintys {

inline constexpr std::size_t kBlockAlignment = 64;

// At least `bytes` bytes, uninitialised; a valid block for 0 too. Throws Error(memory) if the
// system has no more memory or the memory limit would be exceeded.
[[nodiscard]] PHINTYS_PUBLIC void* block_alloc(std::size_t bytes);
// From any thread; null is allowed.
PHINTYS_PUBLIC void block_free(void* block) noexcept;
// What a block takes: the requested size, rounded up. Only what was requested may be used.
PHINTYS_PUBLIC std::size_t block_size(const void* block) noexcept;

// The most that freed blocks may hold (512 MiB unless set). Shrinks the cache at once.
PHINTYS_PUBLIC void set_block_cache_limit(std::size_t bytes) noexcept;
PHINTYS_PUBLIC std::size_t block_cache_limit() noexcept;
// Gives all cached blocks back to the system.
PHINTYS_PUBLIC void clear_block_cache() noexcept;

// The most that live and cached blocks may hold together; 0 means no limit. Cached blocks make room
// for new ones. Blocks that are live when the limit is set are counted but stay.
PHINTYS_PUBLIC void set_memory_limit(std::size_t bytes) noexcept;
PHINTYS_PUBLIC std::size_t memory_limit() noexcept;

struct MemoryStats {
  std::size_t live_bytes = 0;            // in blocks that are in use
  std::size_t cached_bytes = 0;          // in freed blocks kept for reuse
  std::uint64_t allocations = 0;         // calls of block_alloc so far
  std::uint64_t system_allocations = 0;  // those of them that the cache could not serve
};
PHINTYS_PUBLIC MemoryStats memory_stats() noexcept;

struct BlockDeleter {
  void operator()(void* block) const noexcept { block_free(block); }
};
using BlockPtr = std::unique_ptr<void, BlockDeleter>;

// A workspace of a kernel: n elements of T, freed at the end of the scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t n) : block_(block_alloc(checked(n))) {}
  T* data() const noexcept { return static_cast<T*>(block_.get()); }
  T& operator[](std::size_t i) const noexcept { return data()[i]; }

 private:
  static std::size_t checked(std::size_t n) {
    std::size_t bytes;
    return __builtin_mul_overflow(n, sizeof(T), &bytes) ? SIZE_MAX : bytes;
  }
  BlockPtr block_;
};

}  // namespace phintys
