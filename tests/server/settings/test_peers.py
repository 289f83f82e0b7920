"""``[peers]`` and ``[egress]``: what reaches those who call others, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.a2a import keyfile
from dragoman.agents.errors import ConfigurationError
from dragoman.settings import Settings, load
from dragoman.settings.faces import peer_settings


def _loaded(folder: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    file = folder / "dragoman.toml"
    file.write_text(text, "utf-8")
    return load(file, env=env or {})


def test_a_peer_has_its_keys_from_a_file_and_its_credential_from_the_environment(tmp_path: Path) -> None:
    key = keyfile.load(tmp_path / "theirs.json")[0]
    public = keyfile.public_half(key)
    (tmp_path / "peer.jwks.json").write_text(json.dumps({"keys": [public]}))
    settings = _loaded(
        tmp_path,
        """
        [peers.refunds]
        url = "https://agents.example/a2a/refunds"
        keys = "peer.jwks.json"
        credential = "REFUNDS_KEY"

        [peers.all]
        url = "https://other.example"
        keys = "https://other.example/.well-known/jwks.json"
        credential = "OTHER_KEY"
        header = "X-API-Key"
        scheme = ""
        binding = "HTTP+JSON"
        """,
    )
    refunds, other = peer_settings(settings, {"REFUNDS_KEY": "s3cret\n", "OTHER_KEY": "t0ken"})
    assert (refunds.keys, refunds.headers) == ([public], {"Authorization": "Bearer s3cret"})
    assert (other.keys_url, other.headers) == ("https://other.example/.well-known/jwks.json", {"X-API-Key": "t0ken"})
    assert (other.binding, other.signed) == ("HTTP+JSON", True)
    assert "s3cret" not in repr(refunds)


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("https://agents.example/a2a/refunds", True),
        ("https://agents.example/a2a/refunds/.well-known/agent-card.json", True),
        ("https://agents.example/a2a/refunds2", False),
        ("https://agents.example.evil.test/a2a/refunds", False),
        ("http://agents.example/a2a/refunds", False),
    ],
)
def test_a_peer_is_what_is_at_its_address_and_under_it(tmp_path: Path, url: str, covered: bool) -> None:
    settings = _loaded(tmp_path, '[peers.refunds]\nurl = "https://agents.example/a2a/refunds/"')
    (peer,) = peer_settings(settings, {})
    assert peer.covers(url) is covered


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[peers.a]\nurl = "agents.example"', "[peers] a url: must be the address of an agent or its card"),
        ('[peers.a]\nurl = "https://u:p@x.example"', "[peers] a url: must be the address of an agent or its card"),
        ('[peers.a]\nurl = "https://x"\nkey = "k"', "[peers] a key: unknown key; did you mean keys?"),
        ('[peers.a]\nkeys = "k"', "[peers] a url: field required"),
        ('[peers.a]\nurl = "https://x"\nbinding = "SOAP"', "[peers] a binding: input should be 'JSONRPC'"),
        ('[egress]\nallow = ["10.0.0.0/33"]', "[egress] allow: '10.0.0.0/33' is no address, no network"),
        ("[egress]\nports = [0]", "[egress] ports 0: input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_told_by_its_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _loaded(tmp_path, text)
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('credential = "NO_SUCH"', "[peers] a credential: the environment variable NO_SUCH is not set."),
        ('keys = "none.json"', "none.json cannot be read: No such file or directory."),
        ('keys = "dragoman.toml"', "dragoman.toml holds no JSON Web Key Set."),
    ],
)
def test_what_is_missing_is_told_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    settings = _loaded(tmp_path, f'[peers.a]\nurl = "https://x"\n{text}')
    with pytest.raises(ConfigurationError) as caught:
        peer_settings(settings, {})
    assert told in caught.value.message


def test_what_may_be_called_is_a_list_in_the_environment_too(tmp_path: Path) -> None:
    settings = _loaded(tmp_path, "", {"DRAGOMAN_EGRESS__ALLOW": "10.0.0.0/8,*.internal"})
    assert settings.egress.allow == ("10.0.0.0/8", "*.internal")
