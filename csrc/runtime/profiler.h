// What a profiled function measures: time, calls and bytes of each instruction, also of programs
// inside ops, and the events of the last calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/dims.h"
#include "runtime/function.h"
#include "runtime/program.h"

namespace phintys::runtime {

// Numbers the instructions of a program and of the programs inside, each before those inside it.
// Their count.
int number_instructions(Program& program);
// Names of the profiles that loops of the program, or inside it, are to have.
std::vector<std::string> loop_profiles(const Program& program);

// One call's measurements; used by the call's thread alone. Kept from call to call.
class Profiler {
 public:
  // Sums, by Instruction::number.
  struct Sums {
    uint64_t calls = 0;
    int64_t ns = 0;        // with what is inside
    int64_t inner_ns = 0;  // of that, in instructions inside
    uint64_t bytes = 0;    // of outputs with memory of their own, over all calls
    uint64_t max_bytes = 0;
    // Of loops.
    uint64_t steps = 0;
    int64_t slowest_ns = 0;
    int64_t slowest_step = -1;
    bool whole = false;        // runs were measured whole: no times of what is inside
    uint64_t work_bytes = 0;   // most that the programs inside had planned
    std::vector<Dims> shapes;  // of the outputs, the last time

    void add(const Sums& other);
  };

  Profiler(size_t n_instructions, size_t max_events)
      : sums_(n_instructions), max_events_(max_events) {}

  void begin_call();
  void end_call();

  void begin(int number);
  // `counted`: false for what is done ahead of the call proper of an instruction.
  void end(bool counted = true);
  void begin_step(int64_t step);
  void end_step();
  // The loop that is running took `steps` steps at one go.
  void whole_steps(int64_t steps);
  // Where the outputs of the instruction lie that ended last.
  void outputs(int number, const std::vector<TensorView>& views, const std::vector<int>& aliases);
  // Memory planned for the program inside instruction `owner` (-1: of the function).
  void planned(int owner, size_t bytes);
  // That one look at the clock takes.
  static double clock_seconds();

 private:
  friend struct ProfileSums;
  struct Frame {
    int number;  // -1 - step for steps
    int64_t step;
    int64_t start;
    size_t event;
    int64_t inner_ns;
  };
  static constexpr size_t kNone = SIZE_MAX;

  static int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  size_t open_event(int number, int64_t step, bool always);
  int64_t close(Frame& frame);

  std::vector<Sums> sums_;
  std::vector<Frame> frames_;
  size_t max_events_;
  std::vector<ProfileEvent> events_;
  uint64_t dropped_ = 0;
  uint64_t calls_ = 0;
  int64_t call_ns_ = 0;
  uint64_t work_bytes_ = 0;
};

// Sums over calls, in the order in which they end.
struct ProfileSums {
  uint64_t calls = 0;
  int64_t ns = 0;
  uint64_t work_bytes = 0;
  std::vector<Profiler::Sums> instructions;
  std::deque<ProfiledCall> last_calls;
  size_t n_events = 0;  // of those

  // Takes over what a call measured; `max_events`: of the last calls together, but one at least.
  void take(Profiler& profiler, size_t max_events);
};

// Measures a call, if anything does.
class ProfileCall {
 public:
  explicit ProfileCall(Profiler* profiler) : profiler_(profiler) {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->begin_call();
  }
  ~ProfileCall() {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->end_call();
  }
  ProfileCall(const ProfileCall&) = delete;
  ProfileCall& operator=(const ProfileCall&) = delete;

 private:
  Profiler* profiler_;
};

// Measures one instruction, if anything does.
class ProfileSpan {
 public:
  ProfileSpan(Profiler* profiler, int number, bool counted = true)
      : profiler_(profiler), counted_(counted) {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->begin(number);
  }
  ~ProfileSpan() {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->end(counted_);
  }
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  Profiler* profiler_;
  bool counted_;
};

// The same for one step of the loop that runs.
class ProfileStep {
 public:
  ProfileStep(Profiler* profiler, int64_t step) : profiler_(profiler) {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->begin_step(step);
  }
  ~ProfileStep() {
    if (PHINTYS_UNLIKELY(profiler_ != nullptr)) profiler_->end_step();
  }
  ProfileStep(const ProfileStep&) = delete;
  ProfileStep& operator=(const ProfileStep&) = delete;

 private:
  Profiler* profiler_;
};

// What a profiled function has measured, in words.
FunctionProfile describe_profile(const Program& program, const ProfileSums& sums);

}  // namespace phintys::runtime
