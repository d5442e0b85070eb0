# SPDX-License-Identifier: GPL-2.0-or-later
"""Idempotency-Key: what comes twice is carried out once."""
import signal

import pytest

from daemon import Daemon


def test_a_peer_is_made_once(daemon, call):
    key = {"Idempotency-Key": "9f1c0a3e"}
    first = call("POST", "/v1/peers", {"name": "once"}, headers=key)
    again = call("POST", "/v1/peers", {"name": "once"}, headers=key)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true") and "Idempotency-Replayed" not in first.headers
    assert again.headers["Location"] == first.headers["Location"] and again.headers["ETag"] == first.headers["ETag"]
    once = ("private_key", "client_config", "client_config_qr_svg")
    assert again.json == {k: v for k, v in first.json.items() if k not in once}
    assert [p["name"] for p in daemon.call("GET", "/v1/peers").json["items"]].count("once") == 1
    # What the key was first sent with is gone: it is still not done again.
    assert daemon.call("DELETE", first.headers["Location"]).status == 204
    assert call("POST", "/v1/peers", {"name": "once"}, headers=key).headers["Idempotency-Replayed"] == "true"
    assert daemon.call("GET", first.headers["Location"]).status == 404


def test_a_key_is_for_one_request_of_one_caller(daemon, call):
    key = {"Idempotency-Key": "k1"}
    assert call("POST", "/v1/routes", {"prefix": "10.1.0.0/16"}, headers=key).status == 201
    other = call("POST", "/v1/routes", {"prefix": "10.2.0.0/16"}, headers=key)
    assert (other.status, other.json["type"]) == (422, "/problems/idempotency_key_reused")
    assert call("POST", "/v1/peers", {"prefix": "10.1.0.0/16"}, headers=key).status == 422
    bearer = {"Authorization": "Bearer " + daemon.token("routes")["secret"]}
    assert call("POST", "/v1/routes", {"prefix": "10.2.0.0/16"}, headers={**key, **bearer}, tcp=True).status == 201


def test_what_failed_or_was_rehearsed_may_be_sent_again(call):
    key = {"Idempotency-Key": "k2"}
    assert call("POST", "/v1/peers", {"name": "x"}, "?dry_run=true", headers=key).status == 201
    assert call("POST", "/v1/peers", {"name": ""}, headers=key).status == 422
    made = call("POST", "/v1/peers", {"name": "x"}, headers=key)
    assert made.status == 201 and made.json["private_key"] and "Idempotency-Replayed" not in made.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\u00e4"])
def test_unfit_keys(call, key):
    assert call("POST", "/v1/peers", {"name": "unfit"}, headers={"Idempotency-Key": key.encode("latin-1")}).status == 400


def test_a_secret_is_not_kept(daemon, call):
    key = {"Idempotency-Key": "k3"}
    body = {"name": "ci", "scopes": ["all"], "single_use": True}
    first = call("POST", "/v1/tokens", body, headers=key)
    again = call("POST", "/v1/tokens", body, headers=key)
    assert again.json == {k: v for k, v in first.json.items() if k not in ("secret", "sign_in_url")}
    assert len([t for t in daemon.call("GET", "/v1/tokens").json["items"] if t["id"] == first.json["id"]]) == 1


def test_keys_outlive_a_crash():
    daemon = Daemon()
    try:
        key = {"Idempotency-Key": "k4"}
        first = daemon.call("POST", "/v1/peers", {"name": "once"}, key)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        daemon.start()
        again = daemon.call("POST", "/v1/peers", {"name": "once"}, key)
        assert (again.status, again.json["id"]) == (201, first.json["id"])
    finally:
        daemon.remove()
