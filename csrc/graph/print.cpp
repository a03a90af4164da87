#include "graph/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "graph/inner_graph.h"
#include "graph/op.h"

namespace phintys {

namespace {

std::string float_text(double v, DType d) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[64];
  // As NumPy: fixed notation in the range where it is shorter to read.
  const double a = std::fabs(v);
  const bool fixed = v == 0 || (a >= 1e-4 && a < 1e16);
  const auto format = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  char* end =
      d == DType::f64 || d == DType::c128
          ? std::to_chars(buffer, buffer + sizeof buffer, v, format).ptr
          : std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(v), format).ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string element_text(const TensorView& v, int64_t i) {
  if (is_bool(v.dtype)) return element_as_int(v, i) ? "True" : "False";
  if (v.dtype == DType::u64) return std::to_string(static_cast<uint64_t>(element_as_int(v, i)));
  if (is_discrete(v.dtype)) return std::to_string(element_as_int(v, i));
  return float_text(element_as_double(v, i), v.dtype);
}

// NumPy's text of an array, "[1 2 3]", shortened in the middle: only its two ends get printed.
std::string array_text(const Array& a) {
  const TensorView v = a.view();
  const int64_t n = v.size();
  if (v.ndim == 0) return element_text(v, 0);
  constexpr int64_t kEnds = 12;
  std::vector<int64_t> picked;
  for (int64_t i = 0; i < n; ++i) {
    if (n > 2 * kEnds && i == kEnds) i = n - kEnds;
    picked.push_back(i);
  }
  std::vector<std::string> texts;
  size_t width = 0;
  for (int64_t i : picked) {
    std::string text = element_text(v, i);
    if (!is_discrete(v.dtype) && text.ends_with(".0")) text.pop_back();
    width = std::max(width, text.size());
    texts.push_back(std::move(text));
  }
  std::string out(static_cast<size_t>(v.ndim), '[');
  for (size_t k = 0; k < picked.size(); ++k) {
    int ends = 0;  // how many rows end before this element
    for (int64_t i = picked[k], d = v.ndim - 1; i && d > 0 && i % v.shape[d] == 0; --d) {
      i /= v.shape[d];
      ++ends;
    }
    if (k && ends) {
      out.append(static_cast<size_t>(ends), ']')
          .append("\n")
          .append(static_cast<size_t>(v.ndim - ends), ' ');
      out.append(static_cast<size_t>(ends), '[');
    } else if (k) {
      out += ' ';
    }
    out.append(width - texts[k].size(), ' ').append(texts[k]);
  }
  return out.append(static_cast<size_t>(v.ndim), ']');
}

bool all_equal(const Array& a) {
  constexpr int64_t kSearched = 1 << 16;
  const TensorView v = a.view();
  const int64_t n = v.size();
  if (n == 0 || n > kSearched || is_complex(v.dtype)) return false;
  if (is_discrete(v.dtype)) {
    const int64_t first = element_as_int(v, 0);
    for (int64_t i = 1; i < n; ++i) {
      if (element_as_int(v, i) != first) return false;
    }
    return true;
  }
  const double first = element_as_double(v, 0);
  for (int64_t i = 0; i < n; ++i) {
    if (!(element_as_double(v, i) == first)) return false;
  }
  return true;
}

std::string constant_text(const Array& a) {
  std::string text;
  if (a.ndim() > 0 && all_equal(a)) {
    text = to_string(a.shape()) + " of " + element_text(a.view(), 0);
  } else {
    text = array_text(a);
  }
  if (text.size() > 20) text = text.substr(0, 10) + ".." + text.substr(text.size() - 10);
  return "TensorConstant{" + text + "}";
}

}  // namespace

std::string to_string(const Variable& v) {
  if (v.is_constant()) return constant_text(v.constant());
  if (!v.name.empty()) return v.name;
  if (v.owner()) return v.owner()->op().str() + "." + std::to_string(v.index());
  return "<" + v.type().str() + ">";
}

// --- debugprint ------------------------------------------------------------------------------

namespace {

class DebugPrinter {
 public:
  explicit DebugPrinter(const DebugPrintOptions& options) : options_(options) {}

  void print(Variable* root) {
    stack_.push_back({root, 0, false});
    while (!stack_.empty()) {
      const Item item = stack_.back();
      stack_.pop_back();
      print_line(item);
    }
  }
  // The graphs inside the ops printed so far, then those inside them, and so on.
  void print_inner() {
    for (size_t k = 0; k < with_graphs_.size(); ++k) {
      const Apply* node = with_graphs_[k];
      text_ += k == 0 ? "\nInner graphs:\n\n" : "\n";
      text_ += node->op().str() + " " + id_text(node, node->id()) + "\n";
      margin_ = " >";
      int number = 0;
      for (const Ref<const InnerGraph>& graph : node->op().inner()) {
        enter_graph(*node, *graph, number++);
        for (const Var& v : graph->outputs()) print(v.get());
      }
      margin_.clear();
    }
  }
  std::string take() { return std::move(text_); }

 private:
  struct Item {
    Variable* variable;
    int level;
    bool last;  // of its node's inputs: nothing continues below it
  };

  std::string id_text(const void* key, uint64_t id) {
    if (options_.ids.empty()) return "";
    const auto number = ids_.emplace(key, ids_.size()).first->second;
    if (options_.ids == "id") return "[id " + std::to_string(id) + "]";
    if (options_.ids == "int") return "[id " + std::to_string(number) + "]";
    std::string letters;
    for (size_t n = number; n || letters.empty(); n /= 26) {
      letters.insert(letters.begin(), static_cast<char>('A' + n % 26));
    }
    return "[id " + letters + "]";
  }

  // Two nodes may share a graph: its inputs stand for those of the one that is printed.
  void enter_graph(const Apply& node, const InnerGraph& graph, int number) {
    outer_.clear();
    for (const Apply* inner : graph.nodes()) done_.erase(inner);
    for (size_t i = 0; options_.outer_input && i < graph.inputs().size(); ++i) {
      const int at = options_.outer_input(node, number, static_cast<int>(i));
      if (at >= 0) outer_[graph.inputs()[i].get()] = node.input(at);
    }
  }

  // " -> [id C]": what an input of a graph inside stands for.
  std::string outer_text(const Variable* v) {
    const auto found = outer_.find(v);
    if (found == outer_.end() || options_.ids.empty()) return "";
    const Variable* outer = found->second;
    const Apply* owner = outer->owner();
    return owner ? " -> " + id_text(owner, owner->id()) : " -> " + id_text(outer, outer->id());
  }

  void print_line(const Item& item) {
    Variable* v = item.variable;
    if (options_.depth >= 0 && item.level >= options_.depth) return;
    prefix_.resize(item.level > 1 ? static_cast<size_t>(item.level - 1) * 2 : 0);
    text_ += margin_ + prefix_;
    if (item.level > 0) {
      text_ += " |";
      prefix_ += item.last ? "  " : " |";
    }
    const std::string type = options_.print_type ? " <" + v->type().str() + ">" : "";
    Apply* node = v->owner();
    if (!node) {
      text_ += to_string(*v) + " " + id_text(v, v->id()) + type + outer_text(v) + "\n";
      return;
    }
    const bool printed = !done_.insert(node).second;
    text_ += node->op().str();
    if (node->nout() > 1) text_ += "." + std::to_string(v->index());
    text_ += " " + id_text(node, node->id()) + type + " '" + v->name.str() + "'   \n";
    if (!printed && !node->op().inner().empty()) with_graphs_.push_back(node);
    if (printed || (options_.stop_on_name && !v->name.empty())) return;
    for (int i = node->nin() - 1; i >= 0; --i) {
      stack_.push_back({node->input(i), item.level + 1, i == node->nin() - 1});
    }
  }

  const DebugPrintOptions& options_;
  std::vector<Item> stack_;
  std::string prefix_;  // of the children of the node printed last
  std::unordered_map<const void*, size_t> ids_;
  std::unordered_set<const Apply*> done_;
  std::vector<const Apply*> with_graphs_;  // nodes printed whose ops have graphs inside
  std::unordered_map<const Variable*, const Variable*> outer_;  // of the graph being printed
  std::string margin_;                                          // before each of its lines
  std::string text_;
};

}  // namespace

std::string debugprint(std::span<const Var> variables, const DebugPrintOptions& options) {
  DebugPrinter printer(options);
  for (const Var& v : variables) printer.print(v.get());
  printer.print_inner();
  return printer.take();
}

}  // namespace phintys
