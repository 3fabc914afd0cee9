// RUN: adze-opt %s --cse --graph-recognize --cse --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @gelu_erf
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.gelu %[[X]] {tanh = false}
// CHECK-NEXT: return %[[Y]]
func.func @gelu_erf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %root = graph.constant {value = dense<1.41421354> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.div %x, %root : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.erf %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.add %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = graph.mul %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.mul %3, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}
// -----
// The half on x, the erf's factor as a product, x itself a product.
// CHECK-LABEL: func.func @gelu_erf_other_order
// CHECK: %[[X:.*]] = graph.mul
// CHECK-NEXT: %[[Y:.*]] = graph.gelu %[[X]] {tanh = false}
// CHECK-NEXT: return %[[Y]]
func.func @gelu_erf_other_order(%a: tensor<4xf32>) -> tensor<4xf32> {
  %two = graph.constant {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %c = graph.constant {value = dense<0.707106769> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %x = graph.mul %a, %two : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %0 = graph.mul %c, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.erf %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.add %one, %1 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = graph.mul %half, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.mul %2, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}
// -----
// CHECK-LABEL: func.func @gelu_tanh
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.gelu %[[X]] {tanh = true}
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %cubic = graph.constant {value = dense<4.471500e-02> : tensor<1xf32>} : () -> tensor<1xf32>
  %c = graph.constant {value = dense<0.797884583> : tensor<1xf32>} : () -> tensor<1xf32>
  %one = graph.constant {value = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %half = graph.constant {value = dense<0.5> : tensor<1xf32>} : () -> tensor<1xf32>
  %0 = graph.mul %cubic, %x : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.mul %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.mul %x, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = graph.add %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = graph.mul %c, %3 : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = graph.tanh %4 : (tensor<4xf32>) -> tensor<4xf32>
  %6 = graph.add %one, %5 : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %7 = graph.mul %half, %6 : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %8 = graph.mul %x, %7 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %8 : tensor<4xf32>
}
// -----
// The cube by pow; and the spelling x * (1 + c*x*x).
// CHECK-LABEL: func.func @gelu_tanh_pow
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.gelu %[[X]] {tanh = true}
// CHECK-NEXT: return %[[Y]], %[[Y]]
func.func @gelu_tanh_pow(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %three = graph.constant {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %cubic = graph.constant {value = dense<4.471500e-02> : tensor<f32>} : () -> tensor<f32>
  %c = graph.constant {value = dense<0.797884583> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %h = graph.mul %x, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %0 = graph.pow %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.mul %0, %cubic : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = graph.add %x, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = graph.mul %2, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %4 = graph.tanh %3 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = graph.add %4, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %6 = graph.mul %h, %5 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %7 = graph.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %8 = graph.mul %7, %cubic : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %9 = graph.add %8, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %10 = graph.mul %x, %9 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %11 = graph.mul %10, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %12 = graph.tanh %11 : (tensor<4xf32>) -> tensor<4xf32>
  %13 = graph.add %12, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %14 = graph.mul %h, %13 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %6, %14 : tensor<4xf32>, tensor<4xf32>
}
// -----
// Another factor inside erf is another function.
// CHECK-LABEL: func.func @not_gelu
// CHECK-NOT: graph.gelu
// CHECK: return
func.func @not_gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.mul %x, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.erf %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.add %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = graph.mul %0, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %3 : tensor<4xf32>
}
// -----
// CHECK-LABEL: func.func @silu
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Z:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.silu %[[X]]
// CHECK-NEXT: %[[S:.*]] = graph.sigmoid %[[Z]]
// CHECK-NEXT: %[[G:.*]] = graph.mul %[[X]], %[[S]]
// CHECK-NEXT: return %[[Y]], %[[G]]
func.func @silu(%x: tensor<4xf32>, %z: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = graph.sigmoid %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = graph.mul %0, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = graph.sigmoid %z : (tensor<4xf32>) -> tensor<4xf32>
  %3 = graph.mul %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1, %3 : tensor<4xf32>, tensor<4xf32>
}
// -----
// x * hardsigmoid(x), and x * relu6(x + 3) / 6.
// CHECK-LABEL: func.func @hard_swish
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = graph.hard_swish %[[X]]
// CHECK-NEXT: return %[[Y]], %[[Y]]
func.func @hard_swish(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = graph.constant {value = dense<0.166666672> : tensor<f32>} : () -> tensor<f32>
  %b = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = graph.constant {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %three = graph.constant {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
  %six = graph.constant {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.mul %x, %a : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.add %0, %b : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = graph.min %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = graph.max %2, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %4 = graph.mul %x, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = graph.add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %6 = graph.max %5, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %7 = graph.min %6, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %8 = graph.mul %x, %7 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %9 = graph.div %8, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4, %9 : tensor<4xf32>, tensor<4xf32>
}
// -----
// A slope of 0.2 (ONNX HardSigmoid's default) gives no HardSwish.
// CHECK-LABEL: func.func @not_hard_swish
// CHECK-NOT: graph.hard_swish
// CHECK: return
func.func @not_hard_swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = graph.constant {value = dense<0.2> : tensor<f32>} : () -> tensor<f32>
  %b = graph.constant {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = graph.constant {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %one = graph.constant {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = graph.mul %x, %a : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = graph.add %0, %b : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = graph.min %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = graph.max %2, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %4 = graph.mul %x, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}
