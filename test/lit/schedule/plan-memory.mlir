// REQUIRES: adze-opt
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json --form-strips=machine=%S/../../unit/schedule/machines/arch2201.json --form-channels=machine=%S/../../unit/schedule/machines/arch2201.json --plan-memory=machine=%S/../../unit/schedule/machines/arch2201.json | FileCheck %s
// RUN: not adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/Inputs/tiny.json --form-strips=machine=%S/Inputs/tiny.json --form-channels=machine=%S/Inputs/tiny.json --plan-memory=machine=%S/Inputs/tiny.json 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not adze-opt %S/Inputs/two_dots.mlir --assign-units 2>&1 | FileCheck %s --check-prefix=NONE

// Rings between the cores get the third slot with which their release flags are implied; addresses do not overlap.
// CHECK: tile.channel "k.l1" {{.*}}offset = 8192
// CHECK: tile.channel "qk.gm" {{.*}}depth 3 {implied, offset = 0
// CHECK: tile.channel "soft.gm" {{.*}}depth 3 {implied, offset = 49152

// FULL: kernel @two_dots does not fit tiny: memory l1 needs {{[0-9]+}} bytes of 16384: q.l1 (1 slots of 8192) 8192; k.l1 (1 slots of 8192) 8192;{{.*}} plan smaller tiles

// NONE: needs a machine table: give the pass option machine=FILE.json
