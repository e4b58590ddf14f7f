#!/usr/bin/env bash
# An include never goes against the arrow of docs/design.md: a folder sees itself and the folders
# below it. Third-party headers are seen by one file each, in the folder they belong to. Above the
# kernels no code asks how the library was configured. arrow.sh [TREE]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/sources.sh"

sources '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 awk '
  BEGIN {
    below["kernels"] = "kernels"
    below["engine"] = "engine kernels"
    below["layers"] = "layers engine kernels"
    below["models"] = "models layers engine kernels"
    below["weights"] = "weights models layers engine kernels"
    below["train"] = "train models layers weights engine kernels"
    below["io"] = "io train models layers weights engine kernels"
    below["capi"] = "capi io train models layers weights engine kernels"
    below["tools"] = "tools io train models layers weights engine kernels"

    # Where each dependency may be seen; "one" means by a single file.
    home["png.h"] = "io one";         home["jpeglib.h"] = "io one";  home["tiffio.h"] = "io one"
    home["zlib.h"] = "io one"
    home["CLI"] = "tools one";        home["nlohmann"] = "weights one"
    home["dnnl"] = "kernels/cpu one"; home["cudnn"] = "kernels/cuda/cudnn"
    home["cublasLt.h"] = "kernels/cuda/cublaslt"
    home["cuda_runtime.h"] = "kernels/cuda"; home["cuda_bf16.h"] = "kernels/cuda"
    home["cuda_fp16.h"] = "kernels/cuda"
    # The C library, the compiler, OpenMP and the sanitizers are the platform.
    platform = "^(sys/.*|(cxxabi|dirent|dlfcn|elf|errno|execinfo|fcntl|immintrin|link|omp|poll" \
      "|pthread|sched|setjmp|signal|stddef|stdint|termios|time|ucontext|unistd)\\.h|sanitizer/.*" \
      "|[a-z_0-9]+)$"
  }
  function bad(what) { print FILENAME ":" FNR ": " what; wrong = 1 }
  function contains(list, word) { return index(" " list " ", " " word " ") > 0 }
  FNR == 1 { split(FILENAME, part, "/"); folder = part[1] }
  !(folder in below) { next }
  /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif).*LAMELLA_/ && folder != "kernels" {
    bad("asks how the library was configured; let a kernel table or a build file decide")
  }
  match($0, /^[ \t]*#[ \t]*include[ \t]*"[^"]+"/) {
    split($0, quoted, "\""); split(quoted[2], step, "/")
    if (!(step[1] in below) || quoted[2] !~ /\//) {
      bad("include \"" quoted[2] "\": write the path from the root of the project")
    } else if (!contains(below[folder], step[1])) {
      bad(folder " may not include " step[1] " (\"" quoted[2] "\")")
    }
  }
  match($0, /^[ \t]*#[ \t]*include[ \t]*<[^>]+>/) {
    header = $0; sub(/^[^<]*</, "", header); sub(/>.*/, "", header)
    if (header ~ platform) next
    key = header; sub(/\/.*/, "", key)
    if (key == "jerror.h") key = "jpeglib.h"
    if (key ~ /^dnnl/) key = "dnnl"
    if (key ~ /^cudnn/) key = "cudnn"
    if (!(key in home)) {
      bad("<" header "> is not a dependency of the project")
      next
    }
    split(home[key], rule, " ")
    if (index(FILENAME, rule[1] "/") != 1) bad("<" header "> may be seen in " rule[1] "/ only")
    if (rule[2] == "one" && key in seen && seen[key] != FILENAME) {
      bad("<" header "> is already seen by " seen[key] "; only one file may")
    }
    seen[key] = FILENAME
  }
  END { exit wrong }
'
echo "includes follow the arrow"
