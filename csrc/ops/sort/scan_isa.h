// Running sums, products and extrema of contiguous memory.
//
// Within a vector they are formed by a tree, so results of floating-point sums and products differ
// in their last bits between instruction sets, and are more accurate than a sequential sum.
#pragma once

#include <stdint.h>

#include "array/dtype_enum.h"
#include "kernels/isa.h"

namespace phintys {

enum class ScanKind : uint8_t { sum, prod, max, min };

struct ScanRow {
  DType dtype;
  ScanKind kind;
  bool reverse;
  const void* x;
  void* y;           // may be x; null: only the total is wanted
  int64_t n;         // > 0
  int64_t rows;      // of n elements each, one after the other; base and total: only for one row
  const void* base;  // joined with every result; null: none
  void* total;       // all of x joined, without the base; null: not wanted
};

struct ScanColumns {
  DType dtype;
  ScanKind kind;
  bool reverse;
  const char* x;
  char* y;         // may be x
  int64_t n;       // results along the scanned axis
  int64_t stride;  // bytes between them, in x and y
  int64_t width;   // columns side by side
};

#define PHINTYS_DECLARE_SCAN(isa)                                                     \
  namespace isa {                                                                     \
  void scan_rows(const ScanRow& w);                                                   \
  void scan_columns(const ScanColumns& w);                                            \
  /* to = a joined with b: one element */                                             \
  void scan_join(DType dtype, ScanKind kind, const void* a, const void* b, void* to); \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE_SCAN)
#undef PHINTYS_DECLARE_SCAN

}  // namespace phintys
