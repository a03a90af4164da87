// Running a loop on a device, without the host between its steps.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "device/device.h"
#include "device/fused.h"
#include "device/loops.h"
#include "ops/control/scan.h"
#include "runtime/device_plan.h"
#include "runtime/program.h"

namespace phintys::runtime {

class DeviceContext;
class Function;
struct Binding;

// The body is bound once and recorded on rows at fixed places (device/loops.h); states that are not
// kept go round in the rows of the output.
class DeviceLoop {
 public:
  DeviceLoop(const Scan& scan, const Program& body, device::Device& device, Ref<Buffer> failed);
  ~DeviceLoop();

  // Queues all steps. `inputs`, `outputs`: of the node, on the device; `host`: the inputs' elements
  // on the host where they are integers that are known from shapes, and the number of steps; else
  // null. False, and nothing is queued, if the loop must run on the host.
  bool enqueue(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
               std::span<char* const> host, Function& function);
  // Whether what it queued may refuse its operands.
  bool may_fail() const;

 private:
  struct Take {
    std::vector<char*> key;
    device::Recording* recording = nullptr;
    std::vector<Ref<Buffer>> memory;
    uint64_t last_use = 0;
  };
  bool collect_rows(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                    const Binding& binding);
  char* fixed_place(size_t slot, int64_t bytes);
  Take* find_take(const std::vector<char*>& key);
  Take* record(std::vector<char*> key, const Binding& binding);
  // --- the whole loop as one launch (device_small_loop.cpp)
  bool run_small(const Binding& binding, const std::vector<char*>& destinations);
  void follow_rows(std::vector<device::FusedProgram>& programs);
  std::vector<char*> destinations() const;
  void load_rows();
  void end_step(const std::vector<char*>& destinations);
  void upload(void* to, const void* from, size_t bytes);
  void start(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
             int64_t steps);
  void finish(std::span<const TensorView> outputs);
  void drop(Take& take);

  const Scan& scan_;
  const Program& body_;
  DevicePlan plan_;
  device::Device& device_;
  std::unique_ptr<DeviceContext> context_;
  bool possible_;             // false once something in the body had to run on the host
  std::vector<Array> fixed_;  // rows of inputs, then of outputs
  std::vector<device::RowMove> loads_, stores_, last_;
  int64_t most_load_ = 0, most_store_ = 0, most_last_ = 0;  // bytes
  Array table_;                                             // the moves, on the device
  Array state_;                                             // a LoopState there
  Array ordered_;
  std::vector<device::FusedFollow> follows_;
  Array small_programs_, small_follows_, small_copies_;
  std::vector<Array> copies_;  // sequences whose rows are not contiguous
  std::vector<Take> takes_;
  uint64_t runs_ = 0;
};

}  // namespace phintys::runtime
