"""What a measurement says of where it was made: machine, commit, build, versions, threads."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def describe_machine(binary, threads):
    return {
        "processor": _processor(), "cores": os.cpu_count(), "system": platform.platform(),
        "commit": _output("git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"),
        "lamella": _output(binary, "--version"), "build": _build_flags(binary),
        "threads": threads, "load_average": os.getloadavg(), "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("torch", "torchvision", "numpy", "pillow")}}


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _output(*command):
    try:
        done = subprocess.run([str(word) for word in command], text=True, capture_output=True)
    except OSError as error:
        return f"unknown ({error.strerror})"
    return done.stdout.strip() or "unknown"


def _build_flags(binary):
    """Compiler and flags out of the CMake cache of the build the binary lies in."""
    cache = pathlib.Path(binary).resolve().parents[1] / "CMakeCache.txt"
    if not cache.exists():
        return {}
    wanted = ("CMAKE_BUILD_TYPE", "CMAKE_CXX_COMPILER", "CMAKE_CXX_FLAGS",
              "CMAKE_CXX_FLAGS_RELEASE", "LAMELLA_ONEDNN", "LAMELLA_SANITIZE")
    lines = [line.partition("=") for line in cache.read_text().splitlines()]
    return {name.partition(":")[0]: value for name, _, value in lines
            if name.partition(":")[0] in wanted}


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
