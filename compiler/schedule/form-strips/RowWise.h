// Row-wise work: which ops compute each row from the same row alone, and their copies for a strip of rows.
#ifndef ADZE_COMPILER_SCHEDULE_FORM_STRIPS_ROWWISE_H
#define ADZE_COMPILER_SCHEDULE_FORM_STRIPS_ROWWISE_H

#include "dialects/tile/TileDialect.h"
#include "mlir/IR/IRMapping.h"

namespace adze::schedule {

/// True when a result or operand of `op` (regions included) has `rows` rows that op works on.
bool touchesRows(mlir::Operation *op, int64_t rows);
/// The rows that all of `ops` share: 0 when no tile has rows, failure when an op mixes rows.
mlir::FailureOr<int64_t> commonRows(mlir::ArrayRef<mlir::Operation *> ops);
/// A free tile (isFree) of another type; `row` is added along dim 0 where the content depends on it (null = 0). `map`:
/// the copies of its scalar operands.
mlir::Value resizeFree(mlir::OpBuilder &b, mlir::Value tile, mlir::RankedTensorType type, mlir::Value row,
                       const mlir::IRMapping *map = nullptr);

/// Clones row-wise ops for `strip` rows from `row` on.
class RowCloner {
public:
  RowCloner(mlir::OpBuilder &b, mlir::Value row, int64_t rows, int64_t strip)
      : b(b), row(row), rows(rows), strip(strip) {}
  void clone(mlir::Operation *op);
  /// The strip's rows of a value of the original text.
  mlir::Value rowsOf(mlir::Value v);

private:
  bool hasRows(mlir::Value v) const;
  mlir::Type stripType(mlir::Type type) const;

  mlir::OpBuilder &b;
  mlir::Value row;
  int64_t rows, strip;
  mlir::IRMapping map;
};

} // namespace adze::schedule

#endif
