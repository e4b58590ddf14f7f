# Named stages with time budgets, sourced by demo.sh and test.sh. A stage runs with its output in
# $stage_logs/NAME.log, prints one line, and is stopped and failed when it passes its budget.
#
#   stages_begin LOG_FOLDER TOTAL_SECONDS
#   stage NAME BUDGET_SECONDS COMMAND [ARGUMENT...]   returns the command's status
#   stages_end            prints the table and `N passed, N failed, N skipped`; 1 if anything failed
#
# A command that exits 77 is skipped; the last line it printed says why. A stage that leaves a JUnit
# file at $STAGE_JUNIT counts by the tests in it, any other as one check.

stages_begin() {
  stage_logs=$1 stages_total=$2
  stage_child=
  passed=0 failed=0 skipped=0
  table=()
  rm -rf "$stage_logs"
  mkdir -p "$stage_logs"
  trap '[[ -z $stage_child ]] || kill -TERM "$stage_child" 2>/dev/null; exit 130' INT TERM
}

# The number in attribute $2 of the <testsuite> of JUnit file $1.
junit_count() { sed -n 's/^[[:space:]]*'"$2"'="\([0-9]*\)"$/\1/p;/<testcase/q' "$1"; }

# Adds the tests of a JUnit file to the counts; prints why tests were skipped, once per reason.
count_tests() {
  local tests failures skips disabled
  tests=$(junit_count "$1" tests) failures=$(junit_count "$1" failures)
  skips=$(junit_count "$1" skipped) disabled=$(junit_count "$1" disabled)
  skips=$((skips + disabled))
  passed=$((passed + tests - failures - skips))
  failed=$((failed + failures))
  skipped=$((skipped + skips))
  stage_failures=$failures
  stage_note="$tests tests"
  [[ $failures == 0 ]] || stage_note+=", $failures failed"
  [[ $skips == 0 ]] || stage_note+=", $skips skipped"
}

# Why tests of a JUnit file were skipped: GoogleTest prints `file:line: Skipped` and then the
# reason, scripts print `SKIP: reason`.
skip_reasons() {
  awk '/: Skipped$/ { getline; print; next } sub(/^(.*<system-out>)?SKIP: /, "")' "$1" | sort |
    uniq -c | sed 's/^ *\([0-9]*\) /        SKIP \1 x: /'
}

stage() {
  local name=$1 budget=$2 status=0 started=$SECONDS
  shift 2
  ((budget <= stages_total - SECONDS)) || budget=$((stages_total - SECONDS))
  ((budget >= 1)) || budget=1
  local log=$stage_logs/$name.log
  local stage_failures=0 stage_note='' verdict
  export STAGE_JUNIT=$stage_logs/$name.xml
  [[ ! -t 1 ]] || printf '        %-16s running\r' "$name"
  timeout --kill-after=10 "$budget" bash -euo pipefail -c '"$@"' stage "$@" \
    >"$log" 2>&1 </dev/null &
  stage_child=$!
  wait "$stage_child" || status=$?
  stage_child=
  [[ ! -f $STAGE_JUNIT ]] || count_tests "$STAGE_JUNIT"
  case $status in
    0) verdict=ok && [[ -f $STAGE_JUNIT ]] || passed=$((passed + 1)) ;;
    77) verdict=SKIP stage_note=$(tail -n 1 "$log") skipped=$((skipped + 1)) ;;
    *) verdict=FAIL && [[ $stage_failures != 0 ]] || failed=$((failed + 1)) ;;
  esac
  case $status in 124 | 137) stage_note="stopped: over its budget of $budget s" ;; esac
  local line
  line=$(printf '%-7s %-16s %5d s of %4d s  %s' \
    "$verdict" "$name" $((SECONDS - started)) "$budget" "$stage_note")
  echo "$line"
  table+=("$line")
  [[ ! -f $STAGE_JUNIT ]] || skip_reasons "$STAGE_JUNIT"
  if [[ $verdict == FAIL ]]; then
    tail -n 60 "$log" | sed 's/^/        | /'
    echo "        the whole log is in $log"
    return 1
  fi
}

stages_end() {
  echo
  printf '%s\n' "${table[@]}" "        total            $(printf '%5d' "$SECONDS") s"
  echo
  echo "$passed passed, $failed failed, $skipped skipped"
  [[ $failed == 0 ]]
}
