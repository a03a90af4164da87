// Indexing: less of it, and before the work rather than after it. Joins.

#include <algorithm>

#include "ops/advanced_subtensor.h"
#include "ops/dot.h"
#include "ops/elemwise.h"
#include "ops/join.h"
#include "ops/linalg/solve.h"
#include "ops/op_util.h"
#include "ops/reduce.h"
#include "ops/shape_ops.h"
#include "ops/sort/cumulate.h"
#include "ops/sort/sort.h"
#include "ops/subtensor.h"
#include "passes/canonicalize.h"
#include "passes/match.h"

namespace phintys {

namespace {

using Ctx = RuleContext;

// --- indices ---------------------------------------------------------------------------------

// What happens to one axis, with its numbers that are inputs.
struct Part {
  IndexEntry entry;
  Var start, stop, step;
};
using Parts = std::vector<Part>;

// One part for each axis of x; the scalars of `n` begin at input `first`.
Parts parts_of(const Apply& n, const std::vector<int64_t>& code, int first, int ndim) {
  Parts parts;
  for (const IndexEntry& e : decode_index(code)) {
    Part p{e, {}, {}, {}};
    if (e.start.kind == SlotKind::input) p.start = in(n, first++);
    if (e.stop.kind == SlotKind::input) p.stop = in(n, first++);
    if (e.step.kind == SlotKind::input) p.step = in(n, first++);
    parts.push_back(std::move(p));
  }
  parts.resize(static_cast<size_t>(ndim));
  return parts;
}
Parts parts_of(const Apply& n) {
  return parts_of(n, op_as<Subtensor>(n).index, 1, in(n, 0).ndim());
}
// x[parts]; x itself if they take all of it; null if there are too many numbers, or a constant
// is out of range.
Var indexed(const Var& x, Parts parts) {
  while (!parts.empty() && parts.back().entry.is_full()) parts.pop_back();
  if (parts.empty()) return x;
  std::vector<IndexEntry> entries;
  std::vector<Var> inputs{x};
  for (Part& p : parts) {
    // What is out of range fails when it runs, with the line that asked for it.
    const int64_t at = p.entry.start.value, d = x.type().dim(static_cast<int>(entries.size()));
    if (!p.entry.is_slice && d >= 0 && (at < -d || at >= d)) return {};
    entries.push_back(p.entry);
    for (Var* v : {&p.start, &p.stop, &p.step}) {
      if (*v) inputs.push_back(std::move(*v));
    }
  }
  if (inputs.size() > 60) return {};
  auto op = make_ref<Subtensor>();
  op->index = encode_index(entries);
  return phintys::apply(op, std::move(inputs));
}
// True iff an axis loses elements: an index that only reverses is no reason to move it.
bool selects(const Parts& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const Part& p) {
    return p.entry.start.kind != SlotKind::absent || p.entry.stop.kind != SlotKind::absent;
  });
}

bool forward(const IndexEntry& e) {
  return e.step.kind == SlotKind::absent || (e.step.kind == SlotKind::constant && e.step.value > 0);
}
bool is_length(const Var& v, const Var& x, int axis) {
  const Apply* s = owner_if(v, ShapeI::kName);
  return s && in(*s, 0).get() == x.get() && op_as<ShapeI>(*s).axis == axis;
}
// A number that turned out to be a constant.
bool take_constant(IndexSlot* slot, Var* v, bool is_step) {
  int64_t value;
  if (!*v || !constant_int_value(v->get(), &value) || (is_step && value == 0)) return false;
  *slot = IndexSlot::of(value);
  *v = Var();
  return true;
}
// 0:n:1 -> all.
bool drop_needless(Part* p, const Var& x, int axis) {
  IndexEntry& e = p->entry;
  bool changed = take_constant(&e.start, &p->start, false);
  changed = take_constant(&e.stop, &p->stop, false) || changed;
  changed = take_constant(&e.step, &p->step, true) || changed;
  if (!e.is_slice) return changed;
  const auto drop = [&](IndexSlot* slot, Var* v) {
    *slot = IndexSlot::none();
    *v = Var();
    changed = true;
  };
  if (e.step.kind == SlotKind::constant && e.step.value == 1) drop(&e.step, &p->step);
  if (!forward(e)) return changed;
  if (e.start.kind == SlotKind::constant && e.start.value == 0) drop(&e.start, &p->start);
  const int64_t known = x.type().dim(axis), huge = INT64_MAX / 2;
  const bool past = e.stop.kind == SlotKind::constant &&
                    (e.stop.value >= huge || (known >= 0 && e.stop.value >= known));
  if (past || (p->stop && is_length(p->stop, x, axis))) drop(&e.stop, &p->stop);
  return changed;
}
Var subtensor_needless(const Apply& n, const Ctx&) {
  const Var& x = in(n, 0);
  Parts parts = parts_of(n);
  bool changed = op_as<Subtensor>(n).index.empty();
  for (int i = 0; i < x.ndim(); ++i) {
    changed = drop_needless(&parts[static_cast<size_t>(i)], x, i) || changed;
  }
  changed = changed || std::all_of(parts.begin(), parts.end(),
                                   [](const Part& p) { return p.entry.is_full(); });
  return changed ? indexed(x, std::move(parts)) : Var();
}

// --- an index of an index --------------------------------------------------------------------

// The bounds of a slice if they are constants that do not count from the end.
bool plain_bounds(const IndexEntry& e, int64_t* start, int64_t* stop) {
  const bool from = e.start.kind != SlotKind::input, to = e.stop.kind != SlotKind::input;
  *start = e.start.value;
  *stop = e.stop.kind == SlotKind::constant ? e.stop.value : INT64_MAX;
  return from && to && *start >= 0 && *stop >= 0 && *start < INT64_MAX / 4;
}
// The entry that does `first`, then `second`, to one axis.
bool compose(const IndexEntry& first, const IndexEntry& second, IndexEntry* both) {
  const auto reverses = [](const IndexEntry& e) {
    return e.is_slice && e.start.kind == SlotKind::absent && e.stop.kind == SlotKind::absent &&
           e.step.kind == SlotKind::constant && e.step.value == -1;
  };
  if (reverses(first) && reverses(second)) {
    *both = IndexEntry::slice();
    return true;
  }
  int64_t a, b, c, d;
  if (first.step.kind != SlotKind::absent || !plain_bounds(first, &a, &b)) return false;
  if (!second.is_slice) {
    if (second.start.kind != SlotKind::constant || second.start.value < 0) return false;
    if (second.start.value >= INT64_MAX / 4 || a + second.start.value >= b) return false;
    *both = IndexEntry::integer(IndexSlot::of(a + second.start.value));
    return true;
  }
  if (!forward(second) || !plain_bounds(second, &c, &d)) return false;
  const int64_t stop = std::min(b, d > INT64_MAX - a ? INT64_MAX : a + d);
  *both =
      IndexEntry::slice(IndexSlot::of(a + c),
                        stop == INT64_MAX ? IndexSlot::none() : IndexSlot::of(stop), second.step);
  return true;
}
// x[i][j] -> x[i, j], x[a:][b:] -> x[a + b:].
Var subtensor_twice(const Apply& n, const Ctx&) {
  const Apply* inner = owner_if(in(n, 0), Subtensor::kName);
  if (!inner) return {};
  Parts parts = parts_of(*inner);
  const Parts second = parts_of(n);
  size_t k = 0;
  for (Part& p : parts) {
    if (!p.entry.is_slice) continue;
    const Part& q = second[k++];
    if (q.entry.is_full()) continue;
    if (p.entry.is_full()) {
      p = q;
    } else if (!compose(p.entry, q.entry, &p.entry)) {
      return {};
    }
  }
  return indexed(in(*inner, 0), std::move(parts));
}

// --- an index of what is computed -------------------------------------------------------------

// What `parts` of a broadcast result take of an operand: where it is 1 long, all of it.
Parts parts_of_operand(const Parts& parts, const Type& operand, const Type& result) {
  Parts own = parts;
  for (size_t i = 0; i < own.size(); ++i) {
    const int axis = static_cast<int>(i);
    if (!operand.broadcastable(axis) || result.broadcastable(axis)) continue;
    const bool removes = !own[i].entry.is_slice;
    own[i] = Part();
    if (removes) own[i].entry = IndexEntry::integer(IndexSlot::of(0));
  }
  return own;
}
// f(x, y)[i] -> f(x[i], y[i]): only what is wanted is computed.
Var subtensor_of_elemwise(const Apply& n, const Ctx& c) {
  const Apply* f = in(n, 0)->owner();
  if (!f || c.uses(f->output()) != 1 || !as_elemwise(f->op())) return {};
  const Parts parts = parts_of(n);
  if (!selects(parts)) return {};
  std::vector<Var> inputs;
  for (const Var& v : f->inputs()) {
    inputs.push_back(indexed(v, parts_of_operand(parts, v.type(), out_type(*f))));
    if (!inputs.back()) return {};
  }
  return phintys::apply(f->op_ref(), std::move(inputs));
}
// reduce(x)[i] -> reduce(x[i]), where the index is of axes that are left.
Var subtensor_of_reduce(const Apply& n, const Ctx& c) {
  const Apply* r = owner_if(in(n, 0), Reduce::kName);
  if (!r || c.uses(r->output()) != 1) return {};
  const Parts given = parts_of(n);
  if (!selects(given)) return {};
  auto op = make_ref<Reduce>(op_as<Reduce>(*r));
  const std::vector<int64_t> axes = std::move(op->axes);
  op->axes.clear();
  Parts parts;
  size_t next = 0;
  int64_t removed = 0;
  for (int64_t i = 0; i < in(*r, 0).ndim(); ++i) {
    if (std::binary_search(axes.begin(), axes.end(), i)) {
      op->axes.push_back(i - removed);
      parts.emplace_back();
      continue;
    }
    parts.push_back(given[next++]);
    removed += !parts.back().entry.is_slice;
  }
  const Var x = indexed(in(*r, 0), std::move(parts));
  return x ? apply(op, {x}) : Var();
}
// dot(a, b)[i, j] -> dot(a[i], b[:, j]).
Var subtensor_of_dot(const Apply& n, const Ctx& c) {
  const Apply* d = owner_if(in(n, 0), Dot::kName);
  if (!d || c.uses(d->output()) != 1) return {};
  const Parts parts = parts_of(n);
  if (!selects(parts)) return {};
  const Var &a = in(*d, 0), &b = in(*d, 1);
  Parts of_a(static_cast<size_t>(a.ndim())), of_b(static_cast<size_t>(b.ndim()));
  size_t next = 0;
  if (a.ndim() == 2) of_a[0] = parts[next++];
  if (b.ndim() == 2) of_b[1] = parts[next++];
  const Var x = indexed(a, std::move(of_a)), y = indexed(b, std::move(of_b));
  return x && y ? dot(x, y) : Var();
}
// alloc(x, n)[a:b] -> alloc(x, b - a), where x does not vary over what is sliced.
Var subtensor_of_alloc(const Apply& n, const Ctx&) {
  const Apply* fill = owner_if(in(n, 0), Alloc::kName);
  if (!fill) return {};
  const Var& x = in(*fill, 0);
  const int missing = in(n, 0).ndim() - x.ndim();
  const Parts parts = parts_of(n);
  for (int i = 0; i < in(n, 0).ndim(); ++i) {
    const IndexEntry& e = parts[static_cast<size_t>(i)].entry;
    if (!e.is_slice) return {};  // may be out of range
    if (!e.is_full() && i >= missing && !x.type().broadcastable(i - missing)) return {};
  }
  const auto shapes = n.op().infer_shape(n);
  return shapes.empty() || shapes[0].empty() ? Var() : alloc(x, shapes[0]);
}
// make_vector(a, b, c)[1:] -> make_vector(b, c); of one element: its scalar.
Var subtensor_of_vector(const Apply& n, const Ctx&) {
  const Apply* vector = owner_if(in(n, 0), MakeVector::kName);
  const auto entries = decode_index(op_as<Subtensor>(n).index);
  if (!vector || entries.size() != 1) return {};
  const IndexEntry& e = entries[0];
  for (const IndexSlot& s : {e.start, e.stop, e.step}) {
    if (s.kind == SlotKind::input) return {};
  }
  if (!e.is_slice) {
    const int64_t i = e.start.value < 0 ? e.start.value + vector->nin() : e.start.value;
    if (i < 0 || i >= vector->nin()) return {};
    return cast(in(*vector, static_cast<int>(i)), out_type(n).dtype());
  }
  const auto given = [](const IndexSlot& s) {
    return s.kind == SlotKind::constant ? &s.value : nullptr;
  };
  const SliceRange r = resolve_slice(given(e.start), given(e.stop), given(e.step), vector->nin());
  std::vector<Var> scalars;
  for (int64_t i = 0; i < r.length; ++i) {
    scalars.push_back(in(*vector, static_cast<int>(r.start + i * r.step)));
  }
  return scalars.empty() ? Var() : phintys::apply(vector->op_ref(), std::move(scalars));
}
// stack(a, b)[1] -> b.
Var subtensor_of_stack(const Apply& n, const Ctx&) {
  const Apply* j = owner_if(in(n, 0), Join::kName);
  if (!j) return {};
  const size_t axis = static_cast<size_t>(op_as<Join>(*j).axis);
  Parts parts = parts_of(n);
  IndexEntry& e = parts[axis].entry;
  if (e.is_slice || e.start.kind != SlotKind::constant) return {};
  for (const Var& v : j->inputs()) {
    if (!v.type().broadcastable(static_cast<int>(axis))) return {};
  }
  const int64_t i = e.start.value < 0 ? e.start.value + j->nin() : e.start.value;
  if (i < 0 || i >= j->nin()) return {};
  e = IndexEntry::integer(IndexSlot::of(0));
  return indexed(in(*j, static_cast<int>(i)), std::move(parts));
}

// --- parts that are stored --------------------------------------------------------------------

// True iff both take the same numbers from input `from_a`, `from_b` on.
bool same_numbers(const Apply& a, int from_a, const Apply& b, int from_b) {
  if (a.nin() - from_a != b.nin() - from_b) return false;
  for (int i = 0; i + from_a < a.nin(); ++i) {
    if (!same(in(a, i + from_a), in(b, i + from_b))) return false;
  }
  return true;
}
// True iff `v` is x[index of the store n].
bool is_target(const Var& v, const Apply& n) {
  const Apply* s = owner_if(v, Subtensor::kName);
  return s && in(*s, 0).get() == in(n, 0).get() &&
         op_as<Subtensor>(*s).index == op_as<IncSubtensor>(n).index && same_numbers(*s, 1, n, 2);
}
// True iff `stored` is x[a:] and `read` is x[:a-1:-1]: the same rows, the last one first.
bool reads_backwards(const std::vector<IndexEntry>& stored, const std::vector<IndexEntry>& read) {
  const auto leading = [](const std::vector<IndexEntry>& entries) {
    return !entries.empty() && entries[0].is_slice &&
           std::all_of(entries.begin() + 1, entries.end(),
                       [](const IndexEntry& e) { return e.is_full(); });
  };
  if (!leading(stored) || !leading(read)) return false;
  const IndexEntry &s = stored[0], &r = read[0];
  return s.start.kind == SlotKind::constant && s.start.value > 0 &&
         s.stop.kind == SlotKind::absent && s.step.kind == SlotKind::absent &&
         r.start.kind == SlotKind::absent && r.stop.kind == SlotKind::constant &&
         r.stop.value == s.start.value - 1 && r.step.kind == SlotKind::constant &&
         r.step.value == -1;
}
// set(x[i], y)[i] -> y; what is added to zeros is stored as well. Gradients of loops read what they
// stored from the end.
Var subtensor_of_set(const Apply& n, const Ctx&) {
  const Apply* s = owner_if(in(n, 0), IncSubtensor::kName);
  if (!s || !(op_as<IncSubtensor>(*s).set || is_zero(in(*s, 0)))) return {};
  const auto &read = op_as<Subtensor>(n).index, &stored = op_as<IncSubtensor>(*s).index;
  const bool backwards = reads_backwards(decode_index(stored), decode_index(read));
  if (!backwards && (read != stored || !same_numbers(n, 1, *s, 2))) return {};
  const Var& y = in(*s, 1);
  if (y.ndim() > n.output()->ndim()) return {};
  const Var r = cast(pad_left(y, n.output()->ndim()), out_type(n).dtype());
  if (!covers(r.type(), out_type(n))) return {};
  if (!backwards) return r;
  return indexed(r, {Part{IndexEntry::slice({}, {}, IndexSlot::of(-1)), {}, {}, {}}});
}
// set(x[:], y) -> y, inc(x[:], y) -> x + y.
Var store_all(const Apply& n, const Ctx&) {
  for (const IndexEntry& e : decode_index(op_as<IncSubtensor>(n).index)) {
    if (!e.is_full()) return {};
  }
  const Var &x = in(n, 0), &y = in(n, 1);
  if (y.ndim() > x.ndim()) return {};
  const Var value = cast(pad_left(y, x.ndim()), x.dtype());
  if (!op_as<IncSubtensor>(n).set) return x + value;
  return covers(value.type(), x.type()) ? value : second(x, value);
}
Var add_nothing(const Apply& n, const Ctx&) {
  if (op_as<IncSubtensor>(n).set || is_complex(out_type(n).dtype())) return {};
  return is_value(in(n, 1), 0) ? in(n, 0) : Var();
}
// set(x[i], x[i]) -> x, set(x[i], x[i] + y) -> inc(x[i], y).
Var store_own(const Apply& n, const Ctx&) {
  if (!op_as<IncSubtensor>(n).set) return {};
  const Var& y = in(n, 1);
  if (is_target(y, n)) return in(n, 0);
  const Apply* a = owner_if(y, "add");
  if (!a || y.dtype() != in(n, 0).dtype() || is_bool(y.dtype())) return {};
  for (int i = 0; i < 2; ++i) {
    if (!is_target(in(*a, i), n) || in(*a, 1 - i).dtype() != y.dtype()) continue;
    if (!covers(in(*a, i).type(), y.type())) continue;
    auto op = make_ref<IncSubtensor>(op_as<IncSubtensor>(n));
    op->set = false;
    std::vector<Var> inputs(n.inputs().begin(), n.inputs().end());
    inputs[1] = in(*a, 1 - i);
    return phintys::apply(op, std::move(inputs));
  }
  return {};
}

// x[1:, :] -> x[1:], of which others are the same.
Var subtensor_trailing(const Apply& n, const Ctx&) {
  const auto entries = decode_index(op_as<Subtensor>(n).index);
  if (entries.size() < 2 || !entries.back().is_full()) return {};
  return indexed(in(n, 0), parts_of(n));
}
Var store_trailing(const Apply& n, const Ctx&) {
  auto entries = decode_index(op_as<IncSubtensor>(n).index);
  if (entries.size() < 2 || !entries.back().is_full()) return {};
  while (entries.size() > 1 && entries.back().is_full()) entries.pop_back();
  auto op = make_ref<IncSubtensor>(op_as<IncSubtensor>(n));
  op->index = encode_index(entries);
  return phintys::apply(op, {n.inputs().begin(), n.inputs().end()});
}
// What inc or set stored in zeros x[a:], read backwards: y[::-1].
Var subtensor_of_stored_backwards(const Apply& n, const Ctx&) {
  const Apply* s = owner_if(in(n, 0), IncSubtensor::kName);
  if (!s || s->nin() != 2 || n.nin() != 1) return {};
  const bool set = op_as<IncSubtensor>(*s).set;
  const auto stored = decode_index(op_as<IncSubtensor>(*s).index);
  const auto taken = decode_index(op_as<Subtensor>(n).index);
  if (stored.size() != 1 || taken.size() != 1 || (!set && !is_value(in(*s, 0), 0))) return {};
  const IndexEntry &to = stored[0], &from = taken[0];
  const auto is = [](const IndexSlot& slot, int64_t v) {
    return slot.kind == SlotKind::constant && slot.value == v;
  };
  const bool tail = to.is_slice && to.start.kind == SlotKind::constant && to.start.value > 0 &&
                    to.stop.kind == SlotKind::absent && to.step.kind == SlotKind::absent;
  const bool backwards = from.is_slice && from.start.kind == SlotKind::absent && tail &&
                         is(from.stop, to.start.value - 1) && is(from.step, -1);
  const Var& y = in(*s, 1);
  if (!backwards || y.ndim() != n.output()->ndim() || !covers(y.type(), out_type(n))) return {};
  return subtensor(cast(y, out_type(n).dtype()), {IndexEntry::slice({}, {}, IndexSlot::of(-1))});
}
// x[None][0] -> x, also with other axes new or moved.
Var subtensor_of_new_axis(const Apply& n, const Ctx&) {
  const Apply* d = owner_if(in(n, 0), DimShuffle::kName);
  const auto entries = decode_index(op_as<Subtensor>(n).index);
  if (!d || n.nin() != 1 || entries.size() != 1 || entries[0].is_slice) return {};
  std::vector<int64_t> order = op_as<DimShuffle>(*d).order;
  const int64_t i = entries[0].start.value;
  if (order[0] != -1 || (i != 0 && i != -1)) return {};
  order.erase(order.begin());
  return dimshuffle(in(*d, 0), std::move(order));
}

// --- joins -----------------------------------------------------------------------------------

Var join_known(const Apply& n, const Ctx&) {
  if (n.nin() == 1) return in(n, 0);
  const int axis = static_cast<int>(op_as<Join>(n).axis);
  std::vector<Var> parts;
  for (const Var& v : n.inputs()) {
    if (v.type().dim(axis) != 0) parts.push_back(v);
  }
  if (parts.empty() || static_cast<int>(parts.size()) == n.nin()) return {};
  return parts.size() == 1 ? parts[0] : phintys::apply(n.op_ref(), std::move(parts));
}
Var join_join(const Apply& n, const Ctx& c) {
  bool found = false;
  std::vector<Var> parts;
  for (const Var& v : n.inputs()) {
    const Apply* inner = owner_if(v, Join::kName);
    if (inner && c.uses(v.get()) == 1 && inner->op().equal(n.op())) {
      parts.insert(parts.end(), inner->inputs().begin(), inner->inputs().end());
      found = true;
    } else {
      parts.push_back(v);
    }
  }
  return found ? phintys::apply(n.op_ref(), std::move(parts)) : Var();
}
// join(make_vector(a), make_vector(b, c)) -> make_vector(a, b, c); a vector may be a scalar with an
// axis of its own.
Var join_vectors(const Apply& n, const Ctx&) {
  if (n.output()->ndim() != 1) return {};
  std::vector<Var> scalars;
  const DType dtype = out_type(n).dtype();
  for (const Var& v : n.inputs()) {
    if (const Apply* vector = owner_if(v, MakeVector::kName)) {
      scalars.insert(scalars.end(), vector->inputs().begin(), vector->inputs().end());
      continue;
    }
    const Apply* d = owner_if(v, DimShuffle::kName);
    if (!d || in(*d, 0).ndim() != 0) return {};
    scalars.push_back(in(*d, 0));
  }
  auto op = make_ref<MakeVector>();
  op->dtype = dtype;
  for (const Var& s : scalars) {
    if (s.dtype() != dtype) return {};
  }
  return phintys::apply(op, std::move(scalars));
}

// --- products, orders, totals ------------------------------------------------------------------

Var product_with_zero(const Apply& n, const Ctx&) {
  if (!is_value(in(n, 0), 0) && !is_value(in(n, 1), 0)) return {};
  const auto shapes = n.op().infer_shape(n);
  if (shapes.empty() || static_cast<int>(shapes[0].size()) != n.output()->ndim()) return {};
  const Var zero = constant(0.0, out_type(n).dtype());
  return shapes[0].empty() ? zero : alloc(zero, shapes[0]);
}
Var inverse_inverse(const Apply& n, const Ctx&) { return operand(in(n, 0), MatrixInverse::kName); }
Var sort_sorted(const Apply& n, const Ctx&) {
  const Apply* inner = owner_if(in(n, 0), Sort::kName);
  if (inner && inner->op().equal(n.op())) return in(n, 0);
  return in(n, 0).type().broadcastable(static_cast<int>(op_as<Sort>(n).axis)) ? in(n, 0) : Var();
}
Var cumulate_one(const Apply& n, const Ctx&) {
  const bool one = in(n, 0).type().broadcastable(static_cast<int>(op_as<Cumulate>(n).axis));
  return one && in(n, 0).dtype() == out_type(n).dtype() ? in(n, 0) : Var();
}

constexpr Rule kIndex[] = {
    {"subtensor", "x[:], x[0:n], x[::1] -> x", subtensor_needless},
    {"subtensor", "x[i][j] -> x[i, j], x[2:][3:] -> x[5:], x[::-1][::-1] -> x", subtensor_twice},
    {"subtensor", "make_vector(a, b)[1] -> b, make_vector(a, b)[1:] -> make_vector(b)",
     subtensor_of_vector},
    {"subtensor", "stack(a, b)[1] -> b", subtensor_of_stack},
    {"subtensor",
     "set_subtensor(x[i], y)[i] -> y, inc_subtensor(0[i], y)[i] -> y, also from the end",
     subtensor_of_set},
    {"subtensor", "alloc(x, n)[a:b] -> alloc(x, b - a)", subtensor_of_alloc},
    {"subtensor", "f(x, y)[i] -> f(x[i], y[i])", subtensor_of_elemwise},
    {"subtensor", "sum(x, axis=1)[i] -> sum(x[i]), and the like", subtensor_of_reduce},
    {"subtensor", "dot(a, b)[i, j] -> dot(a[i], b[:, j])", subtensor_of_dot},
    {"subtensor", "x[1:, :] -> x[1:]", subtensor_trailing},
    {"inc_subtensor", "inc_subtensor(x[1:, :], y) -> inc_subtensor(x[1:], y)", store_trailing},
    {"subtensor", "set_subtensor(x[1:], y)[:0:-1] -> y[::-1]", subtensor_of_stored_backwards},
    {"subtensor", "x[None][0] -> x", subtensor_of_new_axis},
    {"inc_subtensor", "set_subtensor(x[:], y) -> y, inc_subtensor(x[:], y) -> x + y", store_all},
    {"inc_subtensor", "inc_subtensor(x[i], 0) -> x", add_nothing},
    {"inc_subtensor", "set_subtensor(x[i], x[i] + y) -> inc_subtensor(x[i], y)", store_own},
    {"join", "join(x) -> x, parts without elements are dropped", join_known},
    {"join", "join(make_vector(a), make_vector(b)) -> make_vector(a, b)", join_vectors},
    {"join", "join(join(a, b), c) -> join(a, b, c)", join_join},
    {"dot", "dot(0, x) -> 0", product_with_zero},
    {"matmul", "matmul(0, x) -> 0", product_with_zero},
    {"matrix_inverse", "inverse(inverse(x)) -> x", inverse_inverse},
    {"sort", "sort(sort(x)) -> sort(x), of one element -> x", sort_sorted},
    {"cumulate", "cumsum over an axis of one element -> x", cumulate_one},
};

}  // namespace

std::span<const Rule> index_rules() { return kIndex; }

}  // namespace phintys
