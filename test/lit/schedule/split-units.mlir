// REQUIRES: adze-opt
// RUN: adze-opt %S/Inputs/two_dots.mlir --assign-units=machine=%S/../../unit/schedule/machines/arch2201.json --form-strips=machine=%S/../../unit/schedule/machines/arch2201.json --form-channels=machine=%S/../../unit/schedule/machines/arch2201.json --plan-memory=machine=%S/../../unit/schedule/machines/arch2201.json --split-units=machine=%S/../../unit/schedule/machines/arch2201.json | FileCheck %s

// The matrix unit works on iteration t in stage 0 and on t - 2 in stage 2, each guarded at both ends.
// CHECK: tile.process "cube" instances 1
// CHECK: %[[END:.*]] = arith.addi %{{.*}}, %c128{{.*}} : index
// CHECK: scf.for %[[T:.*]] = %{{.*}} to %[[END]] step
// CHECK: arith.cmpi sge, %[[T]],
// CHECK: scf.if
// CHECK: tile.dot {{.*}}tag = "qk"
// CHECK: %[[T2:.*]] = arith.subi %[[T]], %c128{{.*}} : index
// CHECK: arith.cmpi sge, %[[T2]],
// CHECK: scf.if
// CHECK: tile.dot {{.*}}tag = "pv"
// A unit with one stage needs no guards, and no other unit's ops are left in it.
// CHECK: tile.process "fix" instances 1
// CHECK-NOT: scf.if
// CHECK-NOT: tile.dot
// CHECK: tile.process "vmte2" instances 2
// Each vector core runs over its own rows.
// CHECK: tile.process "vector" instances 2
// CHECK-NEXT: ^bb0(%[[I:.*]]: index):
// CHECK: %[[LO:.*]] = arith.muli %[[I]], %c32{{.*}} : index
// CHECK: %[[HI:.*]] = arith.addi %[[LO]], %c32{{.*}} : index
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[HI]]
// CHECK: math.exp2 {{.*}} : tensor<32x64xf32>
// CHECK-NOT: tile.unit
