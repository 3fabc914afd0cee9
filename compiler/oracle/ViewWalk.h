// forEachRun, for View.h only.
#ifndef ADZE_COMPILER_ORACLE_VIEWWALK_H
#define ADZE_COMPILER_ORACLE_VIEWWALK_H

namespace adze::oracle {
namespace detail {

/// Stretches of coordinates [lo, hi) of one dim; `position` is that of lo.
template <typename Run>
void dimRuns(const ViewDim &dim, int64_t lo, int64_t hi, int64_t position, int64_t base, Run &&run) {
  int64_t length = dim.run(), stride = dim.runStride();
  if (!length) {
    run(position, base + dim.address(lo), stride, hi - lo);
    return;
  }
  for (int64_t c = lo; c < hi;) {
    int64_t end = std::min(hi, (c / length + 1) * length);
    run(position + (c - lo), base + dim.address(c), stride, end - c);
    c = end;
  }
}

/// One element at a time: every element has its own index in one dim.
template <typename Run>
void elementRuns(const RuntimeView &view, const int64_t *offsets, llvm::ArrayRef<int64_t> shape,
                 const Indirection &indirection, Run &&run) {
  size_t rank = view.dims.size(), lead = rank - shape.size();
  llvm::SmallVector<int64_t, 6> at(shape.size(), 0);
  int64_t total = 1;
  for (int64_t s : shape)
    total *= s;
  for (int64_t e = 0; e < total; ++e) {
    int64_t address = view.offset;
    bool valid = true;
    for (size_t d = 0; d < rank && valid; ++d) {
      int64_t own = d < lead ? 0 : at[d - lead];
      int64_t c = offsets[d] + (static_cast<int64_t>(d) == indirection.dim ? indirection.indices[e] : own);
      valid = c >= 0 && c < view.dims[d].extent;
      if (valid)
        address += view.dims[d].address(c);
    }
    if (valid)
      run(e, address, 1, 1);
    for (size_t d = shape.size(); d-- > 0 && ++at[d] == shape[d];)
      at[d] = 0;
  }
}

/// [pixel, taps..., C] of an implicit im2col view.
template <typename Run>
void windowRuns(const RuntimeView &view, const int64_t *offsets, llvm::ArrayRef<int64_t> shape, Run &&run) {
  const Window &w = *view.window;
  size_t spatial = w.out.size(), rank = spatial + 2, lead = rank - shape.size();
  auto size = [&](size_t d) { return d < lead ? int64_t(1) : shape[d - lead]; };
  int64_t taps = 1, channels = size(rank - 1);
  for (size_t s = 0; s < spatial; ++s)
    taps *= size(1 + s);
  int64_t cLo = std::max<int64_t>(offsets[rank - 1], 0);
  int64_t cHi = std::min(offsets[rank - 1] + channels, w.source.back().extent);
  if (cLo >= cHi)
    return;
  int64_t cSkip = cLo - offsets[rank - 1];
  for (int64_t i = 0; i < size(0); ++i) {
    int64_t pixel = offsets[0] + i, rest = pixel, p[3];
    if (pixel < 0)
      continue;
    for (size_t s = spatial; s-- > 0;) {
      p[s] = w.out[s] ? rest % w.out[s] : 0;
      rest = w.out[s] ? rest / w.out[s] : w.source[0].extent;
    }
    if (rest >= w.source[0].extent)
      continue;
    int64_t image = view.offset + w.source[0].address(rest);
    for (int64_t t = 0; t < taps; ++t) {
      int64_t address = image, tap = t;
      bool inside = true;
      for (size_t s = spatial; s-- > 0;) {
        int64_t r = offsets[1 + s] + tap % size(1 + s);
        tap /= size(1 + s);
        int64_t h = p[s] * (w.transposed ? 1 : w.stride[s]) + r * w.dilation[s] - w.pad[s];
        inside &= r >= 0 && r < w.kernel[s] && h >= 0;
        if (w.transposed) {
          inside &= h % w.stride[s] == 0;
          h /= w.stride[s];
        }
        inside &= h < w.source[1 + s].extent;
        if (!inside)
          break;
        address += w.source[1 + s].address(h);
      }
      if (inside)
        dimRuns(w.source.back(), cLo, cHi, (i * taps + t) * channels + cSkip, address, run);
    }
  }
}

} // namespace detail

template <typename Run>
void forEachRun(const RuntimeView &view, const int64_t *offsets, llvm::ArrayRef<int64_t> shape,
                const Indirection *indirection, Run &&run) {
  if (view.window)
    return detail::windowRuns(view, offsets, shape, run);
  if (indirection && indirection->elementwise)
    return detail::elementRuns(view, offsets, shape, *indirection, run);
  size_t rank = view.dims.size(), lead = rank - shape.size();
  // The walk's inner dim is the last with more than one element: those behind it are single.
  size_t inner = rank ? rank - 1 : 0;
  while (inner > lead && shape[inner - lead] == 1)
    --inner;
  int64_t base = view.offset, total = 1;
  llvm::SmallVector<DimTable, 5> tables;
  llvm::SmallVector<int64_t, 6> strides; // of positions
  int64_t positions = 1;
  for (int64_t s : shape)
    positions *= s;
  for (size_t d = 0; d < rank; ++d) {
    int64_t size = d < lead ? 1 : shape[d - lead];
    positions /= size;
    const int64_t *indices =
        indirection && static_cast<int64_t>(d) == indirection->dim ? indirection->indices : nullptr;
    if (d == inner && !indices)
      continue;
    if (size == 1) {
      int64_t c = offsets[d] + (indices ? indices[0] : 0);
      if (c < 0 || c >= view.dims[d].extent)
        return;
      base += view.dims[d].address(c);
      continue;
    }
    tables.emplace_back().fill(view.dims[d], offsets[d], size, indices);
    strides.push_back(positions);
    total *= size;
  }
  bool innerIndirect = rank == 0 || (indirection && static_cast<int64_t>(inner) == indirection->dim);
  int64_t lo = 0, hi = 1, skip = 0;
  if (!innerIndirect) {
    int64_t size = inner < lead ? 1 : shape[inner - lead];
    lo = std::max<int64_t>(offsets[inner], 0);
    hi = std::min(offsets[inner] + size, view.dims[inner].extent);
    skip = lo - offsets[inner];
    if (lo >= hi)
      return;
  }
  llvm::SmallVector<int64_t, 6> at(tables.size(), 0);
  for (int64_t row = 0; row < total; ++row) {
    int64_t address = base, position = skip;
    bool valid = true;
    for (size_t t = 0; t < tables.size(); ++t) {
      valid &= tables[t].valid[at[t]] != 0;
      address += tables[t].address[at[t]];
      position += at[t] * strides[t];
    }
    if (valid && innerIndirect)
      run(position, address, 1, 1);
    else if (valid)
      detail::dimRuns(view.dims[inner], lo, hi, position, address, run);
    for (size_t t = tables.size(); t-- > 0 && ++at[t] == tables[t].size;)
      at[t] = 0;
  }
}

} // namespace adze::oracle

#endif
