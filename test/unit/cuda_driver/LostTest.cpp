// A kernel that faults: the device is lost, and the error says by which kernel, of which ONNX nodes.
#include "Harness.h"

using namespace adze;
using namespace adze::test;

namespace {

class CudaLost : public Simulated {
protected:
  CudaLost() : file_("lost.adze") {
    writeCudaAffine(file_.path(), {"sm_80"}, [](TestPackage &p) {
      auto &kernel = p.program->images[0]->kernels[0];
      kernel->symbol = "beyond";
      kernel->nodes = "conv1 (Conv), relu1 (Relu)";
    });
    package = openPackage(file_.path());
    options = deviceOptions("cuda");
  }
  adze_status_t run(const SessionPtr &session) {
    std::vector<float> x(40, 1);
    adze_tensor_t in = tensor(x, {10, 4}), out{};
    return adze_session_run(session.get(), &in, 1, &out, 1);
  }
  TempFile file_;
  PackagePtr package;
  adze_options_t options{};
};

TEST_F(CudaLost, NamesTheKernelAndItsNodes) {
  SessionPtr session = createSession(package, &options);
  expectError(run(session), ADZE_DEVICE, "device lost");
  std::string text = adze_last_error();
  EXPECT_NE(text.find("kernel 'beyond' of conv1 (Conv), relu1 (Relu)"), std::string::npos) << text;
  EXPECT_EQ(text.find("add_row"), std::string::npos) << text;
  EXPECT_NE(text.find("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), std::string::npos) << text;
  // For ever: for this session, and for new ones.
  expectError(run(session), ADZE_DEVICE, "device lost");
  adze_session_t *other = nullptr;
  EXPECT_EQ(adze_session_create(package.get(), &options, &other), ADZE_DEVICE);
  session.reset();
  restart();
  session = createSession(package, &options);
  EXPECT_TRUE(session);
}

TEST_F(CudaLost, OneAtATimeOnRequest) {
  set("ADZE_CUDA_SYNC", "1");
  SessionPtr session = createSession(package, &options);
  expectError(run(session), ADZE_DEVICE, "kernel 'beyond' of conv1 (Conv), relu1 (Relu)");
  EXPECT_EQ(std::string(adze_last_error()).find("ADZE_CUDA_SYNC"), std::string::npos);
}

} // namespace
