// Chains of cheap steps: kernels against those that run step by step, plans, and whole regions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "memory_end.h"
#include "ops/elementwise/table.h"
#include "vm/bound.h"
#include "vm/chains.h"
#include "vm/tiles_isa.h"

using namespace phintys;
using namespace phintys::vm;
using namespace phintys::testing;

namespace {

// ---- Kernels ------------------------------------------------------------------------------------

constexpr int kMost = 1000;
// Of the widest vectors; chains take 8 of them, and then 4 at a time.
template <class T>
constexpr int kLanes = 64 / static_cast<int>(sizeof(T));

template <class T>
constexpr DType kDType = sizeof(T) == 4 ? DType::f32 : DType::f64;

template <class T>
std::vector<int> lengths() {
  std::vector<int> r = {0, 1, kMost};
  // The lengths of strips for all instruction sets: 16, 32 and 64 bytes.
  for (int lanes = kLanes<T> / 4; lanes <= kLanes<T>; lanes *= 2) {
    for (const int vectors : {1, 4, 8, 12, 16}) {
      for (const int more : {-1, 0, 1}) r.push_back(vectors * lanes + more);
    }
  }
  std::sort(r.begin(), r.end());
  r.erase(std::unique(r.begin(), r.end()), r.end());
  return r;
}

template <class T>
void fill(std::mt19937& random, T* to, int n) {
  using L = std::numeric_limits<T>;
  const T edges[] = {T(0),           T(-0.0),  T(1),           L::infinity(),
                     -L::infinity(), L::max(), L::quiet_NaN(), L::denorm_min(),
                     L::min(),       T(-1),    L::lowest(),    T(0.5)};
  std::uniform_real_distribution<T> number(-4, 4);
  for (int i = 0; i < n; ++i) to[i] = random() % 8 == 0 ? edges[random() % 12] : number(random);
}

// The same bits; all NaN count as one.
template <class T>
bool same(const T* a, const T* b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (std::memcmp(a + i, b + i, sizeof(T)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return false;
  }
  return true;
}

// A row that ends where memory ends, also if only its last elements are used.
template <class T>
struct EndRow {
  AtTheEnd<T> memory{kMost};
  T* last(int n) { return memory.data() + kMost - n; }
  char* bytes(int n) { return reinterpret_cast<char*>(last(n)); }
};

int digit(int index, int j) { return j == 0 ? index / 16 : j == 1 ? index / 4 % 4 : index % 4; }
ChainOperand operand(int index, int j) { return static_cast<ChainOperand>(digit(index, j)); }

const ChainKernel& kernel_of(const ChainKernels& k, int index, bool holding) {
  return holding ? k.holding[index] : k.plain[index];
}
const ChainFrame& frame_of(const KernelTables& tables, DType d, bool holding) {
  const ChainFrames& frames = tables.chain_frames[static_cast<int>(d)];
  return holding ? frames.holding : frames.plain;
}

// Every kernel of one instruction set and dtype:
// f(op, index of the operands' kinds, whether chains hold a row, kernel).
template <class F>
void for_each_kernel(Isa isa, DType d, F&& f) {
  const KernelTables& tables = *kernel_tables(isa);
  for (int op = 0; op < ops::elementwise_count(); ++op) {
    const ChainKernels* const kernels = tables.chain[op][static_cast<int>(d)];
    if (kernels == nullptr) continue;
    for (int form = 0; form < 2 * ChainKernels::kCount; ++form) {
      const bool holding = form >= ChainKernels::kCount;
      const int index = form % ChainKernels::kCount;
      const ChainKernel& k = kernel_of(*kernels, index, holding);
      if (k.strip != nullptr) f(op, index, holding, k);
    }
  }
}

template <class F>
void for_each_isa(F&& f) {
  for (int i = 0; i < kNumIsas; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (kernel_tables(isa) != nullptr) f(isa, *kernel_tables(isa));
  }
}

std::string label(Isa isa, int op, int index) {
  return std::string(isa_name(isa)) + " " + ops::elementwise_info(op).name + " " +
         std::to_string(digit(index, 0)) + std::to_string(digit(index, 1)) +
         std::to_string(digit(index, 2));
}

// One step on n elements: the row that is loaded, three more operands, the result, the row that is
// held.
template <class T>
class OneStep {
 public:
  OneStep(Isa isa, int op, int index, bool holding, ChainKernel kernel)
      : tables_(*kernel_tables(isa)), op_(op), index_(index), holding_(holding), kernel_(kernel) {
    std::mt19937 random(static_cast<unsigned>(op * ChainKernels::kCount + index));
    for (EndRow<T>& row : rows_) fill(random, row.last(kMost), kMost);
    fill(random, value_.data(), 1);
  }

  int arity() const { return ops::elementwise_info(op_).arity; }

  std::vector<T> expected(int n) {
    std::vector<T> out(static_cast<size_t>(n + 1));  // never null
    std::vector<T> value(static_cast<size_t>(n + 1), *value_.data());
    const void* in[3] = {out.data(), out.data(), out.data()};
    for (int j = 0; j < arity(); ++j) {
      const ChainOperand kind = operand(index_, j);
      in[j] = kind == ChainOperand::previous ? rows_[3].last(n)
              : kind == ChainOperand::row    ? rows_[static_cast<size_t>(j)].last(n)
              : kind == ChainOperand::held   ? rows_[4].last(n)
                                             : value.data();
    }
    tables_.elementwise[op_][static_cast<int>(kDType<T>)].tile[0](out.data(), in[0], in[1], in[2],
                                                                  n);
    return out;
  }

  // The result in `to`; `past`: by stores past the caches.
  void run(T* to, int n, bool past = false) {
    const ChainFrame& frame = frame_of(tables_, kDType<T>, holding_);
    char* pointers[7] = {rows_[3].bytes(n), reinterpret_cast<char*>(to),
                         rows_[0].bytes(n), rows_[1].bytes(n),
                         rows_[2].bytes(n), reinterpret_cast<char*>(value_.data()),
                         rows_[4].bytes(n)};
    int16_t in[3];
    for (int j = 0; j < 3; ++j) {
      const ChainOperand kind = operand(index_, j);
      // What comes from a register has no pointer; -1 would be read far away.
      in[j] = static_cast<int16_t>(kind == ChainOperand::scalar ? 5
                                   : kind == ChainOperand::row  ? 2 + j
                                   : kind == ChainOperand::held ? 6
                                                                : -32768);
    }
    const ChainStep steps[] = {{frame.hold, 6, 0, 0},
                               {frame.load, 0, 0, 0},
                               {kernel_, in[0], in[1], in[2]},
                               {past ? frame.stream : frame.store, 1, 0, 0},
                               {frame.end, 0, 0, 0}};
    frame.run(steps + (holding_ ? 0 : 1), pointers, n);
  }

  // Row 3 is the one that the chain loads, row 4 the one that it holds.
  T* row(int j, int n) { return rows_[static_cast<size_t>(j)].last(n); }

 private:
  const KernelTables& tables_;
  int op_, index_;
  bool holding_;
  ChainKernel kernel_;
  EndRow<T> rows_[5];
  AtTheEnd<T> value_{1};
};

}  // namespace

TEST_CASE("which kernels chains have") {
  for_each_isa([](Isa isa, const KernelTables& tables) {
    for (int op = 0; op < ops::elementwise_count(); ++op) {
      const ElementwiseInfo& info = ops::elementwise_info(op);
      for (int d = 0; d < kNumDTypes; ++d) {
        const ChainKernels* const kernels = tables.chain[op][d];
        if (kernels == nullptr) continue;
        for (int index = 0; index < ChainKernels::kCount; ++index) {
          bool previous = false, there = true, held = false;
          for (int j = 0; j < 3; ++j) {
            const bool is = operand(index, j) == ChainOperand::previous;
            previous = previous || (is && j < info.arity);
            there = there && (is || j < info.arity);
            held = held || operand(index, j) == ChainOperand::held;
          }
          INFO(label(isa, op, index), " ", d);
          // For all operands; binding takes that for granted.
          const bool wanted = previous && there;
          CHECK((kernels->plain[index].strip != nullptr) == (wanted && !held));
          CHECK((kernels->plain[index].part != nullptr) == (wanted && !held));
          CHECK((kernels->holding[index].strip != nullptr) == wanted);
          CHECK((kernels->holding[index].part != nullptr) == wanted);
        }
        CHECK(!info.heavy);
        CHECK((d == static_cast<int>(DType::f32) || d == static_cast<int>(DType::f64)));
        CHECK((tables.chain_frames[d].plain.run != nullptr));
        CHECK((tables.chain_frames[d].holding.run != nullptr));
      }
    }
    for (const char* name : {"add", "sub", "mul", "true_div", "neg", "abs_", "sqrt", "maximum",
                             "mul_add", "mul_sub", "neg_mul_add"}) {
      for (const DType d : {DType::f32, DType::f64}) {
        const int op = ops::elementwise_index(name);
        CHECK(tables.chain[op][static_cast<int>(d)] != nullptr);
      }
    }
  });
}

TEST_CASE_TEMPLATE("a step in a chain gives the bits of a tile kernel", T, float, double) {
  EndRow<T> out;
  for_each_isa([&](Isa isa, const KernelTables&) {
    for_each_kernel(
        isa, kDType<T>, [&](int op, int index, bool holding, const ChainKernel& kernel) {
          OneStep<T> step(isa, op, index, holding, kernel);
          for (const int n : lengths<T>()) {
            INFO(label(isa, op, index), holding ? " holding" : "", " n ", n);
            const std::vector<T> want = step.expected(n);
            std::fill_n(out.memory.data(), kMost, T(77));
            step.run(out.last(n), n);
            CHECK(same(out.last(n), want.data(), n));
            CHECK(std::all_of(out.memory.data(), out.last(n), [](T v) { return v == T(77); }));
          }
        });
  });
}

TEST_CASE_TEMPLATE("chains write over any row that they read", T, float, double) {
  for_each_isa([](Isa isa, const KernelTables&) {
    for_each_kernel(isa, kDType<T>,
                    [&](int op, int index, bool holding, const ChainKernel& kernel) {
                      OneStep<T> step(isa, op, index, holding, kernel);
                      std::vector<T> before(kMost);
                      for (int j = 0; j < 5; ++j) {
                        if (j < 3 && operand(index, j) != ChainOperand::row) continue;
                        if (j == 4 && !holding) continue;
                        std::copy_n(step.row(j, kMost), kMost, before.data());
                        for (const int n : {1, 7, 64, 130, 259, kMost}) {
                          INFO(label(isa, op, index), " over ", j, " n ", n);
                          const std::vector<T> want = step.expected(n);
                          step.run(step.row(j, n), n);
                          CHECK(same(step.row(j, n), want.data(), n));
                          std::copy_n(before.data(), kMost, step.row(j, kMost));
                        }
                      }
                    });
  });
}

TEST_CASE_TEMPLATE("stores past the caches, wherever rows start", T, float, double) {
  constexpr int kEnds = 32;  // elements before and after the row that stay what they are
  std::vector<T> memory(kMost + 2 * kEnds + 64);
  T* const line = reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
  for_each_isa([&](Isa isa, const KernelTables& tables) {
    const int op = ops::elementwise_index("mul_add");
    const ChainKernels& kernels = *tables.chain[op][static_cast<int>(kDType<T>)];
    for (int start = 0; start < 2 * kLanes<T>; ++start) {
      T* const to = line + kEnds + start;
      const bool holding = start % 2 != 0;
      OneStep<T> step(isa, op, 5, holding, kernel_of(kernels, 5, holding));
      for (const int n : lengths<T>()) {
        if (to + n > memory.data() + memory.size()) continue;
        INFO(isa_name(isa), " start ", start, " n ", n);
        std::fill(memory.begin(), memory.end(), T(77));
        const std::vector<T> want = step.expected(n);
        step.run(to, n, true);
        CHECK(same(to, want.data(), n));
        CHECK(std::all_of(memory.data(), to, [](T v) { return v == T(77); }));
        CHECK(std::all_of(to + n, memory.data() + memory.size(), [](T v) { return v == T(77); }));
      }
    }
  });
}

namespace {

// A random chain on `kRows` rows, which it also stores to, on single values, and on a row that it
// may hold.
template <class T>
struct RandomChain {
  static constexpr int kRows = 6, kValues = 3, kHeld = kRows + kValues, kPointers = kHeld + 1;
  struct Step {
    int op, index;
    int args[3];
    int store;  // a row, or -1
  };
  std::vector<Step> steps;
  bool holding;

  RandomChain(std::mt19937& random, int n_steps, bool holds) : holding(holds) {
    std::vector<int> candidates;
    for (int op = 0; op < ops::elementwise_count(); ++op)
      if (kernels(op) != nullptr) candidates.push_back(op);
    for (int s = 0; s < n_steps; ++s) {
      Step step{candidates[random() % candidates.size()], 0, {0, 0, 0}, -1};
      // Values stay near 1, or all would soon be infinite.
      const bool bound = random() % 3 == 0;
      if (bound) step.op = ops::elementwise_index(random() % 2 != 0 ? "minimum" : "maximum");
      const int arity = ops::elementwise_info(step.op).arity;
      const int previous = static_cast<int>(random() % static_cast<unsigned>(arity));
      for (int j = 0; j < 3; ++j) {
        int kind = j == previous || j >= arity ? 0 : static_cast<int>(random() % (holding ? 4 : 3));
        if (bound && j < arity && j != previous) kind = 2;
        step.index = step.index * kNumChainOperands + kind;
        step.args[j] = kind == 1   ? static_cast<int>(random() % kRows)
                       : kind == 2 ? kRows + static_cast<int>(random() % kValues)
                       : kind == 3 ? kHeld
                                   : 0;
      }
      if (random() % 3 == 0 || s + 1 == n_steps) step.store = static_cast<int>(random() % kRows);
      steps.push_back(step);
    }
  }

  static const ChainKernels* kernels(int op, Isa isa = Isa::baseline) {
    if (kernel_tables(isa) == nullptr) isa = current_isa();
    return kernel_tables(isa)->chain[op][static_cast<int>(kDType<T>)];
  }

  void run(Isa isa, char** pointers, int n) const {
    const ChainFrame& frame = frame_of(*kernel_tables(isa), kDType<T>, holding);
    std::vector<ChainStep> chain;
    if (holding) chain.push_back({frame.hold, kHeld, 0, 0});
    chain.push_back({frame.load, 0, 0, 0});
    for (const Step& s : steps) {
      chain.push_back({kernel_of(*kernels(s.op, isa), s.index, holding),
                       static_cast<int16_t>(s.args[0]), static_cast<int16_t>(s.args[1]),
                       static_cast<int16_t>(s.args[2])});
      if (s.store >= 0) chain.push_back({frame.store, static_cast<int16_t>(s.store), 0, 0});
    }
    chain.push_back({frame.end, 0, 0, 0});
    frame.run(chain.data(), pointers, n);
  }

  void run_steps(Isa isa, char** pointers, int n) const {
    const auto bytes = static_cast<size_t>(n) * sizeof(T);
    std::vector<T> previous(static_cast<size_t>(n + 1));  // never null
    std::vector<T> values[3];
    std::memcpy(previous.data(), pointers[0], bytes);
    for (const Step& s : steps) {
      const void* in[3];
      for (int j = 0; j < 3; ++j) {
        const ChainOperand kind = operand(s.index, j);
        if (kind == ChainOperand::scalar)
          values[j].assign(static_cast<size_t>(n), *reinterpret_cast<T*>(pointers[s.args[j]]));
        in[j] = kind == ChainOperand::previous ? previous.data()
                : kind == ChainOperand::scalar ? static_cast<const void*>(values[j].data())
                                               : pointers[s.args[j]];
      }
      kernel_tables(isa)->elementwise[s.op][static_cast<int>(kDType<T>)].tile[0](
          previous.data(), in[0], in[1], in[2], n);
      if (s.store >= 0) std::memcpy(pointers[s.store], previous.data(), bytes);
    }
  }
};

}  // namespace

TEST_CASE_TEMPLATE("chains of any length against their steps", T, float, double) {
  using Chain = RandomChain<T>;
  std::mt19937 random(11);
  for_each_isa([&](Isa isa, const KernelTables&) {
    for (const int n_steps : {1, 2, 5, 20, 64, 500}) {
      for (int trial = 0; trial < 20; ++trial) {
        const Chain chain(random, n_steps, trial % 2 != 0);
        const int n = static_cast<int>(random() % (kMost + 1));
        EndRow<T> rows[Chain::kRows];
        std::vector<T> copies[Chain::kRows];
        T values[Chain::kValues] = {T(2), T(-1.5), T(0.75)};
        char* ends[Chain::kPointers];
        char* plain[Chain::kPointers];
        for (int r = 0; r < Chain::kRows; ++r) {
          fill(random, rows[r].last(n), n);
          copies[r].assign(rows[r].last(n), rows[r].last(n) + n);
          copies[r].push_back(T(0));  // never null
          ends[r] = rows[r].bytes(n);
          plain[r] = reinterpret_cast<char*>(copies[r].data());
        }
        for (int v = 0; v < Chain::kValues; ++v)
          ends[Chain::kRows + v] = plain[Chain::kRows + v] = reinterpret_cast<char*>(values + v);
        EndRow<T> held;
        fill(random, held.last(n), n);
        ends[Chain::kHeld] = plain[Chain::kHeld] = held.bytes(n);
        chain.run(isa, ends, n);
        chain.run_steps(isa, plain, n);
        INFO(isa_name(isa), " steps ", n_steps, " n ", n);
        for (int r = 0; r < Chain::kRows; ++r) CHECK(same(rows[r].last(n), copies[r].data(), n));
      }
    }
  });
}
