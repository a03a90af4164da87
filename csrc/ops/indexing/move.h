// Moving single elements and rows by lists of offsets and by masks: the kernels of indexing.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa.h"

namespace phintys {

// The row that comes next, to be brought into the caches meanwhile: random reads within a row are
// nothing that processors foresee. `step` bytes of it for every 16 elements; 0: none.
struct Ahead {
  const char* row = nullptr;
  int64_t step = 0;

  Ahead() = default;
  // A row of `extent` bytes, while n items are moved. Not where most of it would not be read.
  Ahead(const char* next, int64_t extent, int64_t n, size_t item)
      : row(next),
        step(next && n >= 16 && extent <= 4 * n * static_cast<int64_t>(item)
                 ? (extent / (n / 16) + 63) / 64 * 64
                 : 0) {}
};

// Offsets are in bytes. A mask is bytes of which any but 0 is true. Items have 1, 2, 4, 8 or 16
// bytes; `item` says how many.
#define PHINTYS_DECLARE(isa)                                                                       \
  namespace isa {                                                                                  \
  /* How many of n mask bytes are true. */                                                         \
  int64_t count_true(const char* mask, int64_t n);                                                 \
  /* out[j] = start + i * step for the j-th true byte i; returns their number, at most `room`. */  \
  int64_t true_positions(int64_t* out, int64_t room, const char* mask, int64_t n, int64_t start,   \
                         int64_t step);                                                            \
  /* The items where the mask is true, one after another, at most `room`; returns their number. */ \
  int64_t compress_items(char* out, int64_t room, const char* in, const char* mask, int64_t n,     \
                         size_t item);                                                             \
  /* The opposite: items of `in` in turn to where the mask is true; at most `room` are there. */   \
  int64_t expand_items(char* out, const char* in, int64_t room, const char* mask, int64_t n,       \
                       size_t item);                                                               \
  /* offsets[i] (+)= index i times stride, negative ones counted from the end; false if one is */  \
  /* out of [-length, length). Contiguous int64 or int32 indices. */                               \
  bool resolve_i64(int64_t* offsets, const int64_t* index, int64_t n, int64_t length,              \
                   int64_t stride, bool add);                                                      \
  bool resolve_i32(int64_t* offsets, const int32_t* index, int64_t n, int64_t length,              \
                   int64_t stride, bool add);                                                      \
  /* True iff all indices are in [-length, length). */                                             \
  bool all_in_range(const int64_t* index, int64_t n, int64_t length);                              \
  /* offsets[i] += start + i * step. */                                                            \
  void add_ramp(int64_t* offsets, int64_t n, int64_t start, int64_t step);                         \
  /* out[i] = the item at base + offsets[i]. */                                                    \
  void gather_items(char* out, const char* base, const int64_t* offsets, int64_t n, size_t item);  \
  /* The same where many rows share their offsets. Brings what `ahead` names into the caches. */   \
  void gather_shared(char* out, const char* base, const uint32_t* offsets, int64_t n, size_t item, \
                     Ahead ahead);                                                                 \
  /* out[i] = table[index[i]] for items of 4 or 8 bytes, negative indices counted from the end; */ \
  /* returns how many came before the first one out of range. */                                   \
  int64_t gather_indexed(char* out, const char* table, const int64_t* index, int64_t n,            \
                         int64_t length, size_t item, Ahead ahead);                                \
  /* Rows of `bytes` bytes from base + offsets[i], one after another. */                           \
  void gather_rows(char* out, const char* base, const int64_t* offsets, int64_t n, int64_t bytes); \
  /* The item at base + offsets[i] = the one at in + i * step, in order. */                        \
  void scatter_items(char* base, const int64_t* offsets, const char* in, int64_t step, int64_t n,  \
                     size_t item);                                                                 \
  void scatter_add_f32(char* base, const int64_t* offsets, const char* in, int64_t step,           \
                       int64_t n);                                                                 \
  void scatter_add_f64(char* base, const int64_t* offsets, const char* in, int64_t step,           \
                       int64_t n);                                                                 \
  /* Rows of `n` numbers added: to[i] += from[i]. */                                               \
  void add_row_f32(float* to, const float* from, int64_t n);                                       \
  void add_row_f64(double* to, const double* from, int64_t n);                                     \
  /* to[i] = a[i] + b[i], where `to` may be a; brings `next`, a row like b, into the caches. */    \
  void sum_row_f32(float* to, const float* a, const float* b, int64_t n, const float* next);       \
  void sum_row_f64(double* to, const double* a, const double* b, int64_t n, const double* next);   \
  }
PHINTYS_EACH_ISA(PHINTYS_DECLARE)
#undef PHINTYS_DECLARE

}  // namespace phintys
