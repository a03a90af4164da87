#include "ops/control/scan.h"

#include <algorithm>

#include "base/id_map.h"
#include "graph/print.h"
#include "ops/build.h"
#include "ops/op_util.h"

namespace phintys {

namespace {

constexpr int64_t kMaxTap = int64_t{1} << 24;
// Types say nothing of the lengths after more steps: such loops end by their condition.
constexpr int64_t kMaxKnownSteps = int64_t{1} << 47;

[[noreturn]] void bad_attributes(const char* why) { fail(ErrorKind::value, "scan: ", why); }

Dims row_dims(const Type& rows) { return Dims(rows.shape().begin() + 1, rows.shape().end()); }

}  // namespace

void Scan::check_attributes() const {
  if (!graph) bad_attributes("a loop without a body");
  size_t at = 0;
  for (int64_t k : keep) {
    if (k != 0 && k != 1) bad_attributes("whether a state is kept is 0 or 1");
    if (at >= taps.size()) bad_attributes("a state without taps");
    const int64_t n = taps[at++];
    if (n < 1 || n > static_cast<int64_t>(taps.size() - at))
      bad_attributes("the list of taps is cut short");
    for (int64_t i = 0; i < n; ++i, ++at)
      if (taps[at] >= 0 || taps[at] < -kMaxTap)
        bad_attributes("the taps of a state must be negative, and not far back");
  }
  if (at != taps.size()) bad_attributes("there are more taps than states");
  const int64_t n_in = static_cast<int64_t>(graph->inputs().size());
  const int64_t n_out = static_cast<int64_t>(graph->outputs().size());
  if (n_sequences < 0 || n_sequences > n_in - n_taps())
    bad_attributes("the body has too few inputs");
  if (n_emitted < 0 || n_emitted != n_out - n_states() - (until ? 1 : 0))
    bad_attributes("the number of the body's outputs is wrong");
  if (truncate < -1) bad_attributes("truncate must be -1 or a number of steps");
  for (const Var& v : graph->inputs())
    if (!v.type().is_tensor() || v.ndim() >= kMaxRank) bad_attributes("an input is no tensor");
  for (const Var& v : graph->outputs())
    if (!v.type().is_tensor() || v.ndim() >= kMaxRank) bad_attributes("an output is no tensor");
  if (until && !(graph->outputs().back().type() == Type::scalar(DType::b8)))
    bad_attributes("the condition to stop must be a bool scalar");
}

std::span<const int64_t> Scan::taps_of(int state) const {
  size_t at = 0;
  for (int c = 0; c < state; ++c) at += 1 + static_cast<size_t>(taps[at]);
  return {taps.data() + at + 1, static_cast<size_t>(taps[at])};
}

int64_t Scan::rows_of(int state) const {
  int64_t oldest = 0;
  for (int64_t tap : taps_of(state)) oldest = std::min(oldest, tap);
  return -oldest;
}

int Scan::first_tap(int state) const {
  int first = 0;
  for (int c = 0; c < state; ++c) first += static_cast<int>(taps_of(c).size());
  return first;
}

bool Scan::equal(const Op& other) const {
  if (this == &other) return true;
  const Scan* o = dynamic_cast<const Scan*>(&other);
  if (!o || !same_settings(*o) || encode_attributes(*this) != encode_attributes(*o)) return false;
  return graph == o->graph || (graph && o->graph && graph->equal(*o->graph));
}

bool Scan::same_settings(const Scan& other) const {
  const LoopSettings none;
  return (settings ? *settings : none) == (other.settings ? *other.settings : none);
}

Ref<const Scan> Scan::with_settings(LoopSettings wanted) const {
  const Ref<const Op> op = with_inner({graph});
  auto* scan = const_cast<Scan*>(static_cast<const Scan*>(op.get()));  // nobody else has it yet
  scan->settings = std::make_shared<const LoopSettings>(std::move(wanted));
  return Ref<const Scan>(scan);
}

uint64_t Scan::hash() const {
  uint64_t h = hash_combine(hash_string(kName), graph ? graph->hash() : 0);
  for (int64_t t : taps) h = hash_combine(h, static_cast<uint64_t>(t));
  for (int64_t k : keep) h = hash_combine(h, static_cast<uint64_t>(k));
  return hash_combine(h, static_cast<uint64_t>(n_sequences * 64 + n_emitted * 2 + until));
}

std::string Scan::str() const { return label.empty() ? "Scan{}" : "Scan{" + label + "}"; }

Ref<const Op> Scan::with_inner(std::vector<Ref<const InnerGraph>> graphs) const {
  PHINTYS_CHECK(graphs.size() == 1, "a loop has one body");
  auto op = make_ref<Scan>();
  op->graph = std::move(graphs[0]);
  op->taps = taps;
  op->keep = keep;
  op->n_sequences = n_sequences;
  op->n_emitted = n_emitted;
  op->until = until;
  op->truncate = truncate;
  op->recompute = recompute;
  op->label = label;
  op->extends = extends;
  op->settings = settings;
  return op;
}

std::vector<Type> Scan::infer(std::span<const Var> inputs) const {
  const int n = 1 + n_states() + static_cast<int>(n_sequences) + n_constants();
  check_inputs(*this, inputs, n);
  check_int_scalar(*this, inputs[0], "the number of steps");
  if (inputs[0].dtype() != DType::i64)
    fail(ErrorKind::type, str(), ": the number of steps must be int64");
  // An operand must be what the body's input was declared as: what it claims of lengths holds.
  auto check = [&](const Var& v, const Var& inner, bool rows, const char* what, int number) {
    const Dims dims = rows && v.ndim() > 0 ? row_dims(v.type()) : v.type().shape();
    bool fits = v.dtype() == inner.dtype() && (!rows || v.ndim() > 0) &&
                static_cast<int>(dims.size()) == inner.ndim();
    for (int d = 0; fits && d < inner.ndim(); ++d)
      fits = inner.type().dim(d) == kUnknownDim || inner.type().dim(d) == dims[size_t(d)];
    if (!fits)
      fail(ErrorKind::type, str(), ": ", what, " ", number, " is ", v.type().str(),
           ", the body expects ", rows ? "rows of " : "", inner.type().str());
  };
  std::vector<Type> types;
  int64_t steps = kUnknownDim;
  if (!constant_int_value(inputs[0].get(), &steps) || steps < 0 || steps > kMaxKnownSteps)
    steps = kUnknownDim;
  for (int c = 0; c < n_states(); ++c) {
    const Var& rows = inputs[size_t(state_input(c))];
    for (size_t k = 0; k < taps_of(c).size(); ++k)
      check(rows, graph->inputs()[size_t(first_tap(c)) + k], true, "state", c);
    const Var& fresh = graph->outputs()[size_t(c)];
    Dims dims = row_dims(rows.type());
    bool fits = fresh.dtype() == rows.dtype() && fresh.ndim() == rows.ndim() - 1;
    for (int d = 0; fits && d < fresh.ndim(); ++d)
      fits = merge_dims(dims[size_t(d)], fresh.type().dim(d), &dims[size_t(d)]);
    if (!fits)
      fail(ErrorKind::type, str(), ": state ", c, " starts as rows of ", rows.type().str(),
           ", but each step computes ", fresh.type().str());
    const int64_t first = rows_of(c);
    dims.insert(dims.begin(), keeps_all(c) ? (steps < 0 ? kUnknownDim : steps + first) : first);
    types.push_back(Type::tensor(rows.dtype(), dims));
  }
  for (int s = 0; s < n_sequences; ++s)
    check(inputs[size_t(sequence_input(s))], graph->inputs()[size_t(row_of_sequence(s))], true,
          "sequence", s);
  for (int k = 0; k < n_constants(); ++k)
    check(inputs[size_t(constant_input(k))], graph->inputs()[size_t(inner_constant(k))], false,
          "constant", k);
  for (int e = 0; e < n_emitted; ++e) {
    const Type& row = graph->outputs()[size_t(emitted_output(e))].type();
    Dims dims = row.shape();
    dims.insert(dims.begin(), steps);
    types.push_back(Type::tensor(row.dtype(), dims));
  }
  if (until) types.push_back(Type::scalar(DType::i64));
  return types;
}

// From the body's outputs to its inputs through differentiable paths, then around the loop until
// nothing is added.
void Scan::find_reach() const {
  const size_t n_inner = graph->inputs().size(), n_out = graph->outputs().size();
  const size_t n_in = size_t(constant_input(0) + n_constants());
  std::vector<std::vector<bool>> inner(n_out);
  for (size_t o = 0; o < n_out; ++o) {
    IdMap<bool> reached;
    reached.insert(graph->outputs()[o]->id(), true);
    const std::vector<Apply*>& nodes = graph->nodes();
    for (size_t k = nodes.size(); k-- > 0;) {
      const Apply& node = *nodes[k];
      for (int out = 0; out < node.nout(); ++out) {
        if (!reached.contains(node.output(out)->id())) continue;
        for (int in = 0; in < node.nin(); ++in)
          if (node.op().connected(in, out)) reached.insert(node.input(in)->id(), true);
      }
    }
    for (size_t i = 0; i < n_inner; ++i)
      inner[o].push_back(reached.contains(graph->inputs()[i]->id()));
  }
  reach_.assign(n_in * n_out, false);
  for (size_t o = 0; o < n_out; ++o) {
    if (until && o + 1 == n_out) continue;  // the number of steps depends on nothing smoothly
    std::vector<bool> inputs = inner[o], visited(keep.size(), false);
    if (o < keep.size()) visited[o] = true;
    for (bool grew = true; grew;) {
      grew = false;
      for (int c = 0; c < n_states(); ++c) {
        if (visited[size_t(c)]) continue;
        for (size_t k = 0; k < taps_of(c).size(); ++k) grew |= inputs[size_t(first_tap(c)) + k];
        if (!grew) continue;
        visited[size_t(c)] = true;
        for (size_t i = 0; i < n_inner; ++i)
          if (inner[size_t(c)][i]) inputs[i] = true;
        break;
      }
    }
    auto mark = [&](int input) { reach_[size_t(input) * n_out + o] = true; };
    for (int c = 0; c < n_states(); ++c)
      if (visited[size_t(c)]) mark(state_input(c));
    for (int s = 0; s < n_sequences; ++s)
      if (inputs[size_t(row_of_sequence(s))]) mark(sequence_input(s));
    for (int k = 0; k < n_constants(); ++k)
      if (inputs[size_t(inner_constant(k))]) mark(constant_input(k));
  }
}

bool Scan::connected(int in, int out) const {
  std::call_once(reach_once_, [this] { find_reach(); });
  return reach_[size_t(in) * graph->outputs().size() + size_t(out)];
}

int outer_input(const Apply& node, int graph, int input) {
  if (const Scan* scan = dynamic_cast<const Scan*>(&node.op())) {
    if (input >= scan->n_taps()) return input - scan->n_taps() + scan->sequence_input(0);
    for (int c = 0, first = 0; c < scan->n_states(); ++c) {
      first += static_cast<int>(scan->taps_of(c).size());
      if (input < first) return scan->state_input(c);
    }
  }
  // A graph of all of the node's inputs.
  const auto& inner = node.op().inner()[static_cast<size_t>(graph)]->inputs();
  return static_cast<int>(inner.size()) == node.nin() ? input : -1;
}

void Scan::layout(std::span<const TensorView>, std::span<Layout>) const {
  fail(ErrorKind::internal, "a loop is laid out by the runtime");
}

}  // namespace phintys
