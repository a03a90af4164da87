#include "vm/flat.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "kernels/isa.h"
#include "ops/elementwise/table.h"
#include "vm/bound.h"

namespace phintys::vm {

namespace {

constexpr size_t kChunk = 16384;
constexpr size_t kSlack = 256;  // a vector of the smallest elements, with the largest in its place

// ----- kernels: operands as FlatCall says -----

void copy_bytes(void* out, const void* a, const void*, const void*, int64_t n) {
  std::memcpy(out, a, static_cast<size_t>(n));
}

struct Pair {
  uint64_t v[2];
};

template <class Word>
void copy_one(void* out, const void* a, const void*, const void*, int64_t) {
  std::memcpy(out, a, sizeof(Word));
}

template <class Word>
void fill(void* out, const void* a, const void*, const void*, int64_t n) {
  Word v;
  std::memcpy(&v, a, sizeof v);
  std::fill_n(static_cast<Word*>(out), n, v);
}

template <class Word>
void gather(void* out, const void* a, const void* places, const void*, int64_t n) {
  const auto* at = static_cast<const int32_t*>(places);
  const auto* from = static_cast<const char*>(a);
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(static_cast<Word*>(out) + i, from + at[i], sizeof(Word));
}

void fold(void* out, const void* a, const void* kernels, const void*, int64_t n) {
  static_cast<const ReduceKernels*>(kernels)->fold(out, a, n);
}

// `length`: of a row, itself.
void fold_rows(void* out, const void* a, const void* kernels, const void* length, int64_t n) {
  static_cast<const ReduceKernels*>(kernels)->fold_rows(
      out, a, n, static_cast<int64_t>(reinterpret_cast<intptr_t>(length)));
}

template <template <class> class Kernel>
TileFn by_item(int64_t item) {
  switch (item) {
    case 1:
      return Kernel<uint8_t>::fn;
    case 2:
      return Kernel<uint16_t>::fn;
    case 4:
      return Kernel<uint32_t>::fn;
    case 8:
      return Kernel<uint64_t>::fn;
    default:
      return Kernel<Pair>::fn;
  }
}
template <class Word>
struct CopyOne {
  static constexpr TileFn fn = copy_one<Word>;
};
template <class Word>
struct Fill {
  static constexpr TileFn fn = fill<Word>;
};
template <class Word>
struct Gather {
  static constexpr TileFn fn = gather<Word>;
};

const char* as_operand(const void* p) { return static_cast<const char*>(p); }

void write_ones(char* from, char* to, DType dtype) {
  alignas(16) char one[16];
  reduce_identity(ReduceKind::prod, dtype, one);
  const size_t item = item_size(dtype);
  for (; from + item <= to; from += item) std::memcpy(from, one, item);
}

int64_t vector_bytes() {
  switch (current_isa()) {
    case Isa::avx512:
      return 64;
    case Isa::avx2:
      return 32;
    default:
      return 16;
  }
}

}  // namespace

void FlatMemory::Free::operator()(char* p) const { std::free(p); }

char* FlatMemory::take(DType dtype, int64_t elements) {
  const size_t bytes = (static_cast<size_t>(elements) * item_size(dtype) + kSlack + 63) / 64 * 64;
  if (used_ + bytes > size_) {
    size_ = std::max(kChunk, bytes);
    used_ = 0;
    char* block = static_cast<char*>(std::aligned_alloc(64, size_));
    if (!block) fail(ErrorKind::memory, "out of memory for ", size_, " bytes of a loop's values");
    blocks_.emplace_back(block);
  }
  char* p = blocks_.back().get() + used_;
  used_ += bytes;
  bytes_ += bytes;
  write_ones(p, p + bytes, dtype);
  return p;
}

const int32_t* FlatMemory::keep(std::vector<int32_t> table) {
  tables_.push_back(std::move(table));
  return tables_.back().data();
}

int64_t whole_vectors(int64_t n, int64_t item) {
  const int64_t lanes = std::max<int64_t>(1, vector_bytes() / std::max<int64_t>(4, item));
  return (n + lanes - 1) / lanes * lanes;
}

FlatCall copy_call(char* to, const char* from, int64_t item, int64_t n) {
  if (n == 1) return {by_item<CopyOne>(item), to, from, nullptr, nullptr, 1};
  return {copy_bytes, to, from, nullptr, nullptr, whole_vectors(n, item) * item};
}

FlatCall exact_copy_call(char* to, const char* from, int64_t item, int64_t n) {
  if (n == 1) return copy_call(to, from, item, n);
  return {copy_bytes, to, from, nullptr, nullptr, n * item};
}

FlatCall add_call(char* to, const char* from, DType dtype, int64_t n) {
  const TileKernels& add = elementwise_kernels(ops::elementwise_index("add"), dtype);
  return {n == 1 ? add.scalar : add.tile[0], to, to, from, nullptr, n};
}

FlatCall gather_call(char* to, const char* from, int64_t item, const int32_t* places, int64_t n) {
  return {by_item<Gather>(item), to, from, as_operand(places), nullptr, n};
}

std::vector<int32_t> places_of(const Dims& shape, const Dims& strides, int64_t n) {
  std::vector<int32_t> places;
  const size_t nd = shape.size();
  Dims index(nd, 0);
  int64_t at = 0;
  const int64_t elements = product(shape);
  for (int64_t i = 0; i < elements; ++i) {
    places.push_back(static_cast<int32_t>(at));
    for (size_t d = nd; d-- > 0;) {
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  places.resize(static_cast<size_t>(std::max(n, elements)), places.empty() ? 0 : places.back());
  return places;
}

// What appends a region's calls: its frame's pointers, resolved once.
class BoundFused::FlatBuilder {
 public:
  FlatBuilder(const BoundFused& bound, char* const* inputs, char* const* outputs,
              FlatMemory* memory, std::vector<FlatCall>* calls)
      : b_(bound), inputs_(inputs), outputs_(outputs), memory_(*memory), calls_(*calls) {}

  void run() {
    find_size();
    place_pointers();
    for (const Instr& s : b_.scalar_instrs_) step(s, 1, 7);
    if (b_.single_) {
      for (const RowCopy& c : b_.copies_)
        calls_.push_back(copy_call(at(c.ptr), at(c.source), c.item, 1));
      return;
    }
    for (const RowCopy& c : b_.fills_) fill_row(c);
    for (const Move& m : b_.packs_) pack(m);
    for (const Instr& s : b_.instrs_) step(s, whole_, in_place(s));
    for (const RowCopy& c : b_.copies_) {
      if (c.fill) {
        fill_row(c);
      } else {
        calls_.push_back({copy_bytes, at(c.ptr), at(c.source), nullptr, nullptr, whole_ * c.item});
      }
    }
    for (size_t k = 0; k < b_.reductions_.size(); ++k) reduce(b_.reductions_[k], outputs_[k]);
  }

 private:
  char*& at(int p) { return ptr_[static_cast<size_t>(p)]; }
  DType dtype_of(int reg) const {
    const FusedOp& op = *b_.op_;
    return reg < op.n_inputs ? op.input_dtypes[static_cast<size_t>(reg)]
                             : op.steps[static_cast<size_t>(reg - op.n_inputs)].result;
  }

  void find_size() {
    n_ = b_.space_.inner;
    int64_t least = 16;
    for (int r = 0; r < b_.op_->n_inputs + static_cast<int>(b_.op_->steps.size()); ++r) {
      const auto item = static_cast<int64_t>(item_size(dtype_of(r)));
      if (item >= 4) least = std::min(least, item);
    }
    whole_ = whole_vectors(n_, least);
  }

  void place_pointers() {
    ptr_.assign(static_cast<size_t>(b_.n_ptrs_), nullptr);
    std::vector<char*> rows, slots;
    const int64_t row_items = whole_ * 16;  // bytes of the widest elements
    for (int r = 0; !b_.single_ && r < b_.rows_; ++r)
      rows.push_back(memory_.take(DType::f64, row_items / 8));
    for (int s = 0; s < b_.slots_; ++s) slots.push_back(memory_.take(DType::f64, 2));
    for (size_t p = 0; p < ptr_.size(); ++p) {
      if (b_.row_of_[p] >= 0 && !b_.single_) ptr_[p] = rows[static_cast<size_t>(b_.row_of_[p])];
      if (b_.slot_of_[p] >= 0) ptr_[p] = slots[static_cast<size_t>(b_.slot_of_[p])];
    }
    for (const Move& m : b_.scalar_inputs_) at(m.ptr) = inputs_[m.operand];
    for (const Move& m : b_.moves_) at(m.ptr) = inputs_[m.operand];
    for (const Move& m : b_.output_moves_) at(m.ptr) = outputs_[m.operand];
  }

  void step(const Instr& s, int64_t n, unsigned in_place) {
    const FusedStep& step = b_.op_->steps[static_cast<size_t>(s.dst - b_.op_->n_inputs)];
    const int arity = step.op < 0 ? 1 : ops::elementwise_info(step.op).arity;
    // What is not read is null, so that nothing has to stay for it.
    calls_.push_back({s.fn, at(s.dst), at(s.a), arity > 1 ? at(s.b) : nullptr,
                      arity > 2 ? at(s.c) : nullptr, n, in_place});
    if (!b_.single_) return;
    calls_.back().carry = carry_kernels(step.op, step.compute);
    calls_.back().carry_bytes = static_cast<unsigned>(item_size(step.compute));
  }

  // Operands that are whole inputs, with elements as large as the result's.
  unsigned in_place(const Instr& s) const {
    unsigned bits = 0;
    const int16_t operands[3] = {s.a, s.b, s.c};
    for (const Move& m : b_.moves_)
      for (int j = 0; j < 3; ++j)
        if (m.ptr == operands[j] && m.item == static_cast<int64_t>(item_size(dtype_of(s.dst))))
          bits |= 1u << j;
    return bits;
  }

  void fill_row(const RowCopy& c) {
    calls_.push_back({by_item<Fill>(c.item), at(c.ptr), at(c.source), nullptr, nullptr, whole_});
  }

  void pack(const Move& m) {
    const Dims& strides = b_.access_[static_cast<size_t>(m.operand)].inner_strides;
    const int32_t* places = memory_.keep(places_of(b_.space_.inner_shape, strides, whole_));
    calls_.push_back(gather_call(at(m.ptr), inputs_[m.operand], m.item, places, whole_));
  }

  void reduce(const Reduction& r, char* out) {
    const char* row = at(r.ptr);
    const int64_t results = b_.outputs_size();
    char* acc = r.cast ? memory_.take(r.acc, results) : out;
    if (r.factor >= 0) {
      calls_.push_back({r.fold->fold_products, acc, row, at(r.factor), nullptr, n_});
    } else if (b_.strategy_ == Strategy::fold_blocks) {
      calls_.push_back({fold, acc, row, as_operand(r.fold), nullptr, n_});
    } else if (b_.strategy_ == Strategy::fold_rows) {
      const auto* length = reinterpret_cast<const char*>(static_cast<intptr_t>(b_.reduced_));
      calls_.push_back({fold_rows, acc, row, as_operand(r.fold), length, results});
    } else {
      accumulate(r, row, acc);
    }
    if (!r.cast) return;
    const TileFn cast = results == 1 ? r.cast->scalar : r.cast->tile[0];
    calls_.push_back({cast, out, acc, nullptr, nullptr, results});
  }

  // Rows added up one after the other, as run_accumulate() does.
  void accumulate(const Reduction& r, const char* row, char* acc) {
    const int64_t kept = b_.kept_, bytes = kept * static_cast<int64_t>(item_size(r.acc));
    if (b_.reduced_ == 1) {
      calls_.push_back({copy_bytes, acc, row, nullptr, nullptr, bytes});
      return;
    }
    for (int64_t j = 1; j < b_.reduced_; ++j) {
      const char* so_far = j == 1 ? row : acc;
      calls_.push_back({r.join->tile[0], acc, so_far, row + j * bytes, nullptr, kept});
    }
  }

  const BoundFused& b_;
  char* const* inputs_;
  char* const* outputs_;
  FlatMemory& memory_;
  std::vector<FlatCall>& calls_;
  std::vector<char*> ptr_;
  int64_t n_ = 1, whole_ = 1;
};

bool BoundFused::append_calls(char* const* inputs, char* const* outputs, FlatMemory* memory,
                              std::vector<FlatCall>* calls) const {
  constexpr int64_t kMostRows = 64;  // added up one by one
  const bool one_tile = total_ > 0 && space_.outer == 1 && space_.inner <= tile_ && blocks_ == 1;
  if ((!single_ && !one_tile) || !chain_steps_.empty()) return false;
  if (strategy_ == Strategy::accumulate && reduced_ > kMostRows) return false;
  FlatBuilder(*this, inputs, outputs, memory, calls).run();
  return true;
}

}  // namespace phintys::vm
