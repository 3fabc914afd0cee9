// Streams, events, captures and graphs. CUDA driver API, "Stream Management", "Event Management", "Graph Management".
#include "tools/sim/cuda/driver/Entry.h"

#include <algorithm>

using namespace adze::sim;
using namespace adze::sim::driver;

namespace {

Event &findEvent(State &state, void *handle) {
  Event *event = state.events.find(handle);
  if (!event)
    fail(InvalidHandle, "the event does not exist or was destroyed");
  return *event;
}

/// Waiting for a stream that is being captured is a mistake that ends the capture.
void requireNotCaptured(Stream &stream, const char *call) {
  if (!stream.capture)
    return;
  stream.invalidated = true;
  fail(CaptureUnsupported, std::string(call) + " on a stream that is being captured");
}

/// Nothing may refer to a stream that goes away; its work is done.
void forget(State &state, Stream &gone) {
  auto clean = [&](Stream &stream) {
    for (Operation &operation : stream.queue)
      operation.after.erase(std::remove_if(operation.after.begin(), operation.after.end(),
                                           [&](Position position) { return position.stream == &gone; }),
                            operation.after.end());
  };
  clean(state.legacy);
  clean(state.perThread);
  for (auto &[handle, stream] : state.streams)
    clean(*stream);
  for (auto &[handle, event] : state.events) {
    if (event->at.stream == &gone)
      event->at = {};
    if (event->captured == &gone)
      event->captured = nullptr;
  }
}

void createStream(State &state, void **out, unsigned flags) {
  requirePointer(out, "phStream");
  state.requireContext();
  if (flags > 1)
    fail(InvalidValue, "unknown stream flags");
  state.countAllocation("stream", 0);
  auto stream = std::make_unique<Stream>();
  stream->blocking = flags == 0;
  stream->number = ++state.nextStream;
  *out = state.streams.add(std::move(stream));
}

/// A poll answers "not ready" at first, also where nothing would hinder the work: whoever polls must be able to wait.
bool poll(State &state, Position position, unsigned &polls) {
  if (!state.isComplete(position)) {
    if (polls++ == 0)
      return false;
    state.complete(position);
    state.requireContext();
  }
  polls = 0;
  return true;
}

} // namespace

// --- streams ---

ADZE_SIM_EXPORT int cuStreamCreate(void **stream, unsigned flags) {
  return entry("cuStreamCreate", [&](State &state) { createStream(state, stream, flags); });
}

ADZE_SIM_EXPORT int cuStreamCreateWithPriority(void **stream, unsigned flags, int) {
  return entry("cuStreamCreateWithPriority", [&](State &state) { createStream(state, stream, flags); });
}

ADZE_SIM_EXPORT int cuStreamDestroy_v2(void *handle) {
  return entry("cuStreamDestroy", [&](State &state) {
    state.requireContext();
    if (!state.streams.find(handle))
      fail(InvalidHandle, "the stream does not exist or was destroyed");
    Stream &stream = *state.streams.find(handle);
    state.completeStream(stream);
    forget(state, stream);
    state.streams.remove(handle);
  });
}

ADZE_SIM_EXPORT int cuStreamSynchronize(void *handle) {
  return entry("cuStreamSynchronize", [&](State &state) {
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamSynchronize");
    requireNotCaptured(stream, "cuStreamSynchronize");
    state.completeStream(stream);
    state.requireContext(); // what came to light
  });
}

ADZE_SIM_EXPORT int cuStreamQuery(void *handle) {
  return entry("cuStreamQuery", [&](State &state) {
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamQuery");
    requireNotCaptured(stream, "cuStreamQuery");
    if (!poll(state, {&stream, stream.submitted}, stream.polls))
      fail(NotReady, "");
  });
}

ADZE_SIM_EXPORT int cuStreamWaitEvent(void *handle, void *eventHandle, unsigned) {
  return entry("cuStreamWaitEvent", [&](State &state) {
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamWaitEvent");
    Event &event = findEvent(state, eventHandle);
    if (event.captured || stream.capture) {
      if (event.captured == &stream && stream.capture)
        return; // a stream is behind its own events anyway
      if (stream.capture)
        stream.invalidated = true;
      fail(CaptureIsolation, "the simulator captures one stream at a time: no event may lead into or out of a capture");
    }
    if (event.at.stream)
      state.submit(stream, [] {}, {event.at});
  });
}

ADZE_SIM_EXPORT int cuStreamGetCtx(void *handle, void **context) {
  return entry("cuStreamGetCtx", [&](State &state) {
    requirePointer(context, "pctx");
    state.requireContext();
    state.stream(handle, "cuStreamGetCtx");
    *context = state.contextHandle();
  });
}

ADZE_SIM_EXPORT int cuLaunchHostFunc(void *handle, void (*function)(void *), void *data) {
  return entry("cuLaunchHostFunc", [&](State &state) {
    state.requireContext();
    if (!function)
      fail(InvalidValue, "the argument fn is null");
    state.submit(state.stream(handle, "cuLaunchHostFunc"), [function, data] { function(data); });
  });
}

// --- events ---

ADZE_SIM_EXPORT int cuEventCreate(void **out, unsigned flags) {
  return entry("cuEventCreate", [&](State &state) {
    requirePointer(out, "phEvent");
    state.requireContext();
    if (flags > 7)
      fail(InvalidValue, "unknown event flags");
    state.countAllocation("event", 0);
    auto event = std::make_unique<Event>();
    event->timing = !(flags & 2);
    *out = state.events.add(std::move(event));
  });
}

ADZE_SIM_EXPORT int cuEventDestroy_v2(void *handle) {
  return entry("cuEventDestroy", [&](State &state) {
    state.requireContext();
    findEvent(state, handle);
    state.events.remove(handle);
  });
}

ADZE_SIM_EXPORT int cuEventRecord(void *handle, void *streamHandle) {
  return entry("cuEventRecord", [&](State &state) {
    state.requireContext();
    Event &event = findEvent(state, handle);
    Stream &stream = state.stream(streamHandle, "cuEventRecord");
    event.polls = 0;
    event.captured = stream.capture ? &stream : nullptr;
    if (event.captured) {
      event.at = {};
      return;
    }
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    state.submit(stream, [time] { *time = std::chrono::steady_clock::now(); });
    event.time = time;
    event.at = {&stream, stream.submitted};
  });
}

ADZE_SIM_EXPORT int cuEventQuery(void *handle) {
  return entry("cuEventQuery", [&](State &state) {
    state.requireContext();
    Event &event = findEvent(state, handle);
    if (event.captured)
      requireNotCaptured(*event.captured, "cuEventQuery");
    if (!poll(state, event.at, event.polls))
      fail(NotReady, "");
  });
}

ADZE_SIM_EXPORT int cuEventSynchronize(void *handle) {
  return entry("cuEventSynchronize", [&](State &state) {
    state.requireContext();
    Event &event = findEvent(state, handle);
    if (event.captured)
      requireNotCaptured(*event.captured, "cuEventSynchronize");
    if (event.at.stream)
      state.complete(event.at);
    state.requireContext();
  });
}

ADZE_SIM_EXPORT int cuEventElapsedTime(float *milliseconds, void *from, void *to) {
  return entry("cuEventElapsedTime", [&](State &state) {
    requirePointer(milliseconds, "pMilliseconds");
    state.requireContext();
    Event &begin = findEvent(state, from), &end = findEvent(state, to);
    if (!begin.timing || !end.timing || !begin.time || !end.time)
      fail(InvalidHandle, "both events must have been made with timing, and recorded");
    if (!state.isComplete(begin.at) || !state.isComplete(end.at))
      fail(NotReady, "");
    *milliseconds = std::chrono::duration<float, std::milli>(*end.time - *begin.time).count();
  });
}

// --- captures ---

ADZE_SIM_EXPORT int cuStreamBeginCapture_v2(void *handle, int mode) {
  return entry("cuStreamBeginCapture", [&](State &state) {
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamBeginCapture");
    if (&stream == &state.legacy)
      fail(CaptureUnsupported, "the legacy default stream cannot be captured");
    if (stream.capture)
      fail(IllegalState, "the stream is being captured already");
    if (mode < 0 || mode > 2)
      fail(InvalidValue, "unknown capture mode " + std::to_string(mode));
    stream.capture = std::make_unique<Graph>();
    stream.invalidated = false;
    stream.captureMode = mode;
    stream.captureThread = threadNumber();
  });
}

ADZE_SIM_EXPORT int cuStreamEndCapture(void *handle, void **graph) {
  return entry("cuStreamEndCapture", [&](State &state) {
    requirePointer(graph, "phGraph");
    *graph = nullptr;
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamEndCapture");
    if (!stream.capture)
      fail(IllegalState, "the stream is not being captured");
    if (stream.captureMode != 2 && stream.captureThread != threadNumber())
      fail(CaptureWrongThread, "another thread began it");
    std::unique_ptr<Graph> captured = std::move(stream.capture);
    for (auto &[address, event] : state.events)
      if (event->captured == &stream)
        event->captured = nullptr;
    if (stream.invalidated)
      fail(CaptureInvalidated, "something was done during the capture that cannot be recorded");
    *graph = state.graphs.add(std::move(captured));
  });
}

ADZE_SIM_EXPORT int cuStreamIsCapturing(void *handle, int *status) {
  return entry("cuStreamIsCapturing", [&](State &state) {
    requirePointer(status, "captureStatus");
    state.requireContext();
    Stream &stream = state.stream(handle, "cuStreamIsCapturing");
    *status = !stream.capture ? 0 : stream.invalidated ? 2 : 1;
  });
}

ADZE_SIM_EXPORT int cuThreadExchangeStreamCaptureMode(int *mode) {
  return entry("cuThreadExchangeStreamCaptureMode", [&](State &) {
    requirePointer(mode, "mode");
    static thread_local int current = 0;
    if (*mode < 0 || *mode > 2)
      fail(InvalidValue, "unknown capture mode " + std::to_string(*mode));
    std::swap(*mode, current);
  });
}

// --- graphs ---

ADZE_SIM_EXPORT int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long) {
  return entry("cuGraphInstantiateWithFlags", [&](State &state) {
    requirePointer(exec, "phGraphExec");
    state.requireContext();
    const Graph *found = state.graphs.find(graph);
    if (!found)
      fail(InvalidHandle, "the graph does not exist or was destroyed");
    state.countAllocation("graph", 0);
    auto out = std::make_unique<GraphExec>();
    out->nodes = found->nodes;
    *exec = state.execs.add(std::move(out));
  });
}

ADZE_SIM_EXPORT int cuGraphUpload(void *exec, void *stream) {
  return entry("cuGraphUpload", [&](State &state) {
    state.requireContext();
    if (!state.execs.find(exec))
      fail(InvalidHandle, "the graph does not exist or was destroyed");
    state.stream(stream, "cuGraphUpload");
  });
}

ADZE_SIM_EXPORT int cuGraphLaunch(void *exec, void *handle) {
  return entry("cuGraphLaunch", [&](State &state) {
    state.requireContext();
    const GraphExec *found = state.execs.find(exec);
    if (!found)
      fail(InvalidHandle, "the graph does not exist or was destroyed");
    Stream &stream = state.stream(handle, "cuGraphLaunch");
    for (const Operation &node : found->nodes)
      state.submit(stream, node.run);
    ++state.graphLaunches;
  });
}

ADZE_SIM_EXPORT int cuGraphExecDestroy(void *exec) {
  return entry("cuGraphExecDestroy", [&](State &state) {
    state.requireContext();
    if (!state.execs.find(exec))
      fail(InvalidHandle, "the graph does not exist or was destroyed");
    state.execs.remove(exec);
  });
}

ADZE_SIM_EXPORT int cuGraphDestroy(void *graph) {
  return entry("cuGraphDestroy", [&](State &state) {
    state.requireContext();
    if (!state.graphs.find(graph))
      fail(InvalidHandle, "the graph does not exist or was destroyed");
    state.graphs.remove(graph);
  });
}
