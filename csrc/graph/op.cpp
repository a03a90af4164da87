#include "graph/op.h"

#include <charconv>

#include "graph/inner_graph.h"
#include "graph/print.h"

namespace phintys {

std::vector<Var> Op::grad(const GradArgs& args) const {
  std::vector<Var> grads;
  grads.reserve(args.inputs.size());
  for (size_t i = 0; i < args.inputs.size(); ++i) {
    grads.push_back(undefined_grad(*this, static_cast<int>(i), to_string(*args.inputs[i]),
                                   "This op has no gradient."));
  }
  return grads;
}

bool Op::enqueue(device::Queue&, std::span<const TensorView>, std::span<const TensorView>) const {
  return false;
}

void Op::perform(PerformContext&, std::span<const TensorView>, std::span<const TensorView>) const {
  fail(ErrorKind::internal, str(), " has no kernel of its own");
}

void Op::evaluate(PerformContext&, std::span<const TensorView>, std::span<Array>) const {
  fail(ErrorKind::internal, str(), " cannot be evaluated as a whole");
}

Ref<const Op> Op::with_inner(std::vector<Ref<const InnerGraph>>) const {
  fail(ErrorKind::internal, str(), " has no graphs inside");
}

namespace {

// One byte of kind, then the value; strings and lists carry their length, so that no two lists of
// attributes have the same bytes.
class Encoder final : public AttrVisitor {
 public:
  explicit Encoder(std::string* out) : out_(out) {}
  void value(const char*, bool v) override { raw('b', &v, sizeof v); }
  void value(const char*, int64_t v) override { raw('i', &v, sizeof v); }
  void value(const char*, double v) override { raw('d', &v, sizeof v); }
  void value(const char*, const std::string& v) override {
    size('s', v.size());
    out_->append(v);
  }
  void value(const char*, const std::vector<int64_t>& v) override {
    size('v', v.size());
    out_->append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(int64_t));
  }
  void value(const char*, DType v) override { raw('t', &v, sizeof v); }
  // Ops with graphs compare those by InnerGraph::equal.
  void value(const char*, const Ref<const InnerGraph>& v) override {
    const uint64_t hash = v ? v->hash() : 0;
    raw('g', &hash, sizeof hash);
  }

 private:
  void raw(char kind, const void* p, size_t n) {
    out_->push_back(kind);
    out_->append(static_cast<const char*>(p), n);
  }
  void size(char kind, size_t n) {
    const uint64_t wide = n;
    raw(kind, &wide, sizeof wide);
  }
  std::string* out_;
};

class AttrPrinter final : public AttrVisitor {
 public:
  explicit AttrPrinter(std::string* out) : out_(out) {}
  void value(const char* name, bool v) override { field(name, v ? "True" : "False"); }
  void value(const char* name, int64_t v) override { field(name, std::to_string(v)); }
  void value(const char* name, double v) override {
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
    field(name, std::string(buffer, end));
  }
  void value(const char* name, const std::string& v) override { field(name, v); }
  void value(const char* name, const std::vector<int64_t>& v) override {
    std::string text = "[";
    for (size_t i = 0; i < v.size(); ++i) text += (i ? ", " : "") + std::to_string(v[i]);
    field(name, text + "]");
  }
  void value(const char* name, DType v) override { field(name, std::string(dtype_name(v))); }
  void value(const char*, const Ref<const InnerGraph>&) override {}  // printed apart

 private:
  void field(const char* name, const std::string& text) {
    *out_ += out_->empty() ? "{" : ", ";
    *out_ += name;
    *out_ += "=" + text;
  }
  std::string* out_;
};

}  // namespace

std::string encode_attributes(const Op& op) {
  std::string bytes;
  Encoder encoder(&bytes);
  op.visit(encoder);
  return bytes;
}

std::string attributes_text(const Op& op) {
  std::string text;
  AttrPrinter printer(&text);
  op.visit(printer);
  if (!text.empty()) text += "}";
  return text;
}

Var apply(Ref<const Op> op, std::vector<Var> inputs) {
  return Apply::create(std::move(op), std::move(inputs))->out(0);
}

std::vector<Var> apply_multi(Ref<const Op> op, std::vector<Var> inputs) {
  Ref<Apply> node = Apply::create(std::move(op), std::move(inputs));
  std::vector<Var> outputs;
  for (int i = 0; i < node->nout(); ++i) outputs.push_back(node->out(i));
  return outputs;
}

Var undefined_grad(const Op& op, int input, const std::string& input_name, const std::string& why) {
  std::string text = "This variable is Null because the grad method for input " +
                     std::to_string(input) + " (" + input_name + ") of the " + op.str() +
                     " op is mathematically undefined or not implemented.";
  if (!why.empty()) text += " " + why;
  return make_variable(Type::null(std::move(text)));
}

Var disconnected_grad_value() { return make_variable(Type::disconnected()); }

GraphConfig& graph_config() {
  static GraphConfig config;
  return config;
}

}  // namespace phintys
