// How quantised weights lie in memory and in files: the same at every level, so that a directory written on one machine
// opens by memory map on another (docs/quantisation.md). Plain data only: files compiled for wide instructions include
// this header.
//
// W [outputs, inputs] lies in panels of 32 outputs, the last one filled up with zeros; a panel holds one record for
// each block of 64 inputs, the last one filled up with zeros. In a record, four neighbouring inputs of an output (a
// quad) are four neighbouring bytes, as the products of bytes with sums of four want them (VPDPBUSD, TDPBSSD), and
// memory is read straight through:
//
//   q8   quants [16 quads][32 outputs][4] s8, scales [32] bf16:
//        w = scale * quant
//   q4   quants [8 pairs of quads][32 outputs][4] bytes, quad 2i in the low and 2i + 1 in the high four bits,
//        scales [32] bf16, multipliers [2][32] bytes: of the runs of 16 inputs 2p (low four bits) and 2p + 1 (high):
//        w = scale * (multiplier * (quant - 8))
//
// so that in both a weight is a bf16 scale times a whole number of at most 7 bits and sign.
#pragma once

#include <stdint.h>

namespace azimuth::kernels {

constexpr int kQuantPanel = 32;                      // outputs of a panel
constexpr int kQuantBlock = 64;                      // inputs that share a scale
constexpr int kQuantRun = 16;                        // inputs that share a multiplier (q4)
constexpr int kQuadBytes = 4 * kQuantPanel;          // of one quad of all outputs of a panel
constexpr int kQuantQuads = kQuantBlock / 4;         // of a block
constexpr int kQuantRuns = kQuantBlock / kQuantRun;  // of a block
constexpr int64_t kScaleBytes = 2 * kQuantPanel;     // of a record
constexpr int64_t kMultiplierBytes = kQuantPanel * kQuantRuns / 2;
constexpr int64_t kQ8QuantBytes = kQuantPanel * kQuantBlock;                        // 2048
constexpr int64_t kQ4QuantBytes = kQ8QuantBytes / 2;                                // 1024
constexpr int64_t kQ8RecordBytes = kQ8QuantBytes + kScaleBytes;                     // 2112: 8.25 bits a weight
constexpr int64_t kQ4RecordBytes = kQ4QuantBytes + kScaleBytes + kMultiplierBytes;  // 1152: 4.5 bits a weight
constexpr int kQ4Offset = 8;                  // what is subtracted from a stored q4 quant
constexpr int kQ8Offset = 128;                // what makes a q8 quant unsigned
constexpr int kNarrowOffset = 64;             // what makes an activation of 7 bits unsigned
constexpr float kLargestQuant = 127.0f;       // of q8 weights and of activations of 8 bits
constexpr float kLargestNarrowQuant = 63.0f;  // of activations of 7 bits
// Where activations have 7 bits, q8 weights are quantised so that 16-bit lanes hold sums of 8 products: inputs 4q + 2h
// and 4q + 2h + 1 of four neighbouring quads q are a group, and neither its positive nor its negative quants sum to
// more than this, in magnitude. Activations go up to 127 with their offset: 127 * 258 < 2^15.
constexpr int kMostOfGroup = 258;
constexpr int kGroupQuads = 4;
// A block of activations whose largest magnitude is below this counts as zeros: its scale would have no reciprocal.
constexpr float kSmallestActivation = 0x1p-100f;

// Kernels for some rows against one panel. A row is quantised in blocks of 64: x = scale * quant with a scale of f32
// and quants of s8, to nearest, ties to even, the largest magnitude of a block to `largest`. Every output is one chain
// over the blocks in order, the same at every level: c = fma(whole sum of the block, weight scale * activation scale,
// c).
struct QuantisedRows {
  int tile_rows = 0;            // most rows of a tile
  int64_t row_block_bytes = 0;  // of a packed row, for each block of inputs
  // x [rows, inputs] with row stride ldx -> packed rows of ceil(inputs / 64) blocks.
  void (*pack_rows)(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) = nullptr;
  // c [rows, 32] = (accumulate ? c : 0) + rows x records
  void (*tile)(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c,
               bool accumulate) = nullptr;
  // Called by a thread behind its last tile; may be nullptr.
  void (*finish)() = nullptr;
  // Panels that are read in turn, a record each, where all rows are one tile.
  int streams = 2;
};

// Kernels for many rows, on records that are made ready for all of their tiles first.
struct ManyRows {
  QuantisedRows rows = {};  // tile_rows 0: there are none
  // blocks of records -> blocks of record_bytes; nullptr: `rows` take records as they are stored.
  void (*prepare)(const void* records, int64_t blocks, void* out) = nullptr;
  int64_t record_bytes = 0;
};

// How one row, against which all weights are read once, reads memory: panels in turn, a record each, and how far ahead
// records are asked for, in bytes.
struct Streams {
  int count;
  int ahead;
};

struct QuantisedKernels {
  const char* name = nullptr;
  QuantisedRows few = {};  // on records as they are stored
  // For many_from rows and more, where that is faster than `few`.
  ManyRows many = {};
  int64_t many_from = 0;
  // The same for rows of 7 bits, where that is faster than `many`.
  ManyRows many_narrow = {};
};

// Quantises one block of one panel: weights [64, 32] f32, inputs by outputs -> a record.
using QuantiseRecord = void (*)(const float* weights, void* record);

}  // namespace azimuth::kernels
