// Goes on where a Python program stopped: loads the digits classifier that examples/digits.py
// saved, scores the same test set, compares every prediction, trains on, and saves the result.
//
//   digits FOLDER [STEPS] [BATCH]
//
// FOLDER holds digits_predict.phy, digits_train.phy, X_test.npy, y_test.npy, X_train.npy,
// y_train.npy and predictions.npy.
#include <phintys/phintys.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "npy.hpp"

namespace {

using phintys::Function;
using phintys::Tensor;

Tensor only(std::vector<Tensor> outputs, const char* of) {
  if (outputs.size() != 1) throw std::runtime_error(std::string(of) + " has not one output");
  return outputs[0];
}

// Class numbers, also where the function returns a score for each class.
std::vector<int64_t> classes(const Tensor& output) {
  if (output.ndim() == 1) return output.cast<int64_t>().to_vector<int64_t>();
  if (output.ndim() != 2) throw std::runtime_error("predictions must have one or two dimensions");
  const std::vector<double> scores = output.cast<double>().to_vector<double>();
  const size_t n = static_cast<size_t>(output.shape(1));
  std::vector<int64_t> best;
  for (size_t i = 0; n > 0 && i < scores.size(); i += n) {
    const auto row = scores.begin() + static_cast<std::ptrdiff_t>(i);
    best.push_back(std::max_element(row, row + static_cast<std::ptrdiff_t>(n)) - row);
  }
  return best;
}

size_t count_equal(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  if (a.size() != b.size()) throw std::runtime_error("different numbers of predictions");
  size_t n = 0;
  for (size_t i = 0; i < a.size(); ++i) n += a[i] == b[i];
  return n;
}

// FNV-1a over the class numbers: one number to compare two runs by.
uint64_t hash(const std::vector<int64_t>& values) {
  uint64_t h = 0xcbf29ce484222325u;
  for (int64_t v : values) h = (h ^ static_cast<uint64_t>(v)) * 0x100000001b3u;
  return h;
}

// The first output of a training step: its cost.
double step(const Function& train, const Tensor& x, const Tensor& y) {
  const std::vector<Tensor> outputs = train({x, y});
  if (outputs.empty()) throw std::runtime_error("the training step returns no cost");
  return outputs[0].item<double>();
}

// `tensor` in the dtype of input number `index`.
Tensor as_input(const Function& f, size_t index, const Tensor& tensor) {
  return tensor.cast(f.inputs().at(index).dtype);
}

double train_steps(const Function& train, const Tensor& x, const Tensor& y, int steps,
                   int64_t batch) {
  const int64_t n = x.shape(0);
  batch = std::max<int64_t>(1, std::min(batch, n));
  double cost = 0;
  int64_t at = 0;
  for (int i = 0; i < steps; ++i) {
    if (at + batch > n) at = 0;
    cost = step(train, x.rows(at, at + batch), y.rows(at, at + batch));
    if (i == 0) std::printf("cost of step 1: %.6f\n", cost);
    at += batch;
  }
  return cost;
}

bool same_state(const Function& a, const Function& b) {
  for (const auto& info : a.state()) {
    const Tensor x = a.get(info.name);
    const Tensor y = b.get(info.name);
    if (x.shape() != y.shape() || x.dtype() != y.dtype()) return false;
    const size_t bytes =
        static_cast<size_t>(x.size()) * phintys_dtype_size(static_cast<phintys_dtype>(x.dtype()));
    if (std::memcmp(x.raw_data(), y.raw_data(), bytes) != 0) return false;
  }
  return true;
}

int run(const std::string& folder, int steps, int64_t batch, const phintys::Device& device) {
  const auto start = std::chrono::steady_clock::now();
  Function predict = Function::load(folder + "/digits_predict.phy", device);
  const Function train = Function::load(folder + "/digits_train.phy", device);
  const std::chrono::duration<double, std::milli> loaded = std::chrono::steady_clock::now() - start;
  std::printf("loaded both functions in %.2f ms\n", loaded.count());

  const Tensor x_test = as_input(predict, 0, npy::load(folder + "/X_test.npy"));
  const auto y_test = classes(npy::load(folder + "/y_test.npy"));
  const auto expected = classes(npy::load(folder + "/predictions.npy"));
  const auto predicted = classes(only(predict({x_test}), "digits_predict"));
  const size_t right = count_equal(predicted, y_test);
  const size_t same = count_equal(predicted, expected);
  std::printf("test accuracy %.2f %% (%zu of %zu), hash %016llx\n",
              100.0 * static_cast<double>(right) / static_cast<double>(y_test.size()), right,
              y_test.size(), static_cast<unsigned long long>(hash(predicted)));
  std::printf("%zu of %zu predictions as in Python\n", same, expected.size());
  if (same != expected.size()) return 1;

  // Two files, two copies of the weights; from here on both functions use those of `train`.
  const size_t n_shared = predict.share_state_with(train);
  std::printf("the functions share %zu state variables\n", n_shared);

  const Tensor x = as_input(train, 0, npy::load(folder + "/X_train.npy"));
  const Tensor y = as_input(train, 1, npy::load(folder + "/y_train.npy"));
  const auto before = std::chrono::steady_clock::now();
  const double cost = train_steps(train, x, y, steps, batch);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - before;
  std::printf("cost of step %d: %.6f (%.1f us a step)\n", steps, cost, took.count() / steps);

  const auto after = classes(only(predict({x_test}), "digits_predict"));
  std::printf(
      "test accuracy after training %.2f %%\n",
      100.0 * static_cast<double>(count_equal(after, y_test)) / static_cast<double>(y_test.size()));

  const std::string path = folder + "/digits_train_more.phy";
  train.save(path);
  const bool kept = same_state(train, Function::load(path));
  std::printf("saved to %s, state read back: %s\n", path.c_str(), kept ? "the same" : "DIFFERENT");
  return kept ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 5) {
    std::fprintf(stderr, "usage: %s FOLDER [STEPS] [BATCH] [DEVICE]\n", argv[0]);
    return 2;
  }
  const int steps = argc > 2 ? std::atoi(argv[2]) : 100;
  const int64_t batch = argc > 3 ? std::atoll(argv[3]) : 32;
  if (steps < 1 || batch < 1) {
    std::fprintf(stderr, "STEPS and BATCH must be positive\n");
    return 2;
  }
  try {
    return run(argv[1], steps, batch, phintys::Device(argc > 4 ? argv[4] : "cpu"));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
