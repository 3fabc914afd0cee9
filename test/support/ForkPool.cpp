#include "test/support/ForkPool.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace adze::test;
using Clock = std::chrono::steady_clock;

namespace {
struct Header {
  uint64_t bytes;
  uint64_t peakBytes;
};

struct Worker {
  pid_t pid = -1;
  int toWorker = -1, fromWorker = -1, errorFile = -1;
  long job = -1; // -1: idle
  size_t served = 0;
  Clock::time_point started;
};

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "fork pool: %s: %s\n", what, std::strerror(errno));
  std::exit(70);
}

bool readAll(int fd, void *data, size_t size) {
  auto *at = static_cast<char *>(data);
  while (size > 0) {
    ssize_t n = read(fd, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool writeAll(int fd, const void *data, size_t size) {
  const auto *at = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

/// A line of /proc/self/status in bytes.
uint64_t statusBytes(const char *key) {
  FILE *file = std::fopen("/proc/self/status", "r");
  if (!file)
    return 0;
  char line[256];
  uint64_t kilobytes = 0;
  while (std::fgets(line, sizeof line, file))
    if (std::strncmp(line, key, std::strlen(key)) == 0)
      kilobytes = std::strtoull(line + std::strlen(key), nullptr, 10);
  std::fclose(file);
  return kilobytes * 1024;
}

/// Sets the high mark of the resident memory back to what it is now.
void resetHighMark() {
  int fd = open("/proc/self/clear_refs", O_WRONLY);
  if (fd < 0)
    return;
  writeAll(fd, "5", 1);
  close(fd);
}

[[noreturn]] void serve(int in, int out, const std::function<std::string(size_t)> &job) {
  uint64_t index = 0;
  while (readAll(in, &index, sizeof index)) {
    resetHighMark();
    uint64_t before = statusBytes("VmRSS:");
    std::string text = job(index);
    uint64_t peak = statusBytes("VmHWM:");
    Header header{text.size(), peak > before ? peak - before : 0};
    if (!writeAll(out, &header, sizeof header) || !writeAll(out, text.data(), text.size()))
      break;
  }
  _exit(0);
}

class Pool {
public:
  Pool(size_t count, const std::function<std::string(size_t)> &job, const PoolOptions &options,
       const std::function<void(size_t, const JobResult &)> &done)
      : count(count), job(job), options(options), done(done), results(count), workers(options.jobs) {}

  std::vector<JobResult> run() {
    signal(SIGPIPE, SIG_IGN);
    while (true) {
      for (Worker &worker : workers)
        if (worker.job < 0 && next < count)
          assign(worker);
      if (std::none_of(workers.begin(), workers.end(), [](const Worker &w) { return w.job >= 0; }))
        break;
      wait();
    }
    for (Worker &worker : workers)
      stop(worker);
    return std::move(results);
  }

private:
  void start(Worker &worker) {
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
      fail("pipe");
    char name[] = "/tmp/adze-pool-XXXXXX";
    worker.errorFile = mkstemp(name);
    if (worker.errorFile < 0)
      fail("mkstemp");
    unlink(name);
    worker.pid = fork();
    if (worker.pid < 0)
      fail("fork");
    if (worker.pid == 0) {
      dup2(worker.errorFile, STDERR_FILENO);
      close(down[1]);
      close(up[0]);
      for (const Worker &other : workers) // or they would not see the end of their pipe
        if (&other != &worker && other.pid > 0) {
          close(other.toWorker);
          close(other.fromWorker);
        }
      struct rlimit none{0, 0};
      setrlimit(RLIMIT_CORE, &none);
      if (options.addressSpaceLimit) {
        struct rlimit limit{options.addressSpaceLimit, options.addressSpaceLimit};
        setrlimit(RLIMIT_AS, &limit);
      }
      serve(down[0], up[1], job);
    }
    close(down[0]);
    close(up[1]);
    worker.toWorker = down[1];
    worker.fromWorker = up[0];
    worker.served = 0;
  }

  void assign(Worker &worker) {
    if (worker.pid > 0 && worker.served >= options.jobsPerWorker)
      stop(worker);
    if (worker.pid < 0)
      start(worker);
    uint64_t index = next++;
    worker.job = static_cast<long>(index);
    worker.started = Clock::now();
    ++worker.served;
    if (ftruncate(worker.errorFile, 0) == 0)
      lseek(worker.errorFile, 0, SEEK_SET);
    writeAll(worker.toWorker, &index, sizeof index); // a dead worker shows when it is read from
  }

  void wait() {
    std::vector<pollfd> fds;
    std::vector<Worker *> owners;
    double left = options.timeoutSeconds;
    for (Worker &worker : workers)
      if (worker.job >= 0) {
        fds.push_back({worker.fromWorker, POLLIN, 0});
        owners.push_back(&worker);
        left = std::min(left, options.timeoutSeconds - spent(worker));
      }
    if (poll(fds.data(), fds.size(), std::max(0, static_cast<int>(left * 1000)) + 1) < 0 && errno != EINTR)
      fail("poll");
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents)
        collect(*owners[i]);
      else if (spent(*owners[i]) >= options.timeoutSeconds)
        timeOut(*owners[i]);
    }
  }

  static double spent(const Worker &worker) {
    return std::chrono::duration<double>(Clock::now() - worker.started).count();
  }

  void finish(Worker &worker, JobResult result) {
    auto index = static_cast<size_t>(worker.job);
    result.seconds = spent(worker);
    worker.job = -1;
    results[index] = std::move(result);
    done(index, results[index]);
  }

  void collect(Worker &worker) {
    Header header{};
    JobResult result;
    if (readAll(worker.fromWorker, &header, sizeof header)) {
      result.text.resize(header.bytes);
      if (readAll(worker.fromWorker, result.text.data(), header.bytes)) {
        result.kind = JobResult::Returned;
        result.peakBytes = header.peakBytes;
        if (options.spoils && options.spoils(result.text))
          worker.served = options.jobsPerWorker;
        finish(worker, std::move(result));
        return;
      }
    }
    result.kind = JobResult::Crashed;
    int status = reap(worker);
    result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result.text = errorTail(worker);
    close(worker.errorFile);
    finish(worker, std::move(result));
  }

  void timeOut(Worker &worker) {
    kill(worker.pid, SIGKILL);
    reap(worker);
    JobResult result;
    result.kind = JobResult::TimedOut;
    result.text = errorTail(worker);
    close(worker.errorFile);
    finish(worker, std::move(result));
  }

  int reap(Worker &worker) {
    int status = 0;
    while (waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
    }
    close(worker.toWorker);
    close(worker.fromWorker);
    worker.pid = -1;
    return status;
  }

  static std::string errorTail(const Worker &worker) {
    off_t size = lseek(worker.errorFile, 0, SEEK_END);
    off_t from = std::max<off_t>(0, size - 3000);
    std::string text(static_cast<size_t>(size - from), 0);
    ssize_t n = pread(worker.errorFile, text.data(), text.size(), from);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  void stop(Worker &worker) {
    if (worker.pid < 0)
      return;
    kill(worker.pid, SIGKILL); // idle: nothing is lost
    reap(worker);
    close(worker.errorFile);
  }

  size_t count, next = 0;
  const std::function<std::string(size_t)> &job;
  const PoolOptions &options;
  const std::function<void(size_t, const JobResult &)> &done;
  std::vector<JobResult> results;
  std::vector<Worker> workers;
};
} // namespace

std::vector<JobResult> adze::test::runForked(size_t count, const std::function<std::string(size_t)> &job,
                                             const PoolOptions &options,
                                             const std::function<void(size_t, const JobResult &)> &done) {
  return Pool(count, job, options, done).run();
}
