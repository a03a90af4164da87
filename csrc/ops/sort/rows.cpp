#include "ops/sort/rows.h"

#include <cstring>

namespace phintys {

namespace {

struct Item16 {
  uint64_t v[2];
};

// kRowBlock rows side by side: their elements at one place are one or two cache lines.
template <class T, bool kIn>
void move_neighbours(char* first, int64_t length, int64_t stride, char* block) {
  T* const b = reinterpret_cast<T*>(block);
  for (int64_t i = 0; i < length; ++i) {
    T* const p = reinterpret_cast<T*>(first + i * stride);
    if (i + 8 < length) __builtin_prefetch(first + (i + 8) * stride, kIn ? 0 : 1);
    for (int64_t r = 0; r < kRowBlock; ++r) {
      if constexpr (kIn) {
        b[r * length + i] = p[r];
      } else {
        p[r] = b[r * length + i];
      }
    }
  }
}

// Elements [0, length) of `count` rows whose first elements are `rows`; kIn: memory to `block`.
template <class T, bool kIn>
void move_block(char* const* rows, int64_t count, int64_t length, int64_t stride, char* block) {
  T* const b = reinterpret_cast<T*>(block);
  bool neighbours = count == kRowBlock;
  for (int64_t r = 1; r < count; ++r) {
    neighbours = neighbours && rows[r] - rows[r - 1] == static_cast<int64_t>(sizeof(T));
  }
  if (neighbours) return move_neighbours<T, kIn>(rows[0], length, stride, block);
  // Pieces of rows that keep the cache lines of `count` rows of the block at hand.
  constexpr int64_t kPiece = 64;
  for (int64_t begin = 0; begin < length; begin += kPiece) {
    const int64_t end = std::min(length, begin + kPiece);
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t r = 0; r < count; ++r) {
        T* const p = reinterpret_cast<T*>(rows[r] + i * stride);
        if constexpr (kIn) {
          b[r * length + i] = *p;
        } else {
          *p = b[r * length + i];
        }
      }
    }
  }
}

template <bool kIn>
void move_rows(char* const* rows, int64_t count, int64_t length, int64_t stride, size_t item,
               char* block) {
  switch (item) {
    case 1:
      return move_block<uint8_t, kIn>(rows, count, length, stride, block);
    case 2:
      return move_block<uint16_t, kIn>(rows, count, length, stride, block);
    case 4:
      return move_block<uint32_t, kIn>(rows, count, length, stride, block);
    case 8:
      return move_block<uint64_t, kIn>(rows, count, length, stride, block);
    default:
      return move_block<Item16, kIn>(rows, count, length, stride, block);
  }
}

size_t round_up(size_t n) { return (n + 63) / 64 * 64; }

}  // namespace

RowSet::RowSet(const TensorView& view, int64_t axis)
    : data_(view.data), item_(item_size(view.dtype)) {
  for (int i = 0; i < view.ndim; ++i) {
    if (i == axis) {
      length_ = view.shape[i];
      stride_ = view.strides[i];
    } else {
      rows_ *= view.shape[i];
      shape_.push_back(view.shape[i]);
      strides_.push_back(view.strides[i]);
    }
  }
}

char* RowSet::row(int64_t r) const {
  char* p = data_;
  for (size_t i = shape_.size(); i-- > 0;) {
    p += (r % shape_[i]) * strides_[i];
    r /= shape_[i];
  }
  return p;
}

void RowSet::gather(int64_t first, int64_t count, char* to) const {
  char* rows[kRowBlock];
  for (int64_t r = 0; r < count; ++r) rows[r] = row(first + r);
  move_rows<true>(rows, count, length_, stride_, item_, to);
}

void RowSet::scatter(int64_t first, int64_t count, const char* from) const {
  char* rows[kRowBlock];
  for (int64_t r = 0; r < count; ++r) rows[r] = row(first + r);
  move_rows<false>(rows, count, length_, stride_, item_, const_cast<char*>(from));
}

RowWork::RowWork(const TensorView& x, int64_t axis, const TensorView* outputs, int n_outputs,
                 size_t kernel_bytes)
    : in(x, axis), n_out(n_outputs), slot_bytes(round_up(kernel_bytes)) {
  size_t copies = 0;
  bool direct = true;
  auto count = [&](const RowSet& set) {
    if (set.contiguous()) return;
    direct = false;
    copies += static_cast<size_t>(set.length()) * set.item() + 64;
  };
  count(in);
  for (int k = 0; k < n_outputs; ++k) {
    out[k] = RowSet(outputs[k], axis);
    count(out[k]);
  }
  const int64_t rows = std::max<int64_t>(in.rows(), 1);
  constexpr int64_t kElementsPerTask = 1 << 13;
  block = direct ? std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, in.length()))
                 : std::clamp<int64_t>((16 << 20) / static_cast<int64_t>(copies), 1, kRowBlock);
  block = std::min(block, rows);
  const size_t per_row = direct ? 0 : copies;
  task_bytes = round_up(slot_bytes + per_row * static_cast<size_t>(block) + 256);
  constexpr int64_t kMostScratch = 64 << 20;
  const int64_t blocks = (rows + block - 1) / block;
  const int64_t affordable = kMostScratch / static_cast<int64_t>(task_bytes);
  // Many tasks share the load well; without scratch there is no reason for few.
  const bool needs_memory = slot_bytes + per_row > 0;
  n_tasks = needs_memory ? std::clamp<int64_t>(affordable, 4, 64) : blocks;
  n_tasks = std::min(n_tasks, blocks);
  if (!needs_memory) task_bytes = 0;
}

}  // namespace phintys
