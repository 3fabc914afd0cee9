#include "compiler/oracle/Staged.h"
#include "mlir/Transforms/RegionUtils.h"
#include <limits>

using namespace mlir;

namespace adze::oracle {

//===-- channels
//----------------------------------------------------------------------------------------------------===//

void Channel::reset() {
  for (Fifo &f : fifos) {
    for (Fifo::Slot &slot : f.slots)
      slot.sequence = -1;
    for (auto *counts : {&f.acquired, &f.committed, &f.waited, &f.released})
      std::fill(counts->begin(), counts->end(), 0);
  }
}

std::string Channel::level() const {
  std::string text = name + " (" + memory + ", " + from + " -> " + to + "):";
  for (const Fifo &f : fifos) {
    int64_t filling = *std::max_element(f.acquired.begin(), f.acquired.end()) - f.full();
    text += " " + std::to_string(f.full() - f.freed()) + " full and " + std::to_string(filling) + " being written of " +
            std::to_string(depth);
  }
  return text;
}

//===-- scheduler
//---------------------------------------------------------------------------------------------------===//

uint64_t Scheduler::random() { // splitmix64
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/// Picks the next task; the caller holds the mutex.
void Scheduler::choose() {
  std::vector<Task *> runnable;
  bool waiting = false;
  for (Task *t : tasks) {
    if (t->done)
      continue;
    waiting = true;
    if (!t->ready || t->ready())
      runnable.push_back(t);
  }
  if (runnable.empty()) {
    if (waiting)
      for (Task *t : tasks)
        if (!t->done)
          blocked += " process " + t->name + " waits for " + t->waitsFor + ";";
    stopped = true;
    current = nullptr;
    for (Task *t : tasks)
      t->turn.notify_one();
    return;
  }
  // Even seeds choose evenly. Odd ones let the task of the highest rank run on and rarely change the ranks, so that one
  // unit races as far ahead of the others as its channels allow.
  current = runnable[random() % runnable.size()];
  if (byRank) {
    if (random() % 64 == 0)
      for (Task *t : tasks)
        t->rank = random();
    current = *std::max_element(runnable.begin(), runnable.end(), [](Task *a, Task *b) { return a->rank < b->rank; });
  }
  current->turn.notify_one();
}

bool Scheduler::pass(Task &task, std::function<bool()> ready, std::string waitsFor) {
  std::unique_lock<std::mutex> lock(mutex);
  if (stopped)
    return false;
  task.ready = std::move(ready);
  task.waitsFor = std::move(waitsFor);
  choose();
  task.turn.wait(lock, [&] { return stopped || current == &task; });
  if (stopped)
    return false;
  task.ready = nullptr;
  task.waitsFor.clear();
  return true;
}

std::string Scheduler::run(ArrayRef<Task *> all, ArrayRef<const Steps *> steps,
                           llvm::function_ref<std::string()> describe) {
  tasks.assign(all.begin(), all.end());
  std::vector<std::thread> threads;
  for (auto [task, body] : llvm::zip_equal(all, steps)) {
    task->scheduler = this;
    task->done = false;
    task->ready = nullptr;
    task->rank = random();
    threads.emplace_back([this, task = task, body = body] {
      {
        std::unique_lock<std::mutex> lock(mutex);
        task->turn.wait(lock, [&] { return stopped || current == task; });
        if (stopped)
          return;
      }
      runSteps(*body, *task->frame);
      std::unique_lock<std::mutex> lock(mutex);
      task->done = true;
      if (!task->frame->error.empty()) {
        stopped = true;
        for (Task *t : tasks)
          t->turn.notify_one();
      } else if (!stopped) {
        choose();
      }
    });
  }
  {
    std::unique_lock<std::mutex> lock(mutex);
    choose();
  }
  for (std::thread &t : threads)
    t.join();
  if (!blocked.empty())
    return "deadlock:" + blocked + " channels: " + describe() +
           "deepen the channel that is full or give its reader an earlier stage";
  for (Task *t : tasks)
    if (!t->frame->error.empty() && t->frame->error != "stopped")
      return "process " + t->name + ": " + t->frame->error;
  return "";
}

//===-- steps
//-------------------------------------------------------------------------------------------------------===//

namespace {
using namespace tile;

/// Calls fn(offset in whole, offset in part, count) for each contiguous row of a part; false when it leaves the whole.
template <typename Fn>
bool forRows(ArrayRef<int64_t> whole, ArrayRef<int64_t> part, ArrayRef<int64_t> at, Fn fn) {
  int64_t rank = whole.size();
  for (int64_t d = 0; d < rank; ++d)
    if (at[d] < 0 || at[d] + part[d] > whole[d])
      return false;
  SmallVector<int64_t> index(rank, 0);
  int64_t done = 0, row = rank ? part[rank - 1] : 1, total = 1;
  for (int64_t d : part)
    total *= d;
  while (done < total) {
    int64_t offset = 0;
    for (int64_t d = 0; d < rank; ++d)
      offset = offset * whole[d] + at[d] + index[d];
    fn(offset, done, row);
    done += row;
    for (int64_t d = rank - 2; d >= 0; --d) {
      if (++index[d] < part[d])
        break;
      index[d] = 0;
    }
  }
  return true;
}

SmallVector<int64_t> read(Frame &frame, ArrayRef<Place> places) {
  SmallVector<int64_t> result;
  for (const Place &p : places)
    result.push_back(*frame.i(p.slot));
  return result;
}
SmallVector<Place> placesOf(BuildContext &c, OperandRange values) {
  SmallVector<Place> result;
  for (Value v : values)
    result.push_back(c.place(v));
  return result;
}

/// A slot value holds sequence number and FIFO.
constexpr int64_t kMaxFifos = 64;
struct Held {
  int64_t sequence, fifo;
};
Held heldOf(Frame &frame, const Place &slot) {
  int64_t v = *frame.i(slot.slot);
  return {v / kMaxFifos, v % kMaxFifos};
}

int64_t party(Frame &frame, const Channel &ch) { return ch.fifos.size() > 1 || !frame.task ? 0 : frame.task->instance; }

bool pass(Frame &frame, std::function<bool()> ready, const std::string &what) {
  if (!frame.task) { // the program itself runs after all processes
    if (!ready || ready())
      return true;
    frame.error = "deadlock: the program waits for " + what;
    return false;
  }
  if (frame.task->scheduler->pass(*frame.task, std::move(ready), what))
    return true;
  frame.error = "stopped";
  return false;
}

bool buildChannel(ChannelOp op, BuildContext &c) {
  auto ch = std::make_shared<Channel>();
  ch->name = op.getName().str();
  ch->memory = op.getMemory().str();
  ch->from = op.getFrom().str();
  ch->to = op.getTo().str();
  ch->depth = op.getDepth();
  ch->batch = op.getBatch();
  ch->implied = op.getImplied();
  RankedTensorType item = op.getChannel().getType().getItem();
  ch->shape.assign(item.getShape().begin(), item.getShape().end());
  ch->elements = item.getNumElements();
  auto instances = [&](StringRef unit) -> int64_t {
    if (op.getCopies() > 1)
      return 1;
    for (ProcessOp p : op->getBlock()->getOps<ProcessOp>())
      if (p.getUnit() == unit)
        return p.getInstances();
    return 1;
  };
  if (static_cast<int64_t>(op.getCopies()) > kMaxFifos)
    return c.fail(*op, "too many copies");
  for (unsigned i = 0; i < op.getCopies(); ++i) {
    Fifo f;
    f.slots.resize(ch->depth);
    for (Fifo::Slot &slot : f.slots) {
      slot.data.resize(ch->elements * ch->batch);
      slot.written.resize(ch->elements * ch->batch);
    }
    f.acquired.resize(instances(ch->from));
    f.committed.resize(instances(ch->from));
    f.waited.resize(instances(ch->to));
    f.released.resize(instances(ch->to));
    ch->fifos.push_back(std::move(f));
  }
  auto &staged = *c.builder.staged;
  staged.channels[op.getChannel()] = ch;
  staged.order.push_back(ch);
  c.add([ch](Frame &) { ch->reset(); });
  return true;
}

std::shared_ptr<Channel> channelOf(BuildContext &c, Value channel) {
  return c.builder.staged->channels.lookup(channel);
}
std::shared_ptr<Channel> channelOfSlot(BuildContext &c, Value slot) {
  return channelOf(c, slot.getDefiningOp()->getOperand(0));
}

/// acquire and wait: the task's next slot, when it is free or full.
bool buildTake(Operation &op, Value channel, Value copy, bool write, BuildContext &c) {
  auto ch = channelOf(c, channel);
  if (!ch)
    return c.fail(op, "its channel is not declared before the processes");
  Place slot = c.place(op.getResult(0)), fifo = copy ? c.place(copy) : Place();
  bool chosen = copy != nullptr;
  c.add([=](Frame &frame) {
    int64_t n = chosen ? *frame.i(fifo.slot) : ch->fifos.size() > 1 && frame.task ? frame.task->instance : 0;
    if (n < 0 || n >= static_cast<int64_t>(ch->fifos.size())) {
      frame.error = "channel " + ch->name + " has no copy " + std::to_string(n);
      return;
    }
    Fifo &f = ch->fifos[n];
    int64_t &next = (write ? f.acquired : f.waited)[party(frame, *ch)];
    int64_t sequence = next;
    auto ready = [ch, &f, sequence, write] {
      return write ? ch->implied || sequence - f.freed() < ch->depth : sequence < f.full();
    };
    if (!pass(frame, ready, (write ? "a free slot of " : "a full slot of ") + ch->name))
      return;
    ++next;
    *frame.i(slot.slot) = sequence * kMaxFifos + n;
  });
  return true;
}

/// commit and release.
bool buildGive(Value slotValue, bool write, BuildContext &c) {
  auto ch = channelOfSlot(c, slotValue);
  Place slot = c.place(slotValue);
  c.add([=](Frame &frame) {
    Held held = heldOf(frame, slot);
    Fifo &f = ch->fifos[held.fifo];
    int64_t &count = (write ? f.committed : f.released)[party(frame, *ch)];
    if (count != held.sequence) {
      frame.error = "channel " + ch->name + ": slot " + std::to_string(held.sequence) + " is " +
                    (write ? "committed" : "released") + " out of order, after " + std::to_string(count);
      return;
    }
    ++count;
    Fifo::Slot &s = f.slots[held.sequence % ch->depth];
    if (!write && f.freed() > held.sequence && s.sequence == held.sequence) { // poison: nobody may read it any more
      s.sequence = -1;
      std::fill(s.data.begin(), s.data.end(), std::numeric_limits<double>::quiet_NaN());
    }
    pass(frame, nullptr, "");
  });
  return true;
}

bool buildPut(PutOp op, BuildContext &c) {
  auto ch = channelOfSlot(c, op.getSlot());
  Place tile = c.place(op.getTile()), slot = c.place(op.getSlot()),
        item = op.getItem() ? c.place(op.getItem()) : Place();
  bool hasItem = op.getItem() != nullptr;
  auto at = placesOf(c, op.getOffsets());
  SmallVector<int64_t> part(cast<RankedTensorType>(op.getTile().getType()).getShape());
  c.add([=](Frame &frame) {
    Held held = heldOf(frame, slot);
    Fifo::Slot &s = ch->fifos[held.fifo].slots[held.sequence % ch->depth];
    if (s.sequence > held.sequence) {
      frame.error = "channel " + ch->name + ": slot " + std::to_string(held.sequence) + " was overwritten by slot " +
                    std::to_string(s.sequence) + " before it was full";
      return;
    }
    if (s.sequence != held.sequence) { // a new item: what was here may not be read any more
      s.sequence = held.sequence;
      std::fill(s.written.begin(), s.written.end(), 0);
    }
    int64_t base = (hasItem ? *frame.i(item.slot) : 0) * ch->elements;
    bool inside = forRows(ch->shape, part, read(frame, at), [&](int64_t to, int64_t from, int64_t count) {
      std::copy_n(frame.f(tile.slot) + from, count, s.data.data() + base + to);
      std::fill_n(s.written.data() + base + to, count, 1);
    });
    if (!inside)
      frame.error = "put outside the item of channel " + ch->name;
  });
  return true;
}

bool buildGet(GetOp op, BuildContext &c) {
  auto ch = channelOfSlot(c, op.getSlot());
  Place tile = c.place(op.getTile()), slot = c.place(op.getSlot()),
        item = op.getItem() ? c.place(op.getItem()) : Place();
  bool hasItem = op.getItem() != nullptr;
  auto at = placesOf(c, op.getOffsets());
  SmallVector<int64_t> part(cast<RankedTensorType>(op.getTile().getType()).getShape());
  c.add([=](Frame &frame) {
    Held held = heldOf(frame, slot);
    Fifo::Slot &s = ch->fifos[held.fifo].slots[held.sequence % ch->depth];
    if (s.sequence == -1) {
      frame.error = "channel " + ch->name + ": slot " + std::to_string(held.sequence) + " is read after its release";
      return;
    }
    if (s.sequence != held.sequence) {
      frame.error = "channel " + ch->name + ": slot " + std::to_string(held.sequence) + " was overwritten by slot " +
                    std::to_string(s.sequence) + " before it was read";
      return;
    }
    int64_t base = (hasItem ? *frame.i(item.slot) : 0) * ch->elements;
    bool poison = false;
    bool inside = forRows(ch->shape, part, read(frame, at), [&](int64_t from, int64_t to, int64_t count) {
      std::copy_n(s.data.data() + base + from, count, frame.f(tile.slot) + to);
      poison |= std::find(s.written.begin() + base + from, s.written.begin() + base + from + count, 0) !=
                s.written.begin() + base + from + count;
    });
    if (!inside)
      frame.error = "get outside the item of channel " + ch->name;
    else if (poison)
      frame.error = "channel " + ch->name + ": reads elements that were not put";
  });
  return true;
}

bool buildStrip(Operation &op, BuildContext &c) {
  if (auto empty = dyn_cast<EmptyOp>(op)) {
    Place p = c.place(empty.getTile());
    c.add([=](Frame &frame) {
      if (p.isFloat())
        std::fill_n(frame.f(p.slot), p.count, std::numeric_limits<double>::quiet_NaN());
      else
        std::fill_n(frame.i(p.slot), p.count, p.width == 1 ? 1 : wrapInt(0x5a5a5a5a5a5a5a5all, p.width));
    });
    return true;
  }
  if (auto extract = dyn_cast<ExtractOp>(op)) {
    Place from = c.place(extract.getSource()), to = c.place(extract.getTile());
    auto at = placesOf(c, extract.getOffsets());
    SmallVector<int64_t> whole(shapeOf(extract.getSource())), part(shapeOf(extract.getTile()));
    c.add([=](Frame &frame) {
      if (!forRows(whole, part, read(frame, at), [&](int64_t w, int64_t p, int64_t count) {
            std::copy_n(frame.f(from.slot) + w, count, frame.f(to.slot) + p);
          }))
        frame.error = "tile.extract reads outside its tile";
    });
    return true;
  }
  auto insert = dyn_cast<InsertOp>(op);
  if (!insert)
    return false;
  Place part = c.place(insert.getSource()), dest = c.place(insert.getDest()), to = c.place(insert.getTile());
  auto at = placesOf(c, insert.getOffsets());
  SmallVector<int64_t> whole(shapeOf(insert.getTile())), sizes(shapeOf(insert.getSource()));
  c.add([=](Frame &frame) {
    Builder::copy(frame, to, dest);
    if (!forRows(whole, sizes, read(frame, at), [&](int64_t w, int64_t p, int64_t count) {
          std::copy_n(frame.f(part.slot) + p, count, frame.f(to.slot) + w);
        }))
      frame.error = "tile.insert writes outside its tile";
  });
  return true;
}

/// Runs the processes of a body; the frame's error says what went wrong.
void runProcesses(StagedContext &staged, Frame &outer) {
  std::vector<Task *> tasks;
  std::vector<const Steps *> steps;
  for (auto &process : staged.processes)
    for (auto &task : process->tasks) {
      Frame &frame = *task->frame;
      frame.task = task.get();
      frame.buffers = outer.buffers;
      frame.program = outer.program;
      frame.checkRaces = outer.checkRaces;
      frame.error.clear();
      for (auto &[from, to] : process->captures)
        std::copy_n(outer.f(from.slot), from.count, frame.f(to.slot));
      for (auto &[from, to] : process->views)
        frame.views[to] = outer.views[from];
      *frame.i(process->instance.slot) = task->instance;
      tasks.push_back(task.get());
      steps.push_back(&process->steps);
    }
  auto describe = [&] {
    std::string text;
    for (auto &ch : staged.order)
      text += ch->level() + "; ";
    return text;
  };
  outer.error = Scheduler(outer.unitOrderSeed).run(tasks, steps, describe);
  if (!outer.error.empty())
    return;
  for (auto &ch : staged.order)
    for (Fifo &f : ch->fifos)
      if (f.full() != f.freed() && ch->to != "program")
        outer.error = "channel " + ch->level() + " is not empty when all processes have ended";
}

bool buildProcess(ProcessOp op, BuildContext &c) {
  auto process = std::make_unique<StagedContext::Process>();
  process->builder = std::make_unique<Builder>(c.builder.mode);
  Builder &inner = *process->builder;
  inner.staged = std::shared_ptr<StagedContext>(std::shared_ptr<void>(), c.builder.staged.get()); // it owns `inner`
  process->unit = op.getUnit().str();
  process->instances = op.getInstances();
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op.getBody(), captured);
  for (Value v : captured) {
    if (isa<ViewType>(v.getType()))
      process->views.push_back({c.builder.viewNumber(v), inner.viewNumber(v)});
    else if (!isa<ChannelType>(v.getType()))
      process->captures.push_back({c.place(v), inner.place(v)});
  }
  process->instance = inner.place(op.getBody().getArgument(0));
  for (Operation &each : op.getBody().front()) {
    if (failed(inner.buildOp(each, process->steps))) {
      c.bad = true;
      return true;
    }
  }
  for (int64_t i = 0; i < process->instances; ++i) {
    auto task = std::make_unique<Task>();
    task->name = process->unit + (process->instances > 1 ? "[" + std::to_string(i) + "]" : "");
    task->instance = i;
    task->frame = inner.makeFrame();
    process->tasks.push_back(std::move(task));
  }
  c.builder.staged->processes.push_back(std::move(process));
  if (!isa_and_nonnull<ProcessOp>(op->getNextNode()))
    c.add([staged = c.builder.staged.get()](Frame &frame) { runProcesses(*staged, frame); });
  return true;
}

} // namespace

bool buildStaged(Operation &op, BuildContext &c) {
  if (buildStrip(op, c))
    return true;
  if (!c.builder.staged)
    c.builder.staged = std::make_shared<StagedContext>();
  if (auto o = dyn_cast<ChannelOp>(op))
    return buildChannel(o, c);
  if (auto o = dyn_cast<ProcessOp>(op))
    return buildProcess(o, c);
  if (auto o = dyn_cast<AcquireOp>(op))
    return buildTake(op, o.getChannel(), o.getCopy(), true, c);
  if (auto o = dyn_cast<WaitOp>(op))
    return buildTake(op, o.getChannel(), o.getCopy(), false, c);
  if (auto o = dyn_cast<CommitOp>(op))
    return buildGive(o.getSlot(), true, c);
  if (auto o = dyn_cast<ReleaseOp>(op))
    return buildGive(o.getSlot(), false, c);
  if (auto o = dyn_cast<PutOp>(op))
    return buildPut(o, c);
  if (auto o = dyn_cast<GetOp>(op))
    return buildGet(o, c);
  return false;
}

} // namespace adze::oracle
