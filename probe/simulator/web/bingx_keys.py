"""Listen keys, which open the stream of an account: made with an API key, whichever, and alive for an hour."""

import asyncio
from math import inf
from random import Random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from probe.model.credentials import Secret
from probe.simulator.world import World

PATH = "/openApi/user/auth/userDataStream"
LIFE_SECONDS = 3600.0
NO_API_KEY = {"code": 100413, "msg": "Incorrect apiKey"}


class ListenKeys:
    def __init__(self, world: World, rng: Random) -> None:
        self._world, self._rng = world, rng
        self._user = world.accounts[0].user  # every API key is this one's

    async def serve(self, request: Request) -> Response:
        """POST makes one, PUT extends its life, DELETE ends it."""
        if not request.headers.get("x-bx-apikey"):
            return JSONResponse(NO_API_KEY)
        at = self._world.floor.at(asyncio.get_running_loop().time())
        if request.method == "POST":
            key = f"{self._rng.getrandbits(256):064x}"
            self._world.lend(Secret(key), self._user, at + LIFE_SECONDS)
            return JSONResponse({"listenKey": key})
        named = request.query_params.get("listenKey")
        if not named:
            return Response(status_code=204)
        key_named = Secret(named)
        ends_at = self._world.ends_at(key_named)
        if self._world.find(key_named) is None or ends_at <= at:
            return JSONResponse({"code": 100404, "msg": "listenKey not found"}, status_code=404)
        if ends_at < inf:  # the one that the simulator shows outlives them all
            until = at + LIFE_SECONDS if request.method == "PUT" else at
            self._world.lend(key_named, self._user, until)
        return JSONResponse({})
