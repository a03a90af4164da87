// A recurrent network without Python: loads the language model that examples/text.py trained, lets
// it write, compares that with what it wrote in Python, trains on, and lets it write again.
//
//   text FOLDER [STEPS] [LENGTH]
//
// FOLDER holds text_train.phy, text_write.phy, text_characters.npy, text_prompt.npy,
// text_written.npy, text_x.npy and text_y.npy.
#include <phintys/phintys.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "npy.hpp"

namespace {

using phintys::Function;
using phintys::Tensor;

constexpr int64_t kWindow = 64;  // steps of a training sequence, as in examples/text.py
constexpr float kTemperature = 0.5f;

// A Unicode code point in UTF-8.
void append(std::string& text, int32_t c) {
  const auto byte = [&](int32_t b) { text += static_cast<char>(b); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | (c >> 6));
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | (c >> 12));
    byte(0x80 | ((c >> 6) & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | (c >> 18));
    byte(0x80 | ((c >> 12) & 0x3F));
    byte(0x80 | ((c >> 6) & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

std::vector<int64_t> numbers(const Tensor& t) { return t.cast<int64_t>().to_vector<int64_t>(); }

std::string decode(const std::vector<int64_t>& codes, const std::vector<int64_t>& characters) {
  std::string text;
  for (int64_t code : codes)
    append(text, static_cast<int32_t>(characters.at(static_cast<size_t>(code))));
  return text;
}

std::vector<int64_t> write(const Function& writer, const Tensor& prompt, int64_t length) {
  const std::vector<Tensor> outputs = writer({prompt, length, kTemperature});
  if (outputs.size() != 1) throw std::runtime_error("text_write has not one output");
  return numbers(outputs[0]);
}

// Bits per character over the first and the last fifth of so many steps.
void train(const Function& trainer, const Tensor& x, const Tensor& y, int steps) {
  const int64_t windows = x.shape(0) / kWindow;
  if (windows < 1) throw std::runtime_error("text_x.npy is shorter than a window");
  double first = 0, last = 0;
  const int part = std::max(1, steps / 5);
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) {
    const int64_t at = i % windows * kWindow;
    const double cost =
        trainer({x.rows(at, at + kWindow), y.rows(at, at + kWindow)}).at(0).item<double>();
    if (i < part) first += cost / part;
    if (i >= steps - part) last += cost / part;
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
  std::printf("%d steps: from %.2f to %.2f bits per character (%.1f ms a step)\n", steps,
              first / std::log(2.0), last / std::log(2.0), took.count() / steps);
}

int run(const std::string& folder, int steps, int64_t length) {
  Function writer = Function::load(folder + "/text_write.phy");
  const Function trainer = Function::load(folder + "/text_train.phy");
  const auto characters = numbers(npy::load(folder + "/text_characters.npy"));
  const Tensor prompt = npy::load(folder + "/text_prompt.npy");
  const auto expected = numbers(npy::load(folder + "/text_written.npy"));

  const auto written = write(writer, prompt, static_cast<int64_t>(expected.size()));
  const bool same = written == expected;
  std::printf("--- from C++, %s:\n%s%s\n---\n", same ? "as in Python" : "NOT as in Python",
              decode(numbers(prompt), characters).c_str(), decode(written, characters).c_str());

  // Two files, two copies of the weights; from here on both functions use those of `trainer`.
  std::printf("the functions share %zu state variables\n", writer.share_state_with(trainer));
  train(trainer, npy::load(folder + "/text_x.npy"), npy::load(folder + "/text_y.npy"), steps);
  std::printf("--- after training:\n%s%s\n---\n", decode(numbers(prompt), characters).c_str(),
              decode(write(writer, prompt, length), characters).c_str());
  trainer.save(folder + "/text_train_more.phy");
  std::printf("saved to %s/text_train_more.phy\n", folder.c_str());
  return same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s FOLDER [STEPS] [LENGTH]\n", argv[0]);
    return 2;
  }
  const int steps = argc > 2 ? std::atoi(argv[2]) : 20;
  const int64_t length = argc > 3 ? std::atoll(argv[3]) : 200;
  if (steps < 1 || length < 0) {
    std::fprintf(stderr, "STEPS must be positive and LENGTH must not be negative\n");
    return 2;
  }
  try {
    return run(argv[1], steps, length);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
