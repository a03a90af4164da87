// Regions of few elements as flat lists of kernel calls on fixed memory, which loops run step by
// step without looking anything up.
#pragma once

#include <memory>
#include <vector>

#include "base/dims.h"
#include "vm/tiles_types.h"

namespace phintys::vm {

// One call of a kernel. What is no pointer to elements (a table of places, a reduction's kernels)
// is handed over in place of an operand that the kernel does not have.
struct FlatCall {
  TileFn fn;
  char* dst;
  const char *a, *b, *c;
  int64_t n;
  // Bit j: operand j may be the very memory of the result, element by element.
  unsigned in_place = 0;
};

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
// n that lie apart, each at its place (in bytes).
FlatCall copy_call(char* to, const char* from, int64_t item, int64_t n);
FlatCall gather_call(char* to, const char* from, int64_t item, const int32_t* places, int64_t n);
// Places of the elements of an array in C order, the last one repeated up to n.
std::vector<int32_t> places_of(const Dims& shape, const Dims& strides, int64_t n);

}  // namespace phintys::vm
