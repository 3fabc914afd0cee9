// TILE text (d): causal flash attention, grouped queries (4 a head, composite rows), 128 keys a tile, split along the keys.
// The output is f32, as in all kernels under test.
#rows = #tile.composite<[1, 1, 2, 1], [4]>
tile.kernel @attn attributes {
    key = "attention.bf16.causal.gqa4.d128", dims = ["B", "HK", "S", "T", "NS"],
    arg_types = [!tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<bf16, in>, !tile.ref<f32, out>, f32],
    grid_extents = affine_map<(b, h, s, t, n) -> (b, h, s * 4, n)>, grid_steps = array<i64: 1, 1, 128, 1>, split = 3 : i64,
    facts = {NS = {max = 1 : i64}}} body {
^bb0(%B: index, %HK: index, %S: index, %T: index, %NS: index, %q_: !tile.ref<bf16, in>, %k_: !tile.ref<bf16, in>,
     %v_: !tile.ref<bf16, in>, %o_: !tile.ref<f32, out>, %scale: f32,
     %b: index, %h: index, %i: index, %s: index):
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c127 = arith.constant 127 : index
  %cn = arith.constant 128 : index
  %cn1 = arith.constant 127 : index
  %Q = tile.view %q_[%B, %HK, %S] : !tile.ref<bf16, in> -> !tile.view<?x?x?x128xbf16, in, #rows>
  %K = tile.view %k_[%B, %HK, %T] : !tile.ref<bf16, in> -> !tile.view<?x?x?x128xbf16, in>
  %V = tile.view %v_[%B, %HK, %T] : !tile.ref<bf16, in> -> !tile.view<?x?x?x128xbf16, in>
  %z = arith.constant dense<0.0> : tensor<128x128xf32>
  %zo = arith.constant dense<0.0> : tensor<128x128xf32>
  %zm = arith.constant dense<0.0> : tensor<128x1xf32>
  %minf = arith.constant dense<0xFF800000> : tensor<128x1xf32>
  %minfs = arith.constant dense<0xFF800000> : tensor<128x128xf32>
  %log2e = arith.constant 1.44269502 : f32
  %sl = arith.mulf %scale, %log2e : f32
  %qt = tile.load %Q[%b, %h, %i, %c0] {tag = "q"} : !tile.view<?x?x?x128xbf16, in, #rows> -> tensor<128x128xbf16>
  %shift = arith.subi %T, %S : index
  %ig = arith.divui %i, %c4 : index
  %first = arith.addi %ig, %shift : index
  %il = arith.addi %i, %c127 : index
  %ilg = arith.divui %il, %c4 : index
  %last = arith.addi %ilg, %shift : index
  %last1 = arith.addi %last, %c1 : index
  %end = arith.minsi %T, %last1 : index
  %lo, %hi = tile.part %s of %NS in %c0 to %end step 128
  %m, %l, %o = scf.for %k = %lo to %hi step %cn iter_args(%m0 = %minf, %l0 = %zm, %o0 = %zo) -> (tensor<128x1xf32>, tensor<128x1xf32>, tensor<128x128xf32>) {
    %kt = tile.load %K[%b, %h, %k, %c0] {tag = "k"} : !tile.view<?x?x?x128xbf16, in> -> tensor<128x128xbf16>
    %vt = tile.load %V[%b, %h, %k, %c0] {tag = "v"} : !tile.view<?x?x?x128xbf16, in> -> tensor<128x128xbf16>
    %s0 = tile.dot %qt, %kt, %z {trans_b, tag = "qk"} : tensor<128x128xbf16>, tensor<128x128xbf16> -> tensor<128x128xf32>
    %slt = tile.splat %sl : f32 -> tensor<128x128xf32>
    %s1 = arith.mulf %s0, %slt : tensor<128x128xf32>
    %kl = arith.addi %k, %cn1 : index
    %kn = arith.addi %k, %cn : index
    %diag = arith.cmpi sgt, %kl, %first : index
    %tail = arith.cmpi sgt, %kn, %T : index
    %edge = arith.ori %diag, %tail : i1
    %s2 = scf.if %edge -> (tensor<128x128xf32>) {
      %row = tile.iota %i {dim = 0 : i64} : tensor<128x1xi32>
      %four = arith.constant dense<4> : tensor<128x1xi32>
      %pos0 = arith.divsi %row, %four : tensor<128x1xi32>
      %shift32 = arith.index_cast %shift : index to i32
      %shiftt = tile.splat %shift32 : i32 -> tensor<128x1xi32>
      %pos = arith.addi %pos0, %shiftt : tensor<128x1xi32>
      %col = tile.iota %k {dim = 1 : i64} : tensor<1x128xi32>
      %T32 = arith.index_cast %T : index to i32
      %Tt = tile.splat %T32 : i32 -> tensor<1x128xi32>
      %in = arith.cmpi slt, %col, %Tt : tensor<1x128xi32>
      %posb = tile.broadcast %pos : tensor<128x1xi32> -> tensor<128x128xi32>
      %colb = tile.broadcast %col : tensor<1x128xi32> -> tensor<128x128xi32>
      %inb = tile.broadcast %in : tensor<1x128xi1> -> tensor<128x128xi1>
      %causal = arith.cmpi sle, %colb, %posb : tensor<128x128xi32>
      %keep = arith.andi %causal, %inb : tensor<128x128xi1>
      %masked = arith.select %keep, %s1, %minfs : tensor<128x128xi1>, tensor<128x128xf32>
      scf.yield %masked : tensor<128x128xf32>
    } else {
      scf.yield %s1 : tensor<128x128xf32>
    }
    %mx = tile.reduce max %s2 {dim = 1 : i64, tag = "soft"} : tensor<128x128xf32> -> tensor<128x1xf32>
    %mn = arith.maxnumf %m0, %mx : tensor<128x1xf32>
    %none = arith.cmpf oeq, %mn, %minf : tensor<128x1xf32>
    %ms = arith.select %none, %zm, %mn : tensor<128x1xi1>, tensor<128x1xf32>
    %msb = tile.broadcast %ms : tensor<128x1xf32> -> tensor<128x128xf32>
    %sm = arith.subf %s2, %msb : tensor<128x128xf32>
    %p = math.exp2 %sm {tag = "soft"} : tensor<128x128xf32>
    %dm = arith.subf %m0, %ms : tensor<128x1xf32>
    %al = math.exp2 %dm {tag = "soft"} : tensor<128x1xf32>
    %sum = tile.reduce add %p {dim = 1 : i64, tag = "soft"} : tensor<128x128xf32> -> tensor<128x1xf32>
    %ln = math.fma %l0, %al, %sum : tensor<128x1xf32>
    %pb = tile.cast %p {tag = "soft"} : tensor<128x128xf32> -> tensor<128x128xbf16>
    %pv = tile.dot %pb, %vt, %zo {tag = "pv"} : tensor<128x128xbf16>, tensor<128x128xbf16> -> tensor<128x128xf32>
    %alb = tile.broadcast %al : tensor<128x1xf32> -> tensor<128x128xf32>
    %on = math.fma %o0, %alb, %pv {tag = "upd"} : tensor<128x128xf32>
    scf.yield %mn, %ln, %on : tensor<128x1xf32>, tensor<128x1xf32>, tensor<128x128xf32>
  } {tile.loop = #tile.loop<"kv", reduce>}
  tile.yield %m, %l, %o : tensor<128x1xf32>, tensor<128x1xf32>, tensor<128x128xf32>
} fold {
^bb0(%B: index, %HK: index, %S: index, %T: index, %NS: index, %q_: !tile.ref<bf16, in>, %k_: !tile.ref<bf16, in>,
     %v_: !tile.ref<bf16, in>, %o_: !tile.ref<f32, out>, %scale: f32,
     %b: index, %h: index, %i: index, %m1: tensor<128x1xf32>, %l1: tensor<128x1xf32>, %o1: tensor<128x128xf32>, %m2: tensor<128x1xf32>, %l2: tensor<128x1xf32>, %o2: tensor<128x128xf32>):
  %minf = arith.constant dense<0xFF800000> : tensor<128x1xf32>
  %zm = arith.constant dense<0.0> : tensor<128x1xf32>
  %mn = arith.maxnumf %m1, %m2 : tensor<128x1xf32>
  %none = arith.cmpf oeq, %mn, %minf : tensor<128x1xf32>
  %ms = arith.select %none, %zm, %mn : tensor<128x1xi1>, tensor<128x1xf32>
  %d1 = arith.subf %m1, %ms : tensor<128x1xf32>
  %d2 = arith.subf %m2, %ms : tensor<128x1xf32>
  %a1 = math.exp2 %d1 : tensor<128x1xf32>
  %a2 = math.exp2 %d2 : tensor<128x1xf32>
  %lt = arith.mulf %l2, %a2 : tensor<128x1xf32>
  %l = math.fma %l1, %a1, %lt : tensor<128x1xf32>
  %a1b = tile.broadcast %a1 : tensor<128x1xf32> -> tensor<128x128xf32>
  %a2b = tile.broadcast %a2 : tensor<128x1xf32> -> tensor<128x128xf32>
  %ot = arith.mulf %o2, %a2b : tensor<128x128xf32>
  %o = math.fma %o1, %a1b, %ot : tensor<128x128xf32>
  tile.yield %mn, %l, %o : tensor<128x1xf32>, tensor<128x1xf32>, tensor<128x128xf32>
} finish {
^bb0(%B: index, %HK: index, %S: index, %T: index, %NS: index, %q_: !tile.ref<bf16, in>, %k_: !tile.ref<bf16, in>,
     %v_: !tile.ref<bf16, in>, %o_: !tile.ref<f32, out>, %scale: f32,
     %b: index, %h: index, %i: index, %m: tensor<128x1xf32>, %l: tensor<128x1xf32>, %o: tensor<128x128xf32>):
  %c0 = arith.constant 0 : index
  %O = tile.view %o_[%B, %HK, %S] : !tile.ref<f32, out> -> !tile.view<?x?x?x128xf32, out, #rows>
  %zm = arith.constant dense<0.0> : tensor<128x1xf32>
  %zo = arith.constant dense<0.0> : tensor<128x128xf32>
  %none = arith.cmpf oeq, %l, %zm : tensor<128x1xf32>
  %lb = tile.broadcast %l : tensor<128x1xf32> -> tensor<128x128xf32>
  %q = arith.divf %o, %lb : tensor<128x128xf32>
  %noneb = tile.broadcast %none : tensor<128x1xi1> -> tensor<128x128xi1>
  %r = arith.select %noneb, %zo, %q {tag = "out"} : tensor<128x128xi1>, tensor<128x128xf32>
  tile.store %r, %O[%b, %h, %i, %c0] {tag = "o"} : tensor<128x128xf32>, !tile.view<?x?x?x128xf32, out, #rows>
  tile.yield
}
