#include "ops/fourier/plan.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <list>
#include <mutex>
#include <numbers>
#include <type_traits>

#include "base/error.h"
#include "kernels/parallel.h"

namespace phintys {

namespace {

using Exact = std::complex<long double>;

// exp(-2 pi i k / n): products of two table entries, so that tables of n roots cost few cosines.
class Roots {
 public:
  explicit Roots(int64_t n) : n_(n), fine_(std::max<int64_t>(1, std::llround(std::sqrt(n)))) {
    for (int64_t k = 0; k < fine_; ++k) low_.push_back(root(k));
    for (int64_t k = 0; k * fine_ < n; ++k) high_.push_back(root(k * fine_));
  }
  Exact operator()(int64_t k) const {
    k %= n_;
    return low_[static_cast<size_t>(k % fine_)] * high_[static_cast<size_t>(k / fine_)];
  }

 private:
  // Cosine and sine of an angle below pi/4 alone, mirrored to the octant of k.
  Exact root(int64_t k) const {
    const int64_t eighth = 8 * k / n_;
    const int64_t quarter = (eighth + 1) / 2;
    // Distance to the nearest multiple of a quarter turn, in units of 1/4n turns.
    const long double rest = static_cast<long double>(4 * k - quarter * n_) / (4.0L * n_);
    const long double angle = 2 * std::numbers::pi_v<long double> * rest;
    const long double c = std::cos(angle), s = std::sin(angle);
    switch (quarter % 4) {
      case 0:
        return {c, -s};
      case 1:
        return {-s, -c};
      case 2:
        return {-c, s};
      default:
        return {s, c};
    }
  }
  int64_t n_, fine_;
  std::vector<Exact> low_, high_;
};

template <class T>
void push(std::vector<T>& table, const Exact& w) {
  table.push_back(static_cast<T>(w.real()));
  table.push_back(static_cast<T>(w.imag()));
}

// The prime factors of n in increasing order; empty for 1.
std::vector<int64_t> prime_factors(int64_t n) {
  std::vector<int64_t> factors;
  for (int64_t p = 2; p * p <= n; ++p) {
    for (; n % p == 0; n /= p) factors.push_back(p);
  }
  if (n > 1) factors.push_back(n);
  return factors;
}

bool is_smooth(int64_t n) {
  for (int p = 2; p <= kMaxFftRadix; ++p) {
    while (n % p == 0) n /= p;
  }
  return n == 1;
}

// Above this length a smooth transform is split: the two buffers no longer fit the first caches.
constexpr int64_t kMaxDirect = 256;
// Pieces of one transform that threads may take; each has work space of its own.
constexpr int64_t kPieces = 8;

// The divisor of n nearest to its square root, from below if there are two.
int64_t middle_divisor(int64_t n) {
  int64_t best = 1;
  std::vector<int64_t> divisors = {1};
  for (const int64_t p : prime_factors(n)) {
    const size_t count = divisors.size();
    for (size_t i = 0; i < count; ++i) divisors.push_back(divisors[i] * p);
    std::sort(divisors.begin(), divisors.end());
    divisors.erase(std::unique(divisors.begin(), divisors.end()), divisors.end());
  }
  for (const int64_t d : divisors) {
    if (d * d <= n) best = std::max(best, d);
  }
  return best;
}

template <class T>
int lanes_of() {
  if constexpr (std::is_same_v<T, float>) {
    return PHINTYS_ISA_CALL(fft_lanes_f32)();
  } else {
    return PHINTYS_ISA_CALL(fft_lanes_f64)();
  }
}

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

template <class T>
FftPlan<T>::FftPlan(int64_t n, bool whole) : n_(n), whole_(whole), lanes_(lanes_of<T>()) {
  PHINTYS_CHECK(n >= 1, "a Fourier transform of no elements");
  if (!is_smooth(n)) {
    make_bluestein();
    return;
  }
  const int64_t n1 = n > kMaxDirect && !whole ? middle_divisor(n) : 1;
  // A lopsided split (a length such as 2 * 31^2 has none better) would not fill the vectors.
  if (n1 >= lanes_ / 2 && n1 > 1) {
    make_split(n1);
  } else {
    make_stages();
  }
}

template <class T>
void FftPlan<T>::make_stages() {
  kind_ = Kind::direct;
  stages_.n = n_;
  std::vector<int64_t> factors = prime_factors(n_);
  // Pairs of twos become fours; large radices come first, where the inner loops are shortest.
  std::vector<int> radices;
  int64_t twos = std::count(factors.begin(), factors.end(), 2);
  for (auto p = factors.rbegin(); p != factors.rend() && *p > 2; ++p) {
    radices.push_back(static_cast<int>(*p));
  }
  for (; twos >= 2; twos -= 2) radices.push_back(4);
  if (twos) radices.push_back(2);
  PHINTYS_CHECK(radices.size() <= kMaxFftStages, "too many stages");
  stages_.count = static_cast<int>(radices.size());
  int64_t left = n_;
  for (size_t s = 0; s < radices.size(); ++s) {
    const int r = radices[s];
    stages_.radix[s] = r;
    const Roots roots(left);
    const int64_t m = left / r;
    std::vector<T> twiddles;
    for (int64_t p = 0; p < m; ++p) {
      for (int64_t j = 1; j < r; ++j) push(twiddles, roots(p * j));
    }
    tables_.push_back(std::move(twiddles));
    stages_.twiddles[s] = tables_.back().data();
    if (r > 5) {
      const Roots circle(r);
      std::vector<T> table;
      for (int j = 0; j < r; ++j) push(table, std::conj(circle(j)));
      tables_.push_back(std::move(table));
      stages_.roots[s] = tables_.back().data();
    }
    left = m;
  }
}

template <class T>
void FftPlan<T>::make_split(int64_t n1) {
  kind_ = Kind::split;
  const int64_t n2 = n_ / n1;
  first_ = std::make_unique<FftPlan>(n1, true);
  second_ = std::make_unique<FftPlan>(n2, true);
  const Roots roots(n_);
  for (int64_t k = 0; k < n1; ++k) {
    for (int64_t j = 0; j < n2; j += lanes_) push(block_factors_, roots(k * j));
    for (int l = 0; l < lanes_; ++l) {
      lane_factors_.push_back(static_cast<T>(roots(k * l).real()));
    }
    for (int l = 0; l < lanes_; ++l) {
      lane_factors_.push_back(static_cast<T>(roots(k * l).imag()));
    }
  }
}

// X[k] = c[k] sum_j (x[j] c[j]) conj(c[k - j]) with the chirp c[j] = exp(-pi i j^2 / n).
template <class T>
void FftPlan<T>::make_bluestein() {
  kind_ = Kind::bluestein;
  int64_t m = 1;
  while (m < 2 * n_ - 1) m *= 2;
  first_ = std::make_unique<FftPlan>(m);
  const Roots roots(2 * n_);
  int64_t square = 0;  // j^2 mod 2n, without large products
  filter_.assign(static_cast<size_t>(2 * m), T(0));
  for (int64_t j = 0; j < n_; ++j) {
    const Exact c = roots(square);
    push(chirp_, c);
    for (const int64_t at : {j, (m - j) % m}) {
      filter_[static_cast<size_t>(2 * at)] = static_cast<T>(c.real());
      filter_[static_cast<size_t>(2 * at + 1)] = static_cast<T>(-c.imag());
    }
    square = (square + 2 * j + 1) % (2 * n_);
  }
  std::vector<char> work(static_cast<size_t>(first_->work_bytes() + 64));
  char* const at = work.data() + (64 - reinterpret_cast<uintptr_t>(work.data()) % 64) % 64;
  first_->rows(filter_.data(), m, filter_.data(), m, 1, false, 1.0 / static_cast<double>(m), at);
}

template <class T>
int64_t FftPlan<T>::work_bytes() const {
  const int64_t item = sizeof(T);
  switch (kind_) {
    case Kind::direct:
      return aligned(fft_work_bytes(n_, lanes_, item));
    case Kind::split: {
      const int64_t n1 = first_->n_, n2 = second_->n_;
      const int64_t blocks = (n1 + lanes_ - 1) / lanes_;
      const int64_t piece = std::max(fft_work_bytes(n1, lanes_, item), 2 * n2 * lanes_ * item);
      return aligned(blocks * n2 * 2 * lanes_ * item) + kPieces * aligned(piece);
    }
    case Kind::bluestein:
      return aligned(2 * first_->n_ * item) + first_->work_bytes();
  }
  return 0;
}

template <class T>
int64_t FftPlan<T>::table_bytes() const {
  size_t items = block_factors_.size() + lane_factors_.size() + chirp_.size() + filter_.size() +
                 half_roots_.size();
  for (const auto& table : tables_) items += table.size();
  int64_t bytes = static_cast<int64_t>(items * sizeof(T) + sizeof *this);
  if (first_) bytes += first_->table_bytes();
  if (second_) bytes += second_->table_bytes();
  return bytes;
}

template <class T>
void FftPlan<T>::rows(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t rows,
                      bool inverse, double scale, char* work) const {
  if (kind_ == Kind::direct) {
    const FftRows task{&stages_, src, dst, src_stride, dst_stride, rows, inverse, scale, work};
    if constexpr (std::is_same_v<T, float>) {
      PHINTYS_ISA_CALL(fft_rows_f32)(task);
    } else {
      PHINTYS_ISA_CALL(fft_rows_f64)(task);
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = src + 2 * r * src_stride;
    T* to = dst + 2 * r * dst_stride;
    if (kind_ == Kind::split) {
      split_row(from, to, inverse, scale, work);
    } else {
      bluestein_row(from, to, inverse, scale, work);
    }
  }
}

template <class T>
void FftPlan<T>::columns(const T* src, int64_t src_stride, T* dst, int64_t dst_stride,
                         int64_t columns, bool inverse, double scale, char* work) const {
  const FftColumns task{&stages_, src, dst, src_stride, dst_stride, columns, inverse, scale, work};
  if constexpr (std::is_same_v<T, float>) {
    PHINTYS_ISA_CALL(fft_columns_f32)(task);
  } else {
    PHINTYS_ISA_CALL(fft_columns_f64)(task);
  }
}

template <class T>
void FftPlan<T>::split_row(const T* src, T* dst, bool inverse, double scale, char* work) const {
  const int64_t n1 = first_->n_, n2 = second_->n_, item = sizeof(T);
  const int64_t piece = aligned(std::max(fft_work_bytes(n1, lanes_, item), 2 * n2 * lanes_ * item));
  const int64_t first_blocks = (n2 + lanes_ - 1) / lanes_;
  const int64_t second_blocks = (n1 + lanes_ - 1) / lanes_;
  char* const pieces = work + aligned(second_blocks * n2 * 2 * lanes_ * item);
  const FftSplit split{&first_->stages_,
                       &second_->stages_,
                       block_factors_.data(),
                       lane_factors_.data(),
                       src,
                       dst,
                       work,
                       inverse,
                       scale};
  // Short transforms are not worth a second thread.
  const int64_t count = n_ < 16384 ? 1 : kPieces;
  parallel_for(count, [&](int64_t p) {
    for (int64_t b = first_blocks * p / count; b < first_blocks * (p + 1) / count; ++b) {
      if constexpr (std::is_same_v<T, float>) {
        PHINTYS_ISA_CALL(fft_split_first_f32)(split, b, pieces + p * piece);
      } else {
        PHINTYS_ISA_CALL(fft_split_first_f64)(split, b, pieces + p * piece);
      }
    }
  });
  parallel_for(count, [&](int64_t p) {
    for (int64_t b = second_blocks * p / count; b < second_blocks * (p + 1) / count; ++b) {
      if constexpr (std::is_same_v<T, float>) {
        PHINTYS_ISA_CALL(fft_split_second_f32)(split, b, pieces + p * piece);
      } else {
        PHINTYS_ISA_CALL(fft_split_second_f64)(split, b, pieces + p * piece);
      }
    }
  });
}

template <class T>
void FftPlan<T>::bluestein_row(const T* src, T* dst, bool inverse, double scale, char* work) const {
  const int64_t m = first_->n_;
  T* const a = reinterpret_cast<T*>(work);
  char* const rest = work + aligned(2 * m * static_cast<int64_t>(sizeof(T)));
  const int re = inverse ? 1 : 0, im = 1 - re;
  const T* c = chirp_.data();
  for (int64_t j = 0; j < n_; ++j) {
    const T x = src[2 * j + re], y = src[2 * j + im];
    a[2 * j] = x * c[2 * j] - y * c[2 * j + 1];
    a[2 * j + 1] = x * c[2 * j + 1] + y * c[2 * j];
  }
  std::fill(a + 2 * n_, a + 2 * m, T(0));
  first_->rows(a, m, a, m, 1, false, 1.0, rest);
  const T* f = filter_.data();
  for (int64_t k = 0; k < m; ++k) {
    const T x = a[2 * k], y = a[2 * k + 1];
    a[2 * k] = x * f[2 * k] - y * f[2 * k + 1];
    a[2 * k + 1] = x * f[2 * k + 1] + y * f[2 * k];
  }
  first_->rows(a, m, a, m, 1, true, 1.0, rest);
  const T s = static_cast<T>(scale);
  for (int64_t k = 0; k < n_; ++k) {
    const T x = a[2 * k], y = a[2 * k + 1];
    dst[2 * k + re] = (x * c[2 * k] - y * c[2 * k + 1]) * s;
    dst[2 * k + im] = (x * c[2 * k + 1] + y * c[2 * k]) * s;
  }
}

namespace {

// Recently used plans of one element type, newest first.
template <class T>
struct PlanCache {
  static constexpr int64_t kMaxBytes = int64_t{64} << 20;
  std::mutex mutex;
  std::list<std::shared_ptr<const FftPlan<T>>> plans;
  int64_t bytes = 0;
};

template <class T>
PlanCache<T>& plan_cache() {
  static auto* const cache = new PlanCache<T>;  // never freed: threads may run kernels at exit
  return *cache;
}

}  // namespace

template <class T>
std::shared_ptr<const FftPlan<T>> FftPlan<T>::of(int64_t n, bool whole) {
  PlanCache<T>& cache = plan_cache<T>();
  {
    const std::lock_guard<std::mutex> lock(cache.mutex);
    for (auto at = cache.plans.begin(); at != cache.plans.end(); ++at) {
      if ((*at)->n() != n || (*at)->whole_ != whole) continue;
      cache.plans.splice(cache.plans.begin(), cache.plans, at);
      return cache.plans.front();
    }
  }
  auto plan = std::make_shared<FftPlan>(n, whole);
  if (!whole) {
    const Roots roots(2 * n);
    for (int64_t k = 0; k <= n; ++k) push(plan->half_roots_, roots(k));
  }
  const std::lock_guard<std::mutex> lock(cache.mutex);
  cache.plans.push_front(plan);
  cache.bytes += plan->table_bytes();
  while (cache.bytes > PlanCache<T>::kMaxBytes && cache.plans.size() > 1) {
    cache.bytes -= cache.plans.back()->table_bytes();
    cache.plans.pop_back();
  }
  return plan;
}

template class FftPlan<float>;
template class FftPlan<double>;

}  // namespace phintys
