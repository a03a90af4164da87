#include "ops/indexing/gather.h"

#include <cstring>

#include "kernels/parallel.h"
#include "ops/indexing/move.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

constexpr int64_t kPiece = 256;  // positions held at a time: few, so that reads and writes mix
constexpr int64_t kLongPiece = 1024;
constexpr int64_t kTaskBytes = 128 * 1024;  // that a thread moves at a time

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

int64_t offset_of(const TensorView& v, int64_t i) {
  int64_t offset = 0;
  for (int d = v.ndim - 1; d >= 0; --d) {
    offset += i % v.shape[d] * v.strides[d];
    i /= v.shape[d];
  }
  return offset;
}

bool single_stride(const TensorView& v, int64_t* step) {
  *step = static_cast<int64_t>(item_size(v.dtype));
  int64_t expected = 0;
  bool seen = false;
  for (int d = v.ndim - 1; d >= 0; --d) {
    if (v.shape[d] == 1) continue;
    if (!seen) {
      *step = v.strides[d];
    } else if (v.strides[d] != expected) {
      return false;
    }
    seen = true;
    expected = v.strides[d] * v.shape[d];
  }
  return true;
}

Dims broadcast_indices(std::span<const TensorView> indices) {
  int rank = 0;
  for (const TensorView& v : indices) rank = std::max(rank, v.ndim);
  Dims shape(static_cast<size_t>(rank), 1);
  for (const TensorView& v : indices) {
    for (int i = 0; i < v.ndim; ++i) {
      int64_t& d = shape[static_cast<size_t>(i + rank - v.ndim)];
      if (v.shape[i] == d || v.shape[i] == 1) continue;
      if (d != 1) {
        fail(ErrorKind::index,
             "shape mismatch: indexing arrays could not be broadcast together with shapes ",
             shape_text(indices[0]), " and ", shape_text(v));
      }
      d = v.shape[i];
    }
  }
  return shape;
}

// --- positions of index arrays ------------------------------------------------------------------

IndexedPositions::IndexedPositions(const TensorView& x, std::span<const TensorView> indices,
                                   int64_t axis, const Dims& common)
    : x_(x), indices_(indices), axis_(axis), common_(common), size_(product(common)) {}

void IndexedPositions::fail_at(size_t k, const char* at, int64_t step, int64_t n) const {
  const int64_t length = x_.shape[axis_ + static_cast<int64_t>(k)];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t index = load_int(at + i * step, indices_[k].dtype);
    if (index >= -length && index < length) continue;
    fail(ErrorKind::index, "index ", index, " is out of bounds for axis ",
         axis_ + static_cast<int64_t>(k), " with size ", length);
  }
  fail(ErrorKind::index, "an index is out of bounds for axis ", axis_ + static_cast<int64_t>(k),
       " with size ", length);
}

void IndexedPositions::fill_row(size_t k, const char* at, int64_t step, int64_t n, bool add,
                                int64_t* offsets) const {
  const int64_t axis = axis_ + static_cast<int64_t>(k);
  const int64_t length = x_.shape[axis], stride = x_.strides[axis];
  const DType dtype = indices_[k].dtype;
  bool good = true;
  if (dtype == DType::i64 && step == 8) {
    good = PHINTYS_ISA_CALL(resolve_i64)(offsets, reinterpret_cast<const int64_t*>(at), n, length,
                                         stride, add);
  } else if (dtype == DType::i32 && step == 4) {
    good = PHINTYS_ISA_CALL(resolve_i32)(offsets, reinterpret_cast<const int32_t*>(at), n, length,
                                         stride, add);
  } else if (step == 0) {
    const int64_t index = load_int(at, dtype);
    good = index >= -length && index < length;
    const int64_t offset = good ? (index < 0 ? index + length : index) * stride : 0;
    if (add) {
      PHINTYS_ISA_CALL(add_ramp)(offsets, n, offset, 0);
    } else {
      std::fill(offsets, offsets + n, offset);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = load_int(at + i * step, dtype);
      if (index < -length || index >= length) fail_at(k, at, step, n);
      const int64_t offset = (index < 0 ? index + length : index) * stride;
      offsets[i] = add ? offsets[i] + offset : offset;
    }
  }
  if (!good) fail_at(k, at, step, n);
}

void IndexedPositions::fill_one(size_t k, int64_t begin, int64_t end, bool add,
                                int64_t* offsets) const {
  const int rank = static_cast<int>(common_.size());
  const OwnedView v = broadcast_view(indices_[k], common_.data(), rank);
  int64_t step;
  if (single_stride(v.view(), &step)) {
    fill_row(k, v.data + begin * step, step, end - begin, add, offsets);
    return;
  }
  const int64_t inner = common_[static_cast<size_t>(rank) - 1];
  const int64_t inner_step = v.strides[static_cast<size_t>(rank) - 1];
  const TensorView outer{v.data, v.dtype, rank - 1, v.shape.data(), v.strides.data()};
  for (int64_t i = begin; i < end;) {
    const int64_t row = i / inner, column = i % inner;
    const int64_t n = std::min(inner - column, end - i);
    const char* at = v.data + offset_of(outer, row) + column * inner_step;
    fill_row(k, at, inner_step, n, add, offsets + (i - begin));
    i += n;
  }
}

void IndexedPositions::fill(int64_t begin, int64_t end, int64_t* offsets) const {
  for (size_t k = 0; k < indices_.size(); ++k) fill_one(k, begin, end, k > 0, offsets);
}

bool IndexedPositions::gather(int64_t begin, int64_t end, const char* from, char* to,
                              size_t item) const {
  if (item != 4 && item != 8) return false;
  auto gathers = [&](size_t k) {
    return indices_[k].dtype == DType::i64 &&
           x_.strides[axis_ + static_cast<int64_t>(k)] == static_cast<int64_t>(item);
  };
  if (indices_.size() == 1) {
    if (!gathers(0) || !indices_[0].contiguous()) return false;
    gather_run(0, indices_[0].data + begin * 8, end - begin, from, to, item);
    return true;
  }
  // Rows along which one array varies, the others do not.
  const size_t rank = common_.size();
  const int64_t inner = rank ? common_[rank - 1] : 0;
  if (inner < 16) return false;
  size_t varying = indices_.size();
  for (size_t k = 0; k < indices_.size(); ++k) {
    const TensorView& v = indices_[k];
    if (v.ndim == 0 || v.shape[v.ndim - 1] == 1) continue;
    if (varying < indices_.size() || v.strides[v.ndim - 1] != 8 || !gathers(k)) return false;
    varying = k;
  }
  if (varying == indices_.size()) return false;
  gather_rows(begin, end, varying, from, to, item);
  return true;
}

const char* IndexedPositions::row_start(int64_t row, size_t varying, const char* from) const {
  const int rank = static_cast<int>(common_.size());
  for (size_t k = 0; k < indices_.size(); ++k) {
    if (k == varying) continue;
    const OwnedView v = broadcast_view(indices_[k], common_.data(), rank);
    const TensorView outer{v.data, v.dtype, rank - 1, v.shape.data(), v.strides.data()};
    int64_t offset;
    fill_row(k, v.data + offset_of(outer, row), 0, 1, false, &offset);
    from += offset;
  }
  return from;
}

void IndexedPositions::gather_rows(int64_t begin, int64_t end, size_t varying, const char* from,
                                   char* to, size_t item) const {
  const int rank = static_cast<int>(common_.size());
  const OwnedView v = broadcast_view(indices_[varying], common_.data(), rank);
  const TensorView outer{v.data, v.dtype, rank - 1, v.shape.data(), v.strides.data()};
  const int64_t inner = common_[static_cast<size_t>(rank) - 1], size = static_cast<int64_t>(item);
  const int64_t length = x_.shape[axis_ + static_cast<int64_t>(varying)], extent = length * size;
  const int64_t first = begin / inner, last = (end - 1) / inner;
  const bool shared = last > first && indices_[varying].size() == inner && extent <= UINT32_MAX;
  if (!shared) {
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / inner, column = i % inner, n = std::min(inner - column, end - i);
      gather_run(varying, v.data + offset_of(outer, row) + column * 8, n,
                 row_start(row, varying, from), to + (i - begin) * size, item);
      i += n;
    }
    return;
  }
  // Every row has the same offsets: they are found once.
  const auto gather = PHINTYS_ISA_CALL(gather_shared);
  int64_t offsets[kLongPiece];
  uint32_t narrow[kLongPiece];
  for (int64_t c = 0; c < inner; c += kLongPiece) {
    const int64_t stop = std::min(inner, c + kLongPiece);
    fill_row(varying, v.data + c * 8, 8, stop - c, false, offsets);
    std::copy(offsets, offsets + (stop - c), narrow);
    const char* table = row_start(first, varying, from);
    for (int64_t row = first; row <= last; ++row) {
      const char* const next = row < last ? row_start(row + 1, varying, from) : nullptr;
      const int64_t low = std::max(c, begin - row * inner),
                    high = std::min(stop, end - row * inner);
      if (low < high) {
        gather(to + (row * inner + low - begin) * size, table, narrow + (low - c), high - low, item,
               Ahead(next, extent, high - low, item));
      }
      table = next;
    }
  }
}

void IndexedPositions::gather_run(size_t k, const char* index, int64_t n, const char* table,
                                  char* to, size_t item) const {
  const int64_t length = x_.shape[axis_ + static_cast<int64_t>(k)];
  const int64_t done = PHINTYS_ISA_CALL(gather_indexed)(
      to, table, reinterpret_cast<const int64_t*>(index), n, length, item, Ahead());
  if (done != n) fail_at(k, index, 8, n);
}

void IndexedPositions::validate() const {
  for (size_t k = 0; k < indices_.size(); ++k) {
    const TensorView& v = indices_[k];
    const int64_t length = x_.shape[axis_ + static_cast<int64_t>(k)];
    auto check_run = [&](const char* at, int64_t step, int64_t n) {
      if (v.dtype == DType::i64 && step == 8) {
        const int64_t* index = reinterpret_cast<const int64_t*>(at);
        if (!PHINTYS_ISA_CALL(all_in_range)(index, n, length)) fail_at(k, at, step, n);
        return;
      }
      for (int64_t i = 0; i < n; ++i) {
        const int64_t index = load_int(at + i * step, v.dtype);
        if (index < -length || index >= length) fail_at(k, at, step, n);
      }
    };
    if (v.contiguous()) {
      const int64_t item = static_cast<int64_t>(item_size(v.dtype));
      parallel_ranges(v.size(), 128 * kPiece, [&](int64_t begin, int64_t end) {
        check_run(v.data + begin * item, item, end - begin);
      });
    } else {
      for_each_row<1>(
          v.ndim, v.shape, {v.data}, {v.strides},
          [&](const auto& p, int64_t n, const auto& step) { check_run(p[0], step[0], n); });
    }
  }
}

// --- gathering ----------------------------------------------------------------------------------

namespace {

bool is_item(int64_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16;
}

// How `outer` rows of `n` positions of `block` bytes are cut into tasks of `span` positions of
// `rows` rows, and those into pieces.
struct Tasks {
  int64_t piece, span, spans, rows, row_groups;
  Tasks(int64_t outer, int64_t n, int64_t block) {
    // The offsets of many rows are computed once: there, long pieces cost nothing.
    piece = std::clamp<int64_t>(kTaskBytes / block, 1, outer > 1 ? kLongPiece : kPiece);
    rows = std::clamp<int64_t>(kTaskBytes / (std::min(n, piece) * block), 1, outer);
    row_groups = ceil_div(outer, rows);
    span = std::max<int64_t>(1, kTaskBytes / (rows * block * piece)) * piece;
    spans = ceil_div(n, span);
  }
};

}  // namespace

void gather_positions(const AxisGroups& x, const Positions& positions, char* out) {
  const int64_t item = static_cast<int64_t>(item_size(x.after.dtype));
  const int64_t block = x.after.size() * item, n = positions.size(), outer = x.before.size();
  if (n == 0) return;
  if (block == 0 || outer == 0) {
    // Indices are checked even where there is nothing to move.
    int64_t offsets[kPiece];
    for (int64_t i = 0; i < n; i += kPiece) positions.fill(i, std::min(n, i + kPiece), offsets);
    return;
  }
  const bool plain = x.after.contiguous();
  const Dims shape(x.after.shape, x.after.shape + x.after.ndim);
  const Dims strides = contiguous_strides(shape, item_size(x.after.dtype));
  const Tasks tasks(outer, n, block);
  auto move = [&](char* to, char* from, const int64_t* offsets, int64_t count) {
    if (plain && is_item(block)) {
      PHINTYS_ISA_CALL(gather_items)(to, from, offsets, count, static_cast<size_t>(block));
    } else if (plain) {
      PHINTYS_ISA_CALL(gather_rows)(to, from, offsets, count, block);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        copy_elements(
            {to + i * block, x.after.dtype, x.after.ndim, shape.data(), strides.data()},
            {from + offsets[i], x.after.dtype, x.after.ndim, shape.data(), x.after.strides});
      }
    }
  };
  // The bytes that the offsets of one row lie in.
  int64_t extent = block;
  bool narrows = plain && is_item(block);
  for (int i = 0; i < x.span; ++i) {
    extent += (x.indexed_shape[i] - 1) * x.indexed_strides[i];
    narrows = narrows && x.indexed_strides[i] >= 0;
  }
  narrows = narrows && extent <= UINT32_MAX;
  const auto gather = PHINTYS_ISA_CALL(gather_shared);
  parallel_for(tasks.spans * tasks.row_groups, [&](int64_t task) {
    int64_t offsets[kLongPiece];
    const int64_t start = task / tasks.row_groups * tasks.span;
    const int64_t end = std::min(n, start + tasks.span);
    const int64_t first = task % tasks.row_groups * tasks.rows;
    const int64_t last = std::min(outer, first + tasks.rows);
    if (outer == 1 && plain && is_item(block) &&
        positions.gather(start, end, x.before.data, out + start * block,
                         static_cast<size_t>(block))) {
      return;
    }
    for (int64_t begin = start; begin < end; begin += tasks.piece) {
      const int64_t count = std::min(end - begin, tasks.piece);
      positions.fill(begin, begin + count, offsets);
      if (narrows && last - first > 1) {
        uint32_t narrow[kLongPiece];
        std::copy(offsets, offsets + count, narrow);
        for (int64_t row = first; row < last; ++row) {
          const char* const next =
              row + 1 < outer ? x.before.data + offset_of(x.before, row + 1) : nullptr;
          gather(out + (row * n + begin) * block, x.before.data + offset_of(x.before, row), narrow,
                 count, static_cast<size_t>(block),
                 Ahead(next, extent, count, static_cast<size_t>(block)));
        }
        continue;
      }
      for (int64_t row = first; row < last; ++row) {
        move(out + (row * n + begin) * block, x.before.data + offset_of(x.before, row), offsets,
             count);
      }
    }
  });
}

// --- scattering ---------------------------------------------------------------------------------

namespace {

template <class T>
T sum_of(T a, T b) {
  if constexpr (std::is_same_v<T, Half>) {
    return float_to_half(half_to_float(a) + half_to_float(b));
  } else if constexpr (std::is_same_v<T, bool>) {
    return a || b;
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}

// base[offsets[i]] += or = y[i * step] for items.
void scatter_run(char* base, const int64_t* offsets, const char* y, int64_t step, int64_t n,
                 DType dtype, bool set) {
  if (set) {
    PHINTYS_ISA_CALL(scatter_items)(base, offsets, y, step, n, item_size(dtype));
  } else if (dtype == DType::f64) {
    PHINTYS_ISA_CALL(scatter_add_f64)(base, offsets, y, step, n);
  } else if (dtype == DType::f32) {
    PHINTYS_ISA_CALL(scatter_add_f32)(base, offsets, y, step, n);
  } else {
    dispatch_dtype(dtype, [&]<class T>() {
      for (int64_t i = 0; i < n; ++i) {
        T* at = reinterpret_cast<T*>(base + offsets[i]);
        *at = sum_of(*at, *reinterpret_cast<const T*>(y + i * step));
      }
    });
  }
}

// Views of what one position selects, in x and in y.
struct Blocks {
  TensorView x, y;
  bool plain;  // both lie in one piece
};

void scatter_block(const Blocks& blocks, char* to, const char* from, bool set) {
  const DType dtype = blocks.x.dtype;
  if (blocks.plain) {
    const int64_t n = blocks.x.size();
    if (set) {
      std::memcpy(to, from, static_cast<size_t>(n) * item_size(dtype));
      return;
    }
    if (dtype == DType::f64) {
      PHINTYS_ISA_CALL(add_row_f64)(reinterpret_cast<double*>(to),
                                    reinterpret_cast<const double*>(from), n);
      return;
    }
    if (dtype == DType::f32) {
      PHINTYS_ISA_CALL(add_row_f32)(reinterpret_cast<float*>(to),
                                    reinterpret_cast<const float*>(from), n);
      return;
    }
  }
  TensorView dst = blocks.x, src = blocks.y;
  dst.data = to;
  src.data = const_cast<char*>(from);
  if (set) {
    copy_elements(dst, src);
  } else {
    add_elements(dst, src);
  }
}

// The positions of y's `common` axes in turn.
class ValueRuns {
 public:
  // `y` has `head` axes of positions from `axis` on.
  ValueRuns(const TensorView& y, int64_t axis, int64_t head)
      : common_{y.data, y.dtype, static_cast<int>(head), y.shape + axis, y.strides + axis} {
    single_ = single_stride(common_, &step_);
    inner_ = single_ || head == 0 ? 0 : common_.shape[head - 1];
  }
  // f(first position, its byte offset, step, number) for runs of positions in [begin, end).
  template <class F>
  void each(int64_t begin, int64_t end, F&& f) const {
    if (single_) {
      f(begin, begin * step_, step_, end - begin);
      return;
    }
    const int64_t step = common_.strides[common_.ndim - 1];
    for (int64_t i = begin; i < end;) {
      const int64_t n = std::min(inner_ - i % inner_, end - i);
      f(i, offset_of(common_, i), step, n);
      i += n;
    }
  }

 private:
  TensorView common_;
  bool single_;
  int64_t step_ = 0, inner_;
};

struct Scatter {
  const AxisGroups& x;
  const Positions& positions;
  const ValueRuns& runs;
  TensorView y_before;
  Blocks blocks;
  bool set;

  // Rows [first, last) of `before`, in order the positions whose offsets are in [low, high).
  void rows(int64_t first, int64_t last, int64_t low, int64_t high) const {
    const int64_t n = positions.size(), piece = last - first > 1 ? kLongPiece : kPiece;
    int64_t offsets[kLongPiece];
    for (int64_t begin = 0; begin < n; begin += piece) {
      const int64_t end = std::min(n, begin + piece);
      positions.fill(begin, end, offsets);
      for (int64_t row = first; row < last; ++row) {
        char* to = x.before.data + offset_of(x.before, row);
        const char* values = y_before.data + offset_of(y_before, row);
        runs.each(begin, end, [&](int64_t i, int64_t at, int64_t step, int64_t count) {
          const int64_t* run = offsets + (i - begin);
          if (blocks.x.size() == 1) {
            scatter_run(to, run, values + at, step, count, blocks.x.dtype, set);
            return;
          }
          for (int64_t k = 0; k < count; ++k) {
            if (run[k] < low || run[k] >= high) continue;
            scatter_block(blocks, to + run[k], values + at + k * step, set);
          }
        });
      }
    }
  }
};

}  // namespace

void scatter_values(char* base, const int64_t* offsets, const TensorView& y, int64_t first,
                    int64_t n, bool set) {
  const ValueRuns runs(y, 0, y.ndim);
  runs.each(first, first + n, [&](int64_t i, int64_t at, int64_t step, int64_t count) {
    scatter_run(base, offsets + (i - first), y.data + at, step, count, y.dtype, set);
  });
}

void scatter_positions(const AxisGroups& x, const Positions& positions, const TensorView& y,
                       bool set) {
  const int64_t item = static_cast<int64_t>(item_size(y.dtype));
  const int64_t n = positions.size(), outer = x.before.size(), size = x.after.size();
  if (n == 0 || outer == 0 || size == 0) return;
  const int axis = x.before.ndim, head = y.ndim - axis - x.after.ndim;
  TensorView y_after{y.data, y.dtype, x.after.ndim, x.after.shape, y.strides + axis + head};
  const ValueRuns runs(y, axis, head);
  const Scatter work{x,
                     positions,
                     runs,
                     {y.data, y.dtype, axis, y.shape, y.strides},
                     {x.after, y_after, x.after.contiguous() && y_after.contiguous()},
                     set};
  // Threads take different rows of `before`, or different parts of the result: the order of what is
  // added to one element is always that of the positions.
  const int64_t block = size * item;
  if (outer > 1 || block < 512 || n * block < 2 * kTaskBytes) {
    parallel_ranges(outer, std::max<int64_t>(1, kTaskBytes / (n * block)),
                    [&](int64_t first, int64_t last) { work.rows(first, last, 0, INT64_MAX); });
    return;
  }
  int64_t extent = block;
  for (int i = 0; i < x.span; ++i) extent += (x.indexed_shape[i] - 1) * x.indexed_strides[i];
  // Every part looks at all positions: no more parts than are of use.
  const int64_t parts = num_threads() == 1 ? 1 : 8;
  parallel_ranges(extent, ceil_div(extent, parts),
                  [&](int64_t low, int64_t high) { work.rows(0, 1, low, high); });
}

// --- copying and scattering in one go -----------------------------------------------------------

namespace {

// For every row of an array, the positions that name it: the first, and for each the next one.
struct RowLists {
  int32_t *first, *next;

  // In order of the positions; with `last` only the last of each row.
  RowLists(const Positions& positions, int64_t rows, int64_t block, bool last, void* scratch)
      : first(static_cast<int32_t*>(scratch)), next(first + rows) {
    std::fill(first, first + rows, -1);
    int64_t offsets[kPiece];
    for (int64_t end = positions.size(); end > 0;) {
      const int64_t begin = std::max<int64_t>(0, end - kPiece);
      positions.fill(begin, end, offsets);
      while (end > begin) {
        int32_t& head = first[offsets[--end - begin] / block];
        if (last && head >= 0) continue;
        next[end] = head;
        head = static_cast<int32_t>(end);
      }
    }
  }
};

struct CopyingScatter {
  const char* x;
  char* out;
  TensorView y_before, y_common;
  Blocks blocks;
  bool set;
  const RowLists& lists;
  int64_t rows, block;
  bool even = false;  // y's positions lie one `step` apart
  int64_t step = 0;

  const char* value(const char* values, int32_t position) const {
    return values + (even ? position * step : offset_of(y_common, position));
  }
  void copy(int64_t first, int64_t last) const {
    if (first == last) return;
    const int64_t start = first * block;
    PHINTYS_ISA_CALL(gather_rows)(out + start, x, &start, 1, (last - first) * block);
  }
  // `to` = a + b, block by block.
  template <class T, class F>
  void sum(char* to, const char* a, const char* b, const char* next, F&& sum_row) const {
    sum_row(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(a), reinterpret_cast<const T*>(b),
            block / static_cast<int64_t>(sizeof(T)), reinterpret_cast<const T*>(next));
  }
  // Row `id` of those whose values begin at `values`; `following` is the position that comes after
  // those of this row.
  void change(int64_t row, int64_t id, const char* values, int32_t following) const {
    char* const to = out + row * block;
    int32_t at = lists.first[id];
    if (set) return scatter_block(blocks, to, value(values, at), true);
    const bool f64 = blocks.x.dtype == DType::f64, f32 = blocks.x.dtype == DType::f32;
    if (!blocks.plain || !(f64 || f32)) {
      copy(row, row + 1);
      for (; at >= 0; at = lists.next[at]) scatter_block(blocks, to, value(values, at), false);
      return;
    }
    for (const char* from = x + row * block; at >= 0; from = to) {
      const int32_t then = lists.next[at];
      const char* const b = value(values, at);
      const char* const next = value(values, then >= 0 ? then : following);
      if (f64) {
        sum<double>(to, from, b, next, PHINTYS_ISA_CALL(sum_row_f64));
      } else {
        sum<float>(to, from, b, next, PHINTYS_ISA_CALL(sum_row_f32));
      }
      at = then;
    }
  }
  void run(int64_t begin, int64_t end) const {
    for (int64_t row = begin; row < end;) {
      const int64_t outer = row / rows, stop = std::min(end, (outer + 1) * rows);
      const char* const values = y_before.data + offset_of(y_before, outer);
      const int32_t* const first = lists.first - outer * rows;
      int64_t copied = row;
      while (row < stop && first[row] < 0) ++row;
      while (row < stop) {
        copy(copied, row);
        copied = row + 1;
        int64_t after = copied;
        while (after < stop && first[after] < 0) ++after;
        change(row, row - outer * rows, values, first[after < stop ? after : row]);
        row = after;
      }
      copy(copied, stop);
    }
  }
};

}  // namespace

size_t scatter_copying_bytes(const TensorView& x, const TensorView& out, int64_t axis,
                             int64_t count, int64_t positions) {
  const AxisGroups groups(out, axis, count);
  int64_t rows = 1;
  for (int i = 0; i < groups.span; ++i) rows *= groups.indexed_shape[i];
  const int64_t block = groups.after.size() * static_cast<int64_t>(item_size(out.dtype));
  const bool worth =
      block >= 1024 && out.size() * static_cast<int64_t>(item_size(out.dtype)) > kTaskBytes;
  if (out.data == x.data || !worth || !x.contiguous() || !out.contiguous()) return 0;
  if (rows > INT32_MAX || positions > INT32_MAX) return 0;
  // Many values for each row are better read in their own order, while the rows stay in the caches.
  if (positions > 4 * rows) return 0;
  return static_cast<size_t>(rows + positions) * sizeof(int32_t);
}

void scatter_copying(const TensorView& x, const TensorView& out, int64_t axis, int64_t count,
                     const Positions& positions, const TensorView& y, bool set, void* scratch) {
  const AxisGroups groups(out, axis, count);
  const int64_t outer = groups.before.size(), size = groups.after.size();
  const int64_t block = size * static_cast<int64_t>(item_size(out.dtype));
  const int64_t total = out.size() / size, rows = total / outer;
  const int before = groups.before.ndim, head = y.ndim - before - groups.after.ndim;
  const RowLists lists(positions, rows, block, set, scratch);
  const TensorView y_after{y.data, y.dtype, groups.after.ndim, groups.after.shape,
                           y.strides + before + head};
  CopyingScatter work{x.data,
                      out.data,
                      {y.data, y.dtype, before, y.shape, y.strides},
                      {y.data, y.dtype, head, y.shape + before, y.strides + before},
                      {groups.after, y_after, y_after.contiguous()},
                      set,
                      lists,
                      rows,
                      block};
  work.even = single_stride(work.y_common, &work.step);
  parallel_ranges(total, std::max<int64_t>(1, kTaskBytes / block),
                  [&](int64_t begin, int64_t end) { work.run(begin, end); });
}

}  // namespace phintys
