// Writes a test package, for tests outside this binary: write_package affine|commands|variants OUT.adze
#include "TestPackage.h"

#include <string>

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  if (std::string(argv[1]) == "commands")
    adze::test::writeCommands(argv[2]);
  else if (std::string(argv[1]) == "variants")
    adze::test::writeVariants(argv[2]);
  else
    adze::test::writeAffine(argv[2]);
  return ::testing::Test::HasFailure() ? 1 : 0;
}
