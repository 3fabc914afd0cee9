// Host operation nms: ONNX NonMaxSuppression (opset 10 and 11).
#include "runtime/src/host/HostOps.h"

#include "runtime/src/status/Status.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace adze::rt {

namespace {

struct Box {
  float y1, x1, y2, x2;
};

Box loadBox(const float *values, bool center) {
  if (center) { // x_center, y_center, width, height
    float x = values[0], y = values[1], w = values[2] / 2, h = values[3] / 2;
    return {y - h, x - w, y + h, x + w};
  }
  // Any pair of diagonal corners.
  return {std::min(values[0], values[2]), std::min(values[1], values[3]), std::max(values[0], values[2]),
          std::max(values[1], values[3])};
}

float intersectionOverUnion(const Box &a, const Box &b) {
  float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1), width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (height <= 0 || width <= 0)
    return 0;
  float common = height * width;
  float areaA = (a.y2 - a.y1) * (a.x2 - a.x1), areaB = (b.y2 - b.y1) * (b.x2 - b.x1);
  if (areaA <= 0 || areaB <= 0)
    return 0;
  return common / (areaA + areaB - common);
}

struct Limits {
  int64_t maxBoxes;
  float iou, score;
  bool hasScore;
};

/// attrs: center_point_box, max_output_boxes_per_class, mask; the mask tells which of the three limits come as inputs
/// after boxes and scores (1 max boxes int64, 2 iou float, 4 score float), in that order; 8: there is a score limit at
/// all. fattrs: iou_threshold, score_threshold.
Limits readLimits(const HostCall &call) {
  const HostCommand &command = *call.command;
  int64_t mask = command.attrs[2];
  Limits limits{command.attrs[1], float(command.fattrs[0]), float(command.fattrs[1]), (mask & 12) != 0};
  size_t next = 2;
  auto read = [&](int64_t bit, auto &value) {
    if (!(mask & bit))
      return;
    const HostTensor &tensor = call.inputs[next++];
    if (tensor.count < 1)
      badOperands(call, "a limit has no element");
    std::memcpy(&value, tensor.data, sizeof(value));
  };
  read(1, limits.maxBoxes);
  read(2, limits.iou);
  read(4, limits.score);
  return limits;
}

} // namespace

std::string checkNonMaxSuppression(const HostCommand &command) {
  const auto &in = command.inputs;
  if (in[0].dtype != ADZE_F32 || in[1].dtype != ADZE_F32 || in[0].dims.size() != 3 || in[1].dims.size() != 3)
    return "boxes and scores are not float32 tensors of rank 3";
  if (command.outputs[0].dtype != ADZE_I64 || command.outputs[0].dims.size() != 2)
    return "its output is not an int64 matrix";
  int64_t mask = command.attrs[2];
  if (mask < 0 || mask > 15 ||
      in.size() != 2 + size_t((mask & 1) != 0) + size_t((mask & 2) != 0) + size_t((mask & 4) != 0))
    return "its inputs do not fit its mask";
  size_t next = 2;
  if ((mask & 1) && in[next++].dtype != ADZE_I64)
    return "max_output_boxes_per_class is not int64";
  for (; next < in.size(); ++next)
    if (in[next].dtype != ADZE_F32)
      return "a threshold is not float32";
  return {};
}

/// boxes [batch, n, 4], scores [batch, classes, n] -> rows (batch, class, box), best score first within a class.
void runNonMaxSuppression(HostCall &call) {
  const HostTensor &boxes = call.inputs[0], &scores = call.inputs[1];
  int64_t batches = boxes.dims[0], n = boxes.dims[1], classes = scores.dims[1];
  if (boxes.dims[2] != 4 || scores.dims[0] != batches || scores.dims[2] != n)
    badOperands(call,
                cat("boxes are ", formatDims(boxes.dims.data(), 3), ", scores ", formatDims(scores.dims.data(), 3)));
  Limits limits = readLimits(call);
  bool center = call.command->attrs[0] != 0;
  int64_t capacity = call.outputs[0].count / 3, count = 0;
  auto *out = call.outputs[0].as<int64_t>();
  std::vector<Box> kept;
  std::vector<int64_t> candidates;
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t c = 0; c < classes; ++c) {
      const float *score = scores.as<float>() + (b * classes + c) * n;
      candidates.clear();
      for (int64_t i = 0; i < n; ++i)
        if (!limits.hasScore || score[i] > limits.score)
          candidates.push_back(i);
      std::sort(candidates.begin(), candidates.end(), [&](int64_t x, int64_t y) {
        if (std::isnan(score[x]) || std::isnan(score[y])) // NaN last
          return std::isnan(score[x]) == std::isnan(score[y]) ? x < y : std::isnan(score[y]);
        return score[x] == score[y] ? x < y : score[x] > score[y];
      });
      kept.clear();
      for (int64_t i : candidates) {
        if (int64_t(kept.size()) >= limits.maxBoxes)
          break;
        Box box = loadBox(boxes.as<float>() + (b * n + i) * 4, center);
        if (std::any_of(kept.begin(), kept.end(),
                        [&](const Box &other) { return intersectionOverUnion(box, other) > limits.iou; }))
          continue;
        kept.push_back(box);
        if (count >= capacity)
          badOperands(call, "the output buffer is smaller than the upper bound of the result");
        int64_t *row = out + 3 * count++;
        row[0] = b;
        row[1] = c;
        row[2] = i;
      }
    }
  call.defined[0] = count;
}

} // namespace adze::rt
