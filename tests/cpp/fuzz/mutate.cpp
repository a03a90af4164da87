// Runs the fuzz target without libFuzzer: the .phy files of a folder, damaged at random, for some
// seconds. Built with the C++ tests; seeds.py makes such a folder.
//
//   fuzz_load FOLDER SECONDS [SEED]
//   fuzz_load FILE
//
// The input at work lies in ./fuzz_current while it runs: the second form takes it after a crash.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern long functions_called;  // of those that were loaded

namespace {

using Rng = std::mt19937_64;

// One input may take so long before it counts as an endless loop.
constexpr unsigned kSecondsEach = 60;

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void run(const std::string& input) {
  alarm(kSecondsEach);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  alarm(0);
}

// A number that counts, lengths or attributes are likely to be wrong with.
uint64_t wild(Rng& rng) {
  const int shift = static_cast<int>(rng() % 64);
  switch (rng() % 4) {
    case 0:
      return rng() % 8;
    case 1:
      return uint64_t{0} - 1 - rng() % 8;
    case 2:
      return uint64_t{1} << shift;
    default:
      return (uint64_t{1} << shift) - 1;
  }
}

void damage(std::string& file, const std::vector<std::string>& files, Rng& rng) {
  const size_t at = rng() % file.size();
  const std::string& donor = rng() % 4 ? file : files[rng() % files.size()];
  const size_t from = rng() % donor.size();
  const size_t n = 1 + rng() % (rng() % 8 ? 16 : 400);
  const size_t width = size_t{1} << rng() % 4;
  switch (rng() % 8) {
    case 0:
      file[at] = static_cast<char>(rng());
      return;
    case 1:
      file[at] = static_cast<char>(file[at] ^ (1 << rng() % 8));
      return;
    case 2:
      file[at] = static_cast<char>(file[at] + (rng() % 2 ? 1 : -1));
      return;
    case 3:
    case 4: {
      const uint64_t number = wild(rng);
      if (at + width <= file.size()) std::memcpy(file.data() + at, &number, width);
      return;
    }
    case 5:
      file.erase(at, rng() % 8 ? 4 * (1 + rng() % 4) : n);
      return;
    case 6:  // pieces of a file reach further than noise
      file.insert(at, donor.substr(from, n));
      return;
    default:
      file.replace(at, n, donor.substr(from, n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER SECONDS [SEED] | FILE\n", argv[0]);
    return 2;
  }
  if (!std::filesystem::is_directory(argv[1])) {
    run(content(argv[1]));
    return 0;
  }
  const double seconds = argc > 2 ? std::atof(argv[2]) : 10;
  Rng rng(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    if (entry.path().extension() == ".phy") files.push_back(content(entry.path()));
  std::sort(files.begin(), files.end());  // else a seed would mean nothing elsewhere
  for (const std::string& file : files) run(file);
  if (files.empty() || functions_called != static_cast<long>(files.size())) {
    std::fprintf(stderr, "of %zu files %ld are good\n", files.size(), functions_called);
    return 2;
  }
  functions_called = 0;
  long inputs = 0;
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    std::string file = files[rng() % files.size()];
    for (uint64_t edits = 1 + rng() % (rng() % 2 ? 2 : 8); edits > 0 && !file.empty(); --edits)
      damage(file, files, rng);
    std::ofstream("fuzz_current", std::ios::binary) << file;
    run(file);
    ++inputs;
  }
  std::filesystem::remove("fuzz_current");
  std::printf("%ld damaged files, %ld of them ran\n", inputs, functions_called);
  return functions_called > 0 ? 0 : 1;
}
