# The demo's three commands, sourced by demo.sh and by tests/demo:
#   demo_synth LAMELLA FOLDER, demo_train LAMELLA FOLDER, demo_eval LAMELLA FOLDER [OPTION...]
demo_synth() {
  "$1" synth tem --out "$2/data" --classes 6 --per-class 200 --size 64 --seed 1
}
demo_train() {
  "$1" train --config recipes/demo_synth.toml --data "$2/data" --out "$2/run"
}
demo_eval() {
  "$1" eval "$2/run" --split test "${@:3}"
}
export -f demo_synth demo_train demo_eval
