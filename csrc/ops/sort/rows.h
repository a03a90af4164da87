// Work along one axis: rows of any memory layout are handed to a kernel as contiguous memory.
//
// Rows whose elements do not lie side by side are copied, some neighbouring rows at a time so that
// cache lines are used whole, and results are copied back the same way. Rows are divided into tasks
// that depend on shapes alone.
#pragma once

#include <algorithm>

#include "array/array.h"
#include "kernels/parallel.h"

namespace phintys {

// The rows of a view along `axis`, in C order of the other axes.
class RowSet {
 public:
  RowSet() = default;
  RowSet(const TensorView& view, int64_t axis);
  int64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  size_t item() const { return item_; }
  bool contiguous() const { return length_ <= 1 || stride_ == static_cast<int64_t>(item_); }
  char* row(int64_t r) const;
  // Rows [first, first + count) to and from contiguous memory.
  void gather(int64_t first, int64_t count, char* to) const;
  void scatter(int64_t first, int64_t count, const char* from) const;

 private:
  char* data_ = nullptr;
  size_t item_ = 1;
  int64_t rows_ = 1, length_ = 1, stride_ = 0;
  Dims shape_, strides_;  // of the other axes
};

inline constexpr int64_t kRowBlock = 16;

struct RowWork {
  RowSet in;
  RowSet out[2];
  int n_out = 1;
  size_t slot_bytes = 0;  // that the kernel itself needs for a row
  int64_t block = 1;      // rows handled together
  int64_t n_tasks = 1;
  size_t task_bytes = 0;

  RowWork(const TensorView& x, int64_t axis, const TensorView* outputs, int n_outputs,
          size_t kernel_bytes);
  size_t scratch_bytes() const { return task_bytes * static_cast<size_t>(n_tasks); }
};

// kernel(row, outputs, slot) for every row.
template <class F>
void for_rows(const RowWork& w, char* scratch, F&& kernel) {
  const int64_t rows = w.in.rows();
  if (rows == 0) return;
  const int64_t blocks = (rows + w.block - 1) / w.block;
  const int64_t per_task = (blocks + w.n_tasks - 1) / w.n_tasks;
  parallel_ranges(blocks, per_task, [&](int64_t begin, int64_t end) {
    char* slot = scratch + static_cast<size_t>(begin / per_task) * w.task_bytes;
    char* free = slot + w.slot_bytes;
    char* in_rows = nullptr;
    char* out_rows[2] = {};
    auto take = [&](const RowSet& set) {
      char* const p = free;
      free += static_cast<size_t>(w.block * set.length()) * set.item();
      free += (64 - reinterpret_cast<uintptr_t>(free) % 64) % 64;
      return p;
    };
    if (!w.in.contiguous()) in_rows = take(w.in);
    for (int k = 0; k < w.n_out; ++k) {
      if (!w.out[k].contiguous()) out_rows[k] = take(w.out[k]);
    }
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * w.block;
      const int64_t count = std::min(w.block, rows - first);
      if (in_rows) w.in.gather(first, count, in_rows);
      for (int64_t r = 0; r < count; ++r) {
        const char* x = in_rows ? in_rows + static_cast<size_t>(r * w.in.length()) * w.in.item()
                                : w.in.row(first + r);
        char* out[2] = {};
        for (int k = 0; k < w.n_out; ++k) {
          const RowSet& o = w.out[k];
          out[k] = out_rows[k] ? out_rows[k] + static_cast<size_t>(r * o.length()) * o.item()
                               : o.row(first + r);
        }
        kernel(x, out, slot);
      }
      for (int k = 0; k < w.n_out; ++k) {
        if (out_rows[k]) w.out[k].scatter(first, count, out_rows[k]);
      }
    }
  });
}

}  // namespace phintys
