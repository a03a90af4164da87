// Fused regions on the emulated device against the same regions on the host, bit for bit; sums
// within what another order of adding may change.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "device/queue.h"
#include "ops/elementwise/table.h"
#include "vm/bound.h"
#include "vm/chains.h"
#include "vm/device_fused.h"

using namespace phintys;
using namespace phintys::vm;

namespace {

const device::Table& emulated_table() {
  static const device::Table* const table = [] {
    char path[4096] = {};
    REQUIRE(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    std::string folder(path);
    folder.resize(folder.rfind('/'));
    void* const library =
        dlopen((folder + "/../lib/libphintys_emulated.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE(library != nullptr, dlerror());
    const auto get = reinterpret_cast<device::GetTable>(dlsym(library, device::kGetTable));
    return get(device::kTableVersion);
  }();
  REQUIRE(table != nullptr);
  return *table;
}

class FusedQueue final : public device::Queue {
 public:
  explicit FusedQueue(device::Stream* stream) : Queue(emulated_table(), stream, 0, nullptr) {}
  ~FusedQueue() override { table.release(0, block_); }
  void* scratch(size_t bytes) override {
    REQUIRE(block_ == nullptr);
    REQUIRE(table.allocate(0, bytes, &block_) == device::kOk);
    std::memset(block_, 0xa5, bytes);
    return block_;
  }
  void* upload_constant(const void*, size_t) override { return nullptr; }

 private:
  void* block_ = nullptr;
};

device::Stream* test_stream() {
  static device::Stream* const stream = [] {
    device::Stream* s = nullptr;
    REQUIRE(emulated_table().open_stream(0, &s) == device::kOk);
    return s;
  }();
  return stream;
}

// ---- Values -------------------------------------------------------------------------------------

uint16_t half_bits(float x) {
  uint16_t bits;
  const void* const in = &x;
  cast_kernels(DType::f32, DType::f16).scalar(&bits, in, nullptr, nullptr, 1);
  return bits;
}

void put_number(char* to, DType d, double re, double im) {
  switch (d) {
    case DType::b8:
      *reinterpret_cast<bool*>(to) = re > 0;
      return;
    case DType::f16: {
      const uint16_t bits = half_bits(static_cast<float>(re));
      std::memcpy(to, &bits, 2);
      return;
    }
    case DType::c64: {
      const std::complex<float> z(static_cast<float>(re), static_cast<float>(im));
      std::memcpy(to, &z, 8);
      return;
    }
    case DType::c128: {
      const std::complex<double> z(re, im);
      std::memcpy(to, &z, 16);
      return;
    }
    default:
      cast_kernels(DType::f64, d).scalar(to, &re, nullptr, nullptr, 1);
  }
}

// Mostly ordinary numbers of [low, high], some that are not.
void fill(std::mt19937* random, char* to, DType d, int64_t n, double low, double high) {
  std::uniform_real_distribution<double> number(low, high);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  static const double kRare[] = {0.0,    -0.0,         1.0,     -1.0,          kInf,
                                 -kInf,  std::nan(""), 1e30,    1e-40,         127.0,
                                 -128.0, 255.0,        65535.0, -2147483648.0, 4294967295.0};
  const auto draw = [&] {
    if ((*random)() % 8 != 0) {
      const double x = number(*random);
      return is_discrete(d) && (*random)() % 2 ? std::round(10 * x) : x;
    }
    return kRare[(*random)() % std::size(kRare)];
  };
  for (int64_t i = 0; i < n; ++i) {
    const double re = draw(), im = draw();
    put_number(to + i * static_cast<int64_t>(item_size(d)), d, re, im);
  }
}

template <class T>
bool same_parts(const char* a, const char* b, int n) {
  for (int i = 0; i < n; ++i) {
    T x, y;
    std::memcpy(&x, a + sizeof(T) * static_cast<size_t>(i), sizeof(T));
    std::memcpy(&y, b + sizeof(T) * static_cast<size_t>(i), sizeof(T));
    if (std::memcmp(&x, &y, sizeof(T)) != 0 && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

bool same(DType d, const char* a, const char* b) {
  switch (d) {
    case DType::f16: {
      uint16_t x, y;
      std::memcpy(&x, a, 2);
      std::memcpy(&y, b, 2);
      return x == y || ((x & 0x7fff) > 0x7c00 && (y & 0x7fff) > 0x7c00);
    }
    case DType::f32:
      return same_parts<float>(a, b, 1);
    case DType::f64:
      return same_parts<double>(a, b, 1);
    case DType::c64:
      return same_parts<float>(a, b, 2);
    case DType::c128:
      return same_parts<double>(a, b, 2);
    default:
      return std::memcmp(a, b, item_size(d)) == 0;
  }
}

std::complex<double> number(DType d, const char* p) {
  std::complex<double> z;
  if (d == DType::c64) {
    std::complex<float> f;
    std::memcpy(&f, p, 8);
    return {f.real(), f.imag()};
  }
  if (d == DType::c128) {
    std::memcpy(&z, p, 16);
    return z;
  }
  double x;
  cast_kernels(d, DType::f64).scalar(&x, p, nullptr, nullptr, 1);
  return {x, 0};
}

// ---- Regions ------------------------------------------------------------------------------------

struct Operand {
  std::vector<char> memory;
  Dims shape, strides;  // strides in bytes
  int64_t start = 0;    // of the first element, in bytes
};

// A region and its operands; `built` keeps the rules of FusedOp.
struct Region {
  Ref<FusedOp> op = make_ref<FusedOp>();
  Dims shape;
  std::vector<Operand> operands;

  int n_registers() const { return op->n_inputs + static_cast<int>(op->steps.size()); }
  DType dtype(int reg) const {
    return reg < op->n_inputs ? op->input_dtypes[static_cast<size_t>(reg)]
                              : op->steps[static_cast<size_t>(reg - op->n_inputs)].result;
  }
  explicit Region(Dims s) : shape(std::move(s)) { op->ndim = static_cast<int>(shape.size()); }

  // Before any step. The dimensions of `broadcast` (a mask) have length 1; `order` is how
  // dimensions follow each other in memory; `spread` elements lie between neighbours; `reversed`
  // dimensions (a mask) run backwards.
  int input(std::mt19937* random, DType d, uint32_t broadcast, std::vector<size_t> order = {},
            int64_t spread = 1, uint32_t reversed = 0, double low = -4, double high = 4) {
    const auto item = static_cast<int64_t>(item_size(d));
    Operand in{{}, shape, Dims(shape.size(), 0)};
    if (order.empty())
      for (size_t k = 0; k < shape.size(); ++k) order.push_back(k);
    int64_t n = spread;
    for (size_t k = shape.size(); k-- > 0;) {
      const size_t dim = order[k];
      if (broadcast >> dim & 1) in.shape[dim] = 1;
      in.strides[dim] = n * item;
      n *= in.shape[dim];
    }
    in.memory.resize(static_cast<size_t>((n + spread) * item));
    fill(random, in.memory.data(), d, n + spread, low, high);
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      if (!(reversed >> dim & 1) || in.shape[dim] == 0) continue;
      in.start += (in.shape[dim] - 1) * in.strides[dim];
      in.strides[dim] = -in.strides[dim];
    }
    operands.push_back(std::move(in));
    op->input_dtypes.push_back(d);
    op->broadcast.push_back(broadcast);
    return op->n_inputs++;
  }
  int step(int number, DType compute, DType result, std::vector<int> args) {
    FusedStep s{number, compute, result, {-1, -1, -1}, {}};
    std::copy(args.begin(), args.end(), s.args);
    op->steps.push_back(s);
    return n_registers() - 1;
  }
  int step(const char* name, DType compute, DType result, std::vector<int> args) {
    return step(ops::elementwise_index(name), compute, result, std::move(args));
  }
  int cast(int reg, DType to) { return step(-1, dtype(reg), to, {reg}); }
  void store(int reg) { op->outputs.push_back({reg, false, ReduceOp::sum, dtype(reg)}); }
  void reduce(int reg, ReduceOp kind, DType to) { op->outputs.push_back({reg, true, kind, to}); }

  int64_t results() const {
    int64_t n = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      const auto axis = static_cast<int64_t>(d);
      if (std::find(op->axes.begin(), op->axes.end(), axis) == op->axes.end()) n *= shape[d];
    }
    return op->is_reduction() ? n : product(shape);
  }
  static std::string name(DType d) { return std::string(dtype_name(d)); }
  std::string text() const {
    std::string r = to_string(shape) + "\n";
    for (int i = 0; i < op->n_inputs; ++i)
      r += "in " + name(op->input_dtypes[static_cast<size_t>(i)]) + " " +
           to_string(operands[static_cast<size_t>(i)].shape) +
           to_string(operands[static_cast<size_t>(i)].strides) + "\n";
    for (const FusedStep& s : op->steps) {
      r += s.op < 0 ? "cast" : ops::elementwise_info(s.op).name;
      r += " " + name(s.compute) + " " + name(s.result);
      for (const int a : s.args) r += " " + std::to_string(a);
      r += "\n";
    }
    for (const FusedOutput& o : op->outputs)
      r += "out " + std::to_string(o.reg) + " " + name(o.dtype) +
           (o.reduced ? " reduced " + std::to_string(static_cast<int>(o.reduce)) : "") + "\n";
    for (const int64_t a : op->axes) r += "axis " + std::to_string(a) + "\n";
    return r;
  }
};

struct Run {
  std::vector<std::vector<char>> outputs;
  int launches = 0;
  bool queued = true;
};

enum class Where { host, device, device_wide };

// Outputs with number `o` lie on the memory of input over[o], if that is not -1.
Run run(const Region& region, Where where, const std::vector<int>& over = {}) {
  std::vector<std::vector<char>> copies;
  std::vector<TensorView> views;
  std::vector<char*> from, to;
  Run r;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    const Operand& in = region.operands[i];
    copies.push_back(in.memory);
    char* const data = copies.back().data() + in.start;
    views.push_back(
        {data, region.op->input_dtypes[i], region.op->ndim, in.shape.data(), in.strides.data()});
    from.push_back(data);
  }
  for (size_t o = 0; o < region.op->outputs.size(); ++o) {
    const FusedOutput& out = region.op->outputs[o];
    r.outputs.emplace_back(static_cast<size_t>(region.results()) * item_size(out.dtype));
    to.push_back(o < over.size() && over[o] >= 0 ? from[static_cast<size_t>(over[o])]
                                                 : r.outputs.back().data());
  }
  const std::unique_ptr<BoundFused> bound = BoundFused::bind(*region.op, views);
  if (where == Where::host) {
    std::vector<char> workspace(bound->workspace_bytes() + 64);
    char* const aligned =
        workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64) % 64;
    bound->run(from.data(), to.data(), aligned);
  } else {
    for (size_t o = 0; o < over.size(); ++o)
      if (over[o] >= 0) CHECK(bound->can_overwrite(over[o], static_cast<int>(o)));
    const auto device = DeviceFused::bind(*region.op, views, where == Where::device_wide);
    REQUIRE(device != nullptr);
    FusedQueue queue(test_stream());
    r.queued = device->enqueue(queue, from.data(), to.data());
    r.launches = device->launches();
    REQUIRE(emulated_table().synchronize(test_stream()) == device::kOk);
  }
  for (size_t o = 0; o < r.outputs.size(); ++o)
    if (to[o] != r.outputs[o].data()) r.outputs[o].assign(to[o], to[o] + r.outputs[o].size());
  return r;
}

// Elements that differ, and how the first of them does.
int64_t differences(const Region& region, const Run& a, const Run& b, std::string* how) {
  int64_t count = 0;
  for (size_t o = 0; o < a.outputs.size(); ++o) {
    const DType d = region.op->outputs[o].dtype;
    const size_t item = item_size(d);
    for (size_t i = 0; i + item <= a.outputs[o].size(); i += item) {
      const char* const x = a.outputs[o].data() + i;
      const char* const y = b.outputs[o].data() + i;
      if (same(d, x, y)) continue;
      if (count++ == 0)
        *how = "output " + std::to_string(o) + " element " + std::to_string(i / item) + ": " +
               std::to_string(number(d, x).real()) + " and " + std::to_string(number(d, y).real());
    }
  }
  return count;
}

void check_same(const Region& region, const std::vector<int>& over = {},
                Where where = Where::device) {
  INFO(region.text());
  const Run want = run(region, Where::host);
  const Run got = run(region, where, over);
  CHECK(got.queued);
  std::string how;
  const int64_t wrong = differences(region, want, got, &how);
  INFO(how);
  CHECK(wrong == 0);
}

const DType kAll[] = {DType::b8,  DType::i8,  DType::i16, DType::i32, DType::i64,
                      DType::u8,  DType::u16, DType::u32, DType::u64, DType::f16,
                      DType::f32, DType::f64, DType::c64, DType::c128};

}  // namespace

TEST_CASE("every op in every dtype") {
  std::mt19937 random(1);
  for (int op = 0; op < ops::elementwise_count(); ++op) {
    const ElementwiseInfo& info = ops::elementwise_info(op);
    for (const DType d : kAll) {
      if (!ops::supports_dtype(op, d)) continue;
      const int64_t n = info.cost > 100 ? 37 : 301;
      Region region({n});
      std::vector<DType> in(static_cast<size_t>(info.arity), d);
      if (info.rule == DTypeRule::select) in[0] = DType::b8;
      ops::ResolvedDTypes dtypes;
      REQUIRE(ops::resolve_dtypes(op, in, DType::f64, &dtypes, nullptr));
      std::vector<int> args;
      for (int k = 0; k < info.arity; ++k)
        args.push_back(region.input(&random, in[static_cast<size_t>(k)], 0, {}, 1, 0, info.test_low,
                                    info.test_high));
      if (dtypes.compute != d && info.rule != DTypeRule::second) continue;
      const int one = region.input(&random, d, 1, {}, 1, 0, info.test_low, info.test_high);
      region.store(region.step(op, d, dtypes.result, args));
      if (info.arity > 1) {
        // With single values on either side.
        std::vector<int> single = args;
        single[1] = one;
        region.store(region.step(op, d, dtypes.result, single));
        if (info.rule != DTypeRule::select) {
          std::swap(single[0], single[1]);
          region.store(region.step(op, d, dtypes.result, single));
        }
      }
      check_same(region);
    }
  }
}

TEST_CASE("every cast") {
  std::mt19937 random(2);
  for (const DType from : kAll) {
    Region region({259});
    const int x = region.input(&random, from, 0, {}, 1, 0, -300, 300);
    for (const DType to : kAll) {
      if (is_complex(from) && !is_complex(to)) continue;
      Region one({259});
      one.operands = region.operands;
      one.op->n_inputs = 1;
      one.op->input_dtypes = region.op->input_dtypes;
      one.op->broadcast = region.op->broadcast;
      one.store(one.cast(x, to));
      check_same(one);
    }
  }
}

// ---- Random regions -----------------------------------------------------------------------------

namespace {

class RandomRegion {
 public:
  RandomRegion(unsigned seed, const Dims& shape, std::vector<DType> dtypes)
      : region(shape), random_(seed), dtypes_(std::move(dtypes)) {
    for (const DType d : dtypes_) {
      for (int i = 0; i < 3; ++i) add_input(d);
    }
  }
  Region region;

  void add_steps(int count) {
    for (int i = 0; i < count; ++i) add_step();
  }
  void store_some() {
    region.store(region.n_registers() - 1);
    for (unsigned o = random_() % 4; o > 0; --o) region.store(any());
  }
  int any() {
    const auto n = static_cast<unsigned>(region.n_registers());
    return static_cast<int>(random_() % 2 ? n - 1 - random_() % std::min(n, 6u) : random_() % n);
  }
  int any(DType d) {
    for (int tries = 0; tries < 8; ++tries) {
      const int reg = any();
      if (region.dtype(reg) == d) return reg;
    }
    for (int r = 0; r < region.op->n_inputs; ++r)
      if (region.dtype(r) == d) return r;
    return region.cast(any_real(), d);
  }
  std::mt19937& random() { return random_; }

 private:
  int any_real() {
    for (;;) {
      const int reg = any();
      if (!is_complex(region.dtype(reg))) return reg;
    }
  }
  void add_input(DType d) {
    const size_t nd = region.shape.size();
    uint32_t broadcast = 0, reversed = 0;
    std::vector<size_t> order;
    for (size_t k = 0; k < nd; ++k) order.push_back(k);
    const unsigned kind = random_() % 8;
    if (kind == 0) broadcast = ~0u;
    if (kind == 1) broadcast = random_();
    if (kind == 2) std::shuffle(order.begin(), order.end(), random_);
    if (kind == 3) reversed = random_();
    region.input(&random_, d, nd == 0 ? 0 : broadcast & ((1u << nd) - 1), order,
                 kind == 4 ? 1 + random_() % 3 : 1, reversed, -3, 3);
  }
  void add_step() {
    const DType d = dtypes_[random_() % dtypes_.size()];
    if (random_() % 8 == 0) {
      const DType to = dtypes_[random_() % dtypes_.size()];
      const int from = is_complex(to) ? any() : any_real();
      region.cast(from, to);
      return;
    }
    for (;;) {
      const auto op = static_cast<int>(random_() % static_cast<unsigned>(ops::elementwise_count()));
      const ElementwiseInfo& info = ops::elementwise_info(op);
      if (!ops::supports_dtype(op, d) || info.cost > 60 || (info.heavy && random_() % 3)) continue;
      std::vector<DType> in(static_cast<size_t>(info.arity), d);
      if (info.rule == DTypeRule::select) in[0] = DType::b8;
      ops::ResolvedDTypes dtypes;
      if (!ops::resolve_dtypes(op, in, DType::f64, &dtypes, nullptr) || dtypes.compute != d)
        continue;
      std::vector<int> args;
      for (const DType a : in) args.push_back(any(a));
      region.step(op, d, dtypes.result, args);
      return;
    }
  }

  std::mt19937 random_;
  std::vector<DType> dtypes_;
};

Dims random_shape(std::mt19937* random, int64_t most) {
  Dims shape;
  const unsigned nd = (*random)() % 5;
  int64_t n = 1;
  for (unsigned k = 0; k < nd; ++k) {
    const auto left = static_cast<unsigned>(std::max<int64_t>(1, most / n));
    const int64_t size = (*random)() % 3 == 0 ? 8 : 1 + (*random)() % std::min(left, 70u);
    shape.push_back(std::min<int64_t>(size, left));
    n *= shape.back();
  }
  return shape;
}

const std::vector<std::vector<DType>> kMixes = {
    {DType::f32},
    {DType::f32, DType::b8, DType::i32},
    {DType::f64, DType::f32},
    {DType::i8, DType::u8, DType::i16, DType::f16},
    {DType::i64, DType::u32, DType::u64, DType::f64},
    {DType::c64, DType::f32},
    {DType::c128, DType::f64, DType::i64},
};

}  // namespace

TEST_CASE("random regions") {
  std::mt19937 random(3);
  for (unsigned seed = 0; seed < 210; ++seed) {
    RandomRegion r(seed, random_shape(&random, 3000), kMixes[seed % kMixes.size()]);
    r.add_steps(static_cast<int>(1 + random() % 30));
    r.store_some();
    check_same(r.region, {}, seed % 3 == 0 ? Where::device_wide : Where::device);
  }
}

TEST_CASE("outputs on the memory of inputs") {
  std::mt19937 random(4);
  int in_place = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    RandomRegion r(500 + seed, {static_cast<int64_t>(1 + random() % 2000)}, {DType::f32});
    r.add_steps(static_cast<int>(2 + random() % 12));
    r.store_some();
    std::vector<TensorView> views;
    for (size_t i = 0; i < r.region.operands.size(); ++i) {
      Operand& in = r.region.operands[i];
      views.push_back(
          {in.memory.data() + in.start, DType::f32, 1, in.shape.data(), in.strides.data()});
    }
    const auto bound = BoundFused::bind(*r.region.op, views);
    std::vector<int> over;
    for (size_t o = 0; o < r.region.op->outputs.size(); ++o) {
      over.push_back(-1);
      for (int i = 0; i < static_cast<int>(views.size()); ++i) {
        if (!bound->can_overwrite(i, static_cast<int>(o)) ||
            std::find(over.begin(), over.end(), i) != over.end())
          continue;
        over.back() = i;
        ++in_place;
        break;
      }
    }
    check_same(r.region, over);
  }
  CHECK(in_place > 20);
}

TEST_CASE("as many steps as there can be") {
  for (const DType d : {DType::f32, DType::f16, DType::c64}) {
    RandomRegion r(77, {130}, {d, DType::f32, DType::i32});
    r.add_steps(64);
    r.store_some();
    check_same(r.region);
  }
}

TEST_CASE("long steps on single values are computed once") {
  std::mt19937 random(5);
  Region region({1000});
  const int x = region.input(&random, DType::f32, 0), a = region.input(&random, DType::f32, 1);
  const int power = region.step("pow", DType::f32, DType::f32, {a, a});
  region.store(region.step("mul", DType::f32, DType::f32, {x, power}));
  region.store(power);
  check_same(region);
  CHECK(run(region, Where::device).launches == 2);
}

TEST_CASE("one launch for a region, whatever it mixes") {
  std::mt19937 random(6);
  Region region({40, 30});
  const int x = region.input(&random, DType::f64, 0), y = region.input(&random, DType::f32, 1);
  const int z = region.step("gammaln", DType::f64, DType::f64, {x});
  const int w = region.step("exp", DType::f64, DType::f64, {region.cast(y, DType::f64)});
  region.store(region.step("add", DType::f64, DType::f64, {z, w}));
  check_same(region);
  CHECK(run(region, Where::device).launches == 1);
}

TEST_CASE("nothing to compute") {
  std::mt19937 random(7);
  Region region({0, 3});
  const int x = region.input(&random, DType::f32, 0);
  region.store(region.step("exp", DType::f32, DType::f32, {x}));
  const Run got = run(region, Where::device);
  CHECK(got.queued);
  CHECK(got.launches == 0);
}

// ---- Reductions ---------------------------------------------------------------------------------

namespace {

// Sums and products of floating point may differ in their last digits, in units of the sum of the
// sizes of what is added.
void check_reduction(const Region& region, Where where = Where::device) {
  INFO(region.text());
  const Run want = run(region, Where::host);
  const Run got = run(region, where), again = run(region, where);
  CHECK(got.queued);
  CHECK(got.outputs == again.outputs);
  std::string how;
  int64_t wrong = 0;
  for (size_t o = 0; o < want.outputs.size(); ++o) {
    const FusedOutput& out = region.op->outputs[o];
    const bool exact = out.reduce != ReduceOp::sum && out.reduce != ReduceOp::prod;
    const size_t item = item_size(out.dtype);
    const DType acc = region.dtype(out.reg);
    const double unit = acc == DType::f16 || out.dtype == DType::f16 ? 2e-3
                        : acc == DType::f32 || acc == DType::c64     ? 2e-5
                                                                     : 1e-12;
    for (size_t i = 0; i < want.outputs[o].size(); i += item) {
      const char* const a = want.outputs[o].data() + i;
      const char* const b = got.outputs[o].data() + i;
      if (same(out.dtype, a, b)) continue;
      const auto x = number(out.dtype, a), y = number(out.dtype, b);
      if (x == y) continue;  // zeros of either sign
      if (!exact && !is_discrete(acc) && std::abs(x - y) <= unit * std::max(1.0, std::abs(x)))
        continue;
      if (wrong++ == 0)
        how = "output " + std::to_string(o) + " element " + std::to_string(i / item) + ": " +
              std::to_string(x.real()) + " and " + std::to_string(y.real());
    }
  }
  INFO(how);
  CHECK(wrong == 0);
}

Region plain_reduction(std::mt19937* random, const Dims& shape, std::vector<int64_t> axes, DType d,
                       ReduceOp kind, std::vector<size_t> order = {}) {
  Region region(shape);
  const bool narrow = kind == ReduceOp::prod;
  const int x =
      region.input(random, d, 0, std::move(order), 1, 0, narrow ? 0.9 : -1, narrow ? 1.1 : 1);
  // Rare numbers would hide everything else.
  Operand& in = region.operands.back();
  if (!is_discrete(d)) {
    std::uniform_real_distribution<double> number(narrow ? 0.9 : -1, narrow ? 1.1 : 1);
    const size_t item = item_size(d);
    for (size_t i = 0; i < in.memory.size(); i += item)
      put_number(&in.memory[i], d, number(*random), narrow ? 0.1 : number(*random));
  }
  region.op->axes = std::move(axes);
  region.reduce(x, kind, d);
  return region;
}

}  // namespace

TEST_CASE("reductions of every kind and dtype") {
  std::mt19937 random(8);
  const ReduceOp kKinds[] = {ReduceOp::sum, ReduceOp::prod, ReduceOp::max,
                             ReduceOp::min, ReduceOp::all,  ReduceOp::any};
  for (const ReduceOp kind : kKinds) {
    for (const DType d : kAll) {
      if (!reduce_kernels(static_cast<ReduceKind>(kind), d).fold) continue;
      check_reduction(plain_reduction(&random, {701}, {0}, d, kind));
      check_reduction(plain_reduction(&random, {13, 21}, {1}, d, kind));
      check_reduction(plain_reduction(&random, {13, 21}, {0}, d, kind));
    }
  }
}

TEST_CASE("sums over any axes, of any layout") {
  std::mt19937 random(9);
  for (const Dims& shape : {Dims{40000}, Dims{3, 20000}, Dims{20000, 3}, Dims{300, 70},
                            Dims{5, 31, 17}, Dims{2, 3000, 4}, Dims{7, 1, 9, 5}}) {
    const auto nd = static_cast<unsigned>(shape.size());
    for (uint32_t mask = 1; mask < (1u << nd); ++mask) {
      std::vector<int64_t> axes;
      for (unsigned k = 0; k < nd; ++k)
        if (mask >> k & 1) axes.push_back(k);
      check_reduction(plain_reduction(&random, shape, axes, DType::f32, ReduceOp::sum));
      std::vector<size_t> order;
      for (unsigned k = nd; k-- > 0;) order.push_back(k);
      check_reduction(plain_reduction(&random, shape, axes, DType::f64, ReduceOp::sum, order),
                      Where::device_wide);
    }
  }
}

TEST_CASE("NaN wins in maxima and minima") {
  std::mt19937 random(10);
  for (const ReduceOp kind : {ReduceOp::max, ReduceOp::min}) {
    Region region = plain_reduction(&random, {9, 200}, {1}, DType::f32, kind);
    const float nan = std::nanf("");
    for (const size_t at : {0, 399, 777}) std::memcpy(&region.operands[0].memory[4 * at], &nan, 4);
    check_reduction(region);
    region.op->axes = {0};
    check_reduction(region);
  }
}

TEST_CASE("regions that end in reductions") {
  std::mt19937 random(11);
  for (unsigned seed = 0; seed < 80; ++seed) {
    Dims shape = random_shape(&random, 4000);
    if (shape.empty()) shape = {17};
    const DType d = seed % 2 ? DType::f32 : DType::f64;
    RandomRegion r(900 + seed, shape, {d});
    const int a = r.any(d), b = r.any(d);
    const int limited = r.region.step("tanh", d, d, {r.region.step("add", d, d, {a, b})});
    r.add_steps(static_cast<int>(random() % 5));
    for (size_t k = 0; k < shape.size(); ++k)
      if (random() % 2) r.region.op->axes.push_back(static_cast<int64_t>(k));
    if (r.region.op->axes.empty()) r.region.op->axes.push_back(0);
    r.region.reduce(limited, ReduceOp::sum, seed % 4 == 0 ? DType::f64 : d);
    r.region.reduce(a, ReduceOp::max, d);
    r.region.reduce(r.any(d), ReduceOp::min, d);
    check_reduction(r.region);
  }
}
