// Einsum as one matrix product a pair of operands, and Det of small matrices.
#include "compiler/import/HandlerTable.h"
#include "compiler/import/NodeContext.h"
#include <string>

using namespace adze;
using namespace adze::graph;
using llvm::SmallVector;
using mlir::AffineExpr;
using mlir::Value;

namespace {

/// A tensor whose dims carry labels: letters, and digits for the dims that an ellipsis stands for.
struct Term {
  Value value;
  std::string labels;
};

class Einsum {
public:
  explicit Einsum(NodeContext &n) : n(n) {}
  void run();

private:
  bool parse();
  bool bindLabels();
  Term diagonal(Term t);
  Term summed(Term t, const std::string &keep);
  Term ordered(Term t, const std::string &labels);
  Term product(Term a, Term b, const std::string &keep);
  AffineExpr extent(const std::string &labels);

  NodeContext &n;
  SmallVector<std::string> inputs;
  std::string output;
  std::map<char, AffineExpr> extents;
};

/// Splits the equation; without "->" the result has the letters that occur once, in order.
bool Einsum::parse() {
  std::string text = n.attrString("equation", "");
  llvm::erase_if(text, [](char c) { return c == ' '; });
  size_t arrow = text.find("->");
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(text).take_front(arrow).split(parts, ',');
  if (parts.size() != n.numInputs())
    return n.malformed("the equation has " + llvm::Twine(parts.size()) + " terms for " + llvm::Twine(n.numInputs()) +
                       " operands"),
           false;
  std::string dots; // the longest ellipsis
  auto expand = [&](llvm::StringRef term, int64_t rank) -> std::optional<std::string> {
    size_t at = term.find("...");
    std::string labels = (at == llvm::StringRef::npos ? term : term.take_front(at)).str();
    if (at != llvm::StringRef::npos) {
      llvm::StringRef after = term.drop_front(at + 3);
      int64_t count = rank - static_cast<int64_t>(labels.size() + after.size());
      if (count < 0 || count > 10)
        return std::nullopt;
      // Ellipses align at their ends, as in broadcasting: '9' is the last dim.
      std::string digits;
      for (int64_t i = count; i > 0; --i)
        digits += static_cast<char>('0' + 10 - i);
      dots = digits.size() > dots.size() ? digits : dots;
      labels += digits + after.str();
    }
    for (char c : labels)
      if (!llvm::isAlpha(c) && !llvm::isDigit(c))
        return std::nullopt;
    return static_cast<int64_t>(labels.size()) == rank ? std::optional(labels) : std::nullopt;
  };
  for (auto [i, part] : llvm::enumerate(parts)) {
    auto labels = expand(part, n.rank(i));
    if (!labels)
      return n.malformed("term '" + part + "' of the equation does not fit an operand of rank " +
                         llvm::Twine(n.rank(i))),
             false;
    inputs.push_back(*labels);
  }
  if (arrow != std::string::npos) {
    llvm::StringRef right = llvm::StringRef(text).drop_front(arrow + 2);
    auto labels = expand(right, static_cast<int64_t>(right.size()) - (right.contains("...") ? 3 : 0) + dots.size());
    if (!labels)
      return n.malformed("the equation's result is not understood"), false;
    output = *labels;
    return true;
  }
  std::string all;
  for (const std::string &labels : inputs)
    all += labels;
  output = dots;
  for (char c = 'A'; c <= 'z'; ++c)
    if (llvm::isAlpha(c) && llvm::count(all, c) == 1)
      output += c;
  return true;
}

bool Einsum::bindLabels() {
  for (auto [i, labels] : llvm::enumerate(inputs))
    for (auto [d, label] : llvm::enumerate(labels)) {
      AffineExpr dim = n.dims(i)[d];
      auto [found, fresh] = extents.try_emplace(label, dim);
      if (fresh || n.sym().constantOf(dim) == 1)
        continue;
      if (n.sym().constantOf(found->second) == 1)
        found->second = dim;
      else if (!n.checkEqual(found->second, dim, "dims with the same label must be equal"))
        return false;
    }
  for (size_t i = 0; i < output.size(); ++i)
    if (!extents.count(output[i]) || output.find(output[i]) != i)
      return n.malformed("the result's labels must occur among the operands, each once"), false;
  return true;
}

AffineExpr Einsum::extent(const std::string &labels) {
  SmallVector<AffineExpr> dims;
  for (char c : labels)
    dims.push_back(extents[c]);
  return graph::product(n.context(), dims);
}

/// Takes the diagonal of a label that occurs twice: an element mask and a sum.
Term Einsum::diagonal(Term t) {
  for (size_t i = 0; i < t.labels.size() && t.value; ++i) {
    size_t j = t.labels.find(t.labels[i], i + 1);
    if (j == std::string::npos)
      continue;
    Dims dims = NodeContext::dimsOf(t.value), row(dims.size(), n.expr(1)), column = row;
    row[i] = dims[i], column[j] = dims[j];
    mlir::Type index = n.element(DType::I64);
    Value a = n.createTyped<IotaOp>(graph::makeTensorType(row, index), static_cast<int64_t>(i));
    Value b = n.createTyped<IotaOp>(graph::makeTensorType(column, index), static_cast<int64_t>(j));
    Value on = n.select(n.compare(CmpKind::eq, a, b), t.value, n.scalarLike(0, t.value));
    int64_t axis = static_cast<int64_t>(j);
    t.value = n.squeeze(n.reduce(on, {axis}, ReduceKind::sum), {axis});
    t.labels.erase(j, 1);
    --i;
  }
  return t;
}

/// Sums over the labels that nothing else needs.
Term Einsum::summed(Term t, const std::string &keep) {
  SmallVector<int64_t> axes;
  std::string left;
  for (auto [d, label] : llvm::enumerate(t.labels))
    if (keep.find(label) == std::string::npos)
      axes.push_back(static_cast<int64_t>(d));
    else
      left += label;
  if (t.value && !axes.empty())
    t.value = n.squeeze(n.reduce(t.value, axes, ReduceKind::sum), axes);
  t.labels = left;
  return t;
}

/// Dims in the order of `labels`; a label that is missing becomes a dim of size 1.
Term Einsum::ordered(Term t, const std::string &labels) {
  SmallVector<int64_t> perm, missing;
  for (auto [d, label] : llvm::enumerate(labels)) {
    size_t at = t.labels.find(label);
    if (at == std::string::npos)
      missing.push_back(static_cast<int64_t>(d));
    else
      perm.push_back(static_cast<int64_t>(at));
  }
  if (t.value && !n.failed())
    t.value = n.unsqueeze(n.transpose(t.value, perm), missing);
  t.labels = labels;
  return t;
}

/// Labels of both that stay are batch dims, labels of both that go are contracted.
Term Einsum::product(Term a, Term b, const std::string &keep) {
  std::string batch, contracted, left, right;
  for (char c : a.labels) {
    bool both = b.labels.find(c) != std::string::npos, stays = keep.find(c) != std::string::npos;
    (both ? stays ? batch : contracted : left) += c;
  }
  for (char c : b.labels)
    if (a.labels.find(c) == std::string::npos)
      right += c;
  if (!a.value || !b.value || n.failed())
    return {};
  if (contracted.empty()) {
    std::string all = batch + left + right;
    return {n.binary<MulOp>(ordered(a, all).value, ordered(b, all).value), all};
  }
  auto matrix = [&](Term t, const std::string &rows, const std::string &columns) {
    t = ordered(t, batch + rows + columns);
    Dims dims;
    for (char c : batch)
      dims.push_back(extents[c]);
    dims.push_back(extent(rows));
    dims.push_back(extent(columns));
    // A size-1 dim stands for any: spread it before dims are joined.
    Dims full;
    for (char c : t.labels)
      full.push_back(extents[c]);
    return n.reshape(n.broadcastTo(t.value, full), dims);
  };
  Value x = matrix(a, left, contracted), y = matrix(b, contracted, right);
  Term result = {n.create<MatmulOp>(x, y, false, false), batch + left + right};
  Dims dims;
  for (char c : result.labels)
    dims.push_back(extents[c]);
  result.value = n.reshape(result.value, dims);
  return result;
}

void Einsum::run() {
  if (!parse() || !bindLabels())
    return;
  mlir::Type element = n.element(n.dtype(0));
  bool narrow = isFloat(n.dtype(0)) && bitWidth(n.dtype(0)) < 32;
  bool integers = !isFloat(n.dtype(0));
  if (integers && n.numInputs() > 1 && bitWidth(n.dtype(0)) != 32)
    return n.unsupported("products of " + dtypeName(n.dtype(0)) + " are not supported", "cast to float or int32");
  Term total;
  for (unsigned i = 0; i < n.numInputs() && !n.failed(); ++i) {
    Value v = n.value(i);
    // What lies ahead and the result need these labels; the others are summed early.
    std::string ahead = output;
    for (unsigned k = i + 1; k < n.numInputs(); ++k)
      ahead += inputs[k];
    Term t = summed(diagonal({narrow ? n.cast(v, n.element(DType::F32)) : v, inputs[i]}), ahead + total.labels);
    total = i == 0 ? t : summed(product(total, t, ahead), ahead);
  }
  total = ordered(total, output);
  Dims dims;
  for (char c : output)
    dims.push_back(extents[c]);
  n.out(0, n.cast(n.broadcastTo(total.value, dims), element));
}

void einsum(NodeContext &n) { Einsum(n).run(); }

/// Expansion along the first row; n! products, so for small matrices only.
Value determinant(NodeContext &n, llvm::ArrayRef<SmallVector<Value>> m, size_t row, llvm::ArrayRef<size_t> columns) {
  if (columns.size() == 1)
    return m[row][columns[0]];
  Value total;
  for (size_t k = 0; k < columns.size(); ++k) {
    SmallVector<size_t> rest(columns);
    rest.erase(rest.begin() + k);
    Value part = n.create<MulOp>(m[row][columns[k]], determinant(n, m, row + 1, rest));
    total = !total ? part : k % 2 ? n.create<SubOp>(total, part) : n.create<AddOp>(total, part);
  }
  return total;
}

void det(NodeContext &n) {
  constexpr int64_t kLargest = 4;
  int64_t rank = n.rank(0);
  if (rank < 2)
    return n.malformed("the operand must have rank 2 or more");
  auto size = n.sym().constantOf(n.dims(0)[rank - 1]);
  if (!n.checkEqual(n.dims(0)[rank - 2], n.dims(0)[rank - 1], "the matrices must be square"))
    return;
  if (!size || *size < 1 || *size > kLargest)
    return n.unsupported("matrices of fixed size up to " + llvm::Twine(kLargest) + " are supported",
                         "compute the determinant outside the model");
  Value x = n.value(0);
  SmallVector<SmallVector<Value>> m(*size);
  SmallVector<size_t> columns;
  for (int64_t i = 0; i < *size; ++i) {
    columns.push_back(i);
    for (int64_t j = 0; j < *size; ++j) {
      SmallVector<AffineExpr> starts(rank, n.expr(0));
      Dims sizes = n.dims(0);
      starts[rank - 2] = n.expr(i), starts[rank - 1] = n.expr(j);
      sizes[rank - 2] = sizes[rank - 1] = n.expr(1);
      m[i].push_back(n.squeeze(n.slice(x, starts, sizes, SmallVector<int64_t>(rank, 1)), {rank - 2, rank - 1}));
    }
  }
  if (!n.failed())
    n.out(0, determinant(n, m, 0, columns));
}

} // namespace

void adze::registerEinsumHandlers(HandlerTable &t) {
  t.add("", "Det", 11, det, 1, 1);
  t.add("", "Einsum", 12, einsum, 1, kVariadic);
}
