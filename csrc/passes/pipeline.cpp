// The order in which passes run, and why.

#include <algorithm>

#include "ops/control/scan.h"
#include "passes/blas.h"
#include "passes/canonicalize.h"
#include "passes/constant_fold.h"
#include "passes/fuse.h"
#include "passes/inline_graphs.h"
#include "passes/inner.h"
#include "passes/lazy_branches.h"
#include "passes/loops/loop_passes.h"
#include "passes/loops_extend.h"
#include "passes/lower_casts.h"
#include "passes/merge.h"
#include "passes/pass.h"
#include "passes/shape_lift.h"
#include "passes/specialize.h"
#include "passes/stabilize.h"

namespace phintys {

namespace {

constexpr Pass kLoopsExtend{"loops_extend", loops_extend};
constexpr Pass kMergeLoops{"merge_loops", merge_loops};
constexpr Pass kTrimLoops{"trim_loops", trim_loops};
constexpr Pass kSaveLoopMemory{"save_loop_memory", save_loop_memory};
constexpr Pass kInlineGraphs{"inline_graphs", inline_graphs};
constexpr Pass kInlineInside{"inline_graphs_inside", inline_graphs_inside};
constexpr Pass kHoist{"hoist_from_loops", hoist_from_loops};
constexpr Pass kPushOutSums{"push_out_accumulations", push_out_accumulations};
constexpr Pass kPushOutResults{"push_out_results", push_out_results};
constexpr Pass kBatchOut{"batch_out_of_loops", batch_out_of_loops};
constexpr Pass kTakeInLoops{"take_in_loops", take_in_loops};
constexpr Pass kMerge{"merge", merge};
constexpr Pass kShapeLift{"shape_lift", shape_lift};
constexpr Pass kCanonicalize{"canonicalize", canonicalize};
constexpr Pass kConstantFold{"constant_fold", constant_fold};
constexpr Pass kStabilize{"stabilize", stabilize};
constexpr Pass kSpecialize{"specialize", specialize};
constexpr Pass kBlas{"blas", blas};
constexpr Pass kLowerCasts{"lower_casts", lower_casts};
constexpr Pass kLazyBranches{"lazy_branches", lazy_branches};
constexpr Pass kFuse{"fuse", fuse};
constexpr Pass kFuseNothing{"fuse_nothing", fuse_nothing};

// A pipeline has three parts. All graphs inside ops go through the first one before the graph
// around them does, and through the last one after it: passes over loops see bodies in normal form,
// of which no part is fused to another yet.
struct Parts {
  std::span<const Pass> normal, loops, final;
};

// Results are the same as those of fast_run, up to rounding: this includes stable forms.
constexpr Pass kFastCompile[] = {
    kMerge,         // patterns compare variables, so equal ones must be one
    kCanonicalize,  // the normal form that the stable forms are written for
    kStabilize,    kSaveLoopMemory, kTrimLoops,
};

constexpr Pass kNormal[] = {
    kMerge,         // patterns compare variables, so equal ones must be one
    kCanonicalize,  // most fills and casts go, so that fewer shapes are asked for
    kShapeLift,     // after it, what was needed for its shape only is gone and blocks no pattern
    kConstantFold,  // lengths and constant subexpressions become constants that rules see
    kCanonicalize,  // what the folded constants make possible
    kMerge,         // the rules built some things twice
    kMergeLoops,    // numbers of steps are now one variable where they are equal
    kStabilize,     // before specialize, which takes powers and quotients apart
    kCanonicalize,  // stable forms leave double negations and the like
    kShapeLift,     // rules asked for shapes (sums of fills)
    kMerge,         // gradients of losses are recognised as a whole: equal parts must be one
};

// Left out where there are no loops.
constexpr Pass kLoops[] = {
    kSaveLoopMemory,  // tells of which sums only the last row is read
    kTrimLoops,       // nobody shall store rows for what is not used
    kHoist,           // what the others find is then of one kind: it changes from step to step
    kPushOutSums,     // before results: it stores rows that those can use
    kPushOutResults, kBatchOut,
    kCanonicalize,  // the passes above build views of views, sums with zeros,
    kShapeLift,     // ask for shapes,
    kMerge,         // and build some things twice
};

constexpr Pass kFinal[] = {
    kSpecialize,
    kConstantFold,    // constants that were built along the way
    kMerge,           // so that blas and fuse see the true number of users
    kSaveLoopMemory,  // indices of results are in their normal form
    kTrimLoops,       // what the passes found that nobody uses
    kBlas,            // last: it looks at who else uses an addend
};

constexpr Parts kNoParts{{}, {}, {}};
constexpr Parts kFastCompileParts{kFastCompile, {}, {}};
constexpr Parts kFastRunParts{kNormal, kLoops, kFinal};

constexpr Pass kLowering[] = {
    kLowerCasts,    // the VM knows no implicit casts
    kConstantFold,  // literals get the dtype they are used in
    kMerge,         // a value that several nodes want in another dtype is cast once
    kLazyBranches,  // after merge: what two branches both compute is not of one alone
    kFuse,
};
constexpr Pass kLoweringUnfused[] = {kLowerCasts, kConstantFold, kMerge, kLazyBranches,
                                     kFuseNothing};

constexpr Pass kAll[] = {kLoopsExtend,  kMergeLoops,   kTrimLoops,      kSaveLoopMemory,
                         kHoist,        kPushOutSums,  kPushOutResults, kBatchOut,
                         kTakeInLoops,  kMerge,        kShapeLift,      kCanonicalize,
                         kConstantFold, kStabilize,    kSpecialize,     kBlas,
                         kLowerCasts,   kLazyBranches, kFuse,           kFuseNothing};

constexpr Pass kFurther[] = {kLoopsExtend, kTakeInLoops};

const Parts* parts_of(std::string_view name) {
  if (name == "none") return &kNoParts;
  if (name == "fast_compile") return &kFastCompileParts;
  if (name == "fast_run") return &kFastRunParts;
  fail(ErrorKind::value, "there is no pipeline \"", name,
       "\"; known are none, fast_compile, fast_run");
}

bool has_inner(const Graph& graph) {
  for (size_t i = 0; i < graph.num_node_slots(); ++i)
    if (const Apply* node = graph.node_at(i); node && !node->op().inner().empty()) return true;
  return false;
}

// The passes that the body of a loop goes through if its user asked for some, else null.
const LoopSettings* own_passes(const Op& op, const PassOptions& options) {
  const Scan* scan = options.own_passes ? dynamic_cast<const Scan*>(&op) : nullptr;
  return scan && scan->has_own_passes() ? scan->settings.get() : nullptr;
}

// Whether a loop has passes of its own, also one inside another.
bool has_own_passes(const Graph& graph, const PassOptions& options) {
  std::vector<const Op*> open;
  for (size_t i = 0; i < graph.num_node_slots(); ++i)
    if (const Apply* node = graph.node_at(i)) open.push_back(&node->op());
  while (!open.empty()) {
    const Op* op = open.back();
    open.pop_back();
    if (own_passes(*op, options)) return true;
    for (const Ref<const InnerGraph>& inner : op->inner())
      for (const Apply* node : inner->nodes()) open.push_back(&node->op());
  }
  return false;
}

using Stage = void (*)(const Parts& parts, Graph& graph, const PassOptions& options,
                       std::vector<PassReport>* reports);

// The stage for graphs inside ops: with the parts of the graph around, or with their own.
InnerStage inside(Stage stage, const Parts& parts) {
  return [stage, &parts](Graph& graph, const PassOptions& options, const Op& op) {
    const LoopSettings* own = own_passes(op, options);
    if (!own) return stage(parts, graph, options, nullptr);
    PassOptions other = options;
    other.excluded = own->excluded;
    stage(*parts_of(own->pipeline), graph, other, nullptr);
  };
}

void run_normal(const Parts& parts, Graph& graph, const PassOptions& options,
                std::vector<PassReport>* reports) {
  // First, because it tells by its address which op a loop extends.
  if (!parts.normal.empty()) run_pass(kLoopsExtend, graph, options, reports);
  if (has_inner(graph)) optimize_inner(inside(run_normal, parts), graph, options, reports);
  for (const Pass& pass : parts.normal) run_pass(pass, graph, options, reports);
  if (!has_inner(graph)) return;
  for (const Pass& pass : parts.loops) run_pass(pass, graph, options, reports);
}

void run_final_inside(const Parts& parts, Graph& graph, const PassOptions& options,
                      std::vector<PassReport>* reports);

void run_final(const Parts& parts, Graph& graph, const PassOptions& options,
               std::vector<PassReport>* reports) {
  for (const Pass& pass : parts.final) run_pass(pass, graph, options, reports);
  if (!parts.final.empty() ? has_inner(graph) : has_own_passes(graph, options))
    optimize_inner(inside(run_final_inside, parts), graph, options, reports);
}

void run_final_inside(const Parts& parts, Graph& graph, const PassOptions& options,
                      std::vector<PassReport>* reports) {
  if (!parts.final.empty()) run_pass(kTakeInLoops, graph, options, reports);
  run_final(parts, graph, options, reports);
}

}  // namespace

std::vector<Pass> pipeline(std::string_view name) {
  std::vector<Pass> all;
  const Parts& parts = *parts_of(name);
  for (const std::span<const Pass> part : {parts.normal, parts.loops, parts.final})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

void run_pipeline(std::string_view name, Graph& graph, const PassOptions& options,
                  std::vector<PassReport>* reports) {
  if (has_inline_graphs(graph)) run_pass(kInlineGraphs, graph, options, reports);
  const Parts& parts = *parts_of(name);
  const bool none = parts.normal.empty();
  // Before loops are made anew, because it tells by its address which op a loop extends.
  if (!none) run_pass(kLoopsExtend, graph, options, reports);
  if (has_inline_graphs_inside(graph)) run_pass(kInlineInside, graph, options, reports);
  if (none && !has_own_passes(graph, options)) return;
  run_normal(parts, graph, options, reports);
  run_final(parts, graph, options, reports);
}

std::span<const Pass> further_passes() { return kFurther; }

std::span<const Pass> lowering_pipeline(bool fuse) {
  if (fuse) return kLowering;
  return kLoweringUnfused;
}

void check_passes(std::string_view pipeline, const std::vector<std::string>& excluded) {
  parts_of(pipeline);
  for (const std::string& name : excluded)
    if (!is_pass_name(name)) fail(ErrorKind::value, "there is no pass called '", name, "'");
}

bool is_pass_name(std::string_view name) {
  if (name == "optimize_inner") return true;
  return std::any_of(std::begin(kAll), std::end(kAll),
                     [&](const Pass& pass) { return name == pass.name; });
}

}  // namespace phintys
