"""Our users under `locust -f`, as anybody would write them: one asks without a pause, one only keeps its session open."""

import os

import gevent
from locust import task

from loadtests import PocketOptionUser
from probe.model.intents import AskBalance

ASKS = os.environ["WORK"] == "echo"


class Ours(PocketOptionUser):
    @task
    def work(self) -> None:
        while ASKS:
            self.ask(AskBalance(), name="balance")
        gevent.sleep(3600)
