// Opening packages and asking about their inputs and outputs.
#include "TestPackage.h"

#include "runtime/src/package/PackageReader.h"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

namespace {

TEST(Package, DescribesItsTensors) {
  TempFile file("describe.adze");
  writeAffine(file.path());
  PackagePtr package = openPackage(file.path());
  ASSERT_EQ(adze_package_num_inputs(package.get()), 1u);
  ASSERT_EQ(adze_package_num_outputs(package.get()), 1u);
  adze_tensor_info_t info;
  ASSERT_EQ(adze_package_input(package.get(), 0, &info), ADZE_OK);
  EXPECT_STREQ(info.name, "x");
  EXPECT_EQ(info.dtype, ADZE_F32);
  ASSERT_EQ(info.rank, 2);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_STREQ(info.dim_names[0], "n");
  EXPECT_EQ(info.dim_min[0], 1);
  EXPECT_EQ(info.dim_max[0], 1000);
  EXPECT_EQ(info.dims[1], 4);
  EXPECT_EQ(info.dim_names[1], nullptr);
  EXPECT_EQ(info.dim_min[1], 4);
  EXPECT_EQ(info.dim_max[1], 4);
  ASSERT_EQ(adze_package_output(package.get(), 0, &info), ADZE_OK);
  EXPECT_STREQ(info.name, "y");
  expectError(adze_package_output(package.get(), 1, &info), ADZE_INVALID_ARGUMENT, "index 1 of 1");
}

TEST(Package, OpensFromMemoryAndFileDescriptors) {
  TempFile file("sources.adze");
  writeAffine(file.path());
  std::string bytes = readFile(file.path());
  std::unique_ptr<char, void (*)(void *)> memory(
      static_cast<char *>(std::aligned_alloc(64, (bytes.size() + 127) / 64 * 64)), &std::free);
  std::memcpy(memory.get(), bytes.data(), bytes.size());
  adze_package_t *package = nullptr;
  ASSERT_EQ(adze_package_open_memory(memory.get(), bytes.size(), &package), ADZE_OK) << adze_last_error();
  adze_package_close(package);
  expectError(adze_package_open_memory(memory.get() + 1, bytes.size(), &package), ADZE_INVALID_ARGUMENT, "64-byte");
  EXPECT_EQ(package, nullptr);
  int fd = open(file.path().c_str(), O_RDONLY);
  ASSERT_EQ(adze_package_open_fd(fd, &package), ADZE_OK) << adze_last_error();
  EXPECT_EQ(fcntl(fd, F_GETFD), 0) << "the descriptor stays open";
  close(fd);
  EXPECT_EQ(adze_package_num_inputs(package), 1u);
  adze_package_close(package);
}

TEST(Package, RefusesWhatIsNoFile) {
  adze_package_t *package = nullptr;
  expectError(adze_package_open("/nonexistent/model.adze", &package), ADZE_INVALID_ARGUMENT, "/nonexistent/model.adze");
  expectError(adze_package_open(::testing::TempDir().c_str(), &package), ADZE_INVALID_ARGUMENT, "directory");
  expectError(adze_package_open("/dev/zero", &package), ADZE_INVALID_ARGUMENT, "regular file");
  TempFile fifo("fifo");
  ASSERT_EQ(mkfifo(fifo.path().c_str(), 0600), 0);
  expectError(adze_package_open(fifo.path().c_str(), &package), ADZE_INVALID_ARGUMENT, "regular file");
  expectError(adze_package_open_fd(-1, &package), ADZE_INVALID_ARGUMENT, "-1");
  expectError(adze_package_open(nullptr, &package), ADZE_INVALID_ARGUMENT, "path");
  expectError(adze_package_open("x", nullptr), ADZE_INVALID_ARGUMENT, "out");
  TempFile empty("empty.adze");
  close(open(empty.path().c_str(), O_CREAT | O_WRONLY, 0600));
  expectError(adze_package_open(empty.path().c_str(), &package), ADZE_BAD_PACKAGE, "0 bytes");
}

TEST(Package, ReaderListsSections) {
  TempFile file("sections.adze");
  writeAffine(file.path());
  adze_status_t status;
  std::string message;
  auto reader = rt::PackageReader::open(file.path(), status, message);
  ASSERT_TRUE(reader) << message;
  ASSERT_EQ(reader->sections().size(), 3u);
  EXPECT_EQ(reader->sections()[0].kind, format::SectionKind::weights);
  EXPECT_EQ(reader->sections()[0].size, 16u);
  EXPECT_EQ(reader->sections()[1].label, "cpu x86-64-v3");
  EXPECT_EQ(reader->metadata().kind, format::SectionKind::metadata);
  EXPECT_EQ(rt::PackageReader::open("/nonexistent", status, message), nullptr);
  EXPECT_EQ(status, ADZE_INVALID_ARGUMENT);
}

TEST(Package, Constants) {
  EXPECT_EQ(adze_abi_version(), ADZE_ABI_VERSION);
  EXPECT_STREQ(adze_version(), "0.1.0");
  EXPECT_STREQ(adze_status_name(ADZE_BAD_PACKAGE), "bad package");
  EXPECT_EQ(adze_dtype_bits(ADZE_F16), 16u);
  EXPECT_EQ(adze_dtype_bits(ADZE_I4), 8u);
  EXPECT_EQ(adze_dtype_bits(ADZE_STRING), 0u);
  EXPECT_STREQ(adze_dtype_name(ADZE_BF16), "bfloat16");
}

} // namespace
