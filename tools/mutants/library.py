"""Emulator libraries whose kernels hold mutants, compiled as the build compiles the real ones."""

import json
import os
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sites import Site, all_sites, render

SELECTOR = """// Which mutant runs: the one whose number LAMELLA_MUTANT holds, or none.
#include <cstdlib>
static const int chosen = [] {
  const char* text = std::getenv("LAMELLA_MUTANT");
  return text == nullptr ? 0 : std::atoi(text);
}();
extern "C" __attribute__((visibility("hidden"))) bool mutant_is(int n) noexcept {
  return n == chosen;
}
"""
# `const`, so that loops need not ask again. Not instrumented, so not counted.
DECLARATION = """#pragma once
extern "C" __attribute__((const, visibility("hidden"))) bool mutant_is(int n) noexcept;
#define lamella_mutant mutant_is
"""
EMULATOR = {"simt": "plain", "simt_counted": "counted"}
# An index outside an array in registers is undefined, and the emulator does not see it: a trap.
EXTRA = {"simt": ["-fsanitize=bounds-strict", "-fsanitize-undefined-trap-on-error"],
         "simt_counted": []}


class DoesNotCompile(Exception):
    pass


class Project:
    """The source tree and its release build."""

    def __init__(self, root, build):
        self.root, self.build = Path(root).resolve(), Path(build).resolve()
        commands = json.loads((self.build / "compile_commands.json").read_text())
        self.commands = {}
        for entry in commands:
            found = re.search(r"lamella_(\w+)_kernels\.dir/.*?(\w+\.cu)\.o", entry["command"])
            if found and found[1] in EMULATOR:
                self.commands[found[1], found[2]] = shlex.split(entry["command"])
        if not self.commands:
            raise SystemExit(f"{build} has no emulator; cmake --preset release && cmake --build "
                             "build/release")

    def units(self, files):
        """The .cu files that are, or include, one of `files`."""
        wanted = set(files)
        folder = self.root / "kernels/cuda"
        while True:
            more = {str(path.relative_to(self.root)) for path in folder.glob("**/*.h")
                    for name in includes(path) if name in wanted} - wanted
            if not more:
                break
            wanted |= more
        return sorted(path.name for path in folder.glob("*.cu")
                      if f"kernels/cuda/{path.name}" in wanted or wanted & set(includes(path)))


def includes(path):
    return re.findall(r'#include "(kernels/cuda/[^"]+)"', path.read_text())


class Library:
    """In `folder`: overlay/ with changed files, lib/ with liblamella.so and the emulators."""

    def __init__(self, project, folder, texts, jobs):
        self.project, self.folder, self.jobs = project, Path(folder), jobs
        self.units = project.units(texts)
        (self.folder / "lib").mkdir(parents=True)
        for library in project.build.glob("lib/liblamella.so*"):
            shutil.copy(library, self.folder / "lib", follow_symlinks=False)
        (self.folder / "mutant.h").write_text(DECLARATION)
        (self.folder / "selector.cpp").write_text(SELECTOR)
        self.put(texts)
        self.built = set()

    def put(self, texts):
        for file, text in texts.items():
            path = self.folder / "overlay" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def compile(self, emulator, unit):
        """An error text, empty where all is well."""
        command = list(self.project.commands[emulator, unit])
        command = command[command.index("-x") - 1:] if "ccache" in command[0] else command[1:]
        command = [word for word in command if not word.startswith(("-W", "-ffile-prefix"))]
        overlaid = self.folder / "overlay/kernels/cuda" / unit
        source = overlaid if overlaid.exists() else self.project.root / "kernels/cuda" / unit
        at = command.index("-o")
        command[at:] = ["-o", str(self.folder / f"{emulator}-{unit}.o"), "-c", str(source)]
        command = ["g++", f"-I{self.folder}/overlay", f"-I{self.project.root}", "-w",
                   "-fno-diagnostics-show-caret", "-include", f"{self.folder}/mutant.h",
                   *EXTRA[emulator], *command]
        done = subprocess.run(command, cwd=self.project.build, capture_output=True, text=True,
                              check=False)
        return done.stderr if done.returncode else ""

    def compile_all(self, emulator):
        with ThreadPoolExecutor(self.jobs) as pool:
            return "".join(pool.map(lambda unit: self.compile(emulator, unit), self.units))

    def link(self, emulator):
        targets = self.project.build / "kernels/simt/CMakeFiles"
        objects = [*targets.glob(f"simt_emulator_{EMULATOR[emulator]}.dir/**/*.o"),
                   *targets.glob(f"lamella_{emulator}_kernels.dir/**/*.o")]
        kept = [str(path) for path in objects if path.name.removesuffix(".o") not in self.units]
        mine = [str(self.folder / f"{emulator}-{unit}.o") for unit in self.units]
        subprocess.run(
            ["g++", "-shared", "-fPIC", "-O2", "-std=c++20", *kept, *mine,
             str(self.folder / "selector.cpp"), "-ldl", "-Wl,-z,defs",
             f"-Wl,--version-script={self.project.root}/kernels/simt/exports.map",
             "-o", str(self.folder / f"lib/liblamella_{emulator}.so")], check=True)

    def need(self, emulator):
        if emulator in self.built:
            return
        errors = self.compile_all(emulator)
        if errors:
            raise DoesNotCompile(errors)
        self.link(emulator)
        self.built.add(emulator)

    def environment(self, mutant):
        return {**os.environ, "LD_LIBRARY_PATH": str(self.folder / "lib"),
                "LAMELLA_MUTANT": str(mutant), "OMP_WAIT_POLICY": "passive"}


def build_all(project, folder, texts, trees, jobs):
    """One library with every mutant of run time. Those that do not compile are taken out; sites
    that turn out to be constants are left to compiles of their own."""
    refused = set()
    library = None
    for _ in range(12):
        places, rendered = {}, {}
        for file, text in texts.items():
            places[file] = []
            rendered[file] = render(text, trees[file], end=len(text), places=places[file],
                                    wanted=lambda mutant: mutant.number not in refused)
        if library is None:
            library = Library(project, folder, rendered, jobs)
        library.put(rendered)
        errors = library.compile_all("simt")
        if not errors:
            library.link("simt")
            library.built.add("simt")
            library.need("simt_counted")
            return library, refused
        for file, spots in places.items():
            take_out(errors, file, rendered[file], spots, refused)
    raise SystemExit("the mutants do not compile, and not for one of them alone:\n" + errors[:3000])


def take_out(errors, file, text, spots, refused):
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    pattern = r"overlay/" + re.escape(file) + r":(\d+):(\d+): error"
    for line, column in set(re.findall(pattern, errors)):
        at = starts[int(line) - 1] + int(column) - 1
        around = [spot for spot in spots if spot[0] <= at < spot[1]]
        if not around:
            continue
        culprit = min(around, key=lambda spot: spot[1] - spot[0])[2]
        if isinstance(culprit, Site):
            culprit.compiled = True
        else:
            refused.add(culprit.number)


def with_one(text, mutant):
    site = mutant.site
    return text[:site.start] + mutant.text + text[site.end:]


def mutants_of(trees):
    return [mutant for tree in trees.values() for site in all_sites(tree)
            for mutant in site.mutants]
