"""`module:object` and `path/to/file.py:object`, as given on a command line."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import RecommenderError, UnknownRecommender


def load_object(spec: str) -> Any:
    """The object that `spec` names; dots after the colon go deeper (`shop.models:Best.default`).

    Modules are found as Python finds them, and in the current folder; a file's own folder is searched for its imports.
    Raises `UnknownRecommender` where there is no such module, file or name, `RecommenderError` where importing fails.
    """
    where, _, path = spec.rpartition(":")
    if not where or not path:
        raise UnknownRecommender(f"cannot read {spec!r}\n  write module:object or path/to/file.py:object")
    module = _from_file(Path(where).expanduser()) if where.endswith(".py") else _from_name(where)
    found: Any = module
    for name in path.split("."):
        if not hasattr(found, name):
            public = [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else []
            near = difflib.get_close_matches(name, public, n=3) or public[:8]
            raise UnknownRecommender(f"{where} has no {name!r}\n  it has: {', '.join(near) or 'no public names'}")
        found = getattr(found, name)
    return found


def _search_also(folder: Path) -> None:
    # Last on the path, and kept there: the user's code may import more when it is called, and must shadow nothing.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _from_name(name: str) -> ModuleType:
    _search_also(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UnknownRecommender(
                f"no module {name!r} (searched the installed packages and {Path.cwd()})\n"
                f"  is it a file? write path/to/{name.rpartition('.')[2]}.py:object"
            ) from None
        raise RecommenderError(
            f"importing {name} failed: {error}\n  install what it needs in this environment"
        ) from error
    except (Exception, SystemExit) as error:
        raise RecommenderError(
            f"importing {name} failed: {type(error).__name__}: {error}\n  recloop --traceback shows where"
        ) from error


def _from_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise UnknownRecommender(f"no file {file} (looked from {Path.cwd()})\n  check the path")
    path = file.resolve()
    name = f"recloop_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownRecommender(f"{file} is not a Python file\n  give one that ends in .py")
    _search_also(path.parent)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise RecommenderError(
            f"importing {file} failed: {type(error).__name__}: {error}\n  recloop --traceback shows where"
        ) from error
    return module
