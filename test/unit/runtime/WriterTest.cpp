// The package writer: sharing, same bytes, failures that leave nothing behind.
#include "TestPackage.h"

#include "runtime/src/package/PackageReader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

namespace {

/// A folder that must be empty in the end, apart from the named file.
class Folder {
public:
  Folder() {
    path_ = ::testing::TempDir() + "adze-writer-XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~Folder() {
    for (const std::string &name : entries())
      unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> out;
    DIR *dir = opendir(path_.c_str());
    while (dirent *entry = readdir(dir))
      if (std::string name = entry->d_name; name != "." && name != "..")
        out.push_back(name);
    closedir(dir);
    return out;
  }
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

std::unique_ptr<PackageWriter> create(const std::string &path) {
  std::unique_ptr<PackageWriter> writer;
  WriteStatus status = PackageWriter::create(path, writer);
  EXPECT_TRUE(status.ok()) << status.message;
  return writer;
}

TEST(Writer, SharesEqualWeightsAndAlignsAll) {
  Folder folder;
  std::string path = folder.path() + "/shared.adze";
  auto writer = create(path);
  std::vector<char> a(100, 'a'), b(100, 'b'), big(3 << 20, 'c');
  WeightRef refs[6];
  ASSERT_TRUE(writer->addWeight(a.data(), a.size(), refs[0]).ok());
  ASSERT_TRUE(writer->addWeight(b.data(), b.size(), refs[1]).ok());
  ASSERT_TRUE(writer->addWeight(a.data(), a.size(), refs[2]).ok());
  auto produce = [&](const PackageWriter::Emit &emit) {
    for (size_t at = 0; at < big.size(); at += 1000)
      if (WriteStatus status = emit(big.data() + at, std::min<size_t>(1000, big.size() - at)); !status.ok())
        return status;
    return WriteStatus{};
  };
  ASSERT_TRUE(writer->addWeight(big.size(), produce, refs[3]).ok());
  ASSERT_TRUE(writer->addWeight(big.size(), produce, refs[4]).ok());
  ASSERT_TRUE(writer->addWeight(b.data(), 99, refs[5]).ok());
  EXPECT_EQ(refs[0].offset, refs[2].offset);
  EXPECT_EQ(refs[3].offset, refs[4].offset);
  EXPECT_NE(refs[5].offset, refs[1].offset);
  for (const WeightRef &ref : refs)
    EXPECT_EQ(ref.offset % 64, 0u);
  EXPECT_EQ(writer->weightBytesAdded(), 399 + 2 * big.size());
  EXPECT_LT(writer->weightBytesStored(), big.size() + 1000);
  TestPackage package;
  std::string metadata = package.serialize();
  ASSERT_TRUE(writer->finish(metadata.data(), metadata.size()).ok());
  adze_status_t status;
  std::string message;
  auto reader = rt::PackageReader::open(path, status, message);
  ASSERT_TRUE(reader) << message;
  const uint8_t *weights = reader->sections()[0].data;
  EXPECT_EQ(weights[refs[1].offset + 99], 'b');
  EXPECT_EQ(weights[refs[4].offset + big.size() - 1], 'c');
  EXPECT_EQ(weights[refs[5].offset + 98], 'b');
}

TEST(Writer, SameCallsSameBytes) {
  TempFile a("same-a.adze"), b("same-b.adze");
  writeAffine(a.path());
  writeAffine(b.path());
  EXPECT_EQ(readFile(a.path()), readFile(b.path()));
  writeAffine(a.path()); // over the old file
  EXPECT_EQ(readFile(a.path()), readFile(b.path()));
}

TEST(Writer, AppearsOnlyWhenFinished) {
  Folder folder;
  std::string path = folder.path() + "/late.adze";
  {
    auto writer = create(path);
    WeightRef ref;
    std::vector<char> big(5 << 20);
    ASSERT_TRUE(writer->addWeight(big.data(), big.size(), ref).ok());
    EXPECT_EQ(folder.entries(), std::vector<std::string>());
  }
  EXPECT_EQ(folder.entries(), std::vector<std::string>());
  writeAffine(path);
  EXPECT_EQ(folder.entries(), std::vector<std::string>{"late.adze"});
}

TEST(Writer, RefusesPlacesThatCannotHoldAPackage) {
  auto refused = [](const std::string &path, int code, const std::string &text) {
    std::unique_ptr<PackageWriter> writer;
    WriteStatus status = PackageWriter::create(path, writer);
    EXPECT_EQ(status.code, code) << status.message;
    EXPECT_NE(status.message.find(text), std::string::npos) << status.message;
    EXPECT_NE(status.message.find("\n  remedy: "), std::string::npos) << status.message;
    EXPECT_EQ(writer, nullptr);
  };
  refused("/nonexistent/folder/x.adze", 2, "No such file");
  refused(::testing::TempDir(), 2, "directory");
  refused("/dev/full", 2, "not a regular file");
  refused("/proc/x.adze", 2, "/proc/x.adze");
}

TEST(Writer, ReportsAFullDisk) {
  Folder folder;
  std::string path = folder.path() + "/full.adze";
  // A limit on the file's size stands in for the full disk; in a child, because it cannot be lifted again.
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::unique_ptr<PackageWriter> writer;
    if (!PackageWriter::create(path, writer).ok())
      _exit(100);
    std::vector<char> big(4 << 20);
    WeightRef ref;
    WriteStatus status = writer->addWeight(big.data(), big.size(), ref);
    // And it stays failed.
    if (writer->finish(big.data(), 10).ok())
      _exit(101);
    writer.reset();
    _exit(status.code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 8);
  EXPECT_EQ(folder.entries(), std::vector<std::string>());
}

TEST(Writer, CatchesMisuse) {
  TempFile file("misuse.adze");
  auto writer = create(file.path());
  WeightRef ref;
  WriteStatus status = writer->addWeight(10, [](const PackageWriter::Emit &emit) { return emit("12345", 5); }, ref);
  EXPECT_EQ(status.code, 1);
  EXPECT_NE(status.message.find("smaller than announced"), std::string::npos);
  writer = create(file.path());
  uint32_t section;
  ASSERT_TRUE(writer->addCode("x", "12345", 5, section).ok());
  EXPECT_EQ(section, 1u);
  EXPECT_EQ(writer->addWeight("1", 1, ref).code, 1);
}

TEST(Writer, ReplacesWhatALinkLeadsTo) {
  Folder folder;
  std::string link = folder.path() + "/link.adze", target = folder.path() + "/target.adze";
  close(open(target.c_str(), O_CREAT | O_WRONLY, 0644));
  ASSERT_EQ(symlink("target.adze", link.c_str()), 0);
  writeAffine(link);
  struct stat info;
  ASSERT_EQ(lstat(link.c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_TRUE(openPackage(target));
}

} // namespace
