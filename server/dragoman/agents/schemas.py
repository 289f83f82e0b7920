"""Values against a JSON Schema: what does not fit, named by its place.

Remote references are refused: a schema is what its author wrote, and nothing is fetched for it. ``jsonschema-rs`` is
imported at the first use, for it is not needed to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["SchemaCheck"]

_MOST = 20
_DIALECTS: Final = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    }
)


class SchemaCheck:
    """A JSON Schema (2020-12 unless it says otherwise), made ready when a value is first checked, or by ``prepare``.

    Raises ``ValueError`` for one in a dialect that values cannot be checked by.
    """

    def __init__(self, schema: Mapping[str, Json]) -> None:
        dialect = schema.get("$schema")
        if dialect is not None and str(dialect).removesuffix("#") not in _DIALECTS:
            known = ", ".join(sorted(_DIALECTS))
            raise ValueError(f"$schema: values cannot be checked by the dialect {dialect!r}; those there are: {known}.")
        self._schema = schema
        self._validator: Any = None

    def fits(self, value: Json) -> bool:
        """Whether the value fits. Raises ``ValueError`` as ``check`` does."""
        fits: bool = self._ready().is_valid(value)
        return fits

    def check(self, value: Json, what: str) -> None:
        """Raise ``InputInvalid`` naming each place where the value does not fit; ``what`` says what the value is.

        Raises ``ValueError`` where the schema itself is none, or refers to another document.
        """
        validator = self._ready()
        problems = tuple(
            {"field": ".".join(str(part) for part in error.instance_path), "problem": error.message}
            for _, error in zip(range(_MOST), validator.iter_errors(value), strict=False)
        )
        if problems:
            lines = "; ".join(f"{p['field'] or 'value'}: {p['problem']}" for p in problems)
            raise InputInvalid(f"{what}: {lines}.", problems)

    def prepare(self) -> None:
        """Make it ready now. Raises ``ValueError`` where the schema is none, or refers to what is not in it."""
        self._ready()

    def _ready(self) -> Any:
        if self._validator is None:
            import jsonschema_rs

            try:
                # Messages tell of the schema, never of the value, which may be a secret.
                self._validator = jsonschema_rs.validator_for(dict(self._schema), retriever=_refuse, mask="the value")
            except jsonschema_rs.ValidationError as error:
                place = ".".join(str(part) for part in error.instance_path)
                raise ValueError(f"The JSON Schema cannot be used: {place and f'{place}: '}{error.message}") from None
            except Exception as error:
                raise ValueError(f"The JSON Schema cannot be used: {error}") from None
        return self._validator


def _refuse(uri: str) -> Any:
    raise ValueError(f"the remote reference {uri!r} is refused")
