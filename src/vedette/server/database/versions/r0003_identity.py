"""Who logs in by an identity provider, passwords that must be changed, and what a user sees of their sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__: list[str] = []

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables and columns."""
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("managed", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "returns",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.add_column("users", sa.Column("change_by", sa.BigInteger))
    for name, length in (("id", 16), ("way", 16), ("address", 64), ("browser", 160)):
        op.add_column("sessions", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    op.execute(
        "DELETE FROM sessions"
    )  # none of before has an id by which it could be ended: one logs in again
