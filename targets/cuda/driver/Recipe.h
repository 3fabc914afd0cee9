// Words of a tensor map's recipe (Program.recipes of a package): what cuTensorMapEncodeTiled or -Im2col is asked for.
// Written by the code generator, read by the driver. Plain C++.
//
// A recipe is a list of 64-bit words. The package marks the words that only the run can tell: the address of a buffer,
// or the value of an expression over the inputs' shapes (RecipePart in runtime/schema/package.fbs).
#ifndef ADZE_TARGETS_CUDA_DRIVER_RECIPE_H
#define ADZE_TARGETS_CUDA_DRIVER_RECIPE_H

#include <cstdint>

namespace adze::cuda {

/// Word 0.
enum class RecipeKind : int64_t { tiled = 1, im2col = 2 };

/// The fixed words; the enumerations are those of cuda.h. Behind them, for rank r, innermost dim first:
///   tiled:  dims[r], strides[r-1] (bytes, of dims 1 to r-1), box[r], elementStrides[r]
///   im2col: dims[r], strides[r-1], lower[r-2], upper[r-2], channels per pixel, pixels per column, elementStrides[r]
enum RecipeWord : unsigned {
  kKind,
  kElementType, // CUtensorMapDataType: u8 0, u16 1, u32 2, s32 3, u64 4, s64 5, f16 6, f32 7, f64 8, bf16 9, tf32 11
  kRank,        // 1 to 5; im2col 3 to 5
  kAddress,     // of the tensor, 16-byte aligned: a RecipePart of kind buffer
  kInterleave,  // none 0, 16 B 1, 32 B 2
  kSwizzle,     // none 0, 32 B 1, 64 B 2, 128 B 3
  kL2Promotion, // none 0, 64 B 1, 128 B 2, 256 B 3
  kFill,        // zeros 0, NaN 1
  kFixedWords
};

/// The length of a recipe in words.
constexpr unsigned recipeWords(RecipeKind kind, unsigned rank) {
  return kFixedWords + 2 * rank - 1 + (kind == RecipeKind::tiled ? 2 * rank : 2 * (rank - 2) + 2 + rank);
}

} // namespace adze::cuda

#endif
