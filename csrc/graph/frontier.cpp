#include "graph/frontier.h"

#include "base/id_map.h"
#include "graph/op.h"
#include "graph/traverse.h"

namespace phintys {

namespace {

// Constants of at most this many elements stay inside.
constexpr int64_t kSmall = 64;

enum class Side : uint8_t { constant, outside, inside };

bool is_small(const Variable& v) {
  if (v.is_constant()) return v.constant().view().size() <= kSmall;
  if (!v.type().is_tensor()) return false;
  int64_t size = 1;
  for (int64_t n : v.type().shape()) {
    if (n == kUnknownDim || n > kSmall) return false;
    size *= n;
    if (size > kSmall) return false;
  }
  return true;
}

}  // namespace

std::vector<Var> frontier(std::span<const Var> outputs, std::span<const Var> inputs,
                          std::span<const Var> blockers) {
  IdMap<Side> sides;
  std::vector<Var> stops(inputs.begin(), inputs.end());
  for (const Var& v : inputs) sides.insert(v->id(), Side::inside);
  for (const Var& v : blockers) {
    if (sides.insert(v->id(), Side::outside).second) stops.push_back(v);
  }
  auto side_of = [&](const Variable* v) {
    if (const Side* known = sides.find(v->id())) return *known;
    return v->is_constant() ? Side::constant : Side::outside;
  };
  std::vector<Var> found;
  IdMap<bool> taken;
  auto take = [&](const Var& v) {
    const Side side = side_of(v.get());
    if (side == Side::inside || (side == Side::constant && is_small(*v))) return;
    if (taken.insert(v->id(), true).second) found.push_back(v);
  };
  for (Apply* node : toposort(outputs, stops)) {
    Side side = Side::constant;
    for (const Var& v : node->inputs()) side = std::max(side, side_of(v.get()));
    for (int o = 0; o < node->nout(); ++o) sides.insert(node->output(o)->id(), side);
    if (side != Side::inside) continue;
    for (const Var& v : node->inputs()) take(v);
  }
  for (const Var& v : outputs) take(v);
  return found;
}

}  // namespace phintys
