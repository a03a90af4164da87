#include <algorithm>

#include "ops/control/check.h"
#include "ops/elementwise/table.h"
#include "ops/elemwise.h"
#include "ops/subtensor.h"
#include "passes/loops/loop.h"
#include "passes/loops/loop_passes.h"
#include "passes/match.h"

namespace phintys {

namespace {

const IndexEntry* first_entry(const Apply* node, std::vector<IndexEntry>* entries) {
  if (!node) return nullptr;
  const Subtensor* s = dynamic_cast<const Subtensor*>(&node->op());
  if (!s) return nullptr;
  *entries = decode_index(s->index);
  return entries->empty() ? nullptr : &entries->front();
}

// The index of one of the last `rows` rows, whatever their number: -1 to -rows.
bool takes_last(const Apply* node, int64_t rows) {
  std::vector<IndexEntry> entries;
  const IndexEntry* e = first_entry(node, &entries);
  return e && !e->is_slice && e->start.kind == SlotKind::constant && e->start.value < 0 &&
         e->start.value >= -rows;
}

// Whether `bound` is the end of the rows that a loop with a condition to stop has written.
bool is_end(const Variable* bound, const Variable* ran, int64_t first) {
  static const int kAdd = ops::elementwise_index("add");
  const Apply* add = bound->owner();
  const Elemwise* op = add ? as_elemwise(add->op()) : nullptr;
  if (!ran || !op || op->index() != kAdd) return false;
  for (int i = 0; i < 2; ++i) {
    int64_t value = 0;
    if (add->input(i) == ran && constant_int_value(add->input(1 - i), &value) && value == first)
      return true;
  }
  return false;
}

// rows[a:] or rows[a:end] with a at most the number of initial rows: it ends where the rows end.
bool takes_end(const Apply* node, const Variable* ran, int64_t first, int64_t* start) {
  std::vector<IndexEntry> entries;
  const IndexEntry* e = first_entry(node, &entries);
  if (!e || !e->is_slice || entries.size() != 1) return false;
  if (e->step.kind != SlotKind::absent &&
      !(e->step.kind == SlotKind::constant && e->step.value == 1))
    return false;
  const bool from_start =
      e->start.kind == SlotKind::absent ||
      (e->start.kind == SlotKind::constant && e->start.value >= 0 && e->start.value <= first);
  if (!from_start) return false;
  *start = e->start.value;
  if (!ran) return e->stop.kind == SlotKind::absent;
  return e->stop.kind == SlotKind::input && is_end(node->input(node->nin() - 1), ran, first);
}

// A node that takes one of the last rows of a state, of a part of `initial` rows and all new ones.
struct Reader {
  Apply* node;
  int64_t initial;
};

// The nodes that read the last rows of a state, if all its users do only that.
bool last_readers(const Graph& graph, const Loop& loop, const Loop::State& state,
                  std::vector<Reader>* readers) {
  const int64_t first = -*std::min_element(state.taps.begin(), state.taps.end());
  for (const Variable* rows : state.rows) {
    if (!graph.contains(rows)) continue;
    for (const Client& c : graph.clients(rows)) {
      if (!c.node) return false;
      if (!loop.ran && takes_last(c.node, first)) {
        readers->push_back({c.node, first});
        continue;
      }
      int64_t start = 0;
      if (!takes_end(c.node, loop.ran, first, &start)) return false;
      for (const Client& reader : graph.clients(c.node->output())) {
        if (!reader.node || reader.index != 0 || !takes_last(reader.node, first)) return false;
        readers->push_back({reader.node, first - start});
      }
    }
  }
  return !readers->empty();
}

// The row that a reader takes, of the last rows only: an error where all rows would be too few.
Var row_of_last(const Reader& reader, const Var& last_rows, const Var& steps, const Scan& scan) {
  std::vector<Var> inputs(reader.node->inputs().begin(), reader.node->inputs().end());
  inputs[0] = last_rows;
  const Var row = apply(reader.node->op_ref(), inputs);
  std::vector<IndexEntry> entries;
  const int64_t index = first_entry(reader.node, &entries)->start.value;
  int64_t value = 0;
  if (constant_int_value(steps.get(), &value) ? value >= -index - reader.initial
                                              : -index <= reader.initial)
    return row;
  auto op = make_ref<EnoughSteps>();
  op->index = index;
  op->rows = reader.initial;
  op->loop = scan.str();
  return apply(op, {row, steps});
}

}  // namespace

void save_loop_memory(Graph& graph) {
  for (Apply* node : graph.toposort()) {
    if (!as_scan(node)) continue;
    Loop loop(node);
    std::vector<std::vector<Reader>> readers(loop.states.size());
    bool any = false;
    for (size_t c = 0; c < loop.states.size(); ++c) {
      Loop::State& state = loop.states[c];
      if (!state.keep || !last_readers(graph, loop, state, &readers[c])) {
        readers[c].clear();
        continue;
      }
      state.keep = false;
      state.rows.clear();
      any = true;
    }
    if (!any) continue;
    const Ref<Apply> fresh = loop.replace(graph);
    const Scan& scan = *as_scan(fresh.get());
    const Var steps = scan.until ? fresh->out(scan.steps_output()) : loop.steps;
    for (size_t c = 0; c < readers.size(); ++c) {
      for (const Reader& reader : readers[c]) {
        const LocationScope scope(reader.node->loc);
        const Var rows = fresh->out(loop.rows_output(c));
        graph.replace(reader.node->output(), row_of_last(reader, rows, steps, scan));
      }
    }
  }
}

}  // namespace phintys
