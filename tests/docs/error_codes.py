"""Every error code that the service can answer with, read from its source and from the fields that its API takes."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rest_framework import exceptions, fields, serializers

from processing import api
from tests.stack.service import ROOT

_PACKAGES = ("processing", "modelsregistry", "apiv2project")
# Forms of the admin site answer people, whom no code reaches; neither do commands.
_FOR_PEOPLE = ("processing/admin", "processing/management", "modelsregistry/management")
_ROOTS = {"ProcessingError", "ModelError", "UnreadableDocument"}
_FRAMEWORK = {"ValidationError", "AuthenticationFailed", "PermissionDenied", "NotAuthenticated", "APIException"}
_TABLES = {"SENTENCES", "_STATUS_BY_CODE"}
# What no view of ours lets happen, or turns into another code.
_NEVER = {"error", "parse_error", "throttled", "authentication_failed", "invalid_image"}


@dataclass
class Found:
    """Codes by the places that name them, and the places of which nobody can tell which code they name."""

    codes: dict[str, set[str]] = field(default_factory=dict)
    families: dict[str, set[str]] = field(default_factory=dict)  # the classes of the errors that are made with it
    untold: set[str] = field(default_factory=set)

    def add(self, code: str, place: str) -> None:
        self.codes.setdefault(code, set()).add(place)


@cache
def in_the_source() -> Found:
    """What is written down: in calls of errors and of functions that take a `code`, in tables, and in classes."""
    trees = {path: ast.parse(path.read_text()) for path in _modules()}
    family = _family(trees.values())
    takers = {
        (path, name): position for path, tree in trees.items() for name, position in _functions_that_take_a_code(tree)
    }
    found = Found()
    for path, tree in trees.items():
        constants = dict(_texts(tree))
        own = {name: position for (where, name), position in takers.items() if where == path}
        for node in ast.walk(tree):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                _look_at_call(found, place, node, family, own, constants)
            for code in (*_declared(node), *_of_the_class(node, family)):
                found.add(code, place)
    return found


@cache
def of_the_framework() -> frozenset[str]:
    """What Django REST Framework says of a request by itself, and of the fields that the API's serializers have."""
    raised = {
        str(each.default_code)
        for _, each in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(each, exceptions.APIException)
    }
    for module in pkgutil.iter_modules(api.__path__, f"{api.__name__}."):
        importlib.import_module(module.name)
    told = {code for each in _fields() for code in (*each.error_messages, *_of_validators(each))}
    return frozenset((raised | told) - _NEVER)


def _modules() -> Iterator[Path]:
    for package in _PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            inside = str(path.relative_to(ROOT))
            if "/migrations/" not in inside and not inside.startswith(_FOR_PEOPLE):
                yield path


def _family(trees: Iterator[ast.Module] | object) -> set[str]:
    """The classes of errors that have a code, by their names."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]  # type: ignore[attr-defined]
    known = set(_ROOTS)
    while True:
        further = {each.name for each in classes if {_name(base) for base in each.bases} & known} - known
        if not further:
            return known
        known |= further


def _functions_that_take_a_code(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Their names, and the place of `code` among what is given to them: −1 where it has to be named."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [each.arg for each in node.args.args if each.arg not in ("self", "cls")]
            if "code" in names:
                yield node.name, names.index("code")
            elif "code" in [each.arg for each in node.args.kwonlyargs]:
                yield node.name, -1


def _texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                yield _name(target), node.value.value


def _look_at_call(
    found: Found, place: str, call: ast.Call, family: set[str], own: dict[str, int], constants: dict[str, str]
) -> None:
    name = _name(call.func)
    position = 1 if name in family else 3 if name == "problem" else own.get(name, -1)
    named = next((each.value for each in call.keywords if each.arg == "code"), None)
    if name not in family | _FRAMEWORK | {"problem"} and name not in own:
        return
    argument = named or (call.args[position] if 0 <= position < len(call.args) else None)
    if argument is None:
        return
    codes = list(_told(argument, constants))
    for code in codes:
        found.add(code, place)
        found.families.setdefault(code, set()).add(name)
    if not codes and not _is_handed_on(argument):
        found.untold.add(place)


def _told(argument: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """The codes that an expression can be, as far as they are written there."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield from [argument.value] if argument.value else []
    elif isinstance(argument, ast.Name) and argument.id in constants:
        yield constants[argument.id]
    elif isinstance(argument, ast.IfExp):
        yield from _told(argument.body, constants)
        yield from _told(argument.orelse, constants)
    elif isinstance(argument, ast.BoolOp):
        for each in argument.values:
            yield from _told(each, constants)


def _is_handed_on(argument: ast.expr) -> bool:
    """Whether the code is another error's, or came as an argument of this name, of whose callers the same is asked."""
    if isinstance(argument, ast.Call) and _name(argument.func) == "str" and argument.args:
        return _is_handed_on(argument.args[0])
    if isinstance(argument, ast.Constant):
        return argument.value in ("", None)
    return _name(argument) == "code"


def _declared(node: ast.AST) -> Iterator[str]:
    """Keys of the tables of codes, values of the tables by which vendors' codes become ours, and classes' own codes."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {_name(each) for each in targets}
        if names & _TABLES and isinstance(node.value, ast.Dict):
            yield from (key.value for key in node.value.keys if isinstance(key, ast.Constant))  # type: ignore[misc]
        if names & {"code", "default_code"}:
            yield from _told(node.value, {})


def _of_the_class(node: ast.AST, family: set[str]) -> Iterator[str]:
    """The code that an error of one kind gives to the constructor above it."""
    if isinstance(node, ast.ClassDef) and node.name in family:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and _name(call.func) == "__init__" and len(call.args) > 1:
                yield from _told(call.args[1], {})


def _fields() -> Iterator[fields.Field]:  # type: ignore[type-arg]
    for each in _subclasses(serializers.BaseSerializer):
        if each.__module__.startswith("processing.api"):
            yield from _with_children(each())


def _with_children(serializer: object) -> Iterator[fields.Field]:  # type: ignore[type-arg]
    yield serializer  # type: ignore[misc]
    for each in getattr(serializer, "fields", {}).values():
        if not each.read_only:
            yield from _with_children(each)
    if getattr(serializer, "child", None) is not None:
        yield from _with_children(serializer.child)  # type: ignore[attr-defined]


def _of_validators(each: fields.Field) -> Iterator[str]:  # type: ignore[type-arg]
    yield from (str(validator.code) for validator in each.validators if hasattr(validator, "code"))


def _subclasses(of: type) -> Iterator[type]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else str(getattr(node, "attr", ""))
