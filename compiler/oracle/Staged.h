// The staged form in the interpreter: processes are tasks that hand one turn around in a seeded random order, channels
// are bounded FIFOs that know every slot's owner. Private to compiler/oracle.
#ifndef ADZE_COMPILER_ORACLE_STAGED_H
#define ADZE_COMPILER_ORACLE_STAGED_H

#include "compiler/oracle/Frame.h"
#include <condition_variable>
#include <mutex>
#include <thread>

namespace adze::oracle {

/// One FIFO of a channel. Sequence numbers count slots since the program began.
struct Fifo {
  struct Slot {
    int64_t sequence = -1;
    std::vector<double> data; // raw 8-byte elements of all items
    std::vector<uint8_t> written;
  };
  std::vector<Slot> slots;
  std::vector<int64_t> acquired, committed; // one a producer
  std::vector<int64_t> waited, released;    // one a consumer

  int64_t full() const { return *std::min_element(committed.begin(), committed.end()); }
  int64_t freed() const { return *std::min_element(released.begin(), released.end()); }
};

struct Channel {
  std::string name, memory, from, to;
  int64_t depth = 1, batch = 1;
  bool implied = false;
  llvm::SmallVector<int64_t> shape;
  int64_t elements = 1; // of an item
  std::vector<Fifo> fifos;

  void reset();
  std::string level() const;
};

class Scheduler;

/// One instance of a process.
struct Task {
  std::string name;
  int64_t instance = 0;
  Scheduler *scheduler = nullptr;
  std::unique_ptr<Frame> frame;
  std::function<bool()> ready; // null: runnable
  std::string waitsFor;
  uint64_t rank = 0;
  bool done = false;
  std::condition_variable turn;
};

/// Gives the turn to one task at a time, chosen by a seeded random rule among those that can go on.
class Scheduler {
public:
  explicit Scheduler(uint64_t seed) : state(seed), byRank(seed & 1) {}
  /// Runs all tasks to their end. Returns the first error, "" when there is none; `describe` adds the state of the
  /// channels to a deadlock's message.
  std::string run(llvm::ArrayRef<Task *> tasks, llvm::ArrayRef<const Steps *> steps,
                  llvm::function_ref<std::string()> describe);
  /// Called by the running task: another may go on, and this one does when `ready` holds. False: the run was stopped.
  bool pass(Task &task, std::function<bool()> ready, std::string waitsFor);

private:
  uint64_t random();
  void choose();

  std::mutex mutex;
  std::vector<Task *> tasks;
  Task *current = nullptr;
  uint64_t state;
  bool byRank, stopped = false;
  std::string blocked; // a deadlock's processes and what they wait for
};

/// What the builders of one kernel share: channels by value, and the processes of the block that is being built.
struct StagedContext {
  struct Process {
    std::unique_ptr<Builder> builder;
    std::string unit;
    int64_t instances = 1;
    Place instance;
    Steps steps;
    std::vector<std::pair<Place, Place>> captures; // (outer, inner)
    std::vector<std::pair<unsigned, unsigned>> views;
    std::vector<std::unique_ptr<Task>> tasks;
  };
  llvm::DenseMap<mlir::Value, std::shared_ptr<Channel>> channels;
  std::vector<std::shared_ptr<Channel>> order;
  std::vector<std::unique_ptr<Process>> processes;
};

} // namespace adze::oracle

#endif
