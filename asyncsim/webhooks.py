"""Records and keywords of KORE's signing secrets, for annotations: `asyncsim.webhooks.Secret`.

`client.webhooks` returns these records and takes these keywords.
"""

from asyncsim.models.webhooks.secrets import (
    Secret,
    SecretCreate,
    SecretFilter,
    SecretStatus,
    SecretUpdate,
)

__all__ = [
    "Secret",
    "SecretCreate",
    "SecretFilter",
    "SecretStatus",
    "SecretUpdate",
]
