#!/usr/bin/env python3
"""Compiles cuda/*.cu to cuda/ptx/*.ptx, or checks that the committed files are what that gives.

    python3 cuda/ptx.py           writes cuda/ptx/<name>.ptx
    python3 cuda/ptx.py --check   compares without writing, then assembles every file for the GPUs of `ARCHITECTURES`

Needs Python 3 and, the first time, pip's network: the compiler (NVRTC) and the assembler (ptxas) are two wheels, kept in
target/cuda-toolchain. No CUDA installation, no GPU.
"""

import argparse
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CUDA = Path(__file__).resolve().parent
PTX = CUDA / "ptx"
WHEELS = ["nvidia-cuda-nvrtc-cu11==11.8.89", "nvidia-cuda-nvcc-cu12==12.9.86"]
OPTIONS = ["--std=c++17", "-fmad=true"]
ARCHITECTURES = [75, 80, 90, 120]
COMMENT_OF_TARGET = re.compile(r"//\s*target:\s*compute_(\d+)")


class Failure(Exception):
    """What is wrong, for people."""


# The toolchain


def toolchain():
    """The folder with NVRTC's library and the path of ptxas, fetched where they are not there yet."""
    target = os.environ.get("CARGO_TARGET_DIR")
    folder = (Path(target) if target else CUDA.parent / "target") / "cuda-toolchain"
    stamp, wanted = folder / "wheels", "\n".join(WHEELS) + "\n"
    if not stamp.exists() or stamp.read_text() != wanted:
        fetch(folder)
        stamp.write_text(wanted)
    return find(folder, "libnvrtc.so.*"), find(folder, "ptxas")


def fetch(folder):
    if platform.system() != "Linux":
        raise Failure("the wheels of NVRTC and ptxas that are used here are for Linux")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", str(folder)], "a Python environment could not be made (is `venv` installed?)")
    print("fetching", ", ".join(WHEELS), file=sys.stderr)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    run(pip + ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"] + WHEELS,
        "pip could not install the CUDA compiler: it needs the network once, or PIP_FIND_LINKS set to a folder that "
        "holds the wheels " + " and ".join(WHEELS))


def run(command, trouble):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"{trouble}\n{done.stdout.rstrip()}")
    return done.stdout


def find(folder, pattern):
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if not found:
        raise Failure(f"there is no {pattern} in {folder}: remove that folder and try again")
    return found[0]


# Compiling


class Nvrtc:
    """NVRTC by its C interface."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise Failure(f"{name}: {self.library.nvrtcGetErrorString(code).decode()}")

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.value.decode()

    def compile(self, source, headers, options):
        """PTX of a file of source; headers are found by their names, so that no path gets into the result."""

        def strings(values):
            return (ctypes.c_char_p * len(values))(*values)

        program = ctypes.c_void_p()
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.read_bytes(), source.name.encode(), len(headers),
                  strings([h.read_bytes() for h in headers]), strings([h.name.encode() for h in headers]))
        try:
            arguments = strings([option.encode() for option in options])
            if self.library.nvrtcCompileProgram(program, len(options), arguments) != 0:
                raise Failure(f"{source.name} does not compile:\n{self.text(program, 'ProgramLog').rstrip()}")
            return self.text(program, "PTX")
        finally:
            self.library.nvrtcDestroyProgram(ctypes.byref(program))


def target_of(source):
    """The virtual architecture a file is compiled for."""
    with source.open() as lines:
        named = COMMENT_OF_TARGET.search(lines.readline())
    if named:
        return int(named.group(1))
    return 80 if source.stem.endswith("_sm80") else 70


def compile_all(library):
    """Name of every PTX file and its text."""
    sources = sorted(CUDA.glob("*.cu"))
    if not sources:
        raise Failure(f"there are no kernels in {CUDA}")
    headers = sorted(CUDA.glob("*.cuh")) + sources
    nvrtc, texts = Nvrtc(library), {}
    for source in sources:
        options = OPTIONS + [f"--gpu-architecture=compute_{target_of(source)}"]
        ptx = nvrtc.compile(source, headers, options)
        # Comments name the build of the compiler; the two lines below say what there is to know.
        body = "\n".join(line.rstrip() for line in ptx.splitlines() if not line.startswith("//")).strip()
        texts[f"{source.stem}.ptx"] = (f"// {source.name} by {WHEELS[0]} {' '.join(options)}\n"
                                       f"// Written by `python3 cuda/ptx.py`: edit the source instead.\n\n{body}\n")
    return texts


# Checking


def compare(texts):
    """What is wrong with the committed files."""
    committed = {path.name for path in PTX.iterdir()} if PTX.is_dir() else set()
    faults = [f"cuda/ptx/{name} is superfluous: no cuda/*.cu gives it" for name in sorted(committed - texts.keys())]
    for name, text in texts.items():
        if name not in committed:
            faults.append(f"cuda/ptx/{name} is missing")
        elif (PTX / name).read_bytes() != text.encode():
            faults.append(f"cuda/ptx/{name} is not what its source gives")
    return faults


USED = re.compile(r"Used (\d+) registers(?:.*, (\d+) bytes smem)?")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


def assemble(ptxas, name, text, folder):
    """Assembles a file for every architecture it is meant for; prints a line a kernel and returns what is wrong."""
    target = int(re.search(r"^\.target sm_(\d+)", text, re.MULTILINE).group(1))
    kernels = re.findall(r"^\.visible \.entry (\w+)", text, re.MULTILINE)
    path, faults = folder / name, []
    path.write_text(text)
    for architecture in ARCHITECTURES:
        if architecture < target:
            continue
        log = run([str(ptxas), "-v", f"-arch=sm_{architecture}", "-o", os.devnull, str(path)],
                  f"{name} does not assemble for sm_{architecture}:").replace(str(path), name)
        parts = re.split(r"Compiling entry function '(\w+)'", log)
        reports = dict(zip(parts[1::2], parts[2::2]))
        for kernel in kernels:
            report = reports.get(kernel, "")
            used, spills = USED.search(report), SPILLS.search(report)
            if not used or not spills:
                raise Failure(f"{name}: ptxas reports nothing on {kernel} for sm_{architecture}:\n{log}")
            registers, shared = int(used.group(1)), int(used.group(2) or 0)
            stores, loads = int(spills.group(1)), int(spills.group(2))
            print(f"{kernel:<24} {'sm_' + str(architecture):>6} {registers:>9} {stores:>12} {loads:>11} {shared:>13}")
            if stores or loads:
                faults.append(f"{name}: {kernel} spills registers on sm_{architecture}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare and assemble, write nothing")
    arguments = parser.parse_args()
    library, ptxas = toolchain()
    texts = compile_all(library)
    if not arguments.check:
        PTX.mkdir(exist_ok=True)
        for path in PTX.glob("*.ptx"):
            if path.name not in texts:
                path.unlink()
        for name, text in texts.items():
            (PTX / name).write_text(text)
        print(f"{len(texts)} files written")
        return
    faults = compare(texts)
    if faults:
        raise Failure("\n".join(faults + ["run `python3 cuda/ptx.py` and commit cuda/ptx"]))
    print(f"{'kernel':<24} {'arch':>6} {'registers':>9} {'spill stores':>12} {'spill loads':>11} {'shared memory':>13}")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            faults += assemble(ptxas, name, text, Path(folder))
    if faults:
        raise Failure("\n".join(faults))
    print(f"{len(texts)} files are what their sources give and assemble without spills")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"ptx.py: {failure}")
