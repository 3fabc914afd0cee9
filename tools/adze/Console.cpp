#include "tools/adze/Console.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <unistd.h>

using namespace adze;
using namespace adze::cli;

Console::Console() : started(Clock::now()), stepStarted(started), lastShown(started) {
  terminal = isatty(STDERR_FILENO) != 0;
  const char *noColour = std::getenv("NO_COLOR");
  const char *term = std::getenv("TERM");
  colour = terminal && !(noColour && *noColour) && !(term && llvm::StringRef(term) == "dumb");
}

void Console::printError(llvm::StringRef text) {
  endProgress();
  llvm::StringRef head = "error: ";
  if (colour && text.consume_front(head))
    llvm::errs() << "\x1b[1;31m" << head << "\x1b[0m";
  llvm::errs() << text << "\n";
  llvm::errs().flush();
}

int Console::fail(int exit, llvm::StringRef what, llvm::StringRef where, llvm::StringRef why, llvm::StringRef remedy) {
  printError(("error: " + what + "\n  where: " + where + "\n  why: " + why + "\n  remedy: " + remedy).str());
  if (json) {
    llvm::json::Object error{
        {"exit", exit}, {"what", utf8(what)}, {"where", utf8(where)}, {"why", utf8(why)}, {"remedy", utf8(remedy)}};
    result(llvm::json::Object{{"ok", false}, {"exit", exit}, {"errors", llvm::json::Array{std::move(error)}}});
  }
  return exit;
}

int Console::failText(int exit, llvm::StringRef text) {
  printError(("error: " + text).str());
  if (json)
    result(llvm::json::Object{{"ok", false},
                              {"exit", exit},
                              {"errors", llvm::json::Array{llvm::json::Object{{"exit", exit}, {"what", utf8(text)}}}}});
  return exit;
}

int Console::fail(const ErrorSink &errors) {
  int exit = errors.exitCode() ? errors.exitCode() : static_cast<int>(kInternal);
  std::string text = errors.text();
  llvm::StringRef rest = llvm::StringRef(text).rtrim('\n');
  if (rest.empty())
    rest = "error: the compiler failed without a message\n  where: adze\n  why: unknown\n  remedy: report this";
  // One error starts where a line begins with "error: "; each gets its own colour.
  while (!rest.empty()) {
    size_t next = rest.find("\nerror: ");
    printError(rest.take_front(next));
    rest = next == llvm::StringRef::npos ? llvm::StringRef() : rest.drop_front(next + 1);
  }
  if (json)
    result(llvm::json::Object{{"ok", false}, {"exit", exit}, {"errors", errors.json()}});
  return exit;
}

void Console::result(llvm::json::Object object) {
  endProgress();
  llvm::outs() << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(object)));
  llvm::outs().flush();
}

void Console::print(llvm::StringRef text) {
  endProgress();
  llvm::outs() << text;
  llvm::outs().flush();
}

void Console::note(llvm::StringRef text) {
  endProgress();
  llvm::errs() << text << "\n";
  llvm::errs().flush();
}

static std::string duration(double seconds) {
  if (seconds < 100)
    return llvm::formatv("{0:f0} s", seconds).str();
  return llvm::formatv("{0} min {1} s", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60).str();
}

void Console::progress(llvm::StringRef step, size_t done, size_t total) {
  using Seconds = std::chrono::duration<double>;
  std::lock_guard<std::mutex> lock(mutex);
  Clock::time_point now = Clock::now();
  if (step != currentStep) {
    currentStep = step.str();
    stepStarted = now;
  }
  double interval = terminal ? 0.1 : 5.0;
  if (Seconds(now - started).count() < 1.0 || Seconds(now - lastShown).count() < interval)
    return;
  lastShown = now;
  std::string line = llvm::formatv("[{0}] {1}", duration(Seconds(now - started).count()), step).str();
  if (total > 0) {
    line += llvm::formatv(" {0}/{1}", done, total).str();
    double spent = Seconds(now - stepStarted).count();
    if (done > 0 && done < total && spent > 0.5)
      line += ", " + duration(spent * static_cast<double>(total - done) / static_cast<double>(done)) + " left";
  }
  if (terminal)
    llvm::errs() << "\r\x1b[2K" << line;
  else
    llvm::errs() << line << "\n";
  llvm::errs().flush();
  lineShown = terminal;
}

void Console::endProgress() {
  std::lock_guard<std::mutex> lock(mutex);
  if (lineShown)
    llvm::errs() << "\r\x1b[2K";
  lineShown = false;
}
