// Random fused regions, bound to shapes and run as chains, against their steps one by one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ops/elementwise/table.h"
#include "vm/bound.h"
#include "vm/chains.h"

using namespace phintys;
using namespace phintys::vm;

namespace {

// How an input lies in memory.
enum class Lies { full, transposed, row, column, value };

struct Input {
  Lies lies;
  std::vector<char> memory;
  std::vector<int64_t> shape, strides;
};

class RandomRegion {
 public:
  RandomRegion(unsigned seed, int64_t rows, int64_t columns, int n_steps)
      : random_(seed), rows_(rows), columns_(columns) {
    op->ndim = 2;
    for (const DType d : {DType::f32, DType::f64}) {
      add_input(Lies::full, d);
      for (int i = 0; i < 3; ++i) add_input(static_cast<Lies>(random_() % 5), d);
      add_input(Lies::value, d);
    }
    for (int s = 0; s < n_steps; ++s) add_step();
    const unsigned n_outputs = 1 + random_() % 4;
    for (unsigned o = 0; o < n_outputs; ++o) {
      const int reg = o == 0 ? n_registers() - 1 : any();
      op->outputs.push_back({reg, false, ReduceOp::sum, dtype(reg)});
    }
  }

  Ref<FusedOp> op = make_ref<FusedOp>();

  // The values of every register, in C order.
  std::vector<std::vector<char>> step_by_step() const {
    std::vector<std::vector<char>> all;
    for (size_t i = 0; i < inputs_.size(); ++i) all.push_back(dense(i));
    for (const FusedStep& s : op->steps) {
      std::vector<char> out(bytes(s.result));
      const void* in[3];
      for (int j = 0; j < 3; ++j)
        in[j] = all[static_cast<size_t>(s.args[j] < 0 ? 0 : s.args[j])].data();
      const TileKernels& k =
          s.op < 0 ? cast_kernels(s.compute, s.result) : elementwise_kernels(s.op, s.compute);
      k.tile[0](out.data(), in[0], in[1], in[2], rows_ * columns_);
      all.push_back(std::move(out));
    }
    return all;
  }

  // Runs the region into memory that starts anywhere, or over inputs where it may; the outputs.
  std::vector<std::vector<char>> run(int* in_place) {
    std::vector<TensorView> views;
    std::vector<char*> from, to;
    std::vector<std::vector<char>> copies;  // of the inputs: they may be written to
    for (const Input& in : inputs_) copies.push_back(in.memory);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Input& in = inputs_[i];
      views.push_back(
          {copies[i].data(), op->input_dtypes[i], 2, in.shape.data(), in.strides.data()});
      from.push_back(copies[i].data());
    }
    const std::unique_ptr<BoundFused> bound = BoundFused::bind(*op, views);
    std::vector<std::vector<char>> outputs;
    std::vector<bool> taken(inputs_.size(), false);
    std::vector<size_t> starts;
    for (size_t o = 0; o < op->outputs.size(); ++o) {
      const size_t item = item_size(op->outputs[o].dtype);
      outputs.emplace_back(bytes(op->outputs[o].dtype) + 64 * item, char{0x55});
      starts.push_back(random_() % 2 ? item * (random_() % 64) : 0);
      to.push_back(outputs[o].data() + starts[o]);
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (taken[i] || !bound->can_overwrite(static_cast<int>(i), static_cast<int>(o))) continue;
        if (random_() % 4 == 0) continue;
        taken[i] = true;
        to[o] = from[i];
        ++*in_place;
        break;
      }
    }
    bound->run(from.data(), to.data(), nullptr);
    for (size_t o = 0; o < outputs.size(); ++o) {
      const size_t n = bytes(op->outputs[o].dtype);
      if (to[o] == outputs[o].data() + starts[o]) {
        const auto outside = [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i)
            if (outputs[o][i] != 0x55) return true;
          return false;
        };
        CHECK(!outside(0, starts[o]));
        CHECK(!outside(starts[o] + n, outputs[o].size()));
      }
      outputs[o] = std::vector<char>(to[o], to[o] + n);
    }
    return outputs;
  }

  std::string text() const {
    std::string r;
    for (const Input& in : inputs_) r += "in " + std::to_string(static_cast<int>(in.lies)) + "\n";
    for (const FusedStep& s : op->steps) {
      r += s.op < 0 ? "cast" : ops::elementwise_info(s.op).name;
      for (const int a : s.args) r += " " + std::to_string(a);
      r += "\n";
    }
    for (const FusedOutput& o : op->outputs) r += "out " + std::to_string(o.reg) + "\n";
    return r;
  }

 private:
  size_t bytes(DType d) const { return static_cast<size_t>(rows_ * columns_) * item_size(d); }
  int n_registers() const { return op->n_inputs + static_cast<int>(op->steps.size()); }
  DType dtype(int reg) const {
    return reg < op->n_inputs ? op->input_dtypes[static_cast<size_t>(reg)]
                              : op->steps[static_cast<size_t>(reg - op->n_inputs)].result;
  }
  // A register, a late one more often; of dtype `d` if there is one near, else one of its inputs.
  int any() {
    const auto n = static_cast<unsigned>(n_registers());
    return static_cast<int>(random_() % 2 ? n - 1 - random_() % std::min(n, 6u) : random_() % n);
  }
  int any(DType d) {
    for (int tries = 0; tries < 8; ++tries) {
      const int reg = any();
      if (dtype(reg) == d) return reg;
    }
    return d == DType::f32 ? 0 : 5;
  }

  void add_input(Lies lies, DType d) {
    const auto item = static_cast<int64_t>(item_size(d));
    Input in{lies, {}, {rows_, columns_}, {columns_ * item, item}};
    uint32_t mask = 0;
    int64_t n = rows_ * columns_;
    if (lies == Lies::transposed) in.strides = {item, rows_ * item};
    if (lies == Lies::row || lies == Lies::value) mask |= 1, in.shape[0] = 1, n = columns_;
    if (lies == Lies::column || lies == Lies::value) mask |= 2, in.shape[1] = 1, n = rows_;
    if (lies == Lies::column) in.strides = {item, item};
    if (lies == Lies::value) n = 1;
    in.memory.resize(static_cast<size_t>(n * item));
    std::uniform_real_distribution<double> number(-3, 3);
    for (int64_t i = 0; i < n; ++i) {
      const double v = number(random_);
      const auto f = static_cast<float>(v);
      if (d == DType::f32) std::memcpy(&in.memory[static_cast<size_t>(4 * i)], &f, 4);
      if (d == DType::f64) std::memcpy(&in.memory[static_cast<size_t>(8 * i)], &v, 8);
    }
    inputs_.push_back(std::move(in));
    op->input_dtypes.push_back(d);
    op->broadcast.push_back(mask);
    ++op->n_inputs;
  }

  void push(const char* name, DType compute, DType result, std::vector<int> args) {
    FusedStep s{name ? ops::elementwise_index(name) : -1, compute, result, {-1, -1, -1}, {}};
    std::copy(args.begin(), args.end(), s.args);
    op->steps.push_back(s);
  }

  void add_step() {
    const DType d = random_() % 3 == 0 ? DType::f64 : DType::f32;
    const DType other = d == DType::f32 ? DType::f64 : DType::f32;
    switch (random_() % 16) {
      case 0:
        return push(nullptr, d, other, {any(d)});
      case 1:
        return push("tanh", d, d, {any(d)});
      case 2: {
        push("lt", d, DType::b8, {any(d), any(d)});
        return push("switch", other, other, {n_registers() - 1, any(other), any(other)});
      }
      case 3:
      case 4:
        return push(random_() % 2 ? "minimum" : "maximum", d, d, {any(d), d == DType::f32 ? 4 : 9});
      default:
        break;
    }
    static const char* const kUnary[] = {"neg", "abs_", "sqr", "sqrt", "inv", "sgn"};
    static const char* const kBinary[] = {"add", "sub", "mul", "true_div", "maximum", "minimum"};
    static const char* const kTernary[] = {"mul_add", "mul_sub", "neg_mul_add"};
    switch (random_() % 5) {
      case 0:
        return push(kUnary[random_() % 6], d, d, {any(d)});
      case 1:
        return push(kTernary[random_() % 3], d, d, {any(d), any(d), any(d)});
      default:
        return push(kBinary[random_() % 6], d, d, {any(d), any(d)});
    }
  }

  std::vector<char> dense(size_t i) const {
    const Input& in = inputs_[i];
    const size_t item = item_size(op->input_dtypes[i]);
    std::vector<char> out(bytes(op->input_dtypes[i]));
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < columns_; ++c) {
        const int64_t at =
            (in.shape[0] == 1 ? 0 : r * in.strides[0]) + (in.shape[1] == 1 ? 0 : c * in.strides[1]);
        std::memcpy(&out[static_cast<size_t>(r * columns_ + c) * item],
                    &in.memory[static_cast<size_t>(at)], item);
      }
    }
    return out;
  }

  std::mt19937 random_;
  int64_t rows_, columns_;
  std::vector<Input> inputs_;
};

template <class T>
int64_t different(const std::vector<char>& a, const std::vector<char>& b) {
  int64_t r = 0;
  for (size_t i = 0; i < a.size(); i += sizeof(T)) {
    T x, y;
    std::memcpy(&x, &a[i], sizeof(T));
    std::memcpy(&y, &b[i], sizeof(T));
    r += std::memcmp(&x, &y, sizeof(T)) != 0 && !(std::isnan(x) && std::isnan(y));
  }
  return r;
}

int64_t different(DType d, const std::vector<char>& a, const std::vector<char>& b) {
  if (a.size() != b.size()) return -1;
  return d == DType::f32   ? different<float>(a, b)
         : d == DType::f64 ? different<double>(a, b)
                           : static_cast<int64_t>(a != b);
}

// How many outputs took the place of an input.
int check(RandomRegion region) {
  INFO(region.text());
  const auto want = region.step_by_step();
  int in_place = 0;
  for (int again = 0; again < 2; ++again) {
    const auto got = region.run(&in_place);
    for (size_t o = 0; o < got.size(); ++o) {
      const FusedOutput& out = region.op->outputs[o];
      INFO("output ", o);
      CHECK(different(out.dtype, got[o], want[static_cast<size_t>(out.reg)]) == 0);
    }
  }
  return in_place;
}

}  // namespace

TEST_CASE("random regions run as chains") {
  std::mt19937 random(5);
  int in_place = 0;
  for (unsigned seed = 0; seed < 500; ++seed) {
    const auto rows = static_cast<int64_t>(1 + random() % 70);
    const auto columns = static_cast<int64_t>(1 + random() % 70);
    in_place += check(RandomRegion(seed, rows, columns, static_cast<int>(1 + random() % 60)));
  }
  CHECK(in_place > 100);
}

TEST_CASE("random regions of more than one tile, and past the caches") {
  int in_place = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    const int n_steps = 2 + static_cast<int>(seed * 3);
    in_place += check(RandomRegion(1000 + seed, 1031, seed % 3 == 0 ? 1029 : 1024, n_steps));
    check(RandomRegion(2000 + seed, 1, 8191 + 700 * seed, n_steps));
  }
  CHECK(in_place > 2);
}
