#include "ops/control/row_views.h"

#include <algorithm>
#include <cstring>

#include "ops/build.h"
#include "ops/control/scan.h"
#include "ops/op_util.h"
#include "ops/shape_ops.h"
#include "ops/subtensor.h"

namespace phintys {

namespace {

IndexSlot slot_if(bool given, int64_t value) { return given ? IndexSlot::of(value) : IndexSlot(); }

Var reversed(const Var& x) { return subtensor(x, {IndexEntry::slice({}, {}, IndexSlot::of(-1))}); }

template <class OpClass>
const OpClass* op_if(const Apply* node) {
  return node && std::strcmp(node->op().name(), OpClass::kName) == 0
             ? static_cast<const OpClass*>(&node->op())
             : nullptr;
}

// True iff `v` is n + k.
bool is_sum(const Var& v, const Var& n, int64_t k) {
  if (k == 0) return v == n;
  const Apply* node = v->owner();
  if (!node || node->nin() != 2 || std::strcmp(node->op().name(), "add") != 0) return false;
  int64_t value = 0;
  for (int i = 0; i < 2; ++i)
    if (node->input(i) == n.get() && constant_int_value(node->input(1 - i), &value))
      return value == k;
  return false;
}

// False if `row` may be stretched when it is added to a row of `rows`.
bool fills_row(const Type& row, const Type& rows) {
  if (row.ndim() + 1 != rows.ndim()) return false;
  for (int d = 0; d < row.ndim(); ++d)
    if (row.broadcastable(d) && !rows.broadcastable(d + 1)) return false;
  return true;
}

// The number of rows that slice `e`, of constants, takes of `length`.
int64_t rows_taken(const IndexEntry& e, int64_t length) {
  auto given = [](const IndexSlot& s) { return s.kind == SlotKind::constant ? &s.value : nullptr; };
  return resolve_slice(given(e.start), given(e.stop), given(e.step), length).length;
}

}  // namespace

Var reversed_rows(const Var& x, int64_t first, const Var& n) {
  const Var start = first ? constant_int(first) : Var();
  return reversed(slice_axis(x, 0, start, first ? n + constant_int(first) : n));
}

Var reversed_rows(const Var& x, int64_t first, int64_t end) {
  return subtensor(x, {IndexEntry::slice(slot_if(end != 0, end - 1), slot_if(first != 0, first - 1),
                                         IndexSlot::of(-1))});
}

Var last_row_of_slope(const Var& g, const Var& steps) {
  Var v = g;
  bool ends = !steps;  // whether the last row of v is the last one computed
  while (const IncSubtensor* part = op_if<IncSubtensor>(v->owner())) {
    const std::vector<IndexEntry> index = decode_index(part->index);
    if (index.empty()) return Var();
    const std::span<const Var> inputs = v->owner()->inputs();
    const bool rows = std::all_of(index.begin() + 1, index.end(),
                                  [](const IndexEntry& entry) { return entry.is_full(); });
    if (part->set || !rows || !is_zero(inputs[0])) return Var();
    const IndexEntry& e = index[0];
    if (!e.is_slice) {
      const bool last = e.start.kind == SlotKind::constant && e.start.value == -1;
      return last && ends && fills_row(inputs[1].type(), v.type()) ? inputs[1] : Var();
    }
    if (e.step.kind != SlotKind::absent || inputs[1].ndim() != v.ndim()) return Var();
    if (e.start.kind != SlotKind::input && e.stop.kind == SlotKind::input && steps &&
        is_sum(inputs[2], steps, e.start.value)) {
      ends = true;  // [k : steps + k]
    } else if (e.start.kind != SlotKind::constant || e.start.value < 0 ||
               e.stop.kind != SlotKind::absent) {
      return Var();  // other than [k:]
    }
    v = inputs[1];
  }
  return Var();
}

bool has_rows(const Var& x, const Var& n) {
  int64_t known = -1;
  if (x.type().dim(0) >= 0 && constant_int_value(n.get(), &known)) return known == x.type().dim(0);
  const Apply* node = x->owner();
  if (const ShapeI* length = op_if<ShapeI>(n->owner()))
    if (length->axis == 0 && n->owner()->input(0) == x.get()) return true;
  if (const Subtensor* part = op_if<Subtensor>(node)) {
    const std::vector<IndexEntry> index = decode_index(part->index);
    if (index.empty()) return false;
    const IndexEntry& e = index[0];
    const auto is = [](const IndexSlot& s, int64_t v) {
      return s.kind == SlotKind::constant && s.value == v;
    };
    const bool constants = e.start.kind != SlotKind::input && e.stop.kind != SlotKind::input &&
                           e.step.kind != SlotKind::input;
    if (!e.is_slice) return false;
    if (!constants) {
      // [:n], and as a sequence is never shorter, exactly n.
      const bool up_to = (e.start.kind == SlotKind::absent || is(e.start, 0)) &&
                         (e.step.kind == SlotKind::absent || is(e.step, 1));
      return up_to && e.stop.kind == SlotKind::input && node->input(1) == n.get();
    }
    if (rows_taken(e, 1000) == 1000 && rows_taken(e, 1001) == 1001)
      return has_rows(node->inputs()[0], n);
    // Rows of a state without as many as there are initial ones.
    const Var& all = node->inputs()[0];
    const Scan* loop = op_if<Scan>(all->owner());
    if (!loop || all->index() >= loop->n_states() || !loop->keeps_all(all->index())) return false;
    const int64_t initial = loop->rows_of(all->index());
    return all->owner()->input(0) == n.get() && rows_taken(e, initial + 1000) == 1000 &&
           rows_taken(e, initial + 1001) == 1001;
  }
  const Scan* loop = op_if<Scan>(node);
  return loop && x->index() >= loop->n_states() && x->index() < loop->steps_output() &&
         node->input(0) == n.get();
}

}  // namespace phintys
