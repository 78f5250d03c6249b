#include "kernels/x86/x86.h"

#include <cpuid.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace azimuth::kernels {
namespace {

// __builtin_cpu_supports asks cpuid and, by XGETBV, whether the system saves the registers.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

bool has_bf16() {
  return has_vnni() && __builtin_cpu_supports("avx512bf16");
}

// AMX-BF16, AMX-TILE and AMX-INT8 in CPUID leaf 7, whose names clang 14 does not know. Whether the system saves the
// registers shows when it is asked for permission.
bool has_amx_instructions() {
  constexpr unsigned kAmx = 1u << 22 | 1u << 24 | 1u << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmx) == kAmx;
}

// Linux lets a process use the tiles only when it has asked to (arch_prctl, ARCH_REQ_XCOMP_PERM).
bool has_amx() {
#ifdef __linux__
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return has_bf16() && has_amx_instructions() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

KernelTable with_vnni_products() {
  KernelTable table = kAvx512Table;
  table.name = "avx512_vnni";
  table.q8 = kAvx512VnniQ8;
  table.q4 = kAvx512VnniQ4;
  return table;
}

KernelTable with_bf16_products() {
  KernelTable table = with_vnni_products();
  table.name = "avx512_bf16";
  table.bf16 = kAvx512Bf16Products;
  table.attention[1] = kAvx512Bf16AttentionBf16;
  table.attention[2] = kAvx512Bf16AttentionQ8;
  return table;
}

// From 12 rows on tiles are faster than vectors, which read weights as they are stored.
KernelTable with_amx_products() {
  constexpr int64_t kWorthTiles = 12;
  KernelTable table = with_bf16_products();
  table.name = "amx";
  table.bf16 = kAmxBf16Products;
  table.q8.name = table.q4.name = "amx";
  table.q8.many.rows = table.q4.many.rows = kAmxRows;
  table.q8.many_from = table.q4.many_from = kWorthTiles;
  table.attention[1] = kAmxAttentionBf16;
  table.attention[2] = kAmxAttentionQ8;
  return table;
}

}  // namespace

const KernelTable* avx2_table() {
  static const bool available = has_avx2();
  return available ? &kAvx2Table : nullptr;
}

const KernelTable* avx512_table() {
  static const bool available = has_avx512();
  return available ? &kAvx512Table : nullptr;
}

const KernelTable* avx512_vnni_table() {
  static const bool available = has_vnni();
  static const KernelTable table = with_vnni_products();
  return available ? &table : nullptr;
}

const KernelTable* avx512_bf16_table() {
  static const bool available = has_bf16();
  static const KernelTable table = with_bf16_products();
  return available ? &table : nullptr;
}

const KernelTable* amx_table() {
  static const bool available = has_amx();
  static const KernelTable table = with_amx_products();
  return available ? &table : nullptr;
}

}  // namespace azimuth::kernels
