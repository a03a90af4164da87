// What an operator is: the one interface that every layer uses.
//
// An Op is an immutable value: name, version and attributes. Its attributes are declared once
// (OpBase::attributes) and from that declaration come equality, hash, printing, keyword arguments
// in Python, and saving. Elementwise ops are instances of Elemwise (ops/elemwise.h); every other op
// is one class in ops/, with its type rule, shape rule, gradient and kernel.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "array/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "graph/variable.h"

namespace phintys {

class InnerGraph;
namespace device {
class Queue;
}

// Visits attributes in their declared order.
class AttrVisitor {
 public:
  virtual ~AttrVisitor() = default;
  virtual void value(const char* name, bool v) = 0;
  virtual void value(const char* name, int64_t v) = 0;
  virtual void value(const char* name, double v) = 0;
  virtual void value(const char* name, const std::string& v) = 0;
  virtual void value(const char* name, const std::vector<int64_t>& v) = 0;
  virtual void value(const char* name, DType v) = 0;
  virtual void value(const char* name, const Ref<const InnerGraph>& v) = 0;
};

// The source of attributes when an op is made from a file or from keyword arguments. A missing or
// ill-typed attribute is an Error.
class AttrReader {
 public:
  virtual ~AttrReader() = default;
  virtual void read(const char* name, bool* v) = 0;
  virtual void read(const char* name, int64_t* v) = 0;
  virtual void read(const char* name, double* v) = 0;
  virtual void read(const char* name, std::string* v) = 0;
  virtual void read(const char* name, std::vector<int64_t>* v) = 0;
  virtual void read(const char* name, DType* v) = 0;
  virtual void read(const char* name, Ref<const InnerGraph>* v) = 0;
};

// What a gradient rule may ask of the sweep that calls it: an op with a graph inside needs that
// graph's gradient.
class GradTools {
 public:
  virtual ~GradTools() = default;
  // sum_i slopes[i] * d outputs[i] / d wrt[k] for each k; null where disconnected. Null slopes are
  // zero. May hold variables of NullType.
  virtual std::vector<Var> backward(std::span<const Var> outputs, std::span<const Var> slopes,
                                    std::span<const Var> wrt) const = 0;
  // The same graph in normal, numerically stable form.
  virtual Ref<const InnerGraph> stabilized(const InnerGraph& graph) const = 0;
};

struct GradArgs {
  const Apply& node;
  std::span<const Var> inputs;   // node's inputs
  std::span<const Var> outputs;  // node's outputs, usable in the result
  std::span<const Var> grads;    // d cost / d output; null where disconnected
  const GradTools& tools;
  // For each input, whether its gradient is used: building others is a waste. Empty: all are.
  std::span<const uint8_t> wanted = {};
  bool wants(size_t input) const { return wanted.empty() || wanted[input]; }
};

// Where an output's elements lie, for concrete input shapes.
struct Layout {
  Dims shape;
  // Index of the input whose memory the output shares, or -1 for memory of its own (C order).
  int alias = -1;
  Dims strides;        // bytes; if alias >= 0
  int64_t offset = 0;  // bytes from the aliased input's first element; if alias >= 0
};

// What perform() may use besides its operands.
class PerformContext {
 public:
  virtual ~PerformContext() = default;
  // Zero-cost in steady state: the block belongs to the call context and is reused by the next
  // instruction. Contents are undefined.
  virtual void* scratch(size_t bytes) = 0;
};

class Op : public RefCounted {
 public:
  // Key in saved files: never renamed or reused.
  virtual const char* name() const = 0;
  virtual int version() const { return 1; }
  // First sentence of the documentation.
  virtual const char* summary() const { return ""; }
  virtual void visit(AttrVisitor& visitor) const = 0;
  virtual bool equal(const Op& other) const = 0;
  virtual uint64_t hash() const = 0;
  // "Elemwise{add,no_inplace}", "Sum{axis=[0]}": the text that graphs are printed with.
  virtual std::string str() const = 0;

  // Types of the outputs; throws Error(type/value) that says what is wrong with the inputs.
  virtual std::vector<Type> infer(std::span<const Var> inputs) const = 0;

  // d cost / d input for every input, given d cost / d output: Var of the input's dtype (or of
  // floatX for a discrete input), or a null Var where disconnected, or undefined_grad().
  virtual std::vector<Var> grad(const GradArgs& args) const;
  // False iff output `out` never depends differentiably on input `in` (shape-only, indices).
  virtual bool connected(int /*in*/, int /*out*/) const { return true; }
  // Shape of the outputs as int64 scalars, from shapes of the inputs, so that a graph that only
  // asks for a shape never computes the value. An empty result: only computing tells.
  virtual std::vector<std::vector<Var>> infer_shape(const Apply& /*node*/) const { return {}; }

  // True iff the outputs depend on the shapes of the inputs alone: they are then known before a
  // call runs, and the inputs' values are never computed for them.
  virtual bool shape_only() const { return false; }
  // Bit i set iff the value (not just the shape) of input i decides an output's shape.
  virtual uint64_t shape_inputs() const { return 0; }
  // Layout of the outputs. `inputs[i].data` may be read only for i in shape_inputs(). Throws on
  // shapes that do not fit (the executor adds op, shapes and the user's line).
  virtual void layout(std::span<const TensorView> inputs, std::span<Layout> outputs) const = 0;
  // Computes the outputs; not called when all of them alias inputs. Must not allocate; must not
  // read outputs. Only ops that the VM does not run itself (elementwise, reductions) have one.
  virtual void perform(PerformContext& context, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const;
  // Queues the computation of the outputs on the device that all operands lie on (scalars too).
  // False, and nothing queued: the host computes them with perform(). The rules of perform() hold,
  // also for in-place outputs; what is queued may run many times, on the same memory.
  virtual bool enqueue(device::Queue& queue, std::span<const TensorView> inputs,
                       std::span<const TensorView> outputs) const;
  // Of an infallible op: the most that one perform() asks of scratch(), in one block. Only pointers
  // may be missing in `inputs`.
  virtual size_t scratch_bytes(std::span<const TensorView> /*inputs*/) const { return 0; }
  // Input that output 0 may overwrite (same memory) when that input dies here, or -1: perform()
  // must then be right when outputs[0].data == inputs[i].data.
  virtual int inplace_input() const { return -1; }
  // True iff only running the op tells the shapes of its outputs: evaluate() then replaces layout()
  // and perform(), and the runtime cuts the program before the op.
  virtual bool opaque() const { return false; }
  // Computes the outputs in arrays of their own, or in ones that share an input's memory.
  virtual void evaluate(PerformContext& context, std::span<const TensorView> inputs,
                        std::span<Array> outputs) const;
  // The graphs inside, which the runtime lowers to programs of their own.
  virtual std::span<const Ref<const InnerGraph>> inner() const { return {}; }
  // The same op with other graphs inside, of the same interface.
  virtual Ref<const Op> with_inner(std::vector<Ref<const InnerGraph>> graphs) const;
  // False iff perform() may throw for some input values (index out of range, Assert).
  virtual bool infallible() const { return false; }
};

// The bytes that identify attributes: used for equality and hashing.
std::string encode_attributes(const Op& op);
// "{axis=[0], keepdims=True}" or "" without attributes.
std::string attributes_text(const Op& op);

// CRTP base for ops. D offers:
//   static constexpr const char* kName;
//   template <class Self, class V> static void attributes(Self& self, V&& field);
//        // calls field("name", self.member) for each attribute
template <class D>
class OpBase : public Op {
 public:
  const char* name() const override { return D::kName; }
  void visit(AttrVisitor& visitor) const override {
    D::attributes(static_cast<const D&>(*this),
                  [&](const char* n, const auto& member) { visitor.value(n, member); });
  }
  bool equal(const Op& other) const override {
    if (this == &other) return true;
    const D* o = dynamic_cast<const D*>(&other);
    return o && encode_attributes(*this) == encode_attributes(*o);
  }
  uint64_t hash() const override {
    std::string bytes = encode_attributes(*this);
    return hash_bytes(bytes.data(), bytes.size(), hash_string(D::kName));
  }
  std::string str() const override { return D::kName + attributes_text(*this); }
  static Ref<const Op> from_attributes(AttrReader& reader) {
    auto op = make_ref<D>();
    D::attributes(*op, [&](const char* n, auto& member) { reader.read(n, &member); });
    op->check_attributes();
    return op;
  }
  // Validates attributes that came from a file or a caller; throws Error.
  void check_attributes() const {}
};

// Applies an op and returns its only (or first) output.
Var apply(Ref<const Op> op, std::vector<Var> inputs);
std::vector<Var> apply_multi(Ref<const Op> op, std::vector<Var> inputs);

// A variable of NullType: the gradient is undefined or not implemented, with the reason.
Var undefined_grad(const Op& op, int input, const std::string& input_name,
                   const std::string& why = "");
Var disconnected_grad_value();

// Settings that building a graph depends on (the Python layer's config mirrors them here).
struct GraphConfig {
  DType floatX = DType::f64;
};
GraphConfig& graph_config();

}  // namespace phintys
