// RUN: adze-opt %s --graph-fuse --verify-diagnostics
// expected-error @+1 {{graph-fuse: the module has no function @main to fuse; import a model first}}
module {
}
