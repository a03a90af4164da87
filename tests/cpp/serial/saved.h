// Functions to save, and surgery on saved ones.
#pragma once

#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ops/advanced_subtensor.h"
#include "ops/build.h"
#include "ops/build_elementwise.h"
#include "ops/control/ifelse.h"
#include "ops/control/scan.h"
#include "ops/subtensor.h"
#include "serial/checksum.h"
#include "serial/format.h"
#include "serial/phy.h"

namespace saved {

using namespace phintys;

inline std::span<const std::byte> bytes_of(const std::string& s) {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

inline Array matrix(std::vector<double> values, int64_t rows) {
  const int64_t n = static_cast<int64_t>(values.size());
  Array a = Array::empty(DType::f64, {rows, n / rows});
  std::memcpy(a.data(), values.data(), values.size() * sizeof(double));
  return a;
}

inline Array vector(std::vector<double> values) {
  Array a = Array::empty(DType::f64, {static_cast<int64_t>(values.size())});
  std::memcpy(a.data(), values.data(), values.size() * sizeof(double));
  return a;
}

// Every element `value`.
inline Array filled(DType dtype, const Dims& shape, double value) {
  Array a = Array::empty(dtype, shape);
  const Array one = Array::scalar(dtype, value);
  Dims strides;
  strides.resize(shape.size(), 0);
  copy_elements(a.view(),
                {one.data(), dtype, static_cast<int>(shape.size()), shape.data(), strides.data()});
  return a;
}

inline Var shared(const std::string& name, Array value) {
  const Type type = Type::tensor(value.dtype(), value.ndim());
  return make_shared_variable(type, make_ref<SharedStorage>(std::move(value), name), name);
}

// The weights of an affine model.
struct Model {
  Var w = shared("w", matrix({1, 2, 3, 4, 5, 6}, 3));
  Var b = shared("b", vector({0.5, -0.5}));
};

// scores = tanh(x w + b), total = sum(scores^2); w <- w - rate * x' scores (rate has a default),
// b <- b + 1.
inline Ref<runtime::Function> train_function(const Model& m = {}) {
  const LocationScope here({intern_file("/home/user/project/model.py"), 42});
  Var x = make_variable(Type::tensor(DType::f64, 2), "x");
  Var rate = make_variable(Type::scalar(DType::f64), "rate");
  Var scores = tanh(dot(x, m.w) + dimshuffle(m.b, {-1, 0}));
  scores->name = "scores";
  Var total = sum_all(scores * scores);
  runtime::FunctionSpec spec;
  spec.name = "train";
  spec.inputs = {x, rate};
  spec.outputs = {scores, total};
  spec.updates = {{m.w, m.w - dimshuffle(rate, {-1, -1}) * dot(transpose(x), scores)},
                  {m.b, m.b + constant(1, DType::f64)}};
  return runtime::Function::compile(spec);
}

// Many kinds of operators, kept as they are: x is a matrix with two columns, i an int64 vector.
inline Ref<runtime::Function> varied_function() {
  Var x = make_variable(Type::tensor(DType::f64, 2), "x");
  Var i = make_variable(Type::tensor(DType::i64, 1), "i");
  const Var rows = shape_i(x, 0), two = constant_int(2);
  Var picked = advanced_subtensor(x, {i});
  Var part = subtensor(x,
                       {IndexEntry::slice(IndexSlot::next_input(), {}, IndexSlot::of(1)),
                        IndexEntry::integer(IndexSlot::of(-1))},
                       {constant_int(0)});
  Var set = inc_subtensor(x, constant(2, DType::f64), {IndexEntry::integer(IndexSlot::of(0))});
  runtime::FunctionSpec spec;
  spec.name = "varied";
  spec.pipeline = "none";
  spec.inputs = {x, i};
  spec.outputs = {join(0, {x, set}),
                  reshape(transpose(x), {two * rows}),
                  alloc(part, {two, rows}),
                  cast(argmax(x, {1}), DType::f32),
                  reduce("max", x, {0}, true),
                  switch_(gt(x, zeros_like(x)), x, exp(x)),
                  specify_shape(picked, {kUnknownDim, 2}),
                  shape(x)};
  return runtime::Function::compile(spec);
}

// A loop in a loop, with constants in both bodies; y is a matrix, its rows are the steps.
inline Ref<runtime::Function> nested_function() {
  const LocationScope here({intern_file("/home/user/project/loops.py"), 7});
  auto loop = [](const Ref<const InnerGraph>& body, int64_t n_sequences) {
    auto op = make_ref<Scan>();
    op->graph = body;
    op->taps = {1, -1};
    op->keep = {1};
    op->n_sequences = n_sequences;
    op->check_attributes();
    return op;
  };
  Var s = make_variable(Type::scalar(DType::f64), "s");
  Var u = make_variable(Type::scalar(DType::f64), "u");
  const std::vector<Var> in = {s, u}, out = {tanh(s * constant(0.5, DType::f64)) + u};
  const Ref<const Op> inner = loop(InnerGraph::make(in, out), 1);
  Var t = make_variable(Type::scalar(DType::f64), "t");
  Var row = make_variable(Type::tensor(DType::f64, 1), "row");
  auto last = [&](const Var& first) {
    Var rows = apply(inner, {shape_i(row, 0), dimshuffle(first, {-1}), row});
    return subtensor(rows, {IndexEntry::integer(IndexSlot::of(-1))});
  };
  const std::vector<Var> outer_in = {t, row};
  const std::vector<Var> outer_out = {last(t) * constant(2, DType::f64) - last(exp(t))};
  const Ref<const Op> outer = loop(InnerGraph::make(outer_in, outer_out), 1);
  Var y = make_variable(Type::tensor(DType::f64, 2), "y");
  Var first = make_variable(Type::tensor(DType::f64, 1), "first");
  runtime::FunctionSpec spec;
  spec.name = "nested";
  spec.pipeline = "none";  // which leaves the loops as they are
  spec.inputs = {y, first};
  spec.outputs = {apply(outer, {shape_i(y, 0), first, y}),
                  apply(inner, {shape_i(first, 0), first, first})};
  return runtime::Function::compile(spec);
}

// Choices outside and inside a loop, which has a state of two taps, one whose last row alone is
// kept, rows whose lengths only running tells, and a condition to stop; y is a matrix.
inline Ref<runtime::Function> choosing_function() {
  const Type row_type = Type::tensor(DType::f64, 1);
  Var older = make_variable(row_type, "older"), old = make_variable(row_type, "old");
  Var count = make_variable(Type::scalar(DType::i64), "count");
  Var row = make_variable(row_type, "row"), scale = make_variable(Type::scalar(DType::f64));
  const Var zero = constant(0, DType::f64);
  const Var fresh = ifelse(gt(sum_all(row), zero), old + row, exp(older) * dimshuffle(scale, {-1}));
  const Var emitted = alloc(sum_all(row), {constant_int(1) + cast(scale, DType::i64)});
  auto op = make_ref<Scan>();
  op->graph = InnerGraph::make(
      std::vector<Var>{older, old, count, row, scale},
      std::vector<Var>{fresh, count + constant_int(1), emitted, gt(sum_all(fresh), scale)});
  op->taps = {2, -2, -1, 1, -1};
  op->keep = {1, 0};
  op->n_sequences = 1;
  op->n_emitted = 1;
  op->until = true;
  op->label = "choosing";
  op->check_attributes();
  Var y = make_variable(Type::tensor(DType::f64, 2), "y");
  const std::vector<Var> rows =
      apply_multi(op, {shape_i(y, 0), alloc(zero, {constant_int(2), shape_i(y, 1)}),
                       alloc(constant_int(0), {constant_int(1)}), y, constant(1, DType::f64)});
  runtime::FunctionSpec spec;
  spec.name = "choosing";
  spec.pipeline = "none";
  spec.inputs = {y};
  spec.outputs = {rows[0], rows[1], rows[2], rows[3],
                  ifelse(gt(sum_all(y), zero), transpose(y), exp(y))};
  return runtime::Function::compile(spec);
}

inline serial::Metadata train_metadata() {
  serial::Metadata meta;
  meta.entries = {{"made_by", "a test"}, {"note", "\xc3\xbc"}};
  meta.inputs.resize(2);
  meta.inputs[1].default_value = Array::scalar(DType::f64, 0.125);
  meta.inputs[0].allow_downcast = 1;
  meta.inputs[0].strict = true;
  meta.output_mode = serial::OutputMode::dict;
  return meta;
}

inline std::vector<Array> call(runtime::Function& f, const std::vector<Array>& inputs) {
  std::vector<TensorView> views;
  for (const Array& a : inputs) views.push_back(a.view());
  runtime::Call c(f);
  c.run(views.data());
  std::vector<Array> out;
  for (size_t i = 0; i < f.outputs().size(); ++i) out.push_back(c.take_output(static_cast<int>(i)));
  return out;
}

template <class T>
T read(const std::string& s, size_t at) {
  T v;
  std::memcpy(&v, s.data() + at, sizeof v);
  return v;
}
template <class T>
void write(std::string& s, size_t at, T v) {
  std::memcpy(s.data() + at, &v, sizeof v);
}

struct SectionAt {
  size_t offset, length, entry;
};
inline SectionAt section(const std::string& s, uint32_t kind) {
  const uint32_t n = read<uint32_t>(s, 12);
  for (uint32_t i = 0; i < n; ++i) {
    const size_t entry = serial::kHeaderBytes + i * serial::kSectionEntryBytes;
    if (read<uint32_t>(s, entry) == kind) {
      return {read<uint64_t>(s, entry + 8), read<uint64_t>(s, entry + 16), entry};
    }
  }
  return {0, 0, 0};
}

// Makes the checksums of header, table and sections fit what the file says now, as a forger would.
inline void forge(std::string& s) {
  const uint32_t n = read<uint32_t>(s, 12);
  for (uint32_t i = 0; i < n; ++i) {
    const size_t entry = serial::kHeaderBytes + i * serial::kSectionEntryBytes;
    if (read<uint32_t>(s, entry) == serial::kSectionData) continue;
    const uint64_t offset = read<uint64_t>(s, entry + 8), length = read<uint64_t>(s, entry + 16);
    if (offset > s.size() || length > s.size() - offset) continue;
    write(s, entry + 24, serial::checksum(s.data() + offset, length));
  }
  write(s, 24, serial::checksum(s.data() + serial::kHeaderBytes, n * serial::kSectionEntryBytes));
  write(s, 56, serial::checksum(s.data(), serial::kHeaderBytes - 8));
}

}  // namespace saved
