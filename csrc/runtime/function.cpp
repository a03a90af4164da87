#include "runtime/function.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/error.h"
#include "base/fork.h"
#include "runtime/context.h"
#include "runtime/device_context.h"
#include "runtime/evaluate.h"
#include "runtime/profiler.h"
#include "runtime/program.h"

namespace phintys::runtime {

namespace {

constexpr size_t kPooledContexts = 64;

// The user's shared variables among `updates`' targets and the graph, as storages in the order of
// graph.shared(), which the updates' targets follow if the graph does not read them.
std::vector<Var> update_expressions(const FunctionSpec& spec, VarMap& map) {
  std::vector<Var> outputs = spec.outputs;
  for (const Update& u : spec.updates) {
    PHINTYS_CHECK(u.shared->is_shared(), "update of a variable that is not shared");
    outputs.push_back(u.expression);
  }
  return map.empty() ? outputs : clone_graph(outputs, map);
}

}  // namespace

struct Function::ContextPool {
  std::atomic<uint32_t> forks{fork_count()};
  std::atomic<Context*> last{nullptr};  // given back: most calls find it there, and lock nothing
  std::mutex mutex;
  std::vector<std::unique_ptr<Context>> free;
  ProfileSums profile;  // of calls that have ended

  ~ContextPool() { delete last.load(std::memory_order_acquire); }
};

struct Function::DeviceSide {
  DevicePlan plan;
  std::mutex mutex;
  std::vector<std::unique_ptr<DeviceContext>> free;
  std::vector<std::string> on_host;  // operations that ran there
};

Function::Function() = default;

Function::~Function() {
  ContextPool* pool = pool_.load(std::memory_order_acquire);
  // A fork may have caught it half changed: then it stays, unreachable.
  if (pool && pool->forks.load(std::memory_order_relaxed) == fork_count()) delete pool;
}

Function::ContextPool& Function::pool() const {
  ContextPool* pool = pool_.load(std::memory_order_acquire);
  const uint32_t forks = fork_count();
  if (PHINTYS_LIKELY(pool->forks.load(std::memory_order_acquire) == forks)) return *pool;
  if (pool->mutex.try_lock()) {  // nobody was in it
    pool->forks.store(forks, std::memory_order_release);
    pool->mutex.unlock();
    return *pool;
  }
  auto fresh = std::make_unique<ContextPool>();
  if (pool_.compare_exchange_strong(pool, fresh.get(), std::memory_order_acq_rel))
    return *fresh.release();
  return *pool;
}

Ref<Function> Function::compile(const FunctionSpec& spec) {
  install_kernels();
  auto start = std::chrono::steady_clock::now();
  VarMap map;
  for (const auto& [variable, replacement] : spec.givens) map[variable.get()] = replacement;
  std::vector<Var> expressions =
      spec.givens.empty() && spec.updates.empty() ? spec.outputs : update_expressions(spec, map);
  std::vector<Var> targets;
  for (const Update& u : spec.updates) targets.push_back(u.shared);
  auto graph = std::make_unique<Graph>(spec.inputs, expressions, targets);
  std::vector<PassReport> reports;
  run_pipeline(spec.pipeline, *graph, spec.pass_options, &reports);

  std::vector<int> updated;
  for (const Update& u : spec.updates) {
    size_t i = 0;
    while (graph->original_shared()[i].get() != u.shared.get()) ++i;
    updated.push_back(static_cast<int>(i));
  }
  std::vector<std::string> names;
  for (const Var& v : spec.outputs) names.push_back(v->name);
  Ref<Function> f =
      from_graph(std::move(graph), spec.name, std::move(names), std::move(updated), spec);
  f->reports_.insert(f->reports_.begin(), reports.begin(), reports.end());
  f->compile_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return f;
}

Ref<Function> Function::from_graph(std::unique_ptr<Graph> graph, std::string name,
                                   std::vector<std::string> output_names, std::vector<int> updated,
                                   const FunctionSpec& options) {
  install_kernels();
  auto start = std::chrono::steady_clock::now();
  Ref<Function> f(new Function);
  f->name_ = std::move(name);
  f->options_ = options;
  // The user's variables are not needed any more; holding them would keep their graphs alive.
  f->options_.inputs.clear();
  f->options_.outputs.clear();
  f->options_.updates.clear();
  f->options_.givens.clear();
  f->options_.pass_options.on_change = nullptr;
  f->updated_ = std::move(updated);
  PHINTYS_CHECK(graph->outputs().size() == output_names.size() + f->updated_.size(),
                "graph outputs do not match");
  for (const Var& v : graph->inputs()) f->inputs_.push_back({v->name, v.type()});
  for (size_t i = 0; i < output_names.size(); ++i)
    f->outputs_.push_back({output_names[i], graph->outputs()[i].type()});
  for (const Var& s : graph->shared()) {
    f->shared_.push_back(s->storage());
    f->shared_names_.push_back(s->name);
  }
  LowerOptions lower_options;
  lower_options.fuse = options.fuse && !options.monitor;
  lower_options.direct_updates = !options.monitor;
  lower_options.reuse_memory = options.reuse_memory;
  lower_options.passes = options.pass_options;
  f->program_ = lower(*graph, static_cast<int>(output_names.size()), f->updated_, f->shared_,
                      lower_options, &f->reports_);
  if (options.device) {
    f->device_side_ = std::make_unique<DeviceSide>();
    f->device_side_->plan = plan_for_device(*f->program_);
  }
  f->n_instructions_ = static_cast<size_t>(number_instructions(*f->program_));
  f->loop_profiles_ = runtime::loop_profiles(*f->program_);
  if (!f->loop_profiles_.empty()) f->options_.profile = true;
  f->graph_ = std::move(graph);
  f->pool_.store(new ContextPool, std::memory_order_release);
  f->compile_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return f;
}

std::unique_ptr<Context> Function::acquire() {
  {
    ContextPool& p = pool();
    if (Context* last = p.last.exchange(nullptr, std::memory_order_acquire))
      return std::unique_ptr<Context>(last);
    std::lock_guard<std::mutex> lock(p.mutex);
    if (!p.free.empty()) {
      std::unique_ptr<Context> c = std::move(p.free.back());
      p.free.pop_back();
      return c;
    }
  }
  auto context = std::make_unique<Context>(*program_);
  if (options_.profile)
    context->profiler = std::make_unique<Profiler>(n_instructions_, options_.trace_events);
  return context;
}

void Function::give_back(std::unique_ptr<Context> context) {
  context->end_call();
  ContextPool& p = pool();
  Context* none = nullptr;
  if (!context->profiler &&
      p.last.compare_exchange_strong(none, context.get(), std::memory_order_release,
                                     std::memory_order_relaxed)) {
    context.release();
    return;
  }
  std::lock_guard<std::mutex> lock(p.mutex);
  if (context->profiler) p.profile.take(*context->profiler, options_.trace_events);
  if (p.free.size() < kPooledContexts) p.free.push_back(std::move(context));
}

std::unique_ptr<DeviceContext> Function::acquire_device_context() {
  PHINTYS_CHECK(device_side_, "a function that does not run on a device");
  {
    const std::lock_guard<std::mutex> lock(device_side_->mutex);
    if (!device_side_->free.empty()) {
      std::unique_ptr<DeviceContext> context = std::move(device_side_->free.back());
      device_side_->free.pop_back();
      return context;
    }
  }
  return std::make_unique<DeviceContext>(*program_, device_side_->plan, *options_.device);
}

void Function::give_back(std::unique_ptr<DeviceContext> context) {
  context->end_call();
  const std::lock_guard<std::mutex> lock(device_side_->mutex);
  if (device_side_->free.size() < kPooledContexts) device_side_->free.push_back(std::move(context));
}

void Function::note_host_instruction(const Op& op) {
  if (options_.forbid_host)
    fail(ErrorKind::not_implemented, op.str(), " has no kernel for ", options_.device->name(),
         ", and running it on the host is forbidden");
  const std::lock_guard<std::mutex> lock(device_side_->mutex);
  std::vector<std::string>& seen = device_side_->on_host;
  if (std::find(seen.begin(), seen.end(), op.str()) == seen.end()) seen.push_back(op.str());
}

std::vector<std::string> Function::host_instructions() const {
  if (!device_side_) return {};
  const std::lock_guard<std::mutex> lock(device_side_->mutex);
  return device_side_->on_host;
}

size_t Function::planned_bytes(std::span<const Dims> input_shapes) {
  if (input_shapes.size() != inputs_.size())
    fail(ErrorKind::value, "planned memory of ", inputs_.size(), " inputs asked for with ",
         input_shapes.size(), " shapes");
  std::vector<Dims> strides;
  std::vector<TensorView> views;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Type& t = inputs_[i].type;
    if (static_cast<int>(input_shapes[i].size()) != t.ndim())
      fail(ErrorKind::value, "input ", i, " has ", t.ndim(), " dimensions, the shape given ",
           input_shapes[i].size());
    strides.push_back(contiguous_strides(input_shapes[i], item_size(t.dtype())));
  }
  for (size_t i = 0; i < inputs_.size(); ++i)
    views.push_back({nullptr, inputs_[i].type.dtype(), inputs_[i].type.ndim(),
                     input_shapes[i].data(), strides[i].data()});
  return Context(*program_).planned_bytes(views, *this);
}

void Function::release_contexts() {
  std::vector<std::unique_ptr<Context>> dropped;
  std::vector<std::unique_ptr<DeviceContext>> dropped_on_device;
  if (device_side_) {
    const std::lock_guard<std::mutex> lock(device_side_->mutex);
    dropped_on_device.swap(device_side_->free);
  }
  ContextPool& p = pool();
  const std::unique_ptr<Context> last(p.last.exchange(nullptr, std::memory_order_acquire));
  std::lock_guard<std::mutex> lock(p.mutex);
  dropped.swap(p.free);
}

FunctionProfile Function::profile() const {
  ContextPool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return describe_profile(*program_, p.profile);
}

void Function::reset_profile() {
  ContextPool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.profile = {};
}

std::string Function::program_text() const { return program_->str(); }

Call::Call(Function& function) : function_(function), context_(function.acquire()) {}

Call::~Call() {
  if (context_) function_.give_back(std::move(context_));
}

void Call::run(const TensorView* inputs) { context_->run(inputs, function_, nullptr); }
void Call::run(const TensorView* inputs, const CallOptions& options) {
  const bool may_be_over = options.deadline != CallOptions::kNever || !options.cancel.empty();
  if (!may_be_over && options.max_steps <= 0 && !options.poll) return run(inputs);
  Limits limits(options, function_.name());
  if (may_be_over) limits.look();
  context_->run(inputs, function_, &limits);
}
bool Call::try_run(const TensorView* inputs) { return context_->try_run(inputs, function_); }
bool Call::try_quick(const TensorView* inputs) { return context_->try_quick(inputs, function_); }
TensorView Call::output(int i) const { return context_->output(i); }
Array Call::take_output(int i) { return context_->take_output(i); }

}  // namespace phintys::runtime
