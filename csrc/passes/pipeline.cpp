// The order in which passes run, and why.

#include <algorithm>

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

// Results are the same as those of fast_run, up to rounding: this includes stable forms.
constexpr Pass kFastCompile[] = {
    kMerge,         // patterns compare variables, so equal ones must be one
    kCanonicalize,  // the normal form that the stable forms are written for
    kStabilize,    kSaveLoopMemory, kTrimLoops,
};

constexpr Pass kFastRun[] = {
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
    kSpecialize,
    kConstantFold,    // constants that were built along the way
    kMerge,           // so that blas and fuse see the true number of users
    kSaveLoopMemory,  // indices of results are in their normal form
    kTrimLoops,       // what the passes found that nobody uses
    kBlas,            // last: it looks at who else uses an addend
};

constexpr Pass kLowering[] = {
    kLowerCasts,    // the VM knows no implicit casts
    kConstantFold,  // literals get the dtype they are used in
    kMerge,         // a value that several nodes want in another dtype is cast once
    kLazyBranches,  // after merge: what two branches both compute is not of one alone
    kFuse,
};
constexpr Pass kLoweringUnfused[] = {kLowerCasts, kConstantFold, kMerge, kLazyBranches,
                                     kFuseNothing};

constexpr Pass kAll[] = {kLoopsExtend, kMergeLoops,   kTrimLoops,    kSaveLoopMemory, kMerge,
                         kShapeLift,   kCanonicalize, kConstantFold, kStabilize,      kSpecialize,
                         kBlas,        kLowerCasts,   kLazyBranches, kFuse,           kFuseNothing};

}  // namespace

std::span<const Pass> pipeline(std::string_view name) {
  if (name == "none") return {};
  if (name == "fast_compile") return kFastCompile;
  if (name == "fast_run") return kFastRun;
  fail(ErrorKind::value, "there is no pipeline \"", name,
       "\"; known are none, fast_compile, fast_run");
}

void run_pipeline(std::string_view name, Graph& graph, const PassOptions& options,
                  std::vector<PassReport>* reports) {
  if (has_inline_graphs(graph)) run_pass(kInlineGraphs, graph, options, reports);
  // Before loops are made anew, because it tells by its address which op a loop extends.
  if (!pipeline(name).empty()) run_pass(kLoopsExtend, graph, options, reports);
  if (has_inline_graphs_inside(graph)) run_pass(kInlineInside, graph, options, reports);
  optimize_inner(name, graph, options, reports);
  for (const Pass& pass : pipeline(name)) run_pass(pass, graph, options, reports);
}

std::span<const Pass> lowering_pipeline(bool fuse) {
  if (fuse) return kLowering;
  return kLoweringUnfused;
}

bool is_pass_name(std::string_view name) {
  if (name == "optimize_inner") return true;
  return std::any_of(std::begin(kAll), std::end(kAll),
                     [&](const Pass& pass) { return name == pass.name; });
}

}  // namespace phintys
