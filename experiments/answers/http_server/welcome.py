"""The first page: what this server is, and where to look."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Request, Response
from fastapi.routing import APIRoute

from adapter_workbench.experiments.answers.http_server.errors import JSON
from adapter_workbench.experiments.answers.http_server.messages import Welcome

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.service import Service

OPENAPI = "/openapi.json"


def paths_of(app: FastAPI) -> dict[str, str]:
    """Return each path that can be asked, after its method, and what it is for."""
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    paths = {
        f"{method} {route.path_format}": route.description for route in routes for method in sorted(route.methods or ())
    }
    return paths | {f"GET {OPENAPI}": "All of it as an OpenAPI document."}


def add_welcome(app: FastAPI, service: Service) -> None:
    """Answer on ``/``, after all other paths were added."""
    paths = paths_of(app)

    @app.get("/", responses={HTTPStatus.OK.value: {"model": Welcome}})
    async def welcome(request: Request) -> Response:
        """Tell what this is, and where to look."""
        current = service.current
        task = next(iter(sorted(current.by_task)), "TASK")
        request_body = f'{{"texts": ["…"], "task": "{task}"}}'
        page = Welcome(
            name=app.title,
            version=app.version,
            backbone=current.opened.backbone.name,
            router=service.router,
            tasks=sorted(current.by_task),
            paths=paths,
            example=f"curl {request.base_url}predict -H 'Content-Type: {JSON}' -d '{request_body}'",
        )
        return Response(page.model_dump_json(indent=2), media_type=JSON)  # indented: people read it in a browser
