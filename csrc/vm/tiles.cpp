#include "vm/tiles.h"

#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "vm/tiles_isa.h"

PHINTYS_EACH_ISA(PHINTYS_DECLARE_TILE_PARTS)

namespace phintys::vm {
namespace {

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
PHINTYS_EACH_ISA(PHINTYS_FILL_ISA)
#undef PHINTYS_FILL_ISA
#undef PHINTYS_CALL_TILE_PART

const KernelTables& chosen() {
  static const KernelTables* const tables = kernel_tables(take_isa());
  return *tables;
}

}  // namespace

const KernelTables* kernel_tables(Isa isa) {
  if (!has_isa(isa)) return nullptr;
  switch (isa) {
#define X(name)   \
  case Isa::name: \
    return &filled<static_cast<int>(Isa::name)>(fill_all_##name);
    PHINTYS_EACH_ISA(X)
#undef X
    default:
      return nullptr;
  }
}

const TileKernels& elementwise_kernels(int op, DType compute) {
  return chosen().elementwise[op][static_cast<int>(compute)];
}

const TileKernels& cast_kernels(DType from, DType to) {
  return chosen().cast[static_cast<int>(from)][static_cast<int>(to)];
}

const ChainKernels* chain_kernels(int op, DType compute) {
  return chosen().chain[op][static_cast<int>(compute)];
}

const ChainFrames& chain_frames(DType compute) {
  return chosen().chain_frames[static_cast<int>(compute)];
}

const CarryKernels* carry_kernels(int op, DType compute) {
  if (op < 0) return nullptr;
  const CarryKernels& k = chosen().carry[op][static_cast<int>(compute)];
  return k.fn[0] ? &k : nullptr;
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
