#include "kernels/x86/x86.h"

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

KernelTable with_bf16_products() {
  KernelTable table = kAvx512Table;
  table.name = "avx512_bf16";
  table.bf16 = kAvx512Bf16Products;
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

const KernelTable* avx512_bf16_table() {
  static const bool available = has_avx512() && __builtin_cpu_supports("avx512bf16");
  static const KernelTable table = with_bf16_products();
  return available ? &table : nullptr;
}

}  // namespace azimuth::kernels
