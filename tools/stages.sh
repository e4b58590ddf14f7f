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
  stage_logs=$PWD/$1 stages_total=$2  # absolute: ctest runs elsewhere
  stage_child=
  passed=0 failed=0 skipped=0
  table=()
  rm -rf "$stage_logs"
  mkdir -p "$stage_logs"
  trap 'kill -TERM $stage_child 2>/dev/null; exit 130' INT TERM
}

# Prints `passed failed skipped` of JUnit file $1. A test of ctest that is a GoogleTest program
# counts by the tests inside it, any other as one.
junit_counts() {
  awk '
    function number(pattern) {
      if (!match($0, pattern)) return 0
      split(substr($0, RSTART, RLENGTH), word, /\] /)
      return word[2] + 0
    }
    function end_of_case() {
      if (status == "fail" && !f) f = 1
      if (!(p + f + s)) { p = status == "run"; s = status != "run" }
      passed += p; failed += f; skipped += s
    }
    /<testcase / {
      if (status) end_of_case()
      p = f = s = 0
      status = $0; sub(/.* status="/, "", status); sub(/".*/, "", status)
    }
    /\[  PASSED  \] [0-9]+ test/ { p += number("\\[  PASSED  \\] [0-9]+") }
    /\[  SKIPPED \] [0-9]+ test/ { s += number("\\[  SKIPPED \\] [0-9]+") }
    /\[  FAILED  \] [0-9]+ test/ { f += number("\\[  FAILED  \\] [0-9]+") }
    END { if (status) end_of_case(); print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# Adds the tests of a JUnit file to the counts.
count_tests() {
  local here_passed here_failed here_skipped
  read -r here_passed here_failed here_skipped < <(junit_counts "$1")
  passed=$((passed + here_passed))
  failed=$((failed + here_failed))
  skipped=$((skipped + here_skipped))
  stage_failures=$here_failed
  stage_note="$here_passed passed, $here_failed failed, $here_skipped skipped"
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
