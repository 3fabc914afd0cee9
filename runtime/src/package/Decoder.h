// The decoder's state, shared by Decode.cpp (tensors, expressions) and DecodeProgram.cpp (commands).
#ifndef ADZE_RUNTIME_PACKAGE_DECODER_H
#define ADZE_RUNTIME_PACKAGE_DECODER_H

#include "runtime/schema/package_generated.h"
#include "runtime/src/executor/Evaluator.h"
#include "runtime/src/package/Program.h"

#include <string_view>

namespace adze::rt {

class Decoder {
public:
  Decoder(const PackageReader &reader, Package &package) : reader_(reader), package_(package) {}
  void decode();

private:
  /// Appends a step to the path shown in errors, for the life of the object.
  class Scope {
  public:
    Scope(Decoder &decoder, std::string_view name, size_t index = ~size_t(0));
    ~Scope();

  private:
    Decoder &decoder_;
    size_t length_;
  };
  friend class Scope;

  [[noreturn]] void bad(const std::string &why) const;
  void require(bool condition, const char *why) const {
    if (!condition)
      bad(why);
  }
  uint32_t index(uint32_t value, size_t count, const char *what) const;
  adze_dtype_t dtype(uint8_t value) const;
  void spend(size_t elements);
  std::string text(const flatbuffers::String *string);
  template <typename T>
  std::vector<T> numbers(const flatbuffers::Vector<T> *vector) {
    if (!vector)
      return {};
    spend(vector->size());
    // The FlatBuffers verifier only aligns the length in front of the elements.
    require(reinterpret_cast<uintptr_t>(vector->Data()) % sizeof(T) == 0, "a list of numbers is not aligned");
    return std::vector<T>(vector->begin(), vector->end());
  }
  std::vector<uint32_t> indices(const flatbuffers::Vector<uint32_t> *vector, size_t count, const char *what);
  /// Calls body(element, position) for each table of the vector.
  template <typename T, typename Body>
  void each(const flatbuffers::Vector<flatbuffers::Offset<T>> *vector, const char *name, Body &&body) {
    if (!vector)
      return;
    spend(vector->size());
    for (uint32_t i = 0; i < vector->size(); ++i) {
      Scope scope(*this, name, i);
      const T *element = vector->Get(i);
      require(element != nullptr, "the entry is missing");
      body(*element, i);
    }
  }

  void decodeTable(const flatbuffers::Vector<flatbuffers::Offset<fb::Symbol>> *symbols,
                   const flatbuffers::Vector<flatbuffers::Offset<fb::Expr>> *exprs, SymbolTable &out);
  void decodeSymbol(const fb::Symbol &symbol, size_t numExprs, SymbolTable &out);
  void scheduleTable(SymbolTable &table);
  void decodeTensor(const fb::TensorInfo &tensor, TensorDef &out);
  void describeTensor(TensorDef &tensor, const std::vector<Interval> &ranges);
  void decodeProgram(const fb::Program &program, Program &out);
  void decodeBuffer(const fb::Buffer &buffer, const Program &program, Buffer &out);
  void decodeKernel(const fb::Kernel &kernel, Kernel &out);
  void decodeVariant(const fb::Variant &variant, Variant &out);
  LaunchCode decodeLaunchCode(const flatbuffers::Vector<int64_t> *words);
  void decodeBlock(const flatbuffers::Vector<uint32_t> *block, int64_t (&out)[3]);
  void checkLaunchCode(const DispatchCommand &dispatch, const Program &program);
  void decodeImage(const fb::Image &image, Image &out);
  void checkImages(const Program &program);
  Command decodeCommand(const fb::Command &command, const Program &program, size_t block, size_t numBlocks);
  DispatchCommand decodeDispatch(const fb::Dispatch &dispatch, const Program &program);
  HostCommand decodeHost(const fb::Host &host, const Program &program);
  void checkNesting(const Program &program);
  void checkDataSymbols();

  const PackageReader &reader_;
  Package &package_;
  std::vector<uint32_t> weightSections_;
  std::string path_ = "metadata";
  size_t budget_ = 0; // elements that may still be decoded: shared tables cannot blow memory up
};

} // namespace adze::rt

#endif
