#include "base/cancel.h"

namespace azimuth {
namespace {

thread_local CancelScope* innermost = nullptr;

}  // namespace

CancelScope::CancelScope(const std::atomic<bool>* flag) : flag_(flag), outer_(innermost) {
  if (flag != nullptr) innermost = this;
}

CancelScope::~CancelScope() {
  if (flag_ == nullptr) return;
  innermost = outer_;
  if (skipped() && outer_ != nullptr) outer_->skipped_.store(true, std::memory_order_relaxed);
}

CancelScope* CancelScope::current() {
  return innermost;
}

bool CancelScope::requested() {
  return innermost != nullptr && (innermost->skipped() || innermost->flag_->load(std::memory_order_relaxed));
}

}  // namespace azimuth
