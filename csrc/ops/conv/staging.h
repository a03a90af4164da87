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

}  // namespace phintys::conv
