"""The dashboard: pages that a person looks at, made of the same functions as the documents of ``api``.

A request comes in by a route of one of the files here, is answered by functions of ``engine``, and rendered by a template of
``templates/`` (escaped, and with what cannot be seen made visible). Nothing is run or styled but files of ``static/``: two
that are served as they were published (its README names them), the others written by hand; there is no build step. Everything
that is chosen on a page is in its address. To add a page, write its route with ``route_class=PageRoute`` and what it needs,
its template on ``base.html``, and its line in ``docs/dashboard.md``.
"""

from __future__ import annotations

from fastapi import APIRouter

from vedette.server.pages import (
    alert,
    chain,
    files,
    life,
    maintenance,
    model,
    overview,
    reports,
    rules,
    series,
    version,
    words,
)

__all__ = ["routers"]

routers: tuple[APIRouter, ...] = (
    files.router,
    overview.router,
    model.router,
    series.router,
    alert.router,
    rules.router,
    chain.router,
    life.router,
    version.router,
    maintenance.router,
    reports.router,
    words.router,
)
"""The routes of the pages; ``api.watch`` must be among the services of the application that has them."""
