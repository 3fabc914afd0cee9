// The staged form of a kernel: sequential processes, one a unit, that exchange tiles through bounded channels.
//
// compiler/schedule derives it from a tile.kernel, its #tile.schedule and a machine description; docs/staging.md explains
// the derivation. A process is one instruction stream of one unit; a channel is a FIFO of `depth` slots in one memory.
// Puts and gets move data, commit/wait and release/acquire are the flags (or barriers) that a target emits.
#ifndef ADZE_STAGED_OPS_TD
#define ADZE_STAGED_OPS_TD

//===-- types ------------------------------------------------------------------------------------------------------===//
def Tile_Channel : TypeDef<Tile_Dialect, "Channel"> {
  let mnemonic = "channel";
  let summary = "a bounded FIFO of tiles between two units";
  let parameters = (ins "::mlir::RankedTensorType":$item);
  let assemblyFormat = "`<` $item `>`";
}
def Tile_Slot : TypeDef<Tile_Dialect, "Slot"> {
  let mnemonic = "slot";
  let summary = "the storage of one step of a channel, held between acquire and commit or between wait and release";
  let parameters = (ins "::mlir::RankedTensorType":$item);
  let assemblyFormat = "`<` $item `>`";
}

//===-- declarations -----------------------------------------------------------------------------------------------===//
def Tile_ChannelOp : Tile_Op<"channel"> {
  let summary = "a FIFO of `depth` slots of `batch` items in memory `memory`";
  let description = [{`from` and `to` are units. `copies` private FIFOs (instance i of a unit uses copy i) or, with
    copies = 1, one FIFO: a slot is full when every instance of `from` has committed it and free when every instance of
    `to` has released it. `local`: both ends are one unit, so no flag is needed. `implied`: other waits imply that the slot is
    free, so acquire and release need no flag. `offset`: byte address in the memory, set by plan-memory.}];
  let arguments = (ins StrAttr:$name, StrAttr:$memory, I64Attr:$depth, DefaultValuedAttr<I64Attr, "1">:$batch,
                       DefaultValuedAttr<I64Attr, "1">:$copies, StrAttr:$from, StrAttr:$to, UnitAttr:$local,
                       UnitAttr:$implied, OptionalAttr<I64Attr>:$offset);
  let results = (outs Tile_Channel:$channel);
  let assemblyFormat = "$name `in` $memory `from` $from `to` $to `depth` $depth attr-dict `:` type($channel)";
}
def Tile_ProcessOp : Tile_Op<"process", [SingleBlock, NoTerminator]> {
  let summary = "the instruction stream of one unit; the block argument is the instance's number";
  let description = [{Processes of a body run concurrently; what follows them in the body runs when all have ended. They
    see the body's scalars and views (uniform control is computed by each unit) and exchange tiles by channels only.}];
  let arguments = (ins StrAttr:$unit, I64Attr:$instances);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$unit `instances` $instances attr-dict-with-keyword $body";
}

//===-- channel use ------------------------------------------------------------------------------------------------===//
def Tile_AcquireOp : Tile_Op<"acquire"> {
  let summary = "blocks until the next slot of the channel is free; `copy` selects a private FIFO (default: own instance)";
  let arguments = (ins Tile_Channel:$channel, Optional<Index>:$copy);
  let results = (outs Tile_Slot:$slot);
  let assemblyFormat = "$channel (`copy` $copy^)? attr-dict `:` type($channel) `->` type($slot)";
}
def Tile_PutOp : Tile_Op<"put", [AttrSizedOperandSegments]> {
  let summary = "writes a tile into item `item` (default 0) of a slot at the given offsets";
  let arguments = (ins Tile_Tile:$tile, Tile_Slot:$slot, Variadic<Index>:$offsets, Optional<Index>:$item);
  let assemblyFormat = "$tile `,` $slot `[` $offsets `]` (`item` $item^)? attr-dict `:` type($tile) `,` type($slot)";
}
def Tile_CommitOp : Tile_Op<"commit"> {
  let summary = "the slot is full: sets the flag that wait waits for";
  let arguments = (ins Tile_Slot:$slot);
  let assemblyFormat = "$slot attr-dict `:` type($slot)";
}
def Tile_WaitOp : Tile_Op<"wait"> {
  let summary = "blocks until the next slot of the channel is full; `copy` selects a private FIFO (default: own instance)";
  let arguments = (ins Tile_Channel:$channel, Optional<Index>:$copy);
  let results = (outs Tile_Slot:$slot);
  let assemblyFormat = "$channel (`copy` $copy^)? attr-dict `:` type($channel) `->` type($slot)";
}
def Tile_GetOp : Tile_Op<"get", [AttrSizedOperandSegments]> {
  let summary = "reads a tile from item `item` (default 0) of a slot at the given offsets";
  let arguments = (ins Tile_Slot:$slot, Variadic<Index>:$offsets, Optional<Index>:$item);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$slot `[` $offsets `]` (`item` $item^)? attr-dict `:` type($slot) `->` type($tile)";
}
def Tile_ReleaseOp : Tile_Op<"release"> {
  let summary = "the slot may be written again: sets the flag that acquire waits for";
  let arguments = (ins Tile_Slot:$slot);
  let assemblyFormat = "$slot attr-dict `:` type($slot)";
}

//===-- strips -----------------------------------------------------------------------------------------------------===//
def Tile_EmptyOp : Tile_PureOp<"empty"> {
  let summary = "a tile whose elements must be inserted before they are read";
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "attr-dict `:` type($tile)";
  let hasVerifier = 0;
}
def Tile_ExtractOp : Tile_PureOp<"extract"> {
  let summary = "the part of a tile at the given offsets, of the result's sizes";
  let arguments = (ins Tile_Tile:$source, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source `[` $offsets `]` attr-dict `:` type($source) `->` type($tile)";
}
def Tile_InsertOp : Tile_PureOp<"insert", [AllTypesMatch<["dest", "tile"]>]> {
  let summary = "`dest` with the part at the given offsets replaced";
  let arguments = (ins Tile_Tile:$source, Tile_Tile:$dest, Variadic<Index>:$offsets);
  let results = (outs Tile_Tile:$tile);
  let assemblyFormat = "$source `into` $dest `[` $offsets `]` attr-dict `:` type($source) `->` type($tile)";
}
#endif
