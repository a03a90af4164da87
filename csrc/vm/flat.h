// Regions of few elements as flat lists of kernel calls on fixed memory, which loops run step by
// step without looking anything up.
#pragma once

#include <memory>
#include <vector>

#include "base/dims.h"
#include "vm/flat_call.h"

namespace phintys::vm {

// Memory that stays where it is. Kernels run over whole vectors: what lies behind the elements of a
// block may be read and written, and holds ones of its type at first, which no kernel is slow on.
class FlatMemory {
 public:
  // 64-byte aligned.
  char* take(DType dtype, int64_t elements);
  const int32_t* keep(std::vector<int32_t> table);
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(char* p) const;
  };
  std::vector<std::unique_ptr<char, Free>> blocks_;
  std::vector<std::vector<int32_t>> tables_;
  size_t used_ = 0, size_ = 0;  // of the last block
  size_t bytes_ = 0;
};

// Elements to compute so that kernels on elements of `item` bytes or more run whole vectors only.
int64_t whole_vectors(int64_t n, int64_t item);

// Calls that copy one element of `item` bytes; n contiguous ones, and what fills the last vector;
// n contiguous ones and no more; n that lie apart, each at its place (in bytes).
FlatCall copy_call(char* to, const char* from, int64_t item, int64_t n);
FlatCall exact_copy_call(char* to, const char* from, int64_t item, int64_t n);
FlatCall gather_call(char* to, const char* from, int64_t item, const int32_t* places, int64_t n);
// One that adds n contiguous elements to as many, and to no more.
FlatCall add_call(char* to, const char* from, DType dtype, int64_t n);
// Places of the elements of an array in C order, the last one repeated up to n.
std::vector<int32_t> places_of(const Dims& shape, const Dims& strides, int64_t n);

// Lets a list of calls on single values, to be run over and over by its first call, hand values on.
// `overwritten`: addresses that something else writes before each run. Returns what the carry is
// before the first run: an address with its bytes.
struct CarryStart {
  const char* address = nullptr;  // null: anything
  size_t bytes = 0;
};
CarryStart link_calls(std::vector<FlatCall>* calls, const std::vector<const char*>& overwritten);

}  // namespace phintys::vm
