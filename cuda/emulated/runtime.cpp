// Emulated devices: their memory, streams and recordings.
#include "emulated/runtime.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "emulated/block.h"
#include "emulated/collective.h"
#include "emulated/queue.h"

namespace phintys::cuda::emulated {

using Work = std::function<void()>;

struct Graph {
  std::vector<Work> work;
};

struct Queue {
  int device = 0;
  std::recursive_mutex mutex;
  std::vector<Work> pending;
  std::unique_ptr<Graph> recording;
  bool invalid = false;  // the recording
};

struct Event {
  Queue* queue = nullptr;
};

namespace {

constexpr int kDevices = 2;
constexpr size_t kGuardBytes = 256;  // on both sides of a block
constexpr unsigned char kGuard = 0xa5;

// With an initial value that is not 0: the thread-local memory without one is what kernels share
// (launch.cpp).
thread_local int current_plus_one = 1;

struct Allocation {
  size_t bytes;
  int device;
};

struct Machine {
  std::recursive_mutex mutex;
  size_t total[kDevices] = {size_t{1} << 30, size_t{1} << 30};
  size_t used[kDevices] = {};
  std::map<char*, Allocation> blocks;  // of devices
  std::map<char*, Allocation> pinned;  // of the host
  std::vector<Queue*> queues;
};

Machine& machine() {
  static auto* all = new Machine;  // kernels may run until the process ends
  return *all;
}

bool deferred() {
  const char* value = getenv("PHINTYS_EMULATED_ASYNC");
  return value && strcmp(value, "1") == 0;
}

// The block that `at` lies in, or null.
const std::pair<char* const, Allocation>* find_block(const std::map<char*, Allocation>& blocks,
                                                     const void* at) {
  auto* p = static_cast<char*>(const_cast<void*>(at));
  auto next = blocks.upper_bound(p);
  if (next == blocks.begin()) return nullptr;
  --next;
  return p < next->first + std::max<size_t>(next->second.bytes, 1) ? &*next : nullptr;
}

// False if [at, at + bytes) begins in a device's block and ends outside.
bool fits(const void* at, size_t bytes) {
  const auto* block = find_block(machine().blocks, at);
  return !block || static_cast<const char*>(at) + bytes <= block->first + block->second.bytes;
}

bool valid(int device) { return device >= 0 && device < kDevices; }

void drain(Queue* queue) {
  const std::lock_guard lock(queue->mutex);
  std::vector<Work> work;
  work.swap(queue->pending);
  for (Work& one : work) one();
}

void drain_device(int device) {
  for (Queue* queue : machine().queues)
    if (queue->device == device) drain(queue);
}

bool guards_hold(char* data, size_t bytes) {
  for (size_t i = 0; i < kGuardBytes; ++i)
    if (static_cast<unsigned char>(data[bytes + i]) != kGuard ||
        static_cast<unsigned char>(*(data - 1 - i)) != kGuard)
      return false;
  return true;
}

}  // namespace

int emulated_capability() {
  const char* value = getenv("PHINTYS_EMULATED_CAPABILITY");
  return value && atoi(value) > 0 ? atoi(value) : 90;
}

size_t emulated_shared_limit() {
  switch (emulated_capability()) {
    case 80:
    case 87:
      return 163 * 1024;
    case 86:
    case 89:
    case 120:
      return 99 * 1024;
    default:
      return kMaxShared;
  }
}

void check_guards(const char* file, int line) {
  const std::lock_guard lock(machine().mutex);
  for (const auto& [data, block] : machine().blocks)
    if (!guards_hold(data, block.bytes))
      misuse("the kernel launched at %s:%d (or work before it) writes outside a block of %zu bytes",
             file, line, block.bytes);
}

void add_work(Queue* queue, Work work) {
  const std::lock_guard lock(queue->mutex);
  if (queue->recording) {
    queue->recording->work.push_back(std::move(work));
  } else if (deferred()) {
    queue->pending.push_back(std::move(work));
  } else {
    drain(queue);
    work();
  }
}

}  // namespace phintys::cuda::emulated

using namespace phintys::cuda::emulated;

// --- Errors and devices --------------------------------------------------------------------------

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define X(name) \
  case name:    \
    return #name;
    X(cudaSuccess)
    X(cudaErrorInvalidValue)
    X(cudaErrorMemoryAllocation)
    X(cudaErrorInvalidConfiguration)
    X(cudaErrorInsufficientDriver)
    X(cudaErrorNoDevice)
    X(cudaErrorInvalidDevice)
    X(cudaErrorIllegalAddress)
    X(cudaErrorStreamCaptureUnsupported)
    X(cudaErrorStreamCaptureInvalidated)
#undef X
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "unspecified error of the emulation";
  }
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_plus_one - 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (!valid(device)) return cudaErrorInvalidDevice;
  current_plus_one = device + 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!valid(device)) return cudaErrorInvalidDevice;
  const std::lock_guard lock(machine().mutex);
  strcpy(properties->name, "emulated GPU");
  properties->totalGlobalMem = machine().total[device];
  properties->major = emulated_capability() / 10;
  properties->minor = emulated_capability() % 10;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!valid(device)) return cudaErrorInvalidDevice;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = emulated_capability() / 10;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = emulated_capability() % 10;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(emulated_shared_limit());
      return cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

// --- Memory --------------------------------------------------------------------------------------

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(machine().mutex);
  const int device = current_plus_one - 1;
  *total = machine().total[device];
  *free = *total - std::min(*total, machine().used[device]);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** block, size_t bytes) {
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  const int device = current_plus_one - 1;
  *block = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > all.total[device] || all.used[device] + bytes > all.total[device])
    return cudaErrorMemoryAllocation;
  const size_t whole = (bytes + 2 * kGuardBytes + 255) / 256 * 256;
  auto* memory = static_cast<char*>(aligned_alloc(256, whole));
  if (!memory) return cudaErrorMemoryAllocation;
  memset(memory, kGuard, whole);
  char* data = memory + kGuardBytes;
  memset(data, kPoison, bytes);
  all.blocks[data] = {bytes, device};
  all.used[device] += bytes;
  *block = data;
  return cudaSuccess;
}

cudaError_t cudaFree(void* block) {
  if (!block) return cudaSuccess;
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  auto found = all.blocks.find(static_cast<char*>(block));
  if (found == all.blocks.end()) return cudaErrorInvalidValue;
  const Allocation allocation = found->second;
  drain_device(allocation.device);
  if (!guards_hold(found->first, allocation.bytes))
    misuse("work has written outside a block of %zu bytes", allocation.bytes);
  free(found->first - kGuardBytes);
  all.used[allocation.device] -= allocation.bytes;
  all.blocks.erase(found);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned) {
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  *block = aligned_alloc(256, (std::max<size_t>(bytes, 1) + 255) / 256 * 256);
  if (!*block) return cudaErrorMemoryAllocation;
  all.pinned[static_cast<char*>(*block)] = {bytes, 0};
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* block) {
  if (!block) return cudaSuccess;
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  for (int device = 0; device < kDevices; ++device) drain_device(device);
  if (!all.pinned.erase(static_cast<char*>(block))) return cudaErrorInvalidValue;
  free(block);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* at) {
  const std::lock_guard lock(machine().mutex);
  attributes->type = find_block(machine().pinned, at)   ? cudaMemoryTypeHost
                     : find_block(machine().blocks, at) ? cudaMemoryTypeDevice
                                                        : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

// --- Streams -------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(machine().mutex);
  *stream = new Queue;
  (*stream)->device = current_plus_one - 1;
  machine().queues.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(machine().mutex);
  drain(stream);
  std::erase(machine().queues, stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  {
    const std::lock_guard lock(stream->mutex);
    if (stream->recording) {
      stream->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
  }
  drain(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
  // Earlier than it must be, which nobody can tell.
  if (event->queue) drain(event->queue);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->queue = stream;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  bool pinned;
  {
    const std::lock_guard lock(machine().mutex);
    if (!fits(to, bytes) || !fits(from, bytes)) return cudaErrorInvalidValue;
    pinned = find_block(machine().pinned, kind == cudaMemcpyHostToDevice ? from : to) != nullptr;
  }
  const std::lock_guard lock(stream->mutex);
  if (pinned || kind == cudaMemcpyDeviceToDevice || stream->recording) {
    add_work(stream, [=] { memcpy(to, from, bytes); });
  } else if (kind == cudaMemcpyHostToDevice) {
    // The caller may reuse what it gave at once.
    const auto* begin = static_cast<const char*>(from);
    add_work(stream, [to, copy = std::vector<char>(begin, begin + bytes)] {
      memcpy(to, copy.data(), copy.size());
    });
  } else {
    drain(stream);
    memcpy(to, from, bytes);
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device,
                                size_t bytes, cudaStream_t stream) {
  {
    const std::lock_guard lock(machine().mutex);
    const auto *there = find_block(machine().blocks, to),
               *here = find_block(machine().blocks, from);
    if (!there || !here || there->second.device != to_device ||
        here->second.device != from_device || !fits(to, bytes) || !fits(from, bytes))
      return cudaErrorInvalidValue;
  }
  add_work(stream, [=] { memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  {
    const std::lock_guard lock(machine().mutex);
    if (!fits(to, bytes)) return cudaErrorInvalidValue;
  }
  add_work(stream, [=] { memset(to, value, bytes); });
  return cudaSuccess;
}

// --- Recordings ----------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(stream->mutex);
  if (stream->recording) return cudaErrorStreamCaptureUnsupported;
  stream->recording = std::make_unique<Graph>();
  stream->invalid = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(stream->mutex);
  *graph = nullptr;
  if (!stream->recording) return cudaErrorInvalidValue;
  std::unique_ptr<Graph> recorded = std::move(stream->recording);
  if (stream->invalid) return cudaErrorStreamCaptureInvalidated;
  *graph = recorded.release();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new Graph{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  // The graph may be destroyed before its work is done.
  add_work(stream, [work = graph->work] {
    for (const Work& one : work) one();
  });
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

// --- For tests -----------------------------------------------------------------------------------

extern "C" {

// How much memory a device has from now on.
__attribute__((visibility("default"))) void phintys_emulated_set_memory(int device, size_t bytes) {
  const std::lock_guard lock(machine().mutex);
  machine().total[device] = bytes;
}

// Host memory as another library pins it; null if there is none.
__attribute__((visibility("default"))) void* phintys_emulated_pin(size_t bytes) {
  void* block = nullptr;
  cudaHostAlloc(&block, bytes, cudaHostAllocPortable);
  return block;
}

// Blocks of the device that have not been given back.
__attribute__((visibility("default"))) size_t phintys_emulated_blocks(int device) {
  const std::lock_guard lock(machine().mutex);
  return static_cast<size_t>(
      std::count_if(machine().blocks.begin(), machine().blocks.end(),
                    [&](const auto& block) { return block.second.device == device; }));
}
}
