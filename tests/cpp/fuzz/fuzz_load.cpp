// Loads arbitrary bytes and calls whatever loads. mutate.cpp runs it; so does libFuzzer:
//
//   flags='-fsanitize=fuzzer,address,undefined -std=c++20 -O1 -g -Icsrc -Itests/cpp'
//   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DPHINTYS_PYTHON=OFF
//         -DPHINTYS_SANITIZE=fuzzer-no-link,address,undefined
//   cmake --build build-fuzz --target phintys
//   clang++ $flags tests/cpp/fuzz/fuzz_load.cpp $(find build-fuzz -name '*.o') BLAS -o fuzz_load
//   ./fuzz_load -rss_limit_mb=2048 tests/data
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/memory.h"
#include "serial/phy.h"
#include "serial/saved.h"

using namespace phintys;

long functions_called = 0;

namespace {

// A call with lengths of `length`, as short as limits make it: a file may ask for any work.
void call(runtime::Function& f, int64_t length) {
  std::vector<Array> inputs;
  std::vector<TensorView> views;
  for (const auto& input : f.inputs()) {
    Dims shape = input.type.shape();
    for (int64_t& d : shape) d = d < 0 || d > 4 ? length : d;
    inputs.push_back(saved::filled(input.type.dtype(), shape, static_cast<double>(length)));
  }
  for (const Array& a : inputs) views.push_back(a.view());
  runtime::CallOptions options;
  options.max_steps = 3000;
  options.deadline = runtime::CallOptions::Clock::now() + std::chrono::seconds(5);
  runtime::Call call(f);
  call.run(views.data(), options);
  for (size_t i = 0; i < f.outputs().size(); ++i) call.take_output(static_cast<int>(i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  set_memory_limit(size_t{256} << 20);
  serial::LoadOptions options;
  options.memory_limit = 64 << 20;
  // Fuzzers do not find checksums.
  options.verify_checksums = false;
  Ref<runtime::Function> f;
  const auto attempt = [](auto&& step) {
    try {
      step();
      return true;
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::internal) __builtin_trap();
      return false;
    }
  };
  if (!attempt(
          [&] { f = serial::load({reinterpret_cast<const std::byte*>(data), size}, options); }))
    return 0;
  // The lengths that a file wants are its own.
  bool called = false;
  for (const int64_t length : {2, 3, 1, 0}) called |= attempt([&] { call(*f, length); });
  functions_called += called;
  // What was loaded can be saved, and that loaded.
  attempt([&] {
    const std::string again = serial::save(*f);
    try {
      serial::load({reinterpret_cast<const std::byte*>(again.data()), again.size()});
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::bad_file) __builtin_trap();
      throw;
    }
  });
  return 0;
}
