"""Keeps a greeting in a ConfigMap."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import apply, context, log, outputs
from wit_world.imports.types import Error_Failed


class Installer(exports.Installer):
    def run(self, action: str) -> None:
        try:
            if action != "install":
                raise ValueError(f"unknown action {action}")
            install()
        except Err:
            raise  # a refusal of the host goes on to the operator as it is
        except Exception as error:  # would be a trap without a message
            raise Err(Error_Failed(repr(error)))


def install() -> None:
    name = f"{context.name()}-greeting"
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": context.namespace(),
            "labels": {"app.kubernetes.io/version": context.bundle_version()},
        },
        "data": {"greeting": context.parameter("greeting") or ""},
    }
    for applied in apply.apply([json.dumps(manifest)]):
        log.log(log.Level.INFO, f"{applied.object.kind} {applied.object.name}")
    outputs.set("name", name)
