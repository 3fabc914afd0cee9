// The program tier: when and where each kernel runs.
//
// Two forms. Before planning, exec.launch stands in @main on tensors (value semantics). Planning turns @main into an
// exec.program of buffers with fixed offsets and commands in a fixed order, which is written to the package one to one
// (runtime/schema/package.fbs).
#ifndef ADZE_EXEC_OPS_TD
#define ADZE_EXEC_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::adze::exec";
  let summary = "Buffers in a planned arena, dispatches, copies and host calls in a fixed order";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}
class Exec_Op<string mnemonic, list<Trait> traits = []> : Op<Exec_Dialect, mnemonic, traits> { let hasVerifier = 1; }

def BufferKind : I32EnumAttr<"BufferKind", "where a buffer lives (the order is the package schema's)", [
    I32EnumAttrCase<"input", 0>, I32EnumAttrCase<"output", 1>, I32EnumAttrCase<"weight", 2>, I32EnumAttrCase<"arena", 3>]> {
  let cppNamespace = "::adze::exec";
  let genSpecializedAttr = 0;
}
def BufferKindAttr : EnumAttr<Exec_Dialect, BufferKind, "buffer_kind"> { let assemblyFormat = "$value"; }
def Exec_Buffer : TypeDef<Exec_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "bytes at a place that is known at launch";
}

//===-- before planning --------------------------------------------------------------------------------------------===//
def Exec_LaunchOp : Exec_Op<"launch", [Pure]> {
  let summary = "runs a kernel on tensors";
  let description = [{Operands, then results, are the kernel's ref arguments in order. `dims`: the values of the kernel's
    dims over the module's symbols. A result that `aliases` names (result number -> operand number, -1 none) may share the
    operand's memory: the kernel reads each element of that operand only in the program, and at the index, that writes it.}];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<RankedTensorOf<[AnyType]>>:$inputs, AffineMapAttr:$dims,
                       OptionalAttr<DenseI64ArrayAttr>:$aliases);
  let results = (outs Variadic<RankedTensorOf<[AnyType]>>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` `dims` $dims attr-dict `:` functional-type($inputs, $outputs)";
}

//===-- after planning ---------------------------------------------------------------------------------------------===//
def Exec_ProgramOp : Exec_Op<"program", [IsolatedFromAbove, Symbol, NoTerminator, SingleBlock]> {
  let summary = "what one target runs";
  let description = [{`arena` (one result): bytes of the arena over the module's symbols. `lower_bound`: bytes live at the
    worst step, for the report.}];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$target, AffineMapAttr:$arena, OptionalAttr<AffineMapAttr>:$lower_bound);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `target` $target `arena` $arena attr-dict-with-keyword $body";
}
def Exec_BufferOp : Exec_Op<"buffer", [Pure]> {
  let summary = "a buffer: input or output `index`; weight `index` (weight store id); or a place in the arena";
  let arguments = (ins BufferKindAttr:$kind, I64Attr:$index, OptionalAttr<AffineMapAttr>:$offset, AffineMapAttr:$bytes);
  let results = (outs Exec_Buffer:$buffer);
  let assemblyFormat = "$kind $index (`at` $offset^)? `bytes` $bytes attr-dict";
}
def Exec_DispatchOp : Exec_Op<"dispatch"> {
  let summary = "runs `kernel` over `grid` programs; `scalars` are its dims";
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Exec_Buffer>:$buffers, AffineMapAttr:$scalars, AffineMapAttr:$grid);
  let assemblyFormat = "$kernel `(` $buffers `)` `scalars` $scalars `grid` $grid attr-dict";
}
def Exec_CopyOp : Exec_Op<"copy"> {
  let arguments = (ins Exec_Buffer:$to, Exec_Buffer:$from, AffineMapAttr:$bytes);
  let summary = "copies `bytes` bytes; the buffers do not overlap";
  let assemblyFormat = "$to `,` $from `bytes` $bytes attr-dict";
}
def Exec_FillOp : Exec_Op<"fill"> {
  let arguments = (ins Exec_Buffer:$to, I64Attr:$pattern, I64Attr:$pattern_bytes, AffineMapAttr:$bytes);
  let summary = "repeats the low `pattern_bytes` bytes of `pattern`";
  let assemblyFormat = "$to `with` $pattern `of` $pattern_bytes `bytes` $bytes attr-dict";
}
def Exec_StoreExprsOp : Exec_Op<"store_exprs"> {
  let arguments = (ins Exec_Buffer:$to, AffineMapAttr:$exprs, TypeAttr:$type);
  let summary = "writes expression values as integers of `type`";
  let assemblyFormat = "$to `,` $exprs `as` $type attr-dict";
}
def Exec_HostOp : Exec_Op<"host", [AttrSizedOperandSegments]> {
  let arguments = (ins StrAttr:$op, Variadic<Exec_Buffer>:$inputs, Variadic<Exec_Buffer>:$outputs, TypeArrayAttr:$types,
                       DenseI64ArrayAttr:$attrs, DenseF64ArrayAttr:$fattrs, DenseI64ArrayAttr:$defines);
  let summary = "an operation of the runtime's host table; `types`: the tensors' types, inputs first";
  let assemblyFormat = "$op `(` $inputs `)` `to` `(` $outputs `)` attr-dict";
}
def Exec_IfOp : Exec_Op<"if", [NoTerminator]> {
  let arguments = (ins Exec_Buffer:$condition);
  let regions = (region SizedRegion<1>:$then, SizedRegion<1>:$otherwise);
  let summary = "runs one of two command lists by a bool in memory";
  let assemblyFormat = "$condition attr-dict-with-keyword $then `else` $otherwise";
}
def Exec_LoopOp : Exec_Op<"loop", [NoTerminator, AttrSizedOperandSegments]> {
  let arguments = (ins AffineMapAttr:$trip, Optional<Exec_Buffer>:$condition, Optional<Exec_Buffer>:$iteration);
  let regions = (region SizedRegion<1>:$body);
  let summary = "runs a command list at most `trip` times, while the bool at `condition` holds";
  let assemblyFormat = "$trip (`while` $condition^)? (`index` $iteration^)? attr-dict-with-keyword $body";
}
#endif
