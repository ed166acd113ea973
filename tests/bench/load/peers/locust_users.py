"""Locust's own Socket.IO user, as its documentation shows it: `locust -f` of this file, with what to do in WORK."""

import os
import time

import gevent.event
from locust import task
from locust.contrib.socketio import SocketIOUser

URL, WORK = os.environ["URL"], os.environ["WORK"]
AUTH = {
    "session": "abcdefghijklmnopqrstuvwxyz",
    "isDemo": 1,
    "uid": 12345,
    "platform": 2,
    "isFastHistory": True,
}


class Peer(SocketIOUser):
    options = {"reconnection": False}  # noqa: RUF012 - as Locust declares it

    def on_start(self) -> None:
        self.answered = gevent.event.Event()
        self.sio.on("successupdateBalance", lambda _: self.answered.set())
        self.sio.connect(URL, transports=["websocket"])  # type: ignore[no-untyped-call]
        self.sio.emit("auth", AUTH)

    @task
    def work(self) -> None:
        while WORK != "echo":
            gevent.sleep(60)
        while True:
            self.answered.clear()
            began = time.perf_counter()
            self.sio.emit("getBalance")
            self.answered.wait()
            self.environment.events.request.fire(
                request_type="WSR",
                name="balance",
                response_time=(time.perf_counter() - began) * 1000,
                response_length=0,
                exception=None,
                context={},
            )
