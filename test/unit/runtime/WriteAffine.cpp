// Writes the affine test package, for tests outside this binary: WriteAffine OUT.adze
#include "TestPackage.h"

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  adze::test::writeAffine(argv[1]);
  return ::testing::Test::HasFailure() ? 1 : 0;
}
