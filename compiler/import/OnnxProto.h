// The generated protobuf classes, with the warnings of protobuf's headers silenced. Include this, never onnx.pb.h.
#pragma once
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "compiler/import/onnx.pb.h"
#pragma GCC diagnostic pop
