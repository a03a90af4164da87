// Local rewriting: tables of rules, and the one driver that applies them.
//
// A rule looks at one node, whose op has the name that the rule is listed under, and returns what
// its (first) output is to be replaced by, or null. Rules are pure: they build new nodes and change
// none. Every rule must make the graph smaller or move it towards a normal form that no other rule
// of the set leads away from.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"

namespace phintys {

struct RuleContext {
  const Graph& graph;
  // How often the graph uses a variable.
  size_t uses(const Variable* v) const { return graph.clients(v).size(); }
};

struct Rule {
  const char* op;    // key of the op at the root of the pattern; "*": any op, after its own rules
  const char* text;  // "x * 1 -> x"
  Var (*apply)(const Apply& node, const RuleContext& context);
};

class RuleSet {
 public:
  RuleSet(std::initializer_list<std::span<const Rule>> tables);
  // Rules for an op, in the order of the tables.
  std::span<const Rule* const> rules(std::string_view op) const;

 private:
  std::unordered_map<std::string_view, std::vector<const Rule*>> by_op_;
  std::vector<const Rule*> any_;
};

// Applies rules until none fits: every node once, in topological order, then only nodes that are
// new or have a new input. The first rule that fits wins.
void rewrite_to_fixpoint(Graph& graph, const RuleSet& rules);

}  // namespace phintys
