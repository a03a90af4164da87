#include "ops/registry.h"

#include <algorithm>
#include <array>

#include "ops/advanced_subtensor.h"
#include "ops/argreduce.h"
#include "ops/control/list.h"
#include "ops/conv/list.h"
#include "ops/dot.h"
#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/fourier/list.h"
#include "ops/grad_ops.h"
#include "ops/indexing/list.h"
#include "ops/join.h"
#include "ops/linalg/list.h"
#include "ops/nnet/list.h"
#include "ops/nnet/softmax.h"
#include "ops/op_list.h"
#include "ops/pool/list.h"
#include "ops/random/list.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/sort/list.h"
#include "ops/sparse/list.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

template <class D>
constexpr OpEntry entry() {
  using Inherited = decltype(&Op::grad);
  static_assert(D::doc.signature && D::doc.dtypes && D::doc.reference, "an op without its words");
  return {D::kName, &D::from_attributes, [] { return Ref<const Op>(make_ref<D>()); }, D::doc,
          !std::is_same_v<decltype(&D::grad), Inherited>};
}

template <class... D>
constexpr auto entries(OpTypes<D...>) {
  std::array<OpEntry, sizeof...(D)> list = {entry<D>()...};
  std::sort(list.begin(), list.end(), [](const OpEntry& a, const OpEntry& b) {
    return std::string_view(a.name) < std::string_view(b.name);
  });
  return list;
}

using CoreOps = OpTypes<DimShuffle, Reshape, ShapeI, MakeVector, SpecifyShape, Alloc, ARange,
                        Reduce, ArgReduce, Subtensor, IncSubtensor, AdvancedSubtensor1,
                        AdvancedIncSubtensor1, AdvancedSubtensor, AdvancedIncSubtensor, Join, Dot,
                        Gemm, Gemv, Softmax, LogSoftmax, DisconnectedGrad, ZeroGrad, UndefinedGrad,
                        ConsiderConstant, GradClip, GradScale, Transfer, DeepCopy, Assert>;

constexpr auto kEntries =
    entries(JoinOpTypes<CoreOps, ControlOps, ConvOps, FourierOps, IndexingOps, LinalgOps, NnetOps,
                        PoolOps, RandomOps, SortOps, SparseOps>::type{});

static_assert(std::adjacent_find(kEntries.begin(), kEntries.end(),
                                 [](const OpEntry& a, const OpEntry& b) {
                                   return std::string_view(a.name) == std::string_view(b.name);
                                 }) == kEntries.end(),
              "two ops have one name");

Ref<const Op> make(std::string_view name, AttrReader& reader) {
  if (name == "cast") {
    DType to;
    reader.read("dtype", &to);
    if (static_cast<int>(to) >= kNumDTypes) fail(ErrorKind::value, "cast: unknown dtype");
    return Elemwise::cast(to);
  }
  const auto at = std::lower_bound(
      kEntries.begin(), kEntries.end(), name,
      [](const OpEntry& e, std::string_view n) { return std::string_view(e.name) < n; });
  if (at != kEntries.end() && name == at->name) return at->make(reader);
  const int index = ops::elementwise_index(name);
  if (index < 0) fail(ErrorKind::key, "there is no op \"", name, "\"");
  return Elemwise::get(index);
}

}  // namespace

std::span<const OpEntry> structural_ops() { return kEntries; }

Ref<const Op> make_op(std::string_view name, int version, AttrReader& reader) {
  Ref<const Op> op = make(name, reader);
  if (version < 1 || version > op->version()) {
    fail(ErrorKind::value, "op \"", name, "\" has version ", version,
         "; this library knows versions up to ", op->version());
  }
  return op;
}

}  // namespace phintys
