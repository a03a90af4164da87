#include "runtime/failure.h"

#include <algorithm>
#include <atomic>
#include <sstream>

#include "graph/print.h"
#include "ops/control/array_text.h"
#include "runtime/binding.h"

namespace phintys::runtime {

namespace {

std::atomic<bool> g_verbose{false};

constexpr int64_t kShownElements = 5;  // Theano's
constexpr int kShownDepth = 8;         // of the expression: it may have any size
constexpr size_t kShownLines = 100;
constexpr size_t kShownArrays = 30;

Dims shape_of(const TensorView& v) { return Dims(v.shape, v.shape + v.ndim); }

// "[a, b]" of what `f` says of each.
template <class List, class F>
void write_list(std::ostream& out, const char* title, const List& list, F&& f) {
  out << "\n" << title << ": [";
  bool first = true;
  for (const auto& item : list) {
    out << (first ? "" : ", ") << f(item);
    first = false;
  }
  out << "]";
}

std::string value_text(const TensorView& v) {
  if (!v.data || v.size() > kShownElements) return "not shown";
  std::string text;
  for (const char c : array_text(v)) {  // on one line
    const char wanted = c == '\n' ? ' ' : c;
    if (wanted != ' ' || text.empty() || text.back() != ' ') text += wanted;
  }
  return text;
}

void write_clients(std::ostream& out, const Graph& graph, const Apply& node) {
  out << "\nOutputs clients: [";
  for (int o = 0; o < node.nout(); ++o) {
    out << (o ? ", [" : "[");
    bool first = true;
    for (const Client& c : graph.clients(node.output(o))) {
      out << (first ? "" : ", ");
      if (c.node) {
        out << c.node->op().str();
      } else {
        out << "output " << c.index;
      }
      first = false;
    }
    out << "]";
  }
  out << "]";
}

std::string first_lines(std::string text) {
  size_t end = 0;
  for (size_t lines = 0; lines < kShownLines; ++lines) {
    const size_t next = text.find('\n', end);
    if (next == std::string::npos) return text;
    end = next + 1;
  }
  return end == text.size() ? text : text.substr(0, end) + "...\n";
}

struct Stored {
  const BufferInfo* info;
  const BufferState* state;
  int64_t bytes;
};

const char* kind_name(BufferKind kind) {
  switch (kind) {
    case BufferKind::input:
      return "Input";
    case BufferKind::constant:
      return "Constant";
    case BufferKind::shared:
      return "Shared Input";
    case BufferKind::temp:
      break;
  }
  return "Temporary";
}

std::string gigabytes(int64_t bytes) {
  std::ostringstream out;
  out.precision(3);
  out << std::fixed << bytes << " Byte(s) " << static_cast<double>(bytes) / (1 << 30) << " GB";
  return out.str();
}

// The arrays with memory of their own, the largest first.
void write_storage(std::ostream& out, const Program& program,
                   const std::vector<BufferState>& states) {
  std::vector<Stored> stored;
  int64_t total = 0, inputs = 0;
  for (size_t i = 0; i < states.size(); ++i) {
    if (!states[i].defined || states[i].root != static_cast<int>(i)) continue;
    const BufferInfo& info = program.buffers[i];
    const auto item = static_cast<int64_t>(item_size(info.type.dtype()));
    const int64_t bytes = product(states[i].shape) * item;
    total += bytes;
    if (info.kind != BufferKind::temp) inputs += bytes;
    stored.push_back({&info, &states[i], bytes});
  }
  std::stable_sort(stored.begin(), stored.end(),
                   [](const Stored& a, const Stored& b) { return a.bytes > b.bytes; });
  out << "\nStorage map footprint (temporaries share memory; views are left out):";
  for (size_t i = 0; i < std::min(stored.size(), kShownArrays); ++i) {
    const Stored& s = stored[i];
    out << "\n - " << to_string(*s.info->variable) << ", " << kind_name(s.info->kind)
        << ", Shape: " << to_string(s.state->shape)
        << ", ElemSize: " << item_size(s.info->type.dtype()) << " Byte(s), TotalSize: " << s.bytes
        << " Byte(s)";
  }
  if (stored.size() > kShownArrays)
    out << "\n - and " << stored.size() - kShownArrays << " that are not larger";
  out << "\n TotalSize: " << gigabytes(total) << "\n TotalSize inputs: " << gigabytes(inputs);
}

void write_details(std::ostream& out, const Program& program, const Instruction& instr,
                   const std::vector<BufferState>& states) {
  DebugPrintOptions options;
  options.depth = kShownDepth;
  options.print_type = true;
  options.stop_on_name = true;
  const Var result = instr.node->out(0);
  out << "\n\nDebugprint of the apply node:\n" << first_lines(debugprint({&result, 1}, options));
  write_storage(out, program, states);
}

}  // namespace

void set_verbose_errors(bool on) { g_verbose.store(on, std::memory_order_relaxed); }
bool verbose_errors() { return g_verbose.load(std::memory_order_relaxed); }

void rethrow_with_node(const Error& e, const Program& program, const Instruction& instr,
                       const std::vector<BufferState>& states,
                       const std::vector<TensorView>& inputs) {
  std::string what = e.what();
  if (what.find("Apply node that caused the error") != std::string::npos) throw e;
  const Apply& node = *instr.node;
  std::ostringstream out;
  out << what << "\nApply node that caused the error: " << node.describe()
      << "\nToposort index: " << &instr - program.instructions.data();
  write_list(out, "Inputs types", node.inputs(), [](const Var& v) { return v.type().str(); });
  write_list(out, "Inputs shapes", inputs,
             [](const TensorView& v) { return to_string(shape_of(v)); });
  write_list(out, "Inputs strides", inputs,
             [](const TensorView& v) { return to_string(Dims(v.strides, v.strides + v.ndim)); });
  if (verbose_errors()) {
    const TensorView* first = inputs.data();
    write_list(out, "Inputs values", inputs, [&](const TensorView& v) {
      const Type& type = node.input(static_cast<int>(&v - first))->type();
      return type.is_generic() ? std::string("an object") : value_text(v);
    });
    write_clients(out, *program.graph, node);
  }
  if (node.loc) out << "\nBuilt at: " << to_string(node.loc);
  if (verbose_errors()) write_details(out, program, instr, states);
  throw Error(e.kind(), out.str());
}

}  // namespace phintys::runtime
