#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/error.h"
#include "graph/inner_graph.h"
#include "ops/control/print.h"
#include "ops/control/scan.h"
#include "runtime/loop.h"
#include "runtime/program.h"
#include "runtime/row_shapes.h"

namespace phintys::runtime {

namespace {

constexpr int64_t kKnownElements = 1024;  // constants above this are never read for shapes

class Lowering {
 public:
  Lowering(Program& program, int n_outputs, const std::vector<int>& updated,
           const LowerOptions& options)
      : p_(program), n_outputs_(n_outputs), updated_(updated), options_(options) {}

  void run() {
    order_ = p_.graph->toposort();
    ids_.assign(p_.graph->num_slots(), -1);
    known_node_.assign(p_.graph->num_node_slots(), 0);
    known_leaf_.assign(p_.graph->num_slots(), 0);
    for (size_t i = 0; i < options_.known_inputs.size(); ++i)
      known_leaf_[p_.graph->inputs()[i]->slot] = options_.known_inputs[i];
    schedule();
    number_leaves();
    for (Apply* node : order_) add_instruction(node);
    for (int i = 0; i < n_outputs_; ++i)
      p_.outputs.push_back(buffer_of(p_.graph->outputs()[static_cast<size_t>(i)].get()));
    for (size_t i = 0; i < updated_.size(); ++i) {
      const Var& v = p_.graph->outputs()[static_cast<size_t>(n_outputs_) + i];
      p_.updates.push_back({updated_[i], buffer_of(v.get()), -1});
    }
    find_last_uses();
    if (options_.direct_updates && options_.reuse_memory) find_direct_updates();
    find_segments();
    collect_locks();
    p_.calls_back = calls_back();
  }

 private:
  // Which nodes' values are known from shapes alone.
  bool known(const Variable* v) const {
    if (v->is_constant()) return v->constant().size() <= kKnownElements;
    if (v->owner()) return known_node_[v->owner()->slot];
    return known_leaf_[v->slot];
  }
  // Prints run in every call, whatever they depend on.
  static bool has_effect(const Apply& node) {
    return std::strcmp(node.op().name(), Print::kName) == 0;
  }
  bool compute_known(const Apply* node) const {
    if (node->op().opaque() || !node->op().inner().empty() || has_effect(*node)) return false;
    for (int o = 0; o < node->nout(); ++o)
      if (!node->output(o)->type().is_tensor() || node->output(o)->ndim() > 1) return false;
    if (node->op().shape_only()) return true;
    for (const Var& v : node->inputs())
      if (!known(v.get())) return false;
    return true;
  }
  bool is_dynamic(const Apply* node) const {
    if (node->op().opaque()) return true;
    uint64_t mask = node->op().shape_inputs();
    for (int i = 0; i < node->nin(); ++i)
      if ((i < 64 ? mask >> i & 1 : mask >> 63) && !known(node->input(i))) return true;
    return false;
  }

  // Shape-deciding nodes and what they need first (the plan then splits early and rarely), nodes
  // that only updates need last (they may then write into the shared storage itself).
  void schedule() {
    for (const Apply* node : order_) known_node_[node->slot] = compute_known(node);
    std::vector<uint8_t> rank(p_.graph->num_node_slots(), 1);
    for (size_t i = order_.size(); i-- > 0;) {
      const Apply* node = order_[i];
      if (is_dynamic(node)) rank[node->slot] = 0;
      if (rank[node->slot] != 0) continue;
      for (const Var& v : node->inputs())
        if (v->owner()) rank[v->owner()->slot] = 0;
    }
    for (size_t i = order_.size(); i-- > 0;) {
      const Apply* node = order_[i];
      if (rank[node->slot] == 1 && only_updates(node)) rank[node->slot] = 2;
    }
    std::stable_sort(order_.begin(), order_.end(),
                     [&](const Apply* a, const Apply* b) { return rank[a->slot] < rank[b->slot]; });
  }
  bool only_updates(const Apply* node) const {
    for (int o = 0; o < node->nout(); ++o)
      for (const Client& c : p_.graph->clients(node->output(o)))
        if (c.node || c.index < n_outputs_) return false;
    return true;
  }

  int buffer_of(const Variable* v) {
    if (ids_[v->slot] >= 0) return ids_[v->slot];
    PHINTYS_CHECK(v->is_constant(), "a variable that nothing computes: ", v->name);
    return add_buffer(v, BufferKind::constant, 0, known(v));
  }
  int add_buffer(const Variable* v, BufferKind kind, int index, bool known) {
    int id = static_cast<int>(p_.buffers.size());
    BufferInfo b;
    b.type = v->type();
    b.kind = kind;
    b.index = index;
    b.variable = v;
    b.known = known;
    p_.buffers.push_back(std::move(b));
    ids_[v->slot] = id;
    return id;
  }

  void number_leaves() {
    for (size_t i = 0; i < p_.graph->inputs().size(); ++i) {
      const Variable* v = p_.graph->inputs()[i].get();
      p_.input_buffers.push_back(
          add_buffer(v, BufferKind::input, static_cast<int>(i), known_leaf_[v->slot] != 0));
    }
    p_.shared_buffers.assign(p_.shared.size(), -1);
    for (const Var& s : p_.graph->shared()) {
      size_t i = 0;
      while (i < p_.shared.size() && p_.shared[i].get() != s->storage().get()) ++i;
      PHINTYS_CHECK(i < p_.shared.size(), "shared variable without storage");
      if (p_.shared_buffers[i] >= 0) {
        ids_[s->slot] = p_.shared_buffers[i];
      } else {
        p_.shared_buffers[i] = add_buffer(s.get(), BufferKind::shared, static_cast<int>(i), false);
      }
    }
  }

  void add_instruction(const Apply* node) {
    Instruction instr;
    instr.node = node;
    instr.op = &node->op();
    instr.fused = dynamic_cast<const FusedOp*>(&node->op());
    for (const Var& v : node->inputs()) instr.inputs.push_back(buffer_of(v.get()));
    instr.at_bind = known_node_[node->slot] != 0;
    lower_inner(instr);
    instr.opaque = instr.inner.empty() ? node->op().opaque() : opaque_inside(instr);
    instr.dynamic = instr.opaque || (!instr.at_bind && (is_dynamic(node) || reads_for_rows(instr)));
    for (int o = 0; o < node->nout(); ++o)
      instr.outputs.push_back(add_buffer(node->output(o), BufferKind::temp, 0, instr.at_bind));
    p_.instructions.push_back(std::move(instr));
  }

  // Whether values that are not known from shapes tell the shapes of a loop's rows.
  bool reads_for_rows(const Instruction& instr) const {
    for (size_t i = 0; i < instr.rows.reads.size(); ++i)
      if (instr.rows.reads[i] && !known(instr.node->input(static_cast<int>(i)))) return true;
    return false;
  }

  // The programs of the graphs inside an op.
  void lower_inner(Instruction& instr) {
    LowerOptions options = options_;
    options.direct_updates = false;
    const Scan* scan = dynamic_cast<const Scan*>(instr.op);
    if (scan && scan->has_own_passes() && options.passes.own_passes)
      options.fuse = options.fuse && scan->settings->fuse;
    options.known_inputs = scan ? known_constants(*scan, *instr.node) : std::vector<bool>();
    for (const Ref<const InnerGraph>& graph : instr.op->inner()) {
      const int n = static_cast<int>(graph->outputs().size());
      instr.inner.push_back(lower(graph->graph(), n, {}, {}, options, nullptr));
    }
    if (!scan) return;
    instr.inner[0]->outputs_elsewhere = true;
    instr.inner[0]->overwrites = overwritable_states(*scan);
    if (instr.inner[0]->segments.size() > 1) instr.rows = row_shapes(*scan, *instr.node, options);
  }

  // Integers that are known as soon as shapes are, so that views and shapes in a body that depend
  // on them are the same in each step.
  std::vector<bool> known_constants(const Scan& scan, const Apply& node) const {
    std::vector<bool> known_inputs(scan.graph->inputs().size(), false);
    for (int k = 0; k < scan.n_constants(); ++k) {
      const Variable* v = node.input(scan.constant_input(k));
      known_inputs[static_cast<size_t>(scan.inner_constant(k))] =
          v->ndim() == 0 && v->type().is_tensor() && is_discrete(v->dtype()) && known(v);
    }
    return known_inputs;
  }

  void find_last_uses() {
    for (size_t i = 0; i < p_.instructions.size(); ++i)
      for (int b : p_.instructions[i].inputs)
        p_.buffers[static_cast<size_t>(b)].last_use = static_cast<int>(i);
    for (int b : p_.outputs) p_.buffers[static_cast<size_t>(b)].last_use = kForever;
    for (const UpdatePlan& u : p_.updates)
      p_.buffers[static_cast<size_t>(u.buffer)].last_use = kForever;
  }

  // An update's producer may write into the shared storage if it and everything after it cannot
  // fail. Whether other readers of the storage are done is decided for concrete aliases (binding).
  void find_direct_updates() {
    size_t first = p_.instructions.size();
    while (first > 0) {
      const Instruction& instr = p_.instructions[first - 1];
      if (instr.at_bind || instr.dynamic || !instr.op->infallible()) break;
      --first;
    }
    for (size_t u = 0; u < p_.updates.size(); ++u) {
      int buffer = p_.updates[u].buffer;
      if (std::count(p_.outputs.begin(), p_.outputs.end(), buffer)) continue;
      bool repeated = false;
      for (size_t v = 0; v < p_.updates.size(); ++v)
        repeated |= v != u && p_.updates[v].buffer == buffer;
      if (repeated) continue;
      for (size_t i = first; i < p_.instructions.size(); ++i) {
        const std::vector<int>& outs = p_.instructions[i].outputs;
        if (std::count(outs.begin(), outs.end(), buffer))
          p_.updates[u].direct_from = static_cast<int>(i);
      }
    }
  }

  void find_segments() {
    p_.segments.push_back(0);
    // If the very first instruction is dynamic, the segment before it is empty.
    for (size_t i = 0; i < p_.instructions.size(); ++i)
      if (p_.instructions[i].dynamic) p_.segments.push_back(static_cast<int>(i));
  }

  void collect_locks() {
    for (size_t i = 0; i < p_.shared.size(); ++i) {
      bool writes = false;
      for (const UpdatePlan& u : p_.updates) writes |= u.shared == static_cast<int>(i);
      p_.locks.emplace_back(p_.shared[i].get(), writes);
    }
    std::sort(p_.locks.begin(), p_.locks.end(),
              [](const auto& a, const auto& b) { return a.first->id() < b.first->id(); });
    // One storage may stand behind two shared variables: locked once, for writing if either is.
    size_t kept = 0;
    for (size_t i = 0; i < p_.locks.size(); ++i) {
      if (kept && p_.locks[kept - 1].first == p_.locks[i].first) {
        p_.locks[kept - 1].second |= p_.locks[i].second;
      } else {
        p_.locks[kept++] = p_.locks[i];
      }
    }
    p_.locks.resize(kept);
  }

  // Opaque ops without a graph inside are the user's own; prints go through Python, if it runs.
  bool calls_back() const {
    std::vector<const Op*> ops;
    for (const Instruction& instr : p_.instructions) ops.push_back(instr.op);
    while (!ops.empty()) {
      const Op* op = ops.back();
      ops.pop_back();
      if (op->opaque() && op->inner().empty()) return true;
      if (std::strcmp(op->name(), Print::kName) == 0) return true;
      for (const Ref<const InnerGraph>& graph : op->inner())
        for (const Apply* node : graph->nodes()) ops.push_back(&node->op());
    }
    return false;
  }

  Program& p_;
  int n_outputs_;
  const std::vector<int>& updated_;
  const LowerOptions& options_;
  std::vector<Apply*> order_;
  std::vector<uint8_t> known_node_;  // by Apply::slot
  std::vector<uint8_t> known_leaf_;  // by Variable::slot, of inputs
  std::vector<int> ids_;             // buffers by Variable::slot, or -1
};

}  // namespace

std::unique_ptr<Program> lower(const Graph& graph, int n_outputs, const std::vector<int>& updated,
                               const std::vector<Ref<SharedStorage>>& shared,
                               const LowerOptions& options, std::vector<PassReport>* reports) {
  auto program = std::make_unique<Program>();
  program->graph = std::make_unique<Graph>(graph);
  program->shared = shared;
  for (const Pass& pass : lowering_pipeline(options.fuse))
    run_pass(pass, *program->graph, options.passes, reports);
  program->reuse_memory = options.reuse_memory;
  Lowering(*program, n_outputs, updated, options).run();
  return program;
}

std::string Program::str() const {
  std::ostringstream out;
  for (size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& instr = instructions[i];
    out << i << ": ";
    for (size_t k = 0; k < instr.outputs.size(); ++k)
      out << (k ? ", " : "") << "%" << instr.outputs[k];
    out << " = " << instr.op->str() << "(";
    for (size_t k = 0; k < instr.inputs.size(); ++k)
      out << (k ? ", " : "") << "%" << instr.inputs[k];
    out << ")" << (instr.at_bind ? "  [at bind]" : instr.dynamic ? "  [dynamic]" : "");
    if (instr.node->loc) out << "  # " << to_string(instr.node->loc);
    out << "\n";
  }
  out << "outputs:";
  for (int b : outputs) out << " %" << b;
  for (const UpdatePlan& u : updates) out << "\nupdate: shared " << u.shared << " <- %" << u.buffer;
  out << "\n";
  return out.str();
}

}  // namespace phintys::runtime
