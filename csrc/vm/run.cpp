// Running a bound region: the tile interpreter and the four loop structures.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/error.h"
#include "kernels/parallel.h"
#include "vm/bound.h"
#include "vm/vm_settings.h"

namespace phintys::vm {

namespace {

constexpr int64_t kChunkElements = 16384;  // least work of a chunk, in cheap elements
constexpr int64_t kMaxChunkElements = 262144;

struct ScratchBlock {
  char* data = nullptr;
  size_t bytes = 0;
  ~ScratchBlock() { std::free(data); }
};

// A cache line at a time: compilers leave a plain loop over elements as it is.
template <class Word>
void fill_words(char* dst, const char* value, int64_t n) {
  constexpr int64_t kLine = 64, kWords = kLine / static_cast<int64_t>(sizeof(Word));
  if (n < kWords) {
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(dst + i * static_cast<int64_t>(sizeof(Word)), value, sizeof(Word));
    return;
  }
  char line[kLine];
  for (int64_t i = 0; i < kWords; ++i)
    std::memcpy(line + i * static_cast<int64_t>(sizeof(Word)), value, sizeof(Word));
  int64_t i = 0;
  const int64_t bytes = n * static_cast<int64_t>(sizeof(Word));
  for (; i + kLine <= bytes; i += kLine) std::memcpy(dst + i, line, kLine);
  // The last line may overlap the one before.
  std::memcpy(dst + bytes - kLine, line, kLine);
}

void fill_row(char* dst, const char* value, int64_t n, int64_t item) {
  switch (item) {
    case 1:
      std::memset(dst, *value, static_cast<size_t>(n));
      return;
    case 2:
      return fill_words<uint16_t>(dst, value, n);
    case 4:
      return fill_words<uint32_t>(dst, value, n);
    case 8:
      return fill_words<uint64_t>(dst, value, n);
    default:
      for (int64_t i = 0; i < n; ++i) std::memcpy(dst + i * item, value, static_cast<size_t>(item));
  }
}

template <class Word>
void gather(char* dst, const char* src, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(dst + i * static_cast<int64_t>(sizeof(Word)), src + i * stride, sizeof(Word));
}

struct Word16 {
  uint64_t w[2];
};

// Copies with stores that bypass the caches; ordered by stream_fence().
#if defined(__x86_64__)
__attribute__((target("avx512f"))) size_t stream_lines_512(char* dst, const char* src,
                                                           size_t bytes) {
  size_t i = 0;
  for (; i + 64 <= bytes; i += 64)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(dst + i), _mm512_loadu_si512(src + i));
  return i;
}

size_t stream_lines(char* dst, const char* src, size_t bytes) {
  size_t i = 0;
  for (; i + 16 <= bytes; i += 16)
    _mm_stream_si128(reinterpret_cast<__m128i*>(dst + i),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i)));
  return i;
}

void stream_copy(char* dst, const char* src, size_t bytes) {
  size_t head = std::min(bytes, (64 - reinterpret_cast<uintptr_t>(dst) % 64) % 64);
  std::memcpy(dst, src, head);
  dst += head, src += head, bytes -= head;
  size_t done = current_isa() == Isa::avx512 ? stream_lines_512(dst, src, bytes)
                                             : stream_lines(dst, src, bytes);
  std::memcpy(dst + done, src + done, bytes - done);
}

void stream_fence() { _mm_sfence(); }
#else
void stream_copy(char* dst, const char* src, size_t bytes) { std::memcpy(dst, src, bytes); }
void stream_fence() {}
#endif

void pack_run(char* dst, const char* src, int64_t stride, int64_t n, int64_t item) {
  if (stride == item) {
    std::memcpy(dst, src, static_cast<size_t>(n * item));
  } else if (stride == 0) {
    fill_row(dst, src, n, item);
  } else if (item == 4) {
    gather<uint32_t>(dst, src, stride, n);
  } else if (item == 8) {
    gather<uint64_t>(dst, src, stride, n);
  } else if (item == 1) {
    gather<uint8_t>(dst, src, stride, n);
  } else if (item == 2) {
    gather<uint16_t>(dst, src, stride, n);
  } else {
    gather<Word16>(dst, src, stride, n);
  }
}

}  // namespace

VmSettings& vm_settings() {
  static VmSettings s;
  return s;
}

char* thread_scratch(size_t bytes) {
  thread_local ScratchBlock block;
  if (block.bytes < bytes) {
    size_t rounded = (bytes + 65535) / 65536 * 65536;
    void* p = std::aligned_alloc(64, rounded);
    if (!p) fail(ErrorKind::memory, "out of memory for ", rounded, " bytes of scratch space");
    std::free(block.data);
    block.data = static_cast<char*>(p);
    block.bytes = rounded;
  }
  return block.data;
}

// A column, each of its values over a row of `width`: from position `pos` of those rows.
template <class Word>
void pack_column(char* dst, const char* src, int64_t stride, int64_t width, int64_t pos,
                 int64_t n) {
  src += pos / width * stride;
  int64_t run = std::min(n, width - pos % width);
  while (n > 0) {
    fill_words<Word>(dst, src, run);
    dst += run * static_cast<int64_t>(sizeof(Word));
    src += stride;
    n -= run;
    run = std::min(n, width);
  }
}

void pack_row(char* dst, const char* src, const Dims& shape, const Dims& strides, int64_t pos,
              int64_t n, int64_t item) {
  size_t nd = shape.size();
  if (nd == 1) return pack_run(dst, src + pos * strides[0], strides[0], n, item);
  if (nd == 2 && strides[1] == 0 && item == 4)
    return pack_column<uint32_t>(dst, src, strides[0], shape[1], pos, n);
  if (nd == 2 && strides[1] == 0 && item == 8)
    return pack_column<uint64_t>(dst, src, strides[0], shape[1], pos, n);
  int64_t index[kMaxRank];
  const char* p = src;
  for (size_t d = nd; d-- > 0;) {
    index[d] = pos % shape[d];
    pos /= shape[d];
    p += index[d] * strides[d];
  }
  while (n > 0) {
    int64_t run = std::min(n, shape[nd - 1] - index[nd - 1]);
    pack_run(dst, p, strides[nd - 1], run, item);
    dst += run * item;
    n -= run;
    p -= index[nd - 1] * strides[nd - 1];
    index[nd - 1] = 0;
    for (size_t d = nd - 1; d-- > 0;) {
      p += strides[d];
      if (++index[d] < shape[d]) break;
      p -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

// What one thread works with. The rows of reductions' accumulators follow the registers' rows.
struct BoundFused::Frame {
  char* const* inputs;
  char* const* outputs;
  const char* base[kMaxPointers];
  char* ptr[kMaxPointers];
  int64_t outer = -1;
  int64_t output_start = 0;
  char* accumulators = nullptr;
};

void BoundFused::init_frame(Frame& f, char* const* inputs, char* const* outputs) const {
  f.inputs = inputs;
  f.outputs = outputs;
  // Folds of blocks keep their results outside of rows, and their rows may be long.
  size_t rows = static_cast<size_t>(rows_);
  if (strategy_ != Strategy::fold_blocks) rows += reductions_.size();
  char* scratch =
      thread_scratch(rows * static_cast<size_t>(row_bytes_) + static_cast<size_t>(slots_) * 16);
  char* slots = scratch + rows * static_cast<size_t>(row_bytes_);
  for (size_t p = 0; p < static_cast<size_t>(n_ptrs_); ++p) {
    if (row_of_[p] >= 0) f.ptr[p] = scratch + row_of_[p] * row_bytes_;
    if (slot_of_[p] >= 0) f.ptr[p] = slots + slot_of_[p] * 16;
  }
  f.accumulators = scratch + rows_ * row_bytes_;
}

void BoundFused::enter(Frame& f, int64_t outer) const {
  if (f.outer == outer) return;
  f.outer = outer;
  f.output_start = outer * space_.inner;
  size_t nd = space_.outer_shape.size();
  for (size_t i = 0; i < access_.size(); ++i) f.base[i] = f.inputs[i];
  int64_t rest = outer;
  for (size_t d = nd; d-- > 0;) {
    int64_t index = rest % space_.outer_shape[d];
    rest /= space_.outer_shape[d];
    for (size_t i = 0; i < access_.size(); ++i) f.base[i] += index * access_[i].outer_strides[d];
  }
  for (const Move& m : scalar_inputs_) f.ptr[m.ptr] = const_cast<char*>(f.base[m.operand]);
  for (const Instr& s : scalar_instrs_) s.fn(f.ptr[s.dst], f.ptr[s.a], f.ptr[s.b], f.ptr[s.c], 1);
  for (const RowCopy& c : fills_) fill_row(f.ptr[c.ptr], f.ptr[c.source], tile_, c.item);
}

void BoundFused::eval(Frame& f, int64_t pos, int64_t n) const {
  for (const Move& m : moves_) f.ptr[m.ptr] = const_cast<char*>(f.base[m.operand]) + pos * m.item;
  for (const Move& m : output_moves_)
    f.ptr[m.ptr] = f.outputs[m.operand] + (f.output_start + pos) * m.item;
  for (const Move& m : packs_)
    pack_row(f.ptr[m.ptr], f.base[m.operand], space_.inner_shape,
             access_[static_cast<size_t>(m.operand)].inner_strides, pos, n, m.item);
  if (prefetch_) {
    for (const Move& m : moves_) {
      const char* next = f.ptr[m.ptr] + n * m.item;
      for (int64_t b = 0; b < n * m.item; b += 64) __builtin_prefetch(next + b);
    }
  }
  for (const Instr& s : instrs_) {
    if (s.fn) {
      s.fn(f.ptr[s.dst], f.ptr[s.a], f.ptr[s.b], f.ptr[s.c], n);
    } else {
      s.frame->run(chain_steps_.data() + s.chain, f.ptr, n);
    }
  }
  for (const RowCopy& c : copies_) {
    if (c.fill) {
      fill_row(f.ptr[c.ptr], f.ptr[c.source], n, c.item);
    } else if (c.stream) {
      stream_copy(f.ptr[c.ptr], f.ptr[c.source], static_cast<size_t>(n * c.item));
    } else {
      std::memmove(f.ptr[c.ptr], f.ptr[c.source], static_cast<size_t>(n * c.item));
    }
  }
}

void BoundFused::run(char* const* inputs, char* const* outputs, char* workspace) const {
  if (single_) return run_single(inputs, outputs);
  if (total_ == 0) {
    if (!reductions_.empty()) fill_identity(outputs);
    return;
  }
  switch (strategy_) {
    case Strategy::elementwise:
      return run_elementwise(inputs, outputs);
    case Strategy::fold_blocks:
      return run_fold_blocks(inputs, outputs, workspace);
    case Strategy::fold_rows:
      return run_fold_rows(inputs, outputs);
    case Strategy::accumulate:
      return run_accumulate(inputs, outputs, workspace);
  }
}

// One element: no tiles, a few nanoseconds a step.
void BoundFused::run_single(char* const* inputs, char* const* outputs) const {
  char* ptr[kMaxPointers];
  alignas(16) char slots[kMaxPointers * 16];
  for (const Move& m : scalar_inputs_) ptr[m.ptr] = inputs[m.operand];
  for (size_t p = 0; slots_ && p < slot_of_.size(); ++p)
    if (slot_of_[p] >= 0) ptr[p] = slots + slot_of_[p] * 16;
  for (const Move& m : output_moves_) ptr[m.ptr] = outputs[m.operand];
  for (const Instr& s : scalar_instrs_) s.fn(ptr[s.dst], ptr[s.a], ptr[s.b], ptr[s.c], 1);
  for (const RowCopy& c : copies_)
    std::memmove(ptr[c.ptr], ptr[c.source], static_cast<size_t>(c.item));
}

bool BoundFused::parallel() const {
  return static_cast<double>(total_) * std::max(cost_ / 4, 1.0) >=
         static_cast<double>(vm_settings().parallel_threshold);
}

namespace {

// Cuts `units` units of `unit_elements` into chunks and runs f(begin, end) on each.
template <class F>
void for_chunks(int64_t units, int64_t unit_elements, bool parallel, F&& f) {
  if (!parallel || units == 1) return f(int64_t{0}, units);
  int64_t total = units * unit_elements;
  int64_t target = std::clamp(total / 64, kChunkElements, kMaxChunkElements);
  int64_t grain = std::max<int64_t>(1, target / std::max<int64_t>(1, unit_elements));
  parallel_ranges(units, grain, f);
}

}  // namespace

void BoundFused::run_elementwise(char* const* inputs, char* const* outputs) const {
  int64_t tiles = (space_.inner + tile_ - 1) / tile_;
  if (space_.outer == 1 && tiles == 1) {  // small: loops run such regions over and over
    Frame f;
    init_frame(f, inputs, outputs);
    enter(f, 0);
    return eval(f, 0, space_.inner);
  }
  for_chunks(space_.outer * tiles, std::min(tile_, space_.inner), parallel(),
             [&](int64_t begin, int64_t end) {
               Frame f;
               init_frame(f, inputs, outputs);
               int64_t outer = begin / tiles, t = begin % tiles;
               for (int64_t u = begin; u < end; ++u) {
                 enter(f, outer);
                 int64_t pos = t * tile_;
                 eval(f, pos, std::min(tile_, space_.inner - pos));
                 if (++t == tiles) {
                   t = 0;
                   ++outer;
                 }
               }
               stream_fence();
             });
}

// Joins partial values of one output element. Sums and products of float32 are joined in float64,
// and those of complex64 in complex128, so that the error does not grow with the number of tiles.
class BoundFused::WideValue {
 public:
  WideValue() = default;
  explicit WideValue(const Reduction& r) : r_(&r), width_(wide_width(r)) {}
  void add(const void* value) {
    if (width_) {
      float v[2] = {};
      std::memcpy(v, value, 4 * width_);
      add_wide({v[0], v[1]});
    } else if (empty_) {
      std::memcpy(value_, value, item_size(r_->acc));
    } else {
      r_->join->scalar(value_, value_, value, value, 1);
    }
    empty_ = false;
  }
  void save(char* p) const {
    if (width_) {
      std::memcpy(p, &wide_value_, 8 * width_);
    } else {
      std::memcpy(p, value_, item_size(r_->acc));
    }
  }
  void add_saved(const char* p) {
    if (width_) {
      std::complex<double> v;
      std::memcpy(&v, p, 8 * width_);
      add_wide(v);
      empty_ = false;
    } else {
      add(p);
    }
  }
  void store(char* out) {
    if (width_) {
      const float v[2] = {static_cast<float>(wide_value_.real()),
                          static_cast<float>(wide_value_.imag())};
      std::memcpy(value_, v, 4 * width_);
    }
    if (r_->cast) {
      r_->cast->scalar(out, value_, value_, value_, 1);
    } else {
      std::memcpy(out, value_, item_size(r_->acc));
    }
  }

 private:
  // Parts of the values that are joined in float64; 0: they are joined as they are.
  static size_t wide_width(const Reduction& r) {
    if (r.kind != ReduceKind::sum && r.kind != ReduceKind::prod) return 0;
    return r.acc == DType::f32 ? 1 : r.acc == DType::c64 ? 2 : 0;
  }
  void add_wide(std::complex<double> v) {
    const std::complex<double> w = wide_value_;
    if (empty_) {
      wide_value_ = v;
    } else if (r_->kind == ReduceKind::sum) {
      wide_value_ = {w.real() + v.real(), w.imag() + v.imag()};
    } else if (width_ == 1) {
      wide_value_ = {w.real() * v.real(), 0.0};
    } else {
      // Not std::complex's product, which mends infinities that NumPy leaves as NaN.
      wide_value_ = {w.real() * v.real() - w.imag() * v.imag(),
                     w.real() * v.imag() + w.imag() * v.real()};
    }
  }
  const Reduction* r_ = nullptr;
  size_t width_ = 0;
  bool empty_ = true;
  std::complex<double> wide_value_;
  alignas(16) char value_[16];
};

// Bytes of a partial result in the workspace: room for the wider value.
size_t BoundFused::partial_bytes(DType acc) {
  return acc == DType::c64 ? 16 : std::max<size_t>(8, item_size(acc));
}

void BoundFused::run_fold_blocks(char* const* inputs, char* const* outputs, char* workspace) const {
  size_t n_red = reductions_.size();
  for_chunks(space_.outer * blocks_, std::min(block_, space_.inner), parallel(),
             [&](int64_t begin, int64_t end) {
               Frame f;
               init_frame(f, inputs, outputs);
               for (int64_t u = begin; u < end; ++u) {
                 enter(f, u / blocks_);
                 int64_t first = u % blocks_ * block_,
                         last = std::min(first + block_, space_.inner);
                 WideValue values[kMaxReductions];
                 for (size_t k = 0; k < n_red; ++k) values[k] = WideValue(reductions_[k]);
                 for (int64_t pos = first; pos < last; pos += tile_) {
                   int64_t n = std::min(tile_, last - pos);
                   eval(f, pos, n);
                   for (size_t k = 0; k < n_red; ++k) {
                     alignas(16) char folded[16];
                     const Reduction& r = reductions_[k];
                     if (r.factor < 0) {
                       r.fold->fold(folded, f.ptr[r.ptr], n);
                     } else {
                       r.fold->fold_products(folded, f.ptr[r.ptr], f.ptr[r.factor], nullptr, n);
                     }
                     values[k].add(folded);
                   }
                 }
                 for (size_t k = 0; k < n_red; ++k) {
                   const Reduction& r = reductions_[k];
                   if (blocks_ == 1) {
                     values[k].store(outputs[k] + u * static_cast<int64_t>(item_size(r.out)));
                   } else {
                     values[k].save(workspace + r.partial_offset +
                                    static_cast<size_t>(u) * partial_bytes(r.acc));
                   }
                 }
               }
             });
  if (blocks_ > 1) join_values(outputs, workspace);
}

void BoundFused::join_values(char* const* outputs, char* workspace) const {
  for (size_t k = 0; k < reductions_.size(); ++k) {
    const Reduction& r = reductions_[k];
    size_t step = partial_bytes(r.acc);
    const char* p = workspace + r.partial_offset;
    for (int64_t o = 0; o < space_.outer; ++o) {
      WideValue value(r);
      for (int64_t b = 0; b < blocks_; ++b, p += step) value.add_saved(p);
      value.store(outputs[k] + o * static_cast<int64_t>(item_size(r.out)));
    }
  }
}

// Writes n values of the accumulator's dtype to positions `at`... of the output.
void BoundFused::store_row(const Reduction& r, const char* row, char* out, int64_t at,
                           int64_t n) const {
  char* dst = out + at * static_cast<int64_t>(item_size(r.out));
  for (int64_t i = 0; i < n; i += kMaxTile) {
    int64_t m = std::min(kMaxTile, n - i);
    const char* src = row + i * static_cast<int64_t>(item_size(r.acc));
    if (r.cast) {
      r.cast->tile[0](dst + i * static_cast<int64_t>(item_size(r.out)), src, src, src, m);
    } else {
      std::memmove(dst + i * static_cast<int64_t>(item_size(r.out)), src,
                   static_cast<size_t>(m) * item_size(r.acc));
    }
  }
}

void BoundFused::run_fold_rows(char* const* inputs, char* const* outputs) const {
  int64_t tiles = (space_.inner + tile_ - 1) / tile_;
  for_chunks(tiles, tile_, parallel(), [&](int64_t begin, int64_t end) {
    Frame f;
    init_frame(f, inputs, outputs);
    enter(f, 0);
    for (int64_t t = begin; t < end; ++t) {
      int64_t pos = t * tile_, n = std::min(tile_, space_.inner - pos);
      eval(f, pos, n);
      for (size_t k = 0; k < reductions_.size(); ++k) {
        const Reduction& r = reductions_[k];
        char* acc = f.accumulators + static_cast<int64_t>(k) * row_bytes_;
        r.fold->fold_rows(acc, f.ptr[r.ptr], n / reduced_, reduced_);
        store_row(r, acc, outputs[k], pos / reduced_, n / reduced_);
      }
    }
  });
}

// One block of reduced rows for columns [column, column + width). When a tile holds several rows,
// whole tiles are added up first and the rows of the sum at the end.
void BoundFused::accumulate_block(Frame& f, int64_t row, int64_t block, int64_t column,
                                  int64_t width, char* const* outputs, char* workspace) const {
  enter(f, row);
  int64_t first = block * block_, last = std::min(first + block_, reduced_);
  int64_t rows = width == kept_ ? std::max<int64_t>(1, tile_ / kept_) : 1;
  for (int64_t r0 = first; r0 < last; r0 += rows) {
    int64_t n = std::min(rows, last - r0) * width;
    eval(f, r0 * kept_ + column, n);
    for (size_t k = 0; k < reductions_.size(); ++k) {
      const Reduction& r = reductions_[k];
      char* acc = f.accumulators + static_cast<int64_t>(k) * row_bytes_;
      if (r0 == first) {
        std::memcpy(acc, f.ptr[r.ptr], static_cast<size_t>(n) * item_size(r.acc));
      } else {
        r.join->tile[0](acc, acc, f.ptr[r.ptr], acc, n);
      }
    }
  }
  for (size_t k = 0; k < reductions_.size(); ++k) {
    const Reduction& r = reductions_[k];
    int64_t item = static_cast<int64_t>(item_size(r.acc));
    char* acc = f.accumulators + static_cast<int64_t>(k) * row_bytes_;
    for (int64_t j = 1; j < std::min(rows, last - first); ++j)
      r.join->tile[0](acc, acc, acc + j * width * item, acc, width);
    if (blocks_ == 1) {
      store_row(r, acc, outputs[k], row * kept_ + column, width);
    } else {
      std::memcpy(workspace + r.partial_offset + ((row * blocks_ + block) * kept_ + column) * item,
                  acc, static_cast<size_t>(width * item));
    }
  }
}

void BoundFused::run_accumulate(char* const* inputs, char* const* outputs, char* workspace) const {
  int64_t columns = kept_ <= tile_ ? 1 : (kept_ + tile_ - 1) / tile_;
  int64_t unit = std::min(block_, reduced_) * std::min(kept_, tile_);
  for_chunks(space_.outer * blocks_ * columns, unit, parallel(), [&](int64_t begin, int64_t end) {
    Frame f;
    init_frame(f, inputs, outputs);
    for (int64_t u = begin; u < end; ++u) {
      int64_t column = u % columns * tile_;
      int64_t width = columns == 1 ? kept_ : std::min(tile_, kept_ - column);
      int64_t rest = u / columns;
      accumulate_block(f, rest / blocks_, rest % blocks_, column, width, outputs, workspace);
    }
  });
  if (blocks_ > 1) join_rows(outputs, workspace);
}

void BoundFused::join_rows(char* const* outputs, char* workspace) const {
  for (size_t k = 0; k < reductions_.size(); ++k) {
    const Reduction& r = reductions_[k];
    int64_t bytes = kept_ * static_cast<int64_t>(item_size(r.acc));
    for (int64_t o = 0; o < space_.outer; ++o) {
      char* sum = workspace + r.partial_offset + o * blocks_ * bytes;
      for (int64_t b = 1; b < blocks_; ++b) {
        const char* part = sum + b * bytes;
        for (int64_t c = 0; c < kept_; c += kMaxTile) {
          int64_t at = c * static_cast<int64_t>(item_size(r.acc));
          r.join->tile[0](sum + at, sum + at, part + at, part + at, std::min(kMaxTile, kept_ - c));
        }
      }
      store_row(r, sum, outputs[k], o * kept_, kept_);
    }
  }
}

void BoundFused::fill_identity(char* const* outputs) const {
  for (size_t k = 0; k < reductions_.size(); ++k) {
    const Reduction& r = reductions_[k];
    alignas(16) char value[16];
    alignas(16) char cast[16];
    if (!reduce_identity(r.kind, r.acc, value)) continue;  // then there is no output element
    const char* v = value;
    if (r.cast) {
      r.cast->scalar(cast, value, value, value, 1);
      v = cast;
    }
    fill_row(outputs[k], v, outputs_size(), static_cast<int64_t>(item_size(r.out)));
  }
}

}  // namespace phintys::vm
