"""Read a study: the files that it consists of, what each of them says, and what is left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from prunescope.foundation.errors import InputError
from prunescope.study.config import command_line
from prunescope.study.config.checking import check
from prunescope.study.config.command_line import COMMAND_LINE
from prunescope.study.config.given.scores_model import root_of
from prunescope.study.config.section import Section, kinds
from prunescope.study.config.study_model import EXTENDS
from prunescope.study.config.values import FOR_A_SHELL, is_for_a_shell
from prunescope.study.config.yaml_text import documents
from prunescope.study.config.yaml_text.documents import Document
from prunescope.study.config.yaml_text.plain import Typed

# The origin of values that nobody set.
DEFAULT = "default"

# Stands for what was set and then removed by null. Null can remove nothing else.
_REMOVED = object()

# For each key, where its value comes from; for a mapping, the same for its keys.
Origins = dict[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A study as it is run.

    Attributes
    ----------
    values
        The whole config: checked, integers converted to floats where the key is a float, optional
        keys filled in.
    origins
        The same keys; instead of each value, the file that sets it, `COMMAND_LINE` or `DEFAULT`.
    files
        All files that were read, in the order in which they are merged.
    """

    values: dict[str, Any]
    origins: Origins
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Said:
    """The merged content of some files, before it is checked."""

    values: dict[Any, Any]
    origins: Origins
    typed: Typed
    files: tuple[Path, ...] = ()

    def then(self, other: "_Said") -> "_Said":
        """Merge later content into this: mappings key by key; other values are replaced."""
        values, origins = _merge(self.values, self.origins, other.values, other.origins)
        files = tuple(dict.fromkeys([*self.files, *other.files]))
        return _Said(values, origins, {**self.typed, **other.typed}, files)


def read(*paths: str | Path, overrides: Mapping[str, Any] | None = None) -> Resolved:
    """Read, merge and check a study.

    Parameters
    ----------
    paths
        Its files. Later ones add to earlier ones, or override them.
    overrides
        What the command line sets. It overrides the files.

    Raises
    ------
    InputError
        A file cannot be read, files extend each other in a circle, or the config is wrong.
    """
    said = _Said({}, {}, {})
    for path in paths:
        said = said.then(_read_file(Path(path), ()))
    if overrides:
        said = said.then(_of_one_origin(command_line.read(overrides), COMMAND_LINE))
    try:
        return _resolved(said)
    except InputError as error:
        how = command_line.how_to_write(overrides or {}, str(error))
        raise InputError(f"{error}{how}") from error


def read_given(given: Mapping[str, Any], name: str, folder: Path) -> Resolved:
    """Merge and check a study that stands in no file: another workflow gives it.

    Parameters
    ----------
    given
        What it says.
    name
        What messages call it.
    folder
        Where the path in its `extends` is seen from.

    Raises
    ------
    InputError
        As for `read`.
    """
    content = dict(given)
    parent = content.pop(EXTENDS, None)
    said = _of_one_origin(Document(content, {}), name)
    if parent is not None:
        path = folder / _checked_parent(parent, name)
        if not path.is_file():
            raise InputError(
                f"{name}: `{EXTENDS}`: {parent!r}: there is no {path}. The path is seen from the "
                "folder `config/` of prunescope: write the whole path of a file of your own"
            )
        said = _read_file(path, ()).then(said)
    try:
        return _resolved(said)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _resolved(said: _Said) -> Resolved:
    kept = _without_removed(said.values, root_of(said.values))
    values = check(kept, said.typed).model_dump()
    return Resolved(values, _origins_of(values, said.origins), said.files)


def _read_file(path: Path, waiting: Sequence[Path]) -> _Said:
    """Read a file and the files that it extends. The files `waiting` extend it."""
    chain = [*waiting, path]
    if path.resolve() in [other.resolve() for other in waiting]:
        names = " -> ".join(_name(other) for other in chain)
        raise InputError(f"{_name(waiting[-1])}: `{EXTENDS}` goes round in a circle: {names}")
    document = _parse(path, waiting)
    content = dict(document.values)
    parent = content.pop(EXTENDS, None)
    own = _of_one_origin(Document(content, document.typed), _name(path), path)
    if parent is None:
        return own
    return _read_file(path.parent / _checked_parent(parent, _name(path)), chain).then(own)


def _checked_parent(parent: Any, name: str) -> str:
    """The path that `extends` of the study `name` says."""
    if not isinstance(parent, str):
        raise InputError(
            f"{name}: `{EXTENDS}`: {parent!r} must be the path of a study, seen from this file"
        )
    if is_for_a_shell(parent):
        raise InputError(f"{name}: `{EXTENDS}`: {parent!r} {FOR_A_SHELL}")
    return parent


def _parse(path: Path, waiting: Sequence[Path]) -> Document:
    name = f"{_name(path)} (`{EXTENDS}` of {_name(waiting[-1])})" if waiting else _name(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not YAML: not a text in UTF-8 ({error.reason})") from error
    document = documents.parse(text, name)
    if document.values is None:
        raise InputError(f"{name}: is empty, but a study is a mapping of keys to values")
    if not isinstance(document.values, Mapping):
        raise InputError(
            f"{name}: holds {document.values!r}, but a study is a mapping of keys to values"
        )
    return document


def _name(path: Path) -> str:
    """A path, relative to the current folder if it is below it."""
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _of_one_origin(document: Document, origin: str, path: Path | None = None) -> _Said:
    def origins(value: Any) -> Any:
        if isinstance(value, Mapping) and value:
            return {key: origins(inner) for key, inner in value.items()}
        return origin

    values = dict(document.values)
    said = {key: origins(value) for key, value in values.items()}
    return _Said(values, said, document.typed, (path,) if path else ())


def _merge(
    old: Mapping[Any, Any], old_origins: Origins, new: Mapping[Any, Any], new_origins: Origins
) -> tuple[dict[Any, Any], Origins]:
    values, origins = dict(old), dict(old_origins)
    for key, value in new.items():
        if old.get(key) and isinstance(old[key], Mapping) and isinstance(value, Mapping):
            # An empty mapping adds nothing.
            if not value:
                continue
            values[key], origins[key] = _merge(old[key], old_origins[key], value, new_origins[key])
        else:
            removes = value is None and old.get(key) is not None
            values[key], origins[key] = _REMOVED if removes else value, new_origins[key]
    return values, origins


def _without_removed(value: Any, kind: Any) -> Any:
    """Remove what null removes: entries that the user named, and optional keys.

    Null stays where the key allows it and leaving the key out means something else.
    """
    if not isinstance(value, Mapping):
        return None if value is _REMOVED else value
    for option in kinds(kind):
        if get_origin(option) is dict:
            _, entry = get_args(option)
            return {
                key: _without_removed(inner, entry)
                for key, inner in value.items()
                if inner is not _REMOVED
            }
        if isinstance(option, type) and issubclass(option, Section):
            return dict(_kept(value, option.model_fields))
    return value


def _kept(values: Mapping[Any, Any], fields: Mapping[str, FieldInfo]) -> Iterator[tuple[Any, Any]]:
    for key, value in values.items():
        field = fields.get(key)
        if field is None:
            yield key, value
        elif value not in (None, _REMOVED) or not _can_be_taken_away(field):
            yield key, _without_removed(value, field.annotation)


def _can_be_taken_away(field: FieldInfo) -> bool:
    takes_null = NoneType in kinds(field.annotation)
    return not field.is_required() and (field.default is None or not takes_null)


def _origins_of(values: Mapping[str, Any], said: Any) -> Origins:
    """Where each value of a checked config comes from."""
    known = said if isinstance(said, dict) else {}
    return {
        key: _origins_of(value, known.get(key))
        if isinstance(value, dict) and value
        else _origin(known.get(key))
        for key, value in values.items()
    }


def _origin(said: Any) -> str:
    """The origin of a value that is no mapping. A value that nothing sets is a default."""
    return said if isinstance(said, str) else DEFAULT
