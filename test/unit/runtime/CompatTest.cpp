// Packages written by earlier versions stay readable. test/compat holds one of each format version, made by
// `write_package commands`; a file there is never rewritten, only added.
#include "TestPackage.h"

using namespace adze::test;

namespace {

TEST(Compat, Version1) {
  PackagePtr package = openPackage(std::string(ADZE_TEST_COMPAT) + "/v1-commands.adze");
  ASSERT_TRUE(package);
  SessionPtr session = createSession(package);
  auto run = [&](std::vector<int64_t> x, std::vector<int64_t> positions, std::vector<int64_t> y) {
    adze_tensor_t in = tensor(x, ADZE_I64, {int64_t(x.size())}), out[2] = {};
    ASSERT_EQ(adze_session_run(session.get(), &in, 1, out, 2), ADZE_OK) << adze_last_error();
    EXPECT_EQ(values<int64_t>(out[0]), positions);
    EXPECT_EQ(values<int64_t>(out[1]), y);
  };
  run({5, 0, 7, 0}, {0, 2}, {5, 0, 7, 0});
  const int64_t filled = 0x0102030405060708;
  run({0, 9}, {1}, {filled, filled});
  run({}, {}, {});
}

} // namespace
