// Devices: names, memory, copies, recordings, forks; on the emulated plug-in.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "device/blocks.h"
#include "device/device.h"
#include "device/queue.h"

using namespace phintys;
using device::Device;
using device::find_device;
using device::Table;

namespace {

constexpr char kPlugin[] = PHINTYS_EMULATED_PLUGIN;

Device& device_of(int index = 0) {
  device::add_plugin(kPlugin);
  return find_device("emulated:" + std::to_string(index));
}

void* hook(const char* name) {
  void* library = dlopen(kPlugin, RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(library);
  void* found = dlsym(library, name);
  REQUIRE(found);
  return found;
}

void set_memory(int index, size_t bytes) {
  device_of(index);
  reinterpret_cast<void (*)(int, size_t)>(hook("phintys_emulated_set_memory"))(index, bytes);
}

size_t blocks_of(int index) {
  device_of(index);
  return reinterpret_cast<size_t (*)(int)>(hook("phintys_emulated_blocks"))(index);
}

class Deferred {
 public:
  Deferred() { setenv("PHINTYS_EMULATED_ASYNC", "1", 1); }
  ~Deferred() { unsetenv("PHINTYS_EMULATED_ASYNC"); }
};

template <class Fn>
std::string error_of(ErrorKind kind, const Fn& fn) {
  try {
    fn();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  CHECK_MESSAGE(false, "no error");
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Array counted(const Dims& shape) {
  Array a = Array::empty(DType::i32, shape);
  for (int64_t i = 0; i < a.size(); ++i) a.view().as<int32_t>()[i] = static_cast<int32_t>(i);
  return a;
}

}  // namespace

TEST_CASE("devices are found by name") {
  CHECK(device::add_plugin(kPlugin) == "emulated");
  CHECK(device::add_plugin(kPlugin) == "emulated");
  Device& first = find_device("emulated");
  CHECK(&first == &find_device("emulated:0"));
  CHECK(first.name() == "emulated:0");
  CHECK(find_device("emulated:1").index() == 1);
  CHECK(&find_device("emulated:1") != &first);
  bool found = false;
  for (const device::PluginStatus& plugin : device::plugins()) {
    if (plugin.kind != "emulated") continue;
    found = true;
    CHECK(plugin.devices == 2);
    CHECK(contains(plugin.path, "libphintys_emulated.so"));
    CHECK(contains(plugin.text, "emulated GPU (compute capability 9.0, 1.0 GiB); emulated GPU"));
  }
  CHECK(found);
}

TEST_CASE("names without a device are errors that say why") {
  device::add_plugin(kPlugin);
  for (const char* name : {"", "Cuda", "emulated:", "emulated:x", "emulated:-1", "emulated:1x",
                           ":0", "emulated:99999999999", "../x"})
    CHECK(contains(error_of(ErrorKind::value, [&] { find_device(name); }), "no name of a device"));
  const std::string unknown = error_of(ErrorKind::value, [] { find_device("nosuch:1"); });
  CHECK(contains(unknown, "nosuch:1"));
  CHECK(contains(unknown, "emulated"));
  CHECK(contains(error_of(ErrorKind::runtime, [] { find_device("emulated:2"); }), "has 2 devices"));
}

TEST_CASE("files that are no plug-ins are errors that say why") {
  CHECK(contains(error_of(ErrorKind::io, [] { device::add_plugin("/nosuch.so"); }), "/nosuch.so"));
  CHECK(contains(error_of(ErrorKind::io, [] { device::add_plugin("libm.so.6"); }), "no plug-in"));
}

TEST_CASE("arrays go to a device and back, however they lie") {
  Device& device = device_of();
  for (const bool late : {false, true}) {
    std::unique_ptr<Deferred> deferred;
    if (late) deferred = std::make_unique<Deferred>();
    Array whole = counted({6, 5, 4});
    const TensorView v = whole.view();
    const int64_t shape[] = {4, 3, 6}, strides[] = {-4, 32, 80}, zero[] = {4, 0, 80};
    for (const int64_t* steps : {strides, zero}) {
      const TensorView odd{v.data + 12, DType::i32, 3, shape, steps};
      const Array there = device.upload(odd);
      CHECK(there.device() == &device);
      CHECK(there.view().contiguous());
      const Array expected = Array::copy_of(odd);
      CHECK(same_bits(device::to_host(there), expected));
    }
    CHECK(same_bits(device::to_host(device.upload(v)), whole));
    CHECK(same_bits(device::to_host(whole), whole));
    const Array none = Array::empty(DType::f64, {3, 0, 2});
    CHECK(same_bits(device::to_host(device.upload(none.view())), none));
    const Array one = Array::scalar(DType::f64, 1.5);
    CHECK(same_bits(device::to_host(device.upload(one.view())), one));
  }
}

TEST_CASE("large strided arrays go in several pieces") {
  Device& device = device_of();
  for (const bool late : {false, true}) {
    std::unique_ptr<Deferred> deferred;
    if (late) deferred = std::make_unique<Deferred>();
    Array whole = counted({3, 1700, 1200});  // 24 MB
    const TensorView v = whole.view();
    const int64_t shapes[][3] = {{1200, 3, 1700}, {3, 1200, 1700}, {3, 1700, 600}};
    const int64_t strides[][3] = {
        {4, 1700 * 4800, 4800}, {1700 * 4800, 4, 4800}, {1700 * 4800, 4800, 8}};
    for (int i = 0; i < 3; ++i) {
      const TensorView odd{v.data, DType::i32, 3, shapes[i], strides[i]};
      CHECK(same_bits(device::to_host(device.upload(odd)), Array::copy_of(odd)));
    }
    // The last dimension alone is larger than a piece.
    const int64_t shape[] = {2, 1500000}, steps[] = {4, 8};
    const TensorView wide{v.data, DType::i32, 2, shape, steps};
    CHECK(same_bits(device::to_host(device.upload(wide)), Array::copy_of(wide)));
    CHECK(wide.size() * 4 > 4 << 20);
  }
}

TEST_CASE("memory that another library has pinned may be reused at once") {
  Device& device = device_of();
  const Deferred deferred;
  auto* pinned =
      static_cast<int32_t*>(reinterpret_cast<void* (*)(size_t)>(hook("phintys_emulated_pin"))(40));
  for (int i = 0; i < 10; ++i) pinned[i] = i;
  const int64_t shape[] = {10}, strides[] = {4};
  const Array there =
      device.upload({reinterpret_cast<char*>(pinned), DType::i32, 1, shape, strides});
  for (int i = 0; i < 10; ++i) pinned[i] = -1;
  CHECK(same_bits(device::to_host(there), counted({10})));
}

TEST_CASE("staging memory is read when the stream gets there") {
  Device& device = device_of();
  const Deferred deferred;
  const Table& table = device.table();
  void* block = nullptr;
  REQUIRE(table.allocate_staging(40, &block) == 0);
  const Array there = device.empty(DType::i32, {10});
  CHECK(table.upload(device.stream(), there.data(), block, 40) == 0);
  std::memcpy(block, counted({10}).data(), 40);
  CHECK(same_bits(device::to_host(there), counted({10})));
  CHECK(table.release_staging(block) == 0);
}

TEST_CASE("threads use one device") {
  Device& device = device_of();
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Array a = counted({40 + t, 30});
      const int64_t shape[] = {30, 40 + t}, strides[] = {4, 120};
      const TensorView turned{a.data(), DType::i32, 2, shape, strides};
      const Array expected = Array::copy_of(turned);
      for (int i = 0; i < 50; ++i)
        good[static_cast<size_t>(t)] += same_bits(device::to_host(device.upload(turned)), expected);
    });
  for (std::thread& thread : threads) thread.join();
  for (const int count : good) CHECK(count == 50);
}

TEST_CASE("freed blocks are handed out again") {
  Device& device = device_of(1);
  device.trim();
  const Device::Memory before = device.memory();
  CHECK(before.kept == 0);
  void* block = device.allocate(1000);
  CHECK(reinterpret_cast<uintptr_t>(block) % 256 == 0);
  CHECK(device.memory().live == before.live + 1024);
  device.release(block);
  CHECK(device.memory().kept == 1024);
  CHECK(device.allocate(900) == block);
  CHECK(device.memory().kept == 0);
  device.release(block);
  device.release(nullptr);
  {
    const Array a = device.empty(DType::f32, {16, 15});
    CHECK(a.data() == block);
    const Array b = device.empty(DType::f32, {});
    CHECK(b.data() != block);
    CHECK(device.memory().live == before.live + 1024 + 256);
  }
  CHECK(device.memory().live == before.live);
  const size_t blocks = blocks_of(1);
  device.trim();
  CHECK(blocks_of(1) < blocks);
  CHECK(device.memory().kept == 0);
}

TEST_CASE("a device without room is an error that leaves all as it was") {
  Device& device = device_of(1);
  device.trim();
  const size_t used = device.memory().total - device.memory().free;
  set_memory(1, used + (40 << 20));
  {
    const Array kept = device.upload(counted({1000}).view());
    {
      const Array large = device.empty(DType::u8, {30 << 20});
    }
    CHECK(device.memory().kept >= 30u << 20);
    // What is kept makes room.
    {
      const Array other = device.empty(DType::u8, {36 << 20});
    }
    const std::string text =
        error_of(ErrorKind::memory, [&] { device.empty(DType::u8, {41 << 20}); });
    CHECK(contains(text, "emulated:1: no room for 41.0 MiB"));
    CHECK(contains(text, "free"));
    CHECK(same_bits(device::to_host(kept), counted({1000})));
    const Array again = device.empty(DType::u8, {36 << 20});
    CHECK(again.data());
  }
  set_memory(1, size_t{1} << 30);
  error_of(ErrorKind::memory, [&] { device.empty(DType::f64, {1 << 30, 1 << 30, 1 << 30}); });
  error_of(ErrorKind::value, [&] { device.empty(DType::f64, {2, -1}); });
}

TEST_CASE("no more than a limit is kept") {
  Device& device = device_of(1);
  device.trim();
  {
    std::vector<Array> many;
    for (int i = 0; i < 14; ++i) many.push_back(device.empty(DType::u8, {50 << 20}));
  }
  CHECK(device.memory().kept <= 512u << 20);
  CHECK(device.memory().kept > 400u << 20);
  device.trim();
}

TEST_CASE("arrays go from device to device") {
  Device &first = device_of(0), &second = device_of(1);
  for (const bool late : {false, true}) {
    std::unique_ptr<Deferred> deferred;
    if (late) deferred = std::make_unique<Deferred>();
    const Array host = counted({70, 30});
    Array there = first.upload(host.view());
    const Array across = second.copy_from(there);
    CHECK(across.device() == &second);
    const Array same = first.copy_from(there);
    CHECK(same.data() != there.data());
    there = Array();
    CHECK(same_bits(device::to_host(across), host));
    CHECK(same_bits(device::to_host(same), host));
    CHECK(same_bits(device::to_host(first.copy_from(host)), host));
  }
}

TEST_CASE("what is recorded runs when it is replayed") {
  Device& device = device_of();
  const Table& table = device.table();
  for (const bool late : {false, true}) {
    std::unique_ptr<Deferred> deferred;
    if (late) deferred = std::make_unique<Deferred>();
    const Array a = device.upload(counted({50}).view()), b = device.empty(DType::i32, {50});
    const Array flag = device.empty(DType::i32, {});
    auto* stop = reinterpret_cast<int*>(flag.data());
    CHECK(table.clear(device.stream(), stop, 4) == 0);
    CHECK(table.clear(device.stream(), b.data(), 200) == 0);
    CHECK(table.begin_recording(device.stream()) == 0);
    CHECK(table.copy(device.stream(), b.data(), a.data(), 99, stop) == 0);
    CHECK(table.clear(device.stream(), a.data(), 8) == 0);
    device::Recording* recording = nullptr;
    CHECK(table.end_recording(device.stream(), &recording) == 0);
    REQUIRE(recording);
    Array zeros = Array::zeros(DType::i32, {50});
    CHECK(same_bits(device::to_host(b), zeros));
    CHECK(table.replay(device.stream(), recording) == 0);
    Array now = device::to_host(b);
    CHECK(now.view().as<int32_t>()[23] == 23);
    CHECK(now.view().as<int32_t>()[24] == 24);  // three of its bytes, the fourth is 0
    CHECK(now.view().as<int32_t>()[25] == 0);
    CHECK(table.replay(device.stream(), recording) == 0);
    now = device::to_host(b);
    CHECK(now.view().as<int32_t>()[1] == 0);
    CHECK(now.view().as<int32_t>()[2] == 2);
    // The flag keeps the copy from being made.
    const int32_t one = 1;
    CHECK(table.upload(device.stream(), stop, &one, 4) == 0);
    CHECK(table.clear(device.stream(), b.data(), 200) == 0);
    CHECK(table.replay(device.stream(), recording) == 0);
    CHECK(same_bits(device::to_host(b), zeros));
    table.drop_recording(recording);
  }
}

TEST_CASE("a recording that was spoilt is an error and has ended") {
  Device& device = device_of();
  const Table& table = device.table();
  CHECK(table.begin_recording(device.stream()) == 0);
  const std::string text = error_of(ErrorKind::runtime, [&] { device.synchronize(); });
  CHECK(contains(text, "emulated:0"));
  CHECK(contains(text, "cudaErrorStreamCaptureUnsupported"));
  device::Recording* recording = nullptr;
  CHECK(table.end_recording(device.stream(), &recording) != 0);
  CHECK(!recording);
  device.synchronize();
}

TEST_CASE("streams wait for others") {
  Device& device = device_of();
  const Table& table = device.table();
  const Deferred deferred;
  device::Stream* other = nullptr;
  REQUIRE(table.open_stream(0, &other) == 0);
  const Array a = device.upload(counted({10}).view()), b = device.empty(DType::i32, {10});
  device.synchronize();
  CHECK(table.copy(other, b.data(), a.data(), 40, nullptr) == 0);
  CHECK(table.wait_for_native(device.stream(), table.native_stream(other)) == 0);
  CHECK(same_bits(device::to_host(b), counted({10})));
  table.close_stream(other);
}

TEST_CASE("the table says what it is asked") {
  const Table& table = device_of().table();
  char text[200];
  CHECK(table.count(text, sizeof text) == 2);
  CHECK(std::string(text) == "2 GPUs");
  CHECK(table.describe(0, text, 9) == 0);
  CHECK(std::string(text) == "emulated");
  CHECK(table.describe(7, text, sizeof text) != 0);
  CHECK(std::string(table.error_text(device::kOutOfMemory)).find("out of memory") == 0);
  CHECK(std::string(table.error_text(9)) ==
        "invalid configuration argument (cudaErrorInvalidConfiguration)");
  void* block = nullptr;
  CHECK(table.allocate(0, size_t{1} << 50, &block) == device::kOutOfMemory);
  CHECK(!block);
  CHECK(table.release(0, &block) != 0);
  CHECK(table.allocate(5, 100, &block) != 0);
}

TEST_CASE("a forked child is told that it cannot use devices") {
  Device& device = device_of();
  const Array there = device.upload(counted({10}).view());
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    std::string said;
    auto note = [&](auto&& fn) {
      try {
        fn();
        said += "nothing\n";
      } catch (const Error& error) {
        said += std::string(error.kind() == ErrorKind::runtime ? "runtime " : "other ") +
                error.what() + "\n";
      }
    };
    note([] { find_device("emulated"); });
    note([&] { device::to_host(there); });
    note([&] { device.allocate(10); });
    note([&] { device.check(9); });
    device.release(there.data());
    device.trim();
    if (write(ends[1], said.data(), said.size()) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char part[512];
  for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  size_t lines = 0;
  for (size_t at = 0; (at = text.find("runtime ", at)) != std::string::npos; ++at) ++lines;
  CHECK(lines == 4);
  CHECK(contains(text, "spawn"));
  CHECK(!contains(text, "nothing"));
  CHECK(same_bits(device::to_host(there), counted({10})));
}
