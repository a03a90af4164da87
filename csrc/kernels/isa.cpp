#include "kernels/isa.h"

#include <atomic>
#include <mutex>
#include <string_view>

#include "base/error.h"

namespace phintys {
namespace {

constexpr const char* kIsaNames[kNumIsas] = {"baseline", "avx2", "avx512", "neon"};

// The choice of instruction set: open to cap_isa until the first kernel is asked for.
struct Choice {
  std::mutex mutex;
  Isa cap = Isa::neon;
  std::atomic<int> taken{-1};  // the Isa, or -1

  Isa best() const {
    for (int i = static_cast<int>(cap); i > 0; --i) {
      if (has_isa(static_cast<Isa>(i))) return static_cast<Isa>(i);
    }
    // A cap may name another architecture's set; then the build's own least one remains.
    return has_isa(Isa::baseline) ? Isa::baseline : Isa::neon;
  }
};

Choice& choice() {
  static Choice* const c = new Choice;  // never freed: threads may run kernels at exit
  return *c;
}

}  // namespace

bool has_isa(Isa isa) {
#if defined(__x86_64__)
  // The x86-64-v* names cover everything that the compiler uses under -march=haswell and
  // -march=skylake-avx512, the operating system's support for the registers included.
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("x86-64-v3");
    case Isa::avx512:
      return __builtin_cpu_supports("x86-64-v4");
    case Isa::neon:
      return false;
  }
  return false;
#elif defined(__aarch64__)
  return isa == Isa::neon;
#else
  return isa == Isa::baseline;
#endif
}

Isa current_isa() {
  Choice& c = choice();
  const int taken = c.taken.load(std::memory_order_acquire);
  if (taken >= 0) return static_cast<Isa>(taken);
  const std::lock_guard<std::mutex> lock(c.mutex);
  return c.best();
}

Isa take_isa() {
  Choice& c = choice();
  const int taken = c.taken.load(std::memory_order_acquire);
  if (PHINTYS_LIKELY(taken >= 0)) return static_cast<Isa>(taken);
  const std::lock_guard<std::mutex> lock(c.mutex);
  const Isa isa = c.best();
  c.taken.store(static_cast<int>(isa), std::memory_order_release);
  return isa;
}

const char* isa_name(Isa isa) { return kIsaNames[static_cast<int>(isa)]; }

void cap_isa(const char* name) {
  const std::string_view wanted = name;
  int cap = wanted == "auto" ? kNumIsas - 1 : -1;
  for (int i = 0; i < kNumIsas; ++i) {
    if (wanted == kIsaNames[i]) cap = i;
  }
  if (cap < 0) {
    fail(ErrorKind::value, "unknown instruction set '", name,
         "': expected auto, baseline, avx2, avx512 or neon");
  }
  Choice& c = choice();
  const std::lock_guard<std::mutex> lock(c.mutex);
  const Isa before = c.cap;
  c.cap = static_cast<Isa>(cap);
  const int taken = c.taken.load(std::memory_order_relaxed);
  if (taken >= 0 && static_cast<int>(c.best()) != taken) {
    c.cap = before;
    fail(ErrorKind::runtime, "the instruction set can no longer be changed to ", name,
         ": kernels for ", kIsaNames[taken], " have been used already");
  }
}

}  // namespace phintys
