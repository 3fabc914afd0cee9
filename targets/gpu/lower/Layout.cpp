#include "targets/gpu/lower/Layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <map>

namespace adze::gpu {

int64_t Layout::threadSpan(unsigned dim) const {
  int64_t span = 0;
  for (llvm::ArrayRef<Bit> bits : {llvm::ArrayRef<Bit>(lanes), llvm::ArrayRef<Bit>(warps)})
    for (const Bit &bit : bits)
      if (bit.dim == static_cast<int>(dim))
        span += bit.stride;
  return span;
}

bool Layout::mayBeDead(unsigned reg) const {
  return llvm::any_of(llvm::seq<unsigned>(0, rank()), [&](unsigned d) { return mayBeDead(reg, d); });
}

bool Layout::isDead(unsigned reg) const {
  return llvm::any_of(llvm::seq<unsigned>(0, rank()), [&](unsigned d) { return offset(reg, d) >= shape[d]; });
}

bool Layout::isReplicated() const {
  auto idle = [](const Bit &bit) { return bit.dim < 0; };
  return llvm::any_of(lanes, idle) || llvm::any_of(warps, idle);
}

unsigned Layout::vectorWidth(unsigned dim, unsigned most) const {
  auto fits = [&](unsigned v) {
    if (registers() % v)
      return false;
    for (llvm::ArrayRef<Bit> bits : {llvm::ArrayRef<Bit>(lanes), llvm::ArrayRef<Bit>(warps)})
      for (const Bit &bit : bits)
        if (bit.dim == static_cast<int>(dim) && bit.stride % v)
          return false;
    for (unsigned r = 0; r < registers(); ++r)
      for (unsigned d = 0; d < rank(); ++d) {
        int64_t first = offset(r / v * v, d);
        if (offset(r, d) != first + (d == dim ? r % v : 0) || (d == dim && first % v))
          return false;
      }
    return true;
  };
  unsigned v = most;
  while (v > 1 && !fits(v))
    v /= 2;
  return v;
}

//===-- text ------------------------------------------------------------------------------------------------------===//

/// Registers as a product of (dim, step, count), innermost first; empty if they are not one.
static llvm::SmallVector<std::array<int64_t, 3>> factors(const Layout &l) {
  llvm::SmallVector<std::array<int64_t, 3>> out;
  unsigned n = l.registers(), done = 1;
  while (done < n) {
    int dim = -1;
    for (unsigned d = 0; d < l.rank(); ++d) {
      if (l.offset(done, d) == l.offset(0, d))
        continue;
      if (dim >= 0)
        return {};
      dim = d;
    }
    if (dim < 0)
      return {};
    int64_t step = l.offset(done, dim) - l.offset(0, dim);
    auto repeats = [&](unsigned k) { // block k is block 0 moved by k steps
      for (unsigned r = 0; r < done; ++r)
        for (unsigned d = 0; d < l.rank(); ++d)
          if (l.offset(k * done + r, d) != l.offset(r, d) + (static_cast<int>(d) == dim ? int64_t(k) * step : 0))
            return false;
      return true;
    };
    unsigned count = 1;
    while ((count + 1) * done <= n && repeats(count))
      ++count;
    if (count == 1 || n % (count * done))
      return {};
    out.push_back({dim, step, count});
    done *= count;
  }
  return out;
}

static void printBits(llvm::raw_ostream &os, llvm::ArrayRef<Bit> bits) {
  for (const Bit &bit : bits) {
    if (bit.dim < 0)
      os << " -";
    else
      os << " d" << bit.dim << ":" << bit.stride;
  }
}

std::string Layout::str() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "reg";
  auto product = factors(*this);
  if (!product.empty() || registers() == 1) {
    for (auto [dim, step, count] : product)
      os << " d" << dim << ":" << step << "x" << count;
    if (registers() == 1)
      os << " 1";
  } else {
    for (unsigned r = 0; r < registers(); ++r) {
      os << (r ? "," : " ") << "(";
      llvm::interleave(at(r), os, ".");
      os << ")";
    }
  }
  os << " lane";
  printBits(os, lanes);
  os << " warp";
  if (warps.empty())
    os << " 1";
  printBits(os, warps);
  return text;
}

//===-- constructors ----------------------------------------------------------------------------------------------===//

Layout rowBlocked(llvm::ArrayRef<int64_t> shape, Threads threads, llvm::ArrayRef<unsigned> order, unsigned vec,
                  llvm::ArrayRef<unsigned> warpOrder) {
  Layout l;
  l.shape.assign(shape.begin(), shape.end());
  if (warpOrder.empty())
    warpOrder = order;
  llvm::SmallVector<int64_t> covered(shape.size(), 1);
  if (!order.empty())
    covered[order[0]] = vec;
  auto spread = [&](unsigned bits, llvm::ArrayRef<unsigned> dims, llvm::SmallVectorImpl<Bit> &out) {
    for (unsigned d : dims)
      while (out.size() < bits && covered[d] < shape[d]) {
        out.push_back({static_cast<int>(d), covered[d]});
        covered[d] *= 2;
      }
    out.resize(bits);
  };
  spread(threads.lanes, order, l.lanes);
  spread(threads.warps, warpOrder, l.warps);
  // Registers: the vector innermost, then the repeats in the order of the dims.
  llvm::SmallVector<llvm::SmallVector<int32_t, 5>, 0> points(1, llvm::SmallVector<int32_t, 5>(shape.size(), 0));
  auto repeat = [&](unsigned d, int64_t count, int64_t step) {
    size_t n = points.size();
    for (int64_t k = 1; k < count; ++k)
      for (size_t i = 0; i < n; ++i) {
        points.push_back(points[i]);
        points.back()[d] += k * step;
      }
  };
  if (!order.empty())
    repeat(order[0], vec, 1);
  for (unsigned d : order)
    repeat(d, (shape[d] + covered[d] - 1) / covered[d], covered[d]);
  for (auto &p : points)
    l.offsets.append(p.begin(), p.end());
  return l;
}

Layout replicated(llvm::ArrayRef<int64_t> shape, Threads threads) {
  llvm::SmallVector<unsigned> order;
  for (unsigned d = shape.size(); d-- > 0;)
    order.push_back(d);
  Layout l = rowBlocked(shape, {0, 0}, order, 1);
  l.lanes.resize(threads.lanes);
  l.warps.resize(threads.warps);
  return l;
}

Layout slice(const Layout &full, llvm::ArrayRef<unsigned> dims, llvm::SmallVectorImpl<unsigned> *map) {
  Layout l;
  l.shape = full.shape;
  for (unsigned d : dims)
    l.shape[d] = 1;
  auto keep = [&](const Bit &bit) { return bit.dim >= 0 && llvm::is_contained(dims, unsigned(bit.dim)) ? Bit() : bit; };
  for (const Bit &bit : full.lanes)
    l.lanes.push_back(keep(bit));
  for (const Bit &bit : full.warps)
    l.warps.push_back(keep(bit));
  std::map<llvm::SmallVector<int32_t, 5>, unsigned> seen;
  for (unsigned r = 0; r < full.registers(); ++r) {
    llvm::SmallVector<int32_t, 5> p(full.at(r));
    for (unsigned d : dims)
      p[d] = 0;
    auto [it, isNew] = seen.try_emplace(p, seen.size());
    if (isNew)
      l.offsets.append(p.begin(), p.end());
    if (map)
      map->push_back(it->second);
  }
  return l;
}

/// dimOf[i]: the dim of `from` that becomes dim i, or -1.
static Layout relabel(const Layout &from, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int> dimOf) {
  Layout l;
  l.shape.assign(shape.begin(), shape.end());
  auto renamed = [&](const Bit &bit) {
    for (auto [i, d] : llvm::enumerate(dimOf))
      if (d == bit.dim && d >= 0)
        return Bit{static_cast<int>(i), bit.stride};
    return Bit();
  };
  for (const Bit &bit : from.lanes)
    l.lanes.push_back(renamed(bit));
  for (const Bit &bit : from.warps)
    l.warps.push_back(renamed(bit));
  for (unsigned r = 0; r < from.registers(); ++r)
    for (int d : dimOf)
      l.offsets.push_back(d < 0 ? 0 : from.offset(r, d));
  return l;
}

Layout permute(const Layout &from, llvm::ArrayRef<int64_t> perm) {
  llvm::SmallVector<int64_t> shape;
  llvm::SmallVector<int> dimOf;
  for (int64_t p : perm) {
    shape.push_back(from.shape[p]);
    dimOf.push_back(p);
  }
  return relabel(from, shape, dimOf);
}

bool unitsAreClean(const Layout &l) {
  for (unsigned d = 0; d < l.rank(); ++d) {
    if (l.shape[d] != 1)
      continue;
    if (l.threadSpan(d))
      return false;
    for (unsigned r = 0; r < l.registers(); ++r)
      if (l.offset(r, d))
        return false;
  }
  return true;
}

Layout reshapeUnits(const Layout &from, llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int> dimOf;
  unsigned next = 0;
  for (int64_t n : shape) {
    if (n == 1) {
      dimOf.push_back(-1);
      continue;
    }
    while (next < from.rank() && from.shape[next] == 1)
      ++next;
    dimOf.push_back(next++);
  }
  return relabel(from, shape, dimOf);
}

Layout tileAtom(const Atom &atom, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<Bit> warps) {
  Layout l;
  l.shape.assign(shape.begin(), shape.end());
  int lead = static_cast<int>(shape.size()) - 2;
  for (const Bit &bit : atom.lanes)
    l.lanes.push_back(bit.dim < 0 ? bit : Bit{bit.dim + lead, bit.stride});
  for (const Bit &bit : warps)
    l.warps.push_back(bit.dim < 0 ? bit : Bit{bit.dim, bit.stride * atom.shape[bit.dim - lead]});
  // Which atoms along a dim registers must hold so that the warps' shifts cover the rest.
  auto held = [&](int dim) {
    llvm::SmallVector<int64_t> shifts{0}, out;
    for (const Bit &bit : warps)
      if (bit.dim == dim)
        for (size_t i = 0, n = shifts.size(); i < n; ++i)
          shifts.push_back(shifts[i] + bit.stride);
    int64_t count = (shape[dim] + atom.shape[dim - lead] - 1) / atom.shape[dim - lead];
    std::vector<bool> covered(count);
    for (int64_t a = 0; a < count; ++a) {
      if (covered[a])
        continue;
      out.push_back(a * atom.shape[dim - lead]);
      for (int64_t s : shifts)
        if (a + s < count)
          covered[a + s] = true;
    }
    return out;
  };
  llvm::SmallVector<int64_t> rows = held(lead), columns = held(lead + 1);
  int64_t outer = 1;
  for (int d = 0; d < lead; ++d)
    outer *= shape[d];
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t row : rows)
      for (int64_t column : columns)
        for (unsigned r = 0; r < atom.registers(); ++r) {
          int64_t rest = o;
          llvm::SmallVector<int32_t, 5> p(shape.size());
          for (int d = lead - 1; d >= 0; --d) {
            p[d] = rest % shape[d];
            rest /= shape[d];
          }
          p[lead] = row + atom.offset(r, 0);
          p[lead + 1] = column + atom.offset(r, 1);
          l.offsets.append(p.begin(), p.end());
        }
  return l;
}

} // namespace adze::gpu
