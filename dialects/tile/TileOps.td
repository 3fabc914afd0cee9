// The kernel tier: how one kernel computes its result, block by block, on any chip. docs/tile.md is the specification.
//
// A kernel is a grid of programs over statically shaped tiles (builtin tensors). Elementwise work is arith and math on
// tensors, loops are scf.for with #tile.loop. Integers are signless; ops carry signedness.
#ifndef ADZE_TILE_OPS_TD
#define ADZE_TILE_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::adze::tile";
  let summary = "One kernel as a grid of programs over static tiles and views with dynamic extents";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::affine::AffineDialect"];
}

//===-- enums ------------------------------------------------------------------------------------------------------===//
class Tile_Enum<string name, string summary, list<string> names>
    : I32EnumAttr<name, summary, !foreach(i, !range(!size(names)), I32EnumAttrCase<names[i], i, names[i]>)> {
  let cppNamespace = "::adze::tile";
  let genSpecializedAttr = 0;
}
class Tile_EnumAttr<EnumInfo e, string mnemonic> : EnumAttr<Tile_Dialect, e, mnemonic> { let assemblyFormat = "$value"; }
def Effect : Tile_Enum<"Effect", "how a kernel uses an argument", ["in", "out", "inout"]>;
def LoopKind : Tile_Enum<"LoopKind", "what may be done to a loop", ["reduce", "serial", "parallel"]>;
def RoundMode : Tile_Enum<"RoundMode", "rounding of a cast", ["rne", "rtz", "floor"]>;
def TileReduceKind : I32EnumAttr<"TileReduceKind", "combining operation (maxnum, minnum drop NaN; max, min propagate it)", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"mul", 1>, I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"min", 3>,
    I32EnumAttrCase<"maxnum", 4>, I32EnumAttrCase<"minnum", 5>, I32EnumAttrCase<"And", 6, "and">,
    I32EnumAttrCase<"Or", 7, "or">, I32EnumAttrCase<"Xor", 8, "xor">]> {
  let cppNamespace = "::adze::tile";
  let genSpecializedAttr = 0;
}
def DotPrecision : Tile_Enum<"DotPrecision", "how a float32 dot multiplies", ["ieee", "tf32", "bf16x3"]>;
def CombineKind : Tile_Enum<"CombineKind", "what a scatter does with the old value",
  ["set", "unique", "add", "mul", "max", "min"]>;

//===-- types and attributes ---------------------------------------------------------------------------------------===//
def Tile_Ref : TypeDef<Tile_Dialect, "Ref"> {
  let mnemonic = "ref";
  let summary = "a kernel's buffer argument: element type and effect";
  let parameters = (ins "::mlir::Type":$elementType, EnumParameter<Effect>:$effect);
  let assemblyFormat = "`<` $elementType `,` $effect `>`";
}
def Tile_View : TypeDef<Tile_Dialect, "View"> {
  let mnemonic = "view";
  let summary = "a typed window on a buffer: logical extents (`?` = a value at launch), element type, effect, layout";
  let description = [{`layout` is null for strided storage (row-major unless tile.view declares strides), or one of
    #tile.pack, #tile.composite, #tile.windowed.}];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType, EnumParameter<Effect>:$effect,
                        OptionalParameter<"::mlir::Attribute">:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    unsigned getRank() const { return getShape().size(); }
    bool isDynamicDim(unsigned i) const { return ::mlir::ShapedType::isDynamic(getShape()[i]); }
  }];
}
def Tile_Pack : AttrDef<Tile_Dialect, "Pack"> {
  let mnemonic = "pack";
  let summary = "blocked storage addressed by logical coordinates";
  let description = [{`map` takes logical coordinates to physical ones; each result is d, d floordiv c or d mod c.
    `blocks` holds the block size of each logical dim (1 = not blocked): the physical extent of `d floordiv c` is
    ceil(extent/c) and elements beyond the extent hold `0`. Tiles must align with the blocks.
    `inner`: a target-owned permutation inside one block ("" = none).}];
  let parameters = (ins "::mlir::AffineMap":$map, ArrayRefParameter<"int64_t">:$blocks, StringRefParameter<"", "\"\"">:$inner);
  let assemblyFormat = "`<` $map `,` `[` $blocks `]` (`,` $inner^)? `>`";
}
def Tile_Composite : AttrDef<Tile_Dialect, "Composite"> {
  let mnemonic = "composite";
  let summary = "logical dims made of several physical dims";
  let description = [{`groups` gives the number of physical dims of each logical dim, in order. Factors after the first of
    a group are static and listed in `inner` in order; a tile's offset and size in such a dim must be a multiple or a
    divisor of the product of its inner factors.}];
  let parameters = (ins ArrayRefParameter<"int64_t">:$groups, ArrayRefParameter<"int64_t">:$inner);
  let assemblyFormat = "`<` `[` $groups `]` `,` `[` $inner `]` `>`";
}
def Tile_Windowed : AttrDef<Tile_Dialect, "Windowed"> {
  let mnemonic = "windowed";
  let summary = "implicit im2col, made by tile.window";
  let parameters = (ins "unsigned":$spatialDims);
  let assemblyFormat = "`<` $spatialDims `>`";
}
def Tile_Loop : AttrDef<Tile_Dialect, "Loop"> {
  let mnemonic = "loop";
  let summary = "name and kind of an scf.for, in its attribute `tile.loop`";
  let parameters = (ins StringRefParameter<>:$name, EnumParameter<LoopKind>:$kind);
  let assemblyFormat = "`<` $name `,` $kind `>`";
}
def Tile_Schedule : AttrDef<Tile_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a target runs the kernel; deleting it never changes a result bit";
  let description = [{
    grid: {order = [..], group, persistent, cluster = [..]}; loops: {NAME = {stages = {TAG = n}, batch, unroll, peel_edge}};
    ops: {TAG = {path, lead, resident, unit}}; target: private to one target.}];
  let parameters = (ins "::mlir::DictionaryAttr":$grid, "::mlir::DictionaryAttr":$loops, "::mlir::DictionaryAttr":$ops,
                        OptionalParameter<"::mlir::Attribute">:$target);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tile_Numerics : AttrDef<Tile_Dialect, "Numerics"> {
  let mnemonic = "numerics";
  let summary = "the kernel's licences: accumulation type, reduction order, denormals (docs/numeric-contract.md)";
  let parameters = (ins "::mlir::Type":$acc, StringRefParameter<>:$order, "bool":$flush);
  let assemblyFormat = "`<` struct(params) `>`";
}

//===-- base -------------------------------------------------------------------------------------------------------===//
def Tile_Tile : RankedTensorOf<[AnyType]>;
class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}
class Tile_PureOp<string mnemonic, list<Trait> traits = []> : Tile_Op<mnemonic, !listconcat(traits, [Pure])>;

//===-- kernel -----------------------------------------------------------------------------------------------------===//
def Tile_KernelOp : Tile_Op<"kernel", [IsolatedFromAbove, Symbol]> {
  let summary = "one kernel: body (one program's work), fold (merges split work), finish (epilogue)";
  let description = [{
    Block arguments of every region begin with: one index for each name in `dims`; the arguments (`arg_types`: refs, then
    scalars); the grid offsets (of the split dim: the share's number, in body only). fold continues with two accumulator
    tuples, finish with one. `grid_extents` maps dims to extents; the program's offset in grid dim g runs from 0 in steps of
    `grid_steps[g]`; `split` names the grid dim (extent = number of shares, step 1) whose partial results fold merges.
    A kernel without finish stores in its body and yields nothing.

    Facts: `facts` = {NAME = {div = n, min = a, max = b}} for dims; alignment in bytes of argument i: `align` [i].
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$key, StrArrayAttr:$dims, TypeArrayAttr:$arg_types,
                       AffineMapAttr:$grid_extents, DenseI64ArrayAttr:$grid_steps, OptionalAttr<I64Attr>:$split,
                       OptionalAttr<DictionaryAttr>:$facts, OptionalAttr<DenseI64ArrayAttr>:$align,
                       OptionalAttr<Tile_Numerics>:$numerics, OptionalAttr<Tile_Schedule>:$schedule,
                       OptionalAttr<DictionaryAttr>:$plan);
  let regions = (region SizedRegion<1>:$body, AnyRegion:$fold, AnyRegion:$finish);
  let assemblyFormat = "$sym_name attr-dict-with-keyword `body` $body (`fold` $fold^)? (`finish` $finish^)?";
  let extraClassDeclaration = [{
    unsigned getNumDims() { return getDims().size(); }
    unsigned getNumArgs() { return getArgTypes().size(); }
    unsigned getNumRefs();
    unsigned getGridRank() { return getGridSteps().size(); }
    /// Block arguments of a region, by part.
    ::mlir::Block::BlockArgListType getDimArgs(::mlir::Region &region);
    ::mlir::Block::BlockArgListType getArgs(::mlir::Region &region);
    ::mlir::Block::BlockArgListType getOffsets(::mlir::Region &region);
    /// The accumulators: those of finish, or both tuples of fold.
    ::mlir::Block::BlockArgListType getAccumulators(::mlir::Region &region);
    /// Types that body yields.
    ::mlir::TypeRange getAccumulatorTypes();
    /// Adds the region's block with its arguments and returns it.
    ::mlir::Block *addBlock(::mlir::Region &region, ::mlir::TypeRange accumulators = {});
  }];
}
def Tile_YieldOp : Tile_PureOp<"yield", [Terminator, HasParent<"KernelOp">]> {
  let summary = "ends a region with its accumulators";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
  let hasVerifier = 0;
}

//===-- views ------------------------------------------------------------------------------------------------------===//
def Tile_ViewOp : Tile_PureOp<"view", [AttrSizedOperandSegments]> {
  let summary = "binds extents, strides and layout to an argument";
  let description = [{`extents`: one index for each `?` of the *physical* extents: for strided and packed views those are
    the type's own shape; for a composite view each group's first factor, where dynamic. `strides` (elements, one a
    physical dim) and `offset` (elements) are only for strided and composite views; without strides storage is row-major.
    A stride may be 0 or negative.}];
  let arguments = (ins Tile_Ref:$ref, Variadic<Index>:$extents, Variadic<Index>:$strides, Optional<Index>:$offset);
  let results = (outs Tile_View:$view);
  let assemblyFormat = [{$ref `[` $extents `]` (`strides` `[` $strides^ `]`)? (`offset` $offset^)? attr-dict `:` type($ref) `->` type($view)}];
}
def Tile_SubviewOp : Tile_PureOp<"subview"> {
  let summary = "fixes the leading dims at `offsets` and drops them";
  let arguments = (ins Tile_View:$source, Variadic<Index>:$offsets);
  let results = (outs Tile_View:$view);
  let assemblyFormat = "$source `[` $offsets `]` attr-dict `:` type($source) `->` type($view)";
}
def Tile_WindowOp : Tile_PureOp<"window"> {
  let summary = "implicit im2col: source [N, spatial..., C] -> [(N, out spatial...), taps..., C]";
  let description = [{Element (n, p.., r.., c) lies at input position p*stride + r*dilation - pad of each spatial dim, and
    reads the pad of the load outside the input. `transposed`: the input is dilated by `stride` and the window's own stride
    is 1 (transposed convolution): position (p + r*dilation - pad), which must be divisible by stride, else the pad.
    `out`: the output extent of each spatial dim. The first logical dim is the flattened pixel (N, out spatial...).}];
  let arguments = (ins Tile_View:$source, Variadic<Index>:$out, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$stride,
                       DenseI64ArrayAttr:$dilation, DenseI64ArrayAttr:$pad, UnitAttr:$transposed);
  let results = (outs Tile_View:$view);
  let assemblyFormat = "$source `[` $out `]` attr-dict `:` type($source) `->` type($view)";
}
def Tile_DimOp : Tile_PureOp<"dim"> {
  let summary = "extent of a view's dim";
  let arguments = (ins Tile_View:$view, I64Attr:$index);
  let results = (outs Index:$extent);
  let assemblyFormat = "$view `,` $index attr-dict `:` type($view)";
}
def Tile_PartOp : Tile_PureOp<"part"> {
  let summary = "share `index` of `count` of the range [lo, hi) in steps";
  let description = [{c = ceil(ceil((hi-lo)/step)/count)*step; lo' = min(lo + index*c, hi); hi' = min(lo' + c, hi). May be empty.}];
  let arguments = (ins Index:$index, Index:$count, Index:$lo, Index:$hi, I64Attr:$step);
  let results = (outs Index:$from, Index:$to);
  let assemblyFormat = "$index `of` $count `in` $lo `to` $hi `step` $step attr-dict";
}
def Tile_AssumeOp : Tile_PureOp<"assume"> {
  let summary = "an index with proved facts: divisor and inclusive range";
  let arguments = (ins Index:$value, I64Attr:$div, OptionalAttr<I64Attr>:$min, OptionalAttr<I64Attr>:$max);
  let results = (outs Index:$result);
  let assemblyFormat = "$value attr-dict";
}

//===-- memory -----------------------------------------------------------------------------------------------------===//
def Tile_LoadOp : Tile_Op<"load", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
                                   DeclareOpInterfaceMethods<ConditionallySpeculatable>]> {
  let summary = "a tile of a view at signed element offsets";
  let description = [{One offset a view dim. The tile's rank may be less than the view's: leading tile dims of size 1 are
    dropped. Elements outside the extents read `pad` (default 0). `inbounds`: proved that there are none.}];
  let arguments = (ins Tile_View:$view, Variadic<Index>:$offsets, OptionalAttr<TypedAttrInterface>:$pad,
                       UnitAttr:$inbounds, OptionalAttr<StrAttr>:$tag);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($tile)";
}
def Tile_LoadScalarOp : Tile_Op<"load_scalar", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "one element, in bounds by contract, uniform";
  let arguments = (ins Tile_View:$view, Variadic<Index>:$offsets, OptionalAttr<StrAttr>:$tag);
  let results = (outs AnyType:$value);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($value)";
}
def Tile_StoreOp : Tile_Op<"store", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "stores a tile; elements outside the extents, or where `mask` is false, are dropped";
  let arguments = (ins Tile_Tile:$tile, Tile_View:$view, Variadic<Index>:$offsets, Optional<Tile_Tile>:$mask,
                       UnitAttr:$inbounds, OptionalAttr<StrAttr>:$tag);
  let assemblyFormat = [{$tile `,` $view `[` $offsets `]` (`mask` $mask^ `:` type($mask))? attr-dict `:` type($tile) `,` type($view)}];
}
def Tile_ValidOp : Tile_PureOp<"valid"> {
  let summary = "i1 tile: which elements of the tile at these offsets lie inside the view";
  let arguments = (ins Tile_View:$view, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `[` $offsets `]` attr-dict `:` type($view) `->` type($tile)";
}
def Tile_GatherOp : Tile_Op<"gather", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "a tile whose dim `dim` of the view is addressed by an index tile";
  let description = [{The index tile is 1-D (its length is the tile's extent in `dim`), or has the tile's own shape (element
    form: every element has its own index in `dim`, its other coordinates are its position plus the offsets). `offsets` has
    one entry a view dim; that of `dim` is added to the index. An index outside [0, extent) reads `pad` (default 0).}];
  let arguments = (ins Tile_View:$view, Tile_Tile:$indices, Variadic<Index>:$offsets, I64Attr:$dim,
                       OptionalAttr<TypedAttrInterface>:$pad, OptionalAttr<StrAttr>:$tag);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$view `by` $indices `[` $offsets `]` attr-dict `:` type($view) `,` type($indices) `->` type($tile)";
}
def Tile_ScatterOp : Tile_Op<"scatter", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "stores a tile whose dim `dim` of the view is addressed by an index tile; out-of-range rows are dropped";
  let description = [{Index forms as in gather. Duplicate indices inside one tile apply in increasing element order.
    A combining scatter across programs needs `order = any` unless one program owns all the elements it writes.}];
  let arguments = (ins Tile_Tile:$tile, Tile_View:$view, Tile_Tile:$indices, Variadic<Index>:$offsets, I64Attr:$dim,
                       Tile_EnumAttr<CombineKind, "combine">:$combine, UnitAttr:$is_unsigned, OptionalAttr<StrAttr>:$tag);
  let assemblyFormat = [{$tile `,` $view `by` $indices `[` $offsets `]` $combine attr-dict `:` type($tile) `,` type($view) `,` type($indices)}];
}

//===-- shape ------------------------------------------------------------------------------------------------------===//
def Tile_SplatOp : Tile_PureOp<"splat"> {
  let summary = "a tile of one scalar";
  let arguments = (ins AnyType:$value);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($tile)";
}
def Tile_IotaOp : Tile_PureOp<"iota"> {
  let summary = "index along `dim` (plus `start`) as integers";
  let arguments = (ins Optional<Index>:$start, I64Attr:$dim);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "($start^)? attr-dict `:` type($tile)";
}
def Tile_BroadcastOp : Tile_PureOp<"broadcast"> {
  let summary = "expands dims of size 1; ranks are equal";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_ReshapeOp : Tile_PureOp<"reshape"> {
  let summary = "same elements in row-major order";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_TransposeOp : Tile_PureOp<"transpose"> {
  let summary = "dim i of the result is dim perm[i] of the source";
  let arguments = (ins Tile_Tile:$source, DenseI64ArrayAttr:$perm);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_SliceOp : Tile_PureOp<"slice"> {
  let summary = "static offsets and strides; sizes are the result's";
  let arguments = (ins Tile_Tile:$source, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$strides);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_ConcatOp : Tile_PureOp<"concat"> {
  let summary = "concatenation along `dim`";
  let arguments = (ins Variadic<Tile_Tile>:$sources, I64Attr:$dim);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$sources attr-dict `:` type($sources) `->` type($tile)";
}
def Tile_CastOp : Tile_PureOp<"cast"> {
  let summary = "numeric conversion; the only way to change a float's width";
  let description = [{To a narrower float: rne unless `round` says otherwise; to an integer: `round`, then `sat` clamps to the
    type's range (without it, out-of-range values wrap modulo 2^n of the truncated value; inf and NaN give 0).
    `sat` to fp8/fp4 clamps to the largest finite value. NaN to a type without NaN gives 0.
    `unsigned_src`, `unsigned_dst`: the integer is unsigned. To i1: x != 0.}];
  let arguments = (ins Tile_Tile:$source, DefaultValuedAttr<Tile_EnumAttr<RoundMode, "round">, "::adze::tile::RoundMode::rne">:$round,
                       UnitAttr:$sat, UnitAttr:$unsigned_src, UnitAttr:$unsigned_dst, OptionalAttr<StrAttr>:$tag);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_BitcastOp : Tile_PureOp<"bitcast"> {
  let summary = "same bits; the last dim scales";
  let arguments = (ins Tile_Tile:$source);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($tile)";
}

//===-- contraction, reduction, order ------------------------------------------------------------------------------===//
def Tile_DotOp : Tile_PureOp<"dot", [AllTypesMatch<["acc", "tile"]>]> {
  let summary = "acc + a[M, K] * b[K, N]; optional leading batch dim on all three";
  let description = [{`trans_a`: a is [K, M]; `trans_b`: b is [N, K]. acc's type is the accumulation type. Integer operands:
    `unsigned_a`, `unsigned_b`; exact i32. `promote = n`: every n of K, the partial sum is added to acc in f32.}];
  let arguments = (ins Tile_Tile:$a, Tile_Tile:$b, Tile_Tile:$acc, UnitAttr:$trans_a, UnitAttr:$trans_b, UnitAttr:$unsigned_a,
                       UnitAttr:$unsigned_b,
                       DefaultValuedAttr<Tile_EnumAttr<DotPrecision, "precision">, "::adze::tile::DotPrecision::ieee">:$precision,
                       OptionalAttr<I64Attr>:$promote, OptionalAttr<StrAttr>:$tag);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$a `,` $b `,` $acc attr-dict `:` type($a) `,` type($b) `->` type($tile)";
}
def Tile_ReduceOp : Tile_PureOp<"reduce"> {
  let summary = "reduces dim `dim` to size 1; float add in the tile's type, which must be the accumulation type";
  let arguments = (ins Tile_Tile:$source, I64Attr:$dim, Tile_EnumAttr<TileReduceKind, "reduce_kind">:$kind,
                       UnitAttr:$is_unsigned, OptionalAttr<StrAttr>:$tag);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$kind $source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_ArgReduceOp : Tile_PureOp<"arg_reduce"> {
  let summary = "extreme value along `dim` and its index; ties give the lowest index (`last`: the highest); the first NaN wins";
  let arguments = (ins Tile_Tile:$source, I64Attr:$dim, UnitAttr:$minimum, UnitAttr:$last, UnitAttr:$is_unsigned);
  let results = (outs Tile_Tile:$value, Tile_Tile:$index);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($value) `,` type($index)";
}
def Tile_ScanOp : Tile_PureOp<"scan"> {
  let summary = "running combination along `dim`, inclusive or exclusive, forwards or backwards";
  let arguments = (ins Tile_Tile:$source, I64Attr:$dim, Tile_EnumAttr<TileReduceKind, "reduce_kind">:$kind,
                       UnitAttr:$exclusive, UnitAttr:$reverse, UnitAttr:$is_unsigned);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$kind $source attr-dict `:` type($source) `->` type($tile)";
}
def Tile_SortOp : Tile_PureOp<"sort", [AllTypesMatch<["keys", "sorted_keys"]>, AllTypesMatch<["values", "sorted_values"]>]> {
  let summary = "stable sort of keys along `dim`, values carried along; `descending`; NaN is largest";
  let arguments = (ins Tile_Tile:$keys, Tile_Tile:$values, I64Attr:$dim, UnitAttr:$descending, UnitAttr:$is_unsigned);
  let results = (outs Tile_Tile:$sorted_keys, Tile_Tile:$sorted_values);
  let assemblyFormat = "$keys `,` $values attr-dict `:` type($keys) `,` type($values)";
}
def Tile_TopKOp : Tile_PureOp<"topk"> {
  let summary = "the k (result extent) extreme keys along `dim`, sorted, with their values; ties: lowest position first";
  let arguments = (ins Tile_Tile:$keys, Tile_Tile:$values, I64Attr:$dim, UnitAttr:$largest, UnitAttr:$is_unsigned);
  let results = (outs Tile_Tile:$top_keys, Tile_Tile:$top_values);
  let assemblyFormat = "$keys `,` $values attr-dict `:` type($keys) `,` type($values) `->` type($top_keys) `,` type($top_values)";
}

include "dialects/tile/StagedOps.td"
#endif
