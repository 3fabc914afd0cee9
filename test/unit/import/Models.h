// Small ONNX models, built with the generated protobuf classes.
#pragma once
#include "compiler/import/Import.h"
#include "compiler/import/OnnxProto.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"
#include <fstream>
#include <gtest/gtest.h>

namespace adze::test {

/// A dim is a size or a name.
struct Dim {
  Dim(int size) : size(size) {}
  Dim(const char *name) : name(name) {}
  int64_t size = 0;
  std::string name;
};

class ModelBuilder {
public:
  explicit ModelBuilder(int opset = 17, int ir = 8) {
    model.set_ir_version(ir);
    auto *import = model.add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    model.mutable_graph()->set_name("g");
  }
  ModelBuilder &input(const std::string &name, int type, std::initializer_list<Dim> dims) {
    info(*model.mutable_graph()->add_input(), name, type, dims);
    return *this;
  }
  ModelBuilder &output(const std::string &name, int type = 1) {
    auto *info = model.mutable_graph()->add_output();
    info->set_name(name);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    return *this;
  }
  ModelBuilder &ints(const std::string &name, std::vector<int64_t> values, bool scalar = false) {
    auto *t = model.mutable_graph()->add_initializer();
    t->set_name(name);
    t->set_data_type(7);
    if (!scalar)
      t->add_dims(static_cast<int64_t>(values.size()));
    for (int64_t v : values)
      t->add_int64_data(v);
    return *this;
  }
  ModelBuilder &floats(const std::string &name, std::vector<int64_t> dims, std::vector<float> values) {
    auto *t = model.mutable_graph()->add_initializer();
    t->set_name(name);
    t->set_data_type(1);
    for (int64_t d : dims)
      t->add_dims(d);
    t->set_raw_data(std::string(reinterpret_cast<const char *>(values.data()), values.size() * 4));
    return *this;
  }
  onnx::NodeProto &node(const std::string &op, std::vector<std::string> inputs, std::vector<std::string> outputs) {
    return fill(*model.mutable_graph()->add_node(), op, inputs, outputs);
  }
  static onnx::NodeProto &fill(onnx::NodeProto &n, const std::string &op, std::vector<std::string> inputs,
                               std::vector<std::string> outputs) {
    n.set_op_type(op);
    n.set_name("n_" + outputs[0]);
    for (const auto &name : inputs)
      n.add_input(name);
    for (const auto &name : outputs)
      n.add_output(name);
    return n;
  }
  static onnx::AttributeProto &attr(onnx::NodeProto &n, const std::string &name, int64_t value) {
    auto &a = *n.add_attribute();
    a.set_name(name);
    a.set_type(onnx::AttributeProto::INT);
    a.set_i(value);
    return a;
  }
  static void info(onnx::ValueInfoProto &v, const std::string &name, int type, std::initializer_list<Dim> dims) {
    v.set_name(name);
    auto *t = v.mutable_type()->mutable_tensor_type();
    t->set_elem_type(type);
    t->mutable_shape();
    for (const Dim &d : dims) {
      auto *dim = t->mutable_shape()->add_dim();
      if (d.name.empty())
        dim->set_dim_value(d.size);
      else
        dim->set_dim_param(d.name);
    }
  }
  std::string bytes() const { return model.SerializeAsString(); }
  onnx::ModelProto model;
};

/// One import: the module as text, or the errors.
struct Imported {
  explicit Imported(const std::string &bytes, ImportOptions options = {}, const std::string &path = "") {
    context.disableMultithreading();
    module = importModelBytes(context, bytes, path, options, store, sink);
    if (!module)
      return;
    llvm::raw_string_ostream os(text);
    module->print(os);
  }
  explicit Imported(const ModelBuilder &model, ImportOptions options = {}) : Imported(model.bytes(), options) {}
  bool has(const std::string &what) const { return text.find(what) != std::string::npos; }
  bool says(const std::string &what) const { return sink.text().find(what) != std::string::npos; }

  mlir::MLIRContext context;
  WeightStore store;
  ErrorSink sink;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string text;
};

} // namespace adze::test
