"""Read the text of a file, and refuse what YAML would change or drop without a word."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from prunescope.foundation.errors import InputError
from prunescope.study.config.yaml_text.plain import KeyPath, Plain, Typed

_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Document:
    """What a text says, and how it is typed."""

    values: Any
    typed: Typed


def parse(text: str, name: str) -> Document:
    """Read the text of a file.

    Parameters
    ----------
    name
        The file, as messages call it.

    Raises
    ------
    InputError
        It is not YAML; or a key stands twice in a mapping, a key is no text, an alias stands in
        what it repeats, or a number is not the one that people read.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(None, {})
        if problems := list(_Look(loader).problems(root, ())):
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise InputError(f"{name} cannot be used:\n{listed}")
        values = loader.construct_document(root)
        return Document(values, dict(_typed(loader, root, ())))
    except yaml.YAMLError as error:
        raise InputError(f"{name}: {_not_yaml(error)}") from error


def _not_yaml(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"not YAML: {' '.join(str(error).split())}"
    reason = f"line {mark.line + 1}: not YAML: {getattr(error, 'problem', None)}"
    return f"{reason}. Indent by spaces, not by tabs" if "'\\t'" in reason else reason


def _typed(
    loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath
) -> Iterator[tuple[KeyPath, Plain]]:
    """What was typed, of a tree in which merged keys stand before a mapping's own ones."""
    for key, inner in _children(node):
        yield from _typed(loader, inner, (*path, key))
    if _is_plain(node):
        yield path, Plain(node.value, loader.construct_object(node))


def _children(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, inner) for key, inner in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(number), inner) for number, inner in enumerate(node.value))


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


@dataclass
class _Look:
    """A look at all of a tree: at each node once, however many aliases it has."""

    loader: yaml.SafeLoader
    done: set[yaml.Node] = field(default_factory=set)
    around: list[yaml.Node] = field(default_factory=list)

    def problems(self, node: yaml.Node, path: KeyPath) -> Iterator[str]:
        if node in self.around:
            yield f"{_place(node, path)}: an alias stands in what it repeats"
        if node in self.done:
            return
        self.done.add(node)
        self.around.append(node)
        if isinstance(node, yaml.ScalarNode):
            yield from self._of_scalar(node, path)
        elif isinstance(node, yaml.MappingNode):
            yield from self._of_mapping(node, path)
        else:
            for key, inner in _children(node):
                yield from self.problems(inner, (*path, key))
        self.around.pop()

    def _of_scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Iterator[str]:
        try:
            plain = Plain(node.value, self.loader.construct_object(node))
        except ValueError as error:
            kind = node.tag.rpartition(":")[2]
            yield (
                f"{_place(node, path)}: {node.value!r} is a {kind} to YAML 1.1, but {error}: text "
                "needs quotation marks"
            )
            return
        if _is_plain(node) and (problem := plain.problem()):
            yield f"{_place(node, path)}: {problem}"

    def _of_mapping(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[str]:
        yield from _repetitions(node, path)
        for key, inner in node.value:
            if key.tag == _MERGE:
                yield from self._of_merged(inner, path)
                continue
            yield from self._of_key(key, path)
            yield from self.problems(inner, (*path, _spelling(key)))

    def _of_merged(self, node: yaml.Node, path: KeyPath) -> Iterator[str]:
        """What is merged stands at the path of the mapping that it is merged into."""
        if isinstance(node, yaml.SequenceNode):
            for inner in node.value:
                yield from self.problems(inner, path)
        else:
            yield from self.problems(node, path)

    def _of_key(self, key: yaml.Node, path: KeyPath) -> Iterator[str]:
        if key.tag == _TEXT:
            return
        place = _place(key, (*path, _spelling(key)))
        if not isinstance(key, yaml.ScalarNode):
            yield f"{place}: a key is a list or a mapping, but keys are text"
            return
        try:
            said = Plain(key.value, self.loader.construct_object(key)).read_as()
        except ValueError as error:
            said = f"{key.value!r} is no text to YAML 1.1 ({error})"
        yield f"{place}: the key {said}, but keys are text: put it in quotation marks"


def _repetitions(node: yaml.MappingNode, path: KeyPath) -> Iterator[str]:
    lines: dict[tuple[bool, str], list[int]] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            lines.setdefault((key.tag == _MERGE, key.value), []).append(key.start_mark.line + 1)
    for (merges, key), found in lines.items():
        if len(found) > 1:
            often = "twice" if len(found) == 2 else f"{len(found)} times"
            advice = "Name all in one list: <<: [*one, *other]" if merges else "Keep one"
            yield f"`{'.'.join((*path, key))}` stands {often}, in {_lines(found)}. {advice}"


def _lines(numbers: list[int]) -> str:
    """The numbers of lines in words, each once."""
    *first, last = map(str, dict.fromkeys(numbers))
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


def _spelling(key: yaml.Node) -> str:
    return key.value if isinstance(key, yaml.ScalarNode) else "?"


def _place(node: yaml.Node, path: KeyPath) -> str:
    where = f"`{'.'.join(path)}`, " if path else ""
    return f"{where}line {node.start_mark.line + 1}"
