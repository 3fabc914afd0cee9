#include "compiler/support/ElementTypes.h"

using namespace mlir;

Type adze::elementType(MLIRContext *context, DType type) {
  auto integer = [&](unsigned bits) { return IntegerType::get(context, bits); };
  auto natural = [&](unsigned bits) { return IntegerType::get(context, bits, IntegerType::Unsigned); };
  switch (type) {
  case DType::F32:
    return Float32Type::get(context);
  case DType::F64:
    return Float64Type::get(context);
  case DType::F16:
    return Float16Type::get(context);
  case DType::BF16:
    return BFloat16Type::get(context);
  case DType::F8E4M3FN:
    return Float8E4M3FNType::get(context);
  case DType::F8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case DType::F8E5M2:
    return Float8E5M2Type::get(context);
  case DType::F8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case DType::F8E8M0:
    return Float8E8M0FNUType::get(context);
  case DType::F4E2M1:
    return Float4E2M1FNType::get(context);
  case DType::Bool:
    return integer(1);
  case DType::I2:
    return integer(2);
  case DType::I4:
    return integer(4);
  case DType::I8:
    return integer(8);
  case DType::I16:
    return integer(16);
  case DType::I32:
    return integer(32);
  case DType::I64:
    return integer(64);
  case DType::U2:
    return natural(2);
  case DType::U4:
    return natural(4);
  case DType::U8:
    return natural(8);
  case DType::U16:
    return natural(16);
  case DType::U32:
    return natural(32);
  case DType::U64:
    return natural(64);
  default:
    return Type();
  }
}

adze::DType adze::dtypeOf(Type element) {
  for (unsigned number = 1; dtypeFromOnnx(number); ++number)
    if (elementType(element.getContext(), *dtypeFromOnnx(number)) == element)
      return *dtypeFromOnnx(number);
  return DType::Undefined;
}
