// How pieces of an input are brought into cache: shared by everything that reads shifted points.
#pragma once

#include <algorithm>

#include "ops/conv/geometry.h"

namespace phintys::conv {

// A piece of the source: `block` channels of `images` images, `chunk` points of axis `outer` and
// all of the others. What is staged is what the taps of these points read.
struct Staging {
  int64_t channels, rows;  // of a group: summed over, computed
  bool gradient;           // the source is the gradient of y, the points are those of x / stride
  int64_t points[3];       // virtual outputs on each axis
  int64_t extent[3];       // staged points beyond those
  int64_t residues[3];     // staged classes (forward) or output classes (gradient)
  int64_t base[3];         // first virtual output (gradient)
  int64_t classes;         // of outputs
  int64_t copies;          // staged classes
  int outer;               // axis that is cut into chunks
  int64_t chunk, chunks;   // points of it
  int64_t images, groups_of_images;
  int64_t block, blocks;   // channels at a time
  int64_t length[3];       // staged region
  int64_t plane, channel;  // elements of a staged plane, distance of channels

  void plan_axes(const Geometry& g, bool is_gradient);
  // Channels at a time, so that sums have at most some `terms`; returns how many they have.
  int64_t plan_channels(const Geometry& g, int64_t terms);
  // Rows of points, or images, at a time: about `budget` staged elements and `most` points. Images
  // stay apart if there would be fewer than `tasks` groups of them.
  void plan_chunks(const Geometry& g, int64_t budget, int64_t most, int64_t tasks);

  // Elements of the buffer.
  int64_t size() const { return round_up(block * channel + 4 * kConvSlack, 16); }
  // Points of a full chunk.
  int64_t chunk_points(int axis) const { return length[axis] - extent[axis]; }
  // Where tap k of the first point lies.
  int64_t offset(const Geometry& g, const int64_t* k) const;
};

// Part of the source that a task works on.
struct Part {
  int64_t group, channel, channels, image, images;
  int64_t begin;  // on the outer axis
  int64_t n[3];   // points
};

template <class T>
void stage_part(const Geometry& g, const Staging& s, const Part& part, const Planes& src, T* to);

// Calls f(class, c, n, taps, before) for each class of outputs in order: c[a] of n[a] on axis a,
// its number of taps and that of all classes before.
template <class F>
void for_classes(const Geometry& g, const Staging& p, F&& f) {
  const int64_t n[3] = {p.gradient ? p.residues[0] : 1, p.gradient ? p.residues[1] : 1,
                        p.gradient ? p.residues[2] : 1};
  int64_t number = 0, before = 0;
  for (int64_t c0 = 0; c0 < n[0]; ++c0) {
    for (int64_t c1 = 0; c1 < n[1]; ++c1) {
      for (int64_t c2 = 0; c2 < n[2]; ++c2) {
        const int64_t c[3] = {c0, c1, c2};
        int64_t taps = 1;
        for (int a = 0; a < 3; ++a) taps *= ceil_div(g.axis[a].kernel - c[a], n[a]);
        f(number++, c, n, taps, before);
        before += taps;
      }
    }
  }
}

// Calls f(tap number, k) for the taps of a class.
template <class F>
void for_taps(const Geometry& g, const int64_t* c, const int64_t* step, F&& f) {
  int64_t tap = 0;
  for (int64_t k0 = c[0]; k0 < g.axis[0].kernel; k0 += step[0]) {
    for (int64_t k1 = c[1]; k1 < g.axis[1].kernel; k1 += step[1]) {
      for (int64_t k2 = c[2]; k2 < g.axis[2].kernel; k2 += step[2]) {
        const int64_t k[3] = {k0, k1, k2};
        f(tap++, k);
      }
    }
  }
}

}  // namespace phintys::conv
