"""Locust's own Socket.IO user that asks so many times a second, as its documentation has it: with `constant_throughput`."""

import os
import time

import gevent.event
from locust import constant_throughput, task
from locust.contrib.socketio import SocketIOUser

URL, RATE = os.environ["URL"], float(os.environ["RATE"])


class Paced(SocketIOUser):
    options = {"reconnection": False}  # noqa: RUF012 - as Locust declares it
    wait_time = constant_throughput(RATE)

    def on_start(self) -> None:
        self.answered = gevent.event.Event()
        self.sio.on("successupdateBalance", lambda _: self.answered.set())
        self.sio.connect(URL, transports=["websocket"])  # type: ignore[no-untyped-call]
        self.sio.emit("auth", {"session": "abcdefghijklmnopqrstuvwxyz", "isDemo": 1})

    @task
    def balance(self) -> None:
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
