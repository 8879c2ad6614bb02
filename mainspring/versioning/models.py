"""Models: registering them, finding them, moving them through their stages, and getting them ready to predict."""

from mainspring.versioning.external import register_external
from mainspring.versioning.materials import load, materialise, materialise_address, policy, stored_signature
from mainspring.versioning.registration import register
from mainspring.versioning.registry import (
    STAGES,
    ModelVersion,
    Stage,
    Transition,
    champion,
    history,
    names,
    resolve,
    transition,
    versions,
)

__all__ = [
    "STAGES",
    "ModelVersion",
    "Stage",
    "Transition",
    "champion",
    "history",
    "load",
    "materialise",
    "materialise_address",
    "names",
    "policy",
    "register",
    "register_external",
    "resolve",
    "stored_signature",
    "transition",
    "versions",
]
