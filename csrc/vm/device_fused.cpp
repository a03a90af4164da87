#include "vm/device_fused.h"

#include <algorithm>

#include "ops/elementwise/table.h"
#include "vm/device_program.h"

namespace phintys::vm {

using device::FusedProgram;
using device::FusedShape;

namespace {

constexpr int64_t kBlocks = 1024;    // that a reduction is cut into where it is long enough
constexpr int64_t kMostPasses = 64;  // of a block over its part, so that sums stay exact
constexpr int64_t kLeastPasses = 4;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t power_of_two(int64_t n) {  // at least n
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

// Elements that a thread holds.
int64_t held(const FusedProgram& p) { return device::kFusedGroups * (16 / p.word); }

// Both return the number of blocks.
int64_t cut_rows(FusedProgram* p) {
  const int64_t threads = p->threads, block = threads * held(*p);
  p->team = static_cast<uint16_t>(std::min(threads, power_of_two(ceil_div(p->inner, held(*p)))));
  const int64_t wanted = power_of_two(ceil_div(p->outer * ceil_div(p->inner, block), kBlocks));
  p->part = block * std::clamp(wanted, kLeastPasses, kMostPasses);
  p->parts = ceil_div(p->inner, p->part);
  return ceil_div(p->outer * p->parts, threads / p->team);
}

int64_t cut_columns(FusedProgram* p, int64_t groups) {
  const int64_t threads = p->threads;
  constexpr int64_t kSide = 32;
  p->team = static_cast<uint16_t>(
      std::min(std::min(threads, kSide), power_of_two(ceil_div(p->inner, held(*p)))));
  const int64_t above = threads / p->team, across = ceil_div(p->inner, p->team * held(*p));
  p->reduced = p->outer / groups;
  const int64_t wanted =
      power_of_two(ceil_div(groups * across * ceil_div(p->reduced, above), kBlocks));
  p->part = above * std::clamp(wanted, kLeastPasses, kMostPasses);
  p->parts = ceil_div(p->reduced, p->part);
  return groups * p->parts * across;
}

}  // namespace

struct DeviceFused::Impl {
  std::vector<DeviceLaunch> launches;
  size_t scratch = 0;
  bool on_host = false;

  void add(const DeviceRegion& region, bool wide);
  // What joins the parts of a reduction, which `launch` now leaves in scratch memory.
  DeviceRegion partials(const DeviceRegion& region, const DeviceSpace& space, DeviceLaunch* launch);
};

void DeviceFused::Impl::add(const DeviceRegion& region, bool wide) {
  const int64_t total = product(region.shape);
  if (total == 0) {
    int64_t results = 1;
    for (size_t d = 0; d < region.shape.size(); ++d)
      if (!region.reduced[d]) results *= region.shape[d];
    on_host |= region.reduction && results > 0;  // what a sum of nothing is
    return;
  }
  const DeviceSpace space = device_space(region);
  DeviceLaunch& launch = launches.emplace_back();
  FusedProgram& p = launch.program;
  if (!write_program(region, space, &launch)) {
    launches.pop_back();
    if (region.steps.size() < 2 ||
        space.outer.shape.size() + space.inner.shape.size() > device::kMaxRank) {
      on_host = true;
      return;
    }
    DeviceRegion rest = region;
    const DeviceRegion first = split_steps(&rest, region.steps.size() / 2, &scratch);
    add(first, wide);
    add(rest, wide);
    return;
  }
  p.wide |= wide;
  const int64_t blocks = p.shape == FusedShape::elementwise ? ceil_div(p.inner, p.threads * held(p))
                         : p.shape == FusedShape::rows      ? cut_rows(&p)
                                                            : cut_columns(&p, space.groups);
  constexpr int64_t kMaxGrid = (int64_t{1} << 31) - 1;
  on_host |= blocks > kMaxGrid;
  p.blocks = static_cast<uint32_t>(blocks);
  if (p.shape != FusedShape::elementwise && p.parts > 1)
    add(partials(region, space, &launch), wide);
}

DeviceRegion DeviceFused::Impl::partials(const DeviceRegion& region, const DeviceSpace& space,
                                         DeviceLaunch* launch) {
  const FusedProgram& p = launch->program;
  const bool rows = space.shape == FusedShape::rows;
  DeviceRegion join;
  join.shape = rows ? Dims{p.outer, p.parts} : Dims{space.groups, p.parts, p.inner};
  join.reduced = rows ? std::vector<uint8_t>{0, 1} : std::vector<uint8_t>{0, 1, 0};
  join.reduction = true;
  for (size_t o = 0; o < region.outputs.size(); ++o) {
    DeviceOutput out = region.outputs[o];
    const DevicePlace place{DevicePlace::In::scratch, 0, scratch};
    const auto item = static_cast<int64_t>(item_size(out.reduced));
    scratch += (static_cast<size_t>(product(join.shape) * item) + 255) / 256 * 256;
    launch->outputs[o] = place;
    launch->program.outputs[o].dtype = out.reduced;
    launch->program.outputs[o].size = static_cast<uint8_t>(item);
    out.value = static_cast<int>(o);
    join.outputs.push_back(out);
    Dims strides =
        rows ? Dims{p.parts * item, item} : Dims{p.parts * p.inner * item, p.inner * item, item};
    for (size_t d = 0; d < strides.size(); ++d)
      if (join.shape[d] == 1) strides[d] = 0;
    join.inputs.push_back({out.reduced, strides, place});
  }
  return join;
}

DeviceFused::DeviceFused(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeviceFused::~DeviceFused() = default;

std::unique_ptr<DeviceFused> DeviceFused::bind(const FusedOp& op,
                                               std::span<const TensorView> inputs, bool wide) {
  auto impl = std::make_unique<Impl>();
  DeviceRegion region = lower_region(op, inputs);
  if (product(region.shape) != 0) {
    const DeviceRegion single = split_single_steps(&region, &impl->scratch);
    if (!single.outputs.empty()) impl->add(single, wide);
  }
  impl->add(region, wide);
  if (impl->on_host) return nullptr;
  return std::unique_ptr<DeviceFused>(new DeviceFused(std::move(impl)));
}

int DeviceFused::launches() const { return static_cast<int>(impl_->launches.size()); }

size_t DeviceFused::scratch_bytes() const { return impl_->scratch; }

bool DeviceFused::append_programs(char* const* inputs, char* const* outputs, char* scratch,
                                  std::vector<FusedProgram>* programs) const {
  if (impl_->on_host) return false;
  for (const DeviceLaunch& launch : impl_->launches) {
    FusedProgram& p = programs->emplace_back(launch.program);
    const auto find = [&](const DevicePlace& place, char* const* operands) {
      return place.in == DevicePlace::In::scratch ? scratch + place.offset : operands[place.index];
    };
    for (size_t i = 0; i < launch.scalars.size(); ++i)
      p.scalars[i].data = find(launch.scalars[i], inputs);
    for (size_t i = 0; i < launch.inputs.size(); ++i)
      p.inputs[i].data = find(launch.inputs[i], inputs);
    for (size_t o = 0; o < launch.outputs.size(); ++o)
      p.outputs[o].data = find(launch.outputs[o], outputs);
  }
  return true;
}

bool DeviceFused::enqueue(device::Queue& queue, char* const* inputs, char* const* outputs) const {
  const device::FusedKernels* kernels = queue.table.fused;
  if (impl_->on_host || !kernels || kernels->n_ops != ops::elementwise_count()) return false;
  char* const scratch =
      impl_->scratch == 0 ? nullptr : static_cast<char*>(queue.scratch(impl_->scratch));
  std::vector<FusedProgram> programs;
  append_programs(inputs, outputs, scratch, &programs);
  for (const FusedProgram& p : programs) queue.check(kernels->run(queue.stream, &p));
  return true;
}

}  // namespace phintys::vm
