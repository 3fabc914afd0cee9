// REQUIRES: adze-opt
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json | FileCheck %s
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/sm_90a.json | FileCheck %s --check-prefix=ROLES
// RUN: sed 's/, batch = 1//' %S/Inputs/two_dots.mlir | adze-opt --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json | FileCheck %s --check-prefix=BATCH

// Where the schedule leaves it open, the machine says how many iterations a step has.
// BATCH: batch = 2

// Loads go to the first unit of the route to their reader and run one stage ahead; a free tile has no unit; an untagged op
// joins its consumer.
// CHECK: arith.constant dense<0.000000e+00> : tensor<64x64xf32>
// CHECK: tile.load {{.*}}tag = "q", tile.unit = "mte2"}
// CHECK: tile.load {{.*}}tag = "k", tile.lead = 1 : i64, tile.stage = -1 : i64, tile.unit = "mte2"}
// CHECK: tile.load {{.*}}tag = "v", tile.lead = 1 : i64, tile.stage = 1 : i64, tile.unit = "mte2"}
// CHECK: tile.dot {{.*}}tag = "qk", tile.stage = 0 : i64, tile.unit = "cube"
// CHECK: math.exp2 {{.*}}tile.stage = 1 : i64, tile.unit = "vector"
// CHECK: tile.cast {{.*}}tag = "soft", tile.stage = 1 : i64, tile.unit = "vector"
// CHECK: tile.dot {{.*}}tag = "pv", tile.stage = 2 : i64, tile.unit = "cube"
// The accumulator leaves by the unit that empties the matrix unit's memory.
// CHECK: tile.store {{.*}}tile.unit = "fix"

// ROLES: tile.load {{.*}}tile.unit = "producer"
// ROLES: tile.dot {{.*}}tile.unit = "consumer"
// ROLES: math.exp2 {{.*}}tile.unit = "consumer"
// ROLES: tile.store {{.*}}tile.unit = "storer"
