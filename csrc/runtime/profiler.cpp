#include "runtime/profiler.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "ops/control/scan.h"

namespace phintys::runtime {

namespace {

size_t zu(int64_t i) { return static_cast<size_t>(i); }

// Small numbers for threads, in the order in which they first come here.
int thread_number() {
  static std::atomic<int> last{0};
  thread_local const int number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

// A program and the one inside which it lies.
struct Level {
  Program* program;
  int owner;
};

}  // namespace

int number_instructions(Program& program) {
  int next = 0;
  std::vector<Level> open{{&program, -1}};
  while (!open.empty()) {
    const Level level = open.back();
    open.pop_back();
    level.program->owner = level.owner;
    for (Instruction& instr : level.program->instructions) {
      instr.number = next++;
      for (const auto& inner : instr.inner) open.push_back({inner.get(), instr.number});
    }
  }
  return next;
}

std::vector<std::string> loop_profiles(const Program& program) {
  std::vector<std::string> names;
  std::vector<const Program*> open{&program};
  while (!open.empty()) {
    const Program& p = *open.back();
    open.pop_back();
    for (const Instruction& instr : p.instructions) {
      for (const auto& inner : instr.inner) open.push_back(inner.get());
      const Scan* scan = dynamic_cast<const Scan*>(instr.op);
      if (!scan || !scan->settings || scan->settings->profile.empty()) continue;
      const std::string& name = scan->settings->profile;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

void Profiler::Sums::add(const Sums& other) {
  calls += other.calls;
  ns += other.ns;
  inner_ns += other.inner_ns;
  bytes += other.bytes;
  max_bytes = std::max(max_bytes, other.max_bytes);
  steps += other.steps;
  if (other.slowest_ns > slowest_ns) {
    slowest_ns = other.slowest_ns;
    slowest_step = other.slowest_step;
  }
  whole = whole || other.whole;
  work_bytes = std::max(work_bytes, other.work_bytes);
  if (!other.shapes.empty()) shapes = other.shapes;
}

size_t Profiler::open_event(int number, int64_t step, bool always) {
  if (!always && events_.size() >= max_events_) {
    ++dropped_;
    return kNone;
  }
  events_.push_back({number, step, 0, 0});
  return events_.size() - 1;
}

// The time since the frame's start, also in its event.
int64_t Profiler::close(Frame& frame) {
  const int64_t ns = now() - frame.start;
  if (frame.event != kNone) {
    events_[frame.event].start_ns = frame.start;
    events_[frame.event].duration_ns = ns;
  }
  return ns;
}

void Profiler::begin_call() {
  frames_.clear();
  frames_.push_back({-1, -1, 0, open_event(-1, -1, max_events_ > 0), 0});
  frames_.back().start = now();
}

void Profiler::end_call() {
  call_ns_ += close(frames_.back());
  frames_.pop_back();
  ++calls_;
}

void Profiler::begin(int number) {
  // Room for what is not inside anything is always found: there is little of it.
  const bool outermost = max_events_ > 0 && frames_.size() == 1;
  frames_.push_back({number, -1, 0, open_event(number, -1, outermost), 0});
  frames_.back().start = now();
}

void Profiler::end(bool counted) {
  Frame frame = frames_.back();
  const int64_t ns = close(frame);
  frames_.pop_back();
  Sums& sums = sums_[zu(frame.number)];
  sums.ns += ns;
  sums.inner_ns += frame.inner_ns;
  sums.calls += counted;
  // What lies around: a step, whose time belongs to the loop around it.
  for (size_t i = frames_.size(); i-- > 0;) {
    frames_[i].inner_ns += ns;
    if (frames_[i].step < 0) break;
  }
}

void Profiler::begin_step(int64_t step) {
  const int number = frames_.back().number;
  frames_.push_back({number, step, 0, open_event(number, step, false), 0});
  frames_.back().start = now();
}

void Profiler::end_step() {
  Frame frame = frames_.back();
  const int64_t ns = close(frame);
  frames_.pop_back();
  Sums& sums = sums_[zu(frame.number)];
  ++sums.steps;
  if (ns > sums.slowest_ns) {
    sums.slowest_ns = ns;
    sums.slowest_step = frame.step;
  }
}

void Profiler::whole_steps(int64_t steps) {
  Sums& sums = sums_[zu(frames_.back().number)];
  sums.steps += static_cast<uint64_t>(steps);
  sums.whole = true;
}

void Profiler::outputs(int number, const std::vector<TensorView>& views,
                       const std::vector<int>& aliases) {
  Sums& sums = sums_[zu(number)];
  uint64_t bytes = 0;
  sums.shapes.resize(views.size());
  for (size_t o = 0; o < views.size(); ++o) {
    const TensorView& v = views[o];
    sums.shapes[o] = Dims(v.shape, v.shape + v.ndim);
    if (aliases[o] < 0) bytes += zu(v.size()) * item_size(v.dtype);
  }
  sums.bytes += bytes;
  sums.max_bytes = std::max(sums.max_bytes, bytes);
}

void Profiler::planned(int owner, size_t bytes) {
  uint64_t& most = owner < 0 ? work_bytes_ : sums_[zu(owner)].work_bytes;
  most = std::max<uint64_t>(most, bytes);
}

double Profiler::clock_seconds() {
  static const double seconds = [] {
    constexpr int kLooks = 1000;
    const int64_t start = now();
    int64_t last = start;
    for (int i = 0; i < kLooks; ++i) last = now();
    return static_cast<double>(last - start) / 1e9 / kLooks;
  }();
  return seconds;
}

void ProfileSums::take(Profiler& profiler, size_t max_events) {
  if (profiler.calls_ == 0) return;
  calls += profiler.calls_;
  ns += profiler.call_ns_;
  work_bytes = std::max(work_bytes, profiler.work_bytes_);
  instructions.resize(profiler.sums_.size());
  for (size_t i = 0; i < instructions.size(); ++i) {
    if (profiler.sums_[i].calls == 0) continue;
    instructions[i].add(profiler.sums_[i]);
    profiler.sums_[i] = {};
  }
  profiler.calls_ = 0;
  profiler.call_ns_ = 0;
  profiler.work_bytes_ = 0;
  if (max_events == 0) return;
  n_events += profiler.events_.size();
  last_calls.push_back({thread_number(), profiler.dropped_, std::move(profiler.events_)});
  profiler.events_.clear();
  profiler.dropped_ = 0;
  while (n_events > max_events && last_calls.size() > 1) {
    n_events -= last_calls.front().events.size();
    last_calls.pop_front();
  }
}

namespace {

void describe_instruction(const Instruction& instr, int owner, const Profiler::Sums* sums,
                          InstructionProfile* out) {
  out->op = instr.op->str();
  out->op_class = instr.op->name();
  out->loc = instr.node->loc;
  out->owner = owner;
  out->loop = !instr.inner.empty();
  const Scan* scan = dynamic_cast<const Scan*>(instr.op);
  if (scan && scan->settings) out->loop_profile = scan->settings->profile;
  for (int o = 0; o < instr.node->nout(); ++o)
    out->output_types.push_back(instr.node->output(o)->type().str());
  if (instr.fused) {
    for (const FusedStep& step : instr.fused->steps) {
      if (step.loc) out->lines.push_back(step.loc);
      if (step.product_loc) out->lines.push_back(step.product_loc);
    }
  }
  if (out->lines.empty() && instr.node->loc) out->lines.push_back(instr.node->loc);
  if (!sums) return;
  constexpr double kSecond = 1e9;
  out->calls = sums->calls;
  out->seconds = static_cast<double>(sums->ns) / kSecond;
  out->inner_seconds = static_cast<double>(sums->inner_ns) / kSecond;
  out->bytes = sums->bytes;
  out->max_bytes = sums->max_bytes;
  out->steps = sums->steps;
  out->slowest_seconds = static_cast<double>(sums->slowest_ns) / kSecond;
  out->slowest_step = sums->slowest_step;
  out->whole = sums->whole;
  out->work_bytes = sums->work_bytes;
  out->shapes = sums->shapes;
}

}  // namespace

FunctionProfile describe_profile(const Program& program, const ProfileSums& sums) {
  FunctionProfile out;
  out.calls = sums.calls;
  out.seconds = static_cast<double>(sums.ns) / 1e9;
  out.work_bytes = sums.work_bytes;
  out.clock_seconds = Profiler::clock_seconds();
  out.last_calls.assign(sums.last_calls.begin(), sums.last_calls.end());
  std::vector<const Program*> open{&program};
  while (!open.empty()) {
    const Program& p = *open.back();
    open.pop_back();
    for (const Instruction& instr : p.instructions) {
      const size_t number = zu(instr.number);
      if (out.instructions.size() <= number) out.instructions.resize(number + 1);
      const bool ran = number < sums.instructions.size();
      describe_instruction(instr, p.owner, ran ? &sums.instructions[number] : nullptr,
                           &out.instructions[number]);
      for (const auto& inner : instr.inner) open.push_back(inner.get());
    }
  }
  return out;
}

}  // namespace phintys::runtime
