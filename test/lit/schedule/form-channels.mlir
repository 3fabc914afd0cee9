// REQUIRES: adze-opt
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json --form-strips=machine=%S/../../unit/schedule/machines/arch2201.json --form-channels=machine=%S/../../unit/schedule/machines/arch2201.json | FileCheck %s
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch3510.json --form-strips=machine=%S/../../unit/schedule/machines/arch3510.json --form-channels=machine=%S/../../unit/schedule/machines/arch3510.json | FileCheck %s --check-prefix=DIRECT
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/sm_90a.json --form-strips=machine=%S/../../unit/schedule/machines/sm_90a.json --form-channels=machine=%S/../../unit/schedule/machines/sm_90a.json | FileCheck %s --check-prefix=ROLES

// The scores cross from the matrix core to the vector cores in device memory: distance 1, so two slots. Strips for each of
// two vector cores.
// CHECK-DAG: tile.channel "q.l1" in "l1" from "mte2" to "mte1" depth 1
// CHECK-DAG: tile.channel "qk.l0c" in "l0c" from "cube" to "fix" depth 2
// CHECK-DAG: tile.channel "qk.gm" in "gm" from "fix" to "vmte2" depth 2
// CHECK-DAG: tile.channel "qk.ub" in "ub" from "vmte2" to "vector" depth 2 {copies = 2 : i64
// CHECK-DAG: tile.channel "soft.gm" in "gm" from "mte3" to "mte2" depth 2
// CHECK-DAG: tile.channel "soft.l0a" in "l0a" from "mte1" to "cube"
// The matrix unit takes its slot before the dot.
// CHECK: tile.wait {{.*}}tile.unit = "cube"
// CHECK: tile.acquire {{.*}}tile.unit = "cube"
// CHECK: tile.dot {{.*}}tag = "qk"
// CHECK: tile.put {{.*}}tile.unit = "cube"
// CHECK: tile.commit {{.*}}tile.unit = "cube"

// With a direct path nothing rests in device memory.
// DIRECT-NOT: in "gm"
// DIRECT: tile.channel "qk.ub" in "ub" from "fix" to "vector"
// DIRECT-NOT: in "gm"
// DIRECT: tile.channel "soft.l1" in "l1" from "mte3" to "mte1"
// DIRECT-NOT: in "gm"

// One unit issues matrix and vector work: its scores for the next stage need no flag, its probabilities no channel.
// ROLES: tile.channel "k.smem" in "smem" from "producer" to "consumer" depth 2
// ROLES: tile.channel "qk.regs" in "regs" from "consumer" to "consumer" depth 2 {copies = 2 : i64, local
