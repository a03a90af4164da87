// Loops with small bodies: one launch for all steps (FusedLoop in device/fused.h).
#include <algorithm>

#include "ops/elementwise/table.h"
#include "runtime/device_context.h"
#include "runtime/device_loop.h"

namespace phintys::runtime {

using device::FusedFollow;
using device::FusedProgram;

namespace {

// One block does the work of a step: beyond so many launches' worth of it, several are faster.
constexpr uint32_t kMostBlocks = 16;

// A row that a fixed place stands for.
struct Row {
  char *begin, *end;
  const device::RowMove* move;
};

const Row* find_row(const std::vector<Row>& rows, const char* data) {
  for (const Row& row : rows)
    if (data >= row.begin && data < row.end) return &row;
  return nullptr;
}

Array upload_table(device::Device& device, Array kept, const void* from, size_t bytes) {
  const Dims shape = {static_cast<int64_t>(std::max<size_t>(bytes, 1))}, strides = {1};
  if (!kept || kept.size() < shape[0]) kept = device.empty(DType::u8, shape);
  if (bytes > 0)
    device.upload_into(kept.data(), {static_cast<char*>(const_cast<void*>(from)), DType::u8, 1,
                                     shape.data(), strides.data()});
  return kept;
}

}  // namespace

// Lets programs read and write rows where they lie. Rings are read there; their new rows, which may
// take the place of one that the step still reads, are copied when it is done.
void DeviceLoop::follow_rows(std::vector<FusedProgram>& programs) {
  std::vector<Row> rows;
  for (const device::RowMove& move : loads_)
    rows.push_back({move.fixed, move.fixed + move.bytes, &move});
  for (const device::RowMove& move : stores_)
    if (move.size == 0) rows.push_back({move.fixed, move.fixed + move.bytes, &move});
  follows_.clear();
  for (size_t k = 0; k < programs.size(); ++k) {
    auto add = [&](FusedFollow::Part part, int index, const char* data) {
      const Row* const row = find_row(rows, data);
      if (!row) return;
      follows_.push_back({part, static_cast<uint8_t>(k), static_cast<uint8_t>(index),
                          row->move->rows + (data - row->begin), row->move->stride,
                          row->move->first, row->move->size});
    };
    const FusedProgram& p = programs[k];
    for (int i = 0; i < p.n_scalars; ++i) add(FusedFollow::Part::scalar, i, p.scalars[i].data);
    for (int i = 0; i < p.n_inputs; ++i) add(FusedFollow::Part::input, i, p.inputs[i].data);
    for (int i = 0; i < p.n_outputs; ++i) add(FusedFollow::Part::output, i, p.outputs[i].data);
  }
}

bool DeviceLoop::run_small(const Binding& binding, const std::vector<char*>& destinations) {
  const device::FusedKernels* const kernels = device_.table().fused;
  if (!kernels || !kernels->run_loop || kernels->n_ops != ops::elementwise_count()) return false;
  std::vector<FusedProgram> programs;
  if (!context_->body_programs(binding, destinations, &programs) || programs.empty() ||
      programs.size() > static_cast<size_t>(device::kMaxLoopPrograms))
    return false;
  device::FusedLoop loop{};
  loop.word = programs[0].word;
  uint32_t blocks = 0;
  for (const FusedProgram& p : programs) {
    if (p.word != loop.word || p.threads != device::kFusedThreads) return false;
    loop.family = std::max<int>(loop.family, p.family);
    loop.shared = std::max(loop.shared, p.shared);
    blocks += p.blocks;
  }
  if (blocks > kMostBlocks) return false;
  follow_rows(programs);
  std::vector<device::RowMove> copies;
  for (const device::RowMove& move : stores_)
    if (move.size != 0) copies.push_back(move);
  small_programs_ = upload_table(device_, std::move(small_programs_), programs.data(),
                                 programs.size() * sizeof(FusedProgram));
  small_follows_ = upload_table(device_, std::move(small_follows_), follows_.data(),
                                follows_.size() * sizeof(FusedFollow));
  small_copies_ = upload_table(device_, std::move(small_copies_), copies.data(),
                               copies.size() * sizeof(device::RowMove));
  loop.programs = reinterpret_cast<const FusedProgram*>(small_programs_.data());
  loop.follows = reinterpret_cast<const FusedFollow*>(small_follows_.data());
  loop.copies = reinterpret_cast<const device::RowMove*>(small_copies_.data());
  loop.n_programs = static_cast<int>(programs.size());
  loop.n_follows = static_cast<int>(follows_.size());
  loop.n_copies = static_cast<int>(copies.size());
  loop.state = reinterpret_cast<device::LoopState*>(state_.data());
  if (scan_.until)
    loop.stop =
        reinterpret_cast<const bool*>(destinations[static_cast<size_t>(scan_.steps_output())]);
  const device::Status status = kernels->run_loop(device_.stream(), &loop);
  if (status == device::kUnsupported) return false;
  device_.check(status);
  return true;
}

}  // namespace phintys::runtime
