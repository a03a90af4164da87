// The emulated GPU: threads of a block work together as CUDA says, and mistakes show.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "array/dtype.h"
#include "emulation_probe.h"

namespace {

class Reversed {
 public:
  Reversed() { setenv("PHINTYS_EMULATED_ORDER", "reverse", 1); }
  ~Reversed() { unsetenv("PHINTYS_EMULATED_ORDER"); }
};

class Deferred {
 public:
  Deferred() { setenv("PHINTYS_EMULATED_ASYNC", "1", 1); }
  ~Deferred() { unsetenv("PHINTYS_EMULATED_ASYNC"); }
};

std::vector<int> run(const char* what, int n, int argument = 0) {
  std::vector<int> out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  CHECK(probe(what, out.data(), n, argument) == 0);
  return out;
}

// What a child process writes when it runs the mistake, and whether it is ended for it.
std::string last_words(int mistake, bool* aborted) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    dup2(ends[1], 2);
    std::vector<int> out(64);
    probe("mistake", out.data(), 64, mistake);
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
  *aborted = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
  return text;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a block sums with shuffles and a barrier, also when threads have ended") {
  for (const int leave : {256, 1, 40}) {
    const std::vector<int> out = run("sums", 600, leave);
    CHECK(out[0] == 255 * 256 / 2);
    CHECK(out[1] == 511 * 512 / 2 - out[0]);
    CHECK(out[2] == 599 * 600 / 2 - 511 * 512 / 2);
    const Reversed reversed;
    const std::vector<int> other = run("sums", 600, leave);
    CHECK(other[2] == out[2]);
  }
  const Deferred deferred;
  CHECK(run("sums", 256, 256)[0] == 255 * 256 / 2);
}

TEST_CASE("collectives of a warp") {
  for (const bool turned : {false, true}) {
    if (turned) setenv("PHINTYS_EMULATED_ORDER", "reverse", 1);
    const std::vector<int> out = run("collectives", 16 * 32);
    unsetenv("PHINTYS_EMULATED_ORDER");
    for (int l = 0; l < 32; ++l) {
      auto row = [&](int r) { return out[static_cast<size_t>(32 * r + l)]; };
      CHECK(row(0) == 105);
      CHECK(row(1) == 100 + l / 8 * 8 + (l + 1) % 8);
      CHECK(row(2) == 100 + (l >= 3 ? l - 3 : l));
      CHECK(row(3) == 100 + (l % 16 ? l - 1 : l));
      CHECK(row(4) == 100 + (l + 3 < 32 ? l + 3 : l));
      CHECK(row(5) == 100 + (l % 4 < 3 ? l + 1 : l));
      CHECK(row(6) == 100 + (l ^ 17));
      CHECK(static_cast<unsigned>(row(7)) == 0x49249249u);
      CHECK(row(8) == 2);
      CHECK(row(9) == 2);
      CHECK(static_cast<unsigned>(row(10)) == 0x11111111u << (l % 4));
      CHECK(row(11) == 3200 + 31 * 16);
      CHECK(row(12) == 131);
      CHECK(row(13) == 2 * (100 + (l ^ 1)) + 1);
      CHECK(row(14) == 100 + (l ^ (l < 16 ? 1 : 2)));
      CHECK(row(15) == 131);
    }
  }
}

TEST_CASE("barriers that count") {
  for (const int value : run("counts", 96)) CHECK(value == 48 * 10000 + 1000 + 10);
}

TEST_CASE("named barriers order some warps") {
  for (const bool turned : {false, true}) {
    if (turned) setenv("PHINTYS_EMULATED_ORDER", "reverse", 1);
    const std::vector<int> out = run("named", 192);
    unsetenv("PHINTYS_EMULATED_ORDER");
    for (int round = 0; round < 3; ++round)
      for (int slot = 0; slot < 64; ++slot)
        CHECK(out[static_cast<size_t>(64 * round + slot)] == 100 * round + 63 - slot);
  }
}

TEST_CASE("an instruction of a warp acts once for all its lanes") {
  const std::vector<int> out = run("instruction", 80);
  for (int t = 0; t < 80; ++t) {
    int best = 0;
    for (int u = t / 32 * 32; u < std::min(80, t / 32 * 32 + 32); ++u)
      best = std::max(best, u * 7 % 41);
    CHECK(out[static_cast<size_t>(t)] == best);
  }
}

TEST_CASE("indices of threads and blocks") {
  const std::vector<int> out = run("indices", 12 * 24);
  size_t i = 0;
  for (int b = 0; b < 12; ++b)
    for (int t = 0; t < 24; ++t)
      CHECK(out[i++] == t % 4 + 10 * (t / 4 % 3) + 100 * (t / 12) + 1000 * (b % 3) +
                            10000 * (b / 3 % 2) + 100000 * (b / 6));
}

TEST_CASE("the order of blocks and threads can be turned round, and shows a missing barrier") {
  std::vector<int> out = run("order", 64);
  for (int i = 0; i < 64; ++i) CHECK(out[static_cast<size_t>(i)] == i);
  const std::vector<int> race = run("race", 64);
  const Reversed reversed;
  out = run("order", 64);
  for (int i = 0; i < 64; ++i) CHECK(out[static_cast<size_t>(i)] == 63 - i);
  CHECK(run("race", 64) != race);
}

TEST_CASE("undefined memory holds the poison in each block") {
  for (const int value : run("undefined", 8)) CHECK(value == -1);
  // So does new memory of the device.
  std::vector<int> out(40, 7);
  CHECK(probe("threads", out.data(), 40, 1) == 0);
  CHECK(out[0] == 0);
  for (size_t i = 1; i < 40; ++i) CHECK(out[i] == -1);
}

TEST_CASE("launches that a GPU refuses") {
  std::vector<int> out(2048);
  CHECK(probe("threads", out.data(), 2048, 1024) == 0);
  CHECK(probe("threads", out.data(), 2048, 1025) == 9);
  CHECK(probe("threads", out.data(), 2048, 0) == 9);
  CHECK(probe("rows", out.data(), 2048, 2000) == 0);
  CHECK(probe("rows", out.data(), 2048, 65536) == 9);
  CHECK(probe("shared", out.data(), 2048, 227 * 1024) == 0);
  CHECK(probe("shared", out.data(), 2048, 227 * 1024 + 1) == 1);
  setenv("PHINTYS_EMULATED_CAPABILITY", "120", 1);
  CHECK(probe("shared", out.data(), 2048, 99 * 1024) == 0);
  CHECK(probe("shared", out.data(), 2048, 99 * 1024 + 1) == 1);
  unsetenv("PHINTYS_EMULATED_CAPABILITY");
}

TEST_CASE("mistakes end the program with a message") {
  const char* const expected[] = {
      "at different barriers",
      "which leaves it out",
      "wait for others that never come",
      "wait in a loop for what no other thread does",
      "beyond its 16 bytes of dynamic shared memory",
      "outside a block of 256 bytes",
      "misaligned",
      "wait for others that never come",
      "__trap()",
  };
  for (int which = 0; which < 9; ++which) {
    bool aborted = false;
    const std::string text = last_words(which, &aborted);
    CAPTURE(which);
    CAPTURE(text);
    CHECK(aborted);
    CHECK(contains(text, expected[which]));
    if (which == 0 || which == 2) {
      CHECK(contains(text, "emulation_probe.cpp"));
      CHECK(contains(text, "__syncthreads"));
    }
  }
}

TEST_CASE("float16 as the GPU converts it") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = probe_to_float(static_cast<uint16_t>(bits));
    const double magnitude =
        (bits >> 10 & 31) == 0
            ? std::ldexp(bits & 1023, -24)
            : std::ldexp(1024 + (bits & 1023), static_cast<int>(bits >> 10 & 31) - 25);
    if ((bits >> 10 & 31) == 31) {
      CHECK((bits & 1023 ? std::isnan(value) : std::isinf(value)));
    } else if (static_cast<double>(std::fabs(value)) != magnitude ||
               std::signbit(value) != (bits > 32767)) {
      CHECK_MESSAGE(false, bits);
    }
    if (!std::isnan(value)) {
      if (probe_to_half(value) != bits) CHECK_MESSAGE(false, bits);
    } else {
      CHECK(probe_to_half(value) == 0x7fff);
    }
    // Half-way to the next: to the even one.
    if ((bits & 0x7fff) < 0x7bff) {
      const float next = probe_to_float(static_cast<uint16_t>(bits + 1));
      const float middle = value + (next - value) / 2;
      if (probe_to_half(middle) != bits + (bits & 1)) CHECK_MESSAGE(false, bits);
      if (probe_to_half(std::nextafter(middle, value)) != bits) CHECK_MESSAGE(false, bits);
      if (probe_to_half(std::nextafter(middle, next)) != bits + 1) CHECK_MESSAGE(false, bits);
    }
  }
  CHECK(probe_to_half(65519.996f) == 0x7bff);
  CHECK(probe_to_half(65520.0f) == 0x7c00);
  CHECK(probe_to_half(-1e30f) == 0xfc00);
}
