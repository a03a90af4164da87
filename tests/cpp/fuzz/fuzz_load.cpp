// libFuzzer: loads arbitrary bytes and calls whatever loads. Built on demand:
//
//   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DPHINTYS_PYTHON=OFF \
//         -DPHINTYS_SANITIZE=fuzzer-no-link,address,undefined
//   cmake --build build-fuzz --target phintys
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -Icsrc \
//           tests/cpp/fuzz/fuzz_load.cpp $(find build-fuzz -name '*.o') <the BLAS> -o fuzz_load
//   ./fuzz_load -rss_limit_mb=2048 tests/data
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/memory.h"
#include "serial/phy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace phintys;
  set_memory_limit(size_t{256} << 20);
  serial::LoadOptions options;
  options.memory_limit = 64 << 20;
  // Fuzzers do not find checksums.
  options.verify_checksums = false;
  try {
    Ref<runtime::Function> f =
        serial::load({reinterpret_cast<const std::byte*>(data), size}, options);
    std::vector<Array> inputs;
    std::vector<TensorView> views;
    for (const auto& input : f->inputs()) {
      Dims shape = input.type.shape();
      for (int64_t& d : shape) d = d < 0 || d > 4 ? 2 : d;
      inputs.push_back(Array::zeros(input.type.dtype(), shape));
    }
    for (const Array& a : inputs) views.push_back(a.view());
    runtime::Call call(*f);
    call.run(views.data());
    serial::save(*f);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::internal) __builtin_trap();
  }
  return 0;
}
