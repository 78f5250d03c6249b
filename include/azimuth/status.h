// Status and Result: how every fallible call of Azimuth reports failure. Core code never throws across its
// interfaces, never prints and never aborts on input.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace azimuth {

enum class StatusCode {
  ok,
  invalid_argument,    // the caller's input is wrong
  not_found,           // a file, tensor or name does not exist
  unsupported,         // understood, but not something this build or model can do
  out_of_range,        // an index or count lies outside its documented limits
  resource_exhausted,  // a limit on memory, pixels, tokens or time was reached
  data_loss,           // a file is truncated or damaged
  cancelled,           // the caller asked to stop
  internal,            // a defect of Azimuth
};

std::string_view to_string(StatusCode code);

// Success, or a code with one sentence: what was expected, what arrived, what to do.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::ok; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure with `context` and ": " in front of its message; success stays success.
  Status with_context(std::string_view context) const;

 private:
  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

inline Status ok_status() {
  return {};
}
inline Status invalid_argument(std::string message) {
  return {StatusCode::invalid_argument, std::move(message)};
}
inline Status not_found(std::string message) {
  return {StatusCode::not_found, std::move(message)};
}
inline Status unsupported(std::string message) {
  return {StatusCode::unsupported, std::move(message)};
}
inline Status out_of_range(std::string message) {
  return {StatusCode::out_of_range, std::move(message)};
}
inline Status resource_exhausted(std::string message) {
  return {StatusCode::resource_exhausted, std::move(message)};
}
inline Status data_loss(std::string message) {
  return {StatusCode::data_loss, std::move(message)};
}
inline Status cancelled(std::string message) {
  return {StatusCode::cancelled, std::move(message)};
}
inline Status internal_error(std::string message) {
  return {StatusCode::internal, std::move(message)};
}

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit by design
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit by design
    assert(!std::get<1>(state_).ok() && "a Result without a value needs a failure");
  }

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

#define AZ_CONCAT_INNER(a, b) a##b
#define AZ_CONCAT(a, b) AZ_CONCAT_INNER(a, b)

// Leaves the enclosing function with the failure of `expr`, if it is one.
#define AZ_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                              \
    if (::azimuth::Status az_status_ = (expr); !az_status_.ok()) return az_status_; \
  } while (false)

// AZ_ASSIGN_OR_RETURN(auto x, f()): binds the value of a Result, or leaves the function with its failure.
#define AZ_ASSIGN_OR_RETURN(declaration, expr) \
  AZ_ASSIGN_OR_RETURN_IMPL(AZ_CONCAT(az_result_, __LINE__), declaration, expr)
#define AZ_ASSIGN_OR_RETURN_IMPL(result, declaration, expr) \
  auto result = (expr);                                     \
  if (!result.ok()) return result.status();                 \
  declaration = std::move(result).value()

}  // namespace azimuth
