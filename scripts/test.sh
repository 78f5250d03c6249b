#!/usr/bin/env bash
# scripts/test.sh BUILD_DIR [ctest option...]: runs every test of a build with ctest and counts the cases of GoogleTest
# and pytest in it. Closes with "N passed, N failed" alone on a line; exit code 1 where one failed or none ran.
set -euo pipefail
build=$(cd "$1" && pwd)
shift

report=$build/test-report
rm -rf "$report"
mkdir -p "$report"

# Every executable writes its own report beside ctest's: a trailing slash makes GoogleTest name it after itself.
export GTEST_OUTPUT="xml:$report/"
ctest_status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error --output-junit "$report/ctest.junit" "$@" || ctest_status=$?

# Counts one ctest entry per line of "name<TAB>status": its cases where it wrote a report, itself otherwise.
count_entries() {
  local name status cases failures skipped
  while IFS=$'\t' read -r name status; do
    cases=1 failures=0 skipped=0
    if [[ -s $report/$name.xml ]]; then
      read -r cases failures skipped < <(awk '
        function number(key) { return match($0, " " key "=\"[0-9]+\"") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4) : 0 }
        /<testsuite name="pytest"/ { tests = number("tests"); failures = number("failures") + number("errors")
                                     skipped = number("skipped"); exit }
        /^<testsuites / && !seen++ { tests = number("tests") - number("disabled"); failures = number("failures") }
        /^ *<testcase .* result="skipped"/ { skipped++ }
        END { print tests + 0, failures + 0, skipped + 0 }' "$report/$name.xml")
    fi
    # Killed, timed out, or wrong only after its last case (a leak found at exit): one failure more than it reported.
    if [[ $status == fail && $failures -eq 0 ]]; then
      failures=1
      [[ $cases -gt 0 ]] || cases=1
    fi
    if [[ $status != run && $status != fail ]]; then skipped=$cases; fi
    passed=$((passed + cases - failures - skipped)) failed=$((failed + failures)) all_skipped=$((all_skipped + skipped))
  done
}

passed=0 failed=0 all_skipped=0
if [[ -s $report/ctest.junit ]]; then
  # A test that asked to be skipped says so by its exit code; one that could not start has failed.
  count_entries < <(awk -F '"' -v OFS='\t' '
    /^\t<testcase name=/ { name = $2; if ($8 != "notrun") print name, $8 }
    /^\t\t<skipped message=/ { print name, $2 ~ /^SKIP_/ ? "skip" : "fail" }' "$report/ctest.junit")
fi
if [[ $ctest_status -ne 0 && $failed -eq 0 ]]; then failed=1; fi

line="$passed passed, $failed failed"
if [[ $all_skipped -gt 0 ]]; then line+=", $all_skipped skipped"; fi
printf '%s\n' "$line"
[[ $failed -eq 0 && $passed -gt 0 ]]
