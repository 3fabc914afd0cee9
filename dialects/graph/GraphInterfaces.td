#ifndef ADZE_GRAPH_INTERFACES_TD
#define ADZE_GRAPH_INTERFACES_TD
include "mlir/IR/OpBase.td"

def GraphNodeInterface : OpInterface<"GraphNodeInterface"> {
  let cppNamespace = "::adze::graph";
  let description = [{What fusion, planning and verification ask of every op of the model tier.}];
  let methods = [
    InterfaceMethod<"How the fuser may use this op.", "::adze::graph::FusionRole", "getFusionRole">,
    InterfaceMethod<"Which row of the numeric contract judges this op's result.", "::adze::graph::AccuracyClass",
                    "getAccuracyClass">
  ];
}
#endif
