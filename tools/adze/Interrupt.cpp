#include "tools/adze/Interrupt.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <thread>
#include <unistd.h>

using namespace adze::cli;

namespace {
// State of the process, not of a compilation: the signal thread must reach it.
struct State {
  std::atomic<bool> interrupted{false};
  std::mutex mutex;
  std::set<std::string> directories;
  std::string crashText, crashPath; // prepared beforehand: a crash handler must not allocate
};
State &state() {
  static State *instance = new State; // never destroyed: threads may outlive main
  return *instance;
}

// What a crash handler can reach without a lock: the same directories as text of fixed size.
constexpr int kMaxCrashDirectories = 4;
char crashDirectories[kMaxCrashDirectories][512];

void rememberForCrash(const std::string &directory) {
  for (char (&slot)[512] : crashDirectories)
    if (!slot[0] && directory.size() < sizeof slot) {
      memcpy(slot, directory.c_str(), directory.size() + 1);
      return;
    }
}
void forgetForCrash(const std::string &directory) {
  for (char (&slot)[512] : crashDirectories)
    if (directory == slot)
      slot[0] = 0;
}
// _Fork (glibc 2.34) and exec are async-signal-safe; walking a directory is not, and fork would wait for malloc's
// locks, which a crash inside malloc holds for ever.
void removeAfterCrash() {
  for (const char (&slot)[512] : crashDirectories)
    if (slot[0] && _Fork() == 0) {
      execl("/bin/rm", "rm", "-rf", "--", slot, static_cast<char *>(nullptr));
      _exit(1);
    }
}

std::string temporaryRoot() {
  const char *dir = std::getenv("TMPDIR");
  return dir && *dir ? dir : "/tmp";
}

void removeAll() {
  State &s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  for (const std::string &directory : s.directories)
    (void)llvm::sys::fs::remove_directories(directory); // best effort
  s.directories.clear();
}

[[noreturn]] void waitForSignals(sigset_t set) {
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  state().interrupted = true;
  std::this_thread::sleep_for(std::chrono::seconds(2));
  removeAll();
  _exit(130);
}

void put(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, text, length);
    if (n <= 0)
      return;
    text += n;
    length -= static_cast<size_t>(n);
  }
}

// Runs on its own stack with async-signal-safe calls only.
void onCrash(int signal) {
  const State &s = state();
  int fd = open(s.crashPath.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  if (fd >= 0) {
    put(fd, s.crashText.data(), s.crashText.size());
    close(fd);
  }
  const char *name = signal == SIGSEGV   ? "SIGSEGV"
                     : signal == SIGABRT ? "SIGABRT"
                     : signal == SIGBUS  ? "SIGBUS"
                                         : "a signal";
  auto say = [](const char *text) { put(STDERR_FILENO, text, strlen(text)); };
  say("error: adze crashed\n  where: inside the compiler or the runtime\n  why: ");
  say(name);
  say("\n  remedy: report this bug with the model and the reproducer ");
  say(fd >= 0 ? s.crashPath.c_str() : "(which could not be written)");
  say("\n");
  removeAfterCrash();
  _exit(1);
}
} // namespace

std::atomic<bool> &adze::cli::interrupted() { return state().interrupted; }

void adze::cli::installHandlers(const std::string &commandLine) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([set] { waitForSignals(set); }).detach();
  signal(SIGPIPE, SIG_IGN);

  State &s = state();
  s.crashPath = temporaryRoot() + "/adze-crash-" + std::to_string(getpid()) + ".txt";
  s.crashText = "adze crash report\ncommand: " + commandLine + "\n";
  static char stack[64 * 1024];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  struct sigaction action{};
  action.sa_handler = onCrash;
  action.sa_flags = SA_ONSTACK | SA_RESETHAND;
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE})
    sigaction(signal, &action, nullptr);
}

TemporaryDirectory::TemporaryDirectory(const std::string &neighbour) {
  where = neighbour.empty() ? temporaryRoot() : llvm::sys::path::parent_path(neighbour).str();
  if (where.empty())
    where = ".";
  std::string name = where + "/.adze-XXXXXX";
  // Registered before it exists would race with the signal thread the other way round: hold the lock over both.
  std::lock_guard<std::mutex> lock(state().mutex);
  if (!mkdtemp(name.data())) {
    message = std::strerror(errno);
    return;
  }
  directory = name;
  state().directories.insert(name);
  rememberForCrash(name);
}

TemporaryDirectory::~TemporaryDirectory() {
  if (directory.empty())
    return;
  std::lock_guard<std::mutex> lock(state().mutex);
  forgetForCrash(directory);
  if (state().directories.erase(directory))
    (void)llvm::sys::fs::remove_directories(directory); // best effort
}

std::string adze::cli::writeReproducer(const std::string &details) {
  const State &s = state();
  int fd = open(s.crashPath.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  if (fd < 0)
    return "";
  std::string text = s.crashText + details;
  put(fd, text.data(), text.size());
  close(fd);
  return s.crashPath;
}
