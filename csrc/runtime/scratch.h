// Scratch memory of a call, for kernels that need some.
#pragma once

#include <vector>

#include "graph/op.h"
#include "kernels/memory.h"

namespace phintys::runtime {

// Blocks handed out since reset() stay valid until the next reset(); after the first call of a
// steady program no memory is allocated any more.
class ScratchContext final : public PerformContext {
 public:
  void* scratch(size_t bytes) override {
    if (next_ == blocks_.size()) blocks_.push_back({});
    Block& b = blocks_[next_++];
    if (b.bytes < bytes || !b.memory) {
      b.memory.reset();
      b.memory.reset(block_alloc(bytes ? bytes : 1));
      b.bytes = bytes;
    }
    return b.memory.get();
  }
  void reset() { next_ = 0; }
  // The first block asked for after a reset() will be had without allocating, up to this size.
  void reserve(size_t bytes) {
    if (bytes == 0) return;
    reset();
    scratch(bytes);
    reset();
  }

 private:
  struct Block {
    BlockPtr memory;
    size_t bytes = 0;
  };
  std::vector<Block> blocks_;
  size_t next_ = 0;
};

}  // namespace phintys::runtime
