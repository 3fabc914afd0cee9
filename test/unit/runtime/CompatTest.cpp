// Packages written by earlier versions stay readable. test/compat holds one for each set of fields that a format
// version has had, made by `write_package`; a file there is never rewritten, only added.
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

/// Kernel variants, and several programs of one target.
TEST(Compat, Version1WithVariants) {
  PackagePtr package = openPackage(std::string(ADZE_TEST_COMPAT) + "/v1-variants.adze");
  ASSERT_TRUE(package);
  adze_options_t options{};
  options.struct_size = sizeof(options);
  options.device = "testdev";
  std::vector<std::string> log;
  options.user = &log;
  options.log = [](void *user, adze_log_level_t, const char *message) {
    static_cast<std::vector<std::string> *>(user)->push_back(message);
  };
  SessionPtr session = createSession(package, &options);
  ASSERT_TRUE(session);
  EXPECT_EQ(log, std::vector<std::string>{"adze: using the image for t2"});
  std::vector<float> x(13, 1.5f);
  adze_tensor_t plain = tensor(x, {12}), special = tensor(x, {13}), out{};
  ASSERT_EQ(adze_session_run(session.get(), &plain, 1, &out, 1), ADZE_OK) << adze_last_error();
  EXPECT_EQ(values<float>(out), std::vector<float>(12, 3));
  expectError(adze_session_run(session.get(), &special, 1, &out, 1), ADZE_DEVICE, "a kernel failed");
}

} // namespace
