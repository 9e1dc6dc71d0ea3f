"""The yardsticks: bare Starlette + msgspec, and FastAPI with its own models. They validate, and keep nothing.

Runs in the `web` environment: `uvicorn apps:bare`, `uvicorn apps:fastapi`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

QUEUE_CAP = 200_000
queue: list[object] = []  # stands for whatever would come next


class Message(msgspec.Struct, gc=False):
    device_id: str
    timestamp: datetime
    sensor: str
    value: float
    unit: str


class Model(BaseModel):
    device_id: str
    timestamp: datetime
    sensor: str
    value: float
    unit: str


def take(messages: list[object]) -> int:
    queue.extend(messages)
    if len(queue) > QUEUE_CAP:
        queue.clear()
    return len(messages)


one = msgspec.json.Decoder(Message).decode
many = msgspec.json.Decoder(list[Message]).decode


def endpoint(decode: Callable[[bytes], list[object]]) -> Callable[[Request], object]:
    async def answer(request: Request) -> Response:
        try:
            accepted = take(decode(await request.body()))
        except msgspec.DecodeError as error:  # ValidationError is one, too
            return Response(msgspec.json.encode({"detail": str(error)}), 422, media_type="application/json")
        return Response(b'{"accepted":%d}' % accepted, 202, media_type="application/json")

    return answer


bare = Starlette(
    routes=[
        Route("/one", endpoint(lambda body: [one(body)]), methods=["POST"]),
        Route("/many", endpoint(many), methods=["POST"]),
    ]
)

fastapi = FastAPI()


@fastapi.post("/one", status_code=202)
async def post_one(message: Model) -> dict[str, int]:
    return {"accepted": take([message])}


@fastapi.post("/many", status_code=202)
async def post_many(messages: list[Model]) -> dict[str, int]:
    return {"accepted": take(list(messages))}
