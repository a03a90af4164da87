#include "vm/tiles.h"

#include <cstring>
#include <mutex>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "vm/tiles_isa.h"

#if defined(__x86_64__)
#define PHINTYS_TILE_ISAS(X) X(baseline) X(avx2) X(avx512)
#elif defined(__aarch64__)
#define PHINTYS_TILE_ISAS(X) X(neon)
#else
#define PHINTYS_TILE_ISAS(X) X(baseline)
#endif

PHINTYS_TILE_ISAS(PHINTYS_DECLARE_TILE_PARTS)

namespace phintys::vm {
namespace {

bool cpu_has(Isa isa) {
#if defined(__x86_64__)
  // The x86-64-v* names cover everything that the compiler uses under -march=haswell and
  // -march=skylake-avx512, the operating system's support for the registers included.
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("x86-64-v3");
    case Isa::avx512:
      return __builtin_cpu_supports("x86-64-v4");
    case Isa::neon:
      return false;
  }
  return false;
#elif defined(__aarch64__)
  return isa == Isa::neon;
#else
  return isa == Isa::baseline;
#endif
}

template <int kIsa>
const KernelTables& filled(void (*fill)(KernelTables*)) {
  static const KernelTables* const tables = [fill] {
    // Never freed: threads may run kernels while the process ends.
    auto* t = new KernelTables{};
    fill(t);
    return t;
  }();
  return *tables;
}

#define PHINTYS_CALL_TILE_PART(name) name(t);
#define PHINTYS_FILL_ISA(isa)                      \
  void fill_all_##isa(KernelTables* t) {           \
    using namespace phintys::vm::isa; /* NOLINT */ \
    PHINTYS_TILE_PARTS(PHINTYS_CALL_TILE_PART)     \
  }
PHINTYS_TILE_ISAS(PHINTYS_FILL_ISA)
#undef PHINTYS_FILL_ISA
#undef PHINTYS_CALL_TILE_PART

constexpr const char* kIsaNames[kNumIsas] = {"baseline", "avx2", "avx512", "neon"};

// The choice of instruction set: open to cap_isa until the first kernel is asked for.
struct Choice {
  std::mutex mutex;
  Isa cap = Isa::neon;
  bool taken = false;
  Isa taken_isa = Isa::baseline;

  Isa best() const {
    for (int i = static_cast<int>(cap); i > 0; --i) {
      if (cpu_has(static_cast<Isa>(i))) return static_cast<Isa>(i);
    }
    // A cap may name another architecture's set; then the build's own least one remains.
    return cpu_has(Isa::baseline) ? Isa::baseline : Isa::neon;
  }
};

Choice& choice() {
  static Choice* const c = new Choice;
  return *c;
}

const KernelTables& chosen() {
  static const KernelTables* const tables = [] {
    const std::lock_guard<std::mutex> lock(choice().mutex);
    choice().taken_isa = choice().best();
    choice().taken = true;
    return kernel_tables(choice().taken_isa);
  }();
  return *tables;
}

}  // namespace

const KernelTables* kernel_tables(Isa isa) {
  if (!cpu_has(isa)) return nullptr;
  switch (isa) {
#define X(name)   \
  case Isa::name: \
    return &filled<static_cast<int>(Isa::name)>(fill_all_##name);
    PHINTYS_TILE_ISAS(X)
#undef X
    default:
      return nullptr;
  }
}

Isa current_isa() {
  const std::lock_guard<std::mutex> lock(choice().mutex);
  return choice().taken ? choice().taken_isa : choice().best();
}

const char* isa_name(Isa isa) { return kIsaNames[static_cast<int>(isa)]; }

void cap_isa(const char* name) {
  const std::string_view wanted = name;
  int cap = wanted == "auto" ? kNumIsas - 1 : -1;
  for (int i = 0; i < kNumIsas; ++i) {
    if (wanted == kIsaNames[i]) cap = i;
  }
  if (cap < 0) {
    fail(ErrorKind::value, "unknown instruction set '", name,
         "': expected auto, baseline, avx2, avx512 or neon");
  }
  Choice& c = choice();
  const std::lock_guard<std::mutex> lock(c.mutex);
  const Isa before = c.cap;
  c.cap = static_cast<Isa>(cap);
  if (c.taken && c.best() != c.taken_isa) {
    c.cap = before;
    fail(ErrorKind::runtime, "the instruction set can no longer be changed to ", name,
         ": kernels for ", isa_name(c.taken_isa), " have been used already");
  }
}

const TileKernels& elementwise_kernels(int op, DType compute) {
  return chosen().elementwise[op][static_cast<int>(compute)];
}

const TileKernels& cast_kernels(DType from, DType to) {
  return chosen().cast[static_cast<int>(from)][static_cast<int>(to)];
}

const ReduceKernels& reduce_kernels(ReduceKind kind, DType d) {
  return chosen().reduce[static_cast<int>(kind)][static_cast<int>(d)];
}

bool reduce_identity(ReduceKind kind, DType d, void* out) {
  if (kind == ReduceKind::max || kind == ReduceKind::min) return false;
  const int value = kind == ReduceKind::prod || kind == ReduceKind::all ? 1 : 0;
  dispatch_dtype(d, [&]<class T>() {
    if constexpr (std::is_same_v<T, Half>) {
      const Half h = float_to_half(static_cast<float>(value));
      std::memcpy(out, &h, sizeof h);
    } else {
      const T v = static_cast<T>(value);
      std::memcpy(out, &v, sizeof v);
    }
  });
  return true;
}

}  // namespace phintys::vm
