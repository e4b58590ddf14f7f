#!/usr/bin/env bash
# tools/get_weights.sh against a server of its own:  get_weights_test.sh LAMELLA
# Good files, a download that was cut off, too few bytes, a wrong hash, a file that is not there, a
# name that is not there. Exit status 77: curl or python3 is missing.
set -euo pipefail
for command in curl python3 sha256sum; do
  command -v "$command" >/dev/null || { echo "SKIP: $command is not installed" && exit 77; }
done
export LAMELLA=$1
get=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/get_weights.sh
work=$(mktemp -d)
server=""
trap '[[ -z $server ]] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
mkdir served

# Zeros of the shapes that inspect says, in PyTorch's layout.
"$LAMELLA" inspect --model squeezenet1_1 --size 224 --channels 3 --classes 1000 --json shapes.json \
  >/dev/null
python3 - <<'EOF'
import json, math, re, struct
header, at = {}, 0
for tensor in json.load(open("shapes.json"))["tensors"]:
    shape = [int(number) for number in re.findall(r"\d+", tensor["shape"])]
    if len(shape) == 4:
        shape = [shape[0], shape[3], shape[1], shape[2]]
    end = at + 4 * math.prod(shape)
    header[tensor["name"]] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
    at = end
text = json.dumps(header).encode()
open("served/good.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + bytes(at))
EOF

# The server takes a free port and tells it. It knows ranges, which the ready-made one does not.
cat >server.py <<'EOF'
import http.server, os, re
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = "served" + self.path
        if not os.path.exists(path):
            return self.send_error(404)
        data = open(path, "rb").read()
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(asked.group(1)) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        self.wfile.write(data[first:])
        with open("sent", "a") as sent:
            print(first, file=sent)
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
EOF
python3 server.py &
server=$!
for _ in $(seq 100); do [[ -e port ]] || sleep 0.1; done
hash=$(sha256sum served/good.safetensors | cut -d ' ' -f 1)
size=$(stat -c %s served/good.safetensors)
export CATALOGUE=$work/catalogue.json
python3 - "http://127.0.0.1:$(cat port)" "$hash" "$size" <<'EOF'
import json, sys
address, digest, size = sys.argv[1:]
def entry(name, file="good.safetensors", **more):
    return {"name": name, "model": "squeezenet1_1", "address": f"{address}/{file}", "size": None,
            "sha256": None, "sha256_begins": None, "licence": "made up", **more}
entries = [entry("good", sha256=digest, size=int(size)), entry("begins", sha256_begins=digest[:8]),
           entry("unknown_hash"), entry("wrong", sha256="0" * 64),
           entry("wrong_begins", sha256_begins="0" * 8),
           entry("short", sha256=digest, size=int(size) + 1), entry("absent", "none.pth"),
           entry("other", model="densenet121")]
json.dump({"weights": entries}, open("catalogue.json", "w"))
EOF

good() {
  "$get" "$1" --to got >out 2>err || { echo "$1 failed:" && cat err && exit 1; }
  "$LAMELLA" inspect "got/$1.lamella.safetensors" >out
  grep -q '"architecture":"squeezenet1_1"' out
  [[ ! -e got/$1.safetensors.part ]]
}
bad() {  # NAME WORDS
  if "$get" "$1" --to got >out 2>err; then echo "$1 should have failed" && exit 1; fi
  grep -q -- "$2" err || { echo "$1 does not say '$2':" && cat err && exit 1; }
  [[ ! -e got/$1.lamella.safetensors ]]
}
good good
good begins
good unknown_hash
grep -q "no hash to verify by; sha256 is $hash" err
# Half of it is there: only the rest is asked for, and the whole is verified.
rm -r got sent && mkdir got
head -c $((size / 2)) served/good.safetensors >got/good.safetensors.part
good good
[[ $(cat sent) == $((size / 2)) ]]
cmp got/good.safetensors served/good.safetensors
bad wrong "sha256 $hash"
bad wrong_begins "00000000 was expected"
bad short "has $size bytes"
bad absent "could not be fetched"
bad nothing "no weights called nothing; there are good begins"
bad other "does not fit densenet121"
"$get" >out
grep -q "weights: good begins" out
status=0 && "$get" --fast 2>err || status=$?
[[ $status == 2 ]]
echo "get_weights.sh does what it says"
