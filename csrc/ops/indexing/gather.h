// Moving the parts of an array that a list of positions names: what advanced indexing, masks and
// their opposites share.
//
// An array is seen as three groups of axes: `before`, the indexed ones, and `after`. A position is
// the byte offset of one combination of the indexed axes.
#pragma once

#include <array>

#include "ops/op_util.h"

namespace phintys {

// The axes of a view before and after `count` indexed ones that start at `axis`.
struct AxisGroups {
  TensorView before, after;
  int span;  // the number of indexed axes
  const int64_t *indexed_shape, *indexed_strides;
  AxisGroups(const TensorView& x, int64_t axis, int64_t count)
      : before{x.data, x.dtype, static_cast<int>(axis), x.shape, x.strides},
        after{x.data, x.dtype, static_cast<int>(x.ndim - axis - count), x.shape + axis + count,
              x.strides + axis + count},
        span(static_cast<int>(count)),
        indexed_shape(x.shape + axis),
        indexed_strides(x.strides + axis) {}
};

// Byte offset of C-order position `i` of a view.
int64_t offset_of(const TensorView& v, int64_t i);
// True iff the view's elements lie one `step` apart in C order; any step if there is at most one.
bool single_stride(const TensorView& v, int64_t* step);

// Where positions come from.
class Positions {
 public:
  virtual ~Positions() = default;
  virtual int64_t size() const = 0;
  // offsets of positions [begin, end)
  virtual void fill(int64_t begin, int64_t end, int64_t* offsets) const = 0;
  // A quicker way for items: copies those of [begin, end) from `from`. False if there is none.
  virtual bool gather(int64_t /*begin*/, int64_t /*end*/, const char* /*from*/, char* /*to*/,
                      size_t /*item*/) const {
    return false;
  }
};

// Positions that are written down.
class ListedPositions final : public Positions {
 public:
  ListedPositions(const int64_t* offsets, int64_t n) : offsets_(offsets), n_(n) {}
  int64_t size() const override { return n_; }
  void fill(int64_t begin, int64_t end, int64_t* offsets) const override {
    std::copy(offsets_ + begin, offsets_ + end, offsets);
  }

 private:
  const int64_t* offsets_;
  int64_t n_;
};

// Positions of integer arrays, broadcast together to `common`, in an array like `x`.
class IndexedPositions final : public Positions {
 public:
  IndexedPositions(const TensorView& x, std::span<const TensorView> indices, int64_t axis,
                   const Dims& common);
  int64_t size() const override { return size_; }
  void fill(int64_t begin, int64_t end, int64_t* offsets) const override;
  bool gather(int64_t begin, int64_t end, const char* from, char* to, size_t item) const override;
  // Fails if any index is out of range, so that fill() cannot.
  void validate() const;

 private:
  void fill_one(size_t k, int64_t begin, int64_t end, bool add, int64_t* offsets) const;
  void gather_run(size_t k, const char* index, int64_t n, const char* table, char* to,
                  size_t item) const;
  // The start of row `row` of `common`, along whose last axis only array `varying` varies.
  const char* row_start(int64_t row, size_t varying, const char* from) const;
  void gather_rows(int64_t begin, int64_t end, size_t varying, const char* from, char* to,
                   size_t item) const;
  void fill_row(size_t k, const char* at, int64_t step, int64_t n, bool add,
                int64_t* offsets) const;
  [[noreturn]] void fail_at(size_t k, const char* at, int64_t step, int64_t n) const;

  const TensorView& x_;
  std::span<const TensorView> indices_;
  int64_t axis_;
  const Dims& common_;
  int64_t size_;
};

// out (C order) = the elements of x in `before`, then positions, then `after`.
void gather_positions(const AxisGroups& x, const Positions& positions, char* out);
// The opposite, x having the memory of the result; `y` is of shape before + `common` + after, where
// common has one or more axes for the positions. Positions named twice: added twice, or the last
// stays.
void scatter_positions(const AxisGroups& x, const Positions& positions, const TensorView& y,
                       bool set);

// Bytes of scratch for scatter_copying; 0 where a copy and scatter_positions are better.
size_t scatter_copying_bytes(const TensorView& x, const TensorView& out, int64_t axis,
                             int64_t count, int64_t positions);
// out = x, changed as by scatter_positions, each row being read and written once; both in C order.
void scatter_copying(const TensorView& x, const TensorView& out, int64_t axis, int64_t count,
                     const Positions& positions, const TensorView& y, bool set, void* scratch);

// base[offsets[i]] = or += the elements of `y`, in C order, from its `first` on, for i < n.
void scatter_values(char* base, const int64_t* offsets, const TensorView& y, int64_t first,
                    int64_t n, bool set);

// The common shape of index arrays.
Dims broadcast_indices(std::span<const TensorView> indices);

}  // namespace phintys
