#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "kernels/kernels.h"

namespace azimuth::kernels {
namespace {

constexpr CpuLevel kLevels[] = {CpuLevel::generic,     CpuLevel::avx2,        CpuLevel::avx512,
                                CpuLevel::avx512_vnni, CpuLevel::avx512_bf16, CpuLevel::amx};

const KernelTable* table_of(CpuLevel level) {
  switch (level) {
    case CpuLevel::generic: return generic_table();
#ifdef AZIMUTH_KERNELS_X86
    case CpuLevel::avx2: return avx2_table();
    case CpuLevel::avx512: return avx512_table();
    case CpuLevel::avx512_vnni: return avx512_vnni_table();
    case CpuLevel::avx512_bf16: return avx512_bf16_table();
    case CpuLevel::amx: return amx_table();
#else
    default: return nullptr;
#endif
  }
  return nullptr;
}

// AZIMUTH_CPU where it names a level that runs here, else the best one.
CpuLevel first_level() {
  const char* wanted = std::getenv("AZIMUTH_CPU");
  const std::vector<CpuLevel> levels = available_levels();
  for (const CpuLevel level : levels)
    if (wanted != nullptr && to_string(level) == wanted) return level;
  return levels.back();
}

std::atomic<CpuLevel>& current_level() {
  static std::atomic<CpuLevel> level{first_level()};
  return level;
}

// For example "products with f32 weights: avx2, tiles of 6 rows x 16 outputs".
std::string product_line(const char* what, const ProductKernels& kernels) {
  return std::string(what) + ": " + kernels.name + ", tiles of " + std::to_string(kernels.tile_rows) + " rows x " +
         std::to_string(kernels.panel_width) + " outputs";
}

std::string product_line(const char* what, const QuantisedKernels& kernels) {
  std::string line = std::string(what) + ": " + kernels.name + ", tiles of " + std::to_string(kernels.few.tile_rows);
  if (kernels.many.rows.tile_rows > 0) {
    line +=
        " or, from " + std::to_string(kernels.many_from) + " rows, of " + std::to_string(kernels.many.rows.tile_rows);
  }
  if (kernels.many_narrow.rows.tile_rows > 0)
    line += " (of " + std::to_string(kernels.many_narrow.rows.tile_rows) + " with 7 bits)";
  return line + " rows x " + std::to_string(kQuantPanel) + " outputs";
}

}  // namespace

std::string_view to_string(CpuLevel level) {
  switch (level) {
    case CpuLevel::generic: return "generic";
    case CpuLevel::avx2: return "avx2";
    case CpuLevel::avx512: return "avx512";
    case CpuLevel::avx512_vnni: return "avx512_vnni";
    case CpuLevel::avx512_bf16: return "avx512_bf16";
    case CpuLevel::amx: return "amx";
  }
  return "unknown";
}

std::vector<CpuLevel> available_levels() {
  std::vector<CpuLevel> levels;
  for (const CpuLevel level : kLevels)
    if (table_of(level) != nullptr) levels.push_back(level);
  return levels;
}

CpuLevel active_level() {
  return current_level().load(std::memory_order_relaxed);
}

Status force_level(CpuLevel level) {
  if (table_of(level) == nullptr) {
    return unsupported("expected a kernel level that this processor and build can run, found " +
                       std::string(to_string(level)) + "; choose one that `azimuth info --kernels` lists");
  }
  current_level().store(level, std::memory_order_relaxed);
  return ok_status();
}

const KernelTable& active_table() {
  return *table_of(active_level());
}

std::vector<std::string> describe_kernels() {
  const KernelTable& table = active_table();
  std::string levels;
  for (const CpuLevel level : available_levels()) levels += " " + std::string(to_string(level));
  std::vector<std::string> lines = {
      "level: " + std::string(table.name) + " (available:" + levels + ")",
      product_line("products with f32 weights", table.f32), product_line("products with bf16 weights", table.bf16),
      product_line("products with q8 weights", table.q8), product_line("products with q4 weights", table.q4)};
  for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::q8}) {
    lines.push_back("attention on " + std::string(to_string(type)) +
                    " keys and values: " + table.attention[static_cast<size_t>(type)].name);
  }
  for (const char* what : {"norms", "activations", "rotary", "delta rule", "log-sum-exp", "resize"})
    lines.push_back(std::string(what) + ": " + table.name);
  return lines;
}

}  // namespace azimuth::kernels
