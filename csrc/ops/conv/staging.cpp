#include "ops/conv/staging.h"

#include <numeric>

namespace phintys::conv {

int64_t Axis::period() const { return stride / std::gcd(dilation, stride); }

void Staging::plan_axes(const Geometry& g, bool is_gradient) {
  gradient = is_gradient;
  channels = gradient ? g.out_channels : g.in_channels;
  rows = gradient ? g.in_channels : g.out_channels;
  classes = copies = 1;
  for (int a = 0; a < 3; ++a) {
    const Axis& x = g.axis[a];
    extent[a] = x.extent();
    residues[a] = x.residues();
    base[a] = 0;
    points[a] = x.out;
    if (gradient) {
      base[a] = floor_div(x.lo, x.stride);
      points[a] = floor_div(x.in - 1 + x.lo, x.stride) - base[a] + 1;
      classes *= residues[a];
    } else {
      copies *= residues[a];
    }
  }
}

int64_t Staging::plan_channels(const Geometry& g, int64_t terms) {
  int64_t taps = 1;
  for (int a = 0; a < 3; ++a) {
    taps *= gradient ? ceil_div(g.axis[a].kernel, residues[a]) : g.axis[a].kernel;
  }
  block = terms / taps;
  if (block < 1) block = 1;
  if (block > channels) block = channels;
  blocks = ceil_div(channels, block);
  block = ceil_div(channels, blocks);
  return block * taps;
}

void Staging::plan_chunks(const Geometry& g, int64_t budget, int64_t most, int64_t tasks) {
  outer = points[0] > 1 ? 0 : points[1] > 1 ? 1 : 2;
  int64_t inner = 1;  // staged points of one step on the outer axis
  for (int a = outer + 1; a < 3; ++a) inner *= points[a] + extent[a];
  const int64_t before = outer == 0 ? 1 : (extent[0] + 1) * (outer == 2 ? extent[1] + 1 : 1);
  const int64_t all = points[outer], beyond = extent[outer];
  const int64_t depth = block * copies * before;
  images = 1;
  chunk = all;
  if (depth * inner * (all + beyond) <= budget && inner * all <= most) {
    images = std::min(budget / (depth * inner * (all + beyond)), most / (inner * all));
    images = std::min(images, ceil_div(g.batch * g.groups, tasks));
    images = std::max<int64_t>(1, std::min(images, g.batch));
  } else {
    chunk = std::min(budget / (depth * inner) - beyond, most / inner);
    chunk = std::min(all, std::max(chunk, 2 * beyond + 1));
    chunk = ceil_div(all, ceil_div(all, chunk));
  }
  chunks = ceil_div(all, chunk);
  groups_of_images = ceil_div(g.batch, images);
  images = ceil_div(g.batch, groups_of_images);
  for (int a = 0; a < 3; ++a) length[a] = (a == outer ? chunk : points[a]) + extent[a];
  plane = length[0] * length[1] * length[2];
  channel = row_pitch(copies * images * plane);
}

int64_t Staging::offset(const Geometry& g, const int64_t* k) const {
  int64_t copy = 0, at = 0;
  for (int a = 0; a < 3; ++a) {
    const Axis& x = g.axis[a];
    const int64_t steps = k[a] * x.dilation / x.stride;
    copy = copy * residues[a] + k[a] % x.period();
    at = at * length[a] + (gradient ? extent[a] - steps : steps);
  }
  return gradient ? at : at + copy * images * plane;
}

namespace {

// From one plane of the source to that of the next image or channel; 0 if it was read before.
int64_t next_source(const Part& part, const Planes& src, int64_t channel, int64_t image,
                    int64_t copy, int64_t copies) {
  const bool last_image = image + 1 == part.images;
  if (!last_image) return copy == 0 ? src.batch_stride : 0;
  if (copy + 1 < copies || channel + 1 == part.channels) return 0;
  return src.channel_stride - image * src.batch_stride;
}

}  // namespace

template <class T>
void stage_part(const Geometry& g, const Staging& p, const Part& part, const Planes& src, T* to) {
  const auto stage = conv_kernels<T>().stage;
  ConvStage<T> s;
  int64_t begin[3] = {0, 0, 0};
  begin[p.outer] = part.begin;
  for (int a = 0; a < 3; ++a) {
    const Axis& x = g.axis[a];
    s.n[a] = part.n[a] + p.extent[a];
    s.step[a] = p.gradient ? 1 : x.stride;
    s.size[a] = p.gradient ? x.out : x.in;
    s.stride[a] = src.stride[a];
  }
  s.pitch[0] = p.length[1] * p.length[2];
  s.pitch[1] = p.length[2];
  for (int64_t c = 0; c < part.channels; ++c) {
    for (int64_t copy = 0; copy < p.copies; ++copy) {
      int64_t rest = copy;
      for (int a = 2; a >= 0; --a) {
        const Axis& x = g.axis[a];
        if (p.gradient) {
          s.first[a] = begin[a] + p.base[a] - p.extent[a];
        } else {
          s.first[a] = begin[a] * x.stride + x.residue(rest % p.residues[a]) - x.lo;
          rest /= p.residues[a];
        }
      }
      for (int64_t i = 0; i < part.images; ++i) {
        s.dst = to + c * p.channel + (copy * p.images + i) * p.plane;
        s.src = src.data + (part.image + i) * src.batch_stride +
                (part.group * p.channels + part.channel + c) * src.channel_stride;
        s.next = next_source(part, src, c, i, copy, p.copies);
        stage(s);
      }
    }
  }
}

template void stage_part<float>(const Geometry&, const Staging&, const Part&, const Planes&,
                                float*);
template void stage_part<double>(const Geometry&, const Staging&, const Part&, const Planes&,
                                 double*);

}  // namespace phintys::conv
