// Distributions with parameters, on vectors. Elements whose candidate was rejected are packed
// together for the next attempt.
#include "ops/random/philox_candidates.h"
#include "ops/random/philox_kernels.h"

namespace phintys::PHINTYS_ISA {

namespace {

// The elements that have no number yet.
struct Open {
  int32_t at[kMaxLaneWork];
  int64_t index[kMaxLaneWork];
  double a[kMaxLaneWork], b[kMaxLaneWork];
  int64_t n = 0;
};

// candidate(lanes, a, b, attempt) until every element has an accepted one.
template <class F>
PHINTYS_INLINE void draw_until_accepted(const LaneWork& work, F candidate) {
  const PhiloxState& s = work.state;
  const VI64 c = VI64::broadcast(static_cast<int64_t>(s.draw & 0xffffffff));
  const VI64 d = VI64::broadcast(static_cast<int64_t>(s.draw >> 32));
  Lanes lanes{philox_keys(s), VI64::broadcast(0), c, d};
  Open open;
  VI64 steps = lane_numbers();
  for (int i = 0; i < VI64::lanes; ++i) steps.v[i] *= static_cast<int64_t>(work.step);
  for (int64_t i = 0; i < work.n; i += VI64::lanes) {
    const uint64_t first = work.first + static_cast<uint64_t>(i) * work.step;
    lanes.index = steps + static_cast<int64_t>(first);
    const Candidate x = candidate(lanes, VF64::load(work.a + i), VF64::load(work.b + i), 1);
    x.value.store(work.out + i);
    if (all(x.accepted)) continue;
    for (int lane = 0; lane < VI64::lanes; ++lane) {
      if (!get_lane(x.accepted, lane)) open.at[open.n++] = static_cast<int32_t>(i + lane);
    }
  }
  for (int64_t attempt = 2; open.n > 0 && attempt < kMaxAttempts; ++attempt) {
    const int64_t n = open.n;
    const int64_t padded = (n + VI64::lanes - 1) / VI64::lanes * VI64::lanes;
    for (int64_t i = 0; i < padded; ++i) {
      const int32_t at = open.at[i < n ? i : n - 1];
      open.index[i] = static_cast<int64_t>(work.first + static_cast<uint64_t>(at) * work.step);
      open.a[i] = work.a[at];
      open.b[i] = work.b[at];
    }
    open.n = 0;
    for (int64_t i = 0; i < n; i += VI64::lanes) {
      lanes.index = VI64::load(open.index + i);
      const Candidate x = candidate(lanes, VF64::load(open.a + i), VF64::load(open.b + i), attempt);
      double values[VI64::lanes];
      x.value.store(values);
      for (int lane = 0; lane < VI64::lanes && i + lane < n; ++lane) {
        const int32_t at = open.at[i + lane];
        if (get_lane(x.accepted, lane)) {
          work.out[at] = values[lane];
        } else {
          open.at[open.n++] = at;  // at or before i + lane: already read
        }
      }
    }
  }
}

}  // namespace

void philox_gamma_lanes(const LaneWork& work) {
  draw_until_accepted(work, GammaCandidate<false>());
}
void philox_log_gamma_lanes(const LaneWork& work) {
  draw_until_accepted(work, GammaCandidate<true>());
}
void philox_poisson_lanes(const LaneWork& work) { draw_until_accepted(work, PoissonCandidate()); }
void philox_binomial_lanes(const LaneWork& work) { draw_until_accepted(work, BinomialCandidate()); }
void philox_truncated_normal_lanes(const LaneWork& work) {
  draw_until_accepted(work, TruncatedNormalCandidate());
}

}  // namespace phintys::PHINTYS_ISA
